"""Boxes at 100 thresholds of 224 x 224 maps: ours against the OpenCV loop, alternating, one thread.

Times are the thread's own (processor time), so that other work on the machine counts little.

Run: OMP_NUM_THREADS=1 python benchmarks/boxes.py
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from figureground.maps.boxes import boxes_from_map

SHARES = np.arange(0, 1, 0.01)


def contour_loop(one_map: np.ndarray, *, multi: bool = False) -> list[tuple[int, ...]]:
    """The published rule: threshold, trace contours, keep the largest polygon (or all)."""
    grey = (one_map * 255).astype(np.uint8)
    height, width = grey.shape
    boxes: list[tuple[int, ...]] = []
    for share in SHARES:
        _, mask = cv2.threshold(grey, int(share * grey.max()), 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours if multi else [max(contours, key=cv2.contourArea)]:
            x, y, w, h = cv2.boundingRect(contour)
            boxes.append((x, y, min(x + w, width - 1), min(y + h, height - 1)))
    return boxes


def component_loop(one_map: np.ndarray) -> list[tuple[int, ...]]:
    """The pixel-counting rule: threshold, label, keep the component of most pixels."""
    grey = (one_map * 255).astype(np.uint8)
    height, width = grey.shape
    boxes: list[tuple[int, ...]] = []
    for share in SHARES:
        _, mask = cv2.threshold(grey, int(share * grey.max()), 255, cv2.THRESH_BINARY)
        _, _, sides, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        x, y, w, h, _ = sides[1 + int(sides[1:, 4].argmax())]
        boxes.append((x, y, min(x + w, width - 1), min(y + h, height - 1)))
    return boxes


def make_map(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A map in [0, 1]: a coarse grid upsampled by bicubic interpolation, one round blob, or noise."""
    raw = rng.random((224, 224))
    if kind == "blob":
        middle = rng.uniform(60, 160, (2, 1))
        y, x = (np.arange(224) - middle) ** 2 / (2 * rng.uniform(20, 60) ** 2)
        raw = np.exp(-y[:, None] - x)
    elif kind != "noise":
        side = int(kind.partition("x")[0])
        grid = rng.random((side, side))
        raw[:] = cv2.resize(grid, (224, 224), interpolation=cv2.INTER_CUBIC)
    raw = raw - raw.min()
    return (raw / raw.max()).astype(np.float32)


def milliseconds(call: Callable[[], object]) -> float:
    """How long one call keeps the processor busy."""
    start = time.thread_time()
    call()
    return (time.thread_time() - start) * 1e3


def compare(kind: str, maps: int) -> None:
    """Print medians and their ratios for one kind of map."""
    rng = np.random.default_rng(0)
    rows: list[list[float]] = []
    for _ in range(maps):
        one_map = make_map(kind, rng)
        ways: list[Callable[[], object]] = [
            partial(contour_loop, one_map),
            partial(boxes_from_map, one_map, SHARES),
            partial(contour_loop, one_map, multi=True),
            partial(boxes_from_map, one_map, SHARES, multi=True),
            partial(component_loop, one_map),
            partial(boxes_from_map, one_map, SHARES, area="pixels"),
        ]
        rows.append([milliseconds(way) for way in ways])
    times = [statistics.median(column) for column in zip(*rows, strict=True)]
    for at, name in enumerate(("largest polygon", "all contours", "most pixels")):
        reference, ours = times[2 * at], times[2 * at + 1]
        print(
            f"{kind:>6} {name:<16} OpenCV {reference:8.2f} ms   ours {ours:8.2f} ms   "
            f"{reference / ours:5.1f} x"
        )


def main() -> None:
    """Measure every kind of map."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=int, default=40, help="maps of each kind")
    cv2.setNumThreads(1)
    arguments = parser.parse_args()
    for kind in ("7x7", "14x14", "28x28", "blob", "noise"):
        compare(kind, arguments.maps if kind != "noise" else max(3, arguments.maps // 10))


if __name__ == "__main__":
    main()
