"""Networks that are no classifiers are explained by what their outputs are read as."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
from torchvision.ops import box_iou

from figureground.base.errors import ModelError, OptionError, ShapeError
from figureground.base.seeds import seed_everything
from figureground.methods import RISE, Explainer
from figureground.methods.rise import random_masks
from figureground.models.readouts import anchors, boxes, regression, segmentation, similarity


def hires_by_hand(model: nn.Module, layer: nn.Module, images: torch.Tensor, score) -> torch.Tensor:
    """Gradient times activation, by autograd on the whole graph."""
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.append(out))
    total = score(model(images))
    handle.remove()
    (slope,) = torch.autograd.grad(total, kept[0])
    return (slope * kept[0]).sum(1).detach()


@pytest.fixture(scope="module")
def segmenter() -> nn.Module:
    seed_everything(0)
    return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4).eval()


@pytest.mark.parametrize("masked", [False, True])
def test_categories_of_a_segmentation_network(segmenter: nn.Module, masked: bool):
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(64, 96, dtype=torch.bool)
    mask[10:30, 20:70] = True
    layer = segmenter.get_submodule("backbone.16")
    read = segmentation(mask if masked else None)
    explainer = Explainer(segmenter, layer="backbone.16", output=read)
    found = explainer(images, [0, 3], "hires-cam")
    for column, category in enumerate((0, 3)):

        def score(returned: dict[str, torch.Tensor], category: int = category) -> torch.Tensor:
            out = returned["out"]
            inside = mask if masked else out.argmax(1) == category
            return (out[:, category] * inside).sum()

        expected = hires_by_hand(segmenter, layer, images, score)
        torch.testing.assert_close(
            found.map_of("hires-cam")[:, column], expected, rtol=1e-3, atol=1e-3
        )


def test_each_box_of_a_detector_is_a_class():
    seed_everything(0)
    model = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, box_score_thresh=0.0, num_classes=3
    ).eval()
    images = torch.rand(1, 3, 96, 96)
    (found,) = model(images)
    read = boxes(found["boxes"][:3].detach(), found["labels"][:3])
    torch.testing.assert_close(read([found])[0], found["scores"][:3])
    explainer = Explainer(model, layer="backbone.body.15", output=read)
    result = explainer(images, [0, 2], "grad-cam")
    torch.testing.assert_close(result.logits[0], found["scores"][:3].detach())
    maps = result.map_of("grad-cam")
    assert maps.shape[:2] == (1, 2)
    assert (maps[0, 0] != maps[0, 1]).any()


def test_rise_of_a_box_is_the_score_of_its_detection_behind_masks():
    seed_everything(0)
    model = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, box_score_thresh=0.0, num_classes=3
    ).eval()
    images = torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        for layer in model.backbone.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(2.2)  # else an image hardly changes what random weights detect
        (found,) = model(images)
    box, label = found["boxes"][:1], int(found["labels"][0])
    explainer = Explainer(model, layer="backbone.body.15", output=boxes(box, [label], iou=0.3))
    result = explainer(images, lambda scores: scores[:, 0], RISE(masks=10, cells=3))
    generator = torch.Generator().manual_seed(0)
    masks = random_masks(10, (96, 64), cells=3, share=0.5, generator=generator)
    scores = torch.zeros(10)
    for number, mask in enumerate(masks):
        with torch.no_grad():
            (seen,) = model(images * mask)
        same = (seen["labels"] == label).nonzero()[:, 0]
        overlaps = box_iou(box, seen["boxes"][same])[0]
        if len(same) and overlaps.max() >= 0.3:
            scores[number] = seen["scores"][same[overlaps.argmax()]]
    assert scores.max() > scores.min()
    expected = (scores[:, None, None] * masks).sum(0) / masks.sum(0)
    torch.testing.assert_close(result.map_of("rise")[0, 0], expected, rtol=1e-3, atol=1e-5)


def test_what_is_not_detected_scores_nothing_and_keeps_the_graph():
    read = boxes(torch.tensor([[0.0, 0, 4, 4], [8.0, 8, 12, 12]]), [1, 1], iou=0.6)
    scores = torch.tensor([0.9, 0.8, 0.7], requires_grad=True)
    detected = {
        "boxes": torch.tensor([[0.0, 0, 4, 3], [0.0, 0, 4, 4], [8.0, 8, 12, 10]]),
        "labels": torch.tensor([1, 2, 1]),  # the second fits better and is something else
        "scores": scores,
    }
    none = {name: one[:0] for name, one in detected.items()}
    values = read([detected, none])
    assert values.tolist() == [[pytest.approx(0.9), 0], [0, 0]]
    (slope,) = torch.autograd.grad(values.sum(), scores)
    assert slope.tolist() == [1, 0, 0]


def test_anchors_of_a_one_stage_head():
    seed_everything(0)
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
    head = nn.Conv2d(8, 4 + 3, 1)

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head = trunk, head

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            maps = self.trunk(images)
            return self.head(maps).flatten(2), maps

    model, images = Detector().eval(), torch.randn(1, 3, 16, 16)
    explainer = Explainer(model, layer="trunk.1", output=anchors([9, 20], [2, 0]))
    maps = explainer(images, [0, 1], "hires-cam").map_of("hires-cam")[0]
    activations = trunk(images)[0].detach()
    for column, (at, kind) in enumerate(((9, 2), (20, 0))):
        expected = torch.zeros(64)
        expected[at] = head.weight[4 + kind, :, 0, 0].detach() @ activations.flatten(1)[:, at]
        torch.testing.assert_close(maps[column].flatten(), expected, atol=1e-5, rtol=1e-4)


def test_similarity_with_references():
    seed_everything(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    ).eval()
    images, references = torch.randn(2, 3, 12, 12), torch.randn(3, 5)
    explainer = Explainer(model, layer="1", output=similarity(references))
    found = explainer(images, lambda z: z[:, 0] - z[:, 1], "hires-cam").map_of("hires-cam")

    def score(returned: torch.Tensor) -> torch.Tensor:
        cosine = torch.cosine_similarity(returned[:, None], references[None], dim=2)
        return (cosine[:, 0] - cosine[:, 1]).sum()

    expected = hires_by_hand(model, model[1], images, score)
    torch.testing.assert_close(found[:, 0], expected, atol=1e-6, rtol=1e-4)


def test_a_single_quantity_is_not_read_as_a_logit():
    seed_everything(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
    ).eval()
    images = torch.randn(1, 3, 8, 8)
    found = Explainer(model, layer="1", output=regression())(images, [0, 1], "hires-cam")
    expected = hires_by_hand(model, model[1], images, lambda returned: returned.sum())
    torch.testing.assert_close(found.map_of("hires-cam")[:, 0], expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found.map_of("hires-cam")[:, 1], -expected, atol=1e-6, rtol=1e-4)
    two = torch.randn(3, 2)
    assert regression()(two) is two


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ShapeError, match="2 labels for 1 box"):
        boxes(torch.zeros(1, 4), [1, 2])
    with pytest.raises(OptionError, match="iou"):
        boxes(torch.zeros(1, 4), [1], iou=0.0)
    with pytest.raises(ShapeError, match="1 class for 2 anchors"):
        anchors([1, 2], [0])
    with pytest.raises(ShapeError, match="the mask is"):
        segmentation(torch.ones(2, 2, dtype=torch.bool))(torch.zeros(1, 3, 4, 4))
    for read in (segmentation(), anchors([0], [0]), similarity(torch.ones(1, 2))):
        with pytest.raises(ModelError, match="this readout wants"):
            read(torch.zeros(5))
