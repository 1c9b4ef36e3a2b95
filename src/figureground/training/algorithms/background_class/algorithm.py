"""Mix backgrounds into every batch and train on them: as a class of their own, or as a rival method would."""

__all__ = ["BackgroundClass", "BackgroundClassOptions"]

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.identity import tensor_identity
from figureground.base.paper import Paper
from figureground.models.heads import ConstantBackground
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.background_class.losses import (
    BackgroundClassLoss,
    GroupedLoss,
)
from figureground.training.algorithms.background_class.pool import load_pool
from figureground.training.algorithms.background_class.rival_losses import (
    EnergyMarginLoss,
    UniformOELoss,
)
from figureground.training.batch import Batch
from figureground.training.recipe import DataSpec, RecipePart
from figureground.training.run import Run
from figureground.training.streams import stream

_CONSTANT = "background_class_constant"
_UNLEARNT = 0.9  # of the loss of chance


class BackgroundClassOptions(RecipePart):
    """What a recipe may say about backgrounds.

    ``pools`` are folders or data sets; without any, the backgrounds that the training data bring along are all there
    are. Each batch gets ``ratio`` backgrounds for every image of it; without a ratio, so many that an epoch shows as
    many as the pool holds (the paper's union). They join when the share ``start`` of the run is done. Until then the
    known classes are learnt alone, by plain cross-entropy over their outputs: a network that does not know them yet
    learns "object or not" first, and may not get beyond it. With 0 they join at the first step, as in the paper.
    ``objective`` is ``background-class``, or a rival that sees the same images: ``uniform`` (outlier exposure),
    ``energy`` (margins), ``constant`` (a background logit that does not look at the image). ``lam`` weighs the
    backgrounds; without it each objective has its own default.
    """

    pools: tuple[str | DataSpec, ...] = ()
    ratio: float | None = Field(default=None, gt=0)
    start: float = Field(default=0.5, ge=0, lt=1)
    objective: Literal["background-class", "uniform", "energy", "constant"] = "background-class"
    weight: Literal["union", "per_group"] = "union"
    lam: float | None = Field(default=None, ge=0)
    margin_in: float = -25.0
    margin_out: float = -7.0

    @model_validator(mode="after")
    def _fits_together(self) -> "BackgroundClassOptions":
        """Refuse options that would be without effect."""
        if not self.pools and self.ratio:
            raise ValueError("a ratio of backgrounds needs pools")
        return self

    def per_batch(self, size: int, *, pool: int, images: int) -> int:
        """How many backgrounds a batch gets.

        Args:
            size: Images of the batch before.
            pool: How many backgrounds there are.
            images: How many training images there are.

        Returns:
            At least 1.

        Examples:
            >>> BackgroundClassOptions(pools=("pool",), ratio=0.25).per_batch(
            ...     96, pool=9, images=960
            ... )
            24
            >>> BackgroundClassOptions(pools=("pool",)).per_batch(96, pool=100, images=960)
            10
        """
        ratio = pool / images if self.ratio is None else self.ratio
        return max(1, round(size * ratio))


