"""Recipes: everything that decides a training run, in one checked file."""

__all__ = [
    "AugmentationSpec",
    "DataSpec",
    "ModelSpec",
    "OptimiserSpec",
    "Recipe",
    "RecipePart",
    "ScheduleSpec",
    "as_tuples",
    "changed",
    "checked",
    "is_run",
    "read_recipe",
    "write_recipe",
]

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    field_validator,
    model_validator,
)

from figureground.base.errors import DataError, OptionError, unknown_option
from figureground.base.record import write_atomically
from figureground.training.plain_yaml import plain_yaml
from figureground.training.recipe_changes import with_change

Checked = TypeVar("Checked", bound=BaseModel)


_Share = Annotated[float, Field(ge=0, le=1)]


class RecipePart(BaseModel):
    """Base of every section: unknown keys and infinite numbers are errors, and a recipe does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSpec(RecipePart):
    """Which images: fields of ``load_dataset`` and its options.

    Without a ``seed`` the run's own decides division and generation. ``test_fraction`` of all images is set aside where
    a set has no test part, and ``val_fraction`` of the others where it has no validation part.
    ``limit`` keeps about that many training images, the same share of every class. ``rare`` names the classes that are
    sought, by name or number, or files (``.txt``) with one of them a line; all others become background, a network gets
    an output for it, the last, and validation keeps the background images.
    ``rho`` is, in planted sets, the probability that a background is that of the object's class; ten numbers are those
    of the ten classes.
    ``use: held-out`` trains on half of what a run with the same data and seed sets aside for validation, and the other
    half chooses: a last layer is best fitted to images that the features were not trained on.
    ``limit_scheme: first`` keeps the first ones as they are stored instead of equal shares. ``omit`` names classes,
    by name or number, that are taken out of the training images alone.
    ``storage: memory`` decodes all images once and keeps them; ``stream`` decodes each when it is needed, in
    ``workers`` processes (one for each core, at most eight, where omitted), so that any number of them fits; ``auto``
    streams files that would take more than a quarter of the machine's memory, and those that a transform cuts from at
    their own size.
    """

    name: str
    root: str | None = None
    seed: int | None = None
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    use: Literal["training", "held-out"] = "training"
    download: StrictBool = False
    count: int | None = Field(default=None, ge=1)
    rho: _Share | tuple[_Share, ...] | None = None
    background: StrictBool = False
    rare: tuple[str | int, ...] = ()
    limit: int | None = Field(default=None, ge=1)
    limit_scheme: Literal["stratified", "first"] = "stratified"
    omit: tuple[str | int, ...] = ()
    storage: Literal["auto", "memory", "stream"] = "auto"
    workers: int | None = Field(default=None, ge=0, le=256)


class ModelSpec(RecipePart):
    """Which network; as for ``load_classifier``. Without ``weights`` and ``pretrained`` it starts untrained.

    ``name`` may also be the folder of a finished run, whose ``checkpoint`` is trained further.
    ``batch_norms: measured`` gives batch norms that were folded away (exports to ONNX or TFLite and back) statistics of
    the training images before the first step; without them training destroys such weights, which are refused unless
    ``kept`` says that this is wanted.
    ``head`` puts a new ``linear``, ``spinal`` or ``cosine`` head on it; a head is replaced anyway where trained weights
    come with another number of classes. ``frozen`` keeps all ``norms``, or the ``body`` (all but the last linear
    layer), as they are.
    """

    name: str
    checkpoint: str = "best"
    weights: str | None = None
    pretrained: StrictBool = False
    head: Literal["own", "linear", "spinal", "cosine"] = "own"
    batch_norms: Literal["kept", "measured"] | None = None
    frozen: Literal["none", "norms", "body"] = "none"
    arguments: dict[str, Any] = Field(default_factory=dict)
    preprocessing: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSpec":
        """Refuse options that would be without effect."""
        own = self.weights or self.pretrained or self.arguments or self.preprocessing
        if own and is_run(self.name):
            raise ValueError(
                f"the model {self.name} is a run, which has its own weights, arguments and preprocessing"
            )
        return self


class AugmentationSpec(RecipePart):
    """Random crops out of the image padded by ``crop_padding`` pixels, and random horizontal flips; or ``transforms``.

    ``transforms`` is a list of names of ``torchvision.transforms.v2``, each alone or with its parameters:
    ``[RandomResizedCrop: {scale: [0.35, 1]}, RandomHorizontalFlip, TrivialAugmentWide]``. One that takes a ``size``
    gets the network's where none is given, and then photos are cut at their own size, where they are streamed.
    ``MixUp`` and ``CutMix`` mix the images of a batch and their labels.
    """

    crop_padding: int = Field(default=0, ge=0, le=4096)
    flip: StrictBool = False
    transforms: tuple[str | dict[str, dict[str, Any] | None], ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> "AugmentationSpec":
        """Refuse both kinds together."""
        if self.transforms and (self.crop_padding or self.flip):
            raise ValueError(
                "augmentation has either transforms, or crop_padding and flip: RandomCrop (with padding) and "
                "RandomHorizontalFlip are transforms, too"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _not_renamed(cls, given: Any) -> Any:  # noqa: ANN401 - what a file holds
        """Name the new key of an old one."""
        for old, new in {"pad": "crop_padding", "mirror": "flip"}.items():
            if isinstance(given, dict) and old in given:
                raise ValueError(f"the key augmentation.{old} is now called augmentation.{new}")
        return given


class OptimiserSpec(RecipePart):
    """``sgd`` or ``adamw``.

    For fine-tuning: ``head_lr`` is the learning rate of the last linear layer; ``layer_decay`` the factor by which each
    layer further from the output learns more slowly; ``decay: weights`` leaves norms and biases without weight decay;
    ``clip`` is the largest norm of the gradient of all parameters together.
    """

    kind: str = "sgd"
    lr: float = Field(default=0.1, gt=0, le=1e38)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0, le=1e6)
    nesterov: StrictBool = False
    head_lr: float | None = Field(default=None, gt=0, le=1e38)
    layer_decay: float | None = Field(default=None, gt=0, lt=1)
    decay: Literal["all", "weights"] = "all"
    clip: float | None = Field(default=None, gt=0)


class ScheduleSpec(RecipePart):
    """``constant``, ``cosine``, ``one-cycle``, or ``steps``: factor ``gamma`` at milestones, fractions of the run."""

    kind: str = "cosine"
    warm_up: float = Field(default=0.0, ge=0, lt=1)
    milestones: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.5, 0.75)
    gamma: float = Field(default=0.1, gt=0, le=1e6)


class Recipe(RecipePart):
    """A training run.

    ``accumulate`` steps share one optimiser step; ``ema`` is the decay of an averaged copy of the weights (None
    for none); ``checkpoint_every`` counts steps (0 for the ends of epochs only) and is a multiple of ``accumulate``;
    ``keep_steps`` names steps after which the weights are saved beside the others; ``algorithms`` is a list of one-key
    mappings, name to options. ``precision`` in half, bf16, needs no loss scaling. ``compile`` has torch compile the
    network, which pays where steps are many and short; algorithms that look inside it cannot go with it.
    ``loggers`` says where the numbers of ``history.csv`` (``csv``, which is written in any case) go as well, each in a
    folder of its name in that of the run: ``tensorboard``, ``wandb`` (offline, for ``wandb sync``) and ``mlflow`` (a
    file store) need the extra ``loggers``.
    """

    name: str
    seed: int = 0
    epochs: int = Field(gt=0, le=10**9)
    batch_size: int = Field(default=128, gt=0)
    accumulate: int = Field(default=1, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: StrictBool = False
    compile: StrictBool = False
    data: DataSpec
    model: ModelSpec
    augmentation: AugmentationSpec = AugmentationSpec()
    optimiser: OptimiserSpec = OptimiserSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    ema: float | None = Field(default=None, gt=0, lt=1)
    checkpoint_every: int = Field(default=0, ge=0)
    keep_steps: tuple[Annotated[int, Field(ge=1)], ...] = ()
    algorithms: tuple[dict[str, dict[str, Any]], ...] = ()
    loggers: tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...] = ("csv",)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        """It becomes a folder in ``runs``, and nothing outside of it."""
        if not re.fullmatch(r'(?!\.)[^\\/:*?"<>|\x00-\x1f\x7f]{1,100}', name):
            raise ValueError(
                f"the name of a recipe is the name of a folder, at most 100 letters without a path, ':' or a dot at "
                f"its start; not {name[:100]!r}"
            )
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        """Refuse what could not be resumed exactly, and algorithms without one name."""
        if self.checkpoint_every % self.accumulate:
            raise ValueError(
                f"checkpoint_every ({self.checkpoint_every}) is not a multiple of accumulate ({self.accumulate}): "
                "the gradients gathered so far would be lost"
            )
        if any(len(entry) != 1 for entry in self.algorithms):
            raise ValueError("each entry of algorithms is one name with its options")
        return self


def read_recipe(path: Path | str, changes: Sequence[str] = ()) -> Recipe:
    """A recipe from a YAML file, with changes from the command line.

    Args:
        path: The file.
        changes: Strings ``a.b=c``; values are YAML.

    Returns:
        The recipe.

    Raises:
        DataError: The file is missing or is not YAML.
    """
    try:
        content = plain_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, DataError) as error:
        raise DataError(f"cannot read the recipe {path}: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"the recipe {path} is not a mapping of keys to values")
    return changed(content, changes, source=str(path))


def changed(
    content: dict[str, Any], changes: Sequence[str] = (), *, source: str = "recipe"
) -> Recipe:
    """A recipe from plain data, with ``a.b=c`` changes.

    Args:
        content: As a YAML file holds it.
        changes: Strings ``a.b=c``, as for ``with_change``; values are YAML.
        source: For messages.

    Returns:
        The recipe.

    Raises:
        OptionError: A key that does not exist (with the closest one), or a value that does not fit.

    Examples:
        >>> small = {
        ...     "name": "x",
        ...     "epochs": 1,
        ...     "data": {"name": "digits"},
        ...     "model": {"name": "figureground:lenet-gap"},
        ... }
        >>> changed(small, ["optimiser.lr=0.5", "epochs=3"]).optimiser.lr
        0.5
    """
    for change in changes:
        content = with_change(content, change, Recipe.model_fields)
    return checked(Recipe, content, source=source)


def checked(model: type[Checked], content: Any, *, source: str) -> Checked:  # noqa: ANN401 - a file may hold anything
    """Plain data as this section of a recipe.

    Args:
        model: The section's class.
        content: Plain data.
        source: For messages.

    Returns:
        The section.

    Raises:
        OptionError: A key that does not exist (with the closest one), or a value that does not fit.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise OptionError(_refusal(error, model, source)) from None


