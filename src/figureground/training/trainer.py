"""The training loop, all of it in one function."""

__all__ = ["Validation", "fit", "outputs_of", "validate"]

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from figureground.base.errors import DataError, OptionError
from figureground.base.progress import Progress, no_progress
from figureground.data.streamed import StreamedImages
from figureground.metrics.classification.ranking import mean_average_precision
from figureground.training.batch import Batch
from figureground.training.batches import identity_of
from figureground.training.checkpoint import (
    save_best,
    save_checkpoint,
    save_weights,
    weights_of,
)
from figureground.training.run import Run
from figureground.training.streams import forked_rng, seed_rng


@dataclass(frozen=True)
class Validation:
    """Images that choose between checkpoints; never a test set.

    Args:
        images: ``(M, C, H, W)`` uint8, or streamed; of these one that cannot be decoded takes no part.
        labels: ``(M,)`` int64.
        num_classes: Logits beyond these (a background class) are dropped before choosing.
        rare: How many of the classes, the first ones, are rare ones in a sea of background, which is then a class like
            others and chosen by mean average precision; 0 for ordinary classes.
    """

    images: Tensor | StreamedImages
    labels: Tensor
    num_classes: int
    rare: int = 0

    def identity(self) -> str:
        """Stands for images and labels."""
        return identity_of(self.images, self.labels)

    def without_damaged(self) -> "Validation":
        """Without the images that could not be decoded so far."""
        if isinstance(self.images, Tensor) or not self.images.damaged:
            return self
        damaged = self.images.damaged
        rows = torch.tensor([row for row in range(len(self.labels)) if row not in damaged])
        return replace(self, images=self.images.subset(rows), labels=self.labels[rows])


def fit(run: Run, validation: Validation | None = None, progress: Progress = no_progress) -> None:
    """Train from where the run stands to its last epoch.

    Leaves ``last.safetensors``, ``best.safetensors`` (by validation accuracy; rare classes, by their mean average
    precision), ``step-N.safetensors`` for the steps
    that the recipe names, ``resume.pt`` and ``history.csv`` in the run's folder. Torch's global
    RNG is restored afterwards.

    Args:
        run: The run.
        validation: Measured after every epoch.
        progress: Called after every batch, in the first process only, with the epoch and the loss and accuracy logged
            last, the images seen so far, and the images of the whole run.

    Raises:
        OptionError: A loss or a weight is not finite: training has diverged. What was saved before stays.
        DataError: The folder cannot be written to.
    """
    with forked_rng(run.device):
        for epoch in range(run.epoch, run.recipe.epochs):
            run.train_mode()
            run.clock = time.perf_counter()
            for original in run.batches.epoch(epoch, run.step_in_epoch):
                # dropout draws from torch's global RNG, which must depend on the position in the run alone
                seed_rng(run.device, run.recipe.seed, "step", run.step, run.fabric.global_rank)
                batch = _changed(run, original)
                is_last = (run.step_in_epoch + 1) % run.recipe.accumulate == 0
                with run.fabric.no_backward_sync(run.model, enabled=not is_last):
                    outputs = run.model(batch.images)
                    losses = run.losses_of(outputs, batch.labels, batch.shares)
                    for algorithm in run.algorithms:
                        losses = algorithm.change_losses(losses, outputs, batch, run)
                    run.losses.see(losses, run.step + 1)
                    total = torch.stack(list(losses.values())).sum()
                    if total.requires_grad:  # or an algorithm sets the weights by itself
                        run.fabric.backward(total / run.recipe.accumulate)
                if is_last:
                    _change_parameters(run)
                run.step_in_epoch, run.step = run.step_in_epoch + 1, run.step + 1
                for algorithm in run.algorithms:
                    algorithm.after_step(run)
                _after_step(run, losses, predicted=(outputs, batch), progress=progress)
            run.epoch, run.step_in_epoch = epoch + 1, 0
            for algorithm in run.algorithms:
                algorithm.after_epoch(run)
            _after_epoch(run, validation)


@torch.inference_mode()
def validate(
    model: nn.Module, validation: Validation, *, batch_size: int | None = None
) -> dict[str, float]:
    """Accuracy and loss over the known classes.

    Args:
        model: Images in [0, 1] to logits; left in the mode in which it came.
        validation: What on.
        batch_size: Images at a time; 512 of up to 64 pixels a side where omitted, fewer of larger ones.

    Returns:
        ``accuracy`` (0 to 1) and ``loss`` (nats); with rare classes, where there are images of them, ``mean_ap`` by
        their probabilities, which decides, and ``mean_ap_logit``.

    Raises:
        DataError: No image can be decoded.
    """
    hits, losses, scored, known = [], [], [], []
    for logits, labels in outputs_of(model, validation, batch_size=batch_size):
        hits.append((logits.argmax(1) == labels).sum())
        losses.append(F.cross_entropy(logits, labels, reduction="sum"))
        scored.append(logits if validation.rare else logits[:0])
        known.append(labels)
    count = sum(len(some) for some in known)
    if not count:
        raise DataError(f"none of the {len(validation.labels)} validation images can be decoded")
    return {
        "accuracy": float(torch.stack(hits).sum()) / count,
        "loss": float(torch.stack(losses).sum()) / count,
    } | _mean_ap(scored, torch.cat(known), validation)


