"""On a CUDA device every loss is that of the CPU, and a step waits for nothing."""

import copy

import pytest
import torch
from torch import nn

from figureground.training.algorithms.distillation import (
    DISTILLATION_LOSSES,
    CRDLoss,
    DistillationLoss,
)
from figureground.training.algorithms.distillation.loss import Shapes

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SIZES = ((3, 8, 6), (5, 4, 3))
LABELS = torch.arange(40) % 5


def made(kind: type[DistillationLoss]) -> tuple[DistillationLoss, tuple]:
    """A loss and its arguments, on the CPU."""
    numbers = torch.Generator().manual_seed(0)
    options = {"crd": {"negatives": 24, "width": 8}, "cc": {"width": 8}}.get(kind.name, {})
    one, other = ([torch.rand(6, *size, generator=numbers) for size in SIZES] for _ in range(2))
    if kind.looks_at.endswith("logits"):
        logits = torch.randn(2, 6, 5, generator=numbers)
        labels = (LABELS[:6],) if kind.looks_at == "labelled logits" else ()
        return kind(), (*logits, *labels)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        loss = kind.fitted(Shapes(SIZES, SIZES), options)
        if isinstance(loss, CRDLoss):
            loss.remember(LABELS)
    if kind.looks_at == "maps":
        return loss, (one, other)
    rows = (torch.tensor([0, 7, 14, 21, 28, 35]),) if kind.looks_at == "indices" else ()
    return loss, (one[-1], other[-1], *rows)


def on_the_device(arguments):
    return tuple(
        [one.cuda() for one in part] if isinstance(part, list) else part.cuda()
        for part in arguments
    )


@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_value_equals_that_of_the_cpu(name, monkeypatch):
    torch.backends.cudnn.allow_tf32 = False
    here, arguments = made(DISTILLATION_LOSSES[name])
    if isinstance(here, CRDLoss):
        drawn = here._others(arguments[2])
        monkeypatch.setattr(CRDLoss, "_others", lambda _self, rows: drawn.to(rows.device))
    there = copy.deepcopy(here).cuda()
    found, wanted = there(*on_the_device(arguments)), here(*arguments)
    assert torch.isfinite(found)
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", DISTILLATION_LOSSES)
def test_a_step_waits_for_nothing(name):
    loss, arguments = made(DISTILLATION_LOSSES[name])
    given = on_the_device(arguments)
    student = given[0] if isinstance(given[0], list) else [given[0]]
    for one in student:
        one.requires_grad_()
    nn.Module.cuda(loss)
    loss(*given).backward()  # the first step may look
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss(*given).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(one.grad).all() for one in student)
