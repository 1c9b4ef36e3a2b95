"""A training algorithm: told of five moments, each of which it may use or ignore."""

__all__ = ["Algorithm", "Losses"]

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from figureground.base.batch import Batch

if TYPE_CHECKING:
    from figureground.training.run import Run

Losses = dict[str, Tensor]


class Algorithm:
    """Base of all algorithms: at every moment, no change.

    Algorithms are a list and do not know one another. An algorithm owns its extra heads (``modules``), so
    that the network stays an ordinary classifier.
    """

    def modules(self) -> dict[str, nn.Module]:
        """Extra modules whose parameters are trained and kept with the run."""
        return {}

    def state(self) -> dict[str, Any]:
        """What must be kept to resume, beyond the modules."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` gave."""

    def prepare(self, run: "Run") -> None:
        """Before the first step: the model is built, the optimiser is not."""

    def change_batch(self, batch: Batch, run: "Run") -> Batch:  # noqa: ARG002
        """Before the network sees a batch."""
        return batch

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: "Run") -> Losses:  # noqa: ARG002, PLR0917
        """Before the named terms are summed and logged."""
        return losses

    def after_step(self, run: "Run") -> None:
        """After the parameters have changed."""

    def after_epoch(self, run: "Run") -> None:
        """After the last step of an epoch, before validation."""
