"""Other sources of maps: baselines that know no model, files that anybody made, and several sources as one."""

__all__ = ["BaselineMaps", "FolderMaps", "SeveralSources"]

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from figureground.base.errors import DataError, MapError, OptionError
from figureground.capture import LayerChoice
from figureground.maps import resize
from figureground.metrics.localisation.baselines import BASELINES
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.sets import EvaluationBatch
from figureground.studies.evaluation.sources import MapBatch, MapSource

_PLACES = 28


class BaselineMaps:
    """Maps that know nothing of the network: centred box, whole image, centre Gaussian, brightness.

    Args:
        names: Which; all where None.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        unknown = [name for name in names or () if name not in BASELINES]
        if unknown:
            raise OptionError(f"no baseline '{unknown[0]}'; known: {', '.join(BASELINES)}")
        self._names = tuple(BASELINES if names is None else names)

    @property
    def rows(self) -> tuple[str, ...]:
        """The baselines' names."""
        return self._names

    @property
    def facts(self) -> dict[str, str]:
        """Row -> what it is."""
        words = dict.fromkeys(self._names, "baseline that knows no network")
        if "brightness" in words:
            words["brightness"] += (
                f", averaged to about {_PLACES} places a side, as feature maps are"
            )
        return words

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """None."""
        return ()

    @property
    def needs_labels(self) -> bool:
        """No."""
        return False

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        """The baselines for these pictures.

        Args:
            batch: At least one picture.

        Returns:
            Maps at the size of the view.
        """
        images = batch.images.cpu()
        maps = {name: BASELINES[name](images) for name in self._names}
        if "brightness" in maps:
            height, width = (max(1, side // max(1, side // _PLACES)) for side in images.shape[2:])
            maps["brightness"] = adaptive_avg_pool2d(maps["brightness"], (height, width))
        return MapBatch(maps, ready=frozenset(maps))


@dataclass(frozen=True)
class FolderMaps:
    """Maps from ``.npy`` files, ``STEM.npy`` for the picture ``STEM.jpg``, each ``(h, w)`` over the whole view.

    Args:
        folder: Where the files lie.
        name: Of the row; the folder's name where empty.

    Raises:
        DataError: There is no such folder.
    """

    folder: Path
    name: str = ""

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise DataError(f"no folder of maps at {self.folder}")

    @property
    def rows(self) -> tuple[str, ...]:
        """One row."""
        return (self.name or self.folder.name,)

    @property
    def facts(self) -> dict[str, str]:
        """Where the maps came from, and a digest of the files' names, sizes and times."""
        seen = [(file.name, file.stat()) for file in sorted(self.folder.glob("*.npy"))]
        text = repr([(name, status.st_size, status.st_mtime_ns) for name, status in seen])
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return {self.rows[0]: f"{len(seen)} maps from {self.folder}, digest {digest}"}

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """None."""
        return ()

    @property
    def needs_labels(self) -> bool:
        """No."""
        return False

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        """The maps of these pictures; one that is missing or unusable is NaN and noted.

        Args:
            batch: At least one picture.

        Returns:
            Maps in their own size if all have the same, else at the view's size.
        """
        found: list[Tensor | None] = []
        problems: list[SetProblem] = []
        for name in batch.names:
            try:
                found.append(_read_map(self.folder / f"{Path(name).stem}.npy"))
            except (DataError, MapError) as error:
                kind = "map-missing" if "no file" in str(error) else "map-unusable"
                problems.append(SetProblem(kind, f"{name}, {self.rows[0]}", str(error)))
                found.append(None)
        return MapBatch({self.rows[0]: _stacked(found, batch)}, None, tuple(problems))


@dataclass(frozen=True)
class SeveralSources:
    """Several sources as one.

    Args:
        sources: At least one; no two with a row of one name.

    Raises:
        OptionError: Two rows have one name.
    """

    sources: Sequence[MapSource]

    def __post_init__(self) -> None:
        twice = {row for row in self.rows if self.rows.count(row) > 1}
        if twice:
            raise OptionError(f"two rows would be called '{min(twice)}'")

    @property
    def rows(self) -> tuple[str, ...]:
        """All rows, source by source."""
        return tuple(row for source in self.sources for row in source.rows)

    @property
    def facts(self) -> dict[str, str]:
        """All facts."""
        return {row: words for source in self.sources for row, words in source.facts.items()}

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers of all sources."""
        return tuple(layer for source in self.sources for layer in source.layers)

    @property
    def needs_labels(self) -> bool:
        """Whether any source needs them."""
        return any(source.needs_labels for source in self.sources)

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        """Maps of all sources.

        Args:
            batch: At least one picture.

        Returns:
            Their maps; the logits of the first source that ran a model.
        """
        parts = [source(batch) for source in self.sources]
        logits = [part.logits for part in parts if part.logits is not None]
        return MapBatch(
            {row: maps for part in parts for row, maps in part.maps.items()},
            logits[0] if logits else None,
            tuple(problem for part in parts for problem in part.problems),
            frozenset().union(*(part.ready for part in parts)),
        )


def _read_map(file: Path) -> Tensor:
    """One usable map."""
    try:
        array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"no file {file}") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise DataError(f"{file} does not hold an array of numbers")
    squeezed = array.squeeze(0) if array.ndim == 3 and len(array) == 1 else array
    if squeezed.ndim != 2 or squeezed.size == 0:
        raise DataError(f"{file} has shape {array.shape}; a map is (height, width)")
    if not np.isfinite(squeezed).all():
        bad = int((~np.isfinite(squeezed)).sum())
        raise MapError(f"{file}: {bad} of {squeezed.size} values are NaN or infinite")
    return torch.from_numpy(squeezed.astype(np.float32))


def _stacked(found: Sequence[Tensor | None], batch: EvaluationBatch) -> Tensor:
    """One tensor: in the maps' own size if it is the same for all."""
    sizes = {tuple(one.shape) for one in found if one is not None}
    height, width = sizes.pop() if len(sizes) == 1 else batch.images.shape[2:]
    nothing = torch.full((height, width), torch.nan)
    return torch.stack(
        [
            nothing if one is None else one if one.shape == nothing.shape else resize(one, (height, width))
            for one in found
        ]
    )  # fmt: skip