def outputs_of(
    model: nn.Module, validation: Validation, *, batch_size: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """The outputs that count, batch by batch.

    Args:
        model: Images in [0, 1] to logits; left in the mode in which it came, when all are read.
        validation: What on.
        batch_size: Images at a time; 512 of up to 64 pixels a side where omitted, fewer of larger ones.

    Yields:
        Logits, ``(N, known classes)``, or of all where there are rare ones; and labels, where the model is.
    """
    device = next((p.device for p in model.parameters()), validation.images.device)
    outputs, training = None if validation.rare else validation.num_classes, model.training
    model.eval()
    for rows in torch.split(
        torch.arange(len(validation.labels)), batch_size or _at_once(validation.images)
    ):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        images, labels = validation.images[part].to(device), validation.labels[part].to(device)
        if isinstance(validation.images, StreamedImages) and validation.images.damaged:
            good = torch.tensor([int(row) not in validation.images.damaged for row in rows])
            if not good.any():
                continue
            images, labels = images[good.to(device)], labels[good.to(device)]
        with torch.no_grad():
            logits = model(images.float().div_(255))[:, :outputs].float()
        yield logits, labels
    model.train(training)


def _at_once(images: Tensor | StreamedImages) -> int:
    """So many that the maps of a usual network do not fill the memory."""
    return max(16, min(512, 512 * 64 * 64 // (images.shape[2] * images.shape[3])))


def _mean_ap(scored: list[Tensor], known: Tensor, validation: Validation) -> dict[str, float]:
    """Of the rare classes, by probability and by logit; nothing without images of them, or where a logit is NaN."""
    if not validation.rare:
        return {}
    logits, labels = torch.cat(scored).cpu(), known.cpu()
    if logits.isnan().any() or not (labels < validation.rare).any():
        return {}
    scores = {"mean_ap": "softmax", "mean_ap_logit": "logit"}
    return {
        name: float(mean_average_precision(logits, labels, classes=validation.rare, score=score))
        for name, score in scores.items()
    }


def _changed(run: Run, batch: Batch) -> Batch:
    """The batch as the network will see it."""
    for algorithm in run.algorithms:
        batch = algorithm.change_batch(batch, run)
    if run.mixing is not None:
        batch = run.mixing(batch)
    for algorithm in run.algorithms:
        algorithm.before_pass(batch, run)
    return batch


def _change_parameters(run: Run) -> None:
    if run.recipe.optimiser.clip is not None:
        clip_grad_norm_(
            [p for group in run.optimiser.param_groups for p in group["params"]],
            run.recipe.optimiser.clip,
        )
    run.optimiser.step()
    run.optimiser.zero_grad()
    run.schedule.step()
    if run.average is not None:
        run.average.update_parameters(run.network)


def _after_step(
    run: Run,
    losses: dict[str, Tensor],
    *,
    predicted: tuple[Tensor, Batch],
    progress: Progress,
) -> None:
    if run.step % _LOG_EVERY == 0:
        run.check_finite(weights=False)
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        accuracy = _accuracy(*predicted)
        run.logged = f" · loss {sum(values.values()):.3f} · accuracy {100 * accuracy:.1f} %"
        rate = run.optimiser.param_groups[0]["lr"]
        values |= {"accuracy": accuracy, "learning_rate": rate}
        if run.fabric.is_global_zero:
            run.history.add(run.step, run.epoch, split="train", values=values)
    now = time.perf_counter()
    run.seconds, run.clock = run.seconds + now - run.clock, now
    if run.fabric.is_global_zero:
        epochs, size = run.recipe.epochs, run.batches.size
        stage = f"epoch {run.epoch + 1}/{epochs}{run.logged}"
        progress(stage, run.step * size, epochs * len(run.batches) * size)
    every = run.recipe.checkpoint_every
    if run.step in run.recipe.keep_steps:
        run.check_finite()
        name = f"step-{run.step}.safetensors"
        if run.fabric.is_global_zero:
            run.kept[name] = save_weights(run.trained, run.folder / name)
        run.clock = time.perf_counter()
    if every and run.step % every == 0:
        save_checkpoint(run)
        run.clock = time.perf_counter()


def _accuracy(outputs: Tensor, batch: Batch) -> float:
    """Share of the batch's labelled images that are right; 0 without any."""
    labelled = batch.labels >= 0
    right = (outputs.argmax(1) == batch.labels) & labelled
    return float(right.sum() / labelled.sum().clamp_min(1))


def _after_epoch(run: Run, validation: Validation | None) -> None:
    run.check_finite()
    if run.fabric.is_global_zero and validation is not None:
        found = validate(run.trained, validation)
        if not math.isfinite(found.get("loss", 0.0)):
            raise OptionError(
                f"the validation loss is {found['loss']} after step {run.step}: training has diverged; "
                f"try a smaller optimiser.lr than {run.recipe.optimiser.lr:g}"
            )
        run.history.add(run.step, run.epoch, split="val", values=found)
        chosen_by = found.get("mean_ap", found["accuracy"])
        if chosen_by > run.best:
            run.best, run.best_weights = chosen_by, weights_of(run.trained)
    save_checkpoint(run)  # which holds all that follows, so that a kill here loses nothing
    if run.fabric.is_global_zero:
        save_best(run)
        save_weights(run.trained, run.folder / "last.safetensors")


_LOG_EVERY = 20
