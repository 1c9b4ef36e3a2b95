"""Heads and losses against probabilities written out by hand."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from figureground.base.errors import HeadError, OptionError, ShapeError
from figureground.training.algorithms.background_splitting import (
    BackgroundSplitHeads,
    BackgroundSplitLoss,
    BinaryLoss,
    ClassBalancedLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    set_prior_bias,
)
from figureground.training.algorithms.background_splitting.class_shares import (
    class_balanced_weights,
    ldam_margins,
    log_priors,
)
from figureground.training.algorithms.background_splitting.heads import copied_linear
from figureground.training.algorithms.background_splitting.losses import MAIN_LOSSES, main_loss

COUNTS = [10, 25, 965]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("level", [0.0, -1.5, 2.0])
def test_one_rare_class_and_a_fixed_logit_are_binary_cross_entropy(level):
    heads: Any = BackgroundSplitHeads(5, 1, 0, background=level).double()
    features, labels = drawn(9, 5), torch.tensor([0, 1, 1, 0, 1, 1, 1, 0, 1])
    loss = BackgroundSplitLoss()(*heads(features), labels).total
    found = torch.autograd.grad(loss, heads.main.weight)[0]
    logit = heads.main(features)[:, 0] - level
    wanted = F.binary_cross_entropy_with_logits(logit, (labels == 0).double())
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, torch.autograd.grad(wanted, heads.main.weight)[0])


def test_a_learned_logit_is_a_row_and_a_fixed_one_is_not():
    assert BackgroundSplitHeads(5, 2, 0).main.out_features == 3
    fixed: Any = BackgroundSplitHeads(5, 2, 0, background=0.0)
    assert fixed.main.out_features == 2
    assert torch.equal(fixed(torch.rand(4, 5))[0][:, 2], torch.zeros(4))


def test_the_auxiliary_head_begins_as_a_copy_of_the_teachers_classifier():
    teacher = nn.Linear(5, 7)
    heads: Any = BackgroundSplitHeads(5, 1, 7, aux_init=teacher)
    assert torch.equal(heads.aux.weight, teacher.weight)
    heads.aux.weight.data.zero_()
    assert teacher.weight.abs().sum() > 0
    without = copied_linear(nn.Linear(5, 7, bias=False), nn.Linear(5, 7))
    assert torch.equal(without.bias, torch.zeros(7))
    with pytest.raises(ShapeError, match=r"\(7, 5\), the auxiliary head \(6, 5\)"):
        BackgroundSplitHeads(5, 1, 6, aux_init=teacher)
    with pytest.raises(OptionError, match="pseudo-classes for an aux_init; got 1 and 0"):
        BackgroundSplitHeads(5, 1, 0, aux_init=teacher)


def test_cosine_logits_do_not_depend_on_lengths():
    heads: Any = BackgroundSplitHeads(5, 2, 0, cosine_scale=8.0)
    features = torch.rand(3, 5)
    first, second = heads(features)[0], heads(7 * features)[0]
    torch.testing.assert_close(first, second)
    assert first.abs().max() <= 8
    wanted = 8 * F.cosine_similarity(features[:, None], heads.main.weight[None], dim=2)
    torch.testing.assert_close(first, wanted)


def test_heads_without_rare_classes_are_refused():
    with pytest.raises(OptionError, match="got 0 and "):
        BackgroundSplitHeads(5, 0, 3)


def test_the_total_is_the_official_loss_on_a_batch_with_unlabelled_rows():
    main, aux = drawn(6, 3), drawn(6, 4, seed=1)
    labels, pseudo = torch.tensor([0, 2, -1, 2, 1, -1]), torch.tensor([3, -1, 0, 1, 1, 2])
    out = BackgroundSplitLoss()(main, aux, labels, pseudo=pseudo)
    rows = [main[n].log_softmax(0)[labels[n]] for n in range(6) if labels[n] != -1]
    others = [aux[n].log_softmax(0)[pseudo[n]] for n in range(6) if pseudo[n] != -1]
    wanted = -sum(rows) / len(rows) - 0.1 * sum(others) / len(others)
    torch.testing.assert_close(out.total, wanted)
    assert (int(out.num_main), int(out.num_aux)) == (4, 5)


@pytest.mark.parametrize(("where", "taken"), [("all", 6), ("background", 2), ("labeled", 4)])
def test_the_auxiliary_loss_takes_the_images_that_it_is_told_to(where, taken):
    labels = torch.tensor([0, 2, -1, 2, 1, -1])
    loss = BackgroundSplitLoss(aux_on=where, aux_weight=1.0)
    aux = drawn(6, 4).requires_grad_()
    out = loss(drawn(6, 3), aux, labels, pseudo=torch.arange(6) % 4)
    assert int(out.num_aux) == taken
    touched = torch.autograd.grad(out.aux, aux)[0].abs().sum(1) > 0
    assert int(touched.sum()) == taken


def test_the_gradient_is_the_sum_of_both_terms_gradients():
    features, labels, pseudo = drawn(8, 5), torch.arange(8) % 3, torch.arange(8) % 4
    trunk = nn.Linear(5, 6).double()
    heads: Any = BackgroundSplitHeads(6, 2, 4).double()
    out = BackgroundSplitLoss(aux_weight=0.3)(*heads(trunk(features)), labels, pseudo=pseudo)
    total, main, aux = (
        torch.autograd.grad(term, trunk.weight, retain_graph=True)[0]
        for term in (out.total, out.main, out.aux)
    )
    torch.testing.assert_close(total, main + 0.3 * aux)


def test_one_pseudo_class_teaches_nothing():
    aux = drawn(4, 1).requires_grad_()
    out = BackgroundSplitLoss()(
        drawn(4, 2), aux, torch.tensor([0, 1, 1, 1]), pseudo=torch.zeros(4).long()
    )
    assert out.aux == 0
    assert torch.equal(torch.autograd.grad(out.total, aux)[0], torch.zeros(4, 1))


@pytest.mark.parametrize("name", MAIN_LOSSES)
def test_a_batch_without_labels_is_finite_and_pulls_at_nothing(name):
    main = drawn(4, 3).requires_grad_()
    loss = main_loss(name, COUNTS)
    found = loss(main, torch.full((4,), -1))
    assert found == 0
    assert torch.equal(torch.autograd.grad(found, main)[0], torch.zeros(4, 3))
    one = loss(main, torch.tensor([-1, 2, -1, -1]))
    torch.testing.assert_close(one, loss(main[1:2], torch.tensor([2])))


@pytest.mark.parametrize(
    "loss",
    [
        ClassBalancedLoss(COUNTS, beta=0.0),
        FocalLoss(0.0),
        LDAMLoss(COUNTS, max_margin=0.0),
        LogitAdjustedLoss([7, 7, 7]),
        LogitAdjustedLoss(COUNTS, tau=0.0),
    ],
)
def test_losses_that_reduce_to_cross_entropy_do(loss):
    main, labels = drawn(9, 3), torch.arange(9) % 3
    torch.testing.assert_close(loss(main, labels), F.cross_entropy(main, labels))


def test_class_balanced_weights_are_those_of_the_formula():
    raw = [(1 - 0.9) / (1 - 0.9**n) for n in (1, 2, 10)]
    wanted = [3 * value / sum(raw) for value in raw]
    torch.testing.assert_close(class_balanced_weights([1, 2, 10], 0.9), torch.tensor(wanted))
    main, labels = drawn(9, 3), torch.arange(9) % 3
    weights = class_balanced_weights(COUNTS).double()
    wanted_loss = F.cross_entropy(main, labels, weight=weights)
    torch.testing.assert_close(ClassBalancedLoss(COUNTS)(main, labels), wanted_loss)
    with pytest.raises(OptionError, match="beta lies in"):
        class_balanced_weights(COUNTS, 1.0)


def test_focal_loss_scales_by_the_power_of_the_missing_probability():
    main, labels = drawn(9, 3), torch.arange(9) % 3
    each = [
        -((1 - p) ** 2) * math.log(p) for p in main.softmax(1)[torch.arange(9), labels].tolist()
    ]
    torch.testing.assert_close(FocalLoss(2.0)(main, labels), torch.tensor(sum(each) / 9).double())


def test_an_image_that_is_certain_has_a_finite_focal_gradient():
    main: Any = torch.tensor([[200.0, 0.0]], requires_grad=True)
    FocalLoss(0.5)(main, torch.tensor([0])).backward()
    assert main.grad.isfinite().all()


def test_ldam_takes_its_margin_from_the_true_logit_and_weighs_late():
    margins = ldam_margins([1, 16, 81])
    torch.testing.assert_close(margins, torch.tensor([0.5, 0.25, 0.5 / 3]))
    loss = LDAMLoss([1, 16, 81], scale=30.0)
    main, labels = drawn(6, 3), torch.arange(6) % 3
    moved = main.clone()
    for n, label in enumerate(labels.tolist()):
        moved[n, label] -= margins[label]
    torch.testing.assert_close(loss(main, labels), F.cross_entropy(30 * moved, labels))
    loss.reweighted = True
    weights = class_balanced_weights([1, 16, 81]).double()
    wanted = F.cross_entropy(30 * moved, labels, weight=weights)
    torch.testing.assert_close(loss(main, labels), wanted)


def test_logit_adjustment_adds_the_logarithms_of_the_shares():
    main, labels = drawn(6, 3), torch.arange(6) % 3
    shift = torch.tensor([n / 1000 for n in COUNTS], dtype=torch.float64).log()
    wanted = F.cross_entropy(main + shift, labels)
    torch.testing.assert_close(
        LogitAdjustedLoss(COUNTS)(main, labels), wanted, atol=1e-6, rtol=1e-6
    )
    assert log_priors([0, 1]).isfinite().all()


def test_the_binary_loss_begins_at_the_shares():
    layer = nn.Linear(2, 3)
    nn.init.zeros_(layer.weight)
    set_prior_bias(layer, COUNTS)
    torch.testing.assert_close(layer.bias.sigmoid(), torch.tensor([0.01, 0.025, 0.965]))
    label = torch.tensor([2])
    wanted = -math.log(0.965) - math.log(0.99) - math.log(0.975)
    assert BinaryLoss()(layer(torch.zeros(1, 2)), label).item() == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(HeadError, match="4 classes"):
        set_prior_bias(layer, [1, 1, 1, 1])


def test_soft_targets_that_are_one_hot_are_hard_ones():
    aux, labels, pseudo = drawn(5, 4), torch.zeros(5).long(), torch.tensor([0, 3, 2, -1, 1])
    soft = F.one_hot(pseudo.clamp_min(0), 4).float() * (pseudo >= 0)[:, None]
    loss = BackgroundSplitLoss()
    hard_out = loss(drawn(5, 2), aux, labels, pseudo=pseudo)
    soft_out = loss(drawn(5, 2), aux, labels, pseudo=soft)
    torch.testing.assert_close(hard_out.aux, soft_out.aux)
    assert int(soft_out.num_aux) == 4


def test_splitting_a_class_never_lowers_the_fisher_information():
    """Of the feature, in a model whose outputs are a softmax of a linear map: enumerated over the outcomes."""
    for seed in range(20):
        for parts in (1, 4):
            head = drawn(2 + parts, 5, seed=seed)
            feature = drawn(5, seed=seed + 99)
            fine = (head @ feature).softmax(0)
            merged = torch.cat([fine[:2], fine[2:].sum(0, keepdim=True)])
            slopes = head - fine @ head  # gradients of the log probabilities of the fine classes
            coarse = torch.cat([slopes[:2], (fine[2:] @ slopes[2:] / fine[2:].sum())[None]])
            difference = slopes.T @ (fine[:, None] * slopes) - coarse.T @ (merged[:, None] * coarse)
            lowest, *_, highest = torch.linalg.eigvalsh(difference).tolist()
            assert lowest > -1e-9
            assert (highest < 1e-9) == (parts == 1)


def test_unknown_names_and_absent_counts_are_refused():
    with pytest.raises(OptionError, match="closest: 'focal'"):
        main_loss("fokal")
    with pytest.raises(OptionError, match="needs class_counts"):
        BackgroundSplitLoss("ldam")
    with pytest.raises(OptionError, match="set of images"):
        BackgroundSplitLoss(aux_on="some")
    with pytest.raises(OptionError, match="negative"):
        BackgroundSplitLoss(aux_weight=-1.0)
    with pytest.raises(ShapeError, match="need pseudo-labels"):
        BackgroundSplitLoss()(drawn(2, 2), drawn(2, 3), torch.zeros(2).long())
    with pytest.raises(OptionError, match="class counts are from 0"):
        log_priors([])
