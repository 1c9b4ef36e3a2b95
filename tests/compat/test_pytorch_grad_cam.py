"""Scripts as users of pytorch-grad-cam write them run with the import line changed, and give the right maps."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import ResNet, resnet18, vit_b_16
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from figureground.base.errors import MapError, OptionError, ShapeError
from figureground.base.seeds import seed_everything
from figureground.compat import pytorch_grad_cam as package
from figureground.compat.pytorch_grad_cam import (
    FEM,
    KPCA_CAM,
    AblationCAM,
    DeepFeatureFactorization,
    EigenCAM,
    FinerCAM,
    FullGrad,
    GradCAM,
    GradCAMPlusPlus,
    GuidedBackpropReLUModel,
    HiResCAM,
    LayerCAM,
    RandomCAM,
    ScoreCAM,
    SegEigenCAM,
    ShapleyCAM,
    XGradCAM,
)
from figureground.compat.pytorch_grad_cam.base_cam import BaseCAM
from figureground.compat.pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence
from figureground.compat.pytorch_grad_cam.utils.image import (
    scale_cam_image,
    show_cam_on_image,
)
from figureground.compat.pytorch_grad_cam.utils.model_targets import (
    BinaryClassifierOutputTarget,
    ClassifierOutputReST,
    ClassifierOutputSoftmaxTarget,
    ClassifierOutputTarget,
    FasterRCNNBoxScoreTarget,
    FinerWeightedTarget,
    RawScoresOutputTarget,
    SemanticSegmentationTarget,
    SoftmaxOutputTarget,
)
from figureground.compat.pytorch_grad_cam.utils.reshape_transforms import (
    fasterrcnn_reshape_transform,
    vit_reshape_transform,
)
from figureground.methods import Explainer


def by_hand(model: ResNet, images: torch.Tensor, score) -> np.ndarray:
    """Grad-CAM by autograd on the whole graph: channel means of the gradient, ReLU, scaled, enlarged, scaled."""
    kept: list[torch.Tensor] = []
    handle = model.layer4.register_forward_hook(lambda _m, _i, out: kept.append(out))
    total = sum(score(number, row) for number, row in enumerate(model(images)))
    handle.remove()
    (slope,) = torch.autograd.grad(total, kept[0])
    maps = (slope.mean((2, 3), keepdim=True) * kept[0]).sum(1).relu().detach()
    for size in (images.shape[2:], None):
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        maps = (maps - low) / (high - low)
        if size is not None:
            maps = F.interpolate(maps[:, None], size, mode="bilinear")[:, 0]
    return maps.numpy()


def test_a_class_on_a_batch(model: ResNet, images: torch.Tensor):
    targets = [ClassifierOutputTarget(3), ClassifierOutputTarget(5)]
    with GradCAM(model=model, target_layers=[model.get_submodule("layer4.1")]) as cam:
        grayscale_cam = cam(input_tensor=images, targets=targets)
        model_outputs = cam.outputs
    expected = by_hand(model, images, lambda number, row: row[(3, 5)[number]])
    np.testing.assert_allclose(grayscale_cam, expected, atol=1e-5)
    torch.testing.assert_close(model_outputs, model(images).detach())
    picture = np.full((64, 96, 3), 0.5, np.float32)
    shown = show_cam_on_image(picture, grayscale_cam[0], use_rgb=True)
    assert shown.shape == (64, 96, 3)
    assert shown.max() == 255


def test_the_predicted_class_and_smoothing(model: ResNet, images: torch.Tensor):
    cam = GradCAM(model, [model.get_submodule("layer4.1")])
    best = model(images).argmax(1).tolist()
    predicted = cam(images, None)
    np.testing.assert_array_equal(predicted, cam(images, [*map(ClassifierOutputTarget, best)]))
    assert np.abs(cam(images, aug_smooth=True) - predicted).max() > 0.01


@pytest.mark.parametrize(
    ("target", "score"),
    [
        (ClassifierOutputSoftmaxTarget(2), lambda row: row.softmax(0)[2]),
        (ClassifierOutputReST(2), lambda row: row[2] + row.log_softmax(0)[2]),
        (lambda row: row[2:3], lambda row: row[2]),
        (lambda row: row[1] - row[4], lambda row: row[1] - row[4]),
    ],
)
def test_other_targets(model: ResNet, images: torch.Tensor, target, score):
    found = GradCAM(model, [model.layer4])(images, [target, target])
    expected = by_hand(model, images, lambda _number, row: score(row))
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("target", [SoftmaxOutputTarget(), RawScoresOutputTarget()])
def test_a_target_of_several_numbers_is_refused_as_by_theirs(
    model: ResNet, images: torch.Tensor, target
):
    name = type(target).__name__
    with pytest.raises(ShapeError, match=rf"one number for each image; {name} gave \(7,\): choose"):
        GradCAM(model, [model.layer4])(images, [target, target])
    with pytest.raises(ShapeError, match="<lambda> gave"):
        DropInConfidence()(images, np.ones((2, 64, 96)), [lambda row: row] * 2, model)


def test_the_raw_score_of_a_network_of_one_output():
    body, head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Linear(4, 1)
    net = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    pixels = torch.rand(1, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    found = HiResCAM(net, [body])(pixels, [RawScoresOutputTarget()])
    raw = (head.weight.detach()[0, :, None, None] * body(pixels)[0].detach()).sum(0).relu()
    np.testing.assert_allclose(
        found, scale_cam_image(scale_cam_image(raw[None].numpy(), (12, 10))), atol=1e-5
    )


@pytest.mark.parametrize("targets", [None, [lambda row: row[1] - row[4]] * 2])
@pytest.mark.parametrize("method", [GradCAM, EigenCAM, FullGrad, AblationCAM])
def test_an_image_with_nan_is_named(model: ResNet, images: torch.Tensor, method, targets):
    broken = images.clone()
    broken[1, 0, 3, 4] = torch.nan
    with pytest.raises(MapError, match=r"of image 1: \d+ of \d+ values are NaN or infinite"):
        method(model, [model.layer4])(broken, targets)
    with pytest.raises(MapError, match="of image 1"):
        DeepFeatureFactorization(model, model.layer4)(broken, 2)


def test_several_layers_are_averaged(model: ResNet, images: torch.Tensor):
    target = [ClassifierOutputTarget(1)] * 2
    both = LayerCAM(model, [model.layer3, model.layer4])(images, target)
    explainer = Explainer(model, layer=["layer3", "layer4"])
    raw = explainer(images, 1, "layer-cam").maps["layer-cam"]
    alone = [scale_cam_image(one[:, 0].relu().numpy(), (96, 64)) for one in raw.values()]
    mean = np.mean(alone, axis=0)
    mean -= mean.min((1, 2), keepdims=True)
    np.testing.assert_allclose(both, mean / mean.max((1, 2), keepdims=True), atol=1e-5)


@pytest.mark.parametrize("method", [GradCAMPlusPlus, HiResCAM, XGradCAM, EigenCAM])
def test_each_class_of_theirs_is_a_method_of_ours(model: ResNet, images: torch.Tensor, method):
    found = method(model, [model.layer4])(images, [ClassifierOutputTarget(0)] * 2)
    assert found.shape == (2, 64, 96)
    assert (found.min(), found.max()) == (0, 1)


def test_shapley_cam_of_a_logit_is_grad_cam_where_everything_above_is_linear(
    model: ResNet, images: torch.Tensor
):
    target = [ClassifierOutputTarget(4)] * 2
    logit = ShapleyCAM(model, [model.layer4])(images, target)
    np.testing.assert_allclose(logit, GradCAM(model, [model.layer4])(images, target), atol=1e-5)
    best = model(images).argmax(1).tolist()
    predicted = ShapleyCAM(model, [model.layer4])(images)
    expected = GradCAM(model, [model.layer4])(images, [*map(ClassifierOutputTarget, best)])
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    rest = ShapleyCAM(model, [model.layer4])(images, [ClassifierOutputReST(4)] * 2)
    assert np.abs(rest - logit).max() > 1e-3


def test_methods_without_gradients(model: ResNet, images: torch.Tensor):
    target = ClassifierOutputTarget(int(model(images)[0].argmax()))
    found = AblationCAM(model, [model.layer4], batch_size=7)(images[:1], [target])
    with torch.no_grad():
        maps = nn.Sequential(*list(model.children())[:-2])(images[:1])
        score = model(images[:1])[0, target.category]
        falls = model.fc.weight[target.category] * maps[0].mean((1, 2)) / score.abs()
    raw = (falls[:, None, None] * maps[0]).sum(0).relu()
    expected = scale_cam_image(scale_cam_image(raw[None].numpy(), (96, 64)))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    other = [FullGrad, RandomCAM, KPCA_CAM, SegEigenCAM, FEM]
    for method in other:
        made = method(model, [model.layer4])(images[:1], [target])
        assert (made.shape, made.min(), made.max()) == ((1, 64, 96), 0, 1)


def test_score_cam_weighs_channels_by_the_softmax_of_what_they_show():
    seed_everything(0)
    layer = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    model = nn.Sequential(layer, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    images = torch.rand(1, 3, 12, 12)
    found = ScoreCAM(model, [layer])(images, [ClassifierOutputTarget(1)])
    with torch.no_grad():
        maps = layer(images)[0]
        masks = torch.from_numpy(scale_cam_image(maps.numpy()))
        weights = model(images * masks[:, None])[:, 1].softmax(0)
    raw = (weights[:, None, None] * maps).sum(0).relu()
    expected = scale_cam_image(scale_cam_image(raw[None].numpy()))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_transformer_needs_no_reshape_transform():
    seed_everything(0)
    model = vit_b_16(weights=None, num_classes=3, image_size=64).eval()
    images = torch.randn(1, 3, 64, 64)
    layer = [model.get_submodule("encoder.layers.encoder_layer_11.ln_1")]
    given = HiResCAM(model, layer, reshape_transform=vit_reshape_transform)(images)
    np.testing.assert_array_equal(given, HiResCAM(model, layer)(images))
    tokens = torch.arange(2 * 7 * 3).view(2, 7, 3)
    maps = vit_reshape_transform(tokens, 2, 3)
    assert maps[1, 2, 1, 0] == tokens[1, 1 + 3, 2]


def test_a_category_of_a_segmentation_network():
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = lraspp_mobilenet_v3_large(
                weights=None, weights_backbone=None, num_classes=4
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(x)["out"]

    seed_everything(0)
    model = Wrapper().eval()
    images = torch.randn(1, 3, 64, 64)
    mask = (model(images)[0].argmax(0) == 2).float().numpy()
    layer = model.model.get_submodule("backbone.16")
    found = GradCAM(model, [layer])(images, [SemanticSegmentationTarget(2, mask)])
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.append(out))
    score = (model(images)[0, 2] * torch.from_numpy(mask)).sum()
    handle.remove()
    (slope,) = torch.autograd.grad(score, kept[0])
    raw = (slope.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).relu()
    expected = scale_cam_image(scale_cam_image(raw[0].detach().numpy(), (64, 64)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_boxes_of_a_detector():
    seed_everything(0)
    model = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, box_score_thresh=0.0, num_classes=3
    ).eval()
    images = torch.rand(1, 3, 96, 96)
    (found,) = model(images)
    labels, boxes = found["labels"][:2].tolist(), found["boxes"][:2].detach().numpy()
    target = FasterRCNNBoxScoreTarget(labels, boxes, iou_threshold=0.5)
    expected = 2 + float(found["scores"][:2].detach().sum())
    assert float(target(found).detach()) == pytest.approx(expected, rel=1e-5)
    nothing = {"boxes": boxes[:0], "labels": found["labels"][:0], "scores": found["scores"][:0]}
    assert float(target({**nothing, "boxes": torch.zeros(0, 4)}).detach()) == 0
    maps = EigenCAM(model, [model.get_submodule("backbone.body")])(images, [target])
    assert maps.shape == (1, 96, 96)


def test_finer_cam_is_the_weighted_difference(model: ResNet, images: torch.Tensor):
    order = (model(images)[0] - model(images)[0].max()).abs().argsort().tolist()

    def difference(_number: int, row: torch.Tensor) -> torch.Tensor:
        weights = row.softmax(0)[order[1:4]]
        return (weights * (row[order[0]] - 0.6 * row[order[1:4]])).sum() / weights.sum()

    found = FinerCAM(model, [model.layer4])(images[:1], alpha=0.6)
    np.testing.assert_allclose(found, by_hand(model, images[:1], difference), atol=1e-4)
    target = FinerWeightedTarget(order[0], order[1:4], 0.6)
    row = model(images)[0].detach()
    assert float(target(row)) == pytest.approx(float(difference(0, row)), rel=1e-5)


def test_concepts_and_what_the_classifier_calls_them(model: ResNet, images: torch.Tensor):
    dff = DeepFeatureFactorization(
        model=model, target_layer=model.layer4, computation_on_concepts=model.fc
    )
    concepts, pictures, outputs = dff(images, 4)
    assert concepts.shape == (512, 4)
    assert len(pictures) == 2
    assert all(one.shape == (4, 64, 96) for one in pictures)
    expected = model.fc(torch.from_numpy(concepts.T)).detach().numpy()
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)
    assert len(DeepFeatureFactorization(model, model.layer4)(images, 2)) == 2


def test_a_single_logit():
    seed_everything(0)
    model = resnet18(weights=None, num_classes=1).eval()
    images = torch.randn(1, 3, 64, 64)
    for_one = GradCAM(model, [model.layer4])(images, [BinaryClassifierOutputTarget(1)])
    against = GradCAM(model, [model.layer4])(images, [BinaryClassifierOutputTarget(0)])
    for found, sign in ((for_one, 1), (against, -1)):
        expected = by_hand(model, images, lambda _number, row, sign=sign: sign * row[0])
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_is_refused_says_why(model: ResNet, images: torch.Tensor):
    with pytest.raises(OptionError, match="Adebayo"):
        GuidedBackpropReLUModel(model=model, device="cpu")
    with pytest.raises(ShapeError, match="1 target for 2 images"):
        GradCAM(model, [model.layer4])(images, [ClassifierOutputTarget(0)])
    with pytest.raises(OptionError, match="KPCA_CAM has no option kernel"):
        KPCA_CAM(model, [model.layer4], kernel="rbf")
    with pytest.raises(OptionError, match="hundreds of crops"):
        package.SESS  # noqa: B018
    with pytest.raises(OptionError, match="get_cam_weights is never called"):
        type("Mine", (BaseCAM,), {"get_cam_weights": lambda *_: None})


def test_levels_of_a_pyramid_get_one_size():
    x = {"0": -torch.ones(1, 2, 8, 8), "pool": torch.full((1, 3, 4, 4), 2.0)}
    found = fasterrcnn_reshape_transform(x)
    assert found.shape == (1, 5, 4, 4)
    assert found[0, :, 0, 0].tolist() == [1, 1, 2, 2, 2]
