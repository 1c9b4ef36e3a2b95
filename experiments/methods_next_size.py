"""Does what is known of Eigen-CAM and its rivals on small networks and digits hold at the next size?

    python experiments/methods_next_size.py --out runs/methods-next-size --save
    python experiments/methods_next_size.py --table       # of the saved numbers

Expected, before any run: see journal/2026-11-29-methods-next-size.md. A finished evaluation is not repeated, one that
was stopped goes on.
"""

__all__ = ["main"]

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from figureground.base.record import provenance
from figureground.methods import EigenCAM, find_methods
from figureground.metrics.intervals import bootstrap_interval
from figureground.metrics.robustness.attack_cases import AttackCase
from figureground.metrics.robustness.attacks import ATTACKS
from figureground.models import Classifier, load_classifier
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.faithfulness import Faithfulness
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.robustness import Robustness

RESULTS = Path(__file__).parent.parent / "journal" / "results" / "methods-next-size.json"
CENTRED = "eigen-cam(center=true)"
SOME = ("cam", "grad-cam++", "layer-cam", "cnn-fixations", "eigen-cam", "mean-activation")
OWN = (*SOME, "full-grad", "eigen-grad-cam", "kpca-cam", "fem", "random")
ALL = (*OWN, "grad-cam", "xgrad-cam", "hires-cam", "shapley-cam")
TWICE = [0.0005 * 2**step for step in range(9)]
PACKS = {"photos": "ilsvrc_val650", "tiny": "tiny_imagenet_val5k", "cifar": "cifar10_jpeg"}
SHOWN = {"box acc @0.5", "box acc V2", "pointing", "energy", "rank accuracy"}
SHOWN |= {"insertion ↑", "deletion ↓", "ROAD ↑"}


def methods(names):
    return find_methods(names) | {CENTRED: EigenCAM(center=True)}


def least(score, images, labels, *, attack, strengths, **given):
    """The least of the strengths at which a prediction changes; the last where none changes it."""
    del labels  # as DeepFool does: away from what the network says, right or wrong
    with torch.no_grad():
        before = score(images).argmax(1)
    found, left = images.clone(), torch.arange(len(images))
    for strength in strengths:
        found[left] = ATTACKS[attack](score, images[left], before[left], epsilon=strength, **given)
        with torch.no_grad():
            left = left[score(found[left]).argmax(1) == before[left]]
        if not len(left):
            break
    return found


ATTACKED = (
    AttackCase("fgsm, least", partial(least, attack="fgsm", strengths=TWICE)),
    AttackCase("pgd, least", partial(least, attack="pgd", strengths=TWICE)),
    "deepfool",
    AttackCase(
        "uniform noise, least",
        partial(least, attack="uniform-noise", strengths=[one * 80 for one in TWICE[:7]]),
        random=True,
    ),
)

FIND = Localisation(methods=methods(ALL), reference="eigen-cam", cases=0)
TRUST = Faithfulness(
    methods=methods(OWN), reference="eigen-cam", steps=6, fractions=(0.3, 0.7), batch_size=50
)
STAY = Robustness(methods=methods(SOME), attack=ATTACKED)
JOBS = {  # network, images, how many, what is asked
    "mobilenetv2-photos": ("mobilenetv2", "photos", None, FIND),
    "squeezenet-photos": ("squeezenet", "photos", None, FIND),
    "mobilenetv2-tiny": ("mobilenetv2", "tiny", 625, FIND),
    "squeezenet-tiny": ("squeezenet", "tiny", 625, FIND),
    "resnet20-cifar": ("resnet20", "cifar", 200, TRUST),
    "resnet56-cifar": ("resnet56", "cifar", 200, TRUST),
    "mobilenetv2-attacked": ("mobilenetv2", "photos", 65, STAY),
}


