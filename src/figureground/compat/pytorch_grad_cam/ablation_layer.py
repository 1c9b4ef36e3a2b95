"""Its ablation layers, which are not needed."""

__all__ = ["AblationLayer", "AblationLayerFasterRCNN", "AblationLayerVit"]

from figureground.compat.pytorch_grad_cam.cams import (
    AblationLayer,
    AblationLayerFasterRCNN,
    AblationLayerVit,
)
