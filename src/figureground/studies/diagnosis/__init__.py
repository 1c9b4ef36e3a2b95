"""Diagnosis: how far a classifier rests on the background of what it classifies."""
