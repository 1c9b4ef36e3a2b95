"""Pictures of no known class: data sets, folders, and some that are made from nothing or from the test pictures."""

__all__ = ["MADE", "UnknownSet", "unknown_sets"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.base.seeds import generator
from figureground.data.background import FromLabeled, PatchShuffle
from figureground.data.finding import find_images
from figureground.data.labeled import LabeledImages, LazyPictures
from figureground.data.loaders import DATASETS, LoadOptions, load_dataset
from figureground.studies.comparison.arms import Arm, TrainedRun
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.picture_sets import PictureSet

_TEXTURES = "dtd10"
_GRID = 4
MADE = ("noise", "patch-shuffle", "background", "textures")
"""What may be named without being a data set or a folder."""


@dataclass(frozen=True)
class UnknownSet:
    """Unknown pictures for every run.

    Args:
        name: As typed.
        of: A run -> its unknown pictures; the same for runs that may share them.
        words: What they are.
    """

    name: str
    of: Callable[[TrainedRun], PictureSet]
    words: str


def unknown_sets(
    asked: Sequence[str], arms: Sequence[Arm], pictures: HeldOut, *, seed: int = 0
) -> tuple[UnknownSet, ...]:
    """The unknown sets that were asked for.

    ``noise`` are independent uniform pixels; ``patch-shuffle`` the test pictures cut into 4 x 4 patches that change
    places; ``background`` the background pictures of the test part; ``textures`` the test part of the pack dtd10;
    ``NAME`` or ``NAME:PLACE`` the test part of a data set, divided as a run's background pool was; anything else is a
    folder of pictures.

    Args:
        asked: Names.
        arms: The arms.
        pictures: The test pictures.
        seed: Of what is made and drawn.

    Returns:
        The sets, each of at most as many pictures as the test pictures are limited to.

    Raises:
        OptionError: A name that stands for nothing, or one that comes twice.
    """
    if len(set(asked)) < len(asked):
        raise OptionError(f"an unknown set is asked for twice: {', '.join(asked)}")
    runs = [run for arm in arms for run in arm.runs]
    found = [_one(name, runs, pictures, seed=seed) for name in asked]
    return tuple(_limited(one, pictures, seed) for one in found)


def _one(asked: str, runs: Sequence[TrainedRun], pictures: HeldOut, *, seed: int) -> UnknownSet:
    made: dict[str, tuple[Callable[[TrainedRun], PictureSet], str]] = {
        "noise": (lambda run: _noise(run, pictures, seed), "uniform pixels"),
        "patch-shuffle": (lambda run: _shuffled(pictures.of(run), seed), "test pictures shuffled"),
        "background": (pictures.background, "backgrounds of the test part"),
    }
    if asked in made:
        make, words = made[asked]
        return UnknownSet(asked, _kept(pictures.key, make), words)
    name, _, place = (_TEXTURES if asked == "textures" else asked).partition(":")
    if name.lower() in DATASETS:
        return _data_set(asked, (name.lower(), place or None), runs)
    folder = Path(asked)
    if not folder.is_dir():
        known = ", ".join([*MADE, *sorted(DATASETS)])
        raise OptionError(f"unknown pictures '{asked}': no such folder; known names: {known}")
    found = _folder(folder)
    return UnknownSet(asked, lambda _: found, f"{len(found)} pictures of {folder}")


def _limited(unknown: UnknownSet, pictures: HeldOut, seed: int) -> UnknownSet:
    """Not more pictures than the test pictures are limited to."""
    limit = pictures.limit
    if limit is None:
        return unknown

    def some(run: TrainedRun) -> PictureSet:
        whole = unknown.of(run)
        rows = torch.randperm(len(whole), generator=generator(seed))[:limit].sort().values
        return PictureSet(whole.name, whole.data.subset(rows), whole.key)

    return UnknownSet(unknown.name, _kept(lambda run: id(unknown.of(run)), some), unknown.words)


def _kept(
    key: Callable[[TrainedRun], int], make: Callable[[TrainedRun], PictureSet]
) -> Callable[[TrainedRun], PictureSet]:
    """The same function, each set made once."""
    made: dict[int, PictureSet] = {}

    def of(run: TrainedRun) -> PictureSet:
        at = key(run)
        if at not in made:
            made[at] = make(run)
        return made[at]

    return of


def _noise(run: TrainedRun, pictures: HeldOut, seed: int) -> PictureSet:
    """As many as there are test pictures, of the size of the first run's pictures."""
    wanted = run.classifier.preprocessing
    shape = (len(pictures.of(run)), wanted.channels, *wanted.size)
    pixels = torch.randint(256, shape, generator=generator(seed), dtype=torch.uint8)
    return PictureSet("noise", LabeledImages(pixels, torch.full((len(pixels),), -1), ()))


def _shuffled(pictures: PictureSet, seed: int) -> PictureSet:
    source = PatchShuffle(FromLabeled(pictures.data, name="test"), grid=_GRID, seed=seed)
    lazy = LazyPictures(lambda row: Image.fromarray(source[row]), len(source))
    return PictureSet("patch-shuffle", LabeledImages(lazy, torch.full((len(source),), -1), ()))


def _data_set(asked: str, found: tuple[str, str | None], runs: Sequence[TrainedRun]) -> UnknownSet:
    """The test part; where nobody divided the set, as the background pools of the runs did."""
    name, place = found
    undivided = DATASETS[name].parts == ("all",)
    pooled = [seed for run in runs if (seed := _pool_seed(run, name)) is not None]

    def key(run: TrainedRun) -> int:
        if not undivided:
            return 0
        return pooled[0] if pooled else run.seed

    def load(run: TrainedRun) -> PictureSet:
        data = load_dataset(name, place, part="test", options=LoadOptions(seed=key(run)))
        return PictureSet(name, data, key(run))

    return UnknownSet(asked, _kept(key, load), f"test part of {name}")


def _pool_seed(run: TrainedRun, name: str) -> int | None:
    """The seed that a background pool of this data set has of its own, in the recipe of a run."""
    options = [settings for entry in run.recipe.algorithms for settings in entry.values()]
    pools = [pool for settings in options for pool in settings.get("pools") or ()]
    seeds = [p.get("seed") for p in pools if isinstance(p, dict) and p.get("name") == name]
    return next((seed for seed in seeds if seed is not None), None)


def _folder(folder: Path) -> PictureSet:
    paths = find_images([folder], recursive=True)
    if not paths:
        raise DataError(f"{folder} holds no pictures")
    lazy = LazyPictures.of_files(paths)
    return PictureSet(str(folder), LabeledImages(lazy, torch.full((len(paths),), -1), ()))
