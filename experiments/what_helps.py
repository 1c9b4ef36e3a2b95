"""What ``docs/what-helps.md`` and the README say of each training method: which numbers, and what the source claims.

command:   none; it is imported by ``tables.py``
expected:  nothing of its own
"""

__all__ = ["ROWS", "SHORT", "Row"]

from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Row:
    """One statement.

    Args:
        method: As users know it.
        tested: Data, network and size.
        experiment: File of numbers in ``journal/results``.
        world: Of the experiment.
        arm: Of the world, compared with its first one.
        measure: As the numbers call it.
        of: What is measured, in words.
        claim: Of the source.
        against: The arm that it is compared with; the world's first one where omitted.
    """

    method: str
    experiment: str
    world: str
    tested: str
    arm: str
    measure: str
    claim: str
    of: str = "accuracy"
    against: str | None = None


DIGITS = "LeNet from random weights, 3,000 digits in clutter, six epochs"
TINY = "pretrained MobileNetV2, ten classes of Tiny ImageNet, 450 images, ten epochs"
CIFAR = "trained ResNet-20, five epochs more of 4,000 images of CIFAR-10-JPEG75"
CIFAR56 = "trained ResNet-56, five epochs more of 2,500 images of CIFAR-10-JPEG75"
RARE = "pretrained MobileNetV2, five rare classes among 5,000 images of Tiny ImageNet, two epochs"
ONE = "pretrained MobileNetV2, one rare class among 5,000 images of Tiny ImageNet, two epochs"
PLANTED = "small ResNet, 2,000 CIFAR-10 pictures on the colour of their class (rho .95)"
MILD = "small ResNet, 2,000 CIFAR-10 pictures, on the colour of their class in 30 %"
OMITTED = "ResNet-56 to ResNet-20, 4,500 images of CIFAR-10-JPEG75 without trucks, 14 epochs"
FEW = "ResNet-56 to ResNet-20, 1,000 images of CIFAR-10-JPEG75, 30 epochs"
TRANSFER = "pretrained MobileNetV2, 1,000 images of CIFAR-10-JPEG75, six epochs"
KABIR, YE = "more accuracy at little cost", "0 to 84 % on an omitted class"


SHORT = {
    DIGITS: "LeNet, digits",
    TINY: "pretrained, ten classes",
    TRANSFER: "pretrained, CIFAR-10",
    CIFAR: "trained ResNet-20",
    CIFAR56: "trained ResNet-56",
    PLANTED: "small ResNet",
    MILD: "small ResNet",
    RARE: "five rare classes",
    ONE: "one rare class",
    FEW: "1,000 images",
    OMITTED: "nine classes",
}
"""What ``tested`` is called in the picture."""


def _of(experiment: str, world: str, tested: str) -> "partial[Row]":
    return partial(Row, experiment=experiment, world=world, tested=tested)


_START = _of("background-start", "lenet", DIGITS)
_TRANSFER = _of("background-transfer", "tiny10", TINY)
_ERASING = _of("cam-erasing-trained", "resnet20", CIFAR)
_ERASING56 = _of("cam-erasing-trained", "resnet56", CIFAR56)
_MILD = _of("cam-erasing-trained", "pictures-rho.3", MILD)
_PLANTED = _of("background-reliance", "pictures", PLANTED)
_RARE = _of("rare-classes-whole-network", "5-rare", RARE)
_ONE = _of("rare-classes-whole-network", "1-rare", ONE)
_OMITTED = _of("distillation-omitted", "omitted", OMITTED)
_FEW = _of("distillation-omitted", "few", FEW)
_CIFAR = _of("background-transfer", "cifar10-jpeg", TRANSFER)
_TEXTURES = "background class: textures"
_UNSEEN = "textures: AUROC by s1 ↑"

