from typing import Any

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.maps.post_processing import PostProcessing


def test_order_is_relu_then_resize_then_scale():
    raw = torch.tensor([[[-4.0, 0.0, 2.0]]])
    maps, _ = PostProcessing()(raw, (1, 6))
    # half-pixel bilinear: 0, 0, 0, .5, 1.5, 2
    assert maps[0, 0].tolist() == [0, 0, 0, 0.25, 0.75, 1]
    signed, _ = PostProcessing(relu=False)(raw, (1, 3))
    assert signed[0, 0].tolist() == pytest.approx([0, 4 / 6, 1])


def test_maximum_keeps_zero_at_zero():
    raw = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert PostProcessing(normalise="max")(raw, (1, 3))[0][0, 0].tolist() == [0.25, 0.5, 1]


def test_cubic_overshoot_below_zero_is_cut_with_relu():
    raw = torch.zeros(1, 6, 6)
    raw[0, 2:4, 2:4] = 1
    maps, _ = PostProcessing(normalise="max", resize="cubic")(raw, (24, 24))
    assert maps.min() == 0
    assert maps.max() == 1


def test_blank_maps_are_named_and_become_zeros():
    raw = torch.stack([torch.full((2, 3), value) for value in (2.0, -1.0, torch.nan, torch.inf)])
    raw = torch.cat([raw, torch.arange(6.0).reshape(1, 2, 3)])
    maps, blank = PostProcessing()(raw, (4, 6))
    assert blank.tolist() == [True, True, True, True, False]
    assert not maps[:4].any()


def test_ready_maps_are_not_scaled():
    whole = torch.ones(1, 2, 2)
    maps, blank = PostProcessing()(whole, (4, 4), ready=True)
    assert maps.tolist() == torch.ones(1, 4, 4).tolist()
    assert blank.tolist() == [False]


@pytest.mark.parametrize(
    "wrong", [{"normalise": "none"}, {"resize": "best"}, {"normalise": "max", "relu": False}]
)
def test_what_cannot_be_boxed_is_refused(wrong: dict[str, Any]):
    with pytest.raises(OptionError):
        PostProcessing(**wrong)


def test_words_say_everything():
    assert str(PostProcessing(relu=False, resize="cubic")) == "no ReLU, cubic to the view, min-max"
