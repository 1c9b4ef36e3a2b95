"""Fine-tune a teacher so that its predictions carry more information; its controls share its options."""

__all__ = ["MCMI", "MCMIOptions"]

from collections.abc import Iterator
from typing import Any, Literal

import torch
import torch.distributed as dist
from pydantic import Field, StrictBool, model_validator
from torch import Tensor

from figureground.base.errors import DataError, OptionError
from figureground.base.paper import Paper
from figureground.metrics.information import ClassSums, information_of
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.mcmi.centroids import CentroidBank, class_pass
from figureground.training.algorithms.mcmi.losses import (
    CMICLoss,
    EntropyBonusLoss,
    MCMILoss,
    SquaredErrorLoss,
    TeacherLoss,
)
from figureground.training.recipe import RecipePart
from figureground.training.run import Run
from figureground.training.streams import forked_rng, seed_rng

_PAPER_WEIGHT, _OUR_WEIGHT = 0.25, 0.15
_DECAY = 0.9999
_SMALL_DRIFT = 0.1  # nats; what a young network has is no sign of anything
_COMPARED = frozenset({"mcmi", "cmic"})  # the objectives that compare outputs with centroids
_AT_ONCE = 512
_BEFORE = -1  # number of the epoch that the released code looks at before its first one


class MCMIOptions(RecipePart):
    """What a recipe may say about the teacher's loss.

    ``objective``: ``mcmi``, or a control: ``cmic`` (adds the term instead of subtracting it, and subtracts
    ``separation_weight`` × separation), ``entropy`` (bonus of ``weight`` × entropy), ``squared-error`` (instead
    of the cross-entropy). ``weight`` 0 is plain fine-tuning; label smoothing is the recipe's own option.

    ``preset`` decides what is left open: ``ours``, weight 0.15 and centroids that are renewed every epoch, in
    evaluation mode on whole images; ``paper``, as the released code: weight 0.25 and centroids that stay as they were
    before the first step, made in training mode from cropped and flipped images. ``measure`` decides whether the
    conditional mutual information is measured and logged after every epoch where no centroids need it, that of the
    controls among others. ``decay`` is that of ``centroids: ema``.
    """

    objective: Literal["mcmi", "cmic", "entropy", "squared-error"] = "mcmi"
    weight: float | None = None
    separation_weight: float = 0.0
    preset: Literal["ours", "paper"] = "ours"
    centroids: Literal["epoch", "frozen", "ema"] | None = None
    decay: float = Field(default=_DECAY, ge=0, lt=1)
    measure: StrictBool = True

    @model_validator(mode="after")
    def _fits_together(self) -> "MCMIOptions":
        """Refuse a reversed sign, and options that would be without effect."""
        if self.weight is not None and not self.weight >= 0:
            raise ValueError(
                f"weight is {self.weight:g}; it must be 0 or above, and is subtracted: a higher one gives more "
                "conditional mutual information. For less of it, set objective: cmic"
            )
        if not self.separation_weight >= 0:
            raise ValueError(f"separation_weight is {self.separation_weight:g}; 0 or above")
        if self.separation_weight and self.objective != "cmic":
            raise ValueError("separation_weight belongs to objective: cmic")
        if self.weight is not None and self.objective == "squared-error":
            raise ValueError("objective: squared-error has no weight")
        if self.centroids is not None and self.objective not in _COMPARED:
            raise ValueError(f"objective: {self.objective} has no centroids")
        if self.decay != _DECAY and self.mode != "ema":
            raise ValueError("decay belongs to centroids: ema")
        return self

    @property
    def lam(self) -> float:
        """The weight that counts."""
        preset = _PAPER_WEIGHT if self.preset == "paper" else _OUR_WEIGHT
        return preset if self.weight is None else self.weight

    @property
    def mode(self) -> str:
        """How centroids are updated."""
        return self.centroids or ("frozen" if self.preset == "paper" else "epoch")


