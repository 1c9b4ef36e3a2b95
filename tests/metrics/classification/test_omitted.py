"""Kept accuracy, omitted recall and precision against counting by hand."""

import math

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification import omitted_class_report

TRUE = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3]
SAID = [0, 0, 2, 1, 1, 2, 2, 0, 1, 1]


def answers(said: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.eye(4)[said], torch.tensor(TRUE)


def test_the_numbers_are_those_of_counting():
    found = omitted_class_report(*answers(SAID), [2, 3])
    assert found.kept_accuracy.item() == pytest.approx(4 / 5)
    assert found.recall.tolist() == [2 / 4, 0]
    assert found.precision[0].item() == pytest.approx(2 / 3)
    assert found.precision[1].isnan()
    assert found.omitted_recall.item() == pytest.approx(1 / 4)
    assert found.omitted_precision.item() == pytest.approx(2 / 3)
    assert found.accuracy.item() == pytest.approx(6 / 10)
    assert found.harmonic_mean.item() == pytest.approx(2 * 0.8 * 0.25 / 1.05)
    assert found.chance == 0.25
    assert found.confusion[2].tolist() == [1, 1, 2, 0]


def test_a_student_that_never_says_the_class_has_recall_and_mean_zero():
    found = omitted_class_report(*answers([0] * 10), [3])
    assert found.omitted_recall.item() == found.harmonic_mean.item() == 0
    assert math.isnan(found.omitted_precision)


@pytest.mark.parametrize("omitted", [[], [1, 1], [4], [-1], [0, 1, 2, 3]])
def test_omitted_classes_that_cannot_be_meant_are_refused(omitted):
    with pytest.raises(OptionError, match=r"omitted classes are some of 0\.\.3"):
        omitted_class_report(*answers(SAID), omitted)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"labels in 0\.\.3"):
        omitted_class_report(torch.eye(4), torch.tensor([0, 1, 2, 4]), [1])
