"""The loop, all of it, in plain sight."""

__all__ = ["Validation", "fit", "validate"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.training.checkpoint import save_checkpoint, save_weights
from figureground.training.run import Run

Watch = Callable[[Run, dict[str, float]], None]


@dataclass(frozen=True)
class Validation:
    """Pictures that choose between checkpoints; never a test set.

    Args:
        images: ``(M, C, H, W)`` uint8, on the device.
        labels: ``(M,)`` int64.
        num_classes: Logits beyond these (a background class) are dropped before choosing.
    """

    images: Tensor
    labels: Tensor
    num_classes: int


def fit(run: Run, validation: Validation | None = None, watch: Watch | None = None) -> None:
    """Train from where the run stands to its last epoch.

    Leaves ``last.safetensors``, ``best.safetensors`` (by validation accuracy), ``resume.pt`` and
    ``history.csv`` in the run's folder.

    Args:
        run: The run.
        validation: Measured after every epoch.
        watch: Told of the losses after every step.
    """
    for epoch in range(run.epoch, run.recipe.epochs):
        run.model.train()
        for original in run.batches.epoch(epoch, run.step_in_epoch):
            batch = original
            for algorithm in run.algorithms:
                batch = algorithm.change_batch(batch, run)
            run.step_in_epoch += 1
            is_last = run.step_in_epoch % run.recipe.accumulate == 0
            with run.fabric.no_backward_sync(run.model, enabled=not is_last):
                outputs = run.model(batch.images)
                losses = run.losses_of(outputs, batch.labels)
                for algorithm in run.algorithms:
                    losses = algorithm.change_losses(losses, outputs, batch, run)
                run.fabric.backward(
                    torch.stack(list(losses.values())).sum() / run.recipe.accumulate
                )
            if is_last:
                _change_parameters(run)
            run.step += 1
            for algorithm in run.algorithms:
                algorithm.after_step(run)
            _after_step(run, losses, watch)
        run.epoch, run.step_in_epoch = epoch + 1, 0
        for algorithm in run.algorithms:
            algorithm.after_epoch(run)
        _after_epoch(run, validation)


@torch.inference_mode()
def validate(
    model: nn.Module, validation: Validation, *, batch_size: int = 512
) -> dict[str, float]:
    """Accuracy and loss over the known classes.

    Args:
        model: Images in [0, 1] to logits.
        validation: What on.
        batch_size: Pictures at a time.

    Returns:
        ``accuracy`` (0 to 1) and ``loss`` (nats).
    """
    training = model.training
    model.eval()
    parts = zip(
        validation.images.split(batch_size), validation.labels.split(batch_size), strict=True
    )
    correct, loss = 0.0, 0.0
    for images, labels in parts:
        logits = model(images.float().div(255))[:, : validation.num_classes].float()
        correct += float((logits.argmax(1) == labels).sum())
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
    model.train(training)
    return {"accuracy": correct / len(validation.labels), "loss": loss / len(validation.labels)}


def _change_parameters(run: Run) -> None:
    run.optimiser.step()
    run.optimiser.zero_grad()
    run.schedule.step()
    if run.average is not None:
        run.average.update_parameters(run.network)


def _after_step(run: Run, losses: dict[str, Tensor], watch: Watch | None) -> None:
    every = run.recipe.checkpoint_every
    values: dict[str, float] = {}
    if watch is not None or run.step % _LOG_EVERY == 0:
        values = {name: float(loss.detach()) for name, loss in losses.items()}
    if run.step % _LOG_EVERY == 0 and run.fabric.is_global_zero:
        rate = {"learning_rate": run.optimiser.param_groups[0]["lr"]}
        run.history.add(run.step, run.epoch, split="train", values=values | rate)
    if watch is not None:
        watch(run, values)
    if every and run.step % every == 0:
        save_checkpoint(run)


def _after_epoch(run: Run, validation: Validation | None) -> None:
    if run.fabric.is_global_zero:
        if validation is not None:
            found = validate(run.trained, validation)
            run.history.add(run.step, run.epoch, split="val", values=found)
            if found["accuracy"] > run.best:
                run.best = found["accuracy"]
                save_weights(run.trained, run.folder / "best.safetensors")
        save_weights(run.trained, run.folder / "last.safetensors")
    save_checkpoint(run)


_LOG_EVERY = 20
