"""What to do about a finding: sentences, a complete recipe, and the commands."""

__all__ = ["Origin", "ReadyModel", "Recommendation", "mark_boxes", "recommend"]

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from figureground.metrics.reliance import Reliance
from figureground.models import Texts
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
_SWAP = "Train with background-swap: every image gets the background of another one, cut along masks {}."
_ALONG = {
    "inner": "that are tighter than boxes",
    "given": (
        "as annotated, since tighter ones cut off what the network knows of the objects: on backgrounds of their class "
        "{before:.0%} are right along the annotation and {after:.0%} along tighter masks"
    ),
}
_SHARE = " {:.0%} of what object and background together do to the probability is the background's doing."
_WARNING = (
    "Accuracy on images like these will fall, since what is now right because of the background is no skill. Accuracy "
    "on backgrounds of other classes, {:.0%} now, should rise: 'compare --background' tells how far both went."
)
_LOCAL = (
    "The cue is local, in one part of the background: removing it at its source is the other way."
)
_MARK = (
    "Mark the objects on 50 to 100 random images, all of each: it takes minutes, and decides what estimates cannot.",
    "Nothing is recommended before: training with the network's own maps as masks has made matters worse.",
)
_PLACEHOLDER, _UNNAMED = "TRAINING-IMAGES-WITH-BOXES", "MY-NETWORK.py:FUNCTION"
_OWN_DATA = (
    "put your training images with boxes here (COCO .json, .csv, a folder of VOC .xml or with image_ids.txt); a fifth "
    "of them, data.test_fraction, is set aside as test images, and those of the diagnosis must stay held out"
)
_OWN_MODEL = "put the function here that makes your network, and its weights as model.weights"
_UNTRAINED = "the network that was diagnosed has random weights (--random): training begins with other random ones"
_FACTORY = "the weights are those that the function returns: where it returns an untrained network, set model.weights"
_ORDER = (
    "classes are numbered in the natural order of their names; a network with another number of classes gets a new "
    "head, and one whose classes have another order has to learn them anew"
)


@dataclass(frozen=True)
class ReadyModel:
    """A network that is an object of the caller's: no name, no run, no settings."""

    run: None = None
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


Origin = LoadedModel | ReadyModel
"""Where a model comes from."""


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
    loaded: Origin,
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
    recipe = _recipe(loaded, mask=_mask(found.hits))
    reasons = [
        f"why: the network {sentence}",
        f"the cue is {found.cue or 'not located'}; delta {options.delta:g}; seed {options.seed}",
    ]
    if loaded.run is None:
        reasons += _remarks(loaded)
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    head = "".join(f"# {line}\n" for line in reasons)
    return Recommendation(
        _treatment(found),
        head + text,
        _commands(loaded, recipe.name, recipe=f"{out}/treatment.yaml"),
    )


def mark_boxes(loaded: Origin, data: str, *, out: str, asked: bool) -> Recommendation:
    """What to do where boxes are missing.

    Args:
        loaded: The model.
        data: The images, as they were named; empty for those of the run.
        out: Folder of the diagnosis.
        asked: Whether the images to be marked are listed there by now.

    Returns:
        Sentences and commands.
    """
    model = _words(loaded)
    ask = f"figureground diagnose {shlex.quote(data) + ' ' if data else ''}{model} --ask-boxes 100 --out {out}"
    go_on = f"figureground diagnose {out}/ask_boxes.csv {model} --out {out}-boxes"
    return Recommendation(_MARK, commands=(go_on,) if asked else (ask, go_on))


def _words(loaded: Origin) -> str:
    """The model on the command line, with the settings that it was loaded with."""
    asked = loaded.settings
    words = ["--model", loaded.name or "MODEL"]
    for name in ("weights", "class_names", "checkpoint", "readout"):
        if isinstance(asked.get(name), str | Path) and asked[name] != "best":
            words += [f"--{name.replace('_', '-')}", str(asked[name])]
    if asked.get("random"):
        words.append("--random")
    if isinstance(asked.get("texts"), Texts):
        words += ["--texts", ",".join(asked["texts"].names)]
        for template in asked["texts"].templates:
            words += ["--templates", template]
    for key, value in (asked.get("arguments") or {}).items():
        words += ["--model-arg", f"{key}={value}"]
    for key, value in (asked.get("preprocessing") or {}).items():
        flag, between = ("range", ",") if key == "value_range" else (key.replace("_", "-"), ",")
        between = "x" if key == "size" else between
        words += [
            f"--{flag}",
            between.join(map(str, value)) if isinstance(value, tuple) else str(value),
        ]
    return shlex.join(words)


