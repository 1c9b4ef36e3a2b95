"""Attention as methods use it: which calls are those of the blocks, which row of tokens to read, where it lies."""

__all__ = ["Attention", "AttentionFinding", "find_attention"]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.amount import amount
from figureground.base.errors import LayerError
from figureground.base.shapes import Images, Logits, Maps
from figureground.capture.attention_calls import AttentionCall
from figureground.capture.attention_tape import AttentionTape
from figureground.capture.grid import Grid, find_grid, first_tensor
from figureground.capture.head import Directions, tolerance
from figureground.capture.run import Listener, forward
from figureground.capture.untouched import borrowed, listening

Above = Callable[[Tensor], Tensor]
Rows = Float[Tensor, "N tokens"]
_INSTEAD = "use hires-cam or layer-cam at the last norm ('figureground ls layers' lists the layers)"


@dataclass(frozen=True)
class AttentionFinding:
    """How a network uses attention on images of one size.

    Args:
        grid: How its tokens lie over the image.
        start: ``(tokens,)``, what the head reads of the last block: equal weights for the tokens that the logits
            depend on, summing to 1; None where a call with one query pools them.
        blocks: The module that ends each of its blocks, first to last; empty where they cannot be told.
        tokens_first: Whether the blocks give ``(tokens, N, D)``, as those of torch without ``batch_first``.
    """

    grid: Grid
    start: Float[Tensor, " tokens"] | None
    blocks: tuple[nn.Module, ...] = ()
    tokens_first: bool = False


@dataclass(frozen=True)
class Attention:
    """What one run left of the attention of a network.

    Args:
        finding: How the network uses it.
        calls: The self-attention of each block, first to last.
        pooling: The call with one query that pools the tokens of the last block, where there is one.
        logits: ``(N, L)``, part of the graph where one was recorded.
        outputs: What each block gave, ``(N, tokens, D)``, part of the graph; empty where none was recorded.
        above: Logits ``(M, L)`` of tokens ``(M, tokens, D)`` in the place of what the last block gives.
    """

    finding: AttentionFinding
    calls: tuple[AttentionCall, ...]
    pooling: AttentionCall | None
    logits: Logits
    outputs: tuple[Tensor, ...] = ()
    above: Above | None = None

    @staticmethod
    def of(
        tape: AttentionTape,
        finding: AttentionFinding,
        logits: Logits,
        *,
        above: Above | None = None,
    ) -> "Attention":
        """The calls of one run.

        Args:
            tape: Record of the run.
            finding: How the network uses attention.
            logits: ``(N, L)`` of that run.
            above: Runs the part above the last block.

        Returns:
            The attention.
        """
        given = [first_tensor(tape.outputs[block]) for block in finding.blocks if tape.outputs]
        outputs = tuple(tensor for tensor in given if tensor is not None)
        if finding.tokens_first:
            with torch.enable_grad():
                outputs = tuple(tensor.transpose(0, 1) for tensor in outputs)
        *calls, last = tape.calls
        if finding.start is None:
            return Attention(finding, tuple(calls), last, logits, outputs, above)
        return Attention(finding, (*calls, last), None, logits, outputs, above)

    def start(self, pooling_weights: Callable[[AttentionCall], Tensor] | None = None) -> Rows:
        """The row to begin with over the tokens of the last block.

        Args:
            pooling_weights: Makes weights ``(N, queries, tokens)`` of a pooling call; the mean of its heads where
                omitted.

        Returns:
            ``(N, tokens)``.
        """
        start = self.finding.start
        if start is not None:
            return start.to(self.logits.device).expand(len(self.logits), -1)
        assert self.pooling is not None  # noqa: S101 - there is a start or a pooling call
        if pooling_weights is not None:
            return pooling_weights(self.pooling)[:, 0]
        return self.pooling.weights().mean(1)[:, 0]

    def gradients(self, directions: Directions) -> Iterator[dict[AttentionCall, Tensor]]:
        """Gradients of the logits with respect to what every call gave, one class after the other.

        Args:
            directions: K classes or combinations of logits.

        Yields:
            Call -> the gradient, shaped like its output.

        Raises:
            LayerError: No gradient of the logits reaches one of the calls.
        """
        calls = [*self.calls, *([] if self.pooling is None else [self.pooling])]
        for k in range(directions.count):
            found = _gradients(self.logits, calls, directions.cotangent(k, self.logits))
            yield dict(zip(calls, found, strict=True))

    def block_gradients(self, directions: Directions) -> Iterator[dict[AttentionCall, Tensor]]:
        """Gradients of each block's own score with respect to what its own attention gave, one class after the other.

        The score of a block is what the part above the last block makes of the mean of all its tokens.

        Args:
            directions: K classes or combinations of logits.

        Yields:
            Call of each block -> the gradient, shaped like its output.

        Raises:
            LayerError: The blocks cannot be told apart, or the part above them does not stand alone.
        """
        if len(self.outputs) != len(self.calls) or self.above is None:
            raise LayerError(
                "the blocks of this network cannot be told apart (no module takes and gives a sequence of tokens "
                "around each call of its attention): use attention-gradient"
            )
        means = torch.stack([tokens.detach().float().mean(1) for tokens in self.outputs])
        means.requires_grad_()
        count, tokens = len(means), self.outputs[0].shape[1]
        with torch.enable_grad():
            everywhere = means.flatten(0, 1)[:, None].expand(-1, tokens, -1)
            made = self.above(torch.cat([self.outputs[-1][:1].detach().float(), everywhere]))
            own = made[1:]
        exact = self.calls[-1].output.dtype == torch.float32
        _compare(made[0].detach(), self.logits[0].detach(), exact=exact)
        for k in range(directions.count):
            asked = directions.cotangent(k, self.logits.detach()).repeat(count, 1)
            (found,) = torch.autograd.grad(own, means, asked.to(own.dtype), retain_graph=True)
            yield {
                call: _through(output, call, mean[:, None].expand_as(output) / tokens)
                for call, output, mean in zip(self.calls, self.outputs, found, strict=True)
            }

    def to_map(self, row: Rows) -> Maps:
        """Values of the tokens as maps; those of class, distillation and register tokens are left out.

        Args:
            row: ``(N, tokens)``.

        Returns:
            ``(N, h, w)``.
        """
        return self.finding.grid.to_grid(row[..., None])[:, 0]


