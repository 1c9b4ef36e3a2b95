"""What each tensor operation of a network does to positions and channels, read from its arguments."""

__all__ = ["known", "per_result", "read"]

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from figureground.capture.calls import Call, Description, Kind


def known(call: Call) -> bool:
    """Whether the operation is understood; one that is not may still fall apart into such that are.

    Args:
        call: The call.

    Returns:
        True where `read` knows the operation.
    """
    return call.stem in _READERS or call.stem in _SAME_ELEMENT


def read(call: Call) -> Description:
    """What has to be remembered of a call, before it is carried out.

    Args:
        call: The call.

    Returns:
        The description; of kind ``UNKNOWN`` where the operation is not understood.
    """
    if call.stem in _READERS:
        return _READERS[call.stem](call)
    return Description(Kind.SAME, call.args[:1]) if call.stem in _SAME_ELEMENT else _unknown(call)


def per_result(
    call: Call,
    description: Description,
    result: Any,  # noqa: ANN401 - whatever an operation returns
) -> list[tuple[Tensor, Description]]:
    """Each result of a finished call that can be followed, with its own description.

    Args:
        call: The call.
        description: What `read` said of it.
        result: What it returned: a tensor, or several (the parts of a split, a maximum and its
            place, a normalised tensor and its statistics), or none.

    Returns:
        The parts of a split one by one; of other known operations the first result.
    """
    outputs = result if isinstance(result, list | tuple) else (result,)
    tensors = [output for output in outputs if isinstance(output, Tensor)]
    if call.stem in _SPLITS:
        (dim,) = description.settings["dim"]
        lengths = [
            1 if description.kind is Kind.SELECT else tensor.shape[dim] for tensor in tensors
        ]
        starts = [sum(lengths[:i]) for i in range(len(lengths))]
        several = [{**description.settings, "start": (start,)} for start in starts]
        each = [replace(description, settings=settings) for settings in several]
    elif description.kind is Kind.POOL_MAX:
        each = [replace(description, saved=(tensors[1],))]
    else:
        each = [description] * (
            len(tensors) if description.kind is Kind.UNKNOWN else min(len(tensors), 1)
        )
    return list(zip(tensors[: len(each)], each, strict=True))


_SPLITS = frozenset({"split", "split_with_sizes", "unbind"})
_ELEMENT_WISE = """
    relu relu6 leaky_relu _prelu_kernel rrelu_with_noise elu celu silu gelu mish softplus tanh
    sigmoid hardtanh hardswish hardsigmoid threshold log_sigmoid_forward clamp clamp_min clamp_max
    abs neg exp log sqrt rsqrt reciprocal pow square erf rsub
"""
# with one factor per channel or group, so that an element's own value decides about it
_NORMALISING = """
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _batch_norm_no_update _batch_norm_with_update cudnn_batch_norm miopen_batch_norm
    native_group_norm native_dropout bernoulli
"""
_REARRANGING_NOTHING = """
    view _unsafe_view _reshape_alias _reshape_copy view_copy unsqueeze squeeze clone detach alias
    _to_copy lift_fresh lift_fresh_copy
"""
_SAME_ELEMENT = frozenset((_ELEMENT_WISE + _NORMALISING + _REARRANGING_NOTHING).split())


def _unknown(call: Call) -> Description:
    """A call that cannot be followed, with all its tensors, so that one knows what it touches."""
    return Description(Kind.UNKNOWN, call.tensors())


def _pair(value: int | list[int] | tuple[int, ...]) -> tuple[int, int]:
    """One number, or two, as two."""
    values = [value] if isinstance(value, int) else list(value)
    return values[0], values[-1]


def _dims(x: Tensor, dims: int | list[int]) -> tuple[int, ...]:
    """Dimensions counted from the front."""
    return tuple(d % max(x.ndim, 1) for d in ([dims] if isinstance(dims, int) else dims))


def _permute(call: Call) -> Description:
    """Axes in another order: result axis i is operand axis dims[i]."""
    x = call.args[0]
    order = list(range(x.ndim))
    if call.stem == "permute":
        order = list(_dims(x, call.args[1]))
    elif x.ndim > 1:
        first, second = _dims(x, list(call.args[1:3]) if call.stem == "transpose" else [0, 1])
        order[first], order[second] = order[second], order[first]
    return Description(Kind.PERMUTE, (x,), settings={"dims": tuple(order)})


def _slice(call: Call) -> Description:
    """Part of an axis, with a step."""
    x = call.args[0]
    (dim,) = _dims(x, call.get(1, 0))
    asked = slice(call.get(2, None), call.get(3, None), call.get(4, 1))
    start, _, step = asked.indices(x.shape[dim])
    return Description(
        Kind.SLICE, (x,), settings={"dim": (dim,), "start": (start,), "step": (step,)}
    )


def _select(call: Call) -> Description:
    """One entry of an axis, which disappears."""
    x, dim, at = call.args
    (dim,) = _dims(x, dim)
    return Description(Kind.SELECT, (x,), settings={"dim": (dim,), "start": (at % x.shape[dim],)})


def _split(call: Call) -> Description:
    """Consecutive parts of an axis; the tape numbers the parts."""
    x = call.args[0]
    at = 1 if call.stem == "unbind" else 2
    kind = Kind.SELECT if call.stem == "unbind" else Kind.SLICE
    return Description(kind, (x,), settings={"dim": _dims(x, call.get(at, 0)), "step": (1,)})


