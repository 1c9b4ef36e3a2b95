"""A classifier with a background output at test time: drop it, let it be predicted, or reject by a threshold."""

__all__ = ["BackgroundClassifier"]

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from figureground.base.errors import HeadError, OptionError, ShapeError, unknown_option
from figureground.base.shapes import Images, Labels, Logits
from figureground.capture.untouched import borrowed
from figureground.metrics.classification.ood_scores import (
    OOD_SCORES,
    PerImage,
    check_logits,
    ood_score,
    threshold_at_tpr,
)

_POLICIES = ("drop", "keep", "reject")


class BackgroundClassifier(nn.Module):
    """Predictions and out-of-distribution scores of a classifier with K + 1 outputs.

    ``predict``, ``ood_score`` and ``calibrate_threshold`` run the model in evaluation mode and without gradients, and
    leave every module's mode as found. A plain call is the model's own: in whatever mode the model is, with gradients,
    so that it can be trained or explained through this module. A model with K outputs is accepted too; what needs the
    background output then raises an error.

    Args:
        model: Gives logits ``(N, K + 1)``, the background last.
        num_classes: K.
        policy: ``drop``, the best of the K known classes (the paper's test); ``keep``, the best of all, where the
            background is predicted as K; ``reject``, the best of the K, or -1 where the score is above the threshold.
        threshold: For ``reject``; see ``calibrate_threshold``.
        method: The score that ``reject`` and ``calibrate_threshold`` use, one of ``ood_score``'s.

    Raises:
        OptionError: An unknown option, or a threshold without ``reject``.

    References:
        Kabir (2023). Reduction of class activation uncertainty with background information. arXiv:2305.03238.

    Examples:
        >>> network = nn.Flatten()  # an image of three pixels is its own logits
        >>> images = torch.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 9.0]])[:, None, None]
        >>> for policy in ("drop", "keep"):
        ...     print(BackgroundClassifier(network, 2, policy=policy).predict(images).tolist())
        [0, 0]
        [0, 2]
        >>> BackgroundClassifier(network, 2, policy="reject", threshold=0.5).predict(
        ...     images
        ... ).tolist()
        [0, -1]
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        *,
        policy: str = "drop",
        threshold: float | None = None,
        method: str = "s2",
    ) -> None:
        super().__init__()
        _check(policy, threshold, method)
        self.model, self.num_classes = model, num_classes
        self.policy, self.threshold, self.method = policy, threshold, method

    def forward(self, images: Images) -> Logits:
        """The model's own logits, in its present mode and with gradients.

        Args:
            images: ``(N, C, H, W)``, what the model takes.

        Returns:
            ``(N, K + 1)``.
        """
        return self.model(images)

    def predict(self, images: Images) -> Labels:
        """Classes by the policy.

        Args:
            images: ``(N, C, H, W)``, what the model takes.

        Returns:
            ``(N,)``: below K; or K with ``keep`` and -1 with ``reject``.

        Raises:
            OptionError: ``reject`` without a threshold.
            HeadError: ``keep`` without a background output.
        """
        logits = self._logits(images)
        if self.policy == "keep":
            return self._with_background(logits).argmax(1)
        classes = logits[:, : self.num_classes].argmax(1)
        if self.policy == "drop":
            return classes
        if self.threshold is None:
            raise OptionError("policy='reject' needs a threshold: give one, or calibrate_threshold")
        outside = ood_score(logits, self.num_classes, self.method) > self.threshold
        return classes.masked_fill(outside, -1)

    def ood_score(self, images: Images, method: str | None = None) -> PerImage:
        """How much each image looks like none of the known classes; higher is further out.

        Args:
            images: ``(N, C, H, W)``, what the model takes.
            method: ``s1``, ``s2``, ``s3``, ``msp``, ``energy`` or ``margin``; the classifier's own where omitted.

        Returns:
            ``(N,)`` float64.

        Raises:
            HeadError: The score needs a background output and there is none.
        """
        return ood_score(self._logits(images), self.num_classes, method or self.method)

    def calibrate_threshold(
        self, batches: Iterable[Tensor | tuple[Tensor, ...] | list[Tensor]], *, tpr: float = 0.95
    ) -> float:
        """Set the threshold so that this share of known images is kept.

        Args:
            batches: Known *validation* images: ``(N, C, H, W)``, or tuples that begin with them, as a loader gives.
            tpr: Share to be kept, in (0, 1].

        Returns:
            The threshold, which ``reject`` now uses.

        Raises:
            ShapeError: There are no images.
        """
        images = (batch if isinstance(batch, Tensor) else batch[0] for batch in batches)
        scores = [self.ood_score(some).cpu() for some in images]
        if not scores:
            raise ShapeError("no images to calibrate a threshold with")
        self.threshold = threshold_at_tpr(torch.cat(scores), tpr)
        return self.threshold

    def _logits(self, images: Tensor) -> Tensor:
        """The model's logits, in evaluation mode."""
        with borrowed(self.model), torch.no_grad():
            logits = self.model(images)
        check_logits(logits, self.num_classes)
        return logits

    def _with_background(self, logits: Tensor) -> Tensor:
        """The logits, if the background is among them."""
        if logits.shape[1] == self.num_classes:
            raise HeadError(f"no background output: the model gives {self.num_classes} logits")
        return logits


def _check(policy: str, threshold: float | None, method: str) -> None:
    """Refuse names that are none, and a threshold that nobody would look at."""
    if policy not in _POLICIES:
        raise unknown_option("policy", policy, _POLICIES)
    if method not in OOD_SCORES:
        raise unknown_option("out-of-distribution score", method, OOD_SCORES)
    if threshold is not None and policy != "reject":
        raise OptionError(f"a threshold has no effect with policy='{policy}'; use policy='reject'")
