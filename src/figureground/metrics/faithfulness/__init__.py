"""Whether the pixels a map points at are the pixels the classifier uses."""
