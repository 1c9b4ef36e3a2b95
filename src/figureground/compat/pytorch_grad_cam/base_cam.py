"""Its base class."""

__all__ = ["BaseCAM"]

from figureground.compat.pytorch_grad_cam.cams import BaseCAM
