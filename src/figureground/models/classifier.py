"""A network together with what it wants for input and what its outputs are called."""

__all__ = ["Classifier"]

from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError, ShapeError
from figureground.base.outputs import ClassNames, find_logits
from figureground.base.shapes import Images, Logits
from figureground.models.preprocessing import Preprocessing


class Classifier(nn.Module):
    """Logits for images in [0, 1]: normalises as the network was trained, then runs it.

    Args:
        network: Gives logits ``(N, L)`` for normalised images, in any form that ``find_logits`` knows.
        preprocessing: How images are resized, cropped and normalised for it.
        name: Where it came from, for records and messages.
        class_names: One name per class, where known. A network with one logit has two classes: 1 where the logit is
            positive, 0 where it is not. Its names are two, or that of class 1 alone (class 0 is then "not" that).
        num_classes: Number of logits; the network's ``num_classes`` or the number of ``class_names`` where omitted.
        notes: Sentences on what had to be assumed while loading, to be shown to the user.
        output: How to find the logits in what the network returns, where ``find_logits`` cannot tell.

    Raises:
        ModelError: There are more or fewer names than classes.

    Examples:
        >>> plain = Preprocessing((2, 2), "crop", 1.0, "bilinear", (0.5,), (0.25,), 1)
        >>> toy = Classifier(nn.Flatten(), plain, class_names=("a, alpha", "b", "c", "d"))
        >>> toy(torch.ones(1, 1, 2, 2))
        tensor([[2., 2., 2., 2.]])
        >>> toy.class_index("Alpha")
        0
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        *,
        name: str = "",
        class_names: Sequence[str] | None = None,
        num_classes: int | None = None,
        notes: Sequence[str] = (),
        output: Callable[[Any], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing
        self.name = name or type(network).__name__
        self.num_classes = _count(network, class_names, num_classes)
        self.class_names = ClassNames.of(self.num_classes, class_names, self.name).names
        self.run = ""  # the name of its folder, where a training run left it
        self.notes = tuple(notes)
        self.output = output
        # not persistent: the weights of a classifier are the weights of its network and nothing else
        for key in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, key)).view(-1, 1, 1)
            self.register_buffer(key, values, persistent=False)

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)`` in [0, 1], not normalised.

        Returns:
            ``(N, L)``, before any softmax.

        Raises:
            ShapeError: Not a batch of float images with the right number of channels.
            ModelError: The network's output is not one row of logits per image.
        """
        channels = self.preprocessing.channels
        if images.ndim != 4 or images.shape[1] != channels or not images.is_floating_point():
            raise ShapeError(
                f"{self.name} needs float images (N, {channels}, H, W) in [0, 1], "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        normalised = (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)
        normalised = self.preprocessing.ordered(normalised)
        returned = self.network(normalised.to(_precision(self.network, images.dtype)))
        try:
            return find_logits(returned, len(images), self.output)
        except ModelError as error:
            raise ModelError(f"{self.name}: {error}") from None

    @property
    def description(self) -> dict[str, str]:
        """As a record describes it: name, run where it comes from one, input in words, preprocessing."""
        kept, run = self.preprocessing, {"run": self.run} if self.run else {}
        return {"name": self.name} | run | {"input": kept.in_words, "preprocessing": repr(kept)}

    @property
    def classes(self) -> ClassNames:
        """The classes by number and by name; a network with one logit has two."""
        return ClassNames.of(self.num_classes, self.class_names, self.name)

    def class_index(self, name_or_index: str | SupportsIndex) -> int:
        """The number of a class.

        A name is looked for in full, then as one of the synonyms of a comma-separated name, then as a part of a name;
        upper and lower case are the same. A string of digits that is no name counts as a number.

        Args:
            name_or_index: What the user wrote.

        Returns:
            Number of the class: of its logit; for a network with one logit 1 where it is positive, 0 where it is not.

        Raises:
            OptionError: No such class, or several; the message names the closest.
        """
        return self.classes.index(name_or_index)

    def class_name(self, index: SupportsIndex) -> str:
        """What a class is called.

        Args:
            index: Number of the class.

        Returns:
            Its class name, or ``class 5`` where names are not known.

        Raises:
            OptionError: There is no such class.
        """
        return self.classes.name(index)


def _precision(network: nn.Module, given: torch.dtype) -> torch.dtype:
    """The network's own, where its weights are not float32 (which autocast may change by itself)."""
    own = next((one.dtype for one in network.parameters() if one.is_floating_point()), given)
    return given if own == torch.float32 else own


def _count(network: nn.Module, names: Sequence[str] | None, given: int | None) -> int | None:
    """The number of logits as far as it is known."""
    own = getattr(network, "num_classes", None)
    known = given if given is not None else own if isinstance(own, int) and own > 0 else None
    return len(names) if known is None and names is not None else known
