"""What scripts of pytorch-grad-cam ask for beside a method: both smoothings at once, and its own Eigen-CAM."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.models import ResNet

from figureground.compat.pytorch_grad_cam import EigenCAM, GradCAM
from figureground.compat.pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget


def by_two_smoothings(model: ResNet, image: torch.Tensor, score) -> np.ndarray:
    """Six views one by one: the first component of the weighted channels, the sign that of their sum."""
    views = []
    for contrast in (1.0, 0.9, 1.1):
        for flip in (False, True):
            kept: list[torch.Tensor] = []
            handle = model.layer4.register_forward_hook(
                lambda _m, _i, out, kept=kept: kept.append(out)
            )
            shown = image * contrast
            value = score(model(shown.flip(-1) if flip else shown)[0])
            handle.remove()
            (gradient,) = torch.autograd.grad(value, kept[0])
            weighted = (kept[0] * gradient.mean((2, 3), keepdim=True)).detach()[0].flatten(1).T
            centred = weighted - weighted.mean(0)
            raw = centred @ torch.linalg.svd(centred, full_matrices=False)[2][0]
            total = weighted.sum(1)
            raw = raw * torch.sign(raw @ (total - total.mean()))
            found = raw.reshape(kept[0].shape[2:]).relu()
            views.append(found.flip(-1) if flip else found)
    mean = torch.stack(views).mean(0)
    scaled = F.interpolate(mean[None, None], image.shape[2:], mode="bilinear")[0, 0]
    return ((scaled - scaled.min()) / (scaled.max() - scaled.min())).numpy()


@pytest.mark.parametrize("target", [ClassifierOutputTarget(3), lambda row: row[3]])
def test_both_smoothings_at_once_as_in_their_first_example(model: ResNet, images, target):
    cam = GradCAM(model, [model.layer4])
    found = cam(images, [target, target], aug_smooth=True, eigen_smooth=True)
    for number in range(2):
        wanted = by_two_smoothings(model, images[number : number + 1], lambda row: row[3])
        np.testing.assert_allclose(found[number], wanted, atol=2e-3)
    np.testing.assert_allclose(cam.outputs.numpy(), model(images).detach().numpy(), atol=1e-5)


def test_eigen_cam_can_be_theirs(model: ResNet, images: torch.Tensor):
    kept: list[torch.Tensor] = []
    handle = model.layer4.register_forward_hook(lambda _m, _i, out: kept.append(out.detach()))
    model(images)
    handle.remove()
    found = EigenCAM(model, [model.layer4], center=True, sign="raw")(images)
    for map_, activations in zip(found, kept[0].numpy(), strict=True):  # their get_2d_projection
        matrix = activations.reshape(len(activations), -1).T
        matrix = matrix - matrix.mean(0)
        raw = (matrix @ np.linalg.svd(matrix)[2][0]).reshape(activations.shape[1:]).clip(0)
        sized = F.interpolate(torch.tensor(raw)[None, None], images.shape[2:], mode="bilinear")
        np.testing.assert_allclose(map_, (sized / sized.max())[0, 0].numpy(), atol=2e-3)


def test_both_smoothings_of_the_predicted_class(model: ResNet, images: torch.Tensor):
    cam = GradCAM(model, [model.layer4])
    best = [*map(ClassifierOutputTarget, model(images).argmax(1).tolist())]
    found, wanted = (cam(images, one, aug_smooth=True, eigen_smooth=True) for one in (None, best))
    np.testing.assert_array_equal(found, wanted)
