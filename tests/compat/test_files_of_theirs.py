"""Scripts import from the files of these packages, too, not from their top alone."""

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("pytorch_grad_cam.grad_cam_plusplus", "GradCAMPlusPlus"),
        ("pytorch_grad_cam.xgrad_cam", "XGradCAM"),
        ("pytorch_grad_cam.fullgrad_cam", "FullGrad"),
        ("pytorch_grad_cam.ablation_layer", "AblationLayerVit"),
        ("torchcam.methods.gradient", "LayerCAM"),
        ("torchcam.methods.activation", "ScoreCAM"),
    ],
)
def test_a_class_in_its_file_is_the_class_at_the_top(file: str, name: str):
    package, top = "figureground.compat.", file.split(".", maxsplit=1)[0]
    at_the_top = import_module(package + top + (".methods" if top == "torchcam" else ""))
    assert getattr(import_module(package + file), name) is getattr(at_the_top, name)
