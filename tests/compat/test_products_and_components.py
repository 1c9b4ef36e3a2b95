"""Maps of several layers multiplied, and the first component of weighted channels, as pytorch-grad-cam has them."""

import numpy as np
import pytest
import torch
from torchvision.models import ResNet

from figureground.base.errors import OptionError
from figureground.compat.pytorch_grad_cam import EigenCAM, HiResCAM, LayerCAM, RefineCAM
from figureground.compat.pytorch_grad_cam.metrics.arcc import ARCC
from figureground.compat.pytorch_grad_cam.metrics.road import ROADCombined
from figureground.compat.pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from figureground.maps import normalise, resize
from figureground.methods import Explainer


def test_the_product_of_layers_and_its_score(model: ResNet, images: torch.Tensor):
    targets = [ClassifierOutputTarget(1)] * 2
    layers = [model.layer3, model.layer4]
    cam = RefineCAM(model, layers, base_method=LayerCAM)
    found = cam(images, targets)
    product = np.prod([LayerCAM(model, [layer])(images, targets) for layer in layers], axis=0)
    low, high = product.min((1, 2), keepdims=True), product.max((1, 2), keepdims=True)
    np.testing.assert_allclose(found, (product - low) / (high - low), atol=1e-6)
    score = ARCC(base_method=cam)(images, found, targets, model)
    again = cam(images * torch.from_numpy(found)[:, None], targets)
    rho = np.array(
        [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(again, found, strict=True)]
    )
    road = ROADCombined(percentiles=[20, 40, 60, 80])(images, found, targets, model)
    parts = [(rho + 1) / 2, 1 - found.mean((1, 2)), (2 * road).clip(0, 1)]
    assert score == pytest.approx(3 / sum(1 / np.maximum(part, 1e-30) for part in parts), abs=1e-5)


def test_the_first_component_of_weighted_channels(model: ResNet, images: torch.Tensor):
    target = [ClassifierOutputTarget(2)] * 2
    found = HiResCAM(model, [model.layer4])(images, target, eigen_smooth=True)
    run = Explainer(model, layer="layer4")(images, 2, "hires-cam")
    kept: list[torch.Tensor] = []
    handle = model.layer4.register_forward_hook(lambda *given: kept.append(given[-1]))
    out = model(images)
    handle.remove()
    (slopes,) = torch.autograd.grad(out[:, 2].sum(), kept[0])
    for image, one in enumerate(found):
        evidence = (slopes[image] * kept[0][image]).detach().flatten(1).double().numpy()  # (C, P)
        centred = evidence - evidence.mean(1, keepdims=True)
        strength, place = np.linalg.svd(centred, full_matrices=False)[1:]
        component = strength[0] * place[0]
        component *= np.sign(component @ evidence.sum(0))
        coarse = torch.from_numpy(component).reshape(1, *run.map_of("hires-cam").shape[-2:]).float()
        expected = resize(normalise(coarse, relu=True), (64, 96))[0].numpy()
        low, high = expected.min(), expected.max()
        np.testing.assert_allclose(one, (expected - low) / (high - low), atol=1e-4)
    with pytest.warns(UserWarning, match="EigenCAM adds no weighted channels up"):
        EigenCAM(model, [model.layer4])(images, target, eigen_smooth=True)
    with pytest.raises(OptionError, match="eigen-cam: no sum of weighted channels"):
        Explainer(model, layer="layer4", smooth="principal")(images, 2, "eigen-cam")
    with pytest.raises(OptionError, match="no smoothing 'main'"):
        Explainer(model, smooth="main")
