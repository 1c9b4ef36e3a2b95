"""A network together with what it wants for input and what its outputs are called."""

__all__ = ["Classifier"]

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError, ShapeError
from figureground.base.shapes import Images, Logits
from figureground.models.preprocessing import Preprocessing


class Classifier(nn.Module):
    """Logits for pictures in [0, 1]: normalises as the network was trained, then runs it.

    Args:
        network: Gives logits ``(N, L)`` for normalised pictures, as a tensor or as its output's ``logits``.
        preprocessing: How pictures are resized, cropped and normalised for it.
        name: Where it came from, for records and messages.
        class_names: One name per logit, where known.
        num_classes: Number of logits; taken from ``class_names`` or from the network's ``num_classes`` where omitted.
        notes: Sentences on what had to be assumed while loading, to be shown to the user.

    Raises:
        ModelError: As many names as logits are needed, and there are more or fewer.

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
    ) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing
        self.name = name or type(network).__name__
        self.class_names = tuple(class_names) if class_names is not None else None
        self.num_classes = _count(network, self.class_names, num_classes)
        self.notes = tuple(notes)
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
            ShapeError: Not a batch of float pictures with the right number of channels.
            ModelError: The network's output is not one row of logits per picture.
        """
        channels = self.preprocessing.channels
        if images.ndim != 4 or images.shape[1] != channels or not images.is_floating_point():
            raise ShapeError(
                f"{self.name} needs float pictures (N, {channels}, H, W) in [0, 1], "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        normalised = (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)
        return _logits(self.network(normalised), self.name)

    def class_index(self, name_or_index: str | int) -> int:
        """The logit that belongs to a class.

        A name is looked for in full, then as one of the synonyms of a comma-separated name, then as a part of a name;
        upper and lower case are the same. A string of digits that is no name counts as an index.

        Args:
            name_or_index: What the user wrote.

        Returns:
            Index in ``[0, num_classes)``.

        Raises:
            OptionError: No such class, or several; the message names the closest.
        """
        if isinstance(name_or_index, int):
            return self._in_range(name_or_index)
        matches = _matches(name_or_index, self.class_names or ())
        if not matches and name_or_index.strip().isdecimal():
            return self._in_range(int(name_or_index))
        return self._only(matches, name_or_index)

    def class_name(self, index: int) -> str:
        """What a logit stands for.

        Args:
            index: Of the logit.

        Returns:
            Its class name, or ``class 5`` where names are not known.

        Raises:
            OptionError: The index is out of range.
        """
        checked = self._in_range(index)
        return self.class_names[checked] if self.class_names is not None else f"class {checked}"

    def _in_range(self, index: int) -> int:
        """The index, unless it is out of range."""
        last = None if self.num_classes is None else self.num_classes - 1
        if index < 0 or (last is not None and index > last):
            known = "0 and above" if last is None else f"0 to {last}"
            raise OptionError(f"no class {index} in {self.name}: indices are {known}")
        return index

    def _only(self, matches: Sequence[int], given: str) -> int:
        """The one match, or an error that says why there is not one."""
        if len(matches) == 1:
            return matches[0]
        if not matches and self.class_names is None:
            raise OptionError(
                f"no class '{given}': {self.name} has no class names; give an index or a file of class names"
            )
        if not matches:
            close = _closest(given, self.class_names or ())
            hint = "" if close is None else f"; closest: {close} '{self.class_name(close)}'"
            raise OptionError(f"no class '{given}' in {self.name}{hint}")
        shown = ", ".join(f"{index} '{self.class_name(index)}'" for index in matches[:5])
        more = ", …" if len(matches) > 5 else ""
        raise OptionError(
            f"'{given}' fits {len(matches)} classes of {self.name}: {shown}{more}; give a full name or an index"
        )


def _matches(given: str, names: Sequence[str]) -> list[int]:
    """Indices of the classes that a name fits, by the strictest of three readings that fits any."""
    wanted = given.strip().casefold()
    folded = [name.casefold() for name in names]
    exact = [i for i, name in enumerate(folded) if name == wanted]
    synonyms = [
        i for i, name in enumerate(folded) if wanted in [part.strip() for part in name.split(",")]
    ]
    # a number is never a part of a name: "1" must not find "class 10"
    partly = wanted and not wanted.isdecimal()
    parts = [i for i, name in enumerate(folded) if partly and wanted in name]
    return exact or synonyms or parts


def _closest(given: str, names: Sequence[str]) -> int | None:
    """The class one of whose synonyms looks most like what was written."""
    parts = {
        part.strip(): index
        for index, name in reversed(list(enumerate(names)))
        for part in name.casefold().split(",")
    }
    close = get_close_matches(given.strip().casefold(), parts, n=1, cutoff=0.4)
    return parts[close[0]] if close else None


def _count(network: nn.Module, names: Sequence[str] | None, given: int | None) -> int | None:
    """The number of logits as far as it is known, and that there are as many names."""
    own = getattr(network, "num_classes", None)
    count = given if given is not None else own if isinstance(own, int) and own > 0 else None
    if names is not None and count is not None and len(names) != count:
        raise ModelError(f"{len(names)} class names for a network with {count} outputs")
    return count if names is None else len(names)


def _logits(output: object, name: str) -> Tensor:
    """The logits in what a network returned."""
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(f"{name} must return logits (N, L), got {came}")
    return logits
