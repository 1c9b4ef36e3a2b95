"""A network with one logit: class 1 is the positive one, everywhere."""

import pytest
import torch
from torch import nn

from figureground.methods import Explainer
from figureground.models import Classifier, Preprocessing
from figureground.models.classes import find_classes

IMAGES = torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(0))
PLAIN = Preprocessing((10, 8), "crop", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3)


def network() -> nn.Sequential:
    torch.random.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 1))
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), *head)


@pytest.mark.parametrize("names", [("defect",), ("fine", "defect")])
def test_the_name_of_the_positive_class_gives_its_map(names: tuple[str, ...]):
    net = network()
    classifier = Classifier(net, PLAIN, class_names=names, num_classes=1)
    result = Explainer(classifier)(IMAGES, classes="defect", methods=["hires-cam", "grad-cam"])
    with torch.no_grad():
        maps = net[:2](IMAGES)
    h, w = maps.shape[2:]
    weight = dict(net.named_parameters())["4.weight"][0].detach()
    expected = torch.einsum("c,nchw->nhw", weight, maps) / (h * w)
    found = result.map_of("hires-cam")[:, 0]
    torch.testing.assert_close(found, expected)
    assert torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1] > 0.99999
    assert result.classes is not None
    assert result.classes.tolist() == [[1], [1]]
    assert result.label(0, 0) == "defect"
    assert torch.equal(result.scores, result.logits)


def test_the_negative_class_has_the_map_of_the_other_sign():
    classifier = Classifier(network(), PLAIN, class_names=("defect",))
    asked: list[str | int] = ["not defect", "defect", 0, 1]
    result = Explainer(classifier)(IMAGES, classes=asked, methods="hires-cam")
    maps = result.map_of("hires-cam")
    assert torch.equal(maps[:, 0], -maps[:, 1])
    assert torch.equal(maps[:, :2], maps[:, 2:])
    assert [result.label(0, k) for k in range(2)] == ["not defect", "defect"]


def test_the_predicted_class_is_named():
    classifier = Classifier(network(), PLAIN, class_names=("defect",))
    result = Explainer(classifier)(IMAGES)
    names = ["defect" if logit > 0 else "not defect" for logit in result.logits[:, 0]]
    assert [result.label(n, 0) for n in range(2)] == names


def test_the_command_s_reading_is_the_classifier_s():
    classifier = Classifier(network(), PLAIN, class_names=("defect",))
    assert find_classes(classifier, ["defect", "not defect", 1, "0"]) == [1, 0]
    assert find_classes(classifier, "top2") == "top2"
