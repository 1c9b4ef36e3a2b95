"""Divisions that are fixed by a seed: the same on every machine, whatever the libraries' versions."""

__all__ = [
    "few_shot",
    "first_fraction",
    "random_subset",
    "split",
    "split_by_group",
    "split_groups",
]

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.checking import checked
from figureground.base.errors import DataError, OptionError, ShapeError
from figureground.base.seeds import generator


@checked
def split(
    labels: Int[Tensor, " N"], fractions: Sequence[float], *, seed: int
) -> tuple[Int[Tensor, " _"], ...]:
    """Rows of each part, with the same share of every label in each.

    The order within a label is that of a hash of seed and row, not of a library's generator: a
    split depends on labels, fractions and seed only, and a smaller first part lies within a
    larger one.

    Args:
        labels: Label of each row; -1 and background are labels like others.
        fractions: Share of each part, summing to 1.
        seed: Any integer.

    Returns:
        Sorted, disjoint rows, together all; shares are rounded to whole rows within each label.

    Raises:
        OptionError: The fractions are negative or do not sum to 1.
        ShapeError: There are no labels.

    Examples:
        >>> split(torch.tensor([0, 0, 1, 1]), (0.5, 0.5), seed=0)
        (tensor([0, 2]), tensor([1, 3]))
    """
    ends = _ends(fractions)
    if not len(labels):
        raise ShapeError("no labels to divide")
    parts: list[list[Tensor]] = [[] for _ in fractions]
    for rows in _shuffled_classes(labels, seed):
        cuts = np.rint(ends[:-1] * len(rows)).astype(int).tolist()
        for part, chosen in zip(parts, torch.tensor_split(rows, cuts), strict=True):
            part.append(chosen)
    return tuple(torch.cat(part).sort().values for part in parts)


@checked
def few_shot(
    labels: Int[Tensor, " N"],
    *,
    per_class: int | None = None,
    fraction: float | None = None,
    seed: int,
) -> Int[Tensor, " n"]:
    """A small stratified subset; a smaller one of the same seed lies within a larger one.

    Args:
        labels: Label of each row.
        per_class: How many rows of each label, or
        fraction: which share of each, in (0, 1], rounded, at least one row.
        seed: Any integer.

    Returns:
        Sorted rows.

    Raises:
        OptionError: Not exactly one of the two is given, it is out of range, or a label has too few rows.

    Examples:
        >>> few_shot(torch.tensor([0, 0, 0, 1, 1, 1]), per_class=1, seed=0)
        tensor([2, 4])
    """
    if (per_class is None) == (fraction is None):
        raise OptionError("give one of per_class and fraction")
    if per_class is not None and per_class < 1:
        raise OptionError(f"per_class is {per_class}; at least 1 is needed")
    if fraction is not None and not 0 < fraction <= 1:
        raise OptionError(f"fraction lies in (0, 1], not {fraction}")
    chosen: list[Tensor] = [torch.zeros(0, dtype=torch.int64)]
    for rows in _shuffled_classes(labels, seed):
        count = per_class if per_class is not None else max(1, round((fraction or 0) * len(rows)))
        if count > len(rows):
            label = int(labels[rows[0]])
            raise OptionError(f"{count} of label {label} are asked for, it has {len(rows)}")
        chosen.append(rows[:count])
    return torch.cat(chosen).sort().values


@checked
def first_fraction(count: int, fraction: float) -> Int[Tensor, " n"]:
    """The first rows as they are stored: the few-shot scheme of published experiments, for comparison with them.

    Not stratified, and nothing is drawn: a set that is stored class by class would lose classes.

    Args:
        count: How many rows there are.
        fraction: Share of them, in (0, 1], rounded, at least one row.

    Returns:
        Sorted rows.

    Raises:
        OptionError: The fraction is out of range.

    Examples:
        >>> first_fraction(10, 0.3)
        tensor([0, 1, 2])
    """
    if not 0 < fraction <= 1:
        raise OptionError(f"fraction lies in (0, 1], not {fraction}")
    return torch.arange(max(1, round(fraction * count)))


@checked
def random_subset(count: int, limit: int | None, seed: int) -> Int[Tensor, " n"]:
    """Positions of a random subset, in order.

    Args:
        count: How many there are.
        limit: How many are wanted, at least 1; None, or more than there are, for all.
        seed: Any integer.

    Returns:
        Sorted positions.

    Raises:
        OptionError: Fewer than one is asked for.

    Examples:
        >>> random_subset(6, 3, seed=0), random_subset(3, None, seed=0)
        (tensor([2, 3, 5]), tensor([0, 1, 2]))
    """
    if limit is not None and limit < 1:
        raise OptionError(f"a random subset has at least 1 element, not {limit}")
    if limit is None or limit >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=generator(seed))[:limit].sort().values


