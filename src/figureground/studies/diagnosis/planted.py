"""Does the diagnosis tell the truth? Networks trained on planted backgrounds, diagnosed, compared with the truth."""

__all__ = ["planted_benchmark", "true_reliance"]

import time
from dataclasses import replace
from pathlib import Path

import torch

from figureground.base.claim import Claim, claimed
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.data.loaders import LoadOptions
from figureground.data.loaders.planted_sets import planted_images
from figureground.data.planted import Planted
from figureground.metrics.reliance import Reliance, cross, hits, reliance
from figureground.models import Classifier
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions, PlantedOptions
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.tables import Chart, EvaluationRecord, table
from figureground.studies.models import LoadedModel
from figureground.studies.training.runs import TrainedRun, load_run
from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path

_IMAGES, _TRUTH_IMAGES = 300, 400
_FILES = ("record.json", "report.html", "runs", "diagnoses")
_CAPTION = (
    "Each network is trained on 2,000 images whose background speaks for the class with probability rho. True gap: on "
    "composites that the generator itself renders, with clean backgrounds and its own opacity. Measured gap: by the "
    "diagnosis, from {} test images and their boxes, with its 95 % interval. Asked of the tool: a difference of 0.06 "
    "at most, a gap within 0.03 of 0 and no verdict 'rests on' at rho 0."
)


def planted_benchmark(
    out: Path,
    *,
    planted: PlantedOptions,
    options: DiagnoseOptions,
    root: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> EvaluationRecord:
    """Train, diagnose and compare with the truth; a benchmark that was stopped goes on.

    Args:
        out: The folder; networks stay in ``runs``, diagnoses in ``diagnoses``.
        planted: Which backgrounds.
        options: Of the diagnosis; its seed is that of data and training, too.
        root: Folder of packs with other digits, textures and pictures; None for what comes with the packages.
        overwrite: Replace another benchmark.
        progress: Called throughout.

    Returns:
        The record, as saved.

    Raises:
        DataError: The folder holds something else or is in use, or a pack is missing.
    """
    began = time.perf_counter()
    with claimed(out, "planted", writes=_FILES) as claim:
        asked = options.description | planted.description | {"root": root}
        claim.check(asked, overwrite=overwrite)
        claim.mark(asked)
        rows = [
            _row(claim, rho, planted=planted, options=options, root=root, progress=progress)
            for rho in planted.rho
        ]
        record = _record(rows, planted=planted, options=options)
        record = replace(record, seconds=round(time.perf_counter() - began, 1))
        write_json(claim.folder / "record.json", record)
    return record


def true_reliance(
    classifier: Classifier, images: Planted, *, seed: int
) -> tuple[Reliance, Reliance]:
    """The 2 x 2 table of composites as the generator renders them.

    Args:
        classifier: In evaluation mode; its first ten outputs are the classes.
        images: Test images, with all that is known of them.
        seed: Of the pairs and the bootstrap.

    Returns:
        Of the best class, and of probabilities.
    """
    pairs = cross(images.labels, seed=seed)
    rows = torch.stack([pairs.foreground, pairs.background])
    with torch.inference_mode():
        parts = [
            classifier(images.composite(front, back))
            for front, back in torch.split(rows, 256, dim=1)
        ]
    logits = torch.cat(parts)[:, :10].float().clone()
    return (
        reliance(pairs, images.labels, hits(logits), seed=seed),
        reliance(pairs, images.labels, logits.softmax(1), seed=seed),
    )


def _row(
    claim: Claim,
    rho: float,
    *,
    planted: PlantedOptions,
    options: DiagnoseOptions,
    root: Path | None,
    progress: Progress,
) -> dict[str, float | str]:
    """One network: what is true of it, and what the diagnosis says."""
    name = f"{planted.grounds}-{rho:g}"
    run = _trained(
        claim.folder / "runs" / name,
        rho,
        planted=planted,
        seed=options.seed,
        root=root,
        progress=progress,
    )
    found = diagnose_images(
        LoadedModel(run.classifier, run),
        out=claim.folder / "diagnoses" / name,
        options=options,
        data_options=DataOptions(limit=_IMAGES, seed=options.seed),
        progress=progress,
    )
    drawn = LoadOptions(seed=options.seed, count=_TRUTH_IMAGES, rho=rho)
    images = planted_images(planted.grounds, root, part="test", options=drawn)
    true, shares = true_reliance(run.classifier, images, seed=options.seed)
    with torch.inference_mode():
        best = run.classifier(images.images.float() / 255).argmax(1)
    gap = found.numbers["given"]["gap"]
    share = found.numbers["given"].get("share")
    return {
        "rho": rho,
        "accuracy": float((best == images.labels).float().mean()),
        "conflict": true.numbers["v10"].mean,
        "true gap": true.numbers["gap"].mean,
        "gap": gap[0],
        "from": gap[1],
        "to": gap[2],
        "difference": gap[0] - true.numbers["gap"].mean,
        "true share": shares.numbers["share"].mean if "share" in shares.numbers else float("nan"),
        "share": share[0] if share else float("nan"),
        "verdict": found.word,
    }


def _trained(
    folder: Path,
    rho: float,
    *,
    planted: PlantedOptions,
    seed: int,
    root: Path | None,
    progress: Progress,
) -> TrainedRun:
    """One network; a finished run is taken as it is."""
    changes = [
        "algorithms=[]",
        f"seed={seed}",
        f"data.name=planted-{planted.grounds}",
        f"data.rho={rho}",
    ]
    if planted.grounds == "photos":
        changes.append("model.preprocessing.size=[64, 64]")
    if root is not None:
        changes.append(f"data.root={root}")
    recipe = read_recipe(recipe_path("background-swap"), changes)

    def report(_stage: str, done: int, total: int) -> None:
        progress(f"training, rho {rho:g}", done, total)

    train(recipe, folder, resume=(folder / "recipe.yaml").exists(), progress=report)
    return load_run(folder, "last")


def _record(
    rows: list[dict[str, float | str]], *, planted: PlantedOptions, options: DiagnoseOptions
) -> EvaluationRecord:
    """Table and chart."""
    columns = list(rows[0])
    cells = [[None if value != value else value for value in row.values()] for row in rows]  # noqa: PLR0124 - NaN
    caption = _CAPTION.format(_IMAGES)
    series = {
        name: [(float(row["rho"]), float(row[key])) for row in rows]
        for name, key in (("true gap", "true gap"), ("measured gap", "gap"))
    }
    chart = Chart(
        "True and measured gap",
        "rho",
        "gap, share of accuracy",
        series,
        "They should lie on each other.",
    )
    return EvaluationRecord(
        kind="planted",
        title="Does the diagnosis tell the truth?",
        data=f"planted-{planted.grounds}, generated",
        images=_IMAGES * len(rows),
        model={"name": "figureground:small-resnet, trained here"},
        methods={},
        options=options.description | planted.description,
        tables=(table("Planted and found", columns, cells, caption=caption),),
        charts=(chart,) if len(rows) > 1 else (),
        problems={},
        examples_of_problems=(),
        notes=(),
        cases=(),
        seconds=0.0,
        provenance=provenance(seeds=(options.seed,)),
    )