def network(name: str, data: str, given: argparse.Namespace) -> Classifier:
    """A trained network; MobileNetV2 answers for the classes of Tiny ImageNet alone on its images."""
    if name.startswith("resnet"):
        weights = given.weights / f"{name}_cifar10.safetensors"
        return load_classifier(f"figureground:cifar-{name}", weights=weights)
    seen: dict[str, Any] = {"size": (224, 224), "resize": "stretch"}
    if name == "squeezenet":
        weights = given.weights / "squeezenet1_1_imagenet.safetensors"
        return load_classifier("torchvision:squeezenet1_1", weights=weights, preprocessing=seen)
    weights = given.weights / "mobilenetv2_100_imagenet1001.safetensors"
    seen |= {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    if data == "tiny":
        import few_imagenet_classes  # noqa: PLC0415 - timm is slow to import

        pack = given.root / f"{PACKS[data]}.npz"
        few = few_imagenet_classes.build(pack=str(pack), weights=str(weights))
        return load_classifier(few, preprocessing=seen)
    return load_classifier(
        "timm:mobilenetv2_100",
        weights=weights,
        arguments={"num_classes": 1001, "pad_type": "same"},
        preprocessing=seen,
    )


def class_ids(pack: Path, place: Path) -> Path:
    """Which of 1,000 classes each of Tiny ImageNet is, as a file."""
    from timm.data import ImageNetInfo  # noqa: PLC0415 - timm is slow to import

    every = ImageNetInfo("imagenet-1k").label_names()
    names = enumerate(np.load(pack)["wnid"].tolist())
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({str(at): every.index(name) for at, name in names}))
    return place


