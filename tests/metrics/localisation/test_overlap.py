"""Overlap of boxes, against the published cases and a count of pixels."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.localisation.box_accuracy import iou, scale_boxes


def random_boxes(count, *, seed, size=20):
    source = torch.Generator().manual_seed(seed)
    low = torch.randint(0, size, (count, 2), generator=source)
    side = torch.randint(0, size, (count, 2), generator=source)
    return torch.cat([low, low + side], dim=1).float()


def test_overlap_equals_the_published_cases():
    one, other = torch.tensor([[1, 2, 5, 6]]), torch.tensor([[3, 1, 4, 5]])
    assert iou(one, other, convention="inclusive").item() == pytest.approx(8 / 27)
    zero = torch.zeros(1, 4)
    assert iou(zero, zero, convention="inclusive").item() == 1
    with pytest.raises(ShapeError, match="not xyxy in order"):
        iou(torch.tensor([[3.0, 2, 2, 4]]), one, convention="inclusive")


@pytest.mark.parametrize("convention", ["half-open", "inclusive"])
def test_overlap_equals_counting_pixels(convention):
    boxes, others = random_boxes(6, seed=0), random_boxes(5, seed=1)
    found = iou(boxes, others, convention=convention)
    extra = int(convention == "inclusive")

    def pixels(box):
        x0, y0, x1, y1 = (int(v) for v in box)
        return {(x, y) for x in range(x0, x1 + extra) for y in range(y0, y1 + extra)}

    for i, box in enumerate(boxes):
        for j, other in enumerate(others):
            one, two = pixels(box), pixels(other)
            expected = len(one & two) / len(one | two) if one | two else 0
            assert found[i, j].item() == pytest.approx(expected)


def test_overlap_is_symmetric_and_one_with_itself():
    boxes = random_boxes(8, seed=2)
    boxes[:, 2:] += 1
    table = iou(boxes, boxes)
    assert torch.equal(table, table.T)
    assert torch.equal(table.diagonal(), torch.ones(8))
    assert (table >= 0).all()
    assert (table <= 1).all()


def test_boxes_out_of_order_or_not_finite_are_refused():
    for bad in ([[5.0, 0, 1, 9]], [[0.0, 0, float("nan"), 9]]):
        with pytest.raises(ShapeError, match="box 0 is not xyxy"):
            iou(torch.tensor(bad), torch.zeros(1, 4))
    with pytest.raises(OptionError, match="no convention 'voc'"):
        iou(torch.zeros(1, 4), torch.zeros(1, 4), convention="voc")


def test_scaled_boxes_equal_the_published_case_and_come_back():
    box = torch.tensor([[1, 2, 4, 3]])
    assert scale_boxes(box, (10, 20), (35, 10), whole=True).tolist() == [[3, 1, 14, 1]]
    there = scale_boxes(box, (10, 20), (35, 10))
    assert torch.allclose(scale_boxes(there, (35, 10), (10, 20)), box.float())
    with pytest.raises(OptionError, match="positive"):
        scale_boxes(box, (0, 20), (35, 10))
