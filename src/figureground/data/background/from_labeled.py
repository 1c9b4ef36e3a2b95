"""Background from labelled data: whole sets, classes held out, images shuffled in patches."""

__all__ = ["FromLabeled", "HeldOutClasses", "PatchShuffle"]

from collections.abc import Collection, Mapping

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option
from figureground.data.background.source import BackgroundSource, ImageArray, InOrder, checked_index
from figureground.data.labeled import LabeledImages


class FromLabeled(InOrder):
    """Images of a data set, without their labels.

    Args:
        data: The set.
        name: Short; groups are named after it.
        rows: Which images; all without it.
    """

    def __init__(
        self, data: LabeledImages, *, name: str, rows: Int[Tensor, " n"] | None = None
    ) -> None:
        self.name = name
        self.provenance: Mapping[str, str] = {"data set": name}
        self._data = data
        self._rows: list[int] = torch.arange(len(data)).tolist() if rows is None else rows.tolist()
        self._set = name

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> ImageArray:
        row = self._rows[checked_index(index, len(self))]
        return np.array(self._data.image(row).convert("RGB"))

    def group(self, index: int) -> str:
        """The image's own group, or itself.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        row = self._rows[checked_index(index, len(self))]
        groups = self._data.groups
        return f"{self._set} {row if groups is None else int(groups[row])}"


class HeldOutClasses(FromLabeled):
    """The images of classes that the network is not to learn: the hardest background.

    Args:
        data: The set.
        classes: Names or labels of the classes.
        name: Short name of the set.

    Raises:
        OptionError: A class does not exist.
    """

    def __init__(
        self, data: LabeledImages, classes: Collection[str | int], *, name: str = "data set"
    ) -> None:
        labels = torch.tensor([_label(data, given) for given in classes])
        super().__init__(data, name=name, rows=torch.isin(data.labels, labels).nonzero()[:, 0])
        words = ", ".join(data.class_names[label] for label in labels.tolist())
        self.name = f"{name}, held-out classes"
        self.provenance = {"data set": name, "rule": f"classes {words}"}


class PatchShuffle(InOrder):
    """Images cut into a grid of patches that change places: local texture without the object.

    Args:
        source: Its groups are kept.
        grid: Patches along each side; sides are first cut to a multiple of it.
        count: How many; image i is made of original ``i modulo len(source)``. All once without it.
        seed: Any non-negative integer.

    Raises:
        OptionError: ``grid`` is below 2, or there is nothing to make more of.
    """

    def __init__(
        self, source: BackgroundSource, *, grid: int = 4, count: int | None = None, seed: int = 0
    ) -> None:
        if grid < 2 or (count and not len(source)):
            raise OptionError(
                f"a grid of {grid} patches and {len(source)} images give nothing to shuffle"
            )
        self.name = f"{source.name}, patches shuffled"
        self.provenance: Mapping[str, str] = {
            **source.provenance,
            "changed": f"{grid}x{grid} patches shuffled, seed {seed}",
        }
        self._source = source
        self._grid = grid
        self._count = len(source) if count is None else count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> ImageArray:
        row = checked_index(index, len(self))
        original = self._source[row % len(self._source)]
        order = np.random.default_rng((self._seed, row)).permutation(self._grid**2)
        if (order == np.arange(len(order))).all():
            order = order[::-1]  # the image itself would come out
        height, width = (side // self._grid for side in original.shape[:2])
        if min(height, width) == 0:
            raise OptionError(
                f"an image of {original.shape[:2]} pixels has no {self._grid}² patches"
            )
        cut = original[: height * self._grid, : width * self._grid]
        patches = cut.reshape(self._grid, height, self._grid, width, 3).swapaxes(1, 2)
        mixed = patches.reshape(-1, height, width, 3)[order].reshape(patches.shape)
        return mixed.swapaxes(1, 2).reshape(cut.shape)

    def group(self, index: int) -> str:
        """The original's.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        return self._source.group(checked_index(index, len(self)) % len(self._source))


def _label(data: LabeledImages, given: str | int) -> int:
    """The label of a class that exists."""
    if isinstance(given, str) and given in data.class_names:
        return data.class_names.index(given)
    if isinstance(given, int) and 0 <= given < data.num_classes:
        return given
    raise unknown_option("class", given, data.class_names)
