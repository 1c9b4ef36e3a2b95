"""Group-CAM against loops, and laws of it."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.functional import gaussian_blur

from figureground.base.errors import OptionError
from figureground.methods import Explainer, GroupCAM
from figureground.methods.group_cam import channel_groups


def looped(net: Any, images: torch.Tensor, classes: list[int], groups: int) -> torch.Tensor:
    """One image, class and group at a time."""
    found = torch.zeros(len(images), len(classes), 5, 4)
    for n, image in enumerate(images):
        blurred = gaussian_blur(image, 17, 50.0)
        maps = net.body(image[None])
        for k, number in enumerate(classes):
            score = net.head(net.top(maps).amax((2, 3)))[0, number]
            (slope,) = torch.autograd.grad(score, maps, retain_graph=True)
            weighted = (slope.mean((2, 3), keepdim=True) * maps)[0].detach()
            for part in torch.arange(len(weighted)).tensor_split(groups):
                mask = weighted[part].sum(0).clamp(min=0)
                if mask.max() == mask.min():
                    continue
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                large = F.interpolate(mask[None, None], image.shape[1:], mode="bilinear")[0]
                with torch.no_grad():
                    both = torch.stack([image * large + blurred * (1 - large), blurred])
                    seen, empty = net(both).softmax(1)[:, number]
                found[n, k] += (seen - empty).clamp(min=0) * mask
    return found


@pytest.mark.parametrize("groups", [1, 4, 6])
def test_equals_loops_over_the_groups(max_head, two_images, groups):
    result = Explainer(max_head, layer="body")(two_images, [0, 3], GroupCAM(groups))
    expected = looped(max_head, two_images, [0, 3], groups)
    assert expected.any()
    torch.testing.assert_close(result.map_of("group-cam"), expected, rtol=1e-3, atol=1e-6)


def test_more_groups_than_channels_are_as_many_as_channels(max_head, two_images):
    explainer = Explainer(max_head, layer="body")
    many, six = (explainer(two_images, 1, GroupCAM(n)).map_of("group-cam") for n in (32, 6))
    torch.testing.assert_close(many, six)
    assert GroupCAM().forwards(6, 5, 4) == 7
    assert explainer.forwards("group-cam") == 7


def test_groups_are_neighbours_from_0_to_1_and_blank_where_constant():
    activations = torch.rand(2, 1, 5, 4, 3, generator=torch.Generator().manual_seed(0))
    activations[:, :, 3:] = 0.5
    gradients = torch.tensor([1.0, 1, -1, 1, 1])[:, None, None].expand(2, 1, 5, 1, 1)
    found = channel_groups(activations, gradients, groups=2)
    first = (activations[:, :, 0] + activations[:, :, 1] - activations[:, :, 2]).relu()
    low, high = first.amin((-2, -1), keepdim=True), first.amax((-2, -1), keepdim=True)
    torch.testing.assert_close(found[:, :, 0], (first - low) / (high - low))
    assert not found[:, :, 1].any()


def test_no_group_is_refused():
    with pytest.raises(OptionError, match="at least 1 group, not 0"):
        GroupCAM(0)
