"""A tape of one forward pass: which operation made which tensor out of which, for walking back."""

__all__ = ["Step", "Tape"]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from figureground.base.errors import LayerError
from figureground.capture.calls import Call, Description, Kind
from figureground.capture.operations import known, per_result, read


@dataclass
class Step:
    """One operation on the tape, or a tensor that came from outside.

    Args:
        name: The operation's aten name; "input" for a tensor from outside.
        kind: How its result goes back to its operands.
        sources: Indices of the steps that made its operands, all smaller than its own.
        shape: Shape of its result.
        saved: Values needed for going back. For ``EITHER`` and for a ``PRODUCT`` of equal shapes
            one boolean tensor: whether the first operand is the larger one (for ``EITHER`` ties go
            to the operand with fewer convolutions and matrices behind it, the skip connection).
        settings: Strides, dimensions and the like.
        depth: Convolutions and matrices on the longest way from here to the outside.
        gate: Whether the result is a weighting (sigmoid, softmax or an expanded tensor) and so
            is not to be followed where it multiplies something.
    """

    name: str
    kind: Kind
    sources: tuple[int, ...]
    shape: tuple[int, ...]
    saved: tuple[Tensor, ...]
    settings: Mapping[str, tuple[int, ...]]
    depth: int
    gate: bool


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Record the operations that run inside ``with tape:``, as ``tape.steps``.

    Works whether or not a graph is being recorded, and in inference mode. What a step needs is kept
    as it was when the step ran, also where the network later overwrites it in place. Kept alive are
    the inputs of convolutions, matrices and averages (shared with the network, copied only when it
    overwrites them), one byte per element of a residual sum, and the places of maxima; all go with
    the tape. Weights are shared, too: going back is meant to follow the run, before any training step.

    Examples:
        >>> import torch
        >>> tape = Tape()
        >>> x = torch.ones(1, 1, 2, 2)
        >>> with tape:
        ...     y = torch.nn.functional.avg_pool2d(x, 2).relu()
        >>> [step.name for step in tape.steps]
        ['input', 'avg_pool2d', 'relu']
        >>> tape.index(y)
        2
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self._made: dict[_Key, int] = {}
        self._leaves: dict[_Key, int] = {}
        self._written: dict[StorageWeakRef, tuple[int, _Key]] = {}
        self._readers: dict[StorageWeakRef, list[int]] = {}

    def index(self, tensor: Tensor) -> int:
        """The step whose result a tensor is.

        Args:
            tensor: A tensor that was used or made while the tape ran, or one that shares its memory
                and shape (``tensor.detach()``).

        Returns:
            Index into ``steps``.

        Raises:
            LayerError: The tensor was neither used nor made while the tape ran.
        """
        key = _key(tensor)
        if key not in self._made:
            raise LayerError(
                f"a tensor of shape {tuple(tensor.shape)} is not among the {len(self.steps)} steps "
                "of the tape; pass the very tensors that went into and came out of the network"
            )
        return self._made[key]

    def leaf(self, tensor: Tensor) -> int:
        """The step at which a tensor from outside came in, even if it was overwritten later.

        Args:
            tensor: What went into the network.

        Returns:
            Index into ``steps``, of a step of kind ``LEAF``.

        Raises:
            LayerError: The tensor did not go into anything while the tape ran.
        """
        key = _key(tensor)
        if key not in self._leaves:
            raise LayerError(
                f"no input of shape {tuple(tensor.shape)} that is this tensor went into the network "
                f"while the tape ran ({len(self.steps)} steps); pass the very tensor that did"
            )
        return self._leaves[key]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would import its compiler, which takes seconds, only to stay out of here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, *rest: Any) -> Any:  # noqa: ANN401
        """Carry an operation out and put it on the tape; torch calls this."""
        args, kwargs = (*rest, {})[:2] if rest else ((), {})
        call = Call(func.overloadpacket.__name__, args, kwargs or {})
        if not known(call) and torch.is_inference_mode_enabled():
            # only there compound operations arrive whole; their parts then come here
            with self:
                result = func.decompose(*args, **call.kwargs)
            if result is not NotImplemented:
                return result
        if not call.tensors():
            return func(*args, **call.kwargs)
        description = read(call)
        sources = tuple(self._source(tensor) for tensor in description.operands)
        description = _compared(description, [self.steps[source].depth for source in sources])
        if call.in_place:
            self._keep_before_writing(args[0])
        result = func(*args, **call.kwargs)
        for tensor, about in per_result(call, description, result):
            self._add(call, tensor, description=about, sources=sources)
        return result

    def _source(self, tensor: Tensor) -> int:
        """The step that made an operand; a new leaf where none did."""
        key = _key(tensor)
        if key not in self._made:
            leaf = Step("input", Kind.LEAF, (), tuple(tensor.shape), (), {}, 0, gate=False)
            self._leaves[key] = self._append(key, leaf)
        writer, written_as = self._written.get(key.storage, (-1, key))
        if writer > self._made[key] and written_as != key:
            name = f"{self.steps[writer].name} on another view"
            self._append(key, replace(self.steps[writer], name=name, kind=Kind.UNKNOWN))
        return self._made[key]

    def _append(self, key: "_Key", step: Step) -> int:
        """Put a step on the tape as the maker of a tensor."""
        self._made[key] = len(self.steps)
        self.steps.append(step)
        return self._made[key]

    def _add(
        self, call: Call, tensor: Tensor, *, description: Description, sources: tuple[int, ...]
    ) -> None:
        """Put one result on the tape, unless it is the operand itself under another name."""
        key = _key(tensor)
        if not call.in_place and self._made.get(key) in sources:
            return
        behind = [self.steps[source] for source in sources]
        index = self._append(
            key,
            Step(
                name=call.name,
                kind=description.kind,
                sources=sources,
                shape=tuple(tensor.shape),
                saved=description.saved,
                settings=description.settings,
                depth=max((step.depth for step in behind), default=0)
                + (description.kind in {Kind.CONV, Kind.LINEAR}),
                gate=_is_gate(call, description.kind, behind[:1]),
            ),
        )
        for value in description.saved:
            self._readers.setdefault(_memory(value), []).append(index)
        if call.in_place and description.kind is not Kind.SAME:
            self._written[key.storage] = (index, key)

    def _keep_before_writing(self, target: Tensor) -> None:
        """Copy what earlier steps still need of a memory that is about to be overwritten."""
        storage = _memory(target)
        for index in self._readers.pop(storage, []):
            step = self.steps[index]
            step.saved = tuple(
                value.clone() if _memory(value) == storage else value for value in step.saved
            )


