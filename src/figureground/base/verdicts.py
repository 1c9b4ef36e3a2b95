"""How it is said that numbers do not tell."""

__all__ = ["CANNOT_TELL"]

CANNOT_TELL = "cannot tell"
"""What is said where the interval holds both no difference and one that would matter, or nothing was compared."""
