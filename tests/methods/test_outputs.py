"""What networks may return: the library and the classifier of the command understand the same."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.methods import Explainer
from figureground.models import Classifier, Preprocessing

IMAGES = torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(0))
PLAIN = Preprocessing((10, 8), "crop", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3)


class Network(nn.Module):
    """Returns its logits and its feature map in the form asked for."""

    def __init__(self, form: Callable[[Tensor, Tensor], Any], outputs: int = 4) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.form = form
        self.features = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
        self.head = nn.Linear(5, outputs)

    def forward(self, images: Tensor) -> Any:
        features = self.features(images)
        return self.form(self.head(features.mean((2, 3))), features)


FORMS = [
    lambda y, a: y,
    lambda y, a: (y, a),
    lambda y, a: [a, y],
    lambda y, a: {"features": a, "cls": y},
    lambda y, a: SimpleNamespace(scores=y, hidden=a),
    lambda y, a: y[:, :, None, None],
    lambda y, a: y.half(),
]


@pytest.mark.parametrize("form", FORMS)
def test_maps_and_logits_are_those_of_the_plain_network(form):
    plain = Explainer(Network(FORMS[0]))(IMAGES, classes=[1, 3], methods="grad-cam")
    for model in (Network(form), Classifier(Network(form), PLAIN)):
        found = Explainer(model)(IMAGES, classes=[1, 3], methods="grad-cam")
        torch.testing.assert_close(found.logits, plain.logits, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(
            found.map_of("grad-cam"), plain.map_of("grad-cam"), rtol=1e-2, atol=1e-4
        )


def test_one_value_per_image_is_one_logit():
    plain = Explainer(Network(FORMS[0], 1))(IMAGES, classes=1)
    for model in (Network(lambda y, a: y[:, 0], 1), Classifier(Network(FORMS[0], 1), PLAIN)):
        assert torch.equal(Explainer(model)(IMAGES, classes=1).logits, plain.logits)


@pytest.mark.parametrize(
    "form", [lambda y, a: a, lambda y, a: y.long(), lambda y, a: (y, y), lambda y, a: {"z": y}]
)
def test_neither_guesses(form):
    for model in (Network(form), Classifier(Network(form), PLAIN)):
        with pytest.raises(ModelError, match=r"logits are floats \(N, L\) with N = 1"):
            Explainer(model)(IMAGES)
    with pytest.raises(ModelError, match="N = 2"):
        Classifier(Network(form), PLAIN)(IMAGES)


def test_both_take_the_caller_s_way_to_the_logits():
    net = Network(lambda y, a: {"z": (a, y)})
    plain = Network(FORMS[0])(IMAGES)
    assert torch.equal(Classifier(net, PLAIN, output=lambda out: out["z"][1])(IMAGES), plain)
    found = Explainer(net, output=lambda out: out["z"][1])(IMAGES)
    torch.testing.assert_close(found.logits, plain.detach())
