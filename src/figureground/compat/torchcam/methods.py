"""Its extractors: each is a name of ours, called as theirs is, after the network has run."""

__all__ = [
    "CAM",
    "GradCAM",
    "GradCAMpp",
    "LayerCAM",
    "ScoreCAM",
    "XGradCAM",
]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.amount import amount
from figureground.base.errors import OptionError, ShapeError
from figureground.capture.taps import InputTap
from figureground.compat.refusals import one_number, refuse_non_finite
from figureground.maps import normalise, resize
from figureground.methods import METHODS, Explainer, find_methods

_ROUNDING = 1e-2  # of half precision
_OTHER_SCORES = (
    "these scores are not what the network returns for the images that it was last given, in evaluation mode; run it "
    "on the images to be explained right before, and give a function of its output as targets"
)
_LEFT_OUT = {
    "SmoothGradCAMpp": "smooth-grad-cam++",
    "SSCAM": "ss-cam",
    "ISCAM": "is-cam",
    "RefineCAM": "refine-cam",
}

Layers = nn.Module | str | Sequence[nn.Module | str] | None
Target = Callable[[Any], Tensor]


class _Extractor:
    """Maps of the images that the network was last given.

    The network is listened to from the constructor to the end of the ``with`` block, or to ``remove_hooks``. Asked for
    maps, it runs once more on the same images, so that gradients are known whatever mode the caller's pass had.

    Args:
        model: The network.
        target_layer: Module, name, or several; found by looking at the network where omitted.
        input_shape: Accepted and not used: the layer is found on the images themselves.
        enable_hooks: Whether to listen from the beginning.
        options: Accepted: ``reshape_transform``, which is not used, and ``batch_size``.
    """

    method = ""
    relu = True

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layers = None,
        input_shape: tuple[int, ...] = (3, 224, 224),
        enable_hooks: bool = True,
        **options: Any,
    ) -> None:
        del input_shape
        unknown = set(options) - {"reshape_transform", "batch_size"}
        if unknown:
            raise OptionError(f"{type(self).__name__} has no {', '.join(sorted(unknown))} here")
        self.model = model
        one = isinstance(target_layer, list | tuple)
        self._explainer = Explainer(model, layer=list(target_layer) if one else target_layer)  # type: ignore[arg-type]
        self._tap = InputTap(model)
        self._tap.listening = enable_hooks

    @property
    def target_names(self) -> list[str]:
        """Names of the layers; empty before the first call where the choice is left to us."""
        return [layer.name for layer in self._explainer.layers]

    def __enter__(self) -> "_Extractor":
        return self

    def __exit__(self, *_: object) -> None:
        """No longer listen."""
        self.remove_hooks()

    def enable_hooks(self) -> None:
        """Listen again."""
        self._tap.listening = True

    def disable_hooks(self) -> None:
        """Let the network run without remembering what it is given."""
        self._tap.listening = False

    def reset_hooks(self) -> None:
        """Forget the images."""
        self._tap.images = None

    def remove_hooks(self) -> None:
        """No longer listen, for good."""
        self._tap.close()

    def __call__(
        self,
        class_idx: int | Sequence[int] | None = None,
        scores: object = None,
        normalized: bool = True,
        *,
        targets: Target | Sequence[Target] | None = None,
        **options: Any,
    ) -> list[Tensor]:
        """Maps of the images that the network was last given.

        Args:
            class_idx: A class for all images, or one for each.
            scores: What the network returned for these images; not needed, but looked at where it is a tensor.
            normalized: Each map scaled to [0, 1].
            targets: In place of a class: from the output for one image to a scalar, one for all images or one for each.
            options: Accepted: ``retain_graph``.

        Returns:
            ``(N, h, w)`` for each layer.

        Raises:
            OptionError: The network has not run, not exactly one of class and targets was given, or the scores are
                not what it returns for the images in evaluation mode.
            ShapeError: There are not as many classes or targets as images, or a target gives more than one number.
            MapError: A map holds NaN or infinity.
        """
        del options
        if self._tap.images is None:
            raise OptionError("run the network on images first; the extractor explains that run")
        if (class_idx is None) == (targets is None):
            raise OptionError("give exactly one of class_idx and targets")
        images = self._tap.images
        wanted = _wanted(class_idx, targets, len(images))
        with self._tap.paused():
            found = self._explainer(images, wanted, self._methods())
        refuse_non_finite(found)
        if isinstance(scores, Tensor) and not _alike(scores, found.logits):
            raise OptionError(_OTHER_SCORES)
        (maps,) = found.maps.values()
        stacks = list(maps.values()) if isinstance(maps, dict) else [maps]
        raw = [one[:, 0].relu() if self.relu else one[:, 0] for one in stacks]
        return [normalise(one, on_blank="zeros") if normalized else one for one in raw]

    def _methods(self) -> Any:
        """The method, with its options."""
        return [METHODS[self.method].load()()]

    @classmethod
    def fuse_cams(
        cls, cams: Sequence[Tensor], target_shape: tuple[int, int] | None = None
    ) -> Tensor:
        """One map of several layers': the largest value at each position.

        Args:
            cams: ``(N, h, w)`` of each layer.
            target_shape: Of the result; None takes the largest height and width.

        Returns:
            ``(N, H, W)``.

        Raises:
            ShapeError: There are none.
        """
        if not cams:
            raise ShapeError("there are no maps to fuse")
        if len(cams) == 1:
            return cams[0]
        size = target_shape or (
            max(one.shape[1] for one in cams),
            max(one.shape[2] for one in cams),
        )
        return torch.stack([resize(cls._scaled(one), size) for one in cams]).amax(0)

    @staticmethod
    def _scaled(one: Tensor) -> Tensor:
        """A map before fusing."""
        return one