def is_run(name: str) -> bool:
    """Whether a name is the folder of a training run, rather than that of a network.

    Args:
        name: As a recipe names a model or a teacher.

    Returns:
        Whether there is such a folder with a recipe in it.
    """
    return (Path(name) / "recipe.yaml").is_file()


def as_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """YAML's lists as the tuples that preprocessing holds.

    Args:
        fields: Of ``Preprocessing``.

    Returns:
        The same fields.
    """
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }


def write_recipe(recipe: Recipe, path: Path) -> Path:
    """Write a recipe with every default spelled out; reading it back gives an equal one.

    Args:
        recipe: The recipe.
        path: A YAML file.

    Returns:
        The file.
    """
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return write_atomically(path, text.encode())


def _refusal(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """The first error as a message."""
    first = error.errors()[0]
    place = ".".join(str(key) for key in first["loc"])
    if first["type"] == "extra_forbidden":
        parent = model
        for key in first["loc"][:-1]:
            field = parent.model_fields.get(str(key))
            inner = None if field is None else field.annotation
            parent = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else parent
        return f"{source}: {unknown_option('key', first['loc'][-1], parent.model_fields)}"
    if first["type"] == "value_error":
        return f"{source}: {first['msg'].removeprefix('Value error, ')}"
    return f"{source}: {place}: {first['msg']} (given: {first['input']!r})"