@checked
def split_by_group(
    names: Sequence[str], usable: Bool[np.ndarray, " N"], *, fraction: float, seed: int
) -> tuple[Int[np.ndarray, " V"], Int[np.ndarray, " S"]]:
    """Validation and test positions of a random division; equal names stay together.

    Names are drawn at random from their sorted list, so the division depends on the names and the seed, not on their
    order. `split_groups` divides by a hash instead, into any number of parts.

    Args:
        names: Of the images; equal names are one image.
        usable: Which positions belong to either part.
        fraction: Of the different names that go to validation, above 0 and below 1; at least one name stays on
            each side.
        seed: Any integer.

    Returns:
        Positions of validation and of test, each in order.

    Raises:
        OptionError: The fraction is out of range.
        DataError: There are not two different names to divide.

    Examples:
        >>> split_by_group(list("aabcde"), np.ones(6, bool), fraction=0.4, seed=0)
        (array([3, 5]), array([0, 1, 2, 4]))
    """
    if not 0 < fraction < 1:
        raise OptionError(f"the validation fraction must lie between 0 and 1, got {fraction}")
    groups = sorted({name for name, wanted in zip(names, usable, strict=True) if wanted})
    if len(groups) < 2:
        raise DataError(
            f"{amount(len(groups), 'image')} to divide: validation and test need one each"
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    count = min(max(1, round(fraction * len(groups))), len(groups) - 1)
    chosen = {groups[at] for at in order[:count]}
    inside = np.array([name in chosen for name in names], bool)
    return np.flatnonzero(usable & inside), np.flatnonzero(usable & ~inside)


@checked
def split_groups(
    groups: Sequence[Hashable],
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    strata: Sequence[Hashable] | None = None,
    seed: int,
) -> tuple[Int[Tensor, " _"], ...]:
    """Rows of each part such that no group is divided.

    Groups come in the order of a hash of seed and group; each goes to the part in whose share the
    middle of its rows falls. So a part misses its share by at most half a group.

    Args:
        groups: Group of each row: what it was cut from.
        fractions: Share of each part, summing to 1.
        strata: Kind of each row; each kind is divided by itself. A group counts where its first row
            is.
        seed: Any integer.

    Returns:
        Sorted, disjoint rows, together all.

    Raises:
        OptionError: The fractions are negative or do not sum to 1.
        ShapeError: There are no rows, or the strata do not match.

    Examples:
        >>> split_groups(["a", "b", "a", "c"], (0.5, 0.5), seed=0)
        (tensor([1, 3]), tensor([0, 2]))
    """
    ends = _ends(fractions)
    if not groups or (strata is not None and len(strata) != len(groups)):
        held = len(groups) if strata is None else len(strata)
        raise ShapeError(f"{len(groups)} rows to divide, {held} strata")
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    homes: dict[Hashable, list[Hashable]] = {}
    for group, rows in members.items():
        homes.setdefault(None if strata is None else strata[rows[0]], []).append(group)
    parts: list[list[int]] = [[] for _ in fractions]
    for home in homes.values():
        home.sort(key=lambda group: _digest(group, seed))
        sizes = np.array([len(members[group]) for group in home])
        middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        places = np.searchsorted(ends[:-1], middles, side="left")
        for group, place in zip(home, places, strict=True):
            parts[place] += members[group]
    return tuple(torch.tensor(sorted(part), dtype=torch.int64) for part in parts)


def _ends(fractions: Sequence[float]) -> np.ndarray:
    """Where each part ends."""
    if not fractions or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        shown = ", ".join(f"{fraction:g}" for fraction in fractions)
        raise OptionError(f"fractions are at least 0 and sum to 1, not ({shown})")
    return np.cumsum(fractions)


def _shuffled_classes(labels: Tensor, seed: int) -> list[Tensor]:
    """For each label its rows in the order of their hashes."""
    order = torch.from_numpy(np.argsort(_mixed(len(labels), seed), kind="stable"))
    shuffled = labels[order]
    return [order[shuffled == label] for label in torch.unique(labels).tolist()]


def _mixed(count: int, seed: int) -> np.ndarray:
    """64 well-mixed bits for each row: SplitMix64 started at a digest of the seed."""
    start = np.frombuffer(_digest("rows", seed)[:8], "<u8")
    bits = start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _digest(group: Hashable, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}|{group!r}".encode(), digest_size=16).digest()
