"""What ``figureground rank`` costs over bare forward passes, and whether its memory stays flat."""

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
from figureground.models.predicting import default_batch_size, placed
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images

_IMAGES = int(os.environ.get("FIGUREGROUND_BENCH_IMAGES", "600"))


def main() -> None:
    """Measure and print; needs the shared data."""
    shared = shared_folder()
    if shared is None:
        print(
            "rank: the shared data is absent (FIGUREGROUND_SHARED); nothing measured",
            file=sys.stderr,
        )
        return
    classifier = mobilenet(shared)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(shared, Path(folder, "images"), count=_IMAGES)
        _rank(classifier, paths[:64], Path(folder, "warm"))
        early = peak_megabytes()
        rows, shares = [], []
        for number in range(3):
            bare = _bare(classifier, paths)
            ours = _rank(classifier, paths, Path(folder, f"out{number}"))
            shares.append(ours / bare)
            rows.append([str(number), f"{bare:.1f}", f"{ours:.1f}", f"{ours / bare:.2f}"])
        late = peak_megabytes()
    rows.append(["median", "", "", f"{sorted(shares)[1]:.2f}"])
    title = f"rank: {_IMAGES} JPEG images, MobileNetV2 ({machine()})"
    print_table(title, ["round", "bare forward, images/s", "rank, images/s", "share"], rows)
    print(f"\npeak memory after 64 images {early:.0f} MB, after {3 * _IMAGES} {late:.0f} MB")


def _bare(classifier: Classifier, paths: list[Path]) -> float:
    """Images a second of forward passes over images that are in memory already."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = default_batch_size(device)
    some = [classifier.preprocessing.view(decode_image(path))[0] for path in paths[:size]]
    images = torch.stack(some).float().div(255)
    with placed(classifier, device), torch.inference_mode():
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        classifier(images).cpu()
        began = time.perf_counter()
        for _ in range(0, len(paths), size):
            logits = classifier(images)
        logits.cpu()
        seconds = time.perf_counter() - began
    return size * -(-len(paths) // size) / seconds


def _rank(classifier: Classifier, paths: list[Path], out: Path) -> float:
    """Images a second of scoring, the contact sheet's one image left out of the count but not of the time."""
    record = rank_images(classifier, paths, out=out, options=RankOptions(classes=(1,), top=1))
    return record.images / record.seconds


if __name__ == "__main__":
    main()
