"""What a classifier's outputs are: where the logits stand, and what a class number means."""

__all__ = ["ClassNames", "class_logits", "class_number", "class_probabilities", "find_logits"]

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import ModelError, OptionError
from figureground.base.shapes import Logits

_NAMES = (
    *("logits", "logit", "cls", "cls_logits", "class_logits", "scores"),
    *("out", "output", "prediction", "predictions"),
)


def find_logits(output: object, count: int, pick: Callable[[Any], Tensor] | None = None) -> Logits:
    """The logits in what a classifier returned for a batch of images.

    A tensor is taken as it is. In a dict, an object or a named tuple the logits stand under one of the usual names
    (``logits``, ``cls``, ``cls_logits``, ``class_logits``, ``scores``, ``out``, ``output``, ...): the first that fits.
    A tuple or a list must hold exactly one float tensor ``(N, L)``. Nothing is guessed beyond that.

    Args:
        output: What the model returned.
        count: N, the number of images that went in.
        pick: The caller's own way to find the logits, where the above does not.

    Returns:
        ``(N, L)`` in the model's own precision; one value per image ``(N,)`` becomes ``(N, 1)``, and ``(N, L, 1, 1)``
        loses its single position.

    Raises:
        ModelError: There is no such tensor, or several; the message lists the tensors with their shapes.

    Examples:
        >>> import torch
        >>> find_logits({"loss": torch.tensor(0.5), "cls": torch.ones(2)}, 2).shape
        torch.Size([2, 1])
        >>> find_logits((torch.ones(2, 3), torch.ones(2, 64, 7, 7)), 2).shape
        torch.Size([2, 3])
    """
    if pick is not None:
        output = pick(output)
    if isinstance(output, Tensor):
        found = _as_logits(output, count)
        if found is not None:
            return found
        raise ModelError(_wanted(count) + f"; the model returned {_described(output)}")
    for name in _NAMES:
        value = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        found = _as_logits(value, count)
        if found is not None:
            return found
    if isinstance(output, list | tuple):
        rows = [one for one in output if isinstance(one, Tensor) and one.ndim == 2]
        fitting = [one for one in rows if _as_logits(one, count) is not None]
        if len(fitting) == 1:
            return fitting[0]
    raise ModelError(_nothing_found(output, count))


def _as_logits(value: object, count: int) -> Logits | None:
    """``(N, L)`` where the value is one row of float scores per image, else None."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim == 0:
        return None
    rows = value[:, None] if value.ndim == 1 else value
    if rows.shape[0] != count or rows.shape[1] == 0 or rows.shape[2:].numel() != 1:
        return None
    return rows if rows.ndim == 2 else rows.flatten(1)


def _wanted(count: int) -> str:
    return f"logits are floats (N, L) with N = {count}"


def _nothing_found(output: object, count: int) -> str:
    """The message that lists what there is and says how to name the right one."""
    listed = ", ".join(
        f"{place} {_described(value)}"
        for place, value in _items(output)
        if isinstance(value, Tensor)
    )
    kind = type(output).__name__
    return (
        f"cannot tell the logits in what the model returned ({kind}: {listed or 'no tensors'}); {_wanted(count)}. "
        "In the library name them with output=lambda returned: ...; in a model file let the network return them alone"
    )


def _items(output: object) -> list[tuple[str, object]]:
    """What a structure holds, with the way to it."""
    if isinstance(output, Mapping):
        return [(f"[{key!r}]", value) for key, value in output.items()]
    if isinstance(output, list | tuple):
        return [(f"[{position}]", value) for position, value in enumerate(output)]
    if is_dataclass(output) and not isinstance(output, type):
        return [(f".{field.name}", getattr(output, field.name)) for field in fields(output)]
    return [(f".{name}", value) for name, value in getattr(output, "__dict__", {}).items()]


def _described(tensor: Tensor) -> str:
    """Shape and type: ``(2, 5, 7, 7) float32``."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


