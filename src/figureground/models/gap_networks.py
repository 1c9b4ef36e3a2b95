"""The CAM paper's networks: a known trunk, one more 3 × 3 convolution, global average pooling, a linear layer."""

__all__ = ["GapNetwork", "alexnet_gap", "googlenet_gap", "vgg16_gap"]

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError
from figureground.base.shapes import Images, Logits
from figureground.models.weights import read_weights

Weights = Mapping[str, Tensor] | Path | str
"""A trunk's weights by name, or a file of them."""


@dataclass(frozen=True)
class _Options:
    """What all three networks have in common."""

    num_classes: int
    groups: int
    width: int
    dropout: float
    trunk: Weights | None


class GapNetwork(nn.Module):
    """Logits that are the mean over positions of one map per class, plus a bias: plain CAM is exact for it.

    ``features`` (the trunk), ``gap_conv`` (3 × 3, zero padding 1), ReLU, the mean over positions, dropout, ``fc``. Any
    size of image above the trunk's least is taken. The convolution starts from a normal distribution of standard
    deviation 0.01 with bias 1, the linear layer with bias 0, as in the released training files.

    Args:
        features: Gives ``(N, channels, h, w)``, after a ReLU.
        channels: Of the trunk's output.
        num_classes: Number of logits.
        width: Channels of the added convolution, 1024 in the paper.
        groups: Of the added convolution: 1 in the paper's text, 2 in the released files.
        dropout: Before the linear layer.

    Raises:
        OptionError: The numbers of channels cannot be cut into so many groups.

    References:
        Zhou, Khosla, Lapedriza, Oliva, Torralba (2016). Learning deep features for discriminative localization. CVPR,
        arXiv:1512.04150, §3.1.
    """

    def __init__(
        self,
        features: nn.Module,
        channels: int,
        num_classes: int,
        *,
        width: int = 1024,
        groups: int = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if groups < 1 or channels % groups or width % groups:
            raise OptionError(f"{channels} and {width} channels cannot be cut into {groups} groups")
        self.num_classes = num_classes
        self.features = features
        self.gap_conv = nn.Conv2d(channels, width, 3, padding=1, groups=groups)
        self.gap_relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, num_classes)
        for added in (self.gap_conv, self.fc):
            nn.init.normal_(added.weight, std=0.01)
        nn.init.ones_(self.gap_conv.bias)  # type: ignore[arg-type]  # it has one
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)``, normalised.

        Returns:
            ``(N, num_classes)``.
        """
        maps = self.gap_relu(self.gap_conv(self.features(images)))
        return self.fc(self.dropout(maps.mean(dim=(2, 3))))


def alexnet_gap(
    num_classes: int = 1000,
    *,
    channels: int = 3,
    groups: int = 1,
    width: int = 1024,
    dropout: float = 0.5,
    trunk: Weights | None = None,
) -> GapNetwork:
    """AlexNet up to conv5 without the last pooling, 13 × 13 positions at 224 × 224, then the added layers.

    Args:
        num_classes: Number of logits.
        channels: Of the images.
        groups: Of the added convolution.
        width: Channels of the added convolution.
        dropout: Before the linear layer.
        trunk: Weights of torchvision's ``alexnet`` (or a file of them); its classifier is left out.

    Returns:
        The network; names of its trunk are torchvision's.

    Raises:
        ModelError: The weights do not fit.

    References:
        Zhou et al. (2016), arXiv:1512.04150, §3.1 "AlexNet-GAP". *Differs:* torchvision's AlexNet (Krizhevsky 2014,
        arXiv:1404.5997: one column, 64 to 256 channels, no response normalisation), and a fresh trunk starts
        He-normal.
    """
    layers = [
        *_conv(channels, 64, (11, 4, 2)),
        nn.MaxPool2d(3, 2),
        *_conv(64, 192, (5, 1, 2)),
        nn.MaxPool2d(3, 2),
        *_conv(192, 384),
        *_conv(384, 256),
        *_conv(256, 256),
    ]
    return _network(
        nn.Sequential(*layers), 256, _Options(num_classes, groups, width, dropout, trunk)
    )


def vgg16_gap(
    num_classes: int = 1000,
    *,
    channels: int = 3,
    groups: int = 1,
    width: int = 1024,
    dropout: float = 0.5,
    trunk: Weights | None = None,
) -> GapNetwork:
    """VGG-16 up to conv5-3 without the last pooling, 14 × 14 positions at 224 × 224, then the added layers.

    Args:
        num_classes: Number of logits.
        channels: Of the images.
        groups: Of the added convolution.
        width: Channels of the added convolution.
        dropout: Before the linear layer.
        trunk: Weights of torchvision's ``vgg16`` (or a file of them); its classifier is left out.

    Returns:
        The network; names of its trunk are torchvision's.

    Raises:
        ModelError: The weights do not fit.

    References:
        Zhou et al. (2016), arXiv:1512.04150, §3.1 "VGGnet-GAP". *Differs:* a fresh trunk starts He-normal.
    """
    layers: list[nn.Module] = []
    inputs = channels
    for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [nn.MaxPool2d(2)] if layers else []
        for _ in range(count):
            layers += _conv(inputs, outputs)
            inputs = outputs
    return _network(
        nn.Sequential(*layers), 512, _Options(num_classes, groups, width, dropout, trunk)
    )


def googlenet_gap(
    num_classes: int = 1000,
    *,
    channels: int = 3,
    groups: int = 1,
    width: int = 1024,
    dropout: float = 0.0,
    trunk: Weights | None = None,
) -> GapNetwork:
    """GoogLeNet up to inception 4e, 14 × 14 positions at 224 × 224, then the added layers.

    Images are wanted as ``(x - 0.5) / 0.5``: what torchvision's network makes of its input before the first layer.

    Args:
        num_classes: Number of logits.
        channels: Of the images.
        groups: Of the added convolution.
        width: Channels of the added convolution.
        dropout: Before the linear layer; none in the released files.
        trunk: Weights of torchvision's ``googlenet`` (or a file of them); what follows inception 4e is left out.

    Returns:
        The network; names of its trunk are torchvision's.

    Raises:
        ModelError: The weights do not fit.

    References:
        Zhou et al. (2016), arXiv:1512.04150, §3.1 "GoogLeNet-GAP". *Differs:* torchvision's GoogLeNet, which has batch
        norm and 3 × 3 convolutions where the original has 5 × 5; a fresh trunk starts He-normal.
    """
    from torchvision.models.googlenet import BasicConv2d, Inception  # noqa: PLC0415 - slow to import

    layers: dict[str, nn.Module] = OrderedDict(
        conv1=BasicConv2d(channels, 64, kernel_size=7, stride=2, padding=3),
        maxpool1=nn.MaxPool2d(3, 2, ceil_mode=True),
        conv2=BasicConv2d(64, 64, kernel_size=1),
        conv3=BasicConv2d(64, 192, kernel_size=3, padding=1),
        maxpool2=nn.MaxPool2d(3, 2, ceil_mode=True),
        inception3a=Inception(192, 64, 96, 128, 16, 32, 32),
        inception3b=Inception(256, 128, 128, 192, 32, 96, 64),
        maxpool3=nn.MaxPool2d(3, 2, ceil_mode=True),
        inception4a=Inception(480, 192, 96, 208, 16, 48, 64),
        inception4b=Inception(512, 160, 112, 224, 24, 64, 64),
        inception4c=Inception(512, 128, 128, 256, 24, 64, 64),
        inception4d=Inception(512, 112, 144, 288, 32, 64, 64),
        inception4e=Inception(528, 256, 160, 320, 32, 128, 128),
    )
    options = _Options(num_classes, groups, width, dropout, trunk)
    return _network(nn.Sequential(OrderedDict(layers)), 832, options)


def _conv(
    inputs: int, outputs: int, shape: tuple[int, int, int] = (3, 1, 1)
) -> Iterator[nn.Module]:
    """A convolution of this kernel, stride and padding, and its ReLU."""
    kernel, stride, padding = shape
    yield nn.Conv2d(inputs, outputs, kernel, stride, padding)
    yield nn.ReLU(inplace=True)


def _network(features: nn.Sequential, channels: int, options: _Options) -> GapNetwork:
    """A trunk with fresh or given weights and the layers that the paper adds."""
    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if options.trunk is not None:
        _load(features, options.trunk)
    return GapNetwork(
        features,
        channels,
        options.num_classes,
        width=options.width,
        groups=options.groups,
        dropout=options.dropout,
    )


def _load(features: nn.Sequential, trunk: Weights) -> None:
    """Put the trunk's share of a network's weights into it."""
    given = trunk if isinstance(trunk, Mapping) else read_weights(trunk)
    own = {key.removeprefix("features."): value for key, value in given.items()}
    wanted = features.state_dict()
    lacking = [key for key in wanted if key not in own and not key.endswith("num_batches_tracked")]
    wrong = [key for key in wanted if key in own and own[key].shape != wanted[key].shape]
    if lacking or wrong:
        first = (lacking or wrong)[0]
        raise ModelError(
            f"these weights are not the trunk's: {len(lacking)} missing, {len(wrong)} of another shape ({first}, …)"
        )
    features.load_state_dict({key: own[key] for key in wanted if key in own}, strict=False)
