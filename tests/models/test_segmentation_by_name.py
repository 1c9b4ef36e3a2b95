"""Segmentation networks and detectors of torchvision and of files, read as classifiers of their categories."""

from pathlib import Path

import pytest
import torch

from figureground.base.errors import ModelError, OptionError
from figureground.base.seeds import seed_everything
from figureground.methods import Explainer
from figureground.models import detections, load_classifier

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


DETECTOR = "torchvision:retinanet_resnet50_fpn"
SMALL = {"num_classes": 5, "score_thresh": 0.0, "min_size": 64, "max_size": 64}


def test_the_logit_of_a_detector_is_the_logarithm_of_its_best_score():
    seed_everything(0)
    classifier = load_classifier(DETECTOR, random=True, readout="boxes", arguments=SMALL)
    assert classifier.num_classes == 5
    assert classifier.preprocessing.size == (64, 64)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = classifier.network(images)
        logits = classifier(images)
    for image, one in enumerate(found):
        for category in range(5):
            scores = [
                float(score)
                for score, label in zip(one["scores"], one["labels"], strict=True)
                if label == category
            ]
            assert float(logits[image, category].exp()) == pytest.approx(max([1e-3, *scores]))
    explainer = Explainer(classifier)
    maps = explainer(images[:1], [1], "hires-cam").map_of("hires-cam")
    assert explainer.layer.name == "network.backbone.body.layer4"
    assert maps.any()


def test_a_detector_of_a_file_needs_the_names_of_its_categories(tmp_path: Path):
    (tmp_path / "net.py").write_text(
        "from torchvision.models import get_model\n\n\ndef build():\n"
        "    return get_model('ssdlite320_mobilenet_v3_large', weights=None, weights_backbone=None, num_classes=3)\n"
    )
    name = f"{tmp_path}/net.py:build"
    prepared = {"size": (64, 64)}
    with pytest.raises(OptionError, match="give class names, one for each"):
        load_classifier(name, readout="boxes", preprocessing=prepared)
    names = ["nothing", "cat", "dog"]
    detector = load_classifier(name, readout="boxes", preprocessing=prepared, class_names=names)
    assert detector(torch.rand(1, 3, 64, 64)).shape == (1, 3)


def test_what_is_read_otherwise_is_refused():
    with pytest.raises(OptionError, match="gives boxes: say --readout boxes"):
        load_classifier(DETECTOR, random=True)
    with pytest.raises(ModelError, match="wants the detections of a torchvision detector"):
        detections(3)(torch.rand(2, 3))
    with pytest.raises(OptionError, match="at least one category and the background"):
        detections(1)
    with pytest.raises(OptionError, match="scores for each pixel: say --readout segmentation"):
        load_classifier(NAME, random=True)
    with pytest.raises(OptionError, match="no torchvision network 'resnet18'"):
        load_classifier("torchvision:resnet18", random=True, readout="segmentation")
    with pytest.raises(OptionError, match="no readout 'depth'"):
        load_classifier(NAME, random=True, readout="depth")
