"""A small residual network for images of 64 to 96 pixels, with maps of an eighth of their side."""

__all__ = ["SmallResNet"]

from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Logits


class SmallResNet(nn.Module):
    """A residual network to train on a CPU, whose last maps have 8 × 8 positions for 64 pixels and 12 × 12 for 96.

    A 3 × 3 convolution of stride 2, three stages of 2, 4 and 6 times ``width`` channels with strides 2, 2 and 1, the
    mean over positions, a linear layer: plain CAM is exact. With the defaults 17 million multiplications for an image
    of 64 × 64 and 38 million for 96 × 96.

    Args:
        num_classes: Number of logits.
        channels: Of the images.
        width: Channels of the first convolution.
        blocks: Residual blocks of a stage.

    Raises:
        OptionError: ``width`` or ``blocks`` is below 1.

    References:
        He, Zhang, Ren, Sun (2016). Deep residual learning for image recognition. CVPR, arXiv:1512.03385. *Differs:*
        the sizes are ours; shortcuts that change the shape are 1 × 1 convolutions with batch norm ("option B").

    Examples:
        >>> sum(weight.numel() for weight in SmallResNet().parameters())
        218650
    """

    def __init__(
        self, num_classes: int = 10, channels: int = 3, *, width: int = 16, blocks: int = 1
    ) -> None:
        super().__init__()
        if width < 1 or blocks < 1:
            raise OptionError(f"width and blocks must be at least 1, got {width} and {blocks}")
        self.num_classes = num_classes
        self.stem = nn.Sequential(*_conv(channels, width, 2), nn.ReLU())
        self.layer1 = _stage((width, 2 * width), 2, blocks)
        self.layer2 = _stage((2 * width, 4 * width), 2, blocks)
        self.layer3 = _stage((4 * width, 6 * width), 1, blocks)
        self.fc = nn.Linear(6 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)``, normalised.

        Returns:
            ``(N, num_classes)``.
        """
        features = self.layer3(self.layer2(self.layer1(self.stem(images))))
        return self.fc(features.mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_conv(channels_in, channels_out, stride),
            nn.ReLU(),
            *_conv(channels_out, channels_out, 1),
        )
        same = stride == 1 and channels_in == channels_out
        shortcut = (
            []
            if same
            else [
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            ]
        )
        self.shortcut = nn.Sequential(*shortcut)
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        return self.relu(self.branch(features) + self.shortcut(features))


def _conv(channels_in: int, channels_out: int, stride: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A 3 × 3 convolution and its norm."""
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
    return conv, nn.BatchNorm2d(channels_out)


def _stage(channels: tuple[int, int], stride: int, blocks: int) -> nn.Sequential:
    """Blocks in a row, of which only the first may change the shape."""
    more = (_Block(channels[1], channels[1], 1) for _ in range(blocks - 1))
    return nn.Sequential(_Block(*channels, stride), *more)
