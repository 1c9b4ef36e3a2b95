"""A student learns from a teacher beside the labels."""

__all__ = ["Distillation"]

import weakref
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.errors import LayerError, OptionError
from figureground.base.identity import model_identity
from figureground.base.paper import Paper
from figureground.capture import choose_layer
from figureground.capture.taps import stage_layers, tap_shapes, tapped
from figureground.models import Classifier
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.distillation.contrastive import CRDLoss
from figureground.training.algorithms.distillation.logit_losses import KDLoss
from figureground.training.algorithms.distillation.loss import DistillationLoss, Shapes
from figureground.training.algorithms.distillation.losses import DISTILLATION_LOSSES
from figureground.training.algorithms.distillation.options import DistillationOptions
from figureground.training.algorithms.distillation.teacher import check_teacher
from figureground.training.batch import Batch
from figureground.training.run import Run
from figureground.training.teacher import load_teacher

_HEAD = "distillation"


class Distillation(Algorithm):
    """The teacher sees every image as the student does; their logits or layers are compared.

    The teacher is in evaluation mode, frozen, and no part of the run's weights. Where networks have a background
    output, the logits before it are compared.

    Args:
        options: See ``DistillationOptions``.
        num_classes: K.
        teacher: Instead of ``options.teacher``; it is frozen.
    """

    name = "distillation"
    paper = Paper(
        "Hinton, Vinyals, Dean", "Distilling the knowledge in a neural network", 2015, "arXiv:1503.02531"
    )  # fmt: skip
    Options = DistillationOptions

    def __init__(
        self, options: DistillationOptions, num_classes: int, teacher: Classifier | None = None
    ) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self.teacher = teacher
        self.layers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._kind = DISTILLATION_LOSSES[options.loss]
        self._kd = KDLoss(options.temperature)
        self._open = ExitStack()
        # a step that failed leaves no hook behind for ever
        weakref.finalize(self, self._open.close)
        self._kept: dict[str, Tensor] = {}
        self._taught: tuple[Tensor, list[Tensor]] | None = None
        self._cached: Tensor | None = None

    def modules(self, network: nn.Module) -> dict[str, nn.Module]:
        """The loss, whose own weights are trained with the student's.

        Args:
            network: The student.

        Returns:
            The loss; none where KD is all.

        Raises:
            OptionError: There is no teacher, or it does not fit.
            LayerError: A layer does not exist.
            ShapeError: What the layers give cannot be compared.
        """
        teacher = self.teacher or self._load_teacher()
        check_teacher(teacher, network, self.num_classes)
        device = next(network.parameters()).device
        self.teacher = teacher.eval().requires_grad_(False).to(device)  # noqa: FBT003 - torch's own
        if self.chosen.loss == "kd":
            return {}
        shapes = Shapes((), ())
        if self.chosen.layered:
            generator = torch.Generator().manual_seed(0)
            size = (2, teacher.preprocessing.channels, *teacher.preprocessing.size)
            images = torch.rand(size, generator=generator).to(device)
            self.layers = self._found_layers(network, images)
            student, taught = (
                tap_shapes(one, layers, images)
                for one, layers in zip((network, self.teacher), self.layers, strict=True)
            )
            shapes = Shapes(student, taught)
        return {_HEAD: self._kind.fitted(shapes, self.chosen.loss_options)}

    def prepare(self, run: Run) -> None:
        """Move the teacher to the device of training, and cache its logits where that is wanted.

        Args:
            run: The run.

        Raises:
            OptionError: Logits are to be cached of images that change, or a memory is to be shared by processes.
        """
        assert self.teacher is not None  # noqa: S101 - modules() ran before
        layout = torch.channels_last if run.recipe.channels_last else torch.preserve_format
        self.teacher.to(run.device).to(memory_format=layout)
        loss = dict(run.extras.items()).get(_HEAD)
        if isinstance(loss, CRDLoss):
            if run.batches.world > 1 or len(run.algorithms) > 1:
                raise OptionError(
                    "the loss 'crd' keeps a memory of the training images: one process, no other algorithm"
                )
            loss.remember(run.batches.labels)
        if self.chosen.cache_logits:
            self._cached = self._cached_logits_of(run)

    def identity(self) -> str:
        """Of the teacher."""
        return model_identity(self.teacher)

    def description(self) -> dict[str, Any]:
        """The teacher's name, and which layers were compared."""
        student, teacher = ([*layers] for layers in self.layers)
        name = None if self.teacher is None else self.teacher.name
        return {"teacher": name, "student_layers": student, "teacher_layers": teacher}

    def before_pass(self, batch: Batch, run: Run) -> None:
        """Run the teacher, and record the student's layers in the pass that follows.

        The teacher runs first: while the student's graph waits for its backward pass, memory is scarce.

        Args:
            batch: The images.
            run: The run.
        """
        self._open.close()  # a step that failed may have left it open
        self._taught = self._teacher_outputs(batch, run)
        if self.layers[0]:
            self._kept = self._open.enter_context(tapped(run.network, self.layers[0]))

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: PLR0917
        """The weighted cross-entropy and the terms of the teacher.

        Args:
            losses: Named terms so far; ``cross_entropy`` is weighted, others stay.
            outputs: The student's logits.
            batch: The images.
            run: The run.

        Returns:
            The terms; ``kd`` and the name of the loss are new.
        """
        self._open.close()
        gamma, alpha, beta = self.chosen.weights()
        terms = {
            name: gamma * loss if name == "cross_entropy" else loss for name, loss in losses.items()
        }
        assert self._taught is not None  # noqa: S101 - before_pass() ran
        logits, taught = self._taught
        own = outputs[:, : self.num_classes]
        if alpha:
            terms["kd"] = alpha * self._kd(own, logits)
        if beta:
            student = _in_order(self._kept, self.layers[0])
            arguments = self._arguments((own, student), (logits, taught), batch)
            terms[self._kind.name] = beta * self._grown(run) * run.heads[_HEAD](*arguments)
        self._kept, self._taught = {}, None
        return terms

    def _load_teacher(self) -> Classifier:
        if self.chosen.teacher is None:
            raise OptionError(
                "name the teacher: distillation.teacher=FOLDER of a run, or {name: …, weights: …}"
            )
        return load_teacher(self.chosen.teacher, key="distillation.teacher")

    def _found_layers(
        self, network: nn.Module, images: Tensor
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Layers of student and teacher, in pairs; found by looking where they are not named."""
        assert self.teacher is not None  # noqa: S101 - the caller has it
        student = self.chosen.student_layers or _looked_for(self._kind, network, images)
        teacher = self.chosen.teacher_layers or _looked_for(self._kind, self.teacher, images)
        if (
            self._kind.looks_at != "maps"
            or self.chosen.student_layers
            or self.chosen.teacher_layers
        ):
            return student, teacher
        shared = min(len(student), len(teacher))
        return student[-shared:], teacher[-shared:]

    def _teacher_outputs(self, batch: Batch, run: Run) -> tuple[Tensor, list[Tensor]]:
        """The teacher's logits and layers, without a graph."""
        if self._cached is not None:
            return self._cached[batch.indices], []
        assert self.teacher is not None  # noqa: S101 - modules() ran before
        with (
            # not inference mode: what that makes would have to be copied before a backward pass
            torch.no_grad(),
            run.fabric.autocast(),
            tapped(self.teacher, self.layers[1]) as layers,
        ):
            logits = self.teacher(batch.images)[:, : self.num_classes]
        return logits.float() / self.chosen.teacher_temperature, _in_order(layers, self.layers[1])

    def _cached_logits_of(self, run: Run) -> Tensor:
        """The teacher's logits for every training image."""
        if run.batches.augmented or len(run.algorithms) > 1:
            raise OptionError(
                "cache_logits needs images that are the same in every epoch: no augmentation, no other algorithm"
            )
        indices = torch.arange(len(run.batches.labels), device=run.batches.labels.device)
        batches = [run.batches.make(some) for some in torch.split(indices, 512)]
        return torch.cat([self._teacher_outputs(batch, run)[0] for batch in batches])

    def _arguments(
        self,
        student: tuple[Tensor, list[Tensor]],
        teacher: tuple[Tensor, list[Tensor]],
        batch: Batch,
    ) -> tuple[Tensor | list[Tensor], ...]:
        """What the loss looks at."""
        kind = self._kind.looks_at
        if kind == "labelled logits":
            return student[0], teacher[0], batch.labels
        if kind == "maps":
            return student[1], teacher[1]
        both = (student[1][-1], teacher[1][-1])
        return (*both, batch.indices) if kind == "indices" else both

    def _grown(self, run: Run) -> float:
        """Factor of the loss's weight at this step."""
        ramp = self._kind.ramp if self.chosen.ramp is None else self.chosen.ramp
        return min(1.0, run.progress / ramp) if ramp else 1.0


def _looked_for(
    kind: type[DistillationLoss], network: nn.Module, images: Tensor
) -> tuple[str, ...]:
    """The layers of a network that a loss usually looks at."""
    if kind.looks_at in {"last map", "indices"}:
        return (choose_layer(network, images).name,)
    stages = stage_layers(network, images)
    return stages if kind.looks_at == "maps" else (stages[len(stages) // 2],)


def _in_order(outputs: dict[str, Tensor], layers: tuple[str, ...]) -> list[Tensor]:
    missing = [layer for layer in layers if layer not in outputs]
    if missing:
        raise LayerError(f"layer '{missing[0]}' was not reached when the model ran")
    return [outputs[layer] for layer in layers]