def find_attention(
    model: nn.Module,
    image: Images,
    *,
    output: Callable[[Any], Tensor] | None = None,
) -> AttentionFinding:
    """How a network uses attention, from one run on one image, with a graph of all its blocks.

    Args:
        model: The network (unwrapped).
        image: ``(N, C, H, W)``; the first one is used.
        output: How to find the logits in what the model returns.

    Returns:
        The finding.

    Raises:
        LayerError: Its attention is none of tokens that all look at one another and lie on a grid, or cannot be
            rebuilt; the message says why and what works instead.
    """
    image = image[:1]
    tape = AttentionTape(gradient=True)
    spans = _Spans(tape)
    with (
        torch.inference_mode(mode=False),
        borrowed(model),
        torch.no_grad(),
        tape,
        listening(model.modules(), spans.end, before=spans.begin),
    ):
        listener = Listener(model, [], gradient=False)
        logits = forward(model, image.clone(), listener=listener, output=output)
    pooled = _check(tape, rows=len(image))
    calls = tape.calls[:-1] if pooled else tape.calls
    exact = logits.dtype == torch.float32
    for call in tape.calls:
        if not call.error() <= tolerance(exact):
            raise LayerError(
                f"attention of {call.queries} tokens gives something else than its weights times its values: {_INSTEAD}"
            )
    start = None if pooled else _start(calls[-1], logits)
    grid = _grid(model, image, tokens=calls[0].keys)
    for tokens_first in (False, True):
        blocks = spans.blocks(len(calls), calls[0].keys, tokens_first=tokens_first)
        if blocks:
            return AttentionFinding(grid, start, blocks, tokens_first)
    return AttentionFinding(grid, start)


