"""Identities of the 2 x 2 table, a twin that loops over pairs, and networks whose answer is known."""

import math

import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.reliance import (
    Pairs,
    background_of,
    cells_of,
    composite,
    cross,
    crossed_scores,
    hits,
    node_weights,
    numbers_of,
    reliance,
)

K, N = 4, 40
LABELS = torch.arange(N) % K
DRAW = torch.Generator().manual_seed(7)


@pytest.fixture
def pairs() -> Pairs:
    return cross(LABELS, seed=1)


@pytest.fixture
def scores(pairs: Pairs) -> torch.Tensor:
    return torch.randn(len(pairs), K, generator=torch.Generator().manual_seed(2)).softmax(1)


def slow_cells(
    pairs: Pairs, labels: torch.Tensor, scores: torch.Tensor, weights: torch.Tensor
) -> list[list[float]]:
    """Loops over classes and pairs, straight from the definition."""
    found = []
    for c in range(scores.shape[1]):
        above, below = [0.0] * 4, [0.0] * 4
        for p in range(len(pairs)):
            i, j = int(pairs.foreground[p]), int(pairs.background[p])
            front, back = int(labels[i]) == c, int(labels[j]) == c
            cell = {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}[
                front, back
            ]
            weight = float(weights[i]) * float(weights[j])
            above[cell] += weight * float(scores[p, c])
            below[cell] += weight
        found.append([a / b if b else math.nan for a, b in zip(above, below, strict=True)])
    return found


def test_cells_are_those_of_a_loop_over_pairs(pairs: Pairs, scores: torch.Tensor):
    weights = node_weights(N, draws=3, seed=4)
    found = cells_of(pairs, LABELS, scores, weights=weights)
    for draw in range(3):
        wanted = torch.tensor(slow_cells(pairs, LABELS, scores, weights[draw]), dtype=torch.float64)
        torch.testing.assert_close(found[draw], wanted)


def test_a_class_with_one_image_has_no_own_background():
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    pairs = cross(labels, seed=0)
    scores = torch.rand(len(pairs), 3, generator=DRAW)
    found = cells_of(pairs, labels, scores)[0]
    torch.testing.assert_close(
        found,
        torch.tensor(slow_cells(pairs, labels, scores, torch.ones(6))).double(),
        equal_nan=True,
    )
    assert found[2, 0].isnan()
    assert not found[:2].isnan().any()
    whole = numbers_of(found[None])
    torch.testing.assert_close(whole["v10"][0], found[:2, 1].mean())


def test_the_two_effects_add_up(pairs: Pairs, scores: torch.Tensor):
    found = numbers_of(cells_of(pairs, LABELS, scores, weights=node_weights(N, draws=5, seed=0)))
    torch.testing.assert_close(found["effect"] + found["foreground"], found["v11"] - found["v00"])
    torch.testing.assert_close(found["effect"], (found["gap"] + found["pull"]) / 2)
    torch.testing.assert_close(found["interaction"], found["gap"] - found["pull"])


def test_swapping_the_roles_swaps_the_effects(pairs: Pairs, scores: torch.Tensor):
    one = numbers_of(cells_of(pairs, LABELS, scores))
    swapped = Pairs(pairs.background, pairs.foreground, pairs.round)
    other = numbers_of(cells_of(swapped, LABELS, scores))
    torch.testing.assert_close(one["effect"], other["foreground"])
    torch.testing.assert_close(one["gap"], other["v11"] - other["v01"])


def test_renaming_classes_moves_rows(pairs: Pairs, scores: torch.Tensor):
    order = torch.tensor([2, 0, 3, 1])  # class c is called order[c]
    renamed = torch.empty_like(scores)
    renamed[:, order] = scores
    torch.testing.assert_close(
        cells_of(pairs, order[LABELS], renamed)[0][order], cells_of(pairs, LABELS, scores)[0]
    )


def test_a_constant_network_has_nothing_to_divide(pairs: Pairs):
    found = reliance(pairs, LABELS, hits(torch.ones(len(pairs), K)), seed=0, draws=50)
    for name in ("gap", "pull", "effect", "foreground", "interaction"):
        one = found.numbers[name]
        assert (one.mean, one.low, one.high) == pytest.approx((0, 0, 0), abs=1e-12)
    assert "share" not in found.numbers


def all_pairs() -> Pairs:
    """Every foreground on every other background: then each has the same weight in two cells, and identities hold."""
    front, back = torch.nonzero(~torch.eye(N, dtype=torch.bool), as_tuple=True)
    return Pairs(front, back, torch.zeros_like(front))