def _expand(call: Call) -> Description:
    """A tensor repeated along axes of length one."""
    return Description(Kind.EXPAND, call.args[:1])


def _as_strided(call: Call) -> Description:
    """Another stride for axes of length one is no change; all else is not followed."""
    x, size, stride = call.args[:3]
    triples = zip(size, stride, x.stride(), strict=True) if tuple(size) == tuple(x.shape) else ()
    if call.get(3, None) not in {None, x.storage_offset()} or not triples:
        return _unknown(call)
    same = all(new == old for length, new, old in triples if length > 1)
    return Description(Kind.SAME, (x,)) if same else _unknown(call)


def _pad(call: Call) -> Description:
    """Constant borders: (before, after) of the last axis first."""
    x, amounts = call.args[:2]
    before = [0] * x.ndim
    for i, amount in enumerate(amounts[::2]):
        before[-1 - i] = amount
    return Description(Kind.PAD, (x,), settings={"before": tuple(before)})


def _join(call: Call) -> Description:
    """Tensors side by side along an axis."""
    parts = tuple(call.args[0])
    kind = Kind.STACK if call.stem == "stack" else Kind.CAT
    ndim = parts[0].ndim + (kind is Kind.STACK)
    return Description(kind, parts, settings={"dim": (call.get(1, 0) % ndim,)})


def _sum(call: Call) -> Description:
    """A sum, difference or maximum of two tensors; with a number it changes no position."""
    tensors = _pair_of_tensors(call)
    if len(tensors) < 2:
        return Description(Kind.SAME, tensors)
    a, b = (tensor.detach() for tensor in tensors)
    factor = call.kwargs.get("alpha", 1) * (-1 if call.stem == "sub" else 1)
    return Description(Kind.EITHER, tensors, (a, b if factor == 1 else b * factor))


def _product(call: Call) -> Description:
    """A product or quotient; of a quotient the numerator is followed."""
    tensors = _pair_of_tensors(call)
    if len(tensors) < 2:
        return Description(Kind.SAME, tensors)
    values = tuple(tensor.detach() for tensor in tensors) if call.stem == "mul" else ()
    return Description(Kind.PRODUCT, tensors, values)


def _pair_of_tensors(call: Call) -> tuple[Tensor, ...]:
    """The tensors among the first two arguments."""
    return tuple(value for value in call.args[:2] if isinstance(value, Tensor))


def _convolution(call: Call) -> Description:
    """A two-dimensional convolution; others and transposed ones are not followed."""
    x, weight, _, stride, padding, dilation, transposed, _, groups = call.args
    if transposed or weight.ndim != 4 or x.ndim != 4:
        return _unknown(call)
    settings = {"stride": _pair(stride), "padding": _pair(padding), "dilation": _pair(dilation)}
    values = (x.detach(), weight.detach())
    return Description(Kind.CONV, (x, weight), values, {**settings, "groups": (groups,)})


def _linear(call: Call) -> Description:
    """Rows (N, F) times a matrix (F, O)."""
    x, matrix = call.args[1:3] if call.stem == "addmm" else call.args[:2]
    return Description(Kind.LINEAR, (x, matrix), (x.detach(), matrix.detach()))


def _max_pool(call: Call) -> Description:
    """A max pool that returns where its maxima are."""
    return Description(Kind.POOL_MAX, call.args[:1])


def _avg_pool(call: Call) -> Description:
    """An average over windows."""
    kernel = _pair(call.args[1])
    stride = _pair(call.get(2, None) or kernel)
    settings = {"kernel": kernel, "stride": stride, "padding": _pair(call.get(3, 0))}
    return Description(Kind.POOL_AVG, call.args[:1], (call.args[0].detach(),), settings)


def _adaptive_pool(call: Call) -> Description:
    """An average over as many windows as asked for."""
    return Description(Kind.POOL_ADAPTIVE, call.args[:1], (call.args[0].detach(),))


def _reduce(call: Call) -> Description:
    """A mean, sum or maximum over whole axes, the first (the images) excepted."""
    x = call.args[0]
    dims = _dims(x, list(call.get(1, None) or range(x.ndim)))
    if 0 in dims:
        return _unknown(call)
    settings = {"dims": dims, "kept": (int(bool(call.get(2, False))),)}
    return Description(Kind.REDUCE, (x,), (x.detach(),), settings)


_READERS: dict[str, Callable[[Call], Description]] = {
    **dict.fromkeys(("permute", "transpose", "t"), _permute),
    "slice": _slice,
    "select": _select,
    **dict.fromkeys(_SPLITS, _split),
    "expand": _expand,
    "as_strided": _as_strided,
    "constant_pad_nd": _pad,
    **dict.fromkeys(("cat", "stack"), _join),
    **dict.fromkeys(("add", "sub", "maximum"), _sum),
    **dict.fromkeys(("mul", "div"), _product),
    "convolution": _convolution,
    **dict.fromkeys(("mm", "addmm"), _linear),
    **dict.fromkeys(("max_pool2d_with_indices", "adaptive_max_pool2d"), _max_pool),
    "avg_pool2d": _avg_pool,
    "_adaptive_avg_pool2d": _adaptive_pool,
    **dict.fromkeys(("mean", "sum", "amax"), _reduce),
}
