"""Attacks as a user writes them: ``fgsm,pgd`` with strengths, ``deepfool``, or any callable."""

__all__ = ["AttackCase", "Attacked", "attack_cases"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels
from figureground.metrics.faithfulness.scoring import Score
from figureground.metrics.robustness.attacks import ATTACKS, Attack
from figureground.metrics.robustness.deepfool import (
    DeepFoolOptions,
    deepfool,
    deepfool_trace,
)

_STRENGTH = {
    "fgsm": "epsilon",
    "pgd": "epsilon",
    "uniform-noise": "epsilon",
    "gaussian-noise": "sigma",
}
_SHORT = {"uniform": "uniform-noise", "gaussian": "gaussian-noise"}
_RANDOM = ("uniform-noise", "gaussian-noise")
_DEEPFOOL = {"deepfool": True, "deepfool-lts4": False}
_NAMES = (*ATTACKS, *(name for name in _DEEPFOOL if name not in ATTACKS))


@dataclass(frozen=True)
class Attacked:
    """A batch after an attack.

    Args:
        images: ``(N, C, H, W)``.
        iterations: ``(N,)`` where the attack tells; -1 elsewhere.
    """

    images: Images
    iterations: Int[Tensor, " N"]


@dataclass(frozen=True)
class AttackCase:
    """One attack at one strength.

    Args:
        name: As tables have it.
        attack: ``(score, images, labels)`` -> images; any callable of this form.
        random: It takes ``randomness`` too and gets a generator of its own for every batch.
        clip: Of DeepFool: whether pixels stay in [0, 1]; None for every other attack.
    """

    name: str
    attack: Attack
    random: bool = False
    clip: bool | None = None

    def __str__(self) -> str:
        function = getattr(self.attack, "func", self.attack)
        given = getattr(self.attack, "keywords", {}) | (
            {} if self.clip is None else {"clip": self.clip}
        )
        return f"{self.name}: {getattr(function, '__name__', type(function).__name__)} {given}"

    def run(self, score: Score, images: Images, labels: Labels, *, seed: int) -> Attacked:
        """Attack a batch.

        Args:
            score: The classifier.
            images: ``(N, C, H, W)`` in [0, 1].
            labels: ``(N,)``, the true classes.
            seed: For a random attack; should differ from batch to batch.

        Returns:
            The attacked images.
        """
        if self.clip is not None:
            found = deepfool_trace(score, images, options=DeepFoolOptions(clip=self.clip))
            return Attacked(found.images, found.iterations)
        extra = {"randomness": generator(seed)} if self.random else {}
        attacked = self.attack(score, images, labels, **extra)
        return Attacked(attacked, torch.full((len(images),), -1, device=images.device))


def attack_cases(
    attacks: Sequence[str | AttackCase | tuple[str, Attack]],
    strengths: Sequence[float] = (8 / 255,),
) -> list[AttackCase]:
    """The attacks that were asked for, each at each strength.

    Args:
        attacks: Names (``fgsm``, ``pgd``, ``deepfool``, ``uniform``, ``gaussian``), with a strength of their own as in
            ``fgsm:0.05``; ready cases; or pairs of a name and a callable ``(score, images, labels)`` -> images.
        strengths: Largest change of a pixel in [0, 1] (standard deviation for ``gaussian``), for names without one.
            DeepFool takes none: it looks for the smallest change, within [0, 1] or, as ``deepfool-lts4``, anywhere.

    Returns:
        The cases, in the order asked for.

    Raises:
        OptionError: Unknown name, a strength that is no number or does not apply, no attack, or one name twice.

    Examples:
        >>> [case.name for case in attack_cases(["fgsm", "gaussian:0.2", "deepfool"], [0.02, 0.05])]
        ['fgsm 0.02', 'fgsm 0.05', 'gaussian-noise 0.2', 'deepfool']
    """
    cases = [case for one in attacks for case in _cases(one, strengths)]
    names = [case.name for case in cases]
    if not cases:
        raise OptionError(f"no attack asked for; known: {', '.join(_NAMES)}")
    if len(set(names)) < len(names):
        raise OptionError(f"an attack is asked for twice: {', '.join(names)}")
    return cases


def _cases(
    one: str | AttackCase | tuple[str, Attack], strengths: Sequence[float]
) -> list[AttackCase]:
    if isinstance(one, AttackCase):
        return [one]
    if isinstance(one, tuple):
        return [AttackCase(*one)]
    word, colon, number = one.partition(":")
    name = _name(word)
    if name not in _STRENGTH:
        if colon:
            raise OptionError(f"{name} takes no strength: it looks for the smallest change")
        return [AttackCase(name, deepfool, clip=_DEEPFOOL[name])]
    return [_strong(name, each) for each in ([_number(number, one)] if colon else strengths)]


def _strong(name: str, strength: float) -> AttackCase:
    attack = partial(ATTACKS[name], **{_STRENGTH[name]: strength})
    return AttackCase(f"{name} {strength:.4g}", attack, random=name in _RANDOM)


def _name(word: str) -> str:
    """The full name of an attack."""
    spelled = word.strip().lower()
    name = _SHORT.get(spelled, spelled)
    if name not in _NAMES:
        raise unknown_option("attack", word, _NAMES)
    return name


def _number(text: str, word: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"the strength in '{word}' is not a number") from None
