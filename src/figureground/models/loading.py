"""Any image classifier by name, with its own preprocessing and class names."""

__all__ = ["load_classifier"]

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn

from figureground.base.class_names import read_class_names
from figureground.base.errors import FigureGroundError, ModelError, OptionError, unknown_option
from figureground.models import from_file
from figureground.models.classifier import Classifier
from figureground.models.preprocessing import Preprocessing
from figureground.models.readouts import detections, segmentation
from figureground.models.source import SOURCES, UNTRAINED, Found, Wanted, source
from figureground.models.weights import load_weights
from figureground.models.zero_shot import Texts


def load_classifier(
    name: str | nn.Module,
    *,
    weights: Path | str | None = None,
    random: bool = False,
    arguments: Mapping[str, Any] | None = None,
    class_names: Path | str | Sequence[str] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    texts: Texts | Sequence[str] | None = None,
    readout: str | None = None,
) -> Classifier:
    """A classifier in evaluation mode, on the CPU.

    ``timm:resnet50``, ``torchvision:resnet50@IMAGENET1K_V1`` and ``hf:organisation/model`` are fetched with their
    trained weights and cached by those libraries; ``path/file.py:function`` is called; ``figureground:lenet-gap``
    is one of ours. Of ``open_clip:ViT-B-32@laion2b_s34b_b79k``, and of CLIP and SigLIP of ``hf:``, ``texts`` are the
    classes. With ``weights`` or ``random`` no weights are downloaded. Nothing global changes, but that
    ``random`` draws the initial weights from torch's global stream, as building a module always does.

    Args:
        name: Source and name; or a module of your own, of which images are taken to be 224 × 224 in [0, 1] where
            neither it nor ``preprocessing`` says otherwise.
        weights: A file to load instead of the trained weights.
        random: Leave the network untrained.
        arguments: For the function that builds the network (``num_classes``, ``pad_type``, …).
        class_names: One name per logit, or a file of them (see ``read_class_names``).
        preprocessing: Fields of ``Preprocessing`` to change.
        texts: The classes of a model that embeds images and texts: ``("a cat", "a dog")``, or ``Texts`` with templates
            of sentences.
        readout: ``segmentation`` for a network of scores for each pixel: then a category is a class, and its logit the
            sum of its scores where the network says it; ``boxes`` for a detector: its logit is the logarithm of the
            best score that it detects the category with.

    Returns:
        The classifier.

    Raises:
        OptionError: Unknown name or option; the message names the closest.
        ModelError: The model cannot be fetched, built or run, or the weights or class names do not fit it.

    Examples:
        >>> digits = load_classifier("figureground:lenet-gap", random=True)
        >>> digits.preprocessing.size, digits.class_name(7), digits.training
        ((100, 100), '7', False)
    """
    if weights is not None and random:
        raise OptionError("weights from a file and random weights exclude each other")
    if texts is not None:
        _check_texts(str(name), weights)
    wanted = Wanted(
        trained=weights is None and not random,
        arguments=dict(arguments or {}),
        texts=texts if isinstance(texts, Texts | None) else Texts(tuple(texts)),
        readout=readout,
    )
    # building a network draws its initial weights; where they are replaced, the caller's random stream must not notice
    with torch.random.fork_rng(devices=[], enabled=not random):
        found = from_file.of_module(name) if isinstance(name, nn.Module) else _find(name, wanted)
        if weights is not None:
            notes = load_weights(_bare(found.network), weights)
            found = replace(found, notes=(*found.notes, *notes))
        if random:
            found = replace(found, notes=(*found.notes, UNTRAINED))
        names = _names(class_names) or found.class_names
        shown = type(name).__name__ if isinstance(name, nn.Module) else name
        return _classifier(found, shown, (names, preprocessing), readout=readout).eval()


def _find(name: str, wanted: Wanted) -> Found:
    """What the source named by the prefix has."""
    if ".py:" in name:
        return from_file.build(name, wanted)
    kind, colon, rest = name.partition(":")
    if name.endswith(".py"):
        raise OptionError(f"say which function of the file builds the model: {name}:FUNCTION")
    if colon:
        return source(kind).build(rest, wanted)
    raise _bare_name(name)


