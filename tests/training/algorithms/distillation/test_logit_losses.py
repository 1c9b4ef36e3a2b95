"""KD and its two parts, against loops written from the papers."""

import math

import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.training.algorithms.distillation import DKDLoss, KDLoss


def softened(row: Tensor, temperature: float) -> list[float]:
    powers = [math.exp(float(value) / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def divergence(wanted: list[float], found: list[float]) -> float:
    return sum(p * math.log(p / q) for p, q in zip(wanted, found, strict=True))


@pytest.fixture
def logits() -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 5, 4, generator=numbers, dtype=torch.float64) * 3
    return student, teacher


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kd_is_the_mean_divergence_times_the_square_of_the_temperature(logits, temperature):
    student, teacher = logits
    wanted = [
        divergence(softened(t, temperature), softened(s, temperature))
        for s, t in zip(student, teacher, strict=True)
    ]
    found = float(KDLoss(temperature)(student, teacher))
    assert found == pytest.approx(temperature**2 * sum(wanted) / 5, rel=1e-12)
    assert float(KDLoss(temperature)(teacher, student)) != pytest.approx(found, rel=0.001)


def test_a_class_that_the_teacher_rules_out_adds_nothing(logits):
    """0 · log 0 is 0: the sums run over the other classes, and slopes are finite."""
    student, teacher = logits
    teacher = teacher.clone()
    teacher[:, 2] = -torch.inf
    labels = torch.tensor([0, 1, 3, 0, 1])
    soft_s, soft_t = ([softened(row, 4.0) for row in one] for one in (student, teacher))
    kd = [
        sum(p * math.log(p / q) for p, q in zip(t, s, strict=True) if p)
        for s, t in zip(soft_s, soft_t, strict=True)
    ]
    decoupled = []
    for s, t, label in zip(soft_s, soft_t, labels.tolist(), strict=True):
        pair = divergence([t[label], 1 - t[label]], [s[label], 1 - s[label]])
        others = [(p / (1 - t[label]), q / (1 - s[label])) for p, q in zip(t, s, strict=True)]
        del others[label]
        decoupled.append(pair + 8 * sum(p * math.log(p / q) for p, q in others if p))
    for loss, wanted in ((KDLoss(), kd), (DKDLoss(), decoupled)):
        leaf = student.clone().requires_grad_()
        found = loss(leaf, teacher) if loss.name == "kd" else loss(leaf, teacher, labels)
        assert float(found.detach()) == pytest.approx(16 * sum(wanted) / 5, rel=1e-9)
        found.backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


def test_a_teacher_that_allows_one_class_only_teaches_that_one(logits):
    student, _ = logits
    teacher = torch.full_like(student, -torch.inf)
    labels = torch.tensor([0, 1, 2, 3, 1])
    teacher[torch.arange(5), labels] = 3.0
    wanted = [-math.log(softened(s, 4.0)[at]) for s, at in zip(student, labels, strict=True)]
    for found in (KDLoss()(student, teacher), DKDLoss()(student, teacher, labels)):
        assert float(found) == pytest.approx(16 * sum(wanted) / 5, rel=1e-9)


def test_kd_is_nothing_where_the_logits_agree_up_to_a_constant(logits):
    student, _ = logits
    assert float(KDLoss()(student, student + 7)) == pytest.approx(0, abs=1e-12)


def test_kd_tends_to_half_the_mean_square_difference_of_centred_logits(logits):
    student, teacher = logits
    apart = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    wanted = 0.5 * float(apart.square().mean())  # 0.5 / C · ‖z − z'‖², the mean over images
    assert float(KDLoss(1e4)(student, teacher)) == pytest.approx(wanted, rel=1e-3)
    assert float(KDLoss(1.0)(student, teacher)) != pytest.approx(wanted, rel=0.1)


def test_the_gradient_does_not_fade_with_the_temperature(logits):
    """The factor T² is there without labels and whatever the other weights are, which a known library forgets."""
    student, teacher = logits
    slopes = []
    for temperature in (10.0, 100.0):
        leaf = student.clone().requires_grad_()
        KDLoss(temperature)(leaf, teacher).backward()
        assert leaf.grad is not None
        slopes.append(float(leaf.grad.norm()))
    assert slopes[1] == pytest.approx(slopes[0], rel=0.1)


def test_dkd_is_the_sum_of_its_parts(logits):
    student, teacher = logits
    labels, soft = torch.tensor([0, 3, 1, 2, 0]), 4.0
    target, others = [], []
    for s, t, y in zip(student, teacher, labels.tolist(), strict=True):
        q, p = softened(s, soft), softened(t, soft)
        target.append(divergence([p[y], 1 - p[y]], [q[y], 1 - q[y]]))
        rest = [k for k in range(4) if k != y]
        others.append(
            divergence([p[k] / (1 - p[y]) for k in rest], [q[k] / (1 - q[y]) for k in rest])
        )
    wanted = soft**2 * (0.7 * sum(target) + 3 * sum(others)) / 5
    found = DKDLoss(alpha=0.7, beta=3.0, temperature=soft)(student, teacher, labels)
    assert float(found) == pytest.approx(wanted, rel=1e-10)


def test_kd_is_dkd_with_the_others_weighed_by_what_the_target_leaves(logits):
    student, teacher = logits
    labels, soft = torch.tensor([0, 3, 1, 2, 0]), 2.0
    left = 1 - (teacher / soft).softmax(1).gather(1, labels[:, None])[:, 0]
    total = 0.0
    for n in range(5):
        one = (student[n : n + 1], teacher[n : n + 1], labels[n : n + 1])
        total += float(DKDLoss(alpha=1.0, beta=float(left[n]), temperature=soft)(*one)) / 5
    assert float(KDLoss(soft)(student, teacher)) == pytest.approx(total, rel=1e-10)


def test_leaving_the_target_out_equals_hiding_it_behind_a_large_negative_logit(logits):
    student, teacher = logits
    labels = torch.tensor([0, 3, 1, 2, 0])
    hidden = torch.nn.functional.one_hot(labels, 4) * 1000.0
    wanted = KDLoss(4.0)(student - hidden, teacher - hidden)
    found = DKDLoss(alpha=0.0, beta=1.0, temperature=4.0)(student, teacher, labels)
    torch.testing.assert_close(found, wanted)


def test_images_without_a_class_are_left_out_of_dkd(logits):
    student, teacher = logits
    loss = DKDLoss()
    found = loss(student, teacher, torch.tensor([1, -1, 2, 4, 0]))
    kept = [0, 2, 4]
    torch.testing.assert_close(found, loss(student[kept], teacher[kept], torch.tensor([1, 2, 0])))
    assert float(loss(student, teacher, torch.full((5,), -1))) == 0


def test_half_precision_and_extreme_logits_stay_finite():
    student = torch.tensor([[90.0, -90.0, 0.0]], dtype=torch.bfloat16, requires_grad=True)
    teacher = torch.tensor([[-90.0, 90.0, 0.0]], dtype=torch.bfloat16)
    for loss in (
        KDLoss(1.0)(student, teacher),
        DKDLoss(temperature=1.0)(student, teacher, torch.tensor([0])),
    ):
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        (slope,) = torch.autograd.grad(loss, student)
        assert torch.isfinite(slope).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(OptionError, match="a temperature is positive, got 0"):
        KDLoss(0.0)
    with pytest.raises(ShapeError, match="two classes or more"):
        DKDLoss()(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))
