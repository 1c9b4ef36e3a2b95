"""Images made by rule: textures of no object, and clutter without a digit."""

__all__ = ["PROCEDURES", "ClutterOnly", "Procedural"]

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from figureground.base.errors import OptionError, unknown_option
from figureground.data.background.source import ImageArray, InOrder, checked_index
from figureground.data.clutter import ClutterSpec, clutter_only

_Field = Float[np.ndarray, "S S"]
_DEFAULT = ClutterSpec()


def _gradient(draw: np.random.Generator, size: int) -> _Field:
    """A ramp in a random direction."""
    angle = draw.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size] / size
    return np.cos(angle) * x + np.sin(angle) * y


def _noise(draw: np.random.Generator, size: int) -> _Field:
    """Independent pixels."""
    return draw.standard_normal((size, size))


def _fractal(draw: np.random.Generator, size: int) -> _Field:
    """Noise whose power falls with a random exponent of 2 to 4 of the frequency, as in nature."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = np.inf  # no mean
    spectrum = np.fft.fft2(draw.standard_normal((size, size)))
    return np.fft.ifft2(spectrum / frequency ** draw.uniform(1, 2)).real


def _stripes(draw: np.random.Generator, size: int) -> _Field:
    """A sine wave of 2 to 12 periods in a random direction."""
    phase = draw.uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * draw.uniform(2, 12) * _gradient(draw, size) + phase)


def _blobs(draw: np.random.Generator, size: int) -> _Field:
    """Three to twelve Gaussian spots."""
    y, x = np.mgrid[:size, :size] / size
    field = np.zeros((size, size))
    for _ in range(draw.integers(3, 13)):
        across, down, width = draw.uniform(0, 1), draw.uniform(0, 1), draw.uniform(0.03, 0.2)
        field += np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * width**2))
    return field


PROCEDURES: dict[str, Callable[[np.random.Generator, int], _Field]] = {
    "gradient": _gradient,
    "noise": _noise,
    "fractal": _fractal,
    "stripes": _stripes,
    "blobs": _blobs,
}


class Procedural(InOrder):
    """Fields of numbers between two random colours; the kinds take turns.

    Image i depends on the seed, on i and on the kinds only.

    Args:
        count: How many.
        kinds: Of `PROCEDURES`.
        size: Side in pixels.
        seed: Any non-negative integer.

    Raises:
        OptionError: A kind is unknown, there is none, or a number is out of range.
    """

    def __init__(
        self,
        count: int,
        *,
        kinds: Sequence[str] = tuple(PROCEDURES),
        size: int = 64,
        seed: int = 0,
    ) -> None:
        _check_kinds(kinds)
        if count < 0 or size < 2 or seed < 0:
            raise OptionError(f"count {count}, size {size} and seed {seed} cannot be")
        self.name = "procedural"
        self.provenance: Mapping[str, str] = {"rule": f"{', '.join(kinds)}; seed {seed}"}
        self._count, self._kinds, self._size, self._seed = count, tuple(kinds), size, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> ImageArray:
        row = checked_index(index, len(self))
        draw = np.random.default_rng((self._seed, row))
        field = PROCEDURES[self._kinds[row % len(self._kinds)]](draw, self._size)
        low, high = field.min(), field.max()
        share = ((field - low) / max(high - low, 1e-12))[..., None]
        first, second = draw.integers(0, 256, (2, 3))
        return np.rint(first + share * (second - first)).astype(np.uint8)

    def group(self, index: int) -> str:
        """Each is its own.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        return f"procedural {self._seed} {checked_index(index, len(self))}"


class ClutterOnly(InOrder):
    """Pieces of digits without a digit, for the cluttered sets; see `clutter_only`.

    Args:
        digits: Grey digits that the pieces are cut from: those of one part only, or digits of the
            test part come into training.
        count: How many.
        spec: The layout.
        seed: Not one that images with digits were made with, or the same clutter appears in both.
    """

    def __init__(
        self,
        digits: UInt8[np.ndarray, "M h w"],
        *,
        count: int,
        spec: ClutterSpec = _DEFAULT,
        seed: int,
    ) -> None:
        self.name = "clutter only"
        self.provenance: Mapping[str, str] = {"rule": f"{spec}, seed {seed}"}
        self._images = clutter_only(digits, background=0, count=count, spec=spec, seed=seed).images
        self._seed = seed

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> ImageArray:
        grey = self._images[checked_index(index, len(self))]
        return np.repeat(grey[..., None], 3, axis=2)

    def group(self, index: int) -> str:
        """Each is its own.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        return f"clutter {self._seed} {checked_index(index, len(self))}"


def _check_kinds(kinds: Sequence[str]) -> None:
    if not kinds:
        raise OptionError(f"name at least one kind of {', '.join(PROCEDURES)}")
    for kind in kinds:
        if kind not in PROCEDURES:
            raise unknown_option("kind of procedural image", kind, PROCEDURES)
