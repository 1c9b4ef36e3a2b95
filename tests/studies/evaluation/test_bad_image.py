"""One image of which the network makes no numbers is one problem, not the end of the job or of the numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from figureground.models import Classifier, Preprocessing
from figureground.studies.evaluation import EVALUATIONS, evaluation_class
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions

NAMES = tuple("abcde")
BLACK = 2


class PerImage(nn.Module):
    """Subtracts each image's mean and divides by its spread, which is 0/0 for a black one."""

    def forward(self, images: Tensor) -> Tensor:
        spread = images.std((1, 2, 3), keepdim=True)
        return (images - images.mean((1, 2, 3), keepdim=True)) / spread


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)  # noqa: TID251 - an entry point of tests
    layers = [PerImage(), nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 5)).eval()
    plain = Preprocessing((24, 32), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return Classifier(network, plain, name="toy", class_names=NAMES, num_classes=5)


def written(folder: Path, *, with_black: bool) -> Path:
    folder.mkdir()
    rows = ["path,label,x0,y0,x1,y1"]
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        if number == BLACK and not with_black:
            continue
        Image.fromarray(pixels * (number != BLACK)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{NAMES[number % 5]},5,5,20,20")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("name", [one for one in EVALUATIONS if one != "ranking"])
def test_an_evaluation_has_the_numbers_of_the_other_images(
    name: str, classifier: Classifier, tmp_path: Path
):
    def columns(folder: str, *, with_black: bool) -> dict[str, Any]:
        data = written(tmp_path / f"{folder} images", with_black=with_black)
        # a batch each, since some numbers are drawn by the batch
        options = evaluation_class(name)(batch_size=1)
        evaluate(options, classifier, data, out=tmp_path / folder, device="cpu")
        with np.load(tmp_path / folder / "per_image.npz") as found:
            return {key: found[key] for key in found.files}

    whole, others = (columns(one, with_black=one == "whole") for one in ("whole", "others"))
    keep = whole["name"] != f"{BLACK}.png"
    assert list(whole["name"][keep]) == list(others["name"])
    for key in others:
        drawn = {"row", "random-map"} & {key.partition("/")[0]} or name in {
            "robustness",
            "uncertainty",
        }
        if not drawn and others[key].dtype.kind == "f":
            np.testing.assert_allclose(whole[key][keep], others[key], atol=1e-5, err_msg=key)


def test_a_folder_with_one_bad_image_is_explained_by_every_method(
    classifier: Classifier, tmp_path: Path
):
    folder = written(tmp_path / "images", with_black=True)
    methods = ("cam", "grad-cam", "eigen-cam", "eigen-grad-cam", "dff", "cnn-fixations")
    for size in (1, 6):
        record = explain_images(
            classifier,
            folder,
            out=tmp_path / str(size),
            options=ExplainOptions(methods=methods, classes=[0], batch_size=size),
            device="cpu",
        )
        assert (record.images, record.failed) == (6, ())
        assert record.blank_maps >= len(methods)
        text = (tmp_path / str(size) / "entries.jsonl").read_text()
        lines = [line for line in text.splitlines() if f"{BLACK}-" in line]
        assert lines[0].count("are NaN or infinite") >= len(methods)
