"""Comparing trainings: several runs each of several arms, on pictures that none of them has seen."""