def lines_of(folder: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry a method: mean, low and high of each measure, and its difference from Eigen-CAM."""
    lines: dict[str, dict[str, Any]] = {}
    for table in json.loads((folder / "record.json").read_text())["tables"]:
        if table["columns"][:3] == ["method", "measure", "mean"]:
            for row, measure, *cells in table["rows"]:
                if measure in SHOWN and cells[0] is not None:
                    line = lines.setdefault(row, about | {"method": row, "images": cells[3]})
                    line[measure] = cells[:3]
        elif table["columns"][:4] == ["method", "less", "measure", "difference"]:
            for row, _, measure, *cells in table["rows"]:
                if measure in SHOWN and cells[0] is not None:
                    lines[row][f"{measure}, less eigen-cam"] = cells[:3]
    return list(lines.values())


def moved(folder: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry an attack and method: changes on the images whose label every attack has changed."""
    found = dict(np.load(folder / "per_image.npz"))
    cases = [str(getattr(one, "name", one)) for one in ATTACKED]
    flipped = {one: found[f"{one}/predicted"] != found["clean/predicted"] for one in cases}
    same = np.logical_and.reduce(list(flipped.values())) & found["judged"].astype(bool)
    mass = [key.split("/") for key in found if key.endswith("/energy")]
    change = {
        (case, row): found[f"{case}/{row}/energy"] - found[f"clean/{row}/energy"]
        for case, row, _ in mass
        if case != "clean"
    }
    lines = []
    for (case, row), one in change.items():
        parts = {
            "energy, change": 100 * one,
            "energy, change less that of eigen-cam": 100 * (one - change[case, "eigen-cam"]),
            "pointing, change": 100.0 * found[f"{case}/{row}/pointing"] - 100.0 * found[f"clean/{row}/pointing"],
            "pearson": found[f"{case}/{row}/pearson"],
        }  # fmt: skip
        told = {
            "attack": case, "method": row, "images": int(same.sum()),
            "labels changed, of all": float(flipped[case].mean()),
            "length of the change, of the image": float(found[f"{case}/perturbation"][same].mean()),
        }  # fmt: skip
        lines.append(
            about | told | {name: interval(values[same]) for name, values in parts.items()}
        )
    return lines


def interval(values: np.ndarray) -> list[float] | None:
    known = torch.from_numpy(values[~np.isnan(values)].astype(np.float64))
    if not len(known):
        return None
    found = bootstrap_interval(known, seed=0)
    return [round(one, 4) for one in (found.mean, found.low, found.high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder of the evaluations")
    parser.add_argument("--table", action="store_true", help="print what was saved")
    parser.add_argument("--only", help=f"comma-separated: {', '.join(JOBS)}")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/packs"), help="packs")
    parser.add_argument("--weights", type=Path, default=Path("../shared/data/weights"))
    parser.add_argument("--tiny", action="store_true", help="a look: few images of two networks")
    parser.add_argument("--save", action="store_true", help="numbers to journal/results")
    given = parser.parse_args()
    if given.tiny and given.save:
        parser.error("numbers of a look are not kept")
    if given.table:
        printed(json.loads(RESULTS.read_text("utf-8"))["lines"])
        return
    torch.set_num_threads(1)
    look = ("resnet20-cifar", "squeezenet-photos")
    chosen = given.only.split(",") if given.only else look if given.tiny else JOBS
    lines = [line for name in chosen for line in answered(name, given)]
    if given.save:
        save(lines)
    else:
        print(as_text(lines))


def save(lines: list[dict[str, Any]]) -> None:
    """Beside the numbers of other jobs, in the order of the jobs."""
    kept = json.loads(RESULTS.read_text("utf-8"))["lines"] if RESULTS.exists() else []
    again = {_job(line) for line in lines}
    order = [(asked.kind, model, PACKS[data]) for model, data, _, asked in JOBS.values()]
    every = [line for line in kept if _job(line) not in again] + lines
    every.sort(key=lambda line: order.index(_job(line)))
    made = json.dumps(provenance(seeds=(0,)).versions)
    about = f'"experiment": "methods-next-size", "device": "cpu, one thread", "versions": {made}'
    RESULTS.write_text(f'{{{about}, "lines": [\n {as_text(every)}\n]}}\n')


def as_text(lines: list[dict[str, Any]]) -> str:
    return ",\n ".join(json.dumps(line, ensure_ascii=False) for line in lines)


def _job(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["question"], line["network"], line["data"]


def printed(lines: list[dict[str, Any]]) -> None:
    """A table a question, a row a method, with the interval of the difference from Eigen-CAM."""
    asked = {
        "localisation": ("box acc V2", "pointing", "energy"),
        "faithfulness": ("insertion ↑", "deletion ↓", "ROAD ↑"),
        "robustness": ("energy, change", "energy, change less that of eigen-cam", "pearson"),
    }
    for question, measures in asked.items():
        some = [line for line in lines if line["question"] == question]
        columns = list(dict.fromkeys(map(_column, some)))
        for column in columns:
            print(
                f"\n{column}\n\n| method | {' | '.join(measures)} |\n| --- |{' --- |' * len(measures)}"
            )
            for line in some:
                if _column(line) == column:
                    cells = [_cell(line, measure) for measure in measures]
                    print(f"| {line['method']} | {' | '.join(cells)} |")


def _column(line: dict[str, Any]) -> str:
    return line.get("attack", f"{line['network']}, {line['data']}")


def _cell(line: dict[str, Any], measure: str) -> str:
    digits = 2 if measure.endswith(("↑", "↓")) or measure == "pearson" else 1
    value, low, high = line.get(measure) or (None, None, None)
    less = line.get(f"{measure}, less eigen-cam")
    if value is None:
        return "–"
    if "change" in measure:
        return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    told = "" if less is None else " ({:+.{d}f} [{:+.{d}f}, {:+.{d}f}])".format(*less, d=digits)
    return f"{value:.{digits}f}{told}"


def answered(name: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The numbers of one job, which is done first if it was not."""
    model, data, limit, asked = JOBS[name]
    folder, pack = given.out / name, given.root / f"{PACKS[data]}.npz"
    if not (folder / "record.json").exists():
        ids = name == "squeezenet-tiny"
        options = DataOptions(
            limit=2 if given.tiny else limit,
            split="test" if data == "cifar" else None,
            class_ids=class_ids(pack, given.out / "class-ids.json") if ids else None,
        )
        classifier = network(model, data, given)
        record = evaluate(asked, classifier, pack, out=folder, data_options=options, device="cpu")
        print(f"{name}: {record.images} images, {record.seconds:.0f} s", flush=True)
    about = {"question": asked.kind, "network": model, "data": PACKS[data]}
    return moved(folder, about) if asked is STAY else lines_of(folder, about)


if __name__ == "__main__":
    main()
