"""Comparing trainings: several runs each of several arms, on images that none of them has seen."""
