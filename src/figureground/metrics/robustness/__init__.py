"""Whether predictions and maps stay the same when the image is attacked or corrupted."""

__all__ = [
    "ATTACKS",
    "CORRUPTIONS",
    "SEVERITIES",
    "Attack",
    "DeepFoolOptions",
    "DeepFoolResult",
    "MapSensitivity",
    "MapStability",
    "corrupt",
    "corruption_strength",
    "deepfool",
    "deepfool_trace",
    "fgsm",
    "gaussian_noise",
    "map_sensitivity",
    "map_stability",
    "pgd",
    "relative_perturbation",
    "uniform_noise",
]

from figureground.metrics.robustness.attacks import (
    ATTACKS,
    Attack,
    fgsm,
    gaussian_noise,
    pgd,
    uniform_noise,
)
from figureground.metrics.robustness.corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    corrupt,
    corruption_strength,
)
from figureground.metrics.robustness.deepfool import (
    DeepFoolOptions,
    DeepFoolResult,
    deepfool,
    deepfool_trace,
)
from figureground.metrics.robustness.sensitivity import MapSensitivity, map_sensitivity
from figureground.metrics.robustness.stability import (
    MapStability,
    map_stability,
    relative_perturbation,
)
