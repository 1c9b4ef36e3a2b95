"""How often a JPEG goes over its pixels, told without decoding it."""

__all__ = ["MOST_SCANS", "refuse_many_scans"]

import re

from figureground.base.errors import DataError

# a progressive photograph has about ten, the most detailed order that the format has a use for less than a hundred
MOST_SCANS = 100
_MARKER = re.compile(
    rb"\xff[^\x00\x01\xd0-\xd7\xff]"
)  # not what stands between the numbers of a scan
_SCAN, _END = 0xDA, 0xD9


def refuse_many_scans(content: bytes) -> None:
    """Make sure that a small file does not stand for minutes of work.

    Args:
        content: A JPEG.

    Raises:
        DataError: It has more scans than ``MOST_SCANS``.
    """
    at, scans = 2, 0
    # what follows the end of the first image (previews, films) is not looked at
    while (found := _MARKER.search(content, at)) is not None and content[found.end() - 1] != _END:
        scans += content[found.end() - 1] == _SCAN
        if scans > MOST_SCANS:
            raise DataError(
                f"a JPEG of more than {MOST_SCANS} scans, which would take minutes to decode"
            )
        at = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
