"""How well maps say where the object is: boxes, pixels, pointing, thresholds chosen honestly."""
