"""Text of unknown origin as text that a terminal and an editor show as it is."""

__all__ = ["printable"]

import re

# control characters, halves of surrogate pairs, line separators, and marks that turn the direction of writing
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    r"""The text with every character that acts, instead of being seen, written as an escape.

    Args:
        text: Any; a file name, a label, a message that quotes them.

    Returns:
        One line without control characters.

    Examples:
        >>> printable("cat\x1b[2J\n.png")
        'cat\\x1b[2J\\n.png'
    """
    return _ACTING.sub(lambda found: ascii(found[0])[1:-1], text)
