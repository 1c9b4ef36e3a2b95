"""Does the map of an MCMI teacher cover more of the image? Eigen-CAM of two or more trained networks in numbers.

For every test image the map of each network: area above half maximum, entropy, and, where the data have boxes, the
share of its positive mass inside them. Each network is compared with the first, image by image.

command:   python experiments/mcmi_maps.py mll=runs/mll lambda0=runs/lambda0 mcmi=runs/teacher --data cifar10-jpeg
           python experiments/mcmi_maps.py mll=runs/a mcmi=runs/b --data cluttered-digits --limit 200
hardware:  one CPU core, a few minutes for 1,000 images of 32x32
expected (written before the run): the paper shows images in which the MCMI teacher's maps are wider. If that is so in
  the mean, area and entropy are larger and the energy in the box is smaller; a wider map is not a better one. Eigen-CAM
  looks at no class, so it may move little where only the last layers change.
"""

__all__ = ["main"]

import argparse
from pathlib import Path

import torch

from figureground.base.record import append_line
from figureground.data.loaders import load_dataset
from figureground.data.one_size import in_memory
from figureground.maps import resize
from figureground.methods import Explainer
from figureground.metrics.intervals import bootstrap_interval, paired_difference
from figureground.metrics.localisation.pointing import energy_pointing_game
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.training.trained import load_trained


def measured(classifier, data, *, method, batch_size=50):
    """Name -> (N,) numbers of the maps of one network, all at the size of the image."""
    height, width = classifier.preprocessing.size
    columns = {}
    explainer = Explainer(classifier)
    for start in range(0, len(data), batch_size):
        rows = slice(start, start + batch_size)
        images = data.pixels[rows].float() / 255
        maps = explainer(images, methods=method).maps[method][:, 0]
        maps = resize(maps, (height, width))
        found = {"area": cam_area(maps), "entropy": cam_entropy(maps)}
        if data.boxes is not None:
            found["energy in box"] = energy_in_boxes(maps, data.boxes[rows])
        for name, values in found.items():
            columns.setdefault(name, []).append(values)
    return {name: torch.cat(parts) for name, parts in columns.items()}


def energy_in_boxes(maps, boxes):
    """NaN where an image has no box, or its map no positive value."""
    shares = torch.full((len(maps),), torch.nan)
    usable = [
        row
        for row, (one, box) in enumerate(zip(maps, boxes, strict=True))
        if len(box) and one.max() > max(0.0, float(one.min()))
    ]
    if usable:
        shares[usable] = energy_pointing_game(maps[usable], [boxes[row].float() for row in usable])
    return shares


def printed(found):
    """Means of every network, and differences from the first, with 95 % intervals."""
    first, *others = found
    lines = [
        "| network | " + " | ".join(found[first]) + " |",
        "|---" * (len(found[first]) + 1) + "|",
    ]
    for name, columns in found.items():
        means = [bootstrap_interval(values, seed=0) for values in columns.values()]
        cells = [f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]" for one in means]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name in others:
        pairs = [(found[name][key], found[first][key]) for key in found[first]]
        gains = [paired_difference(mine, theirs, seed=0) for mine, theirs in pairs]
        cells = [f"{one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for one in gains]
        lines.append(f"| {name} minus {first} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Measure every network on the same images; one JSON line a network, then the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "networks", nargs="+", help="name=folder of a training run; the first is the reference"
    )
    parser.add_argument("--data", default="cifar10-jpeg")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--method", default="eigen-cam")
    parser.add_argument("--checkpoint", default="last")
    parser.add_argument("--out", type=Path, default=Path("out/mcmi_maps"))
    args = parser.parse_args()
    data = load_dataset(args.data, part="test")
    known = torch.nonzero((data.labels >= 0) & (data.labels < data.num_classes)).flatten()
    data = data.subset(known[: args.limit])
    found = {}
    for word in args.networks:
        name, _, folder = word.partition("=")
        classifier = load_trained(Path(folder), args.checkpoint)
        resized = in_memory(data, classifier.preprocessing.size, fit="stretch")
        found[name] = measured(classifier, resized, method=args.method)
        means = {key: float(values.nanmean()) for key, values in found[name].items()}
        line = {
            "network": name,
            "folder": folder,
            "data": args.data,
            "images": len(resized),
            **means,
        }
        append_line(args.out / "runs.jsonl", line)
    print(printed(found))


if __name__ == "__main__":
    main()
