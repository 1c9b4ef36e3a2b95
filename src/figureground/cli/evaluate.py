"""``figureground evaluate``: one verb for every evaluation in the registry, made of its options."""

__all__ = ["app", "verb"]

import ast
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from figureground.base.amount import amount
from figureground.base.claim import locked
from figureground.base.value_range import FULL
from figureground.cli.command import Command, Device, OutOrUrl, Overwrite, expanded
from figureground.cli.console import (
    complain,
    progress_bars,
    say,
    say_answer,
    say_table,
    tell_left_out,
    told,
)
from figureground.cli.model_options import ModelOptions
from figureground.engines import EngineOptions
from figureground.studies.evaluation import EVALUATIONS, evaluation_class

if TYPE_CHECKING:
    from figureground.studies.evaluation.tables import EvaluationRecord

_DATA = (
    "clutter; a pack (.npz); a folder of images or of class folders; the name of a data set; or annotations: COCO "
    ".json, .csv (path,label,x0,y0,x1,y1), a folder of Pascal VOC .xml, of masks .png, or with image_ids.txt "
    "(wsolevaluation). Default: the test split of the data of the training run that --model names."
)


def verb(name: str) -> Callable[..., None]:
    """The function behind ``figureground evaluate NAME``.

    Args:
        name: One of the registry.

    Returns:
        A function for typer.
    """
    from figureground.studies.evaluation.data_options import DataOptions  # noqa: PLC0415 - torch is slow to import

    kind = evaluation_class(name)

    @expanded
    def run(
        evaluation: kind,  # type: ignore[valid-type]
        about: ModelOptions,
        data_options: DataOptions,
        engine: EngineOptions,
        data: Annotated[str | None, typer.Argument(help=_DATA)] = None,
        out: OutOrUrl = f"out/{name}",
        overwrite: Overwrite = False,
        device: Device = None,
    ) -> None:
        where = engine.where(device)
        _run(evaluation, about, data_options, data=data, out=out, overwrite=overwrite, device=where)

    run.__doc__ = (
        f"{(kind.__doc__ or '').partition('Args:')[0].strip()}\n\nGoes on where an earlier run was stopped. "
        "Exit status: 0 all was used, 2 some files or maps could not be, 1 an error."
    )
    return run


def _run(evaluation: Any, about: ModelOptions, data_options: Any, **asked: Any) -> None:  # noqa: ANN401 - as typed
    """The evaluation under a progress bar, its page, and what was found."""
    from dataclasses import replace  # noqa: PLC0415 - here with the others

    from figureground.reports import write_evaluation_report  # noqa: PLC0415 - jinja2 is slow to import
    from figureground.studies.evaluation.evaluate import evaluate  # noqa: PLC0415 - torch is slow to import
    from figureground.training.trust import trusting  # noqa: PLC0415

    needs_model = not (getattr(evaluation, "maps", ()) or getattr(evaluation, "predictions", ()))
    model = about.load() if about.model is not None or needs_model else None
    value_range = about.value_range or FULL  # a model says it itself
    chosen = replace(
        data_options, seed=evaluation.seed, view_size=about.height, value_range=value_range
    )
    with locked(asked["out"]) as folder:
        with trusting(about.trust_code), progress_bars() as progress:
            record = evaluate(evaluation, model, data_options=chosen, progress=progress, **asked)
        page = write_evaluation_report(folder)
    out = asked["out"]
    _tell(record, told(out, page), told(out, folder / "record.json"))


def _tell(record: "EvaluationRecord", page: str, all_of_it: str) -> None:
    """What was found, and where the page is."""
    for note in record.notes:
        complain(f"note: {note}")
    say_table(record.tables[0])
    if record.problems:
        complain("problems: " + ", ".join(f"{kind} {n}" for kind, n in record.problems.items()))
        for example in [one for one in record.examples_of_problems if one not in record.left_out][
            :5
        ]:
            complain(f"  {example}")
    say(f"{amount(record.images, 'image')} in {record.seconds:.1f} s; {page}")
    say_answer(record.answer)
    tell_left_out(record.left_out, all_of_it, "item")


class _Verb(Command):
    """A verb whose options are read when they are needed: its module imports torch."""

    @cached_property
    def made(self) -> Any:  # noqa: ANN401 - typer has a click of its own
        """The whole command."""
        single = typer.Typer(add_completion=False)
        single.command(self.name, cls=Command)(verb(str(self.name)))
        return get_command(single)

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
        """Those of the whole command."""
        self.help = self.made.help
        return self.made.get_params(ctx)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
        """Run the whole command with what was parsed."""
        return self.made.invoke(ctx)


class _Verbs(TyperGroup):
    """The registry as verbs."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - as above
        """All evaluations, in the order of the registry."""
        return list(EVALUATIONS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as above
        """A verb, or None where there is no such evaluation."""
        if cmd_name not in EVALUATIONS:
            return None
        return _Verb(
            cmd_name,
            help=_summary(EVALUATIONS[cmd_name].rpartition(".")[0]),
            rich_markup_mode="rich",
        )


def _summary(module: str) -> str:
    """The first line of a module, which is read and not run."""
    found = find_spec(module)
    source = Path(str(found.origin if found else None)).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


app = typer.Typer(
    cls=_Verbs,
    help="Measure maps and predictions: do they find the object, tell what the model uses, stay where they are?",
    no_args_is_help=True,
)


@app.callback()
def _evaluations() -> None:
    """Measure maps and predictions: do they find the object, tell what the model uses, stay where they are?"""
