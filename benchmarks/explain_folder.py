"""What ``figureground explain`` costs over decoding and plain forward passes, and whether its memory stays flat."""

__all__ = ["main"]

import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from images import write_images
from networks import mobilenet
from timing import machine, peak_megabytes, print_table

from figureground.data import decode_image, shared_folder
from figureground.models import Classifier
from figureground.reports import write_explain_report
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions

_IMAGES = int(os.environ.get("FIGUREGROUND_BENCH_IMAGES", "500"))
_METHODS = ("grad-cam", "eigen-cam")


def main() -> None:
    """Measure and print; needs the shared data."""
    shared = shared_folder()
    if shared is None:
        print(
            "explain_folder: the shared data is absent (FIGUREGROUND_SHARED); nothing measured",
            file=sys.stderr,
        )
        return
    classifier = mobilenet(shared)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(shared, Path(folder, "images"), count=_IMAGES)
        _explain(classifier, paths[:64], Path(folder, "warm"))
        early = peak_megabytes()
        ratios, rows = [], []
        for number in range(3):
            plain = _plain(classifier, paths)
            ours = _explain(classifier, paths, Path(folder, f"out{number}"))
            ratios.append(ours / plain)
            rows.append([str(number), f"{plain:.1f}", f"{ours:.1f}", f"{ours / plain:.2f}"])
        late = peak_megabytes()
        size = sum(file.stat().st_size for file in Path(folder, "out0").rglob("*")) / 2**20
    rows.append(["median", "", "", f"{sorted(ratios)[1]:.2f}"])
    title = f"explain: {_IMAGES} JPEG images, MobileNetV2, {' and '.join(_METHODS)}, overlays and report ({machine()})"
    print_table(title, ["round", "decoding + forward, s", "explain, s", "ratio"], rows)
    print(
        f"\npeak memory after 64 images {early:.0f} MB, after {3 * _IMAGES} {late:.0f} MB; "
        f"results {size:.0f} MB per run"
    )


@torch.inference_mode()
def _plain(classifier: Classifier, paths: list[Path]) -> float:
    """Decode, resize, run: nothing else, no overlap."""
    began = time.perf_counter()
    for start in range(0, len(paths), 16):
        pixels = [
            classifier.preprocessing.view(decode_image(path))[0]
            for path in paths[start : start + 16]
        ]
        classifier(torch.stack(pixels).float().div(255))
    return time.perf_counter() - began


def _explain(classifier: Classifier, paths: list[Path], out: Path) -> float:
    began = time.perf_counter()
    explain_images(classifier, paths, out=out, options=ExplainOptions(methods=_METHODS))
    write_explain_report(out)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
