"""Wide residual networks for 32 × 32 images."""

__all__ = ["CifarWideResNet"]

from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Logits


class CifarWideResNet(nn.Module):
    """Residual networks that are wide instead of deep: WRN-d-k.

    Norm and ReLU come before each convolution; three stages of 16 k, 32 k and 64 k channels, the mean over positions, a
    linear layer.

    Args:
        depth: Layers with weights, ``6 n + 4``: 16, 28, 40.
        width: k.
        num_classes: Number of logits.
        channels: Of the input.

    Raises:
        OptionError: The depth is not ``6 n + 4``, or the width is below 1.

    References:
        Zagoruyko, Komodakis (2016). Wide residual networks. BMVC, arXiv:1605.07146.

    Examples:
        >>> network = CifarWideResNet(16, 2, num_classes=100)
        >>> sum(weight.numel() for weight in network.parameters())
        703284
    """

    def __init__(self, depth: int, width: int, num_classes: int = 10, *, channels: int = 3) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise OptionError(f"depth must be 6 n + 4 (10, 16, 28, 40, …), got {depth}")
        if width < 1:
            raise OptionError(f"width must be at least 1, got {width}")
        blocks = (depth - 4) // 6
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.layer1 = _stage(16, 16 * width, 1, blocks=blocks)
        self.layer2 = _stage(16 * width, 32 * width, 2, blocks=blocks)
        self.layer3 = _stage(32 * width, 64 * width, 2, blocks=blocks)
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(64 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)``, normalised; made for 32 × 32.

        Returns:
            ``(N, num_classes)``.
        """
        features = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        return self.fc(self.relu(self.bn1(features)).mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two 3 × 3 convolutions, each after norm and ReLU, beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.shortcut = (
            None
            if channels_in == channels_out
            else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        ready = self.relu1(self.bn1(features))
        hidden = self.conv2(self.relu2(self.bn2(self.conv1(ready))))
        return hidden + (features if self.shortcut is None else self.shortcut(ready))


def _stage(channels_in: int, channels_out: int, stride: int, *, blocks: int) -> nn.Sequential:
    """Blocks in a row, of which only the first may change the shape."""
    more = (_Block(channels_out, channels_out, 1) for _ in range(blocks - 1))
    return nn.Sequential(_Block(channels_in, channels_out, stride), *more)
