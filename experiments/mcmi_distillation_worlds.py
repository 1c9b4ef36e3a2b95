"""The two worlds of `mcmi_distillation.py`: what is trained, on which images, and which arms there are.

command:   none; it is imported
expected:  see `mcmi_distillation.py`
"""

__all__ = ["SETTINGS", "WORLDS", "World"]

from dataclasses import dataclass, field

from figureground.data import shared_folder

# share of the images, omitted classes
SETTINGS = {
    "all": (1.0, ()),
    "10 %": (0.1, ()),
    "5 %": (0.05, ()),
    "without 9": (1.0, (9,)),
    "without 7, 9": (1.0, (7, 9)),
}
_SWEEP = (0.05, 0.15, 0.25, 0.5)
_SGD = {"kind": "sgd", "momentum": 0.9, "weight_decay": 0.0005}


@dataclass(frozen=True)
class World:
    """Recipes of teachers and students, and what is asked.

    Args:
        base: What all recipes share.
        teacher: The teacher's network.
        student: The student's.
        size: Of the images.
        taught: More for the teachers' recipes.
        learns: More for the students' recipes.
        arms: (setting, loss) -> teachers; a setting's students are compared with one that has no teacher.
    """

    base: dict
    teacher: dict
    student: dict
    size: tuple[int, int]
    taught: dict = field(default_factory=dict)
    learns: dict = field(default_factory=dict)
    arms: dict = field(default_factory=dict)

    @property
    def batch(self):
        """Pictures in a step."""
        return self.base["batch_size"]

    def teachers(self):
        """All that are asked for, the first of them first."""
        named = ["mll", "mcmi 0"] + [name for names in self.arms.values() for name in names]
        return tuple(dict.fromkeys(named))


def _all_arms():
    names = ("mll", "mcmi 0", *(f"mcmi {weight}" for weight in _SWEEP), "label smoothing")
    return {(setting, loss): names for setting in SETTINGS for loss in ("kd", "sp")}


def _cifar_arms():
    """Fewer: KD everywhere, the sweep where the paper's gain is largest, the feature loss twice."""
    few = ("mll", "mcmi 0", "mcmi 0.15", "label smoothing")
    arms = {(setting, "kd"): few for setting in SETTINGS}
    arms["5 %", "kd"] = (*few[:3], "mcmi 0.25", "mcmi 0.5", few[3])
    return arms | {("5 %", "sp"): few[:3], ("without 9", "sp"): few[:3]}


def _mnist():
    return World(
        base={
            "batch_size": 64,
            "channels_last": True,
            "data": {"name": "mnist", "val_fraction": 0.02, "seed": 0},
            "optimiser": _SGD | {"lr": 0.05},
            "schedule": {"kind": "cosine"},
        },
        teacher=_small(16),
        student=_small(3),
        size=(28, 28),
        arms=_all_arms(),
    )


def _small(width):
    return {
        "name": "figureground:small-resnet",
        "arguments": {"channels": 1, "width": width},
        "preprocessing": {"size": [28, 28]},
    }


def _cifar():
    shared = shared_folder()
    if shared is None:
        raise SystemExit("the shared data is absent (FIGUREGROUND_SHARED)")
    weights = shared / "weights" / "resnet56_cifar10.safetensors"
    return World(
        base={
            "batch_size": 64,
            "channels_last": True,
            "precision": "bf16-mixed",
            "data": {"name": "cifar10-jpeg", "val_fraction": 0.02, "seed": 0},
            "augmentation": {"crop_padding": 4, "flip": True},
        },
        teacher={"name": "figureground:cifar-resnet56", "weights": str(weights)},
        student={"name": "figureground:cifar-resnet20"},
        size=(32, 32),
        taught={"optimiser": _SGD | {"lr": 0.01}, "schedule": {"kind": "cosine"}},
        learns={
            "optimiser": _SGD | {"lr": 0.1},
            "schedule": {"kind": "one-cycle", "warm_up": 0.2},
        },
        arms=_cifar_arms(),
    )


WORLDS = {"mnist": _mnist, "cifar10-jpeg": _cifar}
