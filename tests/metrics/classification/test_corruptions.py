from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification import corruption_accuracy

LABELS = torch.arange(10) % 2
PICTURES = torch.nn.functional.one_hot(LABELS, 2).float()[:, :, None, None]


def _spoilt(severity: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of 4, of which the first ``severity`` pictures show the other class."""
    wrong = PICTURES.clone()
    wrong[:severity] = wrong[:severity].flip(1)
    yield from zip(wrong.split(4), LABELS.split(4), strict=True)


def _score(pictures: Tensor) -> Tensor:
    return pictures.flatten(1)


def test_all_five_severities_are_asked_for_and_count_the_same():
    found = corruption_accuracy(_score, _spoilt)
    assert found.by_severity == {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.6, 5: 0.5}
    assert found.mean == pytest.approx(0.7)
    assert found.images == 10


def test_fewer_severities_are_reported_as_what_they_are():
    found = corruption_accuracy(_score, _spoilt, severities=(1, 3))
    assert found.by_severity == {1: 0.9, 3: 0.7}
    assert found.mean == pytest.approx(0.8)


def test_the_classifier_is_asked_without_gradients():
    weight = torch.ones(2, requires_grad=True)

    def score(pictures: Tensor) -> Tensor:
        logits = pictures.flatten(1) * weight
        assert not logits.requires_grad
        return logits

    assert corruption_accuracy(score, _spoilt, severities=(5,)).mean == 0.5


def test_no_severity_other_pictures_and_wrong_shapes_are_refused():
    with pytest.raises(OptionError, match="at least one severity"):
        corruption_accuracy(_score, _spoilt, severities=())
    with pytest.raises(
        ShapeError, match=r"the same pictures, and some; their numbers are \[1, 2\]"
    ):
        corruption_accuracy(
            _score, lambda severity: [(PICTURES[:severity], LABELS[:severity])], severities=(1, 2)
        )
    with pytest.raises(ShapeError, match=r"their numbers are \[0\]"):
        corruption_accuracy(_score, lambda severity: [])
    with pytest.raises(ShapeError, match=r"logits \(10, 2\) and labels \(9,\) do not fit"):
        corruption_accuracy(_score, lambda severity: [(PICTURES, LABELS[:9])])
