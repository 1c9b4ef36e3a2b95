"""Tar files of images beside their labels, as WebDataset lays them out."""

__all__ = ["tar_images"]

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from figureground.base.errors import DataError
from figureground.base.places import Member
from figureground.data.decoding import IMAGE_EXTENSIONS
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders.shards import shard_parts, shards
from figureground.data.loaders.told_labels import Told, class_names_beside, numbered
from figureground.data.tar_files import tar_members

_SUFFIX = ".tar"
_LABELS = (".cls", ".json")
_FIELDS = ("label", "class", "cls")
_FIELD = "field label, class or cls"
_LAYOUT = f"key.jpg, key.png or the like with key.cls, or key.json with a {_FIELD}"


def tar_images(root: Path | str, part: str = "all") -> LabeledImages:
    """The images of tar files in WebDataset's layout, found by one pass over the headers.

    Members of one key, which is the name up to its first dot, belong together: an image (``key.jpg``, ``key.png``,
    ``key.webp`` and the like) and its label, ``key.cls`` (a number or a name) or the field ``label``, ``class`` or
    ``cls`` of ``key.json``. Other members are not looked at. Numbers are named by ``classes.txt`` or ``classes.json``
    beside the tar files, where there is one; names are numbered in natural order.

    Args:
        root: A tar file, or a folder that is searched for them; compressed ones cannot be read by place.
        part: One of ``shard_parts(root, ".tar")``.

    Returns:
        The images, decoded when asked for, each from its place in its file.

    Raises:
        DataError: A file is cut short or no tar file; an image has no label, a label no image, a key two images. The
            error names the file and the member.
    """
    place = Path(root)
    files = shards(place, part, _SUFFIX)
    found = _found(files)
    train = found
    if part not in {"train", "all"} and "train" in shard_parts(place, _SUFFIX):
        train = _found(shards(place, "train", _SUFFIX))
    beside = [place if place.is_dir() else place.parent, files[0].parent]
    members = [member for one in found for member in one.members]
    labels, names = numbered(
        [label for one in found for label in one.labels],
        class_names_beside(beside),
        places=members,
        train=(label for one in train for label in one.labels),
    )
    return LabeledImages(LazyImages.of_files(members), labels, names)


@dataclass(frozen=True)
class _Tar:
    """What a tar file holds: its images, and the label of each."""

    members: tuple[Member, ...]
    labels: tuple[Told, ...]


@dataclass
class _Sample:
    """The members of one key."""

    first: str
    image: Member | None = None
    labels: dict[str, Told | None] = field(default_factory=dict)


def _found(files: Sequence[Path]) -> list[_Tar]:
    """What each file holds; where it has not changed since it was last asked for, without another look."""
    try:
        states = [(path, path.stat()) for path in files]
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    return [_indexed(path, state.st_size, state.st_mtime_ns) for path, state in states]


@lru_cache(maxsize=4096)
def _indexed(path: Path, _size: int, _changed: int) -> _Tar:
    """What one file holds; two parts of a data set and several commands in one process ask for it."""
    samples: dict[str, _Sample] = {}
    for member, content in tar_members(path, _is_known, is_small=_is_label):
        name, (key, suffix) = member.name, _split(member.name)
        sample = samples.setdefault(key, _Sample(name))
        if content is None:
            if sample.image is not None:
                raise DataError(f"{path}: {name}: its key comes twice, as {sample.image.name} too")
            sample.image = member
        elif suffix in sample.labels:
            raise DataError(f"{path}: {name}: its key comes twice")
        else:
            sample.labels[suffix] = _label(path, name, content)
    if not samples:
        raise DataError(f"{path} holds no image with a label ({_LAYOUT})")
    members, labels = zip(*(_pair(path, one) for one in samples.values()), strict=True)
    return _Tar(members, labels)


def _pair(path: Path, sample: _Sample) -> tuple[Member, Told]:
    """Image and label of a key, which it must both have; ``.cls`` counts before ``.json``."""
    if sample.image is None:
        raise DataError(f"{path}: {sample.first}: no image of this key ({_LAYOUT})")
    told = [sample.labels.get(suffix) for suffix in _LABELS]
    label = next((one for one in told if one is not None), None)
    if label is None:
        found = "" if ".json" not in sample.labels else f": its .json has no {_FIELD}"
        raise DataError(f"{path}: {sample.image.name}: an image without a label{found} ({_LAYOUT})")
    return sample.image, label


def _is_known(name: str) -> bool:
    key, suffix = _split(name)
    return bool(key) and (suffix in IMAGE_EXTENSIONS or suffix in _LABELS)


def _is_label(name: str) -> bool:
    return _split(name)[1] in _LABELS


def _split(name: str) -> tuple[str, str]:
    """Key and suffix in small letters: what is before and from the first dot of a name, folders aside."""
    folder, slash, base = name.rpartition("/")
    stem, dot, rest = base.partition(".")
    return (f"{folder}{slash}{stem}" if stem else ""), f"{dot}{rest}".lower()


def _label(path: Path, name: str, content: bytes) -> Told | None:
    """The label in a member; None where its JSON has none."""
    try:
        text = content.decode("utf-8-sig").strip()
        return _field(json.loads(text)) if name.endswith(".json") else text or None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {name}: not to be read as a label ({error})") from error


def _field(content: object) -> Told | None:
    """The label among the fields of a sample."""
    fields = content if isinstance(content, dict) else {}
    told = next((fields[name] for name in _FIELDS if fields.get(name) is not None), None)
    if told is not None and type(told) not in {int, str}:
        raise ValueError(f"its label is {told!r}, no whole number and no name")
    return told