def _commands(loaded: Origin, name: str, *, recipe: str) -> tuple[str, ...]:
    """Train with the treatment, and without it where there is no run to compare with; then compare."""
    treated, before = f"runs/{name}", "runs/before"
    more: tuple[str, ...] = ()
    if loaded.run is not None:
        before = str(loaded.run.folder)
    else:
        more = (f"figureground train {recipe} --set 'algorithms=[]' --out {before}",)
    return (
        f"figureground train {recipe} --out {treated}",
        *more,
        f"figureground compare {before} {treated} --background",
    )


def _treatment(found: Findings) -> tuple[str, ...]:
    """What to do, in sentences."""
    v10 = found.hits["given"].numbers["v10"].mean
    share = found.probabilities.numbers.get("share")
    told = "" if share is None else _SHARE.format(share.mean)
    along = _ALONG[_mask(found.hits)]
    if _mask(found.hits) == "given":
        before, after = (found.hits[one].numbers["v11"].mean for one in ("given", "inner"))
        along = along.format(before=before, after=after)
    sentences = (_SWAP.format(along) + told, _WARNING.format(v10))
    return (*sentences, _LOCAL) if found.cue == "local" else sentences


def _mask(hits: Mapping[str, Reliance]) -> str:
    """Tight masks, unless it is seen that they cut off parts of the objects."""
    # background inside a mask goes along with the object, so tight masks are safe; on backgrounds of the own class, an
    # answer that gets lost along tight masks was lost with a part of the object
    right = [hits[one].numbers.get("v11") for one in ("inner", "given") if one in hits]
    if len(right) < 2 or right[0] is None or right[1] is None:
        return "inner"
    return "given" if right[0].high < right[1].low else "inner"


def _recipe(loaded: Origin, *, mask: str) -> Recipe:
    """The run's own recipe with the treatment; or a fresh one for the model."""
    treatment = {"background-swap": {"p": 1.0, "mask": mask}}
    if loaded.run is not None:
        content = loaded.run.recipe.model_dump(mode="json")
        others = [one for one in content["algorithms"] if "background-swap" not in one]
        content |= {"name": f"{content['name'][:90]}-swap", "algorithms": [treatment, *others]}
        return changed(content)
    return changed(
        {
            "name": "swap",
            "epochs": 10,
            "batch_size": 32,
            "data": {"name": "boxes", "root": _PLACEHOLDER},
            "model": _model(loaded),
            "optimiser": {"kind": "adamw", "lr": _PRETRAINED_LR, "weight_decay": 0.01},
            "algorithms": [treatment],
        }
    )


def _model(loaded: Origin) -> dict[str, Any]:
    """The model as a recipe names it, with the weights that were diagnosed where a file or a zoo has them."""
    asked = loaded.settings
    weights, fields = asked.get("weights"), asked.get("preprocessing") or {}
    return {
        "name": _trainable(loaded) or _UNNAMED,
        "weights": None if weights is None else str(weights),
        "pretrained": weights is None and not asked.get("random") and bool(_trainable(loaded)),
        "arguments": dict(asked.get("arguments") or {}),
        "preprocessing": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields.items()
        },
    }


def _trainable(loaded: Origin) -> str:
    """The name by which a recipe finds the model; empty where it knows none, as of one with texts for classes."""
    read_otherwise = loaded.settings.get("texts") or loaded.settings.get("readout")
    return "" if read_otherwise else loaded.name


def _remarks(loaded: Origin) -> list[str]:
    """What has to be filled in, and from where the weights come."""
    remarks = [f"{_PLACEHOLDER}: {_OWN_DATA}"]
    if not _trainable(loaded):
        remarks.append(f"{_UNNAMED}: {_OWN_MODEL}")
    elif loaded.settings.get("random"):
        remarks.append(_UNTRAINED)
    elif ".py:" in loaded.name and loaded.settings.get("weights") is None:
        remarks.append(_FACTORY)
    return [*remarks, _ORDER]
