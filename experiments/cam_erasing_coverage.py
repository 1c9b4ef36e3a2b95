"""How much of the object the erased rectangle covers, by region: against true boxes.

    python experiments/cam_erasing_coverage.py --count 600

Cluttered MNIST with LeNet-GAP (97 % right), and photos of Tiny ImageNet, stretched to 224 x 224, with MobileNetV2;
weights and photos are in the shared folder. Grad-CAM of the true class; one rectangle a draw, always erased, Zhong's
shapes; the same shapes for every row. Nothing is trained.

Expected, before the run: coverage falls in the order object, uniform, away on both. On the digits, which lie
anywhere, the mean map gains nothing over uniform; on photos, whose objects are centred, it gains much of what the own
map does. A first run of 300 images, with absolute thresholds as the default, showed that on the digits "away" was
then no different from uniform; the quantile became the default after it.
"""

__all__ = ["main"]

import argparse
import json
from pathlib import Path

import torch
from timm.data.imagenet_info import ImageNetInfo

from figureground.base.seeds import generator
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.data.one_size import in_memory
from figureground.data.packs import shared_folder
from figureground.metrics.intervals import bootstrap_interval, paired_difference
from figureground.models import load_classifier
from figureground.training.algorithms.cam_erasing import ErasingOptions, image_maps, warp_maps
from figureground.training.algorithms.cam_erasing.erasing import draw_regions

ROWS = {
    "object, upper half of places": {"region": "object"},
    "object, best fifth of places": {"region": "object", "threshold": 0.8},
    "object, mean ≥ 0.5": {"region": "object", "threshold_mode": "abs"},
    "object, centre ≥ 0.5": {"region": "object", "threshold_mode": "abs", "rule": "centre"},
    "object by the mean map": {"region": "object"},
    "object by another image's map": {"region": "object"},
    "uniform": {"region": "uniform"},
    "away, lower half of places": {"region": "away"},
    "away, mean < 0.5": {"region": "away", "threshold_mode": "abs"},
    "away, centre < 0.5": {"region": "away", "threshold_mode": "abs", "rule": "centre"},
}
HEADS = [
    "region",
    "share of the object's box that is erased",
    "less uniform",
    "share of the rectangle inside the box",
]


def main() -> None:
    """Both data sets, one table each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=600, help="images of each set")
    parser.add_argument("--draws", type=int, default=20, help="rectangles for each image")
    parser.add_argument("--out", type=Path, help="a file that gets one JSON line for each row")
    given = parser.parse_args()
    for name, made in (("cluttered MNIST", _digits), ("Tiny ImageNet", _photos)):
        classifier, images, labels, boxes = made(given.count)
        maps = image_maps(classifier, images, labels)
        _report(name, images, maps, boxes=boxes, draws=given.draws, out=given.out)


def _report(name, images, maps, *, boxes, draws, out):
    size = tuple(images.shape[2:])
    print(
        f"\n### {name}: {len(images)} images, {draws} rectangles each, maps of {maps.shape[1]} × {maps.shape[2]}\n"
    )
    print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    mean = maps.mean(0)
    mean = ((mean - mean.min()) / (mean.max() - mean.min())).expand_as(maps)
    sources = {"object by the mean map": mean, "object by another image's map": maps.roll(1, 0)}
    found = {
        row: _covered(sources.get(row, maps), boxes, size=size, options=words, draws=draws)
        for row, words in ROWS.items()
    }
    for row, (object_share, inside) in found.items():
        one = bootstrap_interval(object_share, seed=0)
        gain = paired_difference(object_share, found["uniform"][0], seed=0)
        within = bootstrap_interval(inside, seed=0)
        print(f"| {row} | {_said(one)} | {_said(gain, sign='+')} | {_said(within)} |", flush=True)
        if out is not None:
            line = {
                "data": name,
                "row": row,
                "covered": vars(one),
                "less_uniform": vars(gain),
                "inside": vars(within),
            }
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _covered(maps, boxes, *, size, options, draws):
    """For each image, means over its rectangles: share of the box that they cover, share of them that is inside."""
    chosen = ErasingOptions(p=1.0, **options)
    shares, insides = [], []
    for part in torch.arange(len(maps)).split(50):
        large = warp_maps(maps[part], None, size)
        x0, y0, x1, y1 = boxes[part].T
        for draw in range(draws):
            # numbers of the place alone: every row of the table has the same shapes
            numbers = generator(draws * int(part[0]) + draw)
            top, left, height, width = draw_regions(
                len(part), size, chosen, generator=numbers, maps=large
            )
            down = (torch.minimum(top + height, y1) - torch.maximum(top, y0)).clamp(min=0)
            across = (torch.minimum(left + width, x1) - torch.maximum(left, x0)).clamp(min=0)
            shares.append(down * across / ((y1 - y0) * (x1 - x0)))
            insides.append(down * across / (height * width))
    return tuple(
        torch.cat(
            [torch.stack(values[i : i + draws]).mean(0) for i in range(0, len(values), draws)]
        )
        for values in (shares, insides)
    )


def _digits(count):
    data = load_dataset("cluttered-mnist", part="test", options=LoadOptions(count=count))
    weights = shared_folder() / "weights" / "lenet_gap_cluttered_mnist.safetensors"
    classifier = load_classifier("figureground:lenet-gap", weights=weights)
    boxes = torch.cat(data.boxes)
    return classifier, data.images.expand(-1, 3, -1, -1), data.labels, boxes


def _photos(count):
    data = load_dataset("tiny-imagenet", part="test")
    data = data.subset(torch.randperm(len(data), generator=generator(0))[:count])
    weights = shared_folder() / "weights" / "mobilenetv2_100_imagenet1001.safetensors"
    # the network was trained on stretched images with (x - 0.5) / 0.5
    half = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resize": "stretch", "crop_fraction": 1.0}
    classifier = load_classifier(
        "timm:mobilenetv2_100",
        weights=weights,
        arguments={"num_classes": 1001, "pad_type": "same"},
        preprocessing=half,
    )
    numbers = {
        wnid: 1 + number for number, wnid in enumerate(ImageNetInfo("imagenet-1k").label_names())
    }
    labels = torch.tensor([numbers[data.class_names[label]] for label in data.labels.tolist()])
    data = in_memory(data, (224, 224), fit="stretch")
    return classifier, data.images, labels, torch.cat(data.boxes)


def _said(interval, sign=""):
    return f"{interval.mean:{sign}.1%} ({interval.low:{sign}.1%} to {interval.high:{sign}.1%})"


if __name__ == "__main__":
    main()
