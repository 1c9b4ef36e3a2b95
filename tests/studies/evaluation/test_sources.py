from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.methods import EigenCAM, Explainer
from figureground.methods.grad_cam import GradCAM
from figureground.models import Classifier
from figureground.studies.evaluation.sets import EvaluationBatch, open_evaluation_set
from figureground.studies.evaluation.sources import ExplainerMaps


@pytest.fixture
def batch(box_folder: Callable[..., Path], classifier: Classifier) -> EvaluationBatch:
    return next(open_evaluation_set(box_folder(4), classifier).batches(4))


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
    found = ExplainerMaps(classifier, ["grad-cam", "eigen-cam"])(batch)
    expected = Explainer(classifier)(batch.images, batch.labels, ["grad-cam", "eigen-cam"])
    for name in ("grad-cam", "eigen-cam"):
        torch.testing.assert_close(found.maps[name], expected.map_of(name)[:, 0])
    assert found.logits is not None
    torch.testing.assert_close(found.logits, classifier(batch.images))


def test_both_classes_are_two_rows_of_a_class_specific_method(
    batch: EvaluationBatch, classifier: Classifier
):
    both = ExplainerMaps(classifier, ["cam", "eigen-cam"], classes="both")
    assert both.rows == ("cam (true)", "cam (predicted)", "eigen-cam")
    found = both(batch).maps
    for word, labels in (("true", batch.labels), ("predicted", None)):
        alone = Explainer(classifier)(batch.images, labels, "cam").map_of("cam")[:, 0]
        torch.testing.assert_close(found[f"cam ({word})"], alone)


def test_all_methods_take_one_pass_and_options_of_one_method_a_second(
    batch: EvaluationBatch, classifier: Classifier
):
    counter = Counting()
    assert isinstance(classifier.network, nn.Sequential)
    classifier.network.insert(0, counter)
    several = ExplainerMaps(classifier, ["cam", "grad-cam", "grad-cam++", "eigen-cam"])
    several(batch)  # the first call also looks for the layer
    counter.calls = 0
    several(batch)
    assert counter.calls == 1
    twice = {"plain": EigenCAM(), "centred": EigenCAM(center=True), "grad": GradCAM()}
    source = ExplainerMaps(classifier, twice)
    source(batch)
    counter.calls = 0
    maps = source(batch).maps
    assert counter.calls == 2
    assert not torch.allclose(maps["plain"], maps["centred"])


def test_maps_that_show_nothing_are_noted_with_picture_and_row(
    batch: EvaluationBatch, classifier: Classifier
):
    with torch.no_grad():
        assert isinstance(classifier.network, nn.Sequential)
        for parameter in classifier.network[-1].parameters():
            nn.init.zeros_(parameter)
    problems = ExplainerMaps(classifier, ["cam", "eigen-cam"])(batch).problems
    assert [problem.where for problem in problems] == [f"{name}, cam" for name in batch.names]
    assert {problem.kind.partition("-")[0] for problem in problems} == {"map"}


def test_a_missing_label_is_refused_for_the_true_class_only(
    batch: EvaluationBatch, classifier: Classifier
):
    batch.labels[1] = -1
    with pytest.raises(DataError, match="need a label for every picture"):
        ExplainerMaps(classifier, "cam")(batch)
    assert ExplainerMaps(classifier, "cam", classes="predicted")(batch).maps["cam"].isfinite().all()
    assert not ExplainerMaps(classifier, "eigen-cam").needs_labels


def test_words_that_do_not_exist_are_refused(classifier: Classifier):
    with pytest.raises(OptionError, match="no classes 'wrong'"):
        ExplainerMaps(classifier, "cam", classes="wrong")
    with pytest.raises(OptionError, match="dff makes a map per concept"):
        ExplainerMaps(classifier, ["cam", "dff"])


def test_facts_name_options_and_class(classifier: Classifier):
    facts = ExplainerMaps(classifier, {"e": EigenCAM(center=True), "g": GradCAM()}).facts
    assert facts == {
        "e": "EigenCAM(center=True, sign='rule'), class-free",
        "g": "GradCAM(), true class",
    }
