"""Conditional mutual information against the joint distribution written out, and what it must obey."""

import math

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.information import class_sums, cmi, information


@pytest.fixture
def outputs():
    numbers = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(60, 4, generator=numbers, dtype=torch.float64)
    return logits, torch.randint(0, 4, (60,), generator=numbers)


def by_joint(logits, labels, label):
    """I(X; Yhat | Y = y) from the joint table of image and answer, every image of the class equally likely."""
    rows = [
        p.tolist() for p, y in zip(logits.softmax(1), labels.tolist(), strict=True) if y == label
    ]
    n = len(rows)
    total = 0.0
    for row in rows:
        for k, p in enumerate(row):
            joint, of_answer = p / n, sum(other[k] for other in rows) / n
            total += joint * math.log(joint / (of_answer * (1 / n)))
    return total


def test_it_equals_the_sum_over_the_joint_distribution(outputs):
    logits, labels = outputs
    wanted = [by_joint(logits, labels, label) for label in range(4)]
    for found, one in zip(class_sums(logits, labels).cmi_per_class.tolist(), wanted, strict=True):
        assert found == pytest.approx(one, abs=1e-12)
    shares = [(labels == label).double().mean().item() for label in range(4)]
    mean = sum(a * b for a, b in zip(shares, wanted, strict=True))
    assert cmi(logits, labels).item() == pytest.approx(mean, abs=1e-12)
    assert cmi(logits, labels, prior="uniform").item() == pytest.approx(sum(wanted) / 4, abs=1e-12)


def test_entropies_and_the_chain_rule(outputs):
    found = information(*outputs)
    p, labels = outputs[0].softmax(1), outputs[1]

    def entropy(q):
        return -sum(one * math.log(one) for one in q.tolist())

    given_x = sum(entropy(row) for row in p) / len(p)
    means = [p[labels == label].mean(0) for label in range(4)]
    shares = [(labels == label).double().mean().item() for label in range(4)]
    given_y = sum(share * entropy(q) for share, q in zip(shares, means, strict=True))
    assert found.h_yhat_given_x.item() == pytest.approx(given_x, abs=1e-12)
    assert found.h_yhat_given_y.item() == pytest.approx(given_y, abs=1e-12)
    assert found.h_yhat.item() == pytest.approx(entropy(p.mean(0)), abs=1e-12)
    assert found.cmi.item() == pytest.approx(given_y - given_x, abs=1e-12)
    assert found.mi_x.item() == pytest.approx(entropy(p.mean(0)) - given_x, abs=1e-12)
    torch.testing.assert_close(found.mi_x, found.mi_y + found.cmi, atol=1e-12, rtol=0)
    torch.testing.assert_close(found.centroids, torch.stack(means))
    nll = torch.nn.functional.cross_entropy(*outputs)
    torch.testing.assert_close(found.nll, nll)
    assert found.accuracy.item() == pytest.approx((p.argmax(1) == labels).double().mean().item())


def test_bounds():
    same = torch.tensor([[2.0, 1.0, 0.0]]).expand(5, 3)
    assert cmi(same, torch.zeros(5, dtype=torch.int64)).item() == 0
    assert cmi(torch.randn(3, 3), torch.arange(3)).item() == 0
    sure = 1e3 * torch.eye(3)
    zeros = torch.zeros(3, dtype=torch.int64)
    assert cmi(sure, zeros).item() == pytest.approx(math.log(3), abs=1e-12)
    assert cmi(sure[:2], zeros[:2]).item() == pytest.approx(math.log(2), abs=1e-12)


def test_what_it_does_not_depend_on(outputs):
    logits, labels = outputs
    wanted = cmi(logits, labels)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    new = torch.tensor([2, 0, 3, 1])
    for other in (
        (logits + torch.randn(60, 1, dtype=torch.float64), labels),
        (logits[order], labels[order]),
        (logits[:, new.argsort()], new[labels]),
        (logits.repeat(3, 1), labels.repeat(3)),
        (logits.log_softmax(1), labels),
    ):
        torch.testing.assert_close(cmi(*other), wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(cmi(logits, labels, temperature=2.0), cmi(logits / 2, labels))
    assert abs(cmi(logits, labels, temperature=2.0) - wanted) > 0.01


def test_a_class_without_pictures_is_undefined_and_left_out():
    logits, labels = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 3, 3])
    per_class = class_sums(logits, labels).cmi_per_class
    assert per_class.isnan().tolist() == [False, False, True, False]
    for prior in ("empirical", "uniform"):
        mean = cmi(logits, labels, prior=prior)
        torch.testing.assert_close(mean, per_class[[0, 1, 3]].mean())
        assert torch.isfinite(information(logits, labels, prior=prior).ncmi)
    leaf = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cmi(leaf, labels), leaf)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
def test_low_precision_and_extreme_logits_stay_finite(kind):
    logits = torch.tensor([[100.0, -100.0], [-100.0, 100.0], [0.0, 0.0]], dtype=kind)
    found = information(logits, torch.tensor([0, 0, 1]))
    assert found.cmi.dtype == torch.float64
    assert all(torch.isfinite(value).all() for value in vars(found).values())


def test_what_cannot_be_meant_is_refused():
    logits, labels = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(OptionError, match="a temperature is positive, not 0"):
        cmi(logits, labels, temperature=0.0)
    with pytest.raises(OptionError, match=r"no prior 'flat'; .*known: empirical, uniform"):
        cmi(logits, labels, prior="flat")
    with pytest.raises(ShapeError, match=r"labels must be in 0\.\.2, got 0\.\.3"):
        cmi(logits, torch.tensor([0, 3]))
    with pytest.raises(ShapeError, match="no class has an image"):
        cmi(logits[:0], labels[:0])


def test_outputs_that_are_no_numbers_are_not_taken_for_zero(outputs):
    logits, labels = outputs[0].clone(), outputs[1]
    logits[labels.tolist().index(2), 1] = math.nan
    empty = torch.where(labels == 3, 0, labels)
    for given in (labels, empty):
        found = information(logits, given)
        for name in (
            "cmi",
            "ncmi",
            "h_yhat",
            "h_yhat_given_y",
            "h_yhat_given_x",
            "mi_x",
            "mi_y",
            "nll",
        ):
            assert getattr(found, name).isnan(), name
        assert cmi(logits, given).isnan()
        assert cmi(logits, given, prior="uniform").isnan()
        assert found.cmi_per_class.isnan().tolist() == [False, False, True, given is empty]


def test_the_gradient_is_finite_where_an_answer_is_rounded_to_certainty():
    logits = torch.tensor([[2e3, 0.0, 3.0], [1.0, 2.0, -4e3]], dtype=torch.float64).requires_grad_()
    for labels in (torch.tensor([0, 0]), torch.tensor([0, 2])):
        (gradient,) = torch.autograd.grad(cmi(logits, labels), logits)
        assert torch.isfinite(gradient).all()


def test_outputs_that_a_mask_has_ruled_out_count_as_never_given():
    logits, labels = torch.randn(8, 3), torch.arange(8) % 2
    masked = torch.cat([logits, torch.full((8, 1), -math.inf)], 1)
    torch.testing.assert_close(cmi(masked, labels), cmi(logits, labels), atol=1e-12, rtol=0)
