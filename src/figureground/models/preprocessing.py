"""How a network wants its images: resized, cropped and normalised as it was trained."""

__all__ = ["Preprocessing", "View", "per_channel"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option
from figureground.base.shapes import Boxes, Images
from figureground.base.value_range import FULL, ValueRange


@dataclass(frozen=True)
class View:
    """The mapping between an original image and the resized, cropped one made from it.

    A point at ``x`` pixels in the original lies at ``x * scale_x - offset_x`` in the view, both counted from the left
    edge of the left pixel; likewise for ``y``.

    Args:
        original_size: Width and height of the original, pixels.
        scale_x: Resized width over original width.
        scale_y: Resized height over original height.
        offset_x: Columns of the resized image left of the view; negative where the view has a border there.
        offset_y: Rows of the resized image above the view; negative where the view has a border there.
        view_size: Width and height of the view, pixels.

    Examples:
        >>> import torch
        >>> view = View((500, 250), 0.5, 0.5, 63.0, 0.0, view_size=(125, 125))
        >>> view.boxes_to_original(torch.tensor([[0.0, 0.0, 125.0, 125.0]]))
        tensor([[126.,   0., 376., 250.]])
    """

    original_size: tuple[int, int]
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    view_size: tuple[int, int]

    def boxes_to_original(self, boxes_xyxy: Boxes) -> Boxes:
        """The same boxes in pixels of the original.

        Args:
            boxes_xyxy: ``(B, 4)`` half-open boxes in pixels of the view.

        Returns:
            ``(B, 4)`` boxes, clipped to the original.
        """
        scale, offset = self._scale_and_offset(boxes_xyxy)
        return _clip((boxes_xyxy + offset) / scale, self.original_size)

    def boxes_from_original(self, boxes_xyxy: Boxes) -> Boxes:
        """The same boxes in pixels of the view.

        Args:
            boxes_xyxy: ``(B, 4)`` half-open boxes in pixels of the original.

        Returns:
            ``(B, 4)`` boxes, clipped to the view; a box that the crop cut away whole has no area.
        """
        scale, offset = self._scale_and_offset(boxes_xyxy)
        return _clip(boxes_xyxy * scale - offset, self.view_size)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """Where the view lies in the original: x0, y0, x1, y1 in its pixels; beyond its edges where it has a border."""
        width, height = self.view_size
        return (
            self.offset_x / self.scale_x,
            self.offset_y / self.scale_y,
            (width + self.offset_x) / self.scale_x,
            (height + self.offset_y) / self.scale_y,
        )

    def _scale_and_offset(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and offset once for each of x0, y0, x1, y1."""
        scale = like.new_tensor([self.scale_x, self.scale_y] * 2)
        return scale, like.new_tensor([self.offset_x, self.offset_y] * 2)


def _clip(boxes_xyxy: Boxes, size: tuple[int, int]) -> Boxes:
    """Boxes cut at the edges of an image of this width and height."""
    limit = boxes_xyxy.new_tensor([*size, *size])
    return torch.minimum(boxes_xyxy.clamp(min=0), limit)


_CHOICES = {
    "resize": ("crop", "stretch", "pad", "middle"),
    "channel_order": ("rgb", "bgr"),
    "half_pixel": ("even", "down"),
}
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
# a long thin image scaled until its short side fits could fill the memory: above this many pixels only the kept
# part is made
_LARGE = 2**24
_LONGEST = 2**14  # pixels of a side that any network is asked for


@dataclass(frozen=True)
class Preprocessing:
    """What happens to an image before a network sees it.

    The image is resized to ``floor(size / crop_fraction)`` and the middle ``size`` of it is kept. Three ways to
    resize: ``crop`` keeps the aspect ratio and covers the target, so that the ends of the longer side are lost;
    ``stretch`` gives up the aspect ratio; ``pad`` keeps it and fits the whole image inside the target, filling up
    with the mean colour. A fourth, ``middle``, cuts first: a square of ``floor(crop_fraction * shorter side)`` whole
    pixels from the middle of the image, which is then stretched to ``size``.

    Args:
        size: Height and width that the network gets, pixels.
        resize: ``crop``, ``stretch``, ``pad`` or ``middle``.
        crop_fraction: Side of the kept middle over side of the resized image; above 1 leaves a border. With ``middle``
            over the shorter side of the image, at most 1.
        interpolation: ``nearest``, ``bilinear``, ``bicubic``, ``lanczos``, ``box`` or ``hamming``, all antialiased.
        mean: Subtracted per channel, on the scale [0, 1].
        std: Divided by per channel, on the scale [0, 1].
        channels: 3 for RGB, 1 for grey.
        value_range: Of images with more than 8 bits a channel, what becomes black to white while they are decoded:
            ``full``, ``data``, ``12-bit`` and the like, or ``lo,hi``.
        channel_order: ``bgr`` for a network that wants blue first; mean and std are those of red, green and blue still.
        half_pixel: Where the middle begins at half a pixel, it is moved to the ``even`` one (torchvision, timm) or
            ``down`` (transformers).

    Raises:
        OptionError: A value that cannot be.

    Examples:
        >>> half = Preprocessing((2, 2), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3)
        >>> pixels, view = half.view(Image.new("RGB", (8, 4), (255, 0, 0)))
        >>> tuple(pixels.shape), view.scale_x, view.scale_y
        ((3, 2, 2), 0.25, 0.5)
    """

    size: tuple[int, int]
    resize: Literal["crop", "stretch", "pad", "middle"]
    crop_fraction: float
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int = 3
    value_range: str = FULL
    channel_order: Literal["rgb", "bgr"] = "rgb"
    half_pixel: Literal["even", "down"] = "even"

    def __post_init__(self) -> None:
        ValueRange(self.value_range)
        for name in _CHOICES:
            _check_choice(name, getattr(self, name))
        if self.interpolation not in _FILTERS:
            raise unknown_option("interpolation", self.interpolation, _FILTERS)
        sides: Sequence[int] = self.size
        if len(sides) != 2 or min(sides) < 1 or max(sides) > _LONGEST:
            raise OptionError(
                f"size is a height and a width of at least 1 and at most {_LONGEST}, not {self.size}"
            )
        if not min(sides) / _LONGEST <= self.crop_fraction <= min(sides):
            raise OptionError(
                f"crop_fraction above 0 is needed: the kept side ({min(sides)}) over that of the resized image, which "
                f"has 1 to {_LONGEST} pixels; not {self.crop_fraction}"
            )
        if self.resize == "middle" and self.crop_fraction > 1:
            raise OptionError(
                f"crop_fraction of at most 1 is needed with resize 'middle', not {self.crop_fraction}"
            )
        _check_channels(self)

    @property
    def in_words(self) -> str:
        """Size, way of resizing and filter, for people.

        Examples:
            >>> Preprocessing((2, 3), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3).in_words
            '2×3, stretch, crop fraction 1, bilinear'
        """
        height, width = self.size
        return f"{height}×{width}, {self.resize}, crop fraction {self.crop_fraction:.3g}, {self.interpolation}"

    def view(self, image: Image.Image) -> tuple[Tensor, View]:
        """The image that the network gets, before normalisation.

        Args:
            image: A decoded image of any size.

        Returns:
            ``(C, H, W)`` uint8 in [0, 255], and the mapping back to the image.
        """
        converted = image.convert("L" if self.channels == 1 else "RGB")
        view = self._view_of(converted.size)
        if self.resize == "middle":
            x0, y0, x1, y1 = (round(edge) for edge in view.window)
            square = converted.crop((x0, y0, x1, y1))
            width, height = view.view_size
            return _as_tensor(square.resize((width, height), _FILTERS[self.interpolation])), view
        width, height = self.resized_size(converted.size)
        left, top = int(view.offset_x), int(view.offset_y)
        if width * height > _LARGE and min(left, top) >= 0:
            return _as_tensor(self._cut(converted, view)), view
        resized = converted.resize((width, height), _FILTERS[self.interpolation])
        return _as_tensor(self._placed(resized, (left, top))), view

    def pixels(self, image: Image.Image) -> Tensor:
        """The image that the network gets, before normalisation.

        Args:
            image: A decoded image of any size.

        Returns:
            ``(C, H, W)`` uint8.
        """
        return self.view(image)[0]

    def window_of(self, original: tuple[int, int]) -> tuple[float, float, float, float]:
        """What a network sees of an image.

        Args:
            original: Width and height of the image.

        Returns:
            x0, y0, x1, y1 in its pixels; beyond its edges where there is a border.
        """
        return self._view_of(original).window

    def normalise(self, images: Images) -> Images:
        """Images as the network's first layer expects them.

        Args:
            images: ``(N, C, H, W)`` in [0, 1].

        Returns:
            ``(images - mean) / std``, ``(N, C, H, W)``, in the network's order of channels.
        """
        mean = images.new_tensor(self.mean).view(-1, 1, 1)
        return self.ordered((images - mean) / images.new_tensor(self.std).view(-1, 1, 1))

    def ordered(self, images: Images) -> Images:
        """Red, green and blue in the network's order.

        Args:
            images: ``(N, C, H, W)``.

        Returns:
            The same, or with blue first.
        """
        return images.flip(1) if self.channel_order == "bgr" else images

    def changed(self, changes: Mapping[str, Any]) -> "Preprocessing":
        """A copy with some of its fields changed.

        Args:
            changes: Field name -> value; one number for ``size`` means a square, for ``mean`` and ``std`` all channels.

        Returns:
            The copy.

        Raises:
            OptionError: A field that does not exist, or a value that cannot be.

        Examples:
            >>> grey = Preprocessing((28, 28), "crop", 1.0, "bilinear", (0.5,), (0.5,), 1)
            >>> grey.changed({"size": 32, "mean": 0.25}).size
            (32, 32)
        """
        _check_fields(changes)
        try:
            return replace(self, **self._completed(changes))
        except OptionError:
            raise
        except (TypeError, ValueError) as error:
            raise OptionError(f"cannot use the preprocessing {dict(changes)}: {error}") from error

    def _completed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Changes in the fields' own types, with mean and std brought to the number of channels."""
        done = dict(changes)
        channels = int(done.get("channels", self.channels))
        for name in ("mean", "std"):
            given = done.get(name, getattr(self, name))
            values = (given,) * channels if isinstance(given, int | float) else given
            numbers = tuple(float(value) for value in values)
            done[name] = numbers if name in changes else per_channel(numbers, channels)
        if "size" in done:
            height, width = (done["size"],) * 2 if isinstance(done["size"], int) else done["size"]
            done["size"] = (int(height), int(width))
        if "crop_fraction" in done:
            done["crop_fraction"] = float(done["crop_fraction"])
        return done | {"channels": channels}

    def resized_size(self, original: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the whole resized image, rounded as the zoos round.

        Args:
            original: Width and height of the image.

        Returns:
            Pixels.
        """
        if self.resize == "middle":
            view = self._middle(original)
            return round(original[0] * view.scale_x), round(original[1] * view.scale_y)
        height, width = (math.floor(side / self.crop_fraction) for side in self.size)
        if self.resize == "stretch":
            return width, height
        if self.resize == "crop" and height == width:
            short, long = min(original), max(original)
            other = int(height * long / short)
            return (height, other) if original[0] <= original[1] else (other, height)
        ratios = original[0] / width, original[1] / height
        ratio = max(ratios) if self.resize == "pad" else min(ratios)
        return max(1, round(original[0] / ratio)), max(1, round(original[1] / ratio))

    def _view_of(self, original: tuple[int, int]) -> View:
        """The mapping of an image of this width and height."""
        if self.resize == "middle":
            return self._middle(original)
        width, height = self.resized_size(original)
        return View(
            original_size=original,
            scale_x=width / original[0],
            scale_y=height / original[1],
            offset_x=float(self._offset(width, self.size[1])),
            offset_y=float(self._offset(height, self.size[0])),
            view_size=(self.size[1], self.size[0]),
        )

    def _middle(self, original: tuple[int, int]) -> View:
        """The mapping of the middle square, stretched."""
        height, width = self.size
        side = max(1, int(self.crop_fraction * min(original)))
        left, top = (self._offset(whole, side) for whole in original)
        return View(
            original_size=original,
            scale_x=width / side,
            scale_y=height / side,
            offset_x=left * width / side,
            offset_y=top * height / side,
            view_size=(width, height),
        )

    def _offset(self, resized: int, kept: int) -> int:
        """Pixels before the kept middle; negative for a border, whose odd pixel comes last."""
        if kept > resized:
            return -((kept - resized) // 2)
        spare = resized - kept
        return spare // 2 if self.half_pixel == "down" else round(spare / 2)

    def _cut(self, image: Image.Image, view: View) -> Image.Image:
        """The kept middle alone, without ever holding the whole resized image."""
        left, top = view.offset_x / view.scale_x, view.offset_y / view.scale_y
        right, bottom = left + self.size[1] / view.scale_x, top + self.size[0] / view.scale_y
        box = (left, top, min(right, image.width), min(bottom, image.height))
        return image.resize(view.view_size, _FILTERS[self.interpolation], box=box)

    def _placed(self, resized: Image.Image, offset: tuple[int, int]) -> Image.Image:
        """The middle of a resized image, with a border where it is too small."""
        height, width = self.size
        fill = tuple(round(255 * value) for value in self.mean) if self.resize == "pad" else 0
        if min(offset) >= 0:
            return resized.crop((offset[0], offset[1], offset[0] + width, offset[1] + height))
        canvas = Image.new(
            resized.mode, (width, height), fill if self.channels > 1 else _first(fill)
        )
        canvas.paste(resized, (-offset[0], -offset[1]))
        return canvas


def per_channel(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """One number per channel: those given, or their average for every channel where the counts differ.

    Args:
        values: At least one number.
        channels: How many numbers are needed.

    Returns:
        ``channels`` numbers.

    Examples:
        >>> per_channel((0.0, 0.5, 1.0), 1)
        (0.5,)
    """
    if len(values) == channels:
        return tuple(float(value) for value in values)
    return (sum(values) / len(values),) * channels


def _check_fields(changes: Mapping[str, Any]) -> None:
    """Refuse names that are no fields."""
    names = [field.name for field in fields(Preprocessing)]
    for name in changes:
        if name not in names:
            raise unknown_option("preprocessing field", name, names)
    for name in _CHOICES.keys() & changes.keys():
        _check_choice(name, changes[name])


def _check_choice(name: str, value: object) -> None:
    """Refuse a way that does not exist."""
    if value not in _CHOICES[name]:
        raise unknown_option(name, value, _CHOICES[name])


def _check_channels(preprocessing: Preprocessing) -> None:
    """Refuse channel counts that an image cannot have, and mean or std that do not fit them."""
    mean, std, channels = preprocessing.mean, preprocessing.std, preprocessing.channels
    if channels not in {1, 3}:
        raise OptionError(f"images have 3 channels (RGB) or 1 (grey), not {channels}")
    finite = all(map(math.isfinite, (*mean, *std)))
    if len(mean) != channels or len(std) != channels or not finite or not min(std) > 0:
        raise OptionError(
            f"mean and std need {channels} numbers, finite, std above 0; got mean {mean} and std {std}"
        )


def _first(fill: tuple[int, ...] | int) -> int:
    """The one fill value of a grey image."""
    return fill if isinstance(fill, int) else fill[0]


def _as_tensor(image: Image.Image) -> Tensor:
    """``(C, H, W)`` uint8."""
    array = np.array(image, dtype=np.uint8)
    channels_last = array if array.ndim == 3 else array[:, :, None]
    return torch.from_numpy(np.ascontiguousarray(channels_last.transpose(2, 0, 1)))
