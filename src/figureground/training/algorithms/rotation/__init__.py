"""An auxiliary task that needs no labels: by how many quarter turns was the image turned?"""

__all__ = ["Rotation", "RotationOptions"]

from figureground.training.algorithms.rotation.algorithm import Rotation, RotationOptions