class BackgroundClass(Algorithm):
    """Backgrounds in every batch, and an output of their own.

    Which backgrounds a batch gets, and how they are cropped, depends on the seed and the step alone; the pool is gone
    through in a random order, again and again. They are appended, so that the other images of a batch are those of
    plain training.

    Args:
        options: See ``BackgroundClassOptions``.
        num_classes: K.
        pool: ``(P, C, H, W)`` uint8 of the training images' shape; loaded from ``options.pools`` where omitted.
    """

    name = "background-class"
    paper = Paper(
        "Kabir",
        "Reduction of class activation uncertainty with background information",
        2023,
        "arXiv:2305.03238",
    )
    Options = BackgroundClassOptions
    looks_inside = False
    takes_background = True

    def __init__(
        self,
        options: BackgroundClassOptions,
        num_classes: int,
        pool: UInt8[Tensor, "P C H W"] | None = None,
    ) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self.pool = pool
        self.per_batch = 0
        self._left_out: tuple[str, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._order: tuple[int, Tensor] | None = None
        self._early: Tensor | None = None

    @property
    def has_own_backgrounds(self) -> bool:
        """Where it has a pool."""
        return self.pool is not None or bool(self.chosen.pools)

    @property
    def extra_outputs(self) -> int:
        """1 for a background class, 0 for its rivals."""
        return int(self.chosen.objective == "background-class")

    def modules(self, network: nn.Module) -> dict[str, nn.Module]:  # noqa: ARG002 - any network
        """The constant logit, where that is the objective."""
        return {_CONSTANT: ConstantBackground()} if self.chosen.objective == "constant" else {}

    def description(self) -> dict[str, Any]:
        """How many backgrounds the pool has, those that could not be decoded, and whether they joined too early."""
        told: dict[str, Any] = {}
        if self.pool is not None:
            told = {"pool": len(self.pool), "left_out": list(self._left_out)}
        notes = list(self._notes)
        chance = math.log(self.num_classes)
        if self._early is not None and float(self._early) > _UNLEARNT * chance:
            notes.append(
                f"the known classes were hardly learnt when the backgrounds joined (loss {float(self._early):.2f}; by "
                f"chance {chance:.2f}), which may keep them from being learnt: a larger background-class.start than "
                f"{self.chosen.start:g}, or a longer run"
            )
        return told | ({"warnings": notes} if notes else {})

    def state(self) -> dict[str, Any]:
        """The loss of the known classes before the backgrounds joined."""
        return {} if self._early is None else {"early": self._early}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self._early = state.get("early")

    def prepare(self, run: Run) -> None:
        """Load the pool, and decide how many backgrounds a batch gets.

        Args:
            run: The run.

        Raises:
            OptionError: Processes do not divide them evenly.
        """
        smoothing = run.recipe.label_smoothing
        self.loss = _loss(self.chosen, self.num_classes, smoothing).to(run.device)
        batches = run.batches
        shape = (batches.images.shape[1], batches.images.shape[2], batches.images.shape[3])
        if self.pool is None and self.chosen.pools:
            loaded = load_pool(
                self.chosen.pools,
                shape=shape,
                seed=run.recipe.seed,
                value_range=batches.value_range,
            )
            self.pool, self._left_out, self._notes = loaded
        if self.pool is None:
            return
        self.pool = self.pool.to(batches.labels.device)
        self.per_batch = self.chosen.per_batch(
            batches.size, pool=len(self.pool), images=len(batches.labels)
        )
        if self.per_batch % batches.world:
            raise OptionError(
                f"{batches.world} processes cannot share {self.per_batch} backgrounds a batch evenly"
            )

    def identity(self) -> str:
        """Of the pool's images."""
        return "" if self.pool is None else tensor_identity(self.pool)

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """The batch with its backgrounds after it.

        Args:
            batch: Of the data.
            run: The run.

        Returns:
            The longer batch. Backgrounds have label K, or -1 where the network has no output for them.
        """
        label = self.num_classes if self.extra_outputs else -1
        if not self.extra_outputs:
            # the data may bring backgrounds of their own
            labels = batch.labels.masked_fill(batch.labels == self.num_classes, -1)
            batch = Batch(batch.images, labels, batch.indices, batch.crops)
        if self.pool is None or run.progress < self.chosen.start:
            return batch
        indices = self._indices(run)
        images = self.pool[indices.to(self.pool.device)]
        added = run.batches.make_of(
            images,
            torch.full_like(indices, label),
            indices=torch.full_like(indices, -1),
            drawn=("background cuts", run.step),
        )
        return batch.joined(added)

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: PLR0917
        """The objective instead of the plain cross-entropy; before ``start`` that of the known classes alone.

        Args:
            losses: Named terms so far.
            outputs: Logits of the network.
            batch: With its backgrounds.
            run: The run.

        Returns:
            The terms.
        """
        if _CONSTANT in run.heads:
            outputs = run.heads[_CONSTANT](outputs)
        others = {name: loss for name, loss in losses.items() if name != "cross_entropy"}
        early = run.progress < self.chosen.start
        objective = (
            self._known_loss(outputs, batch.labels, run)
            if early
            else self.loss(outputs, batch.labels)
        )
        return {self.chosen.objective.replace("-", "_"): objective} | others

    def _known_loss(self, outputs: Tensor, labels: Tensor, run: Run) -> Tensor:
        """Cross-entropy over the K known outputs, the mean over the known images; 0 where there is none."""
        count = self.num_classes
        known = (labels >= 0) & (labels < count)
        target = labels.where(known, count)
        smoothing = run.recipe.label_smoothing
        total = F.cross_entropy(
            outputs[:, :count],
            target,
            ignore_index=count,
            label_smoothing=smoothing,
            reduction="sum",
        )
        loss = total / known.sum().clamp(min=1)
        now = loss.detach().float()
        self._early = now if self._early is None else torch.lerp(self._early.to(now), now, 0.1)
        return loss

    def _indices(self, run: Run) -> Tensor:
        """This process's share of this step's backgrounds: the next ones of an endless series of shuffled pools."""
        assert self.pool is not None  # noqa: S101 - the caller has looked
        first = run.step * self.per_batch
        indices = [
            self._index(position, run.recipe.seed)
            for position in range(first, first + self.per_batch)
        ]
        return torch.tensor(indices)[run.batches.share(self.per_batch)]

    def _index(self, position: int, seed: int) -> int:
        assert self.pool is not None  # noqa: S101 - the caller has looked
        number, within = divmod(position, len(self.pool))
        if self._order is None or self._order[0] != number:
            generator = stream(seed, "background order", number)
            self._order = (number, torch.randperm(len(self.pool), generator=generator))
        return int(self._order[1][within])


def _loss(options: BackgroundClassOptions, num_classes: int, smoothing: float) -> GroupedLoss:
    """The objective as a plain loss."""
    lam: dict[str, Any] = {} if options.lam is None else {"lam": options.lam}
    if options.objective in {"background-class", "constant"}:
        return BackgroundClassLoss(
            num_classes, weight=options.weight, label_smoothing=smoothing, **lam
        )
    if smoothing:
        raise OptionError(f"the objective '{options.objective}' knows no label smoothing")
    if options.objective == "uniform":
        return UniformOELoss(num_classes, **lam)
    return EnergyMarginLoss(num_classes, m_in=options.margin_in, m_out=options.margin_out, **lam)
