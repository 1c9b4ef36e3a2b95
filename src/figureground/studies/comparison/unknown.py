"""Images of no known class: data sets, folders, and some that are made from nothing or from the test images."""

__all__ = ["MADE", "UnknownSet", "unknown_sets"]

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.data.background import FromLabeled, PatchShuffle
from figureground.data.finding import image_files
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import FileDecoder, LazyImages
from figureground.data.loaders import DATASETS, LoadOptions, load_dataset
from figureground.data.notices import Noticed
from figureground.data.splits import random_subset
from figureground.studies.comparison.held_out import HeldOut, ImageSet
from figureground.studies.training.runs import TrainedRun

_TEXTURES = "dtd10"
_GRID = 4
_FROM_TEST = ("noise", "patch-shuffle", "background")
MADE = (*_FROM_TEST, "textures")
"""What may be named without being a data set or a folder."""


class UnknownSet:
    """Unknown images for every run; runs that may share them get the same.

    ``noise`` are independent uniform pixels; ``patch-shuffle`` the test images cut into 4 x 4 patches that change
    places; ``background`` the background images of the test split; ``textures`` the test split of the pack dtd10;
    ``NAME`` or ``NAME:PLACE`` the test split of a data set, divided as a run's background pool was; anything else is a
    folder of images.

    Args:
        name: As typed.
        runs: All of the comparison.
        images: The test images; there are never more unknown ones than these are limited to.
        seed: Of what is made and drawn.

    Raises:
        OptionError: The name stands for nothing.
    """

    def __init__(
        self, name: str, runs: Sequence[TrainedRun], images: HeldOut, *, seed: int = 0
    ) -> None:
        self.name, self._images, self._seed = name, images, seed
        self._set, _, self._place = (_TEXTURES if name == "textures" else name).partition(":")
        self._set = self._set.lower()
        self._made: dict[int, ImageSet] = {}
        pooled = [_pool_seed(run, self._set) for run in runs]
        self._pool_seed = next((one for one in pooled if one is not None), None)
        if name not in MADE and self._set not in DATASETS and not Path(name).is_dir():
            known = ", ".join([*MADE, *sorted(DATASETS)])
            raise OptionError(f"unknown images '{name}': no such folder; known names: {known}")

    def of(self, run: TrainedRun) -> ImageSet:
        """The unknown images of a run.

        Args:
            run: Any run of the comparison.

        Returns:
            Of no known class.
        """
        key = self._key(run)
        if key not in self._made:
            whole = self._load(run, key)
            rows = random_subset(len(whole), self._images.limit, seed=self._seed)
            self._made[key] = ImageSet(self.name, whole.subset(rows), key)
        return self._made[key]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Images that could not be decoded so far, and why."""
        return tuple(line for one in self._made.values() for line in one.left_out)

    @property
    def noticed(self) -> tuple[Noticed, ...]:
        """What was odd about images so far."""
        return tuple(told for one in self._made.values() for told in one.noticed)

    def _key(self, run: TrainedRun) -> int:
        """Runs of equal key share the images."""
        if self.name in _FROM_TEST:
            return self._images.key(run)
        if self._set not in DATASETS or DATASETS[self._set].parts != ("all",):
            return 0
        return run.seed if self._pool_seed is None else self._pool_seed

    def _load(self, run: TrainedRun, key: int) -> LabeledImages:
        if self.name == "background":
            return self._images.background(run).data
        if self.name == "noise":
            return _noise(run, len(self._images.of(run)), self._seed)
        if self.name == "patch-shuffle":
            decode = FileDecoder(run.classifier.preprocessing.value_range)
            return _shuffled(self._images.of(run).data.decoded_by(decode), self._seed)
        return self._stored(key)

    def _stored(self, key: int) -> LabeledImages:
        """A data set or a folder."""
        if self._set in DATASETS:
            options = LoadOptions(seed=key)
            return load_dataset(self._set, self._place or None, part="test", options=options)
        return _unlabelled(LazyImages.of_files(image_files(self.name)))


def unknown_sets(
    asked: Sequence[str], runs: Sequence[TrainedRun], images: HeldOut, *, seed: int = 0
) -> tuple[UnknownSet, ...]:
    """The unknown sets that were asked for.

    Args:
        asked: Names.
        runs: All of the comparison.
        images: The test images.
        seed: Of what is made and drawn.

    Returns:
        The sets.

    Raises:
        OptionError: A name that stands for nothing, or one that comes twice.
    """
    if len(set(asked)) < len(asked):
        raise OptionError(f"an unknown set is asked for twice: {', '.join(asked)}")
    return tuple(UnknownSet(name, runs, images, seed=seed) for name in asked)


def _noise(run: TrainedRun, count: int, seed: int) -> LabeledImages:
    """Of the size of the run's images."""
    wanted = run.classifier.preprocessing
    shape = (count, wanted.channels, *wanted.size)
    return _unlabelled(torch.randint(256, shape, generator=generator(seed), dtype=torch.uint8))


def _shuffled(images: LabeledImages, seed: int) -> LabeledImages:
    source = PatchShuffle(FromLabeled(images, name="test"), grid=_GRID, seed=seed)
    return _unlabelled(LazyImages(lambda row: Image.fromarray(source[row]), len(source)))


def _unlabelled(images: Tensor | LazyImages) -> LabeledImages:
    return LabeledImages(images, torch.full((len(images),), -1), ())


def _pool_seed(run: TrainedRun, name: str) -> int | None:
    """The seed that a background pool of this data set has of its own, in the recipe of a run."""
    options = [settings for entry in run.recipe.algorithms for settings in entry.values()]
    pools = [pool for settings in options for pool in settings.get("pools") or ()]
    seeds = [p.get("seed") for p in pools if isinstance(p, dict) and p.get("name") == name]
    return next((seed for seed in seeds if seed is not None), None)
