"""``figureground background build``: a pool of pictures that show none of the classes."""

__all__ = ["app", "build"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from figureground.base.errors import OptionError
from figureground.cli.console import complain, out, progress_bar, say

if TYPE_CHECKING:
    from figureground.data.background import PoolRecord
    from figureground.studies.background_pool import PoolRequest

app = typer.Typer(help="Pools of background pictures.", no_args_is_help=True)
_SOURCES, _CHOICE, _OUTPUT = "Where from", "What is kept", "Output"
_SOME_UNREADABLE = 2


@app.callback()
def _only_verb() -> None:
    """Pools of background pictures."""


@app.command("build")
def build(
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", help="Where the pool goes.", rich_help_panel=_OUTPUT)
    ],
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            help="A folder; outside-boxes:ANNOTATIONS; held-out:FOLDER:CLASS,CLASS; patch-shuffle:FOLDER; "
            "set:NAME[:ROOT]. May be given several times.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    monochrome: Annotated[
        bool,
        typer.Option("--monochrome", help="Add 216 plain colours.", rich_help_panel=_SOURCES),
    ] = False,
    procedural: Annotated[
        int,
        typer.Option(
            min=0,
            help="Add this many gradients, noises, stripes and blobs.",
            rich_help_panel=_SOURCES,
        ),
    ] = 0,
    clutter: Annotated[
        int,
        typer.Option(
            min=0, help="Add this many pictures of digit clutter.", rich_help_panel=_SOURCES
        ),
    ] = 0,
    grid_crops: Annotated[
        bool,
        typer.Option(
            "--grid-crops",
            help="Add crops of the folders' and sets' large pictures.",
            rich_help_panel=_SOURCES,
        ),
    ] = False,
    crop: Annotated[
        int, typer.Option(min=1, help="Side of these crops, pixels.", rich_help_panel=_SOURCES)
    ] = 512,
    invert: Annotated[
        bool,
        typer.Option(
            "--invert", help="Add inverses of folders, sets and crops.", rich_help_panel=_SOURCES
        ),
    ] = False,
    paper: Annotated[
        Path | None,
        typer.Option(
            help="A folder with the twelve folders of the paper's mix: its 3,001 pictures.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    screen_against: Annotated[
        list[str] | None,
        typer.Option(
            help="Pictures of the classes, a folder or set:NAME: copies of them are left out.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    max_hamming: Annotated[
        int,
        typer.Option(
            min=0,
            max=31,
            help="Bits of 64 in which a copy may differ.",
            rich_help_panel=_CHOICE,
        ),
    ] = 8,
    ratio: Annotated[
        float | None,
        typer.Option(
            help="Background in training, as a multiple of the mean class size of the first --screen-against.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Pictures in all.", rich_help_panel=_CHOICE)
    ] = None,
    split: Annotated[
        str, typer.Option(help="Shares of train, val and test.", rich_help_panel=_OUTPUT)
    ] = "0.8,0.1,0.1",
    seed: Annotated[
        int, typer.Option(min=0, help="Of choice and split.", rich_help_panel=_OUTPUT)
    ] = 0,
    longest: Annotated[
        int | None,
        typer.Option(min=1, help="Longest side, pixels.", rich_help_panel=_OUTPUT),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a finished pool.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Gather background pictures, leave out copies of the classes' pictures, divide them, write them.

    The folder then holds train/, val/ and test/, report.md (what was left out and why), pages of pictures to be looked
    at, and record.json. Exit status: 0 fine, 2 some pictures could not be decoded (they are listed), 1 an error.
    """
    from figureground.data.background import PoolOptions, ScreenOptions  # noqa: PLC0415 - torch is slow to import
    from figureground.studies.background_pool import PoolRequest  # noqa: PLC0415

    request = PoolRequest(
        sources=tuple(sources or ()),
        monochrome=monochrome,
        procedural=procedural,
        clutter=clutter,
        grid_crops=grid_crops,
        crop=crop,
        invert=invert,
        paper=paper,
        screen_against=tuple(screen_against or ()),
        ratio=ratio,
        screening=ScreenOptions(max_hamming=max_hamming),
        writing=PoolOptions(
            fractions=_shares(split), count=count, seed=seed, longest=longest, overwrite=overwrite
        ),
    )
    _tell(_run(request, out_folder), out_folder)


def _run(request: "PoolRequest", folder: Path) -> "PoolRecord":
    """The job under its progress bars."""
    from figureground.studies.background_pool import make_background_pool  # noqa: PLC0415

    with progress_bar() as bar:
        tasks = {
            stage: bar.add_task(words, total=None, visible=False)
            for stage, words in (
                ("background", "looking"),
                ("target", "comparing"),
                ("writing", "writing"),
            )
        }

        def watch(stage: str, done: int, total: int) -> None:
            bar.update(tasks[stage], completed=done, total=total, visible=True)

        return make_background_pool(request, folder, watch=watch)


def _tell(record: "PoolRecord", folder: Path) -> None:
    """What is in the pool and what is not; unreadable pictures set the exit status."""
    table = Table("source", "offered", "written", box=None, pad_edge=False)
    for source in record.sources:
        table.add_row(source.name, str(source.offered), str(source.written))
    out().print(table, highlight=False)
    say(", ".join(f"{part} {count}" for part, count in record.part_counts().items()))
    reasons: dict[str, int] = {}
    for one in record.dropped:
        reasons[one.reason] = reasons.get(one.reason, 0) + 1
    words = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"
    against = f"{record.targets} target pictures compared" if record.targets else "not screened"
    say(f"left out: {words} ({against})")
    say(str(folder / "report.md"))
    bad = [one.detail for one in record.dropped if one.reason == "unreadable"]
    bad += record.unreadable_targets
    if bad:
        complain(f"{len(bad)} pictures could not be decoded:")
        for reason in bad:
            complain(f"  {reason}")
        raise typer.Exit(_SOME_UNREADABLE)


def _shares(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(word) for word in text.split(","))
    except ValueError:
        raise OptionError(f"--split is three shares, such as 0.8,0.1,0.1, not '{text}'") from None
    return train, val, test