@dataclass(frozen=True)
class _Key:
    """Which elements of which memory a tensor shows; a weak reference, so never one of the dead."""

    storage: StorageWeakRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


_VIEWS = frozenset(
    {"view", "_unsafe_view", "unsqueeze", "squeeze", "clone", "detach", "alias", "_to_copy"}
)
_MOVES = frozenset({Kind.PERMUTE, Kind.SLICE, Kind.SELECT})


def _key(tensor: Tensor) -> _Key:
    """The key of a tensor."""
    shape, stride = tuple(tensor.shape), tuple(tensor.stride())
    return _Key(_memory(tensor), int(tensor.storage_offset()), shape, stride)


def _memory(tensor: Tensor) -> StorageWeakRef:
    """The memory a tensor lies in, without keeping it alive."""
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _is_gate(call: Call, kind: Kind, first: list[Step]) -> bool:
    """Whether a result only weights: made by a sigmoid, softmax or expansion, or a view of such."""
    if kind is Kind.EXPAND or call.stem in {"sigmoid", "hardsigmoid", "_softmax"}:
        return True
    return (kind in _MOVES or call.stem in _VIEWS) and any(step.gate for step in first)


def _compared(description: Description, depths: list[int]) -> Description:
    """The description with the two operands replaced by where the first is the larger one."""
    if description.kind not in {Kind.EITHER, Kind.PRODUCT} or not description.saved:
        return description
    first, second = description.saved
    if first.shape != second.shape and description.kind is Kind.PRODUCT:
        return replace(description, saved=())
    ties_to_first = depths[0] <= depths[1]
    mask = torch.ge(first, second) if ties_to_first else torch.gt(first, second)
    return replace(description, saved=(mask,))
