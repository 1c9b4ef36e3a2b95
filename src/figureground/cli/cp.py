"""``figureground cp``: an editable copy of something that comes with the package."""

__all__ = ["cp"]

from pathlib import Path
from typing import Annotated

import typer

from figureground.base.errors import OptionError, unknown_option
from figureground.cli.console import say


def cp(
    what: Annotated[str, typer.Argument(help="recipe.")],
    name: Annotated[str | None, typer.Argument(help="Which; without it all are listed.")] = None,
    file: Annotated[Path | None, typer.Argument(help="Where the copy goes.")] = None,
) -> None:
    """Copy a shipped recipe, to be changed and trained by."""
    from figureground.base.record import write_atomically  # noqa: PLC0415 - slow, like torch
    from figureground.training.shipped import purpose, shipped_recipes  # noqa: PLC0415

    if what != "recipe":
        raise unknown_option("thing to copy", what, ["recipe"])
    known = shipped_recipes()
    if name is None:
        for one, path in known.items():
            say(f"{one}: {purpose(path)}")
        return
    if name not in known:
        raise unknown_option("recipe", name, known)
    target = file or Path(f"{name}.yaml")
    if target.exists():
        raise OptionError(f"{target} exists; name another file")
    write_atomically(target, known[name].read_bytes())
    say(str(target))
