"""The meter: streaming is one shot, merging is associative, classes may be empty."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.information import CMIMeter, information


@pytest.fixture
def outputs():
    numbers = torch.Generator().manual_seed(0)
    return 2 * torch.randn(50, 5, generator=numbers), torch.randint(0, 4, (50,), generator=numbers)


def filled(outputs, rows, **options):
    meter = CMIMeter(5, **options)
    meter.update(outputs[0][rows], outputs[1][rows])
    return meter


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], atol=1e-12, rtol=0, equal_nan=True)


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 3.0, "prior": "uniform", "kind": "other-centroids"}]
)
def test_streaming_equals_one_shot(outputs, options):
    meter = CMIMeter(5, **options)
    for rows in torch.split(torch.arange(50), 7):
        meter.update(outputs[0][rows], outputs[1][rows])
    wanted = vars(information(*outputs, **options))
    assert_same(meter.compute(), wanted)
    assert wanted["cmi_per_class"][4].isnan()


def test_merging_is_associative_and_has_no_order(outputs):
    parts = [slice(0, 9), slice(9, 30), slice(30, 50)]

    def merged(*order):
        first = filled(outputs, parts[order[0]])
        for number in order[1:]:
            first.merge(filled(outputs, parts[number]))
        return first.compute()

    left = merged(0, 1, 2)
    right = filled(outputs, parts[1])
    right.merge(filled(outputs, parts[2]))
    whole = filled(outputs, parts[0])
    whole.merge(right)
    for other in (whole.compute(), merged(2, 0, 1), vars(information(*outputs))):
        assert_same(left, other)


def test_a_meter_can_be_reset_and_keeps_no_graph(outputs):
    logits = outputs[0].clone().requires_grad_()
    meter = CMIMeter(5)
    meter.update(logits, outputs[1])
    assert not meter.compute()["cmi"].requires_grad
    meter.reset()
    with pytest.raises(ShapeError, match="no class has an image"):
        meter.report()


def test_what_does_not_fit_is_refused(outputs):
    with pytest.raises(ShapeError, match="got 5 logits; the meter is for 4 classes"):
        CMIMeter(4).update(*outputs)
    with pytest.raises(OptionError, match="different settings cannot be merged"):
        CMIMeter(5).merge(CMIMeter(5, temperature=2.0))
    with pytest.raises(OptionError, match="no separation"):
        CMIMeter(5, kind="none")
    with pytest.raises(OptionError, match="at least 1"):
        CMIMeter(0)
