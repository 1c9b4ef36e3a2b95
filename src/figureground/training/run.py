"""A training run: what the loop and the algorithms share."""

__all__ = ["Run"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from figureground.training.algorithm import Algorithm
from figureground.training.batches import Batches
from figureground.training.history import History
from figureground.training.recipe import Recipe
from figureground.training.schedules import make_optimiser, make_schedule


@dataclass
class Run:
    """State of a run; made by ``Run.start``.

    Args:
        recipe: What decides it.
        fabric: Devices, precision and processes.
        folder: Where it is kept.
        network: The classifier that is trained, unwrapped.
        extras: Heads of algorithms.
        model: The classifier as Fabric wraps it; what the loop calls.
        optimiser: Changes the classifier and the heads.
        schedule: Of its learning rate.
        algorithms: Told of every moment.
        batches: Training batches.
        history: The log.
        average: Exponential moving average of the classifier; None without one.
        epoch: Number of the epoch under way, from 0.
        step_in_epoch: Steps of it that are done.
        step: Steps that are done in all.
        best: Best validation accuracy so far.
    """

    recipe: Recipe
    fabric: Fabric
    folder: Path
    network: nn.Module
    extras: nn.ModuleDict
    model: nn.Module
    optimiser: Optimizer
    schedule: LRScheduler
    algorithms: Sequence[Algorithm]
    batches: Batches
    history: History
    average: AveragedModel | None = None
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best: float = -1.0
    notes: list[str] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        network: nn.Module,
        batches: Batches,
        *,
        fabric: Fabric,
        folder: Path,
        algorithms: Sequence[Algorithm] = (),
    ) -> "Run":
        """A run before its first step: algorithms prepared, optimiser and schedule made, everything on its device.

        Args:
            recipe: What decides it.
            network: The classifier, ``(N, C, H, W)`` in [0, 1] to logits.
            batches: Training batches.
            fabric: Devices, precision and processes; launched.
            folder: Where it is kept.
            algorithms: In the order in which they are told of each moment.

        Returns:
            The run.
        """
        network = fabric.to_device(network)
        extras = nn.ModuleDict(
            {
                f"{i}/{key}".replace(".", "_"): module
                for i, a in enumerate(algorithms)
                for key, module in a.modules().items()
            }
        )
        extras = fabric.to_device(extras)
        parameters = [p for p in (*network.parameters(), *extras.parameters()) if p.requires_grad]
        optimiser = make_optimiser(parameters, recipe.optimiser)
        total = recipe.epochs * len(batches) // recipe.accumulate
        schedule = make_schedule(optimiser, recipe.schedule, total)
        model, wrapped = fabric.setup(network, optimiser)
        for name, module in extras.items():
            extras[name] = fabric.setup_module(module)
        average = None
        if recipe.ema is not None:
            average = AveragedModel(
                network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True
            )
        run = cls(
            recipe, fabric, folder, network, extras, model, wrapped, schedule, algorithms, batches,
            History(folder / "history.csv"), average,
        )  # fmt: skip
        for algorithm in algorithms:
            algorithm.prepare(run)
        return run

    @property
    def trained(self) -> nn.Module:
        """The classifier to validate and keep: the averaged one where there is one."""
        return self.network if self.average is None else self.average.module

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.step / (self.recipe.epochs * len(self.batches))

    @property
    def device(self) -> torch.device:
        """Where training runs."""
        return self.fabric.device

    def losses_of(self, outputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy over labelled pictures, before algorithms change it."""
        smoothing = self.recipe.label_smoothing
        labelled = (labels >= 0).sum().clamp_min(1)  # no branch: it would wait for the device
        loss = nn.functional.cross_entropy(
            outputs, labels, ignore_index=-1, label_smoothing=smoothing, reduction="sum"
        )
        return {"cross_entropy": loss / labelled}
