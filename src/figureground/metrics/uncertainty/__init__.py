"""How sure a map is of itself."""
