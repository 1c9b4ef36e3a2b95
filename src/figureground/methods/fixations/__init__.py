"""Walking back from logits to image positions, operation by operation."""
