"""Its classes: each is a name of ours, called as theirs is."""

__all__ = [
    "FEM",
    "KPCA_CAM",
    "AblationCAM",
    "AblationLayer",
    "AblationLayerFasterRCNN",
    "AblationLayerVit",
    "BaseCAM",
    "EigenCAM",
    "EigenGradCAM",
    "FinerCAM",
    "FullGrad",
    "GradCAM",
    "GradCAMElementWise",
    "GradCAMPlusPlus",
    "GuidedBackpropReLUModel",
    "HiResCAM",
    "LayerCAM",
    "RandomCAM",
    "ScoreCAM",
    "SegEigenCAM",
    "ShapleyCAM",
    "XGradCAM",
]

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from figureground.base.amount import amount
from figureground.base.errors import OptionError, ShapeError
from figureground.compat.pytorch_grad_cam.utils.model_targets import (
    ClassifierOutputTarget,
    FinerWeightedTarget,
)
from figureground.compat.refusals import one_number, refuse_non_finite
from figureground.maps import normalise, resize
from figureground.methods import METHODS, CamMethod, Explainer
from figureground.methods.smoothing import SMOOTHING_VIEWS, smoothed, smoothing_views

Target = Callable[[Any], Tensor]
Maps = Float32[np.ndarray, "N H W"]

_GUIDED = (
    "guided backpropagation is left out on purpose: its pictures hardly change when upper layers get random weights, "
    "and hardly depend on the class (Adebayo et al. 2018); full-grad, or a fusion of several layers, shows fine detail"
)
_OWN = "{} is never called here; a method of your own is a figureground.CamMethod with 'maps', for the Explainer"
_EIGEN = "{} adds no weighted channels up: eigen_smooth changes nothing"
Smoothing = bool | str
_BOTH = "both"


