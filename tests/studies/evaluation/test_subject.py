"""Rows of the tables: maps of methods in as few passes as can be, maps of files, baselines."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.methods import EigenCAM, Explainer
from figureground.methods.grad_cam import GradCAM
from figureground.models import Classifier
from figureground.studies.evaluation.image_set import EvaluationBatch, open_images
from figureground.studies.evaluation.subject import Subject


@pytest.fixture
def batch(box_folder: Callable[..., Path], classifier: Classifier) -> EvaluationBatch:
    return next(open_images(box_folder(4), classifier).batches(4))


class Counting(nn.Module):
    """Passes on and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return values


def test_maps_are_those_of_the_explainer_for_the_true_class(
    batch: EvaluationBatch, classifier: Classifier
):
    found = Subject(classifier, ["grad-cam", "eigen-cam"])(batch)
    expected = Explainer(classifier)(batch.images, batch.labels, ["grad-cam", "eigen-cam"])
    for name in ("grad-cam", "eigen-cam"):
        torch.testing.assert_close(found.maps[name], expected.map_of(name)[:, 0])
    assert found.logits is not None
    torch.testing.assert_close(found.logits, classifier(batch.images))


def test_both_classes_are_two_rows_of_a_class_specific_method(
    batch: EvaluationBatch, classifier: Classifier
):
    both = Subject(classifier, ["cam", "eigen-cam"], classes="both")
    assert both.rows == ("cam (true)", "cam (predicted)", "eigen-cam")
    found = both(batch).maps
    for word, labels in (("true", batch.labels), ("predicted", None)):
        alone = Explainer(classifier)(batch.images, labels, "cam").map_of("cam")[:, 0]
        torch.testing.assert_close(found[f"cam ({word})"], alone)
    assert not torch.equal(found["cam (true)"], found["cam (predicted)"])


def test_all_methods_take_one_pass_and_options_of_one_method_a_second(
    batch: EvaluationBatch, classifier: Classifier
):
    counter = Counting()
    assert isinstance(classifier.network, nn.Sequential)
    classifier.network.insert(0, counter)
    several = Subject(classifier, ["cam", "grad-cam", "grad-cam++", "eigen-cam"])
    several(batch)  # the first call also looks for the layer
    counter.calls = 0
    several(batch)
    assert counter.calls == 1
    twice = {"plain": EigenCAM(), "centred": EigenCAM(center=True), "grad": GradCAM()}
    subject = Subject(classifier, twice)
    subject(batch)
    counter.calls = 0
    maps = subject(batch).maps
    assert counter.calls == 2
    assert list(maps) == list(twice)
    assert not torch.allclose(maps["plain"], maps["centred"])


def test_maps_that_show_nothing_are_noted_with_image_and_row(
    batch: EvaluationBatch, classifier: Classifier
):
    with torch.no_grad():
        assert isinstance(classifier.network, nn.Sequential)
        for parameter in classifier.network[-1].parameters():
            nn.init.zeros_(parameter)
    problems = Subject(classifier, ["cam", "eigen-cam"])(batch).problems
    assert [problem.where for problem in problems] == [f"{name}, cam" for name in batch.names]
    assert {problem.kind.partition("-")[0] for problem in problems} == {"map"}


def test_a_missing_label_is_refused_for_the_true_class_only(
    batch: EvaluationBatch, classifier: Classifier
):
    batch.labels[1] = -1
    with pytest.raises(DataError, match="need a label for every image"):
        Subject(classifier, "cam")(batch)
    assert Subject(classifier, "cam", classes="predicted")(batch).maps["cam"].isfinite().all()
    assert not Subject(classifier, "eigen-cam").needs_labels


def test_descriptions_name_options_and_class(classifier: Classifier):
    methods = {"e": EigenCAM(center=True), "g": GradCAM()}
    assert Subject(
        classifier, methods, baselines={"flat": lambda _: torch.ones(1)}
    ).description == {
        "e": "EigenCAM(center=True, sign='rule'), class-free",
        "g": "GradCAM(), true class",
        "flat": "baseline that knows no network",
    }


