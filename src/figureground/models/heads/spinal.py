"""The SpinalNet head: hidden layers in a row, each of which sees a part of the features and the layer before."""

__all__ = ["SpinalHead", "SpinalStyle"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import Logits


@dataclass(frozen=True)
class SpinalStyle:
    """What stands around each linear layer of a ``SpinalHead``.

    Args:
        dropout: Probability of zeroing an input of any linear layer, in [0, 1).
        batch_norm: Whether hidden layers are normalised before the activation.
        activation: Builds the activation.

    Raises:
        OptionError: The dropout is outside [0, 1).
    """

    dropout: float = 0.5
    batch_norm: bool = True
    activation: Callable[[], nn.Module] = nn.ReLU

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise OptionError(f"dropout must be in [0, 1), got {self.dropout}")


_STYLES = {"vgg": SpinalStyle(), "resnet": SpinalStyle(dropout=0.0, batch_norm=False)}


class SpinalHead(nn.Module):
    """A classifier head in which the features come in by parts, from layer to layer.

    The features are cut into ``splits`` parts of ``ceil(in_features / splits)``; where that does not divide, the last
    parts begin again with the first features, so that none is lost. Hidden layer i gets part ``i mod splits`` and the
    output of hidden layer i - 1; the last linear layer gets the outputs of all hidden layers. With fewer layers than
    splits, the features of the later parts are not used. For a pooled feature this head has *more* weights than a
    linear one: 1,863,691 against 11,275 for 1024 features and 11 outputs.

    Not linear in the pooled feature map: plain CAM is undefined for it, Grad-CAM is.

    Args:
        in_features: Length of the feature vector.
        num_outputs: Number of logits, a background output included.
        width: Units of a hidden layer.
        layers: Number of hidden layers.
        splits: Number of parts.
        style: ``vgg`` (dropout 0.5 before every linear layer, batch norm), ``resnet`` (neither), or one of your own.

    Raises:
        OptionError: A number below 1, more parts than features, or an unknown style.

    References:
        Kabir et al. (2022). SpinalNet: Deep neural network with gradual input. IEEE Trans. Artificial Intelligence,
        arXiv:2007.03347.
        *Differs:* features are cut by ceiling and wrap, where the published script rounds; one hidden layer is legal.

    Examples:
        >>> head = SpinalHead(1024, 11)
        >>> head.num_parameters, SpinalHead(512, 10, width=20, style="resnet").num_parameters
        (1863691, 22570)
    """

    parts: Tensor

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        *,
        width: int = 512,
        layers: int = 4,
        splits: int = 2,
        style: str | SpinalStyle = "vgg",
    ) -> None:
        super().__init__()
        _check(num_outputs=num_outputs, width=width, layers=layers, splits=splits)
        if splits > in_features:
            raise OptionError(f"cannot cut {in_features} features into {splits} parts")
        self.in_features, self.num_outputs, self.width = in_features, num_outputs, width
        self.style = _style(style)
        size = -(-in_features // splits)
        wrapped = torch.arange(size * splits).remainder(in_features).view(splits, size)
        # not persistent: which features belong to which part follows from the numbers above
        self.register_buffer("parts", wrapped, persistent=False)
        inputs = [size, *[size + width] * (layers - 1)]
        self.hidden = nn.ModuleList(_block(count, width, self.style) for count in inputs)
        self.output = nn.Sequential(
            nn.Dropout(self.style.dropout), nn.Linear(layers * width, num_outputs)
        )

    @property
    def num_parameters(self) -> int:
        """Number of trained numbers by the closed formula.

        With p = ceil(features / splits), w the width, L the layers and K the outputs:
        ``L (p + 1) w + (L - 1) w² + L w K + K``, and ``2 L w`` more with batch norm.
        """
        size, width, layers = self.parts.shape[1], self.width, len(self.hidden)
        hidden = layers * (size + 1) * width + (layers - 1) * width**2
        output = (layers * width + 1) * self.num_outputs
        return hidden + output + 2 * layers * width * self.style.batch_norm

    def forward(self, features: Float[Tensor, "N C"]) -> Logits:
        """Logits of a batch.

        Args:
            features: ``(N, in_features)``.

        Returns:
            ``(N, num_outputs)``.

        Raises:
            ShapeError: The features are of another length.
        """
        if features.ndim != 2 or features.shape[1] != self.in_features:
            raise ShapeError(
                f"SpinalHead needs features (N, {self.in_features}), got {tuple(features.shape)}"
            )
        outputs: list[Tensor] = []
        for number, layer in enumerate(self.hidden):
            part = features[:, self.parts[number % len(self.parts)]]
            outputs.append(layer(torch.cat([part, *outputs[-1:]], 1)))
        return self.output(torch.cat(outputs, 1))


def _block(inputs: int, width: int, style: SpinalStyle) -> nn.Sequential:
    """One hidden layer."""
    norm = [nn.BatchNorm1d(width)] if style.batch_norm else []
    return nn.Sequential(
        nn.Dropout(style.dropout), nn.Linear(inputs, width), *norm, style.activation()
    )


def _style(given: str | SpinalStyle) -> SpinalStyle:
    """The style of this name."""
    if isinstance(given, SpinalStyle):
        return given
    if given not in _STYLES:
        raise unknown_option("style of a spinal head", given, _STYLES)
    return _STYLES[given]


def _check(**numbers: int) -> None:
    """Refuse what must be at least 1 and is not."""
    for name, number in numbers.items():
        if number < 1:
            raise OptionError(f"{name} must be at least 1, got {number}")
