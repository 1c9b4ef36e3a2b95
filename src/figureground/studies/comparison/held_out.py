"""The images that runs are tested on: of the test part, of the known classes, never those of another division."""

__all__ = ["HeldOut", "ImageSet", "held_out"]

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from figureground.base.errors import DataError, OptionError
from figureground.data.labeled import LabeledImages
from figureground.data.loaders import DATASETS, LoadOptions, image_folder, load_dataset
from figureground.data.notices import Noticed
from figureground.data.one_size import in_memory
from figureground.data.splits import random_subset
from figureground.models import Preprocessing
from figureground.studies.comparison.arms import Arm
from figureground.studies.training.runs import TrainedRun
from figureground.training.recipe import DataSpec

# whose originals are divided by the seed
_GENERATED = ("cluttered-digits", "planted-photos", "planted-tints", "planted-patch")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A set of images that networks of any input size are asked about.

    Args:
        name: In words.
        data: The images; labels as the networks have them.
        key: Sets of equal key hold the same images.
    """

    name: str
    data: LabeledImages
    key: int = 0
    _views: dict[Preprocessing, LabeledImages] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Images that could not be decoded so far, and why."""
        return tuple(line for view in self._views.values() for line in view.left_out)

    @property
    def noticed(self) -> tuple[Noticed, ...]:
        """What was odd about images so far."""
        return tuple(one for view in self._views.values() for one in view.noticed)

    def view(self, preprocessing: Preprocessing) -> LabeledImages:
        """The images as a network takes them, as bytes.

        Args:
            preprocessing: Of the network.

        Returns:
            Of its size and number of colours; boxes follow. An image that cannot be read is in ``left_out``.
        """
        # what decides about pixels; mean and deviation come later
        wanted = replace(
            preprocessing, mean=(0.0,) * preprocessing.channels, std=(1.0,) * preprocessing.channels
        )
        if wanted not in self._views:
            self._views[wanted] = in_memory(
                self.data, preprocessing, value_range=preprocessing.value_range
            )
        return self._views[wanted]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Test images for every run.

    Where nobody divided a data set officially, its test part depends on the seed it was divided by, and the test
    images of one run may have been training images of another: such runs get each their own.

    Args:
        description: What the images are.
        spec: Of the data set; None for a folder all of which is tested on.
        folder: That folder.
        class_names: Of the runs.
        limit: So many images at most, drawn by ``seed``.
        seed: Of that drawing.
        notes: What the reader must know.
    """

    description: str
    spec: DataSpec | None
    folder: Path | None
    class_names: tuple[str, ...]
    limit: int | None = None
    seed: int = 0
    notes: tuple[str, ...] = ()
    _loaded: dict[int, ImageSet] = field(default_factory=dict, repr=False)

    def key(self, run: TrainedRun) -> int:
        """Runs of equal key are tested on the same images.

        Args:
            run: Any run.

        Returns:
            The seed of the division; 0 where it does not matter.
        """
        return run.data_seed if self.spec is not None and _by_seed(self.spec.name) else 0

    def of(self, run: TrainedRun) -> ImageSet:
        """The test images of a run.

        Args:
            run: Any run.

        Returns:
            Of the known classes; labels as the runs have them.
        """
        key = self.key(run)
        if key not in self._loaded:
            data = self._load(key)
            self._loaded[key] = ImageSet(self.description, self._part(data), key)
        return self._loaded[key]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Test images that could not be decoded so far, and why."""
        return tuple(line for one in self._loaded.values() for line in one.left_out)

    @property
    def noticed(self) -> tuple[Noticed, ...]:
        """What was odd about test images so far."""
        return tuple(told for one in self._loaded.values() for told in one.noticed)

    def background(self, run: TrainedRun) -> ImageSet:
        """The data set's own background images of the same part.

        Args:
            run: Any run.

        Returns:
            Images of no known class.

        Raises:
            OptionError: The set has none.
        """
        key = self.key(run)
        data = self._load(key, background=True)
        rows = torch.nonzero(data.labels == data.background_index).flatten()
        if not len(rows):
            raise OptionError(f"{self.description} has no background images of its own")
        return ImageSet(f"backgrounds of {self.description}", data.subset(rows), key)

    def _load(self, key: int, *, background: bool = False) -> LabeledImages:
        """All of the test part, with the labels of the runs."""
        if self.spec is None:
            assert self.folder is not None  # noqa: S101 - one of both is given
            return _renumbered(image_folder(self.folder), self.class_names)
        spec = self.spec
        known = "background" not in DATASETS[spec.name.lower()].unknown
        options = LoadOptions(
            seed=key if _by_seed(spec.name) else (spec.seed or 0),
            val_fraction=spec.val_fraction,
            test_fraction=spec.test_fraction,
            download=spec.download,
            background=background and known,
            rho=spec.rho,
        )
        data = load_dataset(spec.name, spec.root, part="test", options=options)
        return _renumbered(data, self.class_names)

    def _part(self, data: LabeledImages) -> LabeledImages:
        """Known classes only, and not more than asked for."""
        known = torch.nonzero((data.labels >= 0) & (data.labels < data.num_classes)).flatten()
        if not len(known):
            raise DataError(f"{self.description} holds no image of a known class")
        return data.subset(known[random_subset(len(known), self.limit, seed=self.seed)])


