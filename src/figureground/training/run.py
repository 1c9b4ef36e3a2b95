"""A training run: what the loop and the algorithms share."""

__all__ = ["Run", "launched"]

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.wrappers import _FabricModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from figureground.base.code import code_identity
from figureground.base.errors import OptionError
from figureground.base.identity import digest
from figureground.training.batches import Batches
from figureground.training.divergence import LossWatch
from figureground.training.fine_tuning import Frozen, parameter_groups
from figureground.training.history import History
from figureground.training.mixing import Mixing
from figureground.training.recipe import Recipe
from figureground.training.schedules import make_optimiser, make_schedule


@dataclass
class Run:
    """State of a run; made by ``Run.start``.

    Args:
        recipe: What decides it.
        fabric: Devices, precision and processes.
        folder: Where it is stored.
        network: The classifier that is trained, unwrapped.
        extras: Heads of algorithms, unwrapped.
        model: The classifier as Fabric wraps it; what the loop calls.
        heads: Heads as Fabric wraps them; what algorithms call.
        optimiser: Changes the classifier and the heads.
        schedule: Of its learning rate.
        algorithms: Each an ``Algorithm``, whose hooks are called in this order.
        batches: Training batches.
        history: The log.
        average: Exponential moving average of the classifier; None without one.
        frozen: Parts of the network that stay as they are.
        mixing: Mixes the images of a batch; None where nothing does.
        epoch: Number of the epoch under way, from 0.
        step_in_epoch: Batches of it that are done.
        step: Batches that are done in all.
        best: Best validation accuracy so far.
        best_weights: The file ``best.safetensors``, bytes; empty before the first validation, and in all processes but
            the first.
        kept: Name of the weights of a step that are kept -> checksum of the file.
        identity: What decides the run beside its recipe -> digest: images, what algorithms load, code.
        losses: Knows whether a loss was not finite.
        seconds: Spent in training steps, validation and saving left out.
        logged: Loss and accuracy of the step that was logged last, as progress shows them.
    """

    recipe: Recipe
    fabric: Fabric
    folder: Path
    network: nn.Module
    extras: nn.ModuleDict
    model: _FabricModule
    heads: dict[str, nn.Module]
    optimiser: Optimizer
    schedule: LRScheduler
    algorithms: Sequence[Any]  # of Algorithm, which knows Run: naming it here would close a circle
    batches: Batches
    history: History
    average: AveragedModel | None = None
    frozen: Frozen | None = None
    mixing: Mixing | None = None
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best: float = -1.0
    best_weights: bytes = field(default=b"", repr=False)
    kept: dict[str, int] = field(default_factory=dict)
    identity: dict[str, str] = field(default_factory=dict)
    losses: LossWatch = field(default_factory=LossWatch, repr=False)
    seconds: float = 0.0
    logged: str = ""
    clock: float = field(default=0.0, repr=False)

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        network: nn.Module,
        batches: Batches,
        *,
        fabric: Fabric,
        folder: Path,
        algorithms: Sequence[Any] = (),
    ) -> "Run":
        """A run before its first step: everything made and on its device, algorithms prepared.

        Args:
            recipe: What decides it.
            network: The classifier, ``(N, C, H, W)`` in [0, 1] to logits.
            batches: Training batches.
            fabric: Devices, precision and processes; launched.
            folder: Where it is stored.
            algorithms: Each an ``Algorithm``, in the order in which their hooks are called.

        Returns:
            The run.

        Raises:
            OptionError: No weight can be trained, and no algorithm sets weights by itself; or it does so in several
                processes.
        """
        layout = torch.channels_last if recipe.channels_last else torch.preserve_format
        network = fabric.to_device(network.to(memory_format=layout))
        extras = nn.ModuleDict(
            {name: head for one in algorithms for name, head in one.modules(network).items()}
        )
        fabric.to_device(extras)
        frozen = Frozen(network, recipe.model.frozen)
        groups = parameter_groups(network, extras.values(), recipe.optimiser)
        if not any(group["params"] for group in groups):
            _check_untrained(algorithms, fabric)
        optimiser = make_optimiser(groups, recipe.optimiser)
        steps = recipe.epochs * len(batches) // recipe.accumulate
        schedule = make_schedule(optimiser, recipe.schedule, steps)
        average = None
        if recipe.ema is not None:
            blend = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
            average = AveragedModel(network, multi_avg_fn=blend, use_buffers=True)
        if recipe.compile:
            network.compile()
        model, wrapped = fabric.setup(network, optimiser)
        run = cls(
            recipe, fabric, folder, network, extras, model, _wrapped(extras, fabric), wrapped, schedule, algorithms,
            batches, History(folder / "history.csv"), average, frozen,
        )  # fmt: skip
        for algorithm in algorithms:
            algorithm.prepare(run)
        run.identity = {
            "training images": batches.identity(),
            "code of the model": digest(code_identity(network)),
            "what the algorithms load": digest([one.identity() for one in algorithms]),
        }
        return run

    @property
    def trained(self) -> nn.Module:
        """The classifier to validate and save: the averaged one where there is one."""
        return self.network if self.average is None else self.average.module

    def train_mode(self) -> None:
        """The network learns, but for what is frozen."""
        self.model.train()
        if self.frozen is not None:
            self.frozen.hold()

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.step / (self.recipe.epochs * len(self.batches))

    @property
    def device(self) -> torch.device:
        """Where training runs."""
        return self.fabric.device

    def check_finite(self, *, weights: bool = True) -> None:
        """Stop a run that has diverged, before it overwrites what is good; waits for the device.

        Args:
            weights: Whether to look at the weights, too.

        Raises:
            OptionError: A loss or a weight is not finite.
        """
        modules = [self.network, self.extras, *([] if self.average is None else [self.average])]
        rate = self.recipe.optimiser.lr
        advice = f"a smaller optimiser.lr than {rate:g}, or a longer schedule.warm_up"
        self.losses.check(advice=advice, modules=modules if weights else ())

    def losses_of(
        self, outputs: Tensor, labels: Tensor, shares: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy over labelled images, before algorithms change it.

        Args:
            outputs: Logits ``(N, L)``.
            labels: ``(N,)``; -1 is left out.
            shares: ``(N, L)``, of the labels in mixed images, instead of ``labels``.

        Returns:
            One named term, the mean over the labelled images; 0 without any.
        """
        if shares is not None:
            each = nn.functional.cross_entropy(
                outputs, shares, label_smoothing=self.recipe.label_smoothing, reduction="none"
            )
            known = shares.sum(1)  # less than 1 where one of two images has no label
            return {"cross_entropy": (each * (known > 0)).sum() / known.sum().clamp_min(1)}
        labelled = (labels >= 0).sum().clamp_min(1)  # no branch: it would wait for the device
        loss = nn.functional.cross_entropy(
            outputs,
            labels,
            ignore_index=-1,
            label_smoothing=self.recipe.label_smoothing,
            reduction="sum",
        )
        return {"cross_entropy": loss / labelled}


def launched(*, precision: str, accelerator: str = "auto") -> Fabric:
    """Devices and processes: one device, or what ``fabric run`` or ``torchrun`` started this process for.

    Args:
        precision: As in a recipe.
        accelerator: ``auto``, ``cpu``, ``cuda``, ``mps``; ``fabric run`` decides for itself.

    Returns:
        The launched engine.
    """
    settings: dict[str, Any] = {"precision": precision}
    if "LT_CLI_USED" not in os.environ:
        started = int(os.environ.get("LOCAL_WORLD_SIZE", "0"))
        kind = "ddp" if started else "auto"
        machines = int(os.environ.get("WORLD_SIZE", "1")) // started if started else 1
        settings |= {"accelerator": accelerator, "devices": started or 1, "strategy": kind}
        settings["num_nodes"] = machines
    with _quiet():
        fabric = Fabric(**settings)
        fabric.launch()
    return fabric


@contextmanager
def _quiet() -> Iterator[None]:
    """Fabric logs its precision; nothing below the command line prints."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("fabric", "pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _check_untrained(algorithms: Sequence[Any], fabric: Fabric) -> None:
    """Refuse a run in which nothing would change."""
    alone = [one.name for one in algorithms if not one.needs_gradients]
    if not alone:
        raise OptionError("no weight of this network requires a gradient: nothing would be trained")
    if fabric.world_size > 1:
        raise OptionError(f"{alone[0]} trains nothing by gradients, and runs in one process")


def _wrapped(extras: nn.ModuleDict, fabric: Fabric) -> dict[str, nn.Module]:
    """Each head as the engine runs it; one without trainable weights stays as it is."""
    return {
        name: fabric.setup_module(head) if any(p.requires_grad for p in head.parameters()) else head
        for name, head in extras.items()
    }
