"""A training algorithm: seven hooks of the training loop, each of which it may use or leave alone."""

__all__ = ["Algorithm", "Losses"]

from typing import Any, ClassVar

from torch import Tensor, nn

from figureground.base.paper import Paper
from figureground.data.labeled import LabeledImages
from figureground.training.batch import Batch
from figureground.training.recipe import RecipePart
from figureground.training.run import Run

Losses = dict[str, Tensor]


class Algorithm:
    """Base of all algorithms: seven hooks that change nothing.

    The loop calls ``prepare``, ``change_validation``, ``change_batch``, ``before_pass``, ``change_losses``,
    ``after_step`` and ``after_epoch``. Algorithms are a list and do not know one another. An algorithm owns its extra
    heads (``modules``), so that the network stays an ordinary classifier.

    Attributes:
        name: As recipes write it.
        paper: Where it comes from; None for this base.
        Options: What a recipe may say.
        takes_background: Whether it knows what to do with training images labelled as background.
        needs_gradients: Whether it is of use only where some weight is trained by gradients.
        looks_inside: Whether it listens to layers while the network runs, which a compiled network does not let it.

    Args:
        options: Read from the recipe.
        num_classes: Classes of the data, without a background class.
    """

    name: ClassVar[str] = "none"
    paper: ClassVar[Paper | None] = None
    Options: ClassVar[type[RecipePart]] = RecipePart
    takes_background: ClassVar[bool] = False
    needs_gradients: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True

    def __init__(self, options: RecipePart, num_classes: int) -> None:
        self.options = options
        self.num_classes = num_classes

    @property
    def follows_images(self) -> bool:
        """Whether it has maps, masks or boxes that must move as transforms move the images."""
        return False

    @property
    def has_own_backgrounds(self) -> bool:
        """Whether it brings background images itself, beside those of the data."""
        return False

    @property
    def extra_outputs(self) -> int:
        """Outputs that the network must have beyond the classes."""
        return 0

    def modules(self, network: nn.Module) -> dict[str, nn.Module]:  # noqa: ARG002
        """Extra modules whose parameters are trained and stored with the run.

        Args:
            network: The classifier that they will stand beside.

        Returns:
            Name -> module; call them as ``run.heads[name]``, which works with several processes too.
        """
        return {}

    def description(self) -> dict[str, Any]:
        """What the run's record says of it, once the run is prepared: numbers and text; the user sees ``warnings``."""
        return {}

    def identity(self) -> str:
        """Stands for what it has loaded beside the recipe, once the run is prepared: a teacher, images, labels."""
        return ""

    def state(self) -> dict[str, Any]:
        """What must be stored to resume, beyond the modules: tensors, numbers and text."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` gave."""

    def prepare(self, run: Run) -> None:
        """Before the first step, also of a resumed run: network, heads and optimiser are made."""

    def change_validation(self, data: LabeledImages, run: Run) -> LabeledImages:  # noqa: ARG002
        """Once, before the first step: the images that the best weights are chosen on."""
        return data

    def change_batch(self, batch: Batch, run: Run) -> Batch:  # noqa: ARG002
        """Before the network sees a batch."""
        return batch

    def before_pass(self, batch: Batch, run: Run) -> None:
        """When all have changed the batch: it is as the network will see it next."""

    def change_losses(self, losses: Losses, outputs: Tensor, batch: Batch, run: Run) -> Losses:  # noqa: ARG002, PLR0917
        """Before the named terms are summed and logged."""
        return losses

    def after_step(self, run: Run) -> None:
        """After a batch, and after the parameters have changed where they did."""

    def after_epoch(self, run: Run) -> None:
        """After the last step of an epoch, before validation."""
