import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.faithfulness.accumulator import ImageMeans


class Pair(ImageMeans):
    def __init__(self):
        super().__init__(("first", "second"))

    def update(self, first, second):
        self.accumulate({"second": second, "first": first})


def test_means_leave_out_and_count_what_is_undefined():
    metric = Pair()
    metric.update(torch.tensor([1.0, 2.0]), torch.tensor([4.0, torch.nan]))
    metric.update(torch.tensor([6.0]), torch.tensor([0.0]))
    found = {name: value.item() for name, value in metric.compute().items()}
    assert found == {"first": 3.0, "second": 2.0, "images": 3.0, "undefined": 1.0}


def test_reset_forgets_everything():
    metric = Pair()
    metric.update(torch.tensor([1.0]), torch.tensor([1.0]))
    metric.reset()
    metric.update(torch.tensor([5.0]), torch.tensor([7.0]))
    assert metric.compute()["first"] == 5
    assert metric.compute()["images"] == 1


def test_two_processes_add_up():
    whole, halves = Pair(), (Pair(), Pair())
    values = torch.tensor([1.0, 5.0, torch.nan, 2.0])
    whole.update(values, values)
    for half, part in zip(halves, values.split(2), strict=True):
        half.update(part, part)
    merged = halves[0]
    merged.merge_state(halves[1])
    assert {k: v.item() for k, v in merged.compute().items()} == {
        k: v.item() for k, v in whole.compute().items()
    }


def test_other_names_are_refused():
    with pytest.raises(ShapeError, match="expected values of"):
        Pair().accumulate({"first": torch.zeros(1)})
