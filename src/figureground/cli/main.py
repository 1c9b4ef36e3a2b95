"""Entry point: verbs, and what the user sees when something goes wrong."""

__all__ = ["app", "main"]

import sys

import typer

from figureground.base.errors import FigureGroundError
from figureground.cli import demo, doctor, explain, ls
from figureground.cli.console import errors

app = typer.Typer(
    name="figureground",
    help="See what an image classifier looks at, measure whether it is the right thing, train it to look better.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("explain")(explain.explain)
app.command("ls")(ls.ls)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; our own errors become one line and exit status 1, an interruption 130."""
    try:
        app()
    except FigureGroundError as error:
        errors.print(
            f"[bold red]error:[/] {errors_escape(str(error))}", highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print(
            "interrupted; what is finished is kept, run the same command again to go on",
            highlight=False,
        )
        sys.exit(130)


def errors_escape(text: str) -> str:
    """Text that may hold square brackets, for rich."""
    from rich.markup import escape  # noqa: PLC0415 - only needed when something went wrong

    return escape(text)