def held_out(
    arms: Sequence[Arm], given: str | None = None, *, limit: int | None = None, seed: int = 0
) -> HeldOut:
    """Where the test images come from.

    Args:
        arms: The arms.
        given: ``NAME`` or ``NAME:PLACE`` of a data set, whose test part is taken; or a folder of class folders, all of
            which is tested on, unless the runs were trained on it; None for the data of the first run.
        limit: So many images at most.
        seed: Of their drawing.

    Returns:
        The source.

    Raises:
        OptionError: No such data set or folder, or arms whose runs cannot be tested on the same images.
    """
    runs = [run for arm in arms for run in arm.runs]
    spec, folder = _chosen(runs, given)
    notes: list[str] = []
    places = {f"{r.recipe.data.name}{_place(r.recipe.data.root)}" for r in runs}
    if len(places) > 1:
        notes.append(f"the runs were trained on different data ({', '.join(sorted(places))})")
    name = str(folder) if spec is None else f"test part of {spec.name}{_place(spec.root)}"
    found = HeldOut(name, spec, folder, runs[0].class_names, limit=limit, seed=seed)
    keys = {arm.name: {found.key(run) for run in arm.runs} for arm in arms}
    first = next(iter(keys.values()))
    for arm, theirs in keys.items():
        if theirs != first:
            raise OptionError(
                f"the images of arm '{arm}' were divided by seeds {sorted(theirs)}, those of the first arm by "
                f"{sorted(first)}: test images of one may be training images of the other. Train all arms from the "
                "same seeds or with one data.seed, or name other images with --data"
            )
    if len(first) > 1:
        notes.append(
            f"each training seed divided the data by itself: runs of seeds {sorted(first)} are tested each on their "
            "own test part, and their images are pooled; with data.seed set in the recipes all share one"
        )
    return replace(found, notes=tuple(notes))


def _chosen(runs: Sequence[TrainedRun], given: str | None) -> tuple[DataSpec | None, Path | None]:
    """A data set or a folder."""
    own = runs[0].recipe.data
    if given is None:
        return own, None
    name, _, place = given.partition(":")
    if name.lower() in DATASETS:
        same = name.lower() == own.name.lower() and place in {"", own.root}
        return (own if same else DataSpec(name=name, root=place or None)), None
    folder = Path(given)
    if not folder.is_dir():
        known = ", ".join(sorted(DATASETS))
        raise OptionError(f"'{given}' is neither a folder nor a data set; data sets: {known}")
    trained = [run.recipe.data for run in runs if run.recipe.data.root is not None]
    for spec in trained:
        if spec.name == "folder" and Path(str(spec.root)).resolve() == folder.resolve():
            return spec, None  # it was trained on: the test part only
    return None, folder


def _by_seed(name: str) -> bool:
    """Whether the test part depends on the seed of the division."""
    return DATASETS[name.lower()].parts == ("all",) or name.lower() in _GENERATED


def _renumbered(data: LabeledImages, names: tuple[str, ...]) -> LabeledImages:
    """The same images with the labels that the runs use for these classes; background stays background."""
    if data.class_names == names:
        return data
    strange = [name for name in data.class_names if name not in names]
    if strange:
        raise OptionError(
            f"the test images are of classes that the runs do not know: {', '.join(strange[:5])}; "
            f"known: {', '.join(names[:20])}"
        )
    table = torch.tensor([*(names.index(name) for name in data.class_names), len(names), -1])
    return replace(data, labels=table[data.labels], class_names=names)


def _place(root: str | None) -> str:
    return "" if root is None else f" in {root}"
