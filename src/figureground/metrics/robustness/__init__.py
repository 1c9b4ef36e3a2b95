"""Whether maps stay where they are when the picture is disturbed."""
