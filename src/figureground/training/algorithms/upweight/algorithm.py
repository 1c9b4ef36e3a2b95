"""Some training images come more often: just train twice, balanced groups, and group DRO."""

__all__ = ["Upweight", "UpweightOptions"]

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.identity import tensor_identity
from figureground.base.paper import Paper
from figureground.capture.untouched import borrowed
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.upweight.weighing import group_dro_step
from figureground.training.batch import Batch
from figureground.training.groups import balanced_weights, groups_of
from figureground.training.recipe import RecipePart
from figureground.training.run import Run
from figureground.training.streams import stream

_AT_ONCE = 512


class UpweightOptions(RecipePart):
    """What a recipe may say.

    ``jtt``: after the share ``first`` of the run, the training images that are wrong are found once, the network begins
    anew, and they come ``factor`` times as often. ``groups``: every group of class and context comes as often.
    ``group-dro``: so do they, and groups with a high loss count more and more, with step size ``eta`` and group
    ``adjustment`` C.
    """

    kind: Literal["jtt", "groups", "group-dro"] = "jtt"
    first: float = Field(default=0.1, gt=0, lt=1)
    factor: float = Field(default=10.0, gt=1)
    eta: float = Field(default=0.01, gt=0)
    adjustment: float = Field(default=0.0, ge=0)