def _check(tape: AttentionTape, *, rows: int) -> bool:
    """Refuse attention that no row of tokens can be read of; whether the last call pools."""
    calls = tape.calls
    if tape.faults:
        raise LayerError(f"this network has {tape.faults[0]}, which cannot be rebuilt: {_INSTEAD}")
    if not calls:
        raise LayerError(
            "this network has no attention that could be seen (no scaled dot product, no nn.MultiheadAttention, no "
            "softmax that is multiplied with values): attention maps are for transformers; use grad-cam or layer-cam"
        )
    windows = next((call for call in calls if call.rows != rows), None)
    if windows is not None:
        count = amount(windows.rows // rows, "window")
        raise LayerError(
            f"this network attends within {count} of {amount(windows.keys, 'token')}, not across the "
            f"image, so that no row of its attention covers it (Swin, MaxViT): {_INSTEAD}"
        )
    tokens = calls[0].keys
    pooled = len(calls) > 1 and calls[-1].queries == 1 < calls[-1].keys == tokens
    for call in calls[:-1] if pooled else calls:
        if not call.queries == call.keys == tokens:
            raise LayerError(
                f"this network's attention is of {call.queries} by {call.keys} tokens in one place and of {tokens} in "
                "another, so that its blocks cannot be chained (a pyramid, class attention or cross-attention: PVT, "
                f"LeViT, CaiT): {_INSTEAD}"
            )
    return pooled


def _start(last: AttentionCall, logits: Logits) -> Tensor:
    """Equal weights for the tokens of the last block that the logits depend on."""
    # uneven, so that the sum of probabilities, which never changes, is not what is asked for
    asked = torch.linspace(1.0, 2.0, logits.shape[1], device=logits.device, dtype=logits.dtype)
    gradient = last.head_gradient(_gradients(logits, [last], asked.expand_as(logits))[0])
    used = (gradient[0] != 0).any(-1).any(0).float()
    if not bool(used.any()):
        raise LayerError(
            f"the logits do not depend on the last attention (a head of zeros, as before training?): {_INSTEAD}"
        )
    return used / used.sum()


def _gradients(
    logits: Logits, calls: Sequence[AttentionCall], cotangent: Logits
) -> tuple[Tensor, ...]:
    """Of the logits with respect to what calls gave."""
    outputs = [call.output for call in calls]
    reached = logits.requires_grad and all(one.requires_grad for one in outputs)
    found: Sequence[Tensor | None] = [None]
    if reached:
        found = torch.autograd.grad(
            logits, outputs, cotangent, retain_graph=True, allow_unused=True
        )
    if any(one is None for one in found):
        raise LayerError(
            f"no gradient of the logits reaches the attention: something above it works without: {_INSTEAD}"
        )
    return tuple(one for one in found if one is not None)


def _compare(made: Tensor, given: Tensor, *, exact: bool) -> None:
    """Refuse where the part above the last block makes other logits of its own tokens."""
    scale = given.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
    if bool((made - given).abs().amax() > tolerance(exact) * scale):
        raise LayerError(
            "what is above the last block makes other logits of the same tokens when it runs alone (it looks at more "
            "than these): use attention-gradient"
        )


def _through(output: Tensor, call: AttentionCall, gradient: Tensor) -> Tensor:
    """From the output of a block to that of its attention."""
    (found,) = torch.autograd.grad(
        output, call.output, gradient.to(output.dtype), retain_graph=True
    )
    return found


def _grid(model: nn.Module, image: Images, *, tokens: int) -> Grid:
    """How the tokens lie over the image."""
    size = (int(image.shape[-2]), int(image.shape[-1]))
    grid = find_grid(image.new_zeros(1, tokens, 1), size, model=model, layer=model)
    if grid is None or grid.size[0] * grid.size[1] == 1:
        raise LayerError(
            f"the {tokens} tokens of this network's attention lie on no grid over the image: {_INSTEAD}"
        )
    return grid


@dataclass
class _Span:
    """A module while it ran: how many calls of attention there were before and after, what came in and out."""

    module: nn.Module
    before: int
    taken: Tensor | None
    after: int = -1
    given: Tensor | None = None

    def is_block(self, call: int, tokens: int, *, tokens_first: bool) -> bool:
        """Whether it holds one call alone and makes tokens of the one image of tokens."""
        if (
            (self.before, self.after) != (call, call + 1)
            or self.taken is None
            or self.given is None
        ):
            return False
        batch = (tokens, 1) if tokens_first else (1, tokens)
        return self.taken.shape == self.given.shape and self.taken.shape[:-1] == batch


@dataclass
class _Spans:
    """Which calls of attention each module of a network holds, in the order in which modules began."""

    tape: AttentionTape
    spans: list[_Span] = field(default_factory=list)
    running: list[_Span] = field(default_factory=list)

    def begin(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Before a module."""
        self.running.append(_Span(module, len(self.tape.calls), first_tensor(inputs)))
        self.spans.append(self.running[-1])

    def end(self, _module: nn.Module, _inputs: tuple[Any, ...], given: Any) -> None:  # noqa: ANN401
        """After a module."""
        span = self.running.pop()
        span.after, span.given = len(self.tape.calls), first_tensor(given)

    def blocks(self, calls: int, tokens: int, *, tokens_first: bool) -> tuple[nn.Module, ...]:
        """The outermost module of tokens around each call; none where one has none."""
        found = [
            next(
                (
                    span.module
                    for span in self.spans
                    if span.is_block(call, tokens, tokens_first=tokens_first)
                ),
                None,
            )
            for call in range(calls)
        ]
        known = [module for module in found if module is not None]
        return tuple(known) if len(set(known)) == calls else ()
