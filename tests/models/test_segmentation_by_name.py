"""Segmentation networks of torchvision and of files, read as classifiers of their categories."""

from pathlib import Path

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.methods import Explainer
from figureground.models import load_classifier

NAME = "torchvision:lraspp_mobilenet_v3_large"
FILE = """
from torch import nn


def build():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(6, 4, 1)
    )
"""


def test_a_category_is_a_class_and_its_logit_the_sum_where_the_network_says_it():
    classifier = load_classifier(
        NAME, random=True, readout="segmentation", preprocessing={"size": (64, 96)}
    )
    assert classifier.class_name(8) == "cat"
    assert classifier.num_classes == 21
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = classifier.network((images - classifier.mean) / classifier.std)["out"]
        logits = classifier(images)
    said = scores.argmax(1)
    for image in range(2):
        for category in range(21):
            expected = scores[image, category][said[image] == category].sum()
            torch.testing.assert_close(logits[image, category], expected, rtol=1e-4, atol=1e-3)
    explainer = Explainer(classifier)
    maps = explainer(images, None, "hires-cam").map_of("hires-cam")
    assert explainer.layer.name == "network.backbone.16"
    assert maps.any()


def test_images_are_prepared_as_the_weights_say_but_for_their_shape():
    classifier = load_classifier(NAME, random=True, readout="segmentation")
    assert classifier.preprocessing.size == (520, 520)
    assert classifier.preprocessing.mean == (0.485, 0.456, 0.406)
    assert any("cropped to the middle square" in note for note in classifier.notes)


def test_a_file_has_its_categories_counted(tmp_path: Path):
    (tmp_path / "net.py").write_text(FILE)
    classifier = load_classifier(
        f"{tmp_path}/net.py:build", readout="segmentation", preprocessing={"size": (16, 24)}
    )
    assert classifier.num_classes == 4
    assert classifier(torch.rand(2, 3, 16, 24)).shape == (2, 4)


def test_what_is_read_otherwise_is_refused():
    with pytest.raises(OptionError, match="scores for each pixel: say --readout segmentation"):
        load_classifier(NAME, random=True)
    with pytest.raises(OptionError, match="no torchvision network 'resnet18'"):
        load_classifier("torchvision:resnet18", random=True, readout="segmentation")
    with pytest.raises(OptionError, match="no readout 'depth'"):
        load_classifier(NAME, random=True, readout="depth")
