"""Cost of ``figureground evaluate localisation`` over decoding and forward passes, and whether its memory stays flat.

Run: OMP_NUM_THREADS=1 python benchmarks/evaluate.py
"""

__all__ = ["main"]

import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from networks import mobilenet
from timing import machine, peak_megabytes, print_table

from figureground.data import shared_folder
from figureground.models import Classifier
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.localisation import Localisation

_IMAGES = int(os.environ.get("FIGUREGROUND_BENCH_IMAGES", "650"))
_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "3"))
_METHODS = ("cam", "grad-cam", "grad-cam++", "cnn-fixations", "eigen-cam")
_BATCH = 16


def main() -> None:
    """Measure and print; needs the shared data."""
    shared = shared_folder()
    if shared is None:
        print(
            "evaluate: the shared data is absent (FIGUREGROUND_SHARED); nothing measured",
            file=sys.stderr,
        )
        return
    classifier = mobilenet(shared).to(memory_format=torch.channels_last)
    pack = shared / "packs" / "ilsvrc_val650.npz"
    images = open_images(pack, classifier, DataOptions(limit=_IMAGES, split="all"))
    some = open_images(pack, classifier, DataOptions(limit=64, split="all"))
    with tempfile.TemporaryDirectory() as folder:
        _plain(classifier, some)
        _study(classifier, some, Path(folder, "warm"))
        early = peak_megabytes()
        rounds = []
        for number in range(_ROUNDS):
            plain = _plain(classifier, images)
            rounds.append((*plain, *_study(classifier, images, Path(folder, f"out{number}"))))
        late = peak_megabytes()
    rows = [
        [str(number), f"{wall:.1f}", f"{ours:.1f}", f"{ours / wall:.2f}", f"{our_cpu / cpu:.2f}"]
        for number, (wall, cpu, ours, our_cpu) in enumerate(rounds)
    ]
    title = f"evaluate localisation: {_IMAGES} images, MobileNetV2, {len(_METHODS)} methods, 4 baselines ({machine()})"
    print_table(
        title,
        ["round", "decoding + forward, s", "evaluate, s", "ratio", "ratio of processor time"],
        rows,
    )
    print(f"\npeak memory after 64 images {early:.0f} MB, after {_ROUNDS * _IMAGES} {late:.0f} MB")


@torch.inference_mode()
def _plain(classifier: Classifier, images: EvaluationSet) -> tuple[float, float]:
    """Wall-clock and processor seconds of decoding, resizing and running: nothing else."""
    began = time.perf_counter(), time.process_time()
    for batch in images.batches(_BATCH):
        classifier(batch.images.contiguous(memory_format=torch.channels_last))
    return time.perf_counter() - began[0], time.process_time() - began[1]


def _study(classifier: Classifier, images: EvaluationSet, out: Path) -> tuple[float, float]:
    """The same of the whole study: maps, boxes, tables, curves, cases, record."""
    began = time.perf_counter(), time.process_time()
    chosen = Localisation(methods=_METHODS, batch_size=_BATCH)
    evaluate(chosen, classifier, images, out=out, device="cpu")
    return time.perf_counter() - began[0], time.process_time() - began[1]


if __name__ == "__main__":
    main()
