"""The record of a diagnosis and the files beside it, from its findings."""

__all__ = ["About", "arrays_of", "check_labels", "csv_of", "record_of", "told_of"]

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from figureground.base.errors import DataError
from figureground.base.record import provenance
from figureground.metrics.classification import highest_by_chance
from figureground.studies.diagnosis.crossing import Crossing, Kept
from figureground.studies.diagnosis.findings import (
    Findings,
    numbers_of_record,
    tables_of,
    verdict_sentence,
)
from figureground.studies.diagnosis.kinds import draw_kinds, kinds_table
from figureground.studies.diagnosis.offer import offer_of, offer_tables, read_offer
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.diagnosis.parts import Parts, draw_parts, parts_found, parts_table
from figureground.studies.diagnosis.pictures import draw_cells, draw_grids, draw_strips
from figureground.studies.diagnosis.recommendation import Recommendation
from figureground.studies.evaluation.tables import ImageProblem, left_out, noticed_apart

_MOST_DRAWN = 30
_BOX_LOST = frozenset({"bad-box", "empty-box", "outside-box"})


@dataclass(frozen=True)
class About:
    """What a record says beside the numbers.

    Args:
        model: Name and preprocessing.
        class_name: Number of a class of the network -> its name.
        data: Description of the images.
        notes: What the reader must know.
        problems: Kind -> how often.
        left_out: What could not be used, and why.
    """

    model: dict[str, str]
    class_name: Callable[[int], str]
    data: str
    notes: tuple[str, ...] = ()
    problems: Mapping[str, int] | None = None
    left_out: tuple[str, ...] = ()

    def names(self, crossing: Crossing) -> list[str]:
        """Names of the classes that occur.

        Args:
            crossing: The answers.

        Returns:
            In the order of ``crossing.classes``.
        """
        return [self.class_name(int(label)) for label in crossing.classes]


def record_of(
    found: Findings,
    crossing: Crossing,
    about: About,
    *,
    advice: Recommendation,
    options: DiagnoseOptions,
    more: tuple[dict[str, Any], ...] = (),
    parts: Parts | None = None,
) -> DiagnosisRecord:
    """The record.

    Args:
        found: The findings.
        crossing: What they were made of.
        about: Model, data, notes.
        advice: What to do.
        options: Of the diagnosis.
        more: Tables beside those of the findings.
        parts: Parts of backgrounds, where they were looked at.

    Returns:
        All but the time that it took.
    """
    names, offer = about.names(crossing), offer_of(crossing, options)
    speaking = () if parts is None else parts_found(parts, crossing, seed=options.seed)
    shown = () if parts is None else draw_parts(speaking, parts, crossing, names=names)
    return DiagnosisRecord(
        verdict=verdict_sentence(found, options),
        word=found.verdict.word,
        what_if=_what_if(found),
        numbers=numbers_of_record(found),
        cue=found.cue,
        recommendation=advice.sentences,
        recipe=advice.recipe,
        commands=advice.commands,
        strips=draw_strips(
            found, crossing, names, model_names=about.class_name, count=options.examples
        ),
        grids=draw_grids(found, crossing, names) if options.examples else (),
        cell_picture=draw_cells(crossing) if found.cue == "local" else "",
        classes=_chart(found, names),
        data=about.data,
        images=len(crossing.scenes),
        model=about.model,
        options=options.description,
        tables=(
            *tables_of(found, crossing, names, options=options),
            *kinds_table(found, crossing, names, seed=options.seed),
            *parts_table(speaking, names),
            *offer_tables(offer, options),
            *more,
        ),
        notes=about.notes,
        problems=dict(about.problems or {}),
        left_out=about.left_out,
        seconds=0.0,
        provenance=provenance(seeds=(options.seed,)),
        offer=read_offer(offer, found.verdict.word),
        kinds=draw_kinds(found, crossing, names, seed=options.seed) if options.examples else (),
        parts=shown if options.examples else (),
    )


def check_labels(crossing: Crossing) -> None:
    """Refuse labels that the network knows nothing of.

    Args:
        crossing: The answers.

    Raises:
        DataError: It is at chance on the originals.
    """
    truth = crossing.classes[crossing.labels]
    accuracy = float((crossing.alone["best"] == truth).float().mean())
    chance = highest_by_chance(crossing.labels)
    if accuracy <= chance:
        raise DataError(
            f"the network is right on {accuracy:.1%} of the originals, which is not above chance: is the order of the "
            "labels right? (--label-offset, --class-ids, --class-names)"
        )


def told_of(
    source: Iterable[ImageProblem], met: Iterable[ImageProblem]
) -> tuple[dict[str, int], tuple[str, ...], tuple[str, ...]]:
    """What went wrong, sorted by what it means.

    Images that simply have no box are counted, but nothing of them is lost.

    Args:
        source: Problems of the annotations.
        met: Problems that were met while the images were read.

    Returns:
        Kind -> how often; what could not be used, as sentences; what was only odd, as sentences.
    """
    first, kept = list(source), []
    broken = {one.where for one in first if one.kind in _BOX_LOST}
    for one in first:
        if one.kind != "no-boxes":
            kept.append(one)
        elif (
            one.where in broken
        ):  # all boxes of the image were impossible: its name belongs to the list
            kept.append(ImageProblem("no-usable-box", one.where, one.message))
    problems, odd = noticed_apart([*kept, *met])
    lost = [
        str(one)
        for one in problems
        if one.kind in {"no-background", "no-usable-box"} or left_out([one])
    ]
    return dict(Counter(one.kind for one in problems)), tuple(lost), odd


def arrays_of(kept: Kept, crossings: Mapping[str, Crossing]) -> dict[str, np.ndarray]:
    """All answers: enough to redo all numbers.

    Args:
        kept: The answers.
        crossings: Prefix of the units -> what they are of.

    Returns:
        Name -> array, as ``pairs.npz`` holds them.
    """
    arrays: dict[str, np.ndarray] = {}
    for prefix, crossing in crossings.items():
        arrays[f"{prefix}labels"] = crossing.scenes.labels.numpy()
        arrays[f"{prefix}names"] = np.array(crossing.scenes.names, np.str_)
    for unit, columns in kept.parts():
        kind = unit.rpartition("-")[0]
        for name, values in columns.items():
            key = f"{kind}/{name}"
            arrays[key] = values if key not in arrays else np.concatenate([arrays[key], values])
    return arrays


def csv_of(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows as a CSV file.

    Args:
        rows: Header first.

    Returns:
        Its bytes.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _what_if(found: Findings) -> tuple[tuple[float, float], ...]:
    """Accuracy where all, half and none of the objects stand on backgrounds of their class."""
    numbers = found.hits["given"].numbers
    if "v11" not in numbers:
        return ()
    own, other = numbers["v11"].mean, numbers["v10"].mean
    return tuple((share, share * own + (1 - share) * other) for share in (1.0, 0.5, 0.0))


def _chart(found: Findings, names: list[str]) -> tuple[dict[str, object], ...]:
    """Classes for the chart of dots and intervals."""
    return tuple(
        {
            "name": names[one.label],
            "value": round(one.pull.mean, 5),
            "low": round(one.pull.low, 5),
            "high": round(one.pull.high, 5),
            "found": one.found,
        }
        for one in found.classes[:_MOST_DRAWN]
    )
