"""What to do about a finding: sentences, a complete recipe, and the commands."""

__all__ = ["Recommendation", "recommend"]

from dataclasses import dataclass

import yaml

from figureground.studies.diagnosis.findings import Findings
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.models import LoadedModel
from figureground.training.recipe import Recipe, changed

_PRETRAINED_LR = 3e-4

_NOTHING = "Nothing needs to be done. Diagnose again after every training."
_NAMED = (
    "The set as a whole does not rest on the background, but backgrounds draw to {} of its classes; look at the images "
    "of these classes before anything is changed."
)
_SWAP = (
    "Train with background-swap: every image gets the background of another one, cut along masks that are tighter than "
    "boxes."
)
_SHARE = " {:.0%} of what the network knows comes from the background."
_WARNING = (
    "Accuracy on images like these will fall towards that on other backgrounds ({:.0%} now): that lower number was the "
    "skill all along. The gain shows where backgrounds do not fit."
)
_LOCAL = (
    "The cue is local, in one part of the background: removing it at its source is the other way."
)
_OWN_DATA = "data: name your training images with boxes here; those of the diagnosis stay held out"


@dataclass(frozen=True)
class Recommendation:
    """What follows.

    Args:
        sentences: What to do, and why.
        recipe: YAML, with the reasons as comments; empty where none is recommended.
        commands: To be typed next.
    """

    sentences: tuple[str, ...]
    recipe: str = ""
    commands: tuple[str, ...] = ()


def recommend(
    found: Findings,
    loaded: LoadedModel,
    sentence: str,
    *,
    options: DiagnoseOptions,
    out: str,
) -> Recommendation:
    """What a finding calls for.

    Args:
        found: The findings.
        loaded: The model, and the run that it comes from.
        sentence: The verdict.
        options: Of the diagnosis.
        out: Its folder.

    Returns:
        A recipe where the network rests on the background; else what to do instead.
    """
    if found.verdict.word == "cannot tell":
        needed = found.verdict.images_needed
        more = "" if needed is None else f" About {needed:,} images like these would decide."
        return Recommendation((f"Measure more images before anything is changed.{more}",))
    named = sum(one.found for one in found.classes)
    if found.verdict.word == "does not":
        return Recommendation((_NAMED.format(named) if named else _NOTHING,))
    recipe = _recipe(loaded)
    reasons = [
        f"why: the network {sentence}",
        f"the cue is {found.cue or 'not located'}; delta {options.delta:g}; seed {options.seed}",
    ]
    if loaded.run is None:
        reasons.append(_OWN_DATA)
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    head = "".join(f"# {line}\n" for line in reasons)
    before = str(loaded.run.folder) if loaded.run is not None else "runs/before"
    commands = (
        f"figureground train {out}/treatment.yaml --out runs/{recipe.name}",
        f"figureground compare {before} runs/{recipe.name} --background",
    )
    return Recommendation(_treatment(found), head + text, commands)


def _treatment(found: Findings) -> tuple[str, ...]:
    """What to do, in sentences."""
    v10 = found.hits["given"].numbers["v10"].mean
    share = found.probabilities.numbers.get("share")
    told = "" if share is None else _SHARE.format(share.mean)
    sentences = (_SWAP + told, _WARNING.format(v10))
    return (*sentences, _LOCAL) if found.cue == "local" else sentences


def _recipe(loaded: LoadedModel) -> Recipe:
    """The run's own recipe with the treatment; or a fresh one for the model."""
    treatment = {"background-swap": {"p": 1.0, "mask": "inner"}}
    if loaded.run is not None:
        content = loaded.run.recipe.model_dump(mode="json")
        others = [one for one in content["algorithms"] if "background-swap" not in one]
        content |= {"name": f"{content['name'][:90]}-swap", "algorithms": [*others, treatment]}
        return changed(content)
    name = loaded.classifier.name
    return changed(
        {
            "name": "swap",
            "epochs": 10,
            "batch_size": 32,
            "data": {"name": "boxes", "root": "TRAINING-IMAGES-WITH-BOXES"},
            "model": {"name": name, "pretrained": True},
            "optimiser": {"kind": "adamw", "lr": _PRETRAINED_LR, "weight_decay": 0.01},
            "algorithms": [treatment],
        }
    )