def _alike(scores: Tensor, logits: Tensor) -> bool:
    """Whether these are the same numbers, but for rounding."""
    given, made = scores.detach().double().cpu(), logits.double().cpu()
    if given.shape != made.shape:
        return False
    return bool((given - made).abs().amax() <= _ROUNDING * made.abs().amax())


def _wanted(
    class_idx: int | Sequence[int] | None, targets: Target | Sequence[Target] | None, count: int
) -> Any:
    """Classes as the explainer takes them, or one function of all logits."""
    if class_idx is not None:
        if isinstance(class_idx, int):
            return class_idx
        if len(class_idx) != count:
            raise ShapeError(
                f"{amount(len(class_idx), 'class', 'classes')} for {amount(count, 'image')}"
            )
        return torch.tensor(list(class_idx))
    several = [targets] * count if callable(targets) else list(targets or ())
    if len(several) != count:
        raise ShapeError(f"{amount(len(several), 'target')} for {amount(count, 'image')}")

    def value(logits: Tensor) -> Tensor:
        pairs = zip(several, logits, strict=True)
        return torch.stack([one_number(target(row), target) for target, row in pairs])

    return value


class CAM(_Extractor):
    """``cam``; the linear layer is found by itself, so ``fc_layer`` is not used."""

    method, relu = "cam", False

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layers = None,
        fc_layer: nn.Module | str | None = None,
        input_shape: tuple[int, ...] = (3, 224, 224),
        **options: Any,
    ) -> None:
        del fc_layer
        super().__init__(model, target_layer, input_shape, **options)


class GradCAM(_Extractor):
    """``grad-cam``."""

    method = "grad-cam"


class GradCAMpp(_Extractor):
    """``grad-cam++``; *differs:* theirs never divides by the denominator of the paper."""

    method = "grad-cam++"


class XGradCAM(_Extractor):
    """``xgrad-cam``."""

    method = "xgrad-cam"


class LayerCAM(_Extractor):
    """``layer-cam``; maps of several layers are fused after a hyperbolic tangent, as in the paper."""

    method = "layer-cam"

    @staticmethod
    def _scaled(one: Tensor) -> Tensor:
        return (2 * one).tanh()


class ScoreCAM(_Extractor):
    """``score-cam`` with the paper's softmax over channels; *differs:* masks are scaled after they were enlarged."""

    method = "score-cam"

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layers = None,
        batch_size: int = 32,
        input_shape: tuple[int, ...] = (3, 224, 224),
        **options: Any,
    ) -> None:
        del batch_size
        super().__init__(model, target_layer, input_shape, **options)

    def _methods(self) -> Any:
        return [METHODS[self.method].load()(weights="softmax")]


def __getattr__(name: str) -> Any:
    """Names that are left out give the reason."""
    if name in _LEFT_OUT:
        find_methods(_LEFT_OUT[name])
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
