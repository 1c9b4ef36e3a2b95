"""Code that the folder of a run names: it runs only where the caller trusts the folder."""

__all__ = ["refuse_code", "trusting"]

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pydantic import BaseModel

from figureground.base.errors import OptionError

_TRUSTED: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusting(trusted: bool) -> Iterator[None]:  # noqa: FBT001 - the one thing it is about
    """Let folders of runs name code inside the block; a trust that holds already stays.

    Args:
        trusted: Whether to.

    Yields:
        Nothing.
    """
    token = _TRUSTED.set(trusted or _TRUSTED.get())
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def refuse_code(part: BaseModel, folder: Path, typed: str = "") -> None:
    """Refuse code that a folder names, unless the caller trusts it.

    Code is a model ``file.py:function``, wherever it is named, and the argument ``trust_remote_code`` of transformers.

    Args:
        part: The recipe, or the part of it that will be used.
        folder: Where the recipe lies.
        typed: What the caller typed; a name in it is the caller's own.

    Raises:
        OptionError: The part names code.
    """
    if _TRUSTED.get():
        return
    named = [name for name in _named_code(part.model_dump()) if name not in typed]
    if named:
        files = ", ".join(str(Path(name).absolute()) if ".py:" in name else name for name in named)
        raise OptionError(
            f"the recipe in {folder} would run code: {files}. Look at it first; where you trust it, say so: "
            "--trust-code (in the library: trust_code=True)"
        )


def _named_code(value: object, key: str = "") -> Iterator[str]:
    """Everything in plain data that makes code run."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _named_code(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named_code(inner, key)
    elif isinstance(value, str) and ".py:" in value:
        yield value
    elif key == "trust_remote_code" and value:
        yield "trust_remote_code"
