"""What is evaluated: a network and the methods that explain it, beside maps of others and baselines."""

__all__ = [
    "MapBatch",
    "MethodSpecs",
    "Subject",
    "baseline_maps",
    "folder_description",
    "folder_maps",
    "map_file",
    "refuse_shared_maps",
]

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from figureground.base.errors import DataError, HeadError, MapError, OptionError
from figureground.base.outputs import class_logits
from figureground.base.shapes import ClassIndices, Images, Logits, Maps
from figureground.capture import LayerChoice
from figureground.data.packs import NO_ARRAY
from figureground.maps import resize
from figureground.methods import CamMethod, Explainer, Explanation, find_methods
from figureground.metrics.localisation.baselines import BASELINES
from figureground.models import Classifier
from figureground.models.predicting import device_of
from figureground.studies.evaluation.image_set import EvaluationBatch
from figureground.studies.evaluation.tables import ImageProblem

_CELLS = 28


def baseline_maps(name: str, images: Images) -> Maps:
    """A map that knows nothing of the network.

    Args:
        name: One of the baselines of localisation.
        images: ``(N, C, H, W)`` in [0, 1].

    Returns:
        Maps in [0, 1]; brightness is averaged to about 28 cells a side, as feature maps are.
    """
    here = images.cpu()
    maps = BASELINES[name](here)
    if name != "brightness":
        return maps
    height, width = (max(1, side // max(1, side // _CELLS)) for side in here.shape[2:])
    return adaptive_avg_pool2d(maps, (height, width))


def folder_description(folder: Path) -> str:
    """Where foreign maps come from, with a digest of the files' names, sizes and times.

    Args:
        folder: Holds ``STEM.npy`` for the image ``STEM.jpg``.

    Returns:
        The description.

    Raises:
        DataError: There is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"no folder of maps at {folder}")
    files = sorted(folder.rglob("*.npy"))
    seen = [(str(file.relative_to(folder)), file.stat()) for file in files]
    text = repr([(name, status.st_size, status.st_mtime_ns) for name, status in seen])
    return (
        f"{len(seen)} maps from {folder}, digest {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    )


def map_file(folder: Path, name: str) -> Path:
    """The file with the map of an image.

    Args:
        folder: Holds it.
        name: Of the image, as ``Item`` has it.

    Returns:
        ``NAME.SUFFIX.npy`` where there is one, else ``NAME.npy``.
    """
    whole = folder / f"{name}.npy"
    return whole if whole.exists() else folder / Path(name).with_suffix(".npy")


def refuse_shared_maps(folder: Path, names: Iterable[str]) -> None:
    """Refuse one map for two images.

    Args:
        folder: Holds the maps.
        names: Of all images; equal names are one image.

    Raises:
        DataError: Two images would have the same file.
    """
    found: dict[Path, str] = {}
    for name in names:
        file = map_file(folder, name)
        other = found.setdefault(file, name)
        if other != name and file.exists():
            raise DataError(
                f"{file} would be the map of both {other} and {name}; call their maps {other}.npy and {name}.npy"
            )


def folder_maps(
    folder: Path, names: Sequence[str], size: tuple[int, int]
) -> tuple[Maps, list[ImageProblem]]:
    """Maps from ``.npy`` files, each ``(h, w)`` over the whole view; one that is missing or unusable is NaN and noted.

    Args:
        folder: Where the files lie.
        names: Of the images.
        size: Height and width of the view, for maps of different sizes.

    Returns:
        Maps in their own size if all have the same, else at the view's size; and what went wrong.
    """
    found: list[Tensor | None] = []
    problems: list[ImageProblem] = []
    for name in names:
        try:
            found.append(_read_map(map_file(folder, name)))
        except (DataError, MapError) as error:
            kind = "map-missing" if "no file" in str(error) else "map-unusable"
            problems.append(ImageProblem(kind, f"{name}, {folder.name}", str(error)))
            found.append(None)
    sizes = {tuple(one.shape) for one in found if one is not None}
    height, width = sizes.pop() if len(sizes) == 1 else size
    nothing = torch.full((height, width), torch.nan)
    stacked = [nothing if one is None else one if one.shape == nothing.shape else resize(one, (height, width))
               for one in found]  # fmt: skip
    return torch.stack(stacked), problems


def _read_map(file: Path) -> Tensor:
    """One usable map."""
    try:
        # looked at where it lies: a header that promises more than the file holds takes no memory
        array = np.lib.format.open_memmap(file, mode="r")
    except FileNotFoundError:
        raise DataError(f"no file {file}") from None
    except NO_ARRAY as error:
        raise DataError(f"cannot read {file}: {' '.join(str(error).split())}") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"{file} does not hold an array of numbers")
    squeezed = array.squeeze(0) if array.ndim == 3 and len(array) == 1 else array
    if squeezed.ndim != 2 or squeezed.size == 0:
        raise DataError(f"{file} has shape {array.shape}; a map is (height, width)")
    if not np.isfinite(squeezed).all():
        bad = int((~np.isfinite(squeezed)).sum())
        raise MapError(f"{file}: {bad} of {squeezed.size} values are NaN or infinite")
    return torch.from_numpy(squeezed.astype(np.float32))


Made = TypeVar("Made")
MethodSpecs = str | CamMethod | Sequence[str | CamMethod] | Mapping[str, CamMethod]


@dataclass(frozen=True, eq=False)
class MapBatch:
    """Raw maps of one batch: one for each image and row of the tables.

    Args:
        maps: Row -> ``(N, h, w)`` float32; a map that could not be had is NaN.
        logits: Of the model on these images; None where no model ran.
        problems: Maps that could not be had or show nothing, and why.
        ready: Rows whose maps lie in [0, 1] by construction and must not be normalised.
    """

    maps: dict[str, Maps]
    logits: Logits | None = None
    problems: tuple[ImageProblem, ...] = ()
    ready: frozenset[str] = frozenset()


class Subject:
    """A network with the methods that explain it: one pass for each batch, whatever the number of methods.

    Methods that occur twice with different options take one more pass; so do the maps of both the true and the
    predicted class (the prediction must be known first).

    Args:
        classifier: On its device, in evaluation mode; None where all maps come from elsewhere.
        methods: Names or configured methods; or row -> configured method; none where only folders are measured.
        classes: Whose maps: ``true``, ``predicted`` or ``both``.
        folders: Folders of maps that somebody else made; each is a row.
        baselines: Row that knows no network -> its maps of a batch.
        explainer: Where the layer is given; made from the classifier where None.

    Attributes:
        notes: What the reader of the numbers must know.

    Raises:
        OptionError: ``dff``, which makes several maps; two rows of one name; or nothing to measure.
    """

    def __init__(
        self,
        classifier: Classifier | None,
        methods: MethodSpecs,
        *,
        classes: str = "true",
        folders: Sequence[Path] = (),
        baselines: Mapping[str, Callable[[EvaluationBatch], Maps]] | None = None,
        explainer: Explainer | None = None,
    ) -> None:
        given = isinstance(methods, Mapping) or not methods
        named = dict(methods or {}) if given else find_methods(methods)  # type: ignore[arg-type]
        if any(method.name == "dff" for method in named.values()):
            raise OptionError(
                "dff makes a map per concept, not one that could be measured; leave it out"
            )
        self.classifier = classifier
        self.methods: dict[str, CamMethod] = named if classifier is not None else {}
        self.classes = classes
        self.folders = tuple(folders)
        self.baselines = dict(baselines or {})
        self.explainer = explainer
        if explainer is None and self.methods and classifier is not None:
            self.explainer = Explainer(classifier)
        self.notes: tuple[str, ...] = ()
        self._made: dict[str, Any] = {}
        twice = [row for row in self.rows if self.rows.count(row) > 1]
        if twice:
            raise OptionError(f"two rows would be called '{twice[0]}'")
        if not self.own_rows:
            raise OptionError("nothing to measure: name a model, or folders of maps")

    @property
    def own_rows(self) -> tuple[str, ...]:
        """Rows of methods and folders, without baselines."""
        methods = [row for name in self.methods for row in self.rows_of(name)]
        return (*methods, *(folder.name for folder in self.folders))

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the tables: one for each method, two for a class-specific one where both classes are explained."""
        return (*self.own_rows, *self.baselines)

    @property
    def description(self) -> dict[str, str]:
        """Row -> what a record says of it; equal descriptions mean equal maps of equal images."""
        told = {}
        for name, method in self.methods.items():
            words = ("true", "predicted") if self.classes == "both" else (self.classes,)
            for row, word in zip(self.rows_of(name), words, strict=False):
                told[row] = (
                    f"{method!r}, {f'{word} class' if method.class_specific else 'class-free'}"
                )
        told |= {folder.name: folder_description(folder) for folder in self.folders}
        return told | dict.fromkeys(self.baselines, "baseline that knows no network")

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers that are explained; empty before the first batch where the choice is left to us."""
        return () if self.explainer is None else self.explainer.layers

    def chosen_layers(self, batches: Iterable[EvaluationBatch]) -> tuple[LayerChoice, ...]:
        """The layers, chosen and checked on the first image of all, so that a resumed job finds what others do.

        Args:
            batches: All, of one image each.

        Returns:
            As ``layers``.
        """
        if self.explainer is not None:
            batch = next((one for one in batches if len(one)), None)
            if batch is not None:
                self.explainer.look(batch.on(self.device).images)
        return self.layers

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return torch.device("cpu") if self.classifier is None else device_of(self.classifier)

    @property
    def needs_labels(self) -> bool:
        """Whether every image must have a class."""
        specific = any(method.class_specific for method in self.methods.values())
        return specific and self.classes != "predicted"

    def rows_of(self, method: str) -> tuple[str, ...]:
        """Rows of one method.

        Args:
            method: Its name among the methods.

        Returns:
            One row, or one for each class that is explained.
        """
        if self.classes == "both" and self.methods[method].class_specific:
            return (f"{method} (true)", f"{method} (predicted)")
        return (method,)

    def like(self, other: Classifier) -> "Subject":
        """Another network, looked at in the same layer by the same methods.

        Args:
            other: The network.

        Returns:
            Its subject.
        """
        layers = [one.name for one in self.layers]
        fuse = None if self.explainer is None else self.explainer.fuse
        return Subject(
            other, self.methods, explainer=Explainer(other, layer=layers or None, fuse=fuse)
        )

    def only(self, row: str) -> "Subject":
        """The same network with one of its methods.

        Args:
            row: Name of the method.

        Returns:
            Its subject, which shares the explainer.
        """
        return Subject(self.classifier, {row: self.methods[row]}, explainer=self.explainer)

    def remember(self, name: str, make: Callable[[], Made]) -> Made:
        """Something that is made once in an evaluation, such as changed copies of the network.

        Args:
            name: Of it.
            make: Makes it.

        Returns:
            It.
        """
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    def predictions(self, images: Images) -> Logits:
        """Logits of a batch on the network's device.

        Args:
            images: ``(N, C, H, W)`` in [0, 1], on that device.

        Returns:
            ``(N, L)``, of one logit for both of its classes.
        """
        assert self.classifier is not None  # noqa: S101 - callers have a network
        with torch.no_grad():
            return class_logits(self.classifier(images))

    def maps(self, images: Images, classes: ClassIndices) -> dict[str, Tensor]:
        """Raw maps of every method for classes of one's choice.

        Args:
            images: ``(N, C, H, W)`` in [0, 1], on the network's device.
            classes: ``(N, K)``.

        Returns:
            Name of the method -> ``(N, K, h, w)``; K = 1 for class-free methods. One NaN per map where a changed copy's
            head does not let a method work.
        """
        try:
            return self._maps_of(list(self.methods), images, classes)
        except HeadError:
            nothing = torch.full((*classes.shape, 1, 1), torch.nan, device=images.device)
        found: dict[str, Tensor] = {}
        for name in self.methods:
            try:
                found |= self._maps_of([name], images, classes)
            except HeadError:
                found[name] = nothing
        return found

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        """Raw maps of every row.

        Args:
            batch: At least one image, on the network's device.

        Returns:
            The maps, the logits, and the maps that show nothing.
        """
        maps: dict[str, Tensor] = {}
        problems: list[ImageProblem] = []
        logits: Tensor | None = None
        if self.methods:
            classes = self._classes(batch)
            for found, group in self._passes(list(self.methods), batch.images, classes):
                logits = class_logits(found.logits)
                for name in group:
                    stack = found.map_of(self.methods[name].name)
                    maps |= {row: stack[:, at] for at, row in enumerate(self.rows_of(name))}
                problems += self._problems(found, group, batch.names)
        foreign, more = self.foreign(batch)
        ready = frozenset(self.baselines)
        found_maps = {row: (maps | foreign)[row] for row in self.rows}
        return MapBatch(found_maps, logits, (*problems, *more), ready)

    def foreign(self, batch: EvaluationBatch) -> tuple[dict[str, Tensor], list[ImageProblem]]:
        """Maps of the rows that no network makes.

        Args:
            batch: At least one image.

        Returns:
            Row -> ``(N, h, w)``, and what went wrong.
        """
        size = (int(batch.images.shape[2]), int(batch.images.shape[3]))
        found: dict[str, Tensor] = {}
        problems: list[ImageProblem] = []
        for folder in self.folders:
            found[folder.name], more = folder_maps(folder, batch.names, size)
            problems += more
        return found | {name: make(batch) for name, make in self.baselines.items()}, problems

    def _classes(self, batch: EvaluationBatch) -> Tensor | None:
        """Classes to explain, ``(N, K)``; None for the predicted one."""
        if not self.needs_labels:
            return None
        if (batch.labels < 0).any():
            raise DataError(
                "maps of the true class need a label for every image; explain the predicted class instead"
            )
        if self.classes == "true":
            return batch.labels
        return torch.stack([batch.labels, self.predictions(batch.images).argmax(1)], dim=1)

    def _maps_of(self, names: Sequence[str], images: Tensor, classes: Tensor) -> dict[str, Tensor]:
        found = {
            name: one.map_of(self.methods[name].name)
            for one, group in self._passes(names, images, classes)
            for name in group
        }
        return {name: found[name] for name in names}

    def _passes(
        self, names: Sequence[str], images: Tensor, classes: Tensor | None
    ) -> list[tuple[Explanation, list[str]]]:
        """One pass for all methods of different names, one more for each name that comes again."""
        assert self.explainer is not None  # noqa: S101 - a subject with methods has a network
        groups: list[dict[str, str]] = []
        for name in names:
            kind = self.methods[name].name
            group = next((one for one in groups if kind not in one), None)
            if group is None:
                groups.append({kind: name})
            else:
                group[kind] = name
        return [
            (
                self.explainer(images, classes, [self.methods[name] for name in group.values()]),
                list(group.values()),
            )
            for group in groups
        ]

    def _problems(
        self, found: Explanation, group: Sequence[str], names: Sequence[str]
    ) -> list[ImageProblem]:
        """Maps that show nothing, with the row they belong to."""
        rows = {self.methods[name].name: self.rows_of(name) for name in group}
        return [
            ImageProblem(
                f"map-{one.kind}", f"{names[one.image]}, {rows[one.method][one.class_position]}", one.message
            )
            for one in found.problems
        ]  # fmt: skip
