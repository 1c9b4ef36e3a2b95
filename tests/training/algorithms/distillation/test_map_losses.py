"""Losses over feature maps, against loops written from the papers."""

import copy
import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.training.algorithms.distillation import (
    AttentionTransferLoss,
    HintLoss,
    NSTLoss,
    ReviewKDLoss,
    VIDLoss,
)
from figureground.training.algorithms.distillation.loss import Shapes
from figureground.training.algorithms.distillation.review import _Fusion, hierarchical_context


def maps(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


STUDENT = [maps(0, 2, 3, 2, 3), maps(1, 2, 4, 2, 1)]
TEACHER = [maps(2, 2, 5, 2, 3), maps(3, 2, 2, 2, 1)]


def unit(values: list[float]) -> list[float]:
    size = math.sqrt(sum(v * v for v in values))
    return [v / size for v in values]


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_attention_equals_its_slow_twin():
    def attention(image: Tensor) -> list[float]:
        channels, h, w = image.shape
        return unit(
            [
                sum(float(image[c, i, j]) ** 2 for c in range(channels)) / channels
                for i in range(h)
                for j in range(w)
            ]
        )

    wanted = 0.0
    for s, t in zip(STUDENT, TEACHER, strict=True):
        squares = [
            (a - b) ** 2
            for one, other in zip(s, t, strict=True)
            for a, b in zip(attention(one), attention(other), strict=True)
        ]
        wanted += sum(squares) / len(squares)
    found = AttentionTransferLoss()(STUDENT, TEACHER)
    assert float(found) == pytest.approx(wanted, rel=1e-10)
    assert float(AttentionTransferLoss()(TEACHER, TEACHER)) == 0


def test_selectivity_equals_its_slow_twin():
    def kernel(one: Tensor, other: Tensor) -> float:
        values = [
            dot(unit(a.flatten().tolist()), unit(b.flatten().tolist())) ** 2
            for n in range(len(one))
            for a in one[n]
            for b in other[n]
        ]
        return sum(values) / len(values)

    wanted = sum(
        kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)
        for s, t in zip(STUDENT, TEACHER, strict=True)
    )
    assert float(NSTLoss()(STUDENT, TEACHER)) == pytest.approx(wanted, rel=1e-10)


def test_the_larger_map_is_averaged_to_the_size_of_the_smaller():
    large = maps(4, 2, 3, 4, 6)
    small = large.unflatten(2, (2, 2)).unflatten(4, (3, 2)).mean((3, 5))
    for loss in (AttentionTransferLoss(), NSTLoss()):
        torch.testing.assert_close(loss([large], TEACHER[:1]), loss([small], TEACHER[:1]))
        torch.testing.assert_close(loss(TEACHER[:1], [large]), loss(TEACHER[:1], [small]))


def test_information_equals_its_slow_twin():
    loss = VIDLoss([(3, 5), (4, 2)], variance=2.0).double()
    with torch.no_grad():
        loss.scales[1].add_(torch.tensor([0.5, -1.0]))
    wanted = 0.0
    for place in range(2):
        foretold = loss.means[place](STUDENT[place]).detach()
        values = []
        for c in range(TEACHER[place].shape[1]):
            variance = math.log1p(math.exp(loss.scales[place][c].item())) + 1e-5
            missed = (TEACHER[place][:, c] - foretold[:, c]).flatten().tolist()
            values += [0.5 * (m * m / variance + math.log(variance)) for m in missed]
        wanted += sum(values) / len(values)
    assert loss(STUDENT, TEACHER).item() == pytest.approx(wanted, rel=1e-10)
    start = torch.nn.functional.softplus(loss.scales[0]) + 1e-5
    torch.testing.assert_close(start, torch.full((5,), 2.0, dtype=torch.float64))


def test_a_hint_is_nothing_where_the_regressor_gives_the_teachers_map():
    loss = HintLoss(3, 5).double()
    given = loss.regressor(STUDENT[0])
    assert loss(STUDENT[0], given.detach()).item() == 0
    other = loss(STUDENT[0], given.detach() + 2)
    assert other.item() == pytest.approx(4)


def test_context_equals_its_slow_twin():
    one, other = maps(5, 2, 3, 4, 4), maps(6, 2, 3, 4, 4)
    apart = one - other

    def square_of_means(size: int) -> float:
        step = 4 // size
        cells = [
            float(apart[n, c, i : i + step, j : j + step].mean()) ** 2
            for n in range(2)
            for c in range(3)
            for i in range(0, 4, step)
            for j in range(0, 4, step)
        ]
        return sum(cells) / len(cells)

    wanted = square_of_means(4) + square_of_means(2) / 2 + square_of_means(1) / 4
    assert float(hierarchical_context(one, other)) == pytest.approx(wanted / 1.75, rel=1e-10)