def _check_texts(name: str, weights: object) -> None:
    """Refuse texts where they would not be read, or not by trained weights."""
    if weights is not None:
        raise OptionError(
            "a weights file is that of one network, and a zero-shot model has two encoders: name a folder or file of "
            "both, hf:FOLDER or open_clip:NAME@FILE"
        )
    if not name.startswith(_WITH_TEXTS) or ".py:" in name:
        raise OptionError(
            f"texts are the classes of zero-shot models ({', '.join(_WITH_TEXTS)}); {name} has classes of its own"
        )


_WITH_TEXTS = ("open_clip:", "hf:")


def _bare_name(name: str) -> OptionError:
    """The error for a name without a source: the source that has it, or which folder is not there."""
    if len(Path(name).parts) > 1 or Path(name).exists() or name.endswith(("/", "\\")):
        return _no_folder(name)
    known = {known: kind for kind in reversed(SOURCES) for known in source(kind).names()}
    bare = re.split(r"[.@]", name)[0]
    if bare in known:
        return OptionError(
            f"'{name}' does not say where the model comes from; did you mean '{known[bare]}:{name}'?"
        )
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"; closest: '{known[close[0]]}:{close[0]}'" if close else ""
    return OptionError(f"no model '{name}'{hint} (list them with 'figureground ls models')")


def _no_folder(name: str) -> OptionError:
    """The error for a name that is meant as a run's folder."""
    place = Path(name)
    found = f"there is no folder '{name}'"
    if place.is_dir():
        found = f"the folder '{name}' holds no training run: there is no recipe.yaml"
    elif place.exists():
        found = f"'{name}' is a file; weights are given beside the name of their network"
    return OptionError(
        f"{found}. A model is the folder of a training run, or a network with its source before it: "
        "timm:NAME, hf:ORG/NAME, ... (list them with 'figureground ls models')"
    )


def _names(given: Path | str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Class names from a file or as they are."""
    if given is None:
        return None
    return read_class_names(given) if isinstance(given, Path | str) else tuple(given)


def _bare(network: nn.Module) -> nn.Module:
    """The network inside a classifier, or the network itself."""
    return network.network if isinstance(network, Classifier) else network


def _readout(name: str, classes: int | None) -> Callable[[Any], torch.Tensor]:
    """A readout that needs to be told nothing, or the number of categories alone."""
    if name == "segmentation":
        return segmentation()
    if name != "boxes":
        raise unknown_option("readout", name, ["segmentation", "boxes"])
    if classes is None:
        raise OptionError(
            "a detector does not say how many categories it has: give class names, one for each"
        )
    return detections(classes)


def _classifier(
    found: Found,
    name: str,
    chosen: tuple[tuple[str, ...] | None, Mapping[str, Any] | None],
    *,
    readout: str | None,
) -> Classifier:
    """A found network with the caller's names and changes, after a look at how many logits it has."""
    names, changes = chosen
    network = _bare(found.network).eval()
    preprocessing = found.preprocessing.changed(changes) if changes else found.preprocessing
    known = found.num_classes or (None if names is None else len(names))
    output = None if readout is None else _readout(readout, known)
    count = found.num_classes or _count_logits(network, preprocessing, (name, output))
    return Classifier(
        network,
        preprocessing,
        name=name,
        class_names=names,
        num_classes=count,
        notes=(*found.notes, *(() if changes else found.assumptions)),
        output=output,
    )


def _count_logits(
    network: nn.Module, preprocessing: Preprocessing, read: tuple[str, Callable[[Any], Any] | None]
) -> int:
    """The number of logits, by a look at what the network makes of a black image."""
    name, output = read
    shape = (1, preprocessing.channels, *preprocessing.size)
    try:
        with torch.no_grad():
            looked = Classifier(network, preprocessing, name=name, output=output)
            return looked(torch.zeros(shape)).shape[1]
    except FigureGroundError:
        raise
    except Exception as error:
        raise ModelError(f"{name} does not run on an image {shape}: {error}") from error
