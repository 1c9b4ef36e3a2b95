"""Scores of maps and pictures, as users of pytorch-grad-cam ask for them."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import ResNet

from figureground.base.errors import OptionError
from figureground.compat.pytorch_grad_cam import GradCAM
from figureground.compat.pytorch_grad_cam.metrics.cam_mult_image import (
    CamMultImageConfidenceChange,
    DropInConfidence,
    IncreaseInConfidence,
)
from figureground.compat.pytorch_grad_cam.metrics.road import (
    ROADCombined,
    ROADLeastRelevantFirst,
    ROADMostRelevantFirst,
)
from figureground.compat.pytorch_grad_cam.utils.image import (
    deprocess_image,
    preprocess_image,
    show_cam_on_image,
)
from figureground.compat.pytorch_grad_cam.utils.model_targets import (
    ClassifierOutputSoftmaxTarget,
    ClassifierOutputTarget,
)


def test_scores_of_maps(model: ResNet, images: torch.Tensor):
    targets = [ClassifierOutputSoftmaxTarget(2)] * 2
    maps = GradCAM(model, [model.layer4])(images, [ClassifierOutputTarget(2)] * 2)
    change, seen = CamMultImageConfidenceChange()(
        images, maps, targets, model, return_visualization=True
    )
    torch.testing.assert_close(seen, images * torch.from_numpy(maps)[:, None])
    before, after = (model(one).softmax(1)[:, 2].detach().numpy() for one in (images, seen))
    np.testing.assert_allclose(change, after - before, atol=1e-6)
    drop = DropInConfidence()(images, maps, targets, model)
    rise = IncreaseInConfidence()(images, maps, targets, model)
    np.testing.assert_allclose(drop, np.maximum(before - after, 0), atol=1e-6)
    np.testing.assert_array_equal(rise, np.float32(after > before))


def test_removing_what_does_not_matter_leaves_the_score():
    class Left(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, :, :, :8].mean((1, 2, 3)), -x[:, :, :, :8].mean((1, 2, 3))], 1)

    image = torch.zeros(1, 3, 16, 16)
    image[:, :, :, :8] = 1
    one = np.linspace(1, 0, 16, dtype=np.float32)[None, None].repeat(16, 1)
    targets = [ClassifierOutputTarget(0)]
    most = ROADMostRelevantFirst(percentile=45.0)(image, one, targets, Left())
    least = ROADLeastRelevantFirst(percentile=45.0)(image, one, targets, Left())
    assert abs(least[0]) < 0.01
    assert most[0] < -0.05
    both = ROADCombined(percentiles=[45.0])(image, one, targets, Left())
    assert both[0] == pytest.approx((least[0] - most[0]) / 2, abs=1e-6)


def test_pictures_and_preprocessing():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    made = preprocess_image(pixels, mean=mean, std=std)
    assert made.shape == (1, 3, 2, 3)
    assert float(made[0, 2, 1, 0]) == pytest.approx((pixels[1, 0, 2] / 255 - 0.406) / 0.225)
    assert (
        abs(int(deprocess_image(np.random.default_rng(0).normal(5, 9, (50, 50))).mean()) - 127) < 2
    )
    red = show_cam_on_image(np.zeros((1, 1, 3)), np.ones((1, 1)), use_rgb=True, image_weight=0.0)
    assert red[0, 0].tolist() == [255, 0, 0]
    blue = show_cam_on_image(np.zeros((1, 1, 3)), np.ones((1, 1)), image_weight=0.0)
    assert blue[0, 0].tolist() == [0, 0, 255]
    with pytest.raises(OptionError, match="floats in"):
        show_cam_on_image(np.full((1, 1, 3), 255.0), np.ones((1, 1)))
    with pytest.raises(OptionError, match="colour map"):
        show_cam_on_image(np.zeros((1, 1, 3)), np.ones((1, 1)), colormap=99)
