"""The published mix of background images: 3,001, the same for every data set."""

__all__ = ["PAPER_PARTS", "PaperPart", "paper_recipe"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from figureground.base.errors import DataError, OptionError, unknown_option
from figureground.data.background.folder import Folder
from figureground.data.background.grid_crops import CLOUD_GRIDS, GRASS_GRIDS, GridCrops
from figureground.data.background.plain import Invert, Monochrome
from figureground.data.background.source import BackgroundSource, Concat

_TOTAL = 3001


@dataclass(frozen=True)
class PaperPart:
    """One folder of the mix.

    Args:
        origin: The public set, by its name there.
        count: How many images it gives.
        make: Those images, from the folder.
    """

    origin: str
    count: int
    make: Callable[[Path, str], BackgroundSource]


def _some(
    first: int, end: int, *, exclude: tuple[str, ...] = (), inverses: bool = False
) -> Callable[[Path, str], BackgroundSource]:
    """A range of a folder sorted as strings, as the author did, with or without inverses."""

    def make(root: Path, origin: str) -> BackgroundSource:
        folder = Folder(
            root,
            rows=range(first, end),
            exclude=exclude,
            order="string",
            provenance={"origin": origin},
        )
        return (
            Concat(folder, Invert(folder), name=f"{root.name} and inverses") if inverses else folder
        )

    return make


def _grass(root: Path, origin: str) -> BackgroundSource:
    rows = (0, 1, 3, 4, 9, 19, 26, 29)  # the others show small flowers
    folder = Folder(root, rows=rows, order="string", provenance={"origin": origin})
    return GridCrops(folder, grids=GRASS_GRIDS, strict=True)


def _clouds(root: Path, origin: str) -> BackgroundSource:
    folder = Folder(root, rows=range(10), order="string", provenance={"origin": origin})
    return GridCrops(folder, grids=CLOUD_GRIDS, strict=True)


_INTEL = "Intel image classification, seg_train"

PAPER_PARTS: dict[str, PaperPart] = {
    "forest": PaperPart(f"{_INTEL}/forest", 90, _some(0, 90)),
    "glacier": PaperPart(f"{_INTEL}/glacier", 30, _some(28, 58)),
    "mountain": PaperPart(f"{_INTEL}/mountain", 30, _some(10, 40)),
    "sea": PaperPart(f"{_INTEL}/sea", 20, _some(0, 20)),
    # 1045.jpg shows a car
    "buildings": PaperPart(f"{_INTEL}/buildings", 49, _some(10, 60, exclude=("1045.jpg",))),
    "street": PaperPart(f"{_INTEL}/street", 30, _some(30, 60)),
    "grass": PaperPart("GrassClover, biomass train", 416, _grass),
    "clouds": PaperPart("Understanding Clouds from Satellite Images", 420, _clouds),
    "water": PaperPart("Satellite Images of Water Bodies", 600, _some(0, 300, inverses=True)),
    "galaxies": PaperPart("Galaxy Zoo 2", 600, _some(0, 300, inverses=True)),
    "wood": PaperPart("Wood texture samples", 400, _some(0, 200, inverses=True)),
    "furniture": PaperPart("Furniture images", 100, _some(0, 100)),
}


def paper_recipe(roots: Mapping[str, Path | str]) -> Concat:
    """The mix of the paper: 216 monochromes and the images of twelve folders.

    The rule there was manual: index ranges in which the author saw no person, animal, flower or
    car. Some of these images nevertheless show classes of some data sets (furniture and streets
    are classes of CIFAR-100 and Caltech-101): screen the mix against yours.

    Args:
        roots: Folder of each of `PAPER_PARTS`.

    Returns:
        3,001 images.

    Raises:
        OptionError: A part is missing or unknown.
        DataError: A folder gives another number of images than in the paper.

    References:
        Kabir (2023). Reduction of Class Activation Uncertainty with Background Information.
        arXiv:2305.03238; counts and ranges from its published notebooks. *Differs:* the wood
        images were taken in an order that is not known; here they are sorted.
    """
    _check_parts(roots)
    parts: list[BackgroundSource] = [Monochrome()]
    for key, part in PAPER_PARTS.items():
        made = part.make(Path(roots[key]), part.origin)
        if len(made) != part.count:
            raise DataError(
                f"the part '{key}' gives {len(made)} images; the paper has {part.count}"
            )
        parts.append(made)
    mix = Concat(*parts, name="the paper's mix")
    if len(mix) != _TOTAL:
        raise DataError(f"the mix has {len(mix)} images; the paper has {_TOTAL}")
    return mix


def _check_parts(roots: Mapping[str, Path | str]) -> None:
    absent = [key for key in PAPER_PARTS if key not in roots]
    if absent:
        raise OptionError(f"the paper's mix also needs the folders {', '.join(absent)}")
    for key in roots:
        if key not in PAPER_PARTS:
            raise unknown_option("part of the paper's mix", key, PAPER_PARTS)
