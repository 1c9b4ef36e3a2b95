"""Augmentation by the names of torchvision.transforms.v2, drawn by seed, epoch and image, whoever draws it."""

__all__ = ["MIXING", "Transforms", "check_names", "split_mixing"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from figureground.base.errors import OptionError, unknown_option
from figureground.data.fitting import Window
from figureground.training.source_pixels import coordinates, source_pixels

MIXING = ("MixUp", "CutMix")
"""Transforms of whole batches, which mix labels as well."""

_NAMES = tuple(
    name
    for name, one in vars(v2).items()
    if isinstance(one, type)
    and issubclass(one, v2.Transform)
    and name not in {"Transform", "Lambda"}
)
_FROM_ORIGINAL = ("RandomResizedCrop", "Resize", "RandomResize", "RandomShortestSize")
_NESTED = ("RandomApply", "RandomChoice", "RandomOrder", "Compose")


class Transforms:
    """A list of transforms, one image at a time.

    Those that take a ``size`` get that of the network where the recipe names none. Where the first one resizes, as
    ``RandomResizedCrop`` does, an image that is read from a file begins at its own size; otherwise as the network takes
    it.

    Args:
        entries: Names with their parameters, as a recipe holds them.
        size: Height and width that the network takes.
        channels: Of the images.

    Raises:
        OptionError: A transform or parameter that does not exist, or images that come out otherwise than the network
            takes them.
    """

    def __init__(
        self,
        entries: Sequence[str | Mapping[str, Any]],
        size: tuple[int, int],
        channels: int = 3,
    ) -> None:
        self.size, self.channels = size, channels
        self.names = [_parsed(entry)[0] for entry in entries]
        self._list = [_made(entry, size) for entry in entries]
        self.from_original = bool(self.names) and self.names[0] in _FROM_ORIGINAL
        self._check()

    def __call__(
        self, image: Tensor, window: Window | None = None, *, seed: int, geometry: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """One image.

        Args:
            image: ``(C, h, w)`` uint8.
            window: Which part of it is the stored image; all of it where omitted.
            seed: Of its random numbers; torch's global ones stay as they are.
            geometry: Whether to tell where its pixels come from.

        Returns:
            ``(C, H, W)`` uint8, and ``(2, H, W)`` as ``source_pixels`` gives it; None where that is not asked for.
        """
        height, width = image.shape[1:]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            if not geometry:
                return self._pixels(self._apply(tv_tensors.Image(image))), None
            grid = tv_tensors.Mask(coordinates(height, width))
            moved, places = self._apply(tv_tensors.Image(image), grid)
        whole = (0.0, 0.0, float(width), float(height)) if window is None else window
        return self._pixels(moved), source_pixels(places.as_subclass(Tensor), whole, self.size)

    def without_geometry(self) -> str | None:
        """Name of a transform that does not tell where it moves what; None where all do."""
        image = tv_tensors.Image(torch.zeros(self.channels, *self.size, dtype=torch.uint8))
        mask = coordinates(*self.size)
        for name, one in zip(self.names, self._list, strict=True):
            try:
                if not isinstance(one, v2.RandomErasing):
                    one(image, tv_tensors.Mask(mask))
            except TypeError:
                return name
        return None

    def _apply(self, *inputs: Tensor) -> Any:  # noqa: ANN401 - one for one input, else a tuple
        for one in self._list:
            # what is erased stays where it is; torchvision warns about any mask there
            taken = inputs[:1] if isinstance(one, v2.RandomErasing) else inputs
            found: Any = one(*taken)
            done = found if isinstance(found, tuple) else (found,)
            inputs = (*done, *inputs[len(done) :])
        return inputs[0] if len(inputs) == 1 else inputs

    def _pixels(self, image: Tensor) -> Tensor:
        """Bytes again."""
        plain = image.as_subclass(Tensor)
        return plain if plain.dtype == torch.uint8 else plain.clamp(0, 1).mul(255).round().byte()

    def _check(self) -> None:
        """One image of noise through all of them."""
        height, width = self.size
        noise = torch.randint(
            256, (self.channels, height, width), dtype=torch.uint8, generator=torch.Generator()
        )
        try:
            found, _ = self(noise, seed=0)
        except (TypeError, ValueError, RuntimeError) as error:
            raise OptionError(f"augmentation.transforms: {error}") from error
        if tuple(found.shape) != (self.channels, height, width):
            shape = "×".join(map(str, found.shape))
            raise OptionError(
                f"augmentation.transforms: images come out as {shape}, and the network takes "
                f"{self.channels}×{height}×{width}: the "
                "last transform that changes the size must give that one (without a size it does)"
            )


def check_names(entries: Sequence[str | Mapping[str, Any]]) -> None:
    """Refuse a transform that does not exist, before the images are read.

    Args:
        entries: As for ``Transforms``.

    Raises:
        OptionError: One that does not exist, or an entry that is not a name with parameters.
    """
    for entry in entries:
        name, parameters = _parsed(entry)
        if name in _NESTED:
            check_names(parameters.get("transforms", ()))


def split_mixing(
    entries: Sequence[str | Mapping[str, Any]],
) -> tuple[list[str | Mapping[str, Any]], list[tuple[str, dict[str, Any]]]]:
    """Transforms of one image, and those of a whole batch.

    Args:
        entries: As for ``Transforms``.

    Returns:
        Entries of the first kind; names and parameters of the second.
    """
    single = [entry for entry in entries if _parsed(entry)[0] not in MIXING]
    mixing = [_parsed(entry) for entry in entries if _parsed(entry)[0] in MIXING]
    return single, mixing


def _parsed(entry: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and parameters."""
    if isinstance(entry, Mapping):
        if len(entry) != 1:
            raise OptionError(
                "each entry of augmentation.transforms is one name with its parameters"
            )
        ((name, given),) = entry.items()
        parameters = dict(given or {})
    else:
        name, parameters = entry, {}
    if name not in _NAMES:
        raise unknown_option("transform of torchvision.transforms.v2", name, _NAMES)
    return name, parameters


def _made(entry: str | Mapping[str, Any], size: tuple[int, int]) -> Any:  # noqa: ANN401 - any of torchvision's
    name, parameters = _parsed(entry)
    if name in _NESTED:
        parameters["transforms"] = [_made(one, size) for one in parameters.get("transforms", ())]
    if isinstance(parameters.get("interpolation"), str):
        parameters["interpolation"] = _interpolation(parameters["interpolation"])
    kind = getattr(v2, name)
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        try:  # without a size it is the network's
            return kind(**({"size": size} | parameters))
        except (TypeError, ValueError):
            raise OptionError(f"augmentation.transforms: {name}: {error}") from error


def _interpolation(name: str) -> InterpolationMode:
    names = [one.value for one in InterpolationMode]
    if name not in names:
        raise unknown_option("interpolation", name, names)
    return InterpolationMode(name)
