"""Scores of maps, from the confidence in changed images."""
