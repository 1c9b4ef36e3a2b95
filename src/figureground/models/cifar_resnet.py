"""Residual networks for 32 × 32 pictures, with shortcuts that have no weights."""

__all__ = ["CifarResNet"]

from torch import Tensor, nn
from torch.nn import functional

from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Logits


class CifarResNet(nn.Module):
    """The residual networks of the CIFAR-10 experiments.

    Three stages of 16, 32 and 64 channels, the mean over positions, a linear layer.

    Args:
        depth: Layers with weights, ``6 n + 2``: 20, 32, 44, 56, 110.
        num_classes: Number of logits.
        channels: Of the input.

    Raises:
        OptionError: The depth is not ``6 n + 2``.

    References:
        He, Zhang, Ren, Sun (2016). Deep residual learning for image recognition. CVPR, arXiv:1512.03385, §4.2: identity
        shortcuts with zero padding ("option A"), weights drawn as in arXiv:1502.01852.

    Example:
        >>> network = CifarResNet(20)
        >>> sum(weight.numel() for weight in network.parameters())
        269722
    """

    def __init__(self, depth: int, num_classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise OptionError(f"depth must be 6 n + 2 (8, 20, 32, 44, 56, 110, …), got {depth}")
        blocks = (depth - 2) // 6
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks)
        self.layer2 = _stage(16, 32, blocks)
        self.layer3 = _stage(32, 64, blocks)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)``, normalised; made for 32 × 32.

        Returns:
            ``(N, num_classes)``.
        """
        hidden = self.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(hidden)))
        return self.linear(features.mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut; halves the resolution where it doubles the channels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.stride = 1 if channels_in == channels_out else 2
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu2 = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.relu1(self.bn1(self.conv1(features)))
        return self.relu2(self.bn2(self.conv2(hidden)) + self._shortcut(features))

    def _shortcut(self, features: Tensor) -> Tensor:
        """The input; where the shape changes, every second row and column, with channels of zeros on both sides."""
        if self.stride == 1:
            return features
        extra = features.shape[1] // 2
        return functional.pad(features[:, :, ::2, ::2], (0, 0, 0, 0, extra, extra))


def _stage(channels_in: int, channels_out: int, blocks: int) -> nn.Sequential:
    """Blocks in a row, of which only the first may change the shape."""
    first = _Block(channels_in, channels_out)
    return nn.Sequential(first, *(_Block(channels_out, channels_out) for _ in range(blocks - 1)))
