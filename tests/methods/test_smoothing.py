"""Six views of an image and their average."""

import pytest
import torch
from torch import nn

from figureground.methods import Explainer
from figureground.methods.smoothing import smoothed, smoothing_views


def network() -> nn.Sequential:
    torch.random.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )


@pytest.mark.parametrize("method", ["grad-cam", "eigen-cam", "hires-cam", "cam"])
def test_equals_the_average_of_six_runs(method):
    images = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([[3, 0], [1, 4]])
    net = network()
    plain, smooth = Explainer(net), Explainer(net, smooth=True)
    total = torch.zeros(())
    for mirror in (False, True):
        for contrast in (1.0, 0.9, 1.1):
            view = images * contrast
            view = view.flip(-1) if mirror else view
            maps = plain(view, classes=classes, methods=method).map_of(method)
            total = total + (maps.flip(-1) if mirror else maps)
    maps = smooth(images, classes=classes, methods=method).map_of(method)
    torch.testing.assert_close(maps, total / 6, rtol=1e-4, atol=1e-6)


def test_predicted_class_is_that_of_the_unchanged_image():
    images = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    net = network()
    one, other = Explainer(net)(images), Explainer(net, smooth=True)(images)
    assert one.classes is not None
    assert other.classes is not None
    assert torch.equal(one.classes, other.classes)
    torch.testing.assert_close(one.logits, other.logits)


def test_functions_are_smoothed_too():
    images = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    smooth = Explainer(network(), smooth=True)
    by_number = smooth(images, classes=2, methods="hires-cam").map_of("hires-cam")
    by_function = smooth(images, classes=lambda y: y[:, 2], methods="hires-cam").map_of("hires-cam")
    torch.testing.assert_close(by_number, by_function)


def test_views_begin_with_the_images_and_averages_undo_the_mirror():
    images = torch.rand(2, 3, 4, 5)
    views = smoothing_views(images)
    assert torch.equal(views[:2], images)
    assert torch.equal(views[6:8], images.flip(-1))
    torch.testing.assert_close(smoothed(views, 2), images)