ROWS: tuple[Row, ...] = (
    _START("background class", arm="from .5 of the run", measure="accuracy ↑", claim=KABIR),
    _START(
        "background class, from the first step",
        arm="from the first step",
        measure="accuracy ↑",
        claim=KABIR,
    ),
    _START(
        "outlier exposure",
        arm="outlier exposure from the first step",
        measure="accuracy ↑",
        claim="accuracy is kept",
    ),
    _TRANSFER("background class", arm=_TEXTURES, measure="accuracy ↑", claim=KABIR),
    _TRANSFER(
        "background class", arm=_TEXTURES, measure=_UNSEEN, of="AUROC of unseen textures", claim="–"
    ),
    _TRANSFER(
        "outlier exposure",
        arm="outlier exposure: textures",
        measure="accuracy ↑",
        claim="accuracy is kept",
    ),
    _TRANSFER(
        "outlier exposure",
        arm="outlier exposure: textures",
        measure="textures: AUROC ↑",
        of="AUROC of unseen textures",
        claim="unknown images told apart",
    ),
    _CIFAR("background class", arm=_TEXTURES, measure="accuracy ↑", claim=KABIR),
    _CIFAR(
        "background class", arm=_TEXTURES, measure=_UNSEEN, of="AUROC of unseen textures", claim="–"
    ),
    _CIFAR(
        "background class",
        arm=_TEXTURES,
        measure="mnist: AUROC by s1 ↑",
        of="AUROC of digits",
        claim="–",
    ),
    _CIFAR(
        "outlier exposure",
        arm="outlier exposure: textures",
        measure="ECE ↓",
        of="calibration error",
        claim="–",
    ),
    _CIFAR(
        "label smoothing", arm="label smoothing", measure="ECE ↓", of="calibration error", claim="–"
    ),
    _TRANSFER(
        "label smoothing", arm="label smoothing", measure="accuracy ↑", claim="more accuracy"
    ),
    _TRANSFER("Spinal head", arm="Spinal head", measure="accuracy ↑", claim="more accuracy"),
    _ERASING("random erasing", arm="random erasing", measure="accuracy ↑", claim="more accuracy"),
    _ERASING(
        "CAM erasing",
        arm="CAM erasing",
        measure="accuracy ↑",
        claim=".33 points less error, after 200 epochs",
    ),
    _ERASING56(
        "CAM erasing",
        arm="CAM erasing",
        measure="accuracy ↑",
        claim=".33 points less error, after 200 epochs",
    ),
    _MILD(
        "CAM erasing", arm="CAM erasing", measure="gap", of="reading the background, gap", claim="–"
    ),
    _PLANTED(
        "swapped backgrounds",
        arm="swap, boxes",
        measure="gap",
        of="reading the background, gap",
        claim="–",
    ),
    _PLANTED(
        "background class",
        arm="background class",
        measure="gap",
        of="reading the background, gap",
        claim="wider view of the object",
    ),
    _PLANTED(
        "MCMI teacher's student",
        arm="distilled, MCMI teacher",
        measure="gap",
        of="reading the background, gap",
        claim="–",
    ),
    _RARE(
        "background splitting",
        arm="splitting",
        measure="mean AP ↑",
        of="mean AP",
        claim="+8.3 points at 98.3 % background",
    ),
    _RARE(
        "background splitting, logit adjustment",
        arm="splitting and logit adjustment",
        measure="mean AP ↑",
        of="mean AP",
        claim="–",
    ),
    _ONE(
        "background splitting",
        arm="splitting",
        measure="mean AP ↑",
        of="AP",
        claim="+42.3 points at 99.98 % background",
    ),
    _ONE(
        "background splitting, logit adjustment",
        arm="splitting and logit adjustment",
        measure="mean AP ↑",
        of="AP",
        claim="–",
    ),
    _RARE(
        "background splitting, permuted labels",
        arm="splitting, permuted",
        measure="mean AP ↑",
        of="mean AP",
        claim="control",
    ),
    _RARE("logit adjustment", arm="logit adjustment", measure="mean AP ↑", of="mean AP", claim="–"),
    _FEW(
        "distillation", arm="mll", measure="accuracy ↑", against="no teacher", claim="more accuracy"
    ),
    _FEW(
        "MCMI teacher, beside the same without the term",
        arm="mcmi 0.25",
        measure="accuracy ↑",
        against="mcmi 0",
        claim="up to 5.7 points from 5 % of the images",
    ),
    _OMITTED(
        "distillation",
        arm="mcmi 0",
        measure="AP of the omitted class ↑",
        against="no teacher",
        of="AP of a class that is left out",
        claim="more accuracy",
    ),
    _OMITTED(
        "MCMI teacher, beside the same without the term",
        arm="mcmi 0.25",
        measure="AP of the omitted class ↑",
        against="mcmi 0",
        of="AP of a class that is left out",
        claim=YE,
    ),
)
