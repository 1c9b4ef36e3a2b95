"""Whose foreground goes on whose background."""

__all__ = ["Pairs", "cross"]

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.base.shapes import Labels

_TRIES = 200


@dataclass(frozen=True, eq=False)
class Pairs:
    """Composites to be made, P of them.

    Args:
        foreground: Position of the image that gives the foreground.
        background: Position of the image that gives the background; never of the same group.
        round: From 0; each image is a foreground and a background once a round.
    """

    foreground: Int[Tensor, " P"]
    background: Int[Tensor, " P"]
    round: Int[Tensor, " P"]

    def __len__(self) -> int:
        return len(self.foreground)

    def classes(self, labels: Labels) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
        """Classes of the foregrounds and of the backgrounds.

        Args:
            labels: Class of each image.

        Returns:
            Both.

        Raises:
            ShapeError: A pair names an image that has no label.
        """
        last = (
            max(int(one.max()) for one in (self.foreground, self.background)) if len(self) else -1
        )
        if last >= len(labels):
            raise ShapeError(f"image {last} is paired, but there are {len(labels)} labels")
        return labels[self.foreground], labels[self.background]


@checked
def cross(
    labels: Labels,
    *,
    rounds: int = 4,
    same_rounds: int = 2,
    seed: int,
    groups: Int[Tensor, " N"] | None = None,
) -> Pairs:
    """Random pairings of images, each image equally often in both roles.

    ``rounds`` derangements of all images, then ``same_rounds`` derangements within each class, so that "own background"
    means "another image's background of the same class": both kinds of composite have a seam.

    Args:
        labels: Class of each image.
        rounds: Pairings among all images.
        same_rounds: Pairings within the classes; a class with one image takes no part.
        seed: Of all drawing.
        groups: Images of one group are never paired, such as copies of one photograph or two objects in it.

    Returns:
        The pairs, by round. Pairs of one group that no drawing avoids are left out.

    Raises:
        OptionError: No round at all, or a negative number.
        ShapeError: Fewer than two images, or groups of another number.

    Examples:
        >>> pairs = cross(torch.tensor([0, 0, 1, 1]), rounds=1, same_rounds=1, seed=0)
        >>> bool((pairs.foreground != pairs.background).all()), len(pairs)
        (True, 8)
        >>> pairs.background[4:].tolist()
        [1, 0, 3, 2]
    """
    count = len(labels)
    if min(rounds, same_rounds) < 0 or rounds + same_rounds < 1:
        raise OptionError(f"rounds must be positive in sum: {rounds} and {same_rounds}")
    if count < 2:
        raise ShapeError(f"{count} image cannot be crossed with another")
    if groups is not None and len(groups) != count:
        raise ShapeError(f"{len(groups)} groups for {count} images")
    source = generator(seed)
    own = torch.arange(count) if groups is None else groups.cpu()
    plans = [_deranged(torch.arange(count), own, source) for _ in range(rounds)]
    classes = [(labels.cpu() == one).nonzero().flatten() for one in torch.unique(labels.cpu())]
    for _ in range(same_rounds):
        plan = torch.arange(count)
        for rows in classes:
            plan[rows] = _deranged(rows, own, source)
        plans.append(plan)
    foreground = torch.arange(count).repeat(len(plans))
    background = torch.cat(plans)
    number = torch.arange(len(plans)).repeat_interleave(count)
    keep = own[foreground] != own[background]
    return Pairs(foreground[keep], background[keep], number[keep])


def _deranged(rows: Tensor, groups: Tensor, source: torch.Generator) -> Tensor:
    """The rows in another order in which, as far as possible, none meets its own group."""
    order = rows[torch.randperm(len(rows), generator=source)]
    for _ in range(_TRIES):
        clashing = (groups[order] == groups[rows]).nonzero().flatten()
        if not len(clashing):
            break
        others = torch.randint(len(rows), (len(clashing),), generator=source)
        for at, other in zip(clashing.tolist(), others.tolist(), strict=True):
            order[[at, other]] = order[[other, at]]
    return order