def test_review_mixes_from_the_deepest_stage_upwards():
    """The same weights, run by hand, stage by stage."""
    loss = ReviewKDLoss([(3, 5), (4, 2)], width=6).double().eval()
    student, teacher = (
        [maps(0, 2, 3, 4, 4), maps(1, 2, 4, 2, 2)],
        [maps(2, 2, 5, 4, 4), maps(3, 2, 2, 2, 2)],
    )
    shallow, deep = (one for one in loss.fusions if isinstance(one, _Fusion))
    below = deep.enter(student[1])
    wanted = hierarchical_context(deep.leave(below), teacher[1])
    assert deep.mix is None
    risen = below.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert shallow.mix is not None
    own = shallow.enter(student[0])
    shares = torch.sigmoid(shallow.mix(torch.cat([own, risen], 1)))
    mixed = own * shares[:, 0:1] + risen * shares[:, 1:2]
    wanted += hierarchical_context(shallow.leave(mixed), teacher[0])
    torch.testing.assert_close(loss(student, teacher), wanted)
    first = next(deep.enter.parameters())
    only_deep = torch.autograd.grad(loss(student, teacher), first)[0]
    assert only_deep.abs().sum() > 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_folded_entrance_equals_convolution_and_batch_norm(layout):
    loss = ReviewKDLoss([(3, 5), (4, 2)], width=6).double()
    twin = copy.deepcopy(loss)
    shallow, deep, one, other = (cast("Any", part) for part in (*loss.fusions, *twin.fusions))
    fine = maps(0, 2, 3, 4, 6).to(memory_format=layout).requires_grad_()
    below = deep.enter(maps(1, 2, 4, 2, 3))
    found = shallow(fine, below, (4, 6))[1]
    entered = one.enter(fine)
    risen = other.enter(maps(1, 2, 4, 2, 3)).repeat_interleave(2, 2).repeat_interleave(2, 3)
    shares = torch.sigmoid(one.mix(torch.cat([entered, risen], 1)))
    wanted = entered * shares[:, 0:1] + risen * shares[:, 1:2]
    torch.testing.assert_close(found, wanted)
    weights = torch.rand_like(wanted)
    slopes = [torch.autograd.grad((part * weights).sum(), fine)[0] for part in (found, wanted)]
    torch.testing.assert_close(*slopes)
    for name, value in one.enter.state_dict().items():
        torch.testing.assert_close(shallow.enter.state_dict()[name], value)


@pytest.mark.parametrize("loss", [NSTLoss(), AttentionTransferLoss()])
def test_the_layout_in_memory_does_not_count(loss):
    lasting = [[one.to(memory_format=torch.channels_last) for one in s] for s in (STUDENT, TEACHER)]
    torch.testing.assert_close(loss(*lasting), loss(STUDENT, TEACHER))
    mixed = loss(lasting[0], TEACHER)
    torch.testing.assert_close(mixed, loss(STUDENT, TEACHER))


def test_slopes_are_finite_where_a_channel_is_empty():
    student = torch.zeros(2, 3, 4, 5, requires_grad=True)
    teacher = torch.zeros(2, 3, 4, 5)
    (slope,) = torch.autograd.grad(NSTLoss()([student], [teacher]), student)
    assert torch.isfinite(slope).all()


def test_review_takes_vectors_and_maps_of_other_sizes():
    loss = ReviewKDLoss.fitted(Shapes(((3, 4, 4), (4,)), ((5, 2, 2), (2,))), {})
    found = loss(
        [torch.rand(2, 3, 4, 4), torch.rand(2, 4)], [torch.rand(2, 5, 2, 2), torch.rand(2, 2)]
    )
    assert torch.isfinite(found)


def test_maps_that_cannot_be_compared_are_refused():
    with pytest.raises(ShapeError, match="2 maps of the student against 1 of the teacher"):
        AttentionTransferLoss()(STUDENT, TEACHER[:1])
    with pytest.raises(ShapeError, match=r"maps \(N, C, h, w\) of the same images"):
        NSTLoss()([torch.zeros(2, 3)], [torch.zeros(2, 3)])
    with pytest.raises(ShapeError, match="1 maps for a loss made for 2"):
        VIDLoss([(3, 5), (4, 2)]).double()(STUDENT[:1], TEACHER[:1])
    with pytest.raises(ShapeError, match="2 and 2 maps for a loss made for 1"):
        ReviewKDLoss([(3, 5)]).double()(STUDENT, TEACHER)
    with pytest.raises(ShapeError, match=r"maps \(N, C, h, w\) were expected, got \(2, 7, 3\)"):
        ReviewKDLoss([(3, 5)])([torch.zeros(2, 7, 3)], [torch.zeros(2, 7, 3)])
    with pytest.raises(ShapeError, match="maps of"):
        hierarchical_context(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, 2))
    with pytest.raises(
        OptionError, match="no option of the loss 'vid' 'varianse'; closest: 'variance'"
    ):
        VIDLoss.fitted(Shapes(((3, 2, 2),), ((3, 2, 2),)), {"varianse": 1.0})