def world() -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose background has the colour of the class, and a square in the middle that has it, too."""
    levels = (LABELS.float() + 0.5) / K
    images = levels[:, None, None, None].expand(N, 1, 16, 16).clone()
    images += 0.02 * torch.rand(images.shape, generator=DRAW)
    masks = torch.zeros(N, 16, 16, dtype=torch.bool)
    masks[:, 5:11, 5:11] = True
    return images, masks


def read(images: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Logits by how near the mean level in a part of the image is to that of each class."""
    level = (images * where).sum((1, 2, 3)) / where.sum()
    return -10 * ((level[:, None] - (torch.arange(K) + 0.5) / K) ** 2)


FRAME = torch.ones(16, 16, dtype=torch.bool)
FRAME[2:-2, 2:-2] = False
MIDDLE = torch.zeros(16, 16, dtype=torch.bool)
MIDDLE[5:11, 5:11] = True


def test_a_network_that_reads_the_frame_rests_on_the_background_alone(pairs: Pairs):
    images, masks = world()
    grounds = background_of(images, masks)
    logits = crossed_scores(
        lambda x: read(x, FRAME), images, masks=masks, backgrounds=grounds, pairs=pairs
    )
    found = reliance(pairs, LABELS, hits(logits), seed=0, draws=50).numbers
    assert found["foreground"].mean == 0
    assert found["share"].mean == 1
    assert found["pull"].mean == found["gap"].mean == 1


@pytest.mark.parametrize("fill", ["impute", "tile", "mean", "grey"])
def test_a_network_that_reads_the_object_does_not_rest_on_the_background(fill: str):
    pairs, (images, masks) = all_pairs(), world()
    grounds = background_of(images, masks, fill=fill)
    logits = crossed_scores(
        lambda x: read(x, MIDDLE),
        images,
        masks=masks,
        backgrounds=grounds,
        pairs=pairs,
        batch_size=7,
    )
    for scores in (logits.softmax(1), hits(logits), logits - logits.mean(1, keepdim=True)):
        found = numbers_of(cells_of(pairs, LABELS, scores))
        assert float(found["gap"]) == pytest.approx(0, abs=1e-6)
        assert float(found["pull"]) == pytest.approx(0, abs=1e-6)


def test_two_parts_that_add_up_in_the_logits_do_not_interact():
    pairs, (images, masks) = all_pairs(), world()
    grounds = background_of(images, masks)

    def margins(x: torch.Tensor) -> torch.Tensor:
        logits = 3 * read(x, MIDDLE) + 2 * read(x, FRAME)
        return logits - logits.mean(1, keepdim=True)

    scores = crossed_scores(margins, images, masks=masks, backgrounds=grounds, pairs=pairs)
    found = numbers_of(cells_of(pairs, LABELS, scores))
    scale = float(found["v11"] - found["v00"])
    assert float(found["interaction"]) / scale == pytest.approx(0, abs=1e-5)
    assert float(found["effect"]) / scale == pytest.approx(0.4, abs=0.02)


def test_composites_are_made_pair_by_pair(pairs: Pairs):
    images, masks = world()
    grounds = background_of(images, masks)
    logits = crossed_scores(
        lambda x: x.flatten(1)[:, :K],
        images,
        masks=masks,
        backgrounds=grounds,
        pairs=pairs,
        batch_size=13,
    )
    for row in (0, 12, 13, len(pairs) - 1):
        i, j = int(pairs.foreground[row]), int(pairs.background[row])
        one = composite(images[i : i + 1], masks[i : i + 1], grounds[j : j + 1])
        assert torch.equal(logits[row], one.flatten()[:K])


def test_what_does_not_fit_is_refused(pairs: Pairs, scores: torch.Tensor):
    with pytest.raises(ShapeError, match="rows of scores"):
        cells_of(pairs, LABELS, scores[:-1])
    with pytest.raises(ShapeError, match="labels must lie"):
        cells_of(pairs, LABELS + 1, scores)
    two = Pairs(*(torch.tensor(one) for one in ([0, 1], [1, 0], [0, 0])))
    with pytest.raises(ShapeError, match="no class has an image on another's background"):
        numbers_of(cells_of(two, torch.tensor([0, 1]), torch.rand(2, 2)))


def test_classes_of_one_image_have_a_pull_and_no_gap():
    alone = torch.tensor([0, 1, 2, 3])
    few = cross(alone, seed=0)
    found = reliance(few, alone, torch.rand(len(few), 4), seed=0, draws=20).numbers
    assert {"pull", "v10", "v01", "v00"} == set(found)