@dataclass(frozen=True)
class ClassNames:
    """The classes of one classifier; ``of`` makes them from its number of logits.

    Args:
        names: One per class, where known.
        count: Number of classes, where known: as many as logits, or two for one logit.
        owner: Whose classes they are, for messages.

    Examples:
        >>> two = ClassNames.of(1, ("defect",))
        >>> two.names, two.index("defect"), two.name(0)
        (('not defect', 'defect'), 1, 'not defect')
    """

    names: tuple[str, ...] | None = None
    count: int | None = None
    owner: str = "the model"

    @classmethod
    def of(
        cls, num_logits: int | None, names: Sequence[str] | None, owner: str = "the model"
    ) -> "ClassNames":
        """The classes of a classifier with this many logits.

        Args:
            num_logits: L, where known. One logit stands for two classes: 1 where it is positive, 0 where it is not.
            names: One per class, where known. For one logit the name of class 1 will do; class 0 is then "not" that.
            owner: Whose classes they are, for messages.

        Returns:
            The classes.

        Raises:
            ModelError: There are more or fewer names than classes.
        """
        count = 2 if num_logits == 1 else num_logits
        if names is None:
            return cls(None, count, owner)
        all_names = tuple(names)
        if len(all_names) == 1 and num_logits in {1, None}:
            # the first of comma-separated synonyms alone: the others still name class 1
            all_names = (f"not {all_names[0].split(',')[0].strip()}", all_names[0])
        if count is not None and len(all_names) != count:
            logits = "1 logit" if num_logits == 1 else f"{num_logits} logits"
            raise ModelError(f"{len(all_names)} class names for {owner}, which has {logits}")
        return cls(all_names, len(all_names), owner)

    def index(self, one: object) -> int:
        """The number of a class.

        A name is looked for in full, then as one of the synonyms of a comma-separated name, then as a part of a name;
        upper and lower case are the same. A string of digits that is no name counts as a number.

        Args:
            one: What the user wrote: a name or an integer (of Python, numpy or torch).

        Returns:
            Number of the class, from 0.

        Raises:
            OptionError: No such class, or several; the message names the closest.
        """
        if not isinstance(one, str):
            return self._in_range(class_number(one))
        matches = _matches(one, self.names or ())
        if not matches and one.strip().isdecimal():
            return self._in_range(int(one))
        return self._only(matches, one)

    def name(self, index: SupportsIndex) -> str:
        """What a class is called.

        Args:
            index: Number of the class.

        Returns:
            Its name, or ``class 5`` where names are not known.

        Raises:
            OptionError: There is no such class.
        """
        checked = self._in_range(class_number(index))
        return self.names[checked] if self.names is not None else f"class {checked}"

    def _in_range(self, index: int) -> int:
        """The number, unless it is out of range."""
        last = None if self.count is None else self.count - 1
        if index < 0 or (last is not None and index > last):
            known = "0 and above" if last is None else f"0 to {last}"
            raise OptionError(f"no class {index} in {self.owner}: indices are {known}")
        return index

    def _only(self, matches: Sequence[int], given: str) -> int:
        """The one match, or an error that says why there is not one."""
        if len(matches) == 1:
            return matches[0]
        if not matches and self.names is None:
            raise OptionError(
                f"no class '{given}': {self.owner} has no class names; give its number or class names"
            )
        if not matches:
            close = _closest(given, self.names or ())
            hint = "" if close is None else f"; closest: {close} '{self.name(close)}'"
            raise OptionError(f"no class '{given}' in {self.owner}{hint}")
        shown = ", ".join(f"{index} '{self.name(index)}'" for index in matches[:5])
        more = ", …" if len(matches) > 5 else ""
        raise OptionError(
            f"'{given}' fits {len(matches)} classes of {self.owner}: {shown}{more}; give a full name or an index"
        )


def class_number(one: object) -> int:
    """An integer of Python, numpy or torch as a class number; not a truth value.

    Args:
        one: The integer.

    Returns:
        The same as an ``int``.

    Raises:
        OptionError: It is no integer.

    Examples:
        >>> class_number(torch.tensor(3))
        3
    """
    number: Any = one
    if isinstance(one, bool) or (isinstance(one, Tensor) and one.dtype == torch.bool):
        raise OptionError(f"a class is a number or a name, not a truth value ({one})")
    try:
        return operator.index(number)
    except TypeError:
        raise OptionError(f"a class is a number or a name, not {type(one).__name__}") from None


def class_logits(logits: Logits) -> Float[Tensor, "N K"]:
    """One score for each class: the logits themselves, or the two signs of a single logit.

    Args:
        logits: ``(N, L)``.

    Returns:
        ``(N, L)``, or ``(N, 2)`` where L is 1: minus the logit for class 0, the logit for class 1.

    Examples:
        >>> class_logits(torch.tensor([[3.0]])).tolist()
        [[-3.0, 3.0]]
    """
    return logits if logits.shape[1] > 1 else torch.cat([-logits, logits], 1)


def class_probabilities(logits: Logits) -> Float[Tensor, "N K"]:
    """One probability for each class: the softmax, or the sigmoid of a single logit and what is left of 1.

    Args:
        logits: ``(N, L)``.

    Returns:
        ``(N, L)``, or ``(N, 2)`` where L is 1; rows sum to 1.

    Examples:
        >>> class_probabilities(torch.tensor([[0.0]])).tolist()
        [[0.5, 0.5]]
    """
    if logits.shape[1] > 1:
        return logits.softmax(1)
    return torch.cat([(-logits).sigmoid(), logits.sigmoid()], 1)


def _matches(given: str, names: Sequence[str]) -> list[int]:
    """Numbers of the classes that a name fits, by the strictest of four readings that fits any."""
    wanted = given.strip().casefold()
    folded = [name.casefold() for name in names]
    exact = [i for i, name in enumerate(folded) if name == wanted]
    synonyms = [
        i for i, name in enumerate(folded) if wanted in [part.strip() for part in name.split(",")]
    ]
    # a number is never a part of a name: "1" must not find "class 10"
    partly = wanted and not wanted.isdecimal()
    parts = [i for i, name in enumerate(folded) if partly and wanted in name]
    same = [i for i in exact if names[i].strip() == given.strip()]  # letters: "A" is not "a"
    return same or exact or synonyms or parts


def _closest(given: str, names: Sequence[str]) -> int | None:
    """The class one of whose synonyms looks most like what was written."""
    parts = {
        part.strip(): index
        for index, name in reversed(list(enumerate(names)))
        for part in name.casefold().split(",")
    }
    close = get_close_matches(given.strip().casefold(), parts, n=1, cutoff=0.4)
    return parts[close[0]] if close else None
