"""Which numbers of an image with more than 8 bits are black and which are white."""

__all__ = ["FULL", "ValueRange"]

import math
import re
from dataclasses import dataclass

from figureground.base.errors import OptionError

FULL = "full"
_BITS = re.compile(r"([1-9]|1[0-6])-bit")


@dataclass(frozen=True)
class ValueRange:
    """The range of numbers that becomes black to white.

    Args:
        text: ``full``, all that the file could hold; ``data``, from the lowest to the highest number of each image;
            ``12-bit`` and the like, 0 to 4095; or ``lo,hi``, two numbers, with what lies outside cut off.

    Raises:
        OptionError: The text is nothing of that.

    Examples:
        >>> ValueRange("12-bit").bounds, ValueRange("-150,250").bounds, ValueRange("data").bounds
        ((0.0, 4095.0), (-150.0, 250.0), None)
    """

    text: str = FULL

    def __post_init__(self) -> None:
        if self.text not in {FULL, "data"} and self.bounds is None:
            raise OptionError(
                "a range is full, data, a depth such as 12-bit (1 to 16), or two numbers such as 0,4095, the lower "
                f"one first, not '{self.text}'"
            )

    @property
    def bounds(self) -> tuple[float, float] | None:
        """What becomes black and what white; None where the file or the image tells."""
        bits = _BITS.fullmatch(self.text)
        if bits:
            return 0.0, 2.0 ** int(bits[1]) - 1
        try:
            low, high = map(float, self.text.split(","))
        except ValueError:
            return None
        return (low, high) if math.isfinite(high - low) and low < high else None

    @property
    def is_depth(self) -> bool:
        """Whether it is a number of bits, beyond which there can be nothing."""
        return _BITS.fullmatch(self.text) is not None
