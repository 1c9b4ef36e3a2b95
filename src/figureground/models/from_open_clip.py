"""Zero-shot classifiers from open_clip: sentences are the classes."""

__all__ = ["build", "names"]

import importlib
from types import ModuleType
from typing import Any

from torch import Tensor

from figureground.base.errors import FigureGroundError, ModelError, OptionError, unknown_option
from figureground.models.preprocessing import Preprocessing
from figureground.models.source import Found, Wanted, fetching
from figureground.models.zero_shot import half_of, text_embeddings

# open_clip's words for how an image is brought to the input size
_RESIZING = {"shortest": "crop", "squash": "stretch", "longest": "pad"}
_ELSEWHERE = ("hf-hub:", "local-dir:")


def build(name: str, wanted: Wanted) -> Found:
    """A zero-shot classifier.

    Args:
        name: As open_clip spells it, with its weights: ``ViT-B-32@laion2b_s34b_b79k``, also a file of them; or
            ``hf-hub:ORG/NAME``, whose weights are its own.
        wanted: ``arguments`` go to ``open_clip.create_model``; ``texts`` are the classes.

    Returns:
        The image encoder with the embeddings of the texts, and the model's own preprocessing.

    Raises:
        OptionError: There are no texts, no such weights, or an argument that it does not take.
        ModelError: open_clip is not installed, or the model cannot be had.
    """
    if wanted.texts is None:
        raise OptionError(
            f"open_clip:{name} needs the texts that are its classes: --texts 'a cat,a dog'"
        )
    library = _library()
    base, _, tag = name.partition("@")
    _check_weights(library, base, tag if wanted.trained else None)
    try:
        with fetching(f"open_clip:{name}"):
            model = library.create_model(
                base,
                pretrained=tag or None if wanted.trained else None,
                load_weights=wanted.trained,
                **wanted.arguments,
            ).eval()
            tokenizer = library.get_tokenizer(base)
    except TypeError as error:
        raise OptionError(
            f"open_clip:{name} cannot take the arguments {dict(wanted.arguments)}: {error}"
        ) from error
    except Exception as error:  # whatever its readers of weights raise
        if isinstance(error, FigureGroundError):
            raise
        raise ModelError(f"open_clip cannot build {name}: {error}") from error

    def encode(sentences: list[str]) -> Tensor:
        return model.encode_text(tokenizer(sentences))

    texts = text_embeddings(encode, wanted.texts.names, wanted.texts.templates)
    network = half_of(model, model.visual, texts)
    described = library.get_model_preprocess_cfg(model)
    names_of = wanted.texts.names
    return Found(network, _preprocessing(described), names_of, len(names_of))


def names() -> list[str]:
    """Every model that open_clip knows.

    Returns:
        Names without weights; none where open_clip is not installed.
    """
    try:
        return list(_library().list_models())
    except ModelError:
        return []


def _library() -> ModuleType:
    """The package, where it is installed."""
    try:
        return importlib.import_module("open_clip")
    except ImportError as error:
        raise ModelError(
            "open_clip: models need the package open_clip_torch; install it"
        ) from error


def _check_weights(library: ModuleType, base: str, tag: str | None) -> None:
    """Refuse names that open_clip does not have, and trained weights that are not named."""
    if base.startswith(_ELSEWHERE):
        return
    if base not in library.list_models():
        raise unknown_option("open_clip model", base, library.list_models())
    known = library.list_pretrained_tags_by_model(base)
    if tag == "":
        raise OptionError(
            f"say which weights: open_clip:{base}@{known[0] if known else 'FILE'} (known: {', '.join(known) or 'none'})"
        )


def _preprocessing(described: Any) -> Preprocessing:  # noqa: ANN401 - open_clip is optional
    """The same steps as open_clip's own evaluation transform."""
    size = described["size"]
    height, width = (size, size) if isinstance(size, int) else size
    way: Any = _RESIZING[described["resize_mode"]]
    return Preprocessing(
        size=(height, width),
        resize=way,
        crop_fraction=1.0,
        interpolation=described["interpolation"],
        mean=tuple(described["mean"]),
        std=tuple(described["std"]),
    )
