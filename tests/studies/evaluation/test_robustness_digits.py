"""What Eigen-CAM's paper claims of attacked pictures, on cluttered digits: where it holds and where it does not."""

from pathlib import Path

import pytest

from figureground.models import load_classifier
from figureground.studies.evaluation.items import SetOptions
from figureground.studies.evaluation.map_places import PlaceRule
from figureground.studies.evaluation.post_processing import PostProcessing
from figureground.studies.evaluation.robustness import RobustnessOptions, study_robustness
from figureground.studies.evaluation.sets import open_evaluation_set


@pytest.mark.slow
def test_minimal_noise_hardly_moves_eigen_cam_and_strong_noise_moves_it_below_grad_cam(
    shared_data: Path, tmp_path: Path
):
    weights = shared_data / "weights" / "lenet_gap_cluttered_mnist.safetensors"
    classifier = load_classifier("figureground:lenet-gap", weights=weights)
    pictures = open_evaluation_set("clutter", classifier, SetOptions(digits="mnist", count=200))
    options = RobustnessOptions(
        methods=("grad-cam", "eigen-cam"),
        attacks=("fgsm:0.2", "deepfool-lts4"),
        places=PlaceRule(PostProcessing(relu=False)),
    )
    table = study_robustness(classifier, pictures, out=tmp_path, options=options).tables[0]
    columns, rows = table["columns"], table["rows"]
    assert isinstance(columns, list)
    assert isinstance(rows, list)
    found = {row[0]: dict(zip(columns[2:], row[2:], strict=True)) for row in rows}
    clean, minimal, strong = found["clean"], found["deepfool-lts4"], found["fgsm 0.2"]
    assert clean["accuracy"] > 0.94
    assert minimal["flipped"] == 1
    assert clean["eigen-cam"] - minimal["eigen-cam"] < 0.1
    assert minimal["eigen-cam"] > minimal["grad-cam (predicted)"] + 0.08
    assert strong["eigen-cam"] < strong["grad-cam (true)"] - 0.1
