"""A trained classifier taken out: files that other programs load without figureground."""
