"""The options that say which model, shared by every verb that takes one."""

__all__ = [
    "NOTHING",
    "Arguments",
    "Model",
    "Size",
    "Weights",
    "Words",
    "key_values",
    "takes_words",
]

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from figureground.base.errors import OptionError

if TYPE_CHECKING:
    from figureground.models import Classifier

_PANEL = "Model"
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="timm:NAME, torchvision:NAME[@WEIGHTS], hf:ORG/NAME, figureground:NAME or path/file.py:factory.",
        rich_help_panel=_PANEL,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Weights file (.safetensors, .pth) in place of the trained ones.",
        rich_help_panel=_PANEL,
    ),
]
Random = Annotated[
    bool,
    typer.Option(
        "--random",
        help="Leave the network untrained; nothing is downloaded.",
        rich_help_panel=_PANEL,
    ),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option(
        "--model-arg",
        help="key=value for building the network; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
ClassNames = Annotated[
    Path | None,
    typer.Option(help="File with one class name per line, or JSON.", rich_help_panel=_PANEL),
]
Size = Annotated[
    str | None,
    typer.Option(help="Input size, 224 or 224x320 (height x width).", rich_help_panel=_PANEL),
]
Resize = Annotated[str | None, typer.Option(help="crop, stretch or pad.", rich_help_panel=_PANEL)]
CropFraction = Annotated[
    str | None,
    typer.Option(
        help="Side of the kept middle over side of the resized photo. Default with --resize: 1.",
        rich_help_panel=_PANEL,
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(help="Channel means, 0.5 or 0.485,0.456,0.406.", rich_help_panel=_PANEL),
]
Std = Annotated[
    str | None, typer.Option(help="Channel standard deviations.", rich_help_panel=_PANEL)
]


@dataclass(frozen=True)
class Words:
    """What was typed about a model, beside its name; each field is an option of every verb that ``takes_words``.

    Args:
        weights: File in place of trained weights.
        random: No weights.
        model_arg: ``key=value`` words for building the network.
        class_names: File of names.
        size: Of the input.
        resize: How photos are brought to it.
        crop_fraction: Of the resized photo.
        mean: Of the channels.
        std: Of the channels.
    """

    weights: Weights = None
    random: Random = False
    model_arg: Arguments = None
    class_names: ClassNames = None
    size: Size = None
    resize: Resize = None
    crop_fraction: CropFraction = None
    mean: Mean = None
    std: Std = None

    def load(self, name: str) -> "Classifier":
        """The classifier that the options ask for.

        Args:
            name: As for ``load_classifier``.

        Returns:
            The classifier.
        """
        from figureground.base.seeds import seed_everything  # noqa: PLC0415 - torch is slow to import
        from figureground.models import load_classifier  # noqa: PLC0415

        # weights drawn at random shall be the same in the next run, which may go on with this one's results
        seed_everything(0)
        typed = {key: getattr(self, key) for key in _PREPROCESSING}
        changes = {key: _field(key, word) for key, word in typed.items() if word is not None}
        if "resize" in changes:
            # who says how to resize means the whole photo; a zoo's crop fraction belongs to the zoo's own way
            changes.setdefault("crop_fraction", 1.0)
        return load_classifier(
            name,
            weights=self.weights,
            random=self.random,
            arguments=key_values(self.model_arg or []),
            class_names=self.class_names,
            preprocessing=changes,
        )

    def height(self, usual: int) -> int:
        """Of the input.

        Args:
            usual: Where nothing was typed.

        Returns:
            Pixels.
        """
        return usual if self.size is None else int(_field("size", self.size)[0])

    def refuse_any(self) -> None:
        """For a model that is a run's folder.

        Raises:
            OptionError: Something was typed.
        """
        named = [one.name for one in fields(self) if getattr(self, one.name)]
        if named:
            given = ", ".join(f"--{name.replace('_', '-')}" for name in named)
            raise OptionError(
                f"the folder of a run says all of its model: leave the model options out ({given})"
            )


def takes_words(command: Callable[..., None]) -> Callable[..., None]:
    """A verb with the options of ``Words`` in the place of its parameter ``about``.

    Args:
        command: The verb; ``about: Words = NOTHING`` is among its parameters.

    Returns:
        The verb for typer, which reads its options from the signature.
    """
    options = list(inspect.signature(Words, eval_str=True).parameters.values())
    own = inspect.signature(command, eval_str=True)
    parameters = [
        one
        for given in own.parameters.values()
        for one in (options if given.name == "about" else [given])
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - as typer has parsed them
        typed = {one.name: given.pop(one.name) for one in options}
        command(about=Words(**typed), **given)

    del run.__wrapped__  # inspect would look through it
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    return run


def key_values(words: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as a dict; values are read as JSON where they are JSON, else taken as text.

    Args:
        words: As typed.

    Returns:
        The dict.

    Raises:
        OptionError: A word without ``=``.

    Examples:
        >>> key_values(["num_classes=10", "pad_type=same", "pretrained=false"])
        {'num_classes': 10, 'pad_type': 'same', 'pretrained': False}
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise OptionError(f"'{word}' is not key=value")
        found[key.strip()] = _value(value)
    return found


def _value(text: str) -> Any:  # noqa: ANN401 - anything that JSON can say
    plain = {"True": True, "False": False, "None": None}
    if text in plain:
        return plain[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _field(key: str, word: str) -> Any:  # noqa: ANN401 - depends on the field
    """A preprocessing field from a word."""
    if key == "resize":
        return word
    try:
        if key == "size":
            sides = [int(part) for part in word.lower().replace("x", ",").split(",")]
            height, width = sides * 2 if len(sides) == 1 else sides
            return height, width
        numbers = [float(part) for part in word.split(",")]
    except ValueError:
        example = "224 or 224x320" if key == "size" else "0.5"
        option = key.replace("_", "-")
        raise OptionError(f"--{option} takes numbers such as {example}, not '{word}'") from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


NOTHING = Words()
_PREPROCESSING = ("size", "resize", "crop_fraction", "mean", "std")
