"""The last layer fitted anew at the end of a run, to what the frozen network made of every batch."""

__all__ = ["LastLayer", "LastLayerOptions"]

from contextlib import ExitStack
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.identity import tensor_identity
from figureground.base.paper import Paper
from figureground.capture.untouched import listening
from figureground.training.algorithm import Algorithm, Losses
from figureground.training.algorithms.last_layer.fitting import afr_weights, fit_last_layer
from figureground.training.batch import Batch
from figureground.training.groups import balanced_weights, groups_of
from figureground.training.last_linear import outputs_and_features, plain_last_linear
from figureground.training.recipe import RecipePart
from figureground.training.run import Run


class LastLayerOptions(RecipePart):
    """What a recipe may say.

    ``weights``: all images count alike (``none``), all classes do (``classes``), all groups of class and context do
    (``groups``), or those images count most that the network as it was had wrong (``afr``, with ``gamma``; the penalty
    then pulls towards the old layer). ``l2`` is the strength of the penalty.
    """

    weights: Literal["none", "classes", "groups", "afr"] = "none"
    gamma: float = Field(default=4.0, ge=0)
    l2: float = Field(default=1e-3, gt=0)


class LastLayer(Algorithm):
    """Only the last linear layer is fitted anew, to the features of the frozen network.

    The network stays in evaluation mode and no gradient is made. What reaches the last layer is kept of every batch, as
    all other algorithms have changed it: with ``background-swap``, an epoch is one more round of swaps. After the last
    epoch, before validation, logistic regression on all that was kept gives the layer. Unlabelled images are left
    out; a network with an output for the background needs training images of it, as rare classes have them.

    Args:
        options: See ``LastLayerOptions``.
        num_classes: Of the data.
    """

    name = "last-layer"
    paper = Paper(
        "Kirichenko, Izmailov, Wilson",
        "Last layer re-training is sufficient for robustness to spurious correlations",
        2023,
        "ICLR, arXiv 2204.02937",
    )
    Options = LastLayerOptions
    needs_gradients = False

    def __init__(self, options: LastLayerOptions, num_classes: int) -> None:
        super().__init__(options, num_classes)
        self.chosen = options
        self._outputs = num_classes
        self._hearing = ExitStack()
        self._heard: list[Tensor] = []
        self._kept: list[tuple[Tensor, ...]] = []
        self._groups: Tensor | None = None

    def modules(self, network: nn.Module) -> dict[str, nn.Module]:
        """No head; freezes the network before the optimiser is made.

        Args:
            network: The classifier.

        Returns:
            Nothing.

        Raises:
            OptionError: It ends in no plain linear layer with a bias and an output for each class, the background or
                not.
        """
        linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
        has_background = bool(linear) and linear[-1].out_features == self.num_classes + 1
        self._outputs = self.num_classes + has_background
        self._layer(network)
        network.requires_grad_(requires_grad=False)
        return {}

    def prepare(self, run: Run) -> None:
        """Make sure that the layer is what gives the logits, and find the groups where they are asked for.

        Args:
            run: The run.

        Raises:
            OptionError: Something follows the last linear layer, it is not the last of the algorithms, the data tell no
                contexts, or the network has an output for the background and no training image is of it.
        """
        if run.algorithms[-1] is not self:
            raise OptionError(
                "last-layer takes images as all others have changed them and must be the last of the algorithms"
            )
        if not (run.batches.labels == self.num_classes).any():
            plain_last_linear(run.network, self.num_classes)
        images = run.batches.make(torch.arange(2, device=run.batches.labels.device)).images
        logits, features = outputs_and_features(run.network, images)
        layer = self._layer(run.network)
        fits = features.shape[1] == layer.in_features
        if not fits or not torch.allclose(layer(features), logits, rtol=1e-3, atol=1e-3):
            raise OptionError(
                "last-layer: the logits of this network are not what its last linear layer gives; model.head: linear "
                "puts a plain one at its end"
            )
        if self.chosen.weights == "groups":
            self._groups = groups_of(run.batches)

    def identity(self) -> str:
        """Stands for the groups."""
        return "" if self._groups is None else tensor_identity(self._groups)

    def description(self) -> dict[str, Any]:
        """How many training images the groups have, the smallest first."""
        if self._groups is None:
            return {}
        counts = torch.bincount(self._groups[self._groups >= 0])
        return {"group_counts": counts.sort().values.tolist()}

    def state(self) -> dict[str, Any]:
        """What was kept so far."""
        return {"kept": list(self._kept)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on with what was kept.

        Args:
            state: What ``state`` gave.
        """
        self._kept = [tuple(part.cpu() for part in parts) for parts in state["kept"]]

    def change_batch(self, batch: Batch, run: Run) -> Batch:
        """Nothing; normalisation and dropout do not learn either.

        Args:
            batch: As others have changed it.
            run: The run.

        Returns:
            The same.
        """
        run.network.eval()
        return batch

    def before_pass(self, batch: Batch, run: Run) -> None:  # noqa: ARG002
        """Begin to listen to the last layer.

        Args:
            batch: As the network will see it.
            run: The run.
        """
        self._heard.clear()
        self._hearing.close()
        self._hearing.enter_context(listening([self._layer(run.network)], self._hear))

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: ARG002, PLR0917
        """Keep what was heard; the losses, which change nothing, are only logged.

        Args:
            losses: Named terms so far.
            outputs: Logits of the network as it was.
            batch: The images.
            run: The run.

        Returns:
            The same terms.
        """
        self._hearing.close()
        known = (batch.labels >= 0) & (
            batch.indices >= 0
        )  # all of the data, whose groups are known
        features = self._heard[0].detach().float()
        self._kept.append(
            tuple(part[known].cpu() for part in (features, batch.labels, batch.indices))
        )
        self._heard.clear()
        return losses

    def after_epoch(self, run: Run) -> None:
        """After the last epoch, fit the layer, before it is validated and saved.

        Args:
            run: The run.
        """
        if run.epoch < run.recipe.epochs:
            return
        features, labels, indices = (torch.cat(part) for part in zip(*self._kept, strict=True))
        layer = self._layer(run.network)
        groups = labels if self._groups is None else self._groups[indices]
        found = self._fitted(layer, features, labels, groups=groups)
        averaged = [] if run.average is None else [self._layer(run.average.module)]
        with torch.no_grad():
            for one in (layer, *averaged):
                one.weight.copy_(found.weight)
                one.bias.copy_(found.bias)
        self._kept.clear()
        run.best = -1.0  # what earlier epochs reached, they reached with the old layer

    def _fitted(
        self, layer: nn.Linear, features: Tensor, labels: Tensor, *, groups: Tensor
    ) -> nn.Linear:
        """The new layer; without contexts, groups are classes."""
        weights, old = None, None
        if self.chosen.weights in {"classes", "groups"}:
            weights = balanced_weights(groups)
        elif self.chosen.weights == "afr":
            old = nn.Linear(layer.in_features, layer.out_features)
            old.load_state_dict(layer.state_dict())
            weights = afr_weights(old(features).detach(), labels, gamma=self.chosen.gamma)
        return fit_last_layer(
            features,
            labels,
            outputs=self._outputs,
            l2=self.chosen.l2,
            weights=weights,
            old=old,
        )

    def _layer(self, network: nn.Module) -> nn.Linear:
        return plain_last_linear(network, self._outputs)

    def _hear(self, _module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:  # noqa: ANN401
        self._heard.append(inputs[0])
