"""Measuring maps: evaluation sets, sources of maps, and one study per question."""
