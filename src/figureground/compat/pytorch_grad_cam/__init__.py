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
    "RefineCAM",
    "ScoreCAM",
    "SegEigenCAM",
    "ShapleyCAM",
    "XGradCAM",
]

import sys
from types import ModuleType

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
    RefineCAM,
    ScoreCAM,
    SegEigenCAM,
    ShapleyCAM,
    XGradCAM,
)
from figureground.compat.pytorch_grad_cam.factorization import DeepFeatureFactorization
from figureground.methods import find_methods

# their files, from which scripts import the classes as well
_FILES = {
    "ablation_cam": AblationCAM,
    "eigen_cam": EigenCAM,
    "eigen_grad_cam": EigenGradCAM,
    "fem": FEM,
    "finer_cam": FinerCAM,
    "fullgrad_cam": FullGrad,
    "grad_cam": GradCAM,
    "grad_cam_elementwise": GradCAMElementWise,
    "grad_cam_plusplus": GradCAMPlusPlus,
    "guided_backprop": GuidedBackpropReLUModel,
    "hirescam": HiResCAM,
    "kpca_cam": KPCA_CAM,
    "layer_cam": LayerCAM,
    "random_cam": RandomCAM,
    "refine_cam": RefineCAM,
    "score_cam": ScoreCAM,
    "seg_eigen_cam": SegEigenCAM,
    "shapley_cam": ShapleyCAM,
    "xgrad_cam": XGradCAM,
}
for _file, _kind in _FILES.items():
    _module = ModuleType(
        f"{__name__}.{_file}", f"``{_kind.__name__}`` where pytorch-grad-cam has it."
    )
    setattr(_module, _kind.__name__, _kind)
    sys.modules[_module.__name__] = _module

_LEFT_OUT = {"SESS": "sess"}


def __getattr__(name: str) -> object:
    """Names that are left out give the reason."""
    if name in _LEFT_OUT:
        find_methods(_LEFT_OUT[name])
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
