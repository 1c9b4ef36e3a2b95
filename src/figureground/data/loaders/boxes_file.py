"""The user's own images with boxes, in whatever known format the annotations come."""

__all__ = ["boxed_images"]

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.data.annotations import AnnotatedImage, Problem, annotations_of, read_annotations
from figureground.data.finding import natural_key
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages

_BACKGROUND = "background"
_ONLY_TOLD = {
    "clipped-box": "boxes reach beyond their image and are cut",
    "crowd-box": "boxes mark crowds and are left out",
    "no-boxes": "images have no box",
    "counted-from-0": "files count pixels from 0",
}


def boxed_images(root: Path | str) -> LabeledImages:
    """Images with the boxes that an annotation file or folder describes; the images lie beside it.

    Classes are numbered in natural order of their names; ``background``, in any case, has the last label, K, and an
    image whose annotation names no class is -1, unlabelled. An image that shows several classes has an entry for each
    of them, with the boxes of that class; ``groups`` are equal for entries of one image.

    Args:
        root: COCO ``.json``, CSV ``path,label,x0,y0,x1,y1``, a folder of Pascal VOC ``.xml``, a ``wsolevaluation``
            folder, or a folder with one ``.json`` or ``.csv`` in it.

    Returns:
        The images, decoded when asked for. What was wrong with the annotations stands in ``left_out`` where it cost an
        image or a box, else in ``notes``.

    Raises:
        DataError: There are no annotations, none of their images can be used, or they name no class.
    """
    place = Path(root)
    found = annotations_of(place)
    if found is None:
        raise DataError(
            f"{place} holds no annotations: name a COCO .json, a .csv (path,label,x0,y0,x1,y1), or a folder with one "
            "of them, with Pascal VOC .xml or with image_ids.txt"
        )
    read = read_annotations(found)
    labels = ["" if one.label is None else str(one.label) for one in read.images]
    names = sorted(set(labels), key=lambda name: natural_key(Path(name)))
    classes = [name for name in names if name and name.lower() != _BACKGROUND]
    lost = [str(one) for one in read.problems if one.kind not in _ONLY_TOLD]
    if not classes:
        raise DataError(
            f"{place} names no class of an image that can be used ({'; '.join(lost[:3]) or 'it is empty'})"
        )
    numbers = {name: at for at, name in enumerate(classes)} | {"": -1}
    paths = [one.path for one in read.images]
    first = {path: at for at, path in enumerate(dict.fromkeys(paths))}
    return LabeledImages(
        LazyImages.of_files(paths),
        torch.tensor([numbers.get(label, len(classes)) for label in labels]),
        tuple(classes),
        tuple(torch.from_numpy(one.boxes) for one in read.images),
        torch.tensor([first[path] for path in paths]),
        notes=_notes(read.problems, read.images),
        left_out=tuple(lost),
    )


def _notes(problems: Sequence[Problem], images: Sequence[AnnotatedImage]) -> tuple[str, ...]:
    """What cost no image: a sentence for each kind, with the first place where it was met."""
    told = []
    for kind, words in _ONLY_TOLD.items():
        met = [one for one in problems if one.kind == kind]
        if met:
            told.append(f"{len(met)} {words} (the first: {met[0].where})")
    several = sum(times > 1 for times in Counter(one.path for one in images).values())
    if several:
        shows = "image shows" if several == 1 else "images show"
        told.append(f"{several} {shows} several classes, with an entry for each")
    return tuple(told)
