"""What Eigen-CAM's paper claims of attacked images, on cluttered digits: where it holds and where it does not."""

from pathlib import Path

import pytest

from figureground.models import load_classifier
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.engine import run_evaluation
from figureground.studies.evaluation.image_set import open_images
from figureground.studies.evaluation.robustness import Robustness


@pytest.mark.slow
def test_minimal_noise_hardly_moves_eigen_cam_and_strong_noise_moves_it_below_grad_cam(
    shared_data: Path, tmp_path: Path
):
    weights = shared_data / "weights" / "lenet_gap_cluttered_mnist.safetensors"
    classifier = load_classifier("figureground:lenet-gap", weights=weights)
    images = open_images("clutter", classifier, DataOptions(digits="mnist", count=200))
    evaluation = Robustness(
        methods=("grad-cam", "eigen-cam"),
        attack=("fgsm:0.2", "deepfool-lts4"),
        signed=True,
    )
    table = run_evaluation(evaluation, classifier, images, out=tmp_path).tables[0]
    columns, rows = table["columns"], table["rows"]
    assert isinstance(columns, list)
    assert isinstance(rows, list)
    found = {row[0]: dict(zip(columns[2:], row[2:], strict=True)) for row in rows}
    clean, minimal, strong = found["clean"], found["deepfool-lts4"], found["fgsm 0.2"]
    assert clean["accuracy"] > 94
    assert minimal["flipped"] == 100
    assert clean["eigen-cam"] - minimal["eigen-cam"] < 10
    assert minimal["eigen-cam"] > minimal["grad-cam (predicted)"] + 8
    assert strong["eigen-cam"] < strong["grad-cam (true)"] - 10