class Upweight(Algorithm):
    """Some training images come more often: those that a first network errs on, or those of small groups.

    Batches are drawn anew, with replacement, each image with its own probability. It must be the first of the
    algorithms, since it exchanges the batch.

    Args:
        options: See ``UpweightOptions``.
        num_classes: Of the data.
    """

    name = "upweight"
    paper = Paper(
        "Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang, Finn",
        "Just train twice: improving group robustness without training group information",
        2021,
        "ICML, arXiv 2107.09044",
    )
    Options = UpweightOptions
    looks_inside = False

    def __init__(self, options: UpweightOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self._begin: list[dict[str, Tensor]] = []
        self._wrong: Tensor | None = None
        self._groups: Tensor | None = None

    def prepare(self, run: Run) -> None:
        """Keep the initial weights, or find the groups.

        Args:
            run: The run.

        Raises:
            OptionError: It is not the first algorithm, or groups are asked for and the data tell no contexts.
        """
        if run.algorithms[0] is not self:
            raise OptionError(
                "upweight draws its own batches and must be the first of the algorithms"
            )
        self._labelled = run.batches.labels.cpu() >= 0
        if self.chosen.kind == "jtt":
            # a resumed run comes here with its initial weights, too
            self._begin = [_copied(module.state_dict()) for module in (run.network, run.extras)]
            return
        self._groups = groups_of(run.batches)
        self._counts = torch.bincount(self._groups[self._labelled])
        self._shares = torch.full((len(self._counts),), 1 / len(self._counts))

    def identity(self) -> str:
        """Stands for the groups."""
        return "" if self._groups is None else tensor_identity(self._groups)

    def description(self) -> dict[str, Any]:
        """How many images were wrong, or how large the groups are and what share of the loss they have."""
        if self._groups is not None:
            order = self._counts.argsort(stable=True)
            return {
                "group_counts": self._counts[order].tolist(),
                "group_shares": self._shares[order].tolist(),
            }
        if self._wrong is None:
            return {}
        wrong, labelled = int(self._wrong.sum()), int(self._labelled.sum())
        told: dict[str, Any] = {"wrong": wrong, "labelled": labelled}
        if wrong > labelled / 2:
            warning = (
                f"upweight: the first network is wrong on {wrong} of {labelled} training images"
            )
            told["warnings"] = [f"{warning}, which are no minority: train it longer (first)"]
        return told

    def state(self) -> dict[str, Any]:
        """Which images were wrong, and the groups' shares."""
        shares = None if self._groups is None else self._shares
        return {"wrong": self._wrong, "shares": shares}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on with them.

        Args:
            state: What ``state`` gave.
        """
        self._wrong = state["wrong"]
        if state["shares"] is not None:
            self._shares = state["shares"]

    def chances(self) -> Tensor | None:
        """How often each training image comes.

        Returns:
            ``(M,)`` float64 of sum 1; None while all come alike.
        """
        if self._groups is None and self._wrong is None:
            return None
        found = torch.zeros(len(self._labelled), dtype=torch.float64)
        if self._groups is not None:
            found[self._labelled] = balanced_weights(self._groups[self._labelled])
        elif self._wrong is not None:
            found[self._labelled] = 1.0
            found[self._wrong] = self.chosen.factor
        return found / found.sum()

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """A batch of images that were drawn by their chances instead.

        Args:
            batch: As it comes from the data.
            run: The run.

        Returns:
            As many images.
        """
        chances = self.chances()
        if chances is None:
            return batch
        count = len(batch) * run.fabric.world_size
        draws = stream(run.recipe.seed, "upweight", run.step)
        drawn = torch.multinomial(chances, count, replacement=True, generator=draws)
        rows = drawn[run.batches.share(count)].to(run.batches.labels.device)
        return run.batches.make(rows, drawn=("upweight", run.step))

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: PLR0917
        """The mean losses of groups, each times its share, instead of the plain cross-entropy; of group DRO alone.

        Args:
            losses: Named terms so far.
            outputs: Logits.
            batch: The images.
            run: The run.

        Returns:
            The terms.

        Raises:
            OptionError: Another algorithm has replaced the cross-entropy.
        """
        if self.chosen.kind != "group-dro" or self._groups is None:
            return losses
        if "cross_entropy" not in losses:
            raise OptionError(
                "group DRO weighs the cross-entropy, which another algorithm has replaced: leave one of them out"
            )
        inside = (batch.labels >= 0) & (batch.indices >= 0)
        groups = self._groups.to(outputs.device)[batch.indices[inside]]
        each = F.cross_entropy(
            outputs[inside],
            batch.labels[inside],
            reduction="none",
            label_smoothing=run.recipe.label_smoothing,
        )
        share = len(self._counts) / inside.sum().clamp_min(1)  # groups are drawn alike
        empty = torch.zeros(len(self._counts), device=outputs.device, dtype=each.dtype)
        means = empty.index_add(0, groups, each) * share
        together: Any = run.fabric.all_reduce(means.detach())
        self._shares = group_dro_step(
            self._shares,
            together.cpu().float(),
            self._counts,
            eta=self.chosen.eta,
            adjustment=self.chosen.adjustment,
        )
        return losses | {"cross_entropy": (self._shares.to(means.device) * means).sum()}

    def after_step(self, run: Run) -> None:
        """Where the first network's share of the run is over, find what it has wrong and begin anew.

        Args:
            run: The run.
        """
        due = run.progress >= self.chosen.first and run.step_in_epoch % run.recipe.accumulate == 0
        if self.chosen.kind == "jtt" and self._wrong is None and due:
            self._wrong = _errors(run)
            self._begin_anew(run)

    def _begin_anew(self, run: Run) -> None:
        """Initial weights and no memory of the steps so far; the schedule goes on."""
        for module, state in zip((run.network, run.extras), self._begin, strict=True):
            module.load_state_dict(state)
        self._begin = []
        run.optimiser.state.clear()
        if run.average is not None:
            run.average.n_averaged.zero_()  # the next step makes it a copy again
        run.best = -1.0  # what the first network reached


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}


@torch.no_grad()
def _errors(run: Run) -> Tensor:
    """Which labelled training images the network has wrong, uncropped and in evaluation mode."""
    rows = torch.arange(len(run.batches.labels), device=run.batches.labels.device)
    found = []
    with borrowed(run.network), run.fabric.autocast():
        for some in torch.split(rows, _AT_ONCE):
            batch = run.batches.make(some)
            predicted = run.network(batch.images).argmax(1)
            found.append(((predicted != batch.labels) & (batch.labels >= 0)).cpu())
    return torch.cat(found)
