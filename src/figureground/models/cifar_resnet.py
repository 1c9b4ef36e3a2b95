"""Residual networks for 32 × 32 images."""

__all__ = ["CifarResNet"]

from torch import Tensor, nn
from torch.nn import functional

from figureground.base.errors import OptionError, unknown_option
from figureground.base.shapes import Images, Logits


class CifarResNet(nn.Module):
    """The residual networks of the CIFAR-10 experiments.

    Three stages of 16, 32 and 64 channels, the mean over positions, a linear layer.

    Args:
        depth: Layers with weights, ``6 n + 2``: 20, 32, 44, 56, 110.
        num_classes: Number of logits.
        channels: Of the input.
        widths: Channels of the first convolution and of the three stages; (32, 64, 128, 256) are the "× 4" networks of
            the distillation benchmark.
        shortcut: Where the shape changes: ``padding`` with zeros (no weights), or ``convolution``, as the distillation
            benchmark has it.

    Raises:
        OptionError: The depth is not ``6 n + 2``, or there is no such shortcut.

    References:
        He, Zhang, Ren, Sun (2016). Deep residual learning for image recognition. CVPR, arXiv:1512.03385, §4.2: identity
        shortcuts with zero padding ("option A"), weights drawn as in arXiv:1502.01852. Convolutions are "option B".
        The wide ones: Tian, Krishnan, Isola (2020). Contrastive representation distillation. ICLR, arXiv:1910.10699.

    Examples:
        >>> network = CifarResNet(20)
        >>> sum(weight.numel() for weight in network.parameters())
        269722
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        channels: int = 3,
        *,
        widths: tuple[int, int, int, int] = (16, 16, 32, 64),
        shortcut: str = "padding",
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise OptionError(f"depth must be 6 n + 2 (8, 20, 32, 44, 56, 110, …), got {depth}")
        if shortcut not in _SHORTCUTS:
            raise unknown_option("shortcut", shortcut, _SHORTCUTS)
        blocks = (depth - 2) // 6
        learnt = shortcut == "convolution"
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.layer1 = _stage(widths[:2], blocks, stride=1, learnt=learnt)
        self.layer2 = _stage(widths[1:3], blocks, stride=2, learnt=learnt)
        self.layer3 = _stage(widths[2:], blocks, stride=2, learnt=learnt)
        self.linear = nn.Linear(widths[3], num_classes)
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
    """Two 3 × 3 convolutions beside a shortcut."""

    def __init__(
        self, channels_in: int, channels_out: int, *, stride: int = 1, learnt: bool = False
    ) -> None:
        super().__init__()
        self.stride, self.extra = stride, channels_out - channels_in
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu2 = nn.ReLU()
        self.downsample: nn.Sequential | None = None
        if learnt and (stride != 1 or self.extra):
            convolution = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(channels_out))

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.relu1(self.bn1(self.conv1(features)))
        return self.relu2(self.bn2(self.conv2(hidden)) + self._shortcut(features))

    def _shortcut(self, features: Tensor) -> Tensor:
        """The input; where the shape changes, convolved, or thinned with channels of zeros on both sides."""
        if self.downsample is not None:
            return self.downsample(features)
        if self.stride == 1 and not self.extra:
            return features
        before = self.extra // 2
        thinned = features[:, :, :: self.stride, :: self.stride]
        return functional.pad(thinned, (0, 0, 0, 0, before, self.extra - before))


def _stage(channels: tuple[int, ...], blocks: int, *, stride: int, learnt: bool) -> nn.Sequential:
    """Blocks in a row, of which only the first may change the shape."""
    first = _Block(channels[0], channels[1], stride=stride, learnt=learnt)
    return nn.Sequential(first, *(_Block(channels[1], channels[1]) for _ in range(blocks - 1)))


_SHORTCUTS = ("padding", "convolution")