def test_another_network_is_looked_at_in_the_same_layer(
    batch: EvaluationBatch, make_classifier: Callable[..., Classifier]
):
    subject = Subject(
        make_classifier(), "eigen-cam", explainer=Explainer(make_classifier(), layer="0")
    )
    subject(batch)
    other = subject.like(make_classifier(seed=1))
    other(batch)
    assert [one.name for one in other.layers] == [one.name for one in subject.layers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "mine"
    place.mkdir()
    return place


def foreign(batch: EvaluationBatch, folder: Path) -> tuple[torch.Tensor, list[str]]:
    """Maps of a folder, and what was said of them."""
    found = Subject(None, (), folders=[folder])(batch)
    assert found.logits is None
    return found.maps["mine"], [f"{one.kind}: {one}" for one in found.problems]


def test_maps_of_files_are_found_by_the_stem_of_the_image(batch: EvaluationBatch, folder: Path):
    for number in range(4):
        np.save(folder / f"{number:02d}.npy", np.full((3, 5), number))
    maps, problems = foreign(batch, folder)
    assert maps.shape == (4, 3, 5)
    assert maps[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert problems == []


def test_each_unusable_file_is_nan_and_has_its_own_message(batch: EvaluationBatch, folder: Path):
    np.save(folder / "00.npy", np.array([[1.0, np.nan], [np.inf, 0]]))
    np.save(folder / "01.npy", np.zeros((2, 3, 4)))
    (folder / "02.npy").write_bytes(b"not an array")
    maps, problems = foreign(batch, folder)
    assert maps.isnan().all()
    for said, words in zip(
        problems,
        (("map-unusable", "2 of 4 values are NaN"), ("map-unusable", "has shape (2, 3, 4)"),
         ("map-unusable", "cannot read"), ("map-missing", "no file", "03.png, mine")),
        strict=True,
    ):  # fmt: skip
        assert all(one in said for one in words)


def test_a_pickle_is_not_opened(batch: EvaluationBatch, folder: Path):
    np.save(folder / "00.npy", np.array([[{"run": "me"}]]), allow_pickle=True)
    assert "cannot read" in foreign(batch, folder)[1][0]


def test_maps_of_several_sizes_are_brought_to_the_view(batch: EvaluationBatch, folder: Path):
    for number in range(4):
        np.save(folder / f"{number:02d}.npy", np.ones((1, number + 2, 3), np.float16))
    torch.testing.assert_close(foreign(batch, folder)[0], torch.ones(4, 24, 32))


def test_the_description_of_a_folder_changes_when_a_file_does(folder: Path):
    np.save(folder / "a.npy", np.zeros((2, 2)))
    before = Subject(None, (), folders=[folder]).description
    np.save(folder / "a.npy", np.zeros((2, 3)))
    assert Subject(None, (), folders=[folder]).description != before


def test_what_cannot_be_a_row_is_refused(classifier: Classifier, tmp_path: Path, folder: Path):
    with pytest.raises(OptionError, match="dff makes a map per concept"):
        Subject(classifier, ["cam", "dff"])
    with pytest.raises(OptionError, match="two rows would be called 'mine'"):
        Subject(None, (), folders=[folder, folder])
    with pytest.raises(OptionError, match="nothing to measure: name a model, or folders of maps"):
        Subject(None, ("cam",))
    with pytest.raises(DataError, match=r"no folder of maps at .*nothing"):
        _ = Subject(None, (), folders=[tmp_path / "nothing"]).description


def test_baselines_are_rows_in_their_place_that_are_not_normalised(
    batch: EvaluationBatch, classifier: Classifier
):
    flat = {"flat": lambda batch: torch.full((len(batch), 2, 2), 0.25)}
    found = Subject(classifier, "eigen-cam", baselines=flat)(batch)
    assert list(found.maps) == ["eigen-cam", "flat"]
    assert found.ready == {"flat"}
    assert found.maps["flat"].unique().tolist() == [0.25]