class MCMI(Algorithm):
    """Subtracts ``weight`` × KL(p ‖ q_y) from the loss: the teacher of maximum conditional mutual information.

    Meant for twenty epochs or so more of a trained network. After every epoch the log gets ``cmi``,
    ``class_separation`` and ``ncmi``, and with centroids the ``surrogate`` that is trained on and ``drift``, what it
    has above ``cmi``; all over the training images as they are.

    Args:
        options: See ``MCMIOptions``.
        num_classes: Of the data.
    """

    name = "mcmi"
    paper = Paper(
        "Ye, Mohajer Hamidi, Tan, Yang",
        "Bayes conditional distribution estimation for knowledge distillation based on conditional mutual information",
        2024,
        "ICLR, arXiv:2401.08732",
    )
    Options = MCMIOptions
    looks_inside = False

    def __init__(self, options: MCMIOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self.bank: CentroidBank | None = None
        self.loss: TeacherLoss | SquaredErrorLoss
        self._measured: dict[str, float] = {}

    def description(self) -> dict[str, Any]:
        """What was measured after the last epoch, and a warning where drift was trained instead of information."""
        found = self._measured
        if found.get("drift", 0) <= max(_SMALL_DRIFT, found.get("cmi", 0)):
            return dict(found)
        warning = (
            "the outputs drifted away from the centroids: "
            f"of the surrogate ({found['surrogate']:.2f} nats) only {found['cmi']:.2f} are "
            "conditional mutual information, the rest is drift of the class means; take a smaller weight, or "
            "centroids: epoch and more epochs"
        )
        return found | {"warnings": [warning]}

    def state(self) -> dict[str, Any]:
        """The centroids, where there are some."""
        return {} if self.bank is None else dict(self.bank.state_dict())

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back the centroids.

        Args:
            state: From ``state``.
        """
        if self.bank is not None:
            self.bank.load_state_dict(state)

    def prepare(self, run: Run) -> None:
        """Make the first centroids, where the objective has some.

        Args:
            run: The run.

        Raises:
            OptionError: Label smoothing was asked for where it would be without effect.
            DataError: A class of the training images got no centroid.
        """
        if self.chosen.objective == "squared-error" and run.recipe.label_smoothing:
            raise OptionError("the objective 'squared-error' knows no label smoothing")
        if self.chosen.objective not in _COMPARED:
            self.loss = (
                SquaredErrorLoss()
                if self.chosen.objective == "squared-error"
                else EntropyBonusLoss(self.chosen.lam)
            )
            return
        sums = self._first_sums(run)
        bank = CentroidBank(len(sums.counts), mode=self.chosen.mode, decay=self.chosen.decay)
        bank.refresh(sums)
        self.bank = bank.to(run.device)
        self.loss = (
            MCMILoss(self.bank, self.chosen.lam)
            if self.chosen.objective == "mcmi"
            else CMICLoss(self.bank, self.chosen.lam, self.chosen.separation_weight)
        )
        missing = set(run.batches.labels.tolist()) & set(bank.undefined)
        if missing:
            raise DataError(
                f"no centroid for the classes {sorted(missing)}: the whole batches seen before training held none of "
                "them; take preset: ours, which looks at every image, and set weight and centroids beside it"
            )

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Any, run: Run) -> Losses:  # noqa: ANN401, ARG002, PLR0917
        """The term of the objective beside the cross-entropy, or instead of it.

        Args:
            losses: Named terms so far.
            outputs: Logits of the network.
            batch: The images.
            run: The run.

        Returns:
            The terms; ``mcmi`` is minus the weighted surrogate.
        """
        if isinstance(self.loss, SquaredErrorLoss):
            others = {name: loss for name, loss in losses.items() if name != "cross_entropy"}
            return {"squared_error": self.loss(outputs, batch.labels)} | others
        losses = losses | self.loss.terms(outputs, batch.labels)
        if self.bank is not None:
            self.bank.update(outputs.detach(), batch.labels)
        return losses

    def after_epoch(self, run: Run) -> None:
        """Measure, log, and renew the centroids.

        Args:
            run: The run.
        """
        bank = self.bank
        if not self.chosen.measure and (bank is None or bank.mode != "epoch"):
            return
        _agree(run)
        with run.fabric.autocast():
            sums = class_pass(run.network, _images(run))
        found = information_of(sums)
        values = {"cmi": found.cmi, "class_separation": found.separation, "ncmi": found.ncmi}
        if bank is not None:
            drift = bank.drift(sums)
            values |= {"surrogate": found.cmi + drift, "drift": drift}
            bank.after_epoch(sums)
        self._measured = {name: float(value) for name, value in values.items()}
        if run.fabric.is_global_zero:
            run.history.add(run.step, run.epoch, split="train", values=self._measured)

    def _first_sums(self, run: Run) -> ClassSums:
        """Before the first step: as the preset has it. Torch's global RNG is left alone."""
        with forked_rng(run.device), run.fabric.autocast():
            if self.chosen.preset == "ours":
                return class_pass(run.network, _images(run))
            seed_rng(run.device, run.recipe.seed, "centroids", run.fabric.global_rank)
            batches = ((batch.images, batch.labels) for batch in run.batches.epoch(_BEFORE))
            return class_pass(run.network, batches, batch_norm="train")


def _agree(run: Run) -> None:
    """Each process's norms have moved with its own last batch: take those of the first, whose network is saved."""
    if run.fabric.world_size > 1:
        for buffer in run.network.buffers():
            dist.broadcast(buffer, 0)


def _images(run: Run) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share of the training images, neither cropped nor flipped, a few hundred at a time."""
    held = run.batches
    indices = range(held.rank, len(held.labels), held.world)
    for start in range(0, len(indices), _AT_ONCE):
        some = indices[start : start + _AT_ONCE]
        part = torch.tensor(some, device=held.labels.device)
        batch = held.make(part)
        yield batch.images, batch.labels
