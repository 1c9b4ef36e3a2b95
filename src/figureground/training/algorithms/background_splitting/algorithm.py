"""Background splitting in the engine: an auxiliary head learns pseudo-classes of all training images."""

__all__ = ["BackgroundSplitting"]

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.errors import DataError, OptionError
from figureground.base.identity import tensor_identity
from figureground.base.paper import Paper
from figureground.base.record import write_json
from figureground.capture.untouched import listening
from figureground.models.heads import CosineLinear
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.background_splitting.afterwards import (
    refuse_unfit,
    replace_last,
)
from figureground.training.algorithms.background_splitting.class_shares import set_prior_bias
from figureground.training.algorithms.background_splitting.heads import copied_linear
from figureground.training.algorithms.background_splitting.losses import (
    BackgroundSplitLoss,
    auxiliary_loss,
    main_loss,
)
from figureground.training.algorithms.background_splitting.main_losses import LDAMLoss
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.algorithms.background_splitting.pseudo_labels import PseudoLabels
from figureground.training.algorithms.background_splitting.teacher import Teacher
from figureground.training.batch import Batch
from figureground.training.last_linear import last_linear
from figureground.training.run import Run
from figureground.training.streams import stream

_HEAD = "background_splitting"


class BackgroundSplitting(Algorithm):
    """Rare classes against background, and beside it the pseudo-classes of all images.

    The auxiliary head reads the input of the network's last linear layer, in the same pass, and is left behind after
    training. A fixed background logit is written into the network's last row, so that the network alone predicts as it
    was trained. With ``aux_weight=0`` and nothing else, training is plain training, bit for bit.

    Args:
        options: See ``BackgroundSplittingOptions``.
        num_classes: N, the rare classes.
        labels: Pseudo-labels of the training images, where they are there already.
    """

    name = "background-splitting"
    paper = Paper(
        "Mullapudi, Poms, Mark, Ramanan, Fatahalian",
        "Background splitting: finding rare classes in a sea of background",
        2021,
        "CVPR, arXiv:2008.12873",
    )
    Options = BackgroundSplittingOptions
    takes_background = True

    def __init__(
        self,
        options: BackgroundSplittingOptions,
        num_classes: int,
        labels: PseudoLabels | None = None,
    ) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self.labels = labels
        self._teacher: Teacher | None = None
        self._last: nn.Linear | CosineLinear | None = None
        self._hearing = ExitStack()
        self._kept: list[Tensor] = []
        self._description: dict[str, Any] = {}

    @property
    def extra_outputs(self) -> int:
        """1, for the background."""
        return 1

    def modules(self, network: nn.Module) -> dict[str, nn.Module]:
        """The auxiliary head; also freezes the trunk where that is wanted, before the optimiser is made.

        Args:
            network: The classifier.

        Returns:
            The head; none without an auxiliary loss.

        Raises:
            OptionError: The last linear layer is not the one that gives the N + 1 logits, or is not of the kind that
                an option needs.
        """
        self._last = last_linear(network)
        if self._last.out_features != self.num_classes + 1:
            raise OptionError(
                f"background splitting needs a last linear layer with {self.num_classes + 1} outputs, the background "
                f"last; this network's has {self._last.out_features}"
            )
        refuse_unfit(self._last, self.chosen)
        if self.chosen.trunk == "frozen":
            network.requires_grad_(requires_grad=False)
            self._last.requires_grad_(requires_grad=True)
        if not self.chosen.aux_weight:
            return {}
        return {_HEAD: self._head(network, self._last.in_features)}

    def _head(self, network: nn.Module, features: int) -> nn.Linear:
        """The auxiliary head, beginning as the teacher's classifier where it fits."""
        if self.labels is not None:
            return nn.Linear(features, self.labels.num_classes)
        self._teacher = Teacher.of(self.chosen, network)
        head = nn.Linear(features, self._teacher.outputs)
        begin = self._teacher.classifier(features)
        return head if begin is None else copied_linear(begin, head)

    def prepare(self, run: Run) -> None:
        """Make the pseudo-labels, the loss and the background's row.

        Args:
            run: The run.

        Raises:
            OptionError: Label smoothing with a main loss that knows none, or added images that the processes
                cannot share.
            DataError: Images of rare classes are to be added, and there are none.
        """
        counts = _counts(run.batches.labels, self.num_classes + 1)
        if run.recipe.label_smoothing and self.chosen.main != "cross-entropy":
            raise OptionError(f"the main loss '{self.chosen.main}' knows no label smoothing")
        if self.chosen.extra_positives % run.batches.world:
            raise OptionError(
                f"{run.batches.world} processes cannot share {self.chosen.extra_positives} extra_positives evenly"
            )
        self.loss = BackgroundSplitLoss(
            main_loss(self.chosen.main, counts, self.chosen.main_settings),
            aux_weight=self.chosen.aux_weight, aux_on=self.chosen.aux_on,
            temperature=self.chosen.temperature if self.chosen.kind == "soft" else 1.0,
        ).to(run.device)  # fmt: skip
        if self.chosen.main == "binary":
            set_prior_bias(self._layer, counts)
        self._hold_background(run)
        self._description = {"class_counts": counts, "extra_positives": self.chosen.extra_positives}
        if self.chosen.aux_weight:
            self._label(run)
        self._rare = (run.batches.labels >= 0) & (run.batches.labels < self.num_classes)
        self._rare_indices = self._rare.nonzero()[:, 0]
        if self.chosen.extra_positives and not len(self._rare_indices):
            raise DataError("extra_positives: no training image is of a rare class")

    def _label(self, run: Run) -> None:
        """Make the pseudo-labels and the report on them."""
        if self.labels is None:
            assert self._teacher is not None  # noqa: S101 - modules() ran
            self._teacher.network.to(run.device)
            found = self._teacher.label(
                run.batches.images, folder=run.folder / "pseudo-labels", seed=run.recipe.seed
            )
            self.labels, self._teacher = found, None
        if self.chosen.permuted:
            self.labels = self.labels.permuted(stream(run.recipe.seed, "permuted pseudo-labels"))
        report = self.labels.report(run.batches.labels, num_rare=self.num_classes)
        self._description |= asdict(report)
        if run.fabric.is_global_zero:
            write_json(run.folder / "pseudo_labels.json", report)

    def identity(self) -> str:
        """Of the pseudo-labels."""
        if self.labels is None:
            return ""
        soft = () if self.labels.soft is None else (self.labels.soft,)
        return tensor_identity(self.labels.hard, *soft)

    def description(self) -> dict[str, Any]:
        """Counts, added images, and the report on the pseudo-labels."""
        return self._description

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """Add images of rare classes where wanted, and begin to listen to the last layer.

        Args:
            batch: Of the data.
            run: The run.

        Returns:
            The batch, or a longer one.
        """
        if self.chosen.trunk == "frozen":
            run.network.eval()  # normalisation must not learn either
        if isinstance(self.loss.main, LDAMLoss):
            self.loss.main.reweighted = run.progress >= self.chosen.deferred
        if self.chosen.aux_weight:
            self._kept.clear()
            self._hearing.close()
            self._hearing.enter_context(listening([self._layer], self._keep))
        return self._with_positives(batch, run) if self.chosen.extra_positives else batch

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: PLR0917
        """The main loss instead of the plain one, where it is another, and the auxiliary term.

        Args:
            losses: Named terms so far.
            outputs: Logits ``(N, num_classes + 1)``.
            batch: The images.
            run: The run.

        Returns:
            The terms.
        """
        if self.chosen.main != "cross-entropy":
            rest = {name: loss for name, loss in losses.items() if name != "cross_entropy"}
            losses = {
                self.chosen.main.replace("-", "_"): self.loss.main(outputs, batch.labels)
            } | rest
        return losses | self._auxiliary(batch, run) if self.chosen.aux_weight else losses

    def after_step(self, run: Run) -> None:
        """Put the background's row back: weight decay must not move a fixed logit.

        Args:
            run: The run.
        """
        self._hold_background(run)

    def after_epoch(self, run: Run) -> None:
        """Replace the last layer after the last epoch, where that is wanted, before it is validated and saved.

        Args:
            run: The run.
        """
        if self.chosen.afterwards and run.epoch == run.recipe.epochs:
            replace_last(
                run.trained, run.batches.images, run.batches.labels,
                how=self.chosen.afterwards, seed=run.recipe.seed,
            )  # fmt: skip
            run.best = -1.0  # what earlier epochs reached, they reached with another kind of layer

    def _auxiliary(self, batch: Batch, run: Run) -> Losses:
        """The weighted auxiliary term."""
        self._hearing.close()
        assert self.labels is not None  # noqa: S101 - prepare() ran
        logits = run.heads[_HEAD](self._kept[0].flatten(1).float())
        self._kept.clear()
        taken = self.loss.taken(batch.labels, background=self.num_classes)
        pseudo = self.labels.of(batch.indices)
        loss, _ = auxiliary_loss(logits.float(), pseudo, taken, temperature=self.loss.temperature)
        return {"pseudo_classes": self.chosen.aux_weight * loss}

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:  # noqa: ANN401
        """The input of the step's own pass: other algorithms look at the network without a graph, or later."""
        if module.training and torch.is_grad_enabled():
            self._kept.append(inputs[0])

    def _with_positives(self, batch: Batch, run: Run) -> Batch:
        """The batch and images of rare classes, drawn anew for each step."""
        wanted = self.chosen.extra_positives
        numbers = stream(run.recipe.seed, "extra positives", run.step)
        drawn = torch.randint(len(self._rare_indices), (wanted,), generator=numbers)
        drawn = drawn[run.batches.share(wanted)].to(self._rare_indices.device)
        indices = self._rare_indices[drawn]
        added = run.batches.make(indices, drawn=("extra positives' cuts", run.step))
        return batch.joined(added)

    @torch.no_grad()
    def _hold_background(self, run: Run) -> None:
        """The fixed logit as the last row of the network's last layer, and of its average's."""
        if self.chosen.fixed_logit is None:
            return
        # weights of 0 let no gradient through, and what moves the row itself is undone here
        layers = [self._layer]
        if run.average is not None:
            layers.append(last_linear(run.average))
        for layer in layers:
            if not isinstance(layer, nn.Linear) or layer.bias is None:
                raise OptionError("fixed_logit needs a last layer with a bias, which will hold it")
            layer.weight[-1] = 0
            layer.bias[-1] = self.chosen.fixed_logit

    @property
    def _layer(self) -> nn.Linear | CosineLinear:
        assert self._last is not None  # noqa: S101 - modules() ran before the run began
        return self._last


def _counts(labels: Tensor, outputs: int) -> list[int]:
    """Training images of each class, the background last."""
    counts: list[int] = torch.bincount(labels[labels >= 0].cpu(), minlength=outputs).tolist()
    return counts
