"""What a LeNet learns to look at on cluttered MNIST: test accuracy, learning curve, maps at six checkpoints.

    figureground train cluttered-mnist-lenet --out runs/cluttered-mnist
    python experiments/cluttered_mnist_lenet.py runs/cluttered-mnist --out runs/cluttered-mnist/shown

Expected, before the run: at least 0.96 on images made of unseen test digits (the published network, trained on
digits that its test images share: 0.976; the imported checkpoint here at least 0.955); maps that cover everything
at first and only the digit at last."""

__all__ = ["main"]

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import figureground as fg
from figureground.data import shared_folder
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.maps import draw_boxes, overlay
from figureground.metrics.classification.quality import accuracy
from figureground.models import Classifier
from figureground.reports.figures import line_chart_svg
from figureground.training.history import History
from figureground.training.recipe import read_recipe
from figureground.training.trained import load_trained

_SHOWN = 6


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    recipe = read_recipe(given.run / "recipe.yaml")
    test = load_dataset("cluttered-mnist", part="test", options=LoadOptions(seed=recipe.seed))
    assert isinstance(test.images, Tensor)
    assert test.boxes is not None
    checkpoints = [*(f"step-{step}" for step in recipe.keep_steps), "last"]
    networks = {checkpoint: load_trained(given.run, checkpoint) for checkpoint in checkpoints}
    numbers = {
        checkpoint: _accuracy(one, test.images, test.labels) for checkpoint, one in networks.items()
    }
    published = _published()
    if published is not None:
        numbers["imported checkpoint"] = _accuracy(published, test.images, test.labels)
    print(json.dumps(numbers, indent=2))
    (given.out / "accuracy.json").write_text(json.dumps(numbers, indent=2))
    _curve(given.run, recipe.batch_size, given.out / "learning-curve.svg")
    rows = []
    for row in range(_SHOWN):
        image = test.images[row : row + 1].float() / 255
        label = test.labels[row : row + 1]
        shown = [
            draw_boxes((image[0].expand(3, -1, -1) * 255).byte().permute(1, 2, 0), test.boxes[row])
        ]
        for one in networks.values():
            maps = fg.Explainer(one)(image, label, "cam").map_of("cam")[:, 0]
            shown.append(overlay(image, maps)[0])
        rows.append(torch.cat(shown, dim=1))
    Image.fromarray(torch.cat(rows).numpy()).save(given.out / "strip.png")


@torch.inference_mode()
def _accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    channels = classifier.preprocessing.channels
    parts = [
        classifier((part.float() / 255).expand(-1, channels, -1, -1)) for part in images.split(250)
    ]
    return round(float(accuracy(torch.cat(parts), labels)), 4)


def _published() -> Classifier | None:
    """The published network's weights, where they are at hand."""
    shared = shared_folder()
    if shared is None:
        return None
    weights = shared / "weights" / "lenet_gap_cluttered_mnist.safetensors"
    return fg.load_classifier("figureground:lenet-gap", weights=weights)


def _curve(run: Path, batch_size: int, path: Path) -> None:
    """Validation accuracy over the images seen."""
    rows = [
        row
        for row in History(run / "history.csv").rows()
        if (row["split"], row["name"]) == ("val", "accuracy")
    ]
    points = [(int(row["step"]) * batch_size / 1000, 100 * float(row["value"])) for row in rows]
    title = "Validation accuracy of LeNet on cluttered MNIST"
    svg = line_chart_svg(
        {"AdamW, one cycle": points}, title=title, x_label="images seen, thousands", y_label="%"
    )
    path.write_text(svg)
    print("\n".join(f"| {seen:.0f} | {value:.2f} |" for seen, value in points))


if __name__ == "__main__":
    main()