class _InWith:
    """Theirs are used in a ``with`` block; ours leave nothing to undo."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class BaseCAM(_InWith):
    """One method, called as in pytorch-grad-cam.

    Nothing stays on the model between calls, so that ``with`` is not needed, and neither is ``reshape_transform``:
    tokens are put on their grid by looking at the network. Each call runs the network once for gradient methods.

    Args:
        model: The network.
        target_layers: Modules; several are averaged.
        reshape_transform: Accepted and not used.
        options: Of the method, as ``Explainer`` takes them.
    """

    method = ""
    by_number = True  # whether a class number means its logit to the method

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module],
        reshape_transform: object = None,
        **options: Any,
    ) -> None:
        del reshape_transform
        self.model = model.eval()
        self.target_layers = list(target_layers)
        self.outputs: Any = None
        try:
            self._made: CamMethod = METHODS[self.method].load()(**options)
        except TypeError:
            names = ", ".join(sorted(options))
            raise OptionError(f"{type(self).__name__} has no option {names} here") from None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in ("forward", "get_cam_image", "get_cam_weights"):
            if name in cls.__dict__:
                raise OptionError(_OWN.format(name))

    def __call__(
        self,
        input_tensor: Tensor,
        targets: Sequence[Target] | None = None,
        aug_smooth: bool = False,
        eigen_smooth: bool = False,
    ) -> Maps:
        """Maps of a batch.

        Args:
            input_tensor: ``(N, C, H, W)``.
            targets: One for each image, from what the model returns for it to a scalar; None for the predicted class.
            aug_smooth: Average over six views (flipped or not, contrast 0.9, 1 and 1.1).
            eigen_smooth: The first principal component of the weighted channels instead of their sum, with the sign of
                the sum. Methods that add no channels up make no other map for it, and say so in a warning.

        Returns:
            ``(N, H, W)`` float32 in [0, 1].

        Raises:
            ShapeError: There are not as many targets as images, or a target gives more than one number.
            MapError: A map holds NaN or infinity.
        """
        if targets is not None and len(targets) != len(input_tensor):
            raise ShapeError(
                f"{amount(len(targets), 'target')} for {amount(len(input_tensor), 'image')}"
            )
        smooth = self._smoothing(views=aug_smooth, principal=eigen_smooth)
        device = next(self.model.parameters()).device
        images = input_tensor.to(device)
        if targets is None and (smooth == _BOTH or not self.by_number):
            with torch.no_grad():
                targets = [*map(ClassifierOutputTarget, self.model(images).argmax(1).tolist())]
        numbers = _numbers(targets) if self.by_number else None
        if targets is None or numbers is not None:
            return self._maps(images, numbers, smooth=smooth)
        found, raw = [], []
        for at, target in enumerate(targets):
            found.append(self._maps(images[at : at + 1], target, smooth=smooth, first=at))
            raw.append(self.outputs)
        self.outputs = torch.cat(raw) if all(isinstance(one, Tensor) for one in raw) else raw
        return np.concatenate(found)

    def _smoothing(self, *, views: bool, principal: bool) -> Smoothing:
        """As the explainer wants it."""
        if principal and not self._made.adds_channels:
            warnings.warn(_EIGEN.format(type(self).__name__), stacklevel=3)
            principal = False
        if principal:
            return _BOTH if views else "principal"
        return views

    def _maps(
        self,
        images: Tensor,
        wanted: Tensor | Target | None,
        *,
        smooth: Smoothing,
        first: int = 0,
    ) -> Maps:
        """Of class numbers; or of one image and a target, whose value stands for the logits."""
        read, count = _Reader(None if isinstance(wanted, Tensor) else wanted), len(images)
        layers, both = self.target_layers or None, smooth == _BOTH
        if both:
            images, smooth = smoothing_views(images), "principal"
            wanted = wanted.repeat(SMOOTHING_VIEWS) if isinstance(wanted, Tensor) else wanted
        explainer = Explainer(self.model, layer=layers, output=read, smooth=smooth)
        classes = (lambda values: values[:, 0]) if read.target is not None else wanted
        found = explainer(images, classes, [self._made])
        self.outputs = read.first
        refuse_non_finite(found, first=first)
        (maps,) = found.maps.values()
        size = (images.shape[2], images.shape[3])
        stacks = list(maps.values()) if isinstance(maps, dict) else [maps]
        if both:
            self.outputs = self.outputs[:count]
            stacks = [smoothed(one, count) for one in stacks]
        scaled = [
            resize(normalise(one[:, 0].float().cpu(), relu=True, on_blank="zeros"), size)
            for one in stacks
        ]
        mean = torch.stack(scaled).mean(0)
        return normalise(mean, on_blank="zeros").numpy().astype(np.float32)


class _Reader:
    """Finds the score in what the network returns, and keeps the return of the run on the images themselves."""

    def __init__(self, target: Target | None) -> None:
        self.target, self.first = target, None

    def __call__(self, returned: Any) -> Tensor:
        self.first = _detached(returned)
        if self.target is None:
            return getattr(returned, "logits", returned)
        values = [one_number(self.target(one), self.target) for one in returned]
        return torch.stack(values)[:, None]


def _detached(returned: Any) -> Any:
    return returned.detach() if isinstance(returned, Tensor) else returned


def _numbers(targets: Sequence[Target] | None) -> Tensor | None:
    """Class numbers, where all targets are logits of one class."""
    if targets is None or not all(type(one) is ClassifierOutputTarget for one in targets):
        return None
    return torch.tensor([int(one.category) for one in targets])  # type: ignore[attr-defined]


class GradCAM(BaseCAM):
    """``grad-cam``."""

    method = "grad-cam"


class GradCAMPlusPlus(BaseCAM):
    """``grad-cam++``."""

    method = "grad-cam++"


class GradCAMElementWise(BaseCAM):
    """``grad-cam-elementwise``."""

    method = "grad-cam-elementwise"


class HiResCAM(BaseCAM):
    """``hires-cam``."""

    method = "hires-cam"


class XGradCAM(BaseCAM):
    """``xgrad-cam``."""

    method = "xgrad-cam"


class LayerCAM(BaseCAM):
    """``layer-cam``."""

    method = "layer-cam"


class EigenCAM(BaseCAM):
    """``eigen-cam``; *differs:* its sign is chosen, where theirs is what the decomposition gives."""

    method = "eigen-cam"


class EigenGradCAM(BaseCAM):
    """``eigen-grad-cam``; its sign is chosen, too."""

    method = "eigen-grad-cam"


class AblationCAM(BaseCAM):
    """``ablation-cam``; *differs:* channels are set to zero one by one, whatever the size of a batch."""

    method = "ablation-cam"

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module],
        reshape_transform: object = None,
        ablation_layer: object = None,
        batch_size: int = 32,
        ratio_channels_to_ablate: float = 1.0,
    ) -> None:
        del ablation_layer, batch_size
        if ratio_channels_to_ablate != 1:
            raise OptionError("all channels are ablated: ratio_channels_to_ablate must be 1")
        super().__init__(model, target_layers, reshape_transform)


class ScoreCAM(BaseCAM):
    """``score-cam`` with the paper's softmax over channels, as theirs."""

    method = "score-cam"

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module],
        reshape_transform: object = None,
    ) -> None:
        super().__init__(model, target_layers, reshape_transform, weights="softmax")


