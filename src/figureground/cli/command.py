"""Commands made of options classes: every field with a description is a flag, spelled and explained once."""

__all__ = [
    "Command",
    "Device",
    "Out",
    "OutOrUrl",
    "Overwrite",
    "TrustCode",
    "expanded",
    "refuse_positional",
]

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from typer.core import TyperCommand

from figureground.base.errors import OptionError
from figureground.base.options import Options
from figureground.cli.methods import typed_methods

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Where results go.", rich_help_panel="Output")
]
OutOrUrl = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="PATH",
        help="Where results go: a folder, or a URL (s3://bucket/folder).",
        rich_help_panel="Output",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Do again what an earlier run did.", rich_help_panel="Output"),
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code", help="Run the code (file.py:function) that folders of training runs name."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="cpu, cuda, cuda:1, mps, xpu. Default: cuda where there is one.",
        rich_help_panel="Speed",
    ),
]

# option of earlier versions -> the option that took its place
_RENAMED = {
    "--method": "--methods",
    "--class": "--classes",
    "--which": "--checkpoint",
    "--relu": "--no-signed",
    "--no-relu": "--signed",
    "--part": "--split",
    "--pictures": "--examples",
    "--other-weights": "--other-seeds",
}


class Command(TyperCommand):
    """A verb that knows how its options were called before."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer has a click of its own
        """Refuse old spellings with the new one."""
        known = {name for one in self.get_params(ctx) for name in one.opts + one.secondary_opts}
        for word in (arg.partition("=")[0] for arg in args):
            if word in _RENAMED and word not in known and _RENAMED[word] in known:
                raise OptionError(f"the option {word} is called {_RENAMED[word]} now")
        return super().parse_args(ctx, args)


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """A verb with flags in the place of every parameter that is an options class.

    Args:
        command: The verb; a parameter ``options: ExplainOptions`` stands for all fields of that class which have a
            description, under their own names.

    Returns:
        The verb for typer, which reads flags from the signature; values are checked by the class.
    """
    own = inspect.signature(command, eval_str=True)
    groups = {
        name: one.annotation
        for name, one in own.parameters.items()
        if isinstance(one.annotation, type) and issubclass(one.annotation, Options)
    }
    shown = {name: [one for one in fields(kind) if one.metadata] for name, kind in groups.items()}
    parameters: dict[str, inspect.Parameter] = {}
    for name, given in own.parameters.items():
        for one in [_parameter(each) for each in shown[name]] if name in groups else [given]:
            alone = one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.setdefault(one.name, alone)

    @functools.wraps(command)
    def run(**typed: Any) -> None:  # noqa: ANN401 - as typer has parsed them
        others = {name: typed[name] for name in own.parameters if name not in groups}
        made = {name: _made(kind, shown[name], typed) for name, kind in groups.items()}
        command(**others, **made)

    del run.__wrapped__  # inspect would look through it
    run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {one.name: one.annotation for one in parameters.values()}
    return run


def refuse_positional(typed: str | None) -> None:
    """Earlier versions took a model as an argument.

    Args:
        typed: What came as one.

    Raises:
        OptionError: Something did.
    """
    if typed is not None:
        raise OptionError(f"the model is named by an option now: --model {typed}")


def _made(kind: type[Options], shown: Sequence[Field[Any]], typed: dict[str, Any]) -> Options:
    """An options object of what was typed; methods last, since reading them imports torch."""
    plain = {one.name: _value(one, typed[one.name]) for one in shown if not _is_methods(one)}
    made = kind(**plain)
    return replace(
        made, **{one.name: typed_methods(typed[one.name]) for one in shown if _is_methods(one)}
    )


def _parameter(one: Field[Any]) -> inspect.Parameter:
    """A field as a parameter that typer reads."""
    about, many = one.metadata, _item_type(one)
    choices = ", ".join(about["choices"])
    words = about["description"]
    if choices and choices.split(", ")[0] not in words:
        words = f"{words} One of: {choices}."
    kind: Any = _scalar_type(one) if many is None else str
    default: Any = one.default
    if about["repeat"]:
        kind, default = list[Path] if many is Path else list[str], None
    elif many is not None:
        default = _default_text(one) or None
    optional = kind | None if default is None else kind
    option = typer.Option(
        *_flags(one), help=words.replace("[", r"\["), rich_help_panel=about["panel"]
    )
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[optional, option],
    )


def _flags(one: Field[Any]) -> list[str]:
    """Spellings of a field: booleans can be switched off, too."""
    if one.metadata["flag"]:
        return list(one.metadata["flag"].split(","))
    flag = f"--{one.name.replace('_', '-')}"
    return [f"{flag}/--no-{flag[2:]}"] if _scalar_type(one) is bool else [flag]


def _value(one: Field[Any], typed: Any) -> Any:  # noqa: ANN401 - of the field's type
    """What was typed as the field holds it."""
    many = _item_type(one)
    if many is None:
        return typed
    if one.metadata["repeat"]:
        return tuple(typed or ())
    if typed == _default_text(one):
        return one.default  # of which the text shows six digits
    words = [word.strip() for word in (typed or "").split(",") if word.strip()]
    try:
        return tuple(many(word) for word in words)
    except ValueError:
        kind = "whole numbers" if many is int else "numbers"
        raise OptionError(f"{_flags(one)[0]} takes {kind} between commas, not '{typed}'") from None


def _is_methods(one: Field[Any]) -> bool:
    """Whether a field holds configured methods."""
    return one.name == "methods" and _item_type(one) is not None


def _default_text(one: Field[Any]) -> str:
    """The default of a field that holds several values, as it is typed."""
    values: Any = one.default
    return ",".join(_text(each) for each in values)


def _item_type(one: Field[Any]) -> type | None:
    """Type of the items of a field that holds several; None for one value."""
    for kind in _alternatives(one.type):
        if get_origin(kind) is tuple:
            item = get_args(kind)[0]
            return item if item in {int, float, Path} else str
    return None


def _scalar_type(one: Field[Any]) -> type:
    """Type of a field that holds one value; text where it may be many things."""
    kinds = [kind for kind in _alternatives(one.type) if kind is not types.NoneType]
    return kinds[0] if len(kinds) == 1 and isinstance(kinds[0], type) else str


def _alternatives(annotation: Any) -> Sequence[Any]:  # noqa: ANN401 - any type
    union = get_origin(annotation) in {Union, types.UnionType}
    return get_args(annotation) if union else (annotation,)


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
