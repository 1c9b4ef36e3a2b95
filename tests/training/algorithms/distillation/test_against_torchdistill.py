"""The losses that torchdistill has too give its values, and the same slopes for the student."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from figureground.training.algorithms.distillation.contrastive import CRDLoss
from figureground.training.algorithms.distillation.logit_losses import KDLoss
from figureground.training.algorithms.distillation.map_losses import (
    AttentionTransferLoss,
    VIDLoss,
)
from figureground.training.algorithms.distillation.relation_losses import (
    PKTLoss,
    RKDLoss,
    SimilarityLoss,
)
from figureground.training.algorithms.distillation.review import hierarchical_context

theirs = pytest.importorskip(
    "torchdistill.losses.mid_level", reason="torchdistill is in the group 'test'"
)
PLACES = ("s", "output", "t", "output")


@pytest.fixture
def drawn():
    numbers = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=numbers)

    return draw


def io(value):
    return {"s": {"output": value}}


def taught(value):
    return {"t": {"output": value}}


def assert_same(ours, reference, student):
    """Values and slopes."""
    student.requires_grad_()
    one, other = ours(student), reference(student)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    slopes = [torch.autograd.grad(value, student)[0] for value in (one, other)]
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-6)


def test_kd_is_their_soft_loss_times_the_squared_temperature(drawn):
    student, teacher = drawn(8, 5), drawn(8, 5)
    other = theirs.KDLoss(*PLACES, temperature=4.0, alpha=None, beta=1.0)
    assert_same(
        lambda s: KDLoss(4.0)(s, teacher), lambda s: 16 * other(io(s), taught(teacher)), student
    )


def test_attention_transfer_is_theirs_as_the_authors_code_has_it(drawn):
    student, teacher = drawn(4, 3, 5, 5), drawn(4, 7, 5, 5)
    pair = {"student": {"path": "s", "io": "output"}, "teacher": {"path": "t", "io": "output"}}
    other = theirs.ATLoss({"only": pair}, mode="code")
    assert_same(
        lambda s: AttentionTransferLoss()([s], [teacher]),
        lambda s: other(io(s), taught(teacher)),
        student,
    )


def test_probabilistic_transfer_is_theirs(drawn):
    student, teacher = drawn(8, 5), drawn(8, 6)
    other = theirs.PKTLoss(*PLACES)
    assert_same(lambda s: PKTLoss()(s, teacher), lambda s: other(io(s), taught(teacher)), student)


def test_relations_are_theirs(drawn):
    student, teacher = drawn(6, 5), drawn(6, 4)
    other = theirs.RKDLoss("s", "t", 25.0, 50.0, "mean")
    assert_same(lambda s: RKDLoss()(s, teacher), lambda s: other(io(s), taught(teacher)), student)


def test_similarity_is_theirs_with_rows_of_length_one_as_the_paper_has_them(drawn, monkeypatch):
    # torchdistill 1.1.5 divides rows by the sum of their magnitudes: normalize(products, 1) means p = 1
    monkeypatch.setattr(theirs, "normalize", lambda rows, dim: F.normalize(rows, dim=dim))
    student, teacher = drawn(6, 3, 4, 4), drawn(6, 5, 2, 2)
    other = theirs.SPKDLoss("s", "t", "batchmean")
    assert_same(
        lambda s: SimilarityLoss()(s, teacher), lambda s: other(io(s), taught(teacher)), student
    )


def test_the_variational_bound_is_theirs(drawn):
    student, teacher = drawn(4, 3, 5, 5), drawn(4, 6, 5, 5)
    ours = VIDLoss([(3, 6)])
    with torch.no_grad():
        ours.scales[0].copy_(drawn(6))
    pair = {"student": {"path": "s", "io": "output"}, "teacher": {"path": "t", "io": "output"}}
    other = theirs.VIDLoss({"only": pair})

    def reference(s):
        variance = F.softplus(ours.scales[0].detach())[:, None, None] + 1e-5
        return other(io((ours.means[0](s), variance)), taught(teacher))

    assert_same(lambda s: ours([s], [teacher]), reference, student)


def test_hierarchical_context_is_theirs(drawn):
    student, teacher = drawn(4, 3, 8, 8), drawn(4, 3, 8, 8)
    other = theirs.HierarchicalContextLoss(*PLACES)
    assert_same(
        lambda s: hierarchical_context(s, teacher),
        lambda s: other(io((s, None)), taught(teacher)),
        student,
    )


def test_contrast_is_theirs_over_the_same_memory_and_negatives(drawn, monkeypatch):
    rows, count, negatives = torch.tensor([0, 3, 5]), 12, 7
    ours = CRDLoss(4, 4, width=4, negatives=negatives)
    ours.remember(torch.arange(count) % 3)
    for side in (ours.student, ours.teacher):
        nn.init.eye_(side.weight)
        nn.init.zeros_(side.bias)
    chosen = torch.randint(count, (3, negatives), generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(ours, "_others", lambda _rows: chosen)
    # all that its constructor draws is replaced, and its drawing of negatives is not used
    monkeypatch.setattr(theirs.CRDLoss, "init_prob_alias", lambda _self, probs: None)
    other = theirs.CRDLoss("s", "e", "t", 4, count, negatives, count)
    other.probs = torch.ones(count)
    other.memory_v1.copy_(ours.memory[0])
    other.memory_v2.copy_(ours.memory[1])
    places = {"pos_idx": rows, "contrast_idx": torch.cat([rows[:, None], chosen], 1)}
    teacher = drawn(3, 4)

    def reference(s):
        told = io(F.normalize(s)) | {"e": {"input": places}}
        return other(told, taught(F.normalize(teacher)))[0]

    first = drawn(3, 4)
    assert_same(lambda s: ours(s, teacher, rows), reference, first)
    torch.testing.assert_close(ours.memory[0], other.memory_v1)
    torch.testing.assert_close(ours.memory[1], other.memory_v2)
    assert_same(
        lambda s: ours(s, teacher, rows), reference, drawn(3, 4)
    )  # Z stays that of the first
