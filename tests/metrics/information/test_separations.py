"""The separations against loops over pairs."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.metrics.information import cmi, ncmi, separation


@pytest.fixture
def outputs():
    numbers = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(30, 4, generator=numbers, dtype=torch.float64)
    return logits, torch.tensor([0] * 3 + [1] * 10 + [2] * 12 + [3] * 5)


def slowly(logits, labels, kind):
    """Every pair of images, or image and class, one after the other."""
    p, n = logits.softmax(1), len(logits)
    if kind in {"pairs", "different-pairs"}:
        pairs = [(i, j) for i in range(n) for j in range(n) if labels[i] != labels[j]]
        total = sum(-(p[i] * p[j].log()).sum() for i, j in pairs)
        return total / (n**2 if kind == "pairs" else len(pairs))
    q = [p[labels == c].mean(0) for c in range(4)]
    others = [(i, c) for i in range(n) for c in range(4) if c != labels[i]]
    if kind == "other-centroids":
        return sum(-(p[i] * q[c].log()).sum() for i, c in others) / (n * 3)
    return sum((q[c] * (q[c] / p[i]).log()).sum() for i, c in others) / (n * 4)


@pytest.mark.parametrize(
    "kind", ["pairs", "different-pairs", "other-centroids", "centroid-divergence"]
)
def test_one_pass_equals_the_loop_over_pairs(outputs, kind):
    found = separation(*outputs, kind=kind)
    torch.testing.assert_close(found, slowly(outputs[0], outputs[1], kind), atol=1e-12, rtol=0)
    torch.testing.assert_close(ncmi(*outputs, kind=kind), cmi(*outputs) / found)


def test_pairs_are_different_pairs_times_the_chance_to_differ(outputs):
    shares = torch.bincount(outputs[1]).double() / 30
    differ = 1 - shares.square().sum()
    torch.testing.assert_close(
        separation(*outputs), separation(*outputs, kind="different-pairs") * differ
    )


def test_an_unknown_kind_is_refused(outputs):
    with pytest.raises(OptionError, match="no separation 'pair'; closest: 'pairs'"):
        separation(*outputs, kind="pair")


def test_one_class_has_nothing_to_be_apart_from(outputs):
    labels = torch.zeros(30, dtype=torch.int64)
    found = {
        kind: separation(outputs[0], labels, kind=kind).item()
        for kind in ("pairs", "different-pairs", "other-centroids", "centroid-divergence")
    }
    assert abs(found["pairs"]) < 1e-12
    assert abs(found["centroid-divergence"]) < 1e-12
    assert found["different-pairs"] != found["different-pairs"]
    assert found["other-centroids"] != found["other-centroids"]
