"""A trained network on an image of a dog above and a cat below."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from figureground.methods import METHODS, Explainer, Explanation

BULL_MASTIFF, BOXER, TIGER_CAT = 244, 243, 283  # ILSVRC class + 1: output 0 is the background
WALKED = {"cnn-fixations"}  # its paths wander on the way through fifty layers
SPREAD = {"full-grad"}  # biases of early layers lie along all edges
BLIND = {"seg-eigen-cam"}  # absolute gradients: it shows the strongest object whatever the class
FOR_CNNS = [
    name
    for name, entry in METHODS.items()
    if not entry.needs & {"attention", "attention-gradients"} and "rescore" not in entry.needs
]
APART = WALKED | SPREAD | BLIND
CLASS_SPECIFIC = [n for n in FOR_CNNS if METHODS[n].class_specific and n not in APART]


@pytest.fixture(scope="module")
def result(shared_data: Path) -> Explanation:
    net = timm.create_model("mobilenetv2_100", num_classes=1001, pad_type="same")
    net.load_state_dict(
        load_file(shared_data / "weights" / "mobilenetv2_100_imagenet1001.safetensors")
    )
    image = Image.open(shared_data / "photos" / "dog_cat.png").convert("RGB").resize((224, 224))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return Explainer(net)((pixels - 0.5) / 0.5, classes=[BULL_MASTIFF, TIGER_CAT], methods=FOR_CNNS)


def upper_share(maps: torch.Tensor) -> list[float]:
    """Share of the positive energy in the upper three sevenths of the rows, per class."""
    positive = maps[0].relu()
    rows = maps.shape[-2] * 3 // 7
    return (positive[:, :rows].sum((1, 2)) / positive.sum((1, 2))).tolist()


def test_predictions(result):
    probabilities = result.probabilities[0]
    assert probabilities.argmax().item() == BULL_MASTIFF
    assert probabilities[BULL_MASTIFF].item() == pytest.approx(0.57, abs=0.05)
    assert probabilities[BOXER].item() == pytest.approx(0.15, abs=0.05)
    assert probabilities[TIGER_CAT].item() == pytest.approx(0.04, abs=0.02)


def test_cam_puts_the_dog_above_and_the_cat_below(result):
    dog, cat = upper_share(result.map_of("cam"))
    assert dog == pytest.approx(0.86, abs=0.03)
    assert cat == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize("name", CLASS_SPECIFIC)
def test_every_class_specific_method_tells_dog_from_cat(result, name):
    dog, cat = upper_share(result.map_of(name))
    assert dog > 0.6
    assert cat < 0.4


@pytest.mark.parametrize("name", sorted(WALKED | SPREAD))
def test_at_the_resolution_of_the_image_the_dog_is_higher_than_the_cat(result, name):
    assert result.map_of(name).shape == (1, 2, 224, 224)
    dog, cat = upper_share(result.map_of(name))
    assert dog > cat + 0.08


def test_eigen_cam_is_one_map_for_both(result):
    assert result.map_of("eigen-cam").shape == (1, 1, 7, 7)
    assert (result.map_of("eigen-cam") > 0).sum() > 10


def test_concepts_are_named_by_the_classifier(result):
    concepts = next(iter(result.concepts.values()))
    assert concepts.logits is not None
    named = set(concepts.logits.topk(3).indices.flatten().tolist())
    assert named & {BULL_MASTIFF, BOXER}


def test_nothing_is_wrong_with_the_maps(result):
    assert {one.kind for one in result.problems} <= {"incomplete"}


def test_clipped_rectifiers_leave_a_part_of_the_scores_to_no_bias(result):
    told = [one for one in result.problems if one.method == "full-grad"]
    assert [one.class_position for one in told] == [0, 1]
    assert "miss 16% of the score" in told[0].message
