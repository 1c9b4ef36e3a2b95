"""The options that say which model, shared by every verb that takes one."""

__all__ = ["ModelOptions"]

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figureground.base.errors import OptionError
from figureground.base.options import Options, option
from figureground.cli.console import complain
from figureground.cli.methods import key_values

if TYPE_CHECKING:
    from figureground.models import Texts
    from figureground.studies.models import LoadedModel

_PANEL = "Model"
_PREPROCESSING = ("size", "resize", "crop_fraction", "mean", "std", "value_range")
_WORDS = ("resize", "value_range")


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """What is typed about a model.

    Args:
        model: Its name.
        checkpoint: Of a training run.
        trust_code: Whether code that its folder names may run.
        weights: File in place of trained weights.
        random: No weights.
        model_arg: ``key=value`` words for building the network.
        class_names: File of names.
        texts: Classes of a zero-shot model.
        templates: Sentences around them.
        readout: What the outputs of a network that is no classifier are read as.
        size: Of the input.
        resize: How images are brought to it.
        crop_fraction: Of the resized image.
        mean: Of the channels.
        std: Of the channels.
        value_range: Of images with more than 8 bits.
    """

    model: str | None = option(
        None,
        "timm:NAME, torchvision:NAME[@WEIGHTS], hf:ORG/NAME, open_clip:NAME@WEIGHTS (with --texts), figureground:NAME, "
        "path/file.py:factory, or the folder of a training run.",
        panel=_PANEL,
        flag="--model,-m",
    )
    checkpoint: str = option(
        "best", "Of a training run: best (on validation), last or step-N.", panel=_PANEL
    )
    trust_code: bool = option(
        False,
        "Run the code (file.py:function) that the folder of a training run names.",
        panel=_PANEL,
        flag="--trust-code",
    )
    weights: Path | None = option(
        None, "Weights file (.safetensors, .pth) in place of the trained ones.", panel=_PANEL
    )
    random: bool = option(
        False, "Leave the network untrained; nothing is downloaded.", panel=_PANEL
    )
    model_arg: tuple[str, ...] = option(
        (), "key=value for building the network; repeatable.", panel=_PANEL, repeat=True
    )
    class_names: Path | None = option(
        None, "File with one class name per line, or JSON.", panel=_PANEL
    )
    texts: tuple[str, ...] = option(
        (),
        "Classes of a model that embeds images and texts, open_clip: or hf: (CLIP, SigLIP): 'a cat,a dog'.",
        panel=_PANEL,
    )
    templates: tuple[str, ...] = option(
        (),
        "Sentence with {} where each text goes; repeatable, then embeddings are averaged. Default: the text alone.",
        panel=_PANEL,
        repeat=True,
    )
    readout: str | None = option(
        None,
        "segmentation: of a network that gives scores for each pixel, a class for each category; boxes: of a detector, "
        "the same.",
        choices=("segmentation", "boxes"),
        panel=_PANEL,
    )
    size: str | None = option(None, "Input size, 224 or 224x320 (height x width).", panel=_PANEL)
    resize: str | None = option(
        None,
        "How images are brought to the input size.",
        choices=("crop", "stretch", "pad", "middle"),
        panel=_PANEL,
    )
    crop_fraction: str | None = option(
        None,
        "Side of the kept centre over side of the resized image. Default with --resize: 1.",
        panel=_PANEL,
    )
    mean: str | None = option(None, "Channel means, 0.5 or 0.485,0.456,0.406.", panel=_PANEL)
    std: str | None = option(None, "Channel standard deviations.", panel=_PANEL)
    value_range: str | None = option(
        None,
        "Of images with more than 8 bits a channel, what becomes black to white: full (what the file can hold), data "
        "(lowest to highest of each image), 12-bit and the like, or lo,hi. Default: full.",
        panel=_PANEL,
        flag="--range",
    )

    def load(self) -> "LoadedModel":
        """The model that the options ask for.

        Returns:
            The model, and the training run that it comes from.

        Raises:
            OptionError: No model is named, or the folder of a run is given with options of its own.
        """
        if self.model is None:
            raise OptionError("name the model: --model timm:resnet50, --model runs/plain, ...")
        from figureground.base.seeds import seed_everything  # noqa: PLC0415 - torch is slow to import
        from figureground.studies.models import load_model  # noqa: PLC0415

        # weights drawn at random shall be the same in the next run, which may go on with this one's results
        seed_everything(0)
        typed = {key: getattr(self, key) for key in _PREPROCESSING}
        changes = {key: _field(key, word) for key, word in typed.items() if word is not None}
        if "resize" in changes:
            # who says how to resize means the whole image; a zoo's crop fraction belongs to the zoo's own way
            changes.setdefault("crop_fraction", 1.0)
        if (Path(self.model) / "recipe.yaml").is_file():
            self._refuse_settings()
            loaded = load_model(self.model, checkpoint=self.checkpoint, trust_code=self.trust_code)
        else:
            loaded = load_model(
                self.model,
                weights=self.weights,
                random=self.random,
                arguments=key_values(self.model_arg),
                class_names=self.class_names,
                preprocessing=changes,
                texts=self._texts(),
                readout=self.readout,
            )
        for note in loaded.classifier.notes:
            complain(f"note: {note}")
        return loaded

    def _texts(self) -> "Texts | None":
        """The classes of a zero-shot model."""
        from figureground.models import Texts  # noqa: PLC0415 - torch is slow to import

        if not self.texts:
            if self.templates:
                raise OptionError(
                    "templates go around texts: give texts, too (--texts 'a cat,a dog')"
                )
            return None
        return Texts(self.texts, self.templates or ("{}",))

    @property
    def height(self) -> int:
        """Of the input where no model says it, pixels."""
        return 224 if self.size is None else int(_field("size", self.size)[0])

    def _refuse_settings(self) -> None:
        """The folder of a run describes its whole model."""
        own = ("weights", "random", "model_arg", "class_names", "texts", "templates", "readout")
        names = (*own, *_PREPROCESSING)
        flags = {name: f"--{name.replace('_', '-')}" for name in names} | {"value_range": "--range"}
        given = [flags[name] for name in names if getattr(self, name)]
        if given:
            raise OptionError(
                f"the folder of a run describes its whole model: leave out {', '.join(given)}"
            )


def _field(key: str, word: str) -> Any:  # noqa: ANN401 - depends on the field
    """A preprocessing field from a word."""
    if key in _WORDS:
        return word
    try:
        if key == "size":
            sides = [int(side) for side in word.lower().replace("x", ",").split(",")]
            height, width = sides * 2 if len(sides) == 1 else sides
            return height, width
        numbers = [float(number) for number in word.split(",")]
    except ValueError:
        example = "224 or 224x320" if key == "size" else "0.5"
        raise OptionError(
            f"--{key.replace('_', '-')} takes numbers such as {example}, not '{word}'"
        ) from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)
