"""Multitask training: the same features must also predict how an image was rotated."""

__all__ = ["Rotation", "RotationOptions"]

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.paper import Paper
from figureground.capture.untouched import listening
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.rotation.turning import turned
from figureground.training.batch import Batch
from figureground.training.recipe import RecipePart
from figureground.training.run import Run
from figureground.training.streams import stream

_HEAD = "rotation"


class RotationOptions(RecipePart):
    """``lam`` weighs the auxiliary loss."""

    lam: float = Field(default=0.5, ge=0)


class Rotation(Algorithm):
    """A second head over the features that the classifier's last linear layer sees, for four quarter turns.

    Every image of a batch is shown a second time, turned by a random number of quarter turns; it costs one more pass
    through the network. *Differs:* the paper shows all four turns of an image in a batch.

    Args:
        options: See ``RotationOptions``.
        num_classes: Of the data.
    """

    name = "rotation"
    paper = Paper(
        "Hendrycks, Mazeika, Kadavath, Song",
        "Using self-supervised learning can improve model robustness and uncertainty",
        2019,
        "NeurIPS, arXiv:1906.12340",
    )
    Options = RotationOptions

    def __init__(self, options: RotationOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.lam = options.lam
        self._last: nn.Linear | None = None

    def modules(self, network: nn.Module) -> dict[str, nn.Module]:
        """The head for four turns.

        Args:
            network: The classifier.

        Returns:
            The head.

        Raises:
            OptionError: The network has no linear layer.
        """
        linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise OptionError(
                "the algorithm 'rotation' needs a classifier that ends in a linear layer"
            )
        self._last = linear[-1]
        return {_HEAD: nn.Linear(self._last.in_features, 4)}

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: ARG002, PLR0917
        """One term more: the cross-entropy of the number of quarter turns.

        Args:
            losses: Named terms so far.
            outputs: Logits of the images as they are.
            batch: The images.
            run: The run.

        Returns:
            The terms.
        """
        numbers = stream(run.recipe.seed, "turns", run.step, run.fabric.global_rank)
        quarters = torch.randint(4, (len(batch),), generator=numbers).to(run.device)
        features = self._features(run, turned(batch.images, quarters))
        loss = F.cross_entropy(run.heads[_HEAD](features), quarters)
        return losses | {"rotation": self.lam * loss}

    def _features(self, run: Run, images: Tensor) -> Tensor:
        """What reaches the classifier's last layer, with its graph."""
        assert self._last is not None  # noqa: S101 - modules() ran before the run began
        kept: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:  # noqa: ANN401
            kept.append(inputs[0])

        # the plain network: one step waits for gradients of one wrapped pass
        with listening([self._last], keep), run.fabric.autocast():
            run.network(images)
        return kept[-1].flatten(1).float()