class FullGrad(BaseCAM):
    """``full-grad``; the layers that were given are not used, as in theirs."""

    method = "full-grad"

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module] = (),
        reshape_transform: object = None,
    ) -> None:
        del target_layers
        super().__init__(model, (), reshape_transform)


class RandomCAM(BaseCAM):
    """``random``."""

    method = "random"


class FEM(BaseCAM):
    """``fem``."""

    method = "fem"


class KPCA_CAM(BaseCAM):
    """``kpca-cam``."""

    method = "kpca-cam"


class SegEigenCAM(BaseCAM):
    """``seg-eigen-cam``."""

    method = "seg-eigen-cam"


class ShapleyCAM(BaseCAM):
    """``shapley-cam`` of the target that is given, the logit where none is; ours alone adds the log-probability."""

    method, by_number = "shapley-cam", False


class RefineCAM(_InWith):
    """The product of the maps of several layers: what all of them show.

    Args:
        model: The network.
        target_layers: Modules.
        reshape_transform: Accepted and not used.
        base_method: One of these classes.
        options: Of the base method.

    References:
        RefineCAM (2026), arXiv:2605.14641.
    """

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module],
        reshape_transform: object = None,
        base_method: type[BaseCAM] = GradCAMPlusPlus,
        **options: Any,
    ) -> None:
        self.base_cam_per_layer = [
            base_method(model, [layer], reshape_transform, **options) for layer in target_layers
        ]

    def __call__(
        self,
        input_tensor: Tensor,
        targets: Sequence[Target] | None = None,
        eigen_smooth: bool = False,
    ) -> Maps:
        """Maps of a batch.

        Args:
            input_tensor: ``(N, C, H, W)``.
            targets: One for each image; None for the predicted class.
            eigen_smooth: As for the base method.

        Returns:
            ``(N, H, W)`` float32 in [0, 1].
        """
        found = [
            cam(input_tensor, targets, eigen_smooth=eigen_smooth) for cam in self.base_cam_per_layer
        ]
        product = torch.from_numpy(np.prod(found, axis=0))
        return normalise(product, on_blank="zeros").numpy().astype(np.float32)


class FinerCAM(_InWith):
    """What tells a class from those that the network takes it for: another method with a weighted difference as target.

    Args:
        model: The network.
        target_layers: Modules; several are averaged.
        reshape_transform: Accepted and not used.
        base_method: One of these classes.

    References:
        Zhang et al. (2025). Finer-CAM: Spotting the Difference Reveals Finer Details. CVPR, arXiv:2501.11309.
    """

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module],
        reshape_transform: object = None,
        base_method: type[BaseCAM] = GradCAM,
    ) -> None:
        self.base_cam = base_method(model, target_layers, reshape_transform)

    def __call__(
        self,
        input_tensor: Tensor,
        targets: Sequence[Target] | None = None,
        eigen_smooth: bool = False,
        alpha: float = 1,
        comparison_categories: Sequence[int] = (1, 2, 3),
        target_idx: int | None = None,
    ) -> Maps:
        """Maps of a batch.

        Args:
            input_tensor: ``(N, C, H, W)``.
            targets: One for each image; None takes the predicted class against the classes nearest to it.
            eigen_smooth: As for the base method.
            alpha: How much of the other classes' logits is taken off.
            comparison_categories: Places of the other classes in the order of nearness, from 1.
            target_idx: A class in place of the predicted one.

        Returns:
            ``(N, H, W)`` float32 in [0, 1].
        """
        if targets is None:
            device = next(self.base_cam.model.parameters()).device
            with torch.no_grad():
                logits = self.base_cam.model(input_tensor.to(device))
            main = (
                logits.argmax(1) if target_idx is None else torch.full((len(logits),), target_idx)
            )
            nearest = [
                (row - row[one]).abs().argsort(stable=True).tolist()
                for row, one in zip(logits, main.tolist(), strict=True)
            ]
            targets = [
                FinerWeightedTarget(
                    order[0], [order[at] for at in comparison_categories if at < len(order)], alpha
                )
                for order in nearest
            ]
        return self.base_cam(input_tensor, targets, eigen_smooth=eigen_smooth)


class AblationLayer:
    """Accepted by ``AblationCAM`` and not needed."""


class AblationLayerVit(AblationLayer):
    """Accepted by ``AblationCAM`` and not needed."""


class AblationLayerFasterRCNN(AblationLayer):
    """Accepted by ``AblationCAM`` and not needed."""


class GuidedBackpropReLUModel:
    """Refused.

    Args:
        model: The network.
        device: Where.

    Raises:
        OptionError: Always, with the reason.
    """

    def __init__(self, model: nn.Module, device: object = None) -> None:
        del model, device
        raise OptionError(_GUIDED)
