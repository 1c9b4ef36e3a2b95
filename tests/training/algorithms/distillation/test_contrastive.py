"""The contrastive loss and its memory."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from figureground.base.errors import OptionError, ShapeError
from figureground.training.algorithms.distillation import CRDLoss

LABELS = torch.tensor([2, 0, 1, 0, 2, 1, 0, 0])


@pytest.fixture
def loss() -> CRDLoss:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made = CRDLoss(3, 5, width=4, negatives=6, tau=0.5, momentum=0.75)
        made.remember(LABELS)
    return made


def test_strangers_are_of_other_classes_and_all_of_them_come(loss):
    loss.negatives = 2000
    rows = torch.arange(8)
    drawn = loss._others(rows)
    for row in rows.tolist():
        others = [k for k in range(8) if LABELS[k] != LABELS[row]]
        found, counts = drawn[row].unique(return_counts=True)
        assert found.tolist() == others
        assert counts.min() > 0.7 * 2000 / len(others)


def test_the_loss_equals_its_slow_twin(loss, monkeypatch):
    places = torch.tensor([[1, 0, 2, 4], [5, 0, 1, 3]])
    monkeypatch.setattr(loss, "_others", lambda rows: places[:, 1:])
    loss.negatives = 3
    student, teacher = torch.rand(2, 3), torch.rand(2, 5)
    memory = loss.memory.clone()
    wanted = 0.0
    for side, vectors in ((1, loss.student(student)), (0, loss.teacher(teacher))):
        unit = normalize(vectors).detach()
        raw = [
            [math.exp(float(unit[n] @ memory[side, k]) / 0.5) for k in places[n]] for n in range(2)
        ]
        z = 8 * sum(map(sum, raw)) / 8  # M · mean of the 2 × 4 numbers
        noise = 3 / 8
        for row in raw:
            chances = [value / z for value in row]
            wanted -= math.log(chances[0] / (chances[0] + noise)) / 2
            wanted -= sum(math.log(noise / (chance + noise)) for chance in chances[1:]) / 2
    found = loss(student, teacher, places[:, 0]).detach()
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_the_memory_follows_in_training_alone_and_the_first_batch_sets_the_normaliser(loss):
    before, rows = loss.memory.clone(), torch.tensor([1, 5])
    student, teacher = torch.rand(2, 3), torch.rand(2, 5)
    loss.eval()
    loss(student, teacher, rows)
    assert torch.equal(loss.memory, before)
    first = loss.normaliser.clone()
    assert (first > 0).all()
    loss.train()
    loss(3 * student, teacher, rows)
    assert torch.equal(loss.normaliser, first)
    others = [0, 2, 3, 4, 6, 7]
    assert torch.equal(loss.memory[:, others], before[:, others])
    moved = normalize(0.75 * before[1, rows] + 0.25 * normalize(loss.teacher(teacher)), dim=1)
    torch.testing.assert_close(loss.memory[1, rows], moved.detach())


@pytest.mark.parametrize("negatives", [5, 40])  # fewer and more than the 8 places
def test_slopes_are_those_of_the_formula_written_out(loss, negatives):
    loss.negatives = negatives
    rows = torch.tensor([1, 5])
    others = loss._others(rows)
    loss._others = lambda _rows: others
    loss.normaliser.fill_(3.0)
    memory = loss.memory.clone()
    student, teacher = torch.rand(2, 3, requires_grad=True), torch.rand(2, 5)
    (found,) = torch.autograd.grad(loss(student, teacher, rows), student)
    unit = normalize(loss.student(student))
    chances = (unit @ memory[1].T / 0.5).exp() / 3
    noise = negatives / 8
    right, wrong = chances.gather(1, rows[:, None]), chances.gather(1, others)
    one = (right / (right + noise)).log().sum() + (noise / (wrong + noise)).log().sum()
    (wanted,) = torch.autograd.grad(-one / 2, student)
    torch.testing.assert_close(found, wanted)


def test_a_loss_that_is_read_back_keeps_its_normaliser(loss):
    student, teacher, rows = torch.rand(2, 3), torch.rand(2, 5), torch.tensor([1, 5])
    loss(student, teacher, rows)
    other = CRDLoss(3, 5, width=4, negatives=6, tau=0.5)
    other.remember(LABELS)
    other(3 * student, teacher, rows)
    assert not torch.equal(other.normaliser, loss.normaliser)
    other.load_state_dict(loss.state_dict())
    other(3 * student, teacher, rows)
    assert torch.equal(other.normaliser, loss.normaliser)
    fresh = CRDLoss(3, 5, width=4, negatives=6, tau=0.5)
    fresh.remember(LABELS)
    other.load_state_dict(fresh.state_dict())
    other(student, teacher, rows)
    assert (other.normaliser > 0).all()


def test_gradients_reach_both_embeddings_after_the_memory_has_moved(loss):
    student = torch.rand(2, 3, requires_grad=True)
    loss(student, torch.rand(2, 5), torch.tensor([1, 5])).backward()
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    assert loss.teacher.weight.grad is not None


def test_a_memory_of_one_class_or_none_is_refused():
    loss = CRDLoss(3, 5)
    with pytest.raises(ShapeError, match="call remember"):
        loss(torch.rand(2, 3), torch.rand(2, 5), torch.tensor([0, 1]))
    with pytest.raises(OptionError, match="two classes or more"):
        loss.remember(torch.zeros(4, dtype=torch.int64))
