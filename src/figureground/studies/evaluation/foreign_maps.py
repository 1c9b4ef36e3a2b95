"""Rows that no network of ours makes: maps from files, and baselines that know no network."""

__all__ = ["baseline_maps", "folder_description", "folder_maps"]

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from figureground.base.errors import DataError, MapError
from figureground.base.shapes import Images, Maps
from figureground.maps import resize
from figureground.metrics.localisation.baselines import BASELINES
from figureground.studies.evaluation.record import ImageProblem

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
    seen = [(file.name, file.stat()) for file in sorted(folder.glob("*.npy"))]
    text = repr([(name, status.st_size, status.st_mtime_ns) for name, status in seen])
    return (
        f"{len(seen)} maps from {folder}, digest {hashlib.sha256(text.encode()).hexdigest()[:12]}"
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
            found.append(_read_map(folder / f"{Path(name).stem}.npy"))
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
