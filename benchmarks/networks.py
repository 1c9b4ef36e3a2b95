"""The network that several benchmarks run."""

__all__ = ["mobilenet"]

from pathlib import Path

import figureground as fg
from figureground.models import Classifier


def mobilenet(shared: Path) -> Classifier:
    """MobileNetV2 with the shared weights."""
    return fg.load_classifier(
        "timm:mobilenetv2_100",
        weights=shared / "weights" / "mobilenetv2_100_imagenet1001.safetensors",
        arguments={"num_classes": 1001, "pad_type": "same"},
        preprocessing={
            "size": 224,
            "resize": "stretch",
            "crop_fraction": 1.0,
            "mean": 0.5,
            "std": 0.5,
        },
    )
