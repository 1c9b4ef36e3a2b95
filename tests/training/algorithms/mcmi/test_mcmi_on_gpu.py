"""On a CUDA device losses, gradients, centroids and sums are those of the CPU."""

import pytest
import torch

from figureground.metrics.information import CMIMeter, class_sums
from figureground.training.algorithms.mcmi import (
    CentroidBank,
    CMICLoss,
    EntropyBonusLoss,
    MCMILoss,
    class_pass,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

LOSSES = {
    "mcmi": lambda bank: MCMILoss(bank, 0.3),
    "cmic": lambda bank: CMICLoss(bank, 0.3, 0.2),
    "entropy": lambda _bank: EntropyBonusLoss(0.3),
}


@pytest.fixture
def outputs():
    numbers = torch.Generator().manual_seed(0)
    return 4 * torch.randn(200, 7, generator=numbers), torch.randint(
        0, 6, (200,), generator=numbers
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_losses_and_gradients_equal_those_of_the_cpu(name, kind, outputs):
    found = []
    for device in ("cpu", "cuda"):
        logits = outputs[0].to(device, kind).requires_grad_()
        labels = outputs[1].to(device)
        bank = CentroidBank(7).to(device)
        bank.refresh(class_sums(logits.detach(), labels))
        loss = LOSSES[name](bank)(logits, labels)
        (gradient,) = torch.autograd.grad(loss, logits)
        found.append((loss.detach().cpu(), gradient.cpu()))
    torch.testing.assert_close(
        found[1], found[0], atol=1e-5, rtol=1e-3 if kind.itemsize == 4 else 1e-2
    )


@pytest.mark.parametrize("mode", ["epoch", "frozen", "ema"])
def test_the_bank_equals_that_of_the_cpu(mode, outputs):
    first, second = (part.split(100) for part in outputs)
    found = []
    for device in ("cpu", "cuda"):
        bank = CentroidBank(7, mode=mode, decay=0.5).to(device)
        batches = [(x.to(device), y.to(device)) for x, y in zip(first, second, strict=True)]
        sums = bank.fit(torch.nn.Identity(), batches)
        bank.update(-batches[0][0], batches[0][1])
        after = class_pass(torch.nn.Identity(), [(-x, y) for x, y in batches])
        drift = bank.drift(after)
        bank.after_epoch(after)
        assert bank.undefined == (6,)
        found.append((bank.centroids.cpu(), drift.cpu(), sums.entropies.cpu()))
    torch.testing.assert_close(found[1], found[0], atol=1e-6, rtol=1e-5, equal_nan=True)


def test_the_meter_equals_that_of_the_cpu_to_the_last_digits_and_takes_in_one_from_there(outputs):
    here, there = CMIMeter(7), CMIMeter(7).to("cuda")
    here.update(*outputs)
    for logits, labels in zip(*(part.split(60) for part in outputs), strict=True):
        there.update(logits.cuda(), labels.cuda())
    for name, value in there.compute().items():
        torch.testing.assert_close(
            value.cpu(), here.compute()[name], atol=1e-11, rtol=0, equal_nan=True
        )
    there.merge(here)
    assert int(there.sums.counts.sum()) == 400


def test_a_step_with_every_class_defined_waits_for_nothing(outputs):
    logits = outputs[0].cuda().requires_grad_()
    labels = outputs[1].cuda()
    bank = CentroidBank(7, mode="ema").cuda()
    bank.refresh(class_sums(logits.detach(), torch.arange(200, device="cuda") % 7))
    loss = MCMILoss(bank, 0.3)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss(logits, labels).backward()
        bank.update(logits.detach(), labels)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert logits.grad is not None
