"""A stored result holds numbers and names, not the network."""

import pickle

import pytest
import torch
from torch import nn

from figureground.methods import Explainer
from figureground.models import Classifier, Preprocessing

PLAIN = Preprocessing(
    size=(12, 16),
    resize="stretch",
    crop_fraction=1.0,
    interpolation="bilinear",
    mean=(0.0,) * 3,
    std=(1.0,) * 3,
)


def _network() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    return nn.Sequential(
        body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 300), nn.Linear(300, 3)
    )


@pytest.mark.parametrize("names", [None, ("a", "b", "c")])
@pytest.mark.parametrize("method", ["grad-cam", "dff"])
def test_a_pickle_is_small_and_reads_back(names: tuple[str, ...] | None, method: str):
    classifier = Classifier(_network(), PLAIN, class_names=names)
    many = torch.rand(500, 3, 12, 16)  # of which two are explained: 4.6 kB
    found = Explainer(classifier)(many[:2], classes=[1], methods=[method])
    stored = pickle.dumps(found)
    assert len(stored) < 20_000
    assert b"torch.nn" not in stored
    again = pickle.loads(stored)  # noqa: S301 - of our own making
    assert torch.equal(again.map_of(method), found.map_of(method))
    assert torch.equal(again.images, many[:2])
    assert again.label(0, 0) == found.label(0, 0) == ("b" if names else "class 1")
