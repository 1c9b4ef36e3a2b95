"""Scripts as users of torch-cam write them run with the import line changed."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import ResNet
from torchvision.transforms.v2.functional import to_pil_image

from figureground.base.errors import MapError, OptionError, ShapeError
from figureground.compat.torchcam import methods
from figureground.compat.torchcam.methods import CAM, GradCAM, LayerCAM, XGradCAM
from figureground.compat.torchcam.utils import overlay_mask


def class_map(model: ResNet, images: torch.Tensor, classes: list[int]) -> torch.Tensor:
    """Weights of the last layer times its input maps."""
    maps = nn.Sequential(*list(model.children())[:-2])(images)
    return torch.einsum("nc,nchw->nhw", model.fc.weight[classes], maps).detach()


def scaled(maps: torch.Tensor) -> torch.Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def test_maps_of_the_run_before(model: ResNet, images: torch.Tensor):
    with GradCAM(model, target_layer="layer4") as extractor:
        out = model(images)
        (maps,) = extractor(out.argmax(1).tolist(), out)
        assert extractor.target_names == ["layer4"]
    expected = scaled(class_map(model, images, out.argmax(1).tolist()).relu())
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-4)
    assert not model._forward_pre_hooks


def test_cam_keeps_negative_values_until_it_is_scaled(model: ResNet, images: torch.Tensor):
    with torch.no_grad(), CAM(model, "layer4", fc_layer="fc") as extractor:
        model(images)
        (raw,) = extractor(3, normalized=False)
        (maps,) = extractor(3)
    expected = class_map(model, images, [3, 3])
    torch.testing.assert_close(scaled(raw), scaled(expected), atol=1e-5, rtol=1e-4)
    assert (raw < 0).any()
    torch.testing.assert_close(maps, scaled(expected), atol=1e-5, rtol=1e-4)


def test_an_image_with_nan_is_named_and_a_target_of_several_numbers_refused(
    model: ResNet, images: torch.Tensor
):
    broken = images.clone()
    broken[1, 0, 3, 4] = torch.nan
    with GradCAM(model, "layer4") as extractor:
        scores = model(broken)
        with pytest.raises(MapError, match="grad-cam of image 1: 6 of 6 values are NaN"):
            extractor(3, scores)
        model(images)
        with pytest.raises(ShapeError, match=r"one number for each image; <lambda> gave \(7,\)"):
            extractor(targets=lambda row: row)


def test_a_layer_is_found_and_an_overlay_made(model: ResNet, images: torch.Tensor):
    extractor = XGradCAM(model)
    model(images[:1])
    (maps,) = extractor(0)
    extractor.remove_hooks()
    photo = Image.fromarray(np.full((64, 96, 3), 128, np.uint8))
    result = overlay_mask(photo, to_pil_image(maps[0], mode="F"), alpha=0.5)
    assert result.size == photo.size
    hot, cold = (maps[0] == value for value in (maps.max(), maps.min()))
    large = torch.nn.functional.interpolate(hot[None, None].float(), (64, 96))[0, 0] > 0
    small = torch.nn.functional.interpolate(cold[None, None].float(), (64, 96))[0, 0] > 0
    pixels = np.asarray(result).astype(int)
    assert (pixels[large.numpy()][:, 0] > pixels[small.numpy()][:, 0].max() - 130).all()
    assert pixels[small.numpy()][:, 2].mean() > pixels[large.numpy()][:, 2].mean()  # cold is blue


def test_layers_are_fused_as_the_paper_says(model: ResNet, images: torch.Tensor):
    with LayerCAM(model, ["layer3", "layer4"]) as extractor:
        model(images)
        maps = extractor([1, 2])
        fused = extractor.fuse_cams(maps)
    assert [tuple(one.shape) for one in maps] == [(2, 4, 6), (2, 2, 3)]
    large = torch.nn.functional.interpolate((2 * maps[1]).tanh()[:, None], (4, 6), mode="bilinear")
    torch.testing.assert_close(fused, torch.maximum((2 * maps[0]).tanh(), large[:, 0]))
    assert LayerCAM.fuse_cams(maps[:1]) is maps[0]
    with pytest.raises(ShapeError, match="no maps"):
        GradCAM.fuse_cams([])


def test_targets_in_place_of_classes(model: ResNet, images: torch.Tensor):
    with GradCAM(model, "layer4") as extractor:
        model(images)
        (maps,) = extractor(targets=[lambda row: row[3] - row[0], lambda row: row[5] - row[0]])
    expected = class_map(model, images, [3, 5]) - class_map(model, images, [0, 0])
    torch.testing.assert_close(maps, scaled(expected.relu()), atol=1e-5, rtol=1e-4)


def test_listening_can_be_paused_and_what_is_wrong_is_said(model: ResNet, images: torch.Tensor):
    with GradCAM(model, "layer4") as extractor:
        with pytest.raises(OptionError, match="run the network"):
            extractor(0)
        model(images)
        extractor.disable_hooks()
        model(images[:1])
        extractor.enable_hooks()
        assert len(extractor(0)[0]) == 2
        with pytest.raises(OptionError, match="exactly one"):
            extractor()
        with pytest.raises(ShapeError, match="3 classes for 2 images"):
            extractor([0, 1, 2])
        extractor.reset_hooks()
        with pytest.raises(OptionError, match="run the network"):
            extractor(0)
    with pytest.raises(OptionError, match="num_samples"):
        GradCAM(model, "layer4", num_samples=3)


def test_scores_of_another_pass_are_refused_and_images_are_kept(
    model: ResNet, images: torch.Tensor
):
    with GradCAM(model, "layer4") as extractor:
        first = model(images)
        mine = images.clone()
        out = model(mine)
        mine.zero_()
        torch.testing.assert_close(extractor(3, out)[0], extractor(3)[0])
        expected = scaled(class_map(model, images, [3, 3]).relu())
        torch.testing.assert_close(extractor(3, out)[0], expected, atol=1e-5, rtol=1e-4)
        for wrong in (first.softmax(1), first[:1], first + 1):
            with pytest.raises(OptionError, match="these scores are not"):
                extractor(3, wrong)


def test_names_that_are_left_out_say_why():
    with pytest.raises(OptionError, match="noisy copies"):
        methods.SmoothGradCAMpp  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        methods.Nothing  # noqa: B018
