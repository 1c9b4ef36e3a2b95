"""Entry point: verbs, and what the user sees when something goes wrong."""

__all__ = ["app", "main"]

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from figureground import __version__
from figureground.base.errors import FigureGroundError
from figureground.cli import (
    background,
    compare,
    cp,
    demo,
    diagnose,
    doctor,
    evaluate,
    explain,
    export,
    ls,
    rank,
    serve,
    train,
)
from figureground.cli.command import Command
from figureground.cli.console import complain, say

_ERROR, _INTERRUPTED = 1, 130


class _Verbs(TyperGroup):
    """Our own errors become one line and exit status 1, an interruption 130; other errors are bugs and show all."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer brings a click of its own, or not
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except FigureGroundError as error:
            complain(f"error: {' '.join(str(error).split())}", style="bold red")
            raise typer.Exit(_ERROR) from error
        except BrokenPipeError:
            raise
        except (OSError, MemoryError, RecursionError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not _is_known(error):
                raise
            complain(f"error: {_said(error)}", style="bold red")
            raise typer.Exit(_ERROR) from error
        except KeyboardInterrupt:
            complain("interrupted; what is finished is kept, run the same command again to go on")
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    name="figureground",
    cls=_Verbs,
    help="See what an image classifier looks at, measure whether it is the right thing, train it to look better.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("explain", cls=Command)(explain.explain)
app.command("train", cls=Command)(train.train)
app.command("diagnose", cls=Command)(diagnose.diagnose)
app.command("rank", cls=Command)(rank.rank)
app.command("compare", cls=Command)(compare.compare)
app.command("export", cls=Command)(export.export)
app.command("ls", cls=Command)(ls.ls)
app.command("cp", cls=Command)(cp.cp)
app.add_typer(evaluate.app, name="evaluate")
app.command("serve", cls=Command)(serve.serve)
app.command("doctor", cls=Command)(doctor.doctor)
app.command("demo", cls=Command)(demo.demo)
app.add_typer(background.app, name="background")


def _is_known(error: RuntimeError) -> bool:
    """Whether it is a limit of the machine, and no bug of ours; torch says so in text only."""
    return isinstance(error, RecursionError) or "memory" in str(error)


def _said(error: Exception) -> str:
    """What the machine refused, in words."""
    if isinstance(error, MemoryError | RuntimeError) and not isinstance(error, RecursionError):
        return f"the memory does not suffice: {' '.join(str(error).split())}"
    if isinstance(error, RecursionError):
        return "something that was read is nested too deep"
    return " ".join(str(error).split()) or type(error).__name__


def main() -> None:
    """Run the command line."""
    app()


def _show_version(asked: bool) -> bool:
    if asked:
        say(f"figureground {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """See what an image classifier looks at, measure whether it is the right thing, train it to look better."""
