"""Training runs: made by a recipe, read back from their folder."""
