"""The interface of pytorch-grad-cam over the ``Explainer``: change ``pytorch_grad_cam`` in the import line.

Constructors, calls and targets are theirs (1.5.7), the maps are ours; each class says where they differ on purpose.
"""

__all__ = [
    "FEM",
    "KPCA_CAM",
    "AblationCAM",
    "AblationLayer",
    "AblationLayerFasterRCNN",
    "AblationLayerVit",
    "DeepFeatureFactorization",
    "EigenCAM",
    "EigenGradCAM",
    "FinerCAM",
    "FullGrad",
    "GradCAM",
    "GradCAMElementWise",
    "GradCAMPlusPlus",
    "GuidedBackpropReLUModel",
    "HiResCAM",
    "LayerCAM",
    "RandomCAM",
    "ScoreCAM",
    "SegEigenCAM",
    "ShapleyCAM",
    "XGradCAM",
]

from figureground.compat.pytorch_grad_cam.cams import (
    FEM,
    KPCA_CAM,
    AblationCAM,
    AblationLayer,
    AblationLayerFasterRCNN,
    AblationLayerVit,
    EigenCAM,
    EigenGradCAM,
    FinerCAM,
    FullGrad,
    GradCAM,
    GradCAMElementWise,
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
from figureground.compat.pytorch_grad_cam.factorization import DeepFeatureFactorization
from figureground.methods import find_methods

_LEFT_OUT = {"RefineCAM": "refine-cam", "SESS": "sess"}


def __getattr__(name: str) -> object:
    """Names that are left out give the reason."""
    if name in _LEFT_OUT:
        find_methods(_LEFT_OUT[name])
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
