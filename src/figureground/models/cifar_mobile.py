"""Networks of depthwise and grouped convolutions for 32 × 32 images."""

__all__ = ["CifarMobileNetV2", "CifarShuffleNetV1", "CifarShuffleNetV2"]

import torch
from torch import Tensor, nn
from torch.nn import functional

from figureground.base.shapes import Images, Logits


class _Staged(nn.Module):
    """A stem, stages, the mean over positions, a linear layer."""

    def __init__(self, stem: nn.Module, stages: list[nn.Module], head: nn.Linear) -> None:
        super().__init__()
        self.num_classes = head.out_features
        self.stem = stem
        for index, stage in enumerate(stages):
            self.add_module(f"layer{index + 1}", stage)
        self.count = len(stages)
        self.fc = head
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)``, normalised; made for 32 × 32.

        Returns:
            ``(N, num_classes)``.
        """
        features = self.stem(images)
        for index in range(self.count):
            features = self.get_submodule(f"layer{index + 1}")(features)
        return self.fc(features.mean(dim=(2, 3)))


class CifarMobileNetV2(_Staged):
    """MobileNetV2 at half width for 32 × 32 images, as in the distillation benchmark: 2 × 2 positions at the end.

    Args:
        num_classes: Number of logits.
        channels: Of the input.
        width: Factor of all channels but the last 1280.
        expansion: Of a block's middle.

    References:
        Sandler, Howard, Zhu, Zhmoginov, Chen (2018). MobileNetV2: Inverted residuals and linear bottlenecks. CVPR,
        arXiv:1801.04381. *Differs:* the benchmark's strides for small images, and plain ReLU.

    Examples:
        >>> network = CifarMobileNetV2(num_classes=100)
        >>> sum(weight.numel() for weight in network.parameters())
        812836
    """

    def __init__(
        self, num_classes: int = 10, channels: int = 3, *, width: float = 0.5, expansion: int = 6
    ) -> None:
        before = int(32 * width)
        stem = _conv(channels, before, 3, stride=2)
        stages: list[nn.Module] = []
        for factor, wide, count, stride in _INVERTED:
            after = int(wide * width)
            sizes = [(before, stride)] + [(after, 1)] * (count - 1)
            ratio = expansion if factor else 1
            stages.append(nn.Sequential(*(_Inverted(a, after, s, ratio=ratio) for a, s in sizes)))
            before = after
        stages.append(_conv(before, _LAST))
        super().__init__(stem, stages, nn.Linear(_LAST, num_classes))


class CifarShuffleNetV1(_Staged):
    """ShuffleNet with 3 groups for 32 × 32 images, as in the distillation benchmark: 4 × 4 positions at the end.

    Args:
        num_classes: Number of logits.
        channels: Of the input.

    References:
        Zhang, Zhou, Lin, Sun (2018). ShuffleNet: An extremely efficient convolutional neural network for mobile
        devices. CVPR, arXiv:1707.01083. *Differs:* the benchmark's 1 × 1 stem of 24 channels without stride.

    Examples:
        >>> network = CifarShuffleNetV1(num_classes=100)
        >>> sum(weight.numel() for weight in network.parameters())
        949258
    """

    def __init__(self, num_classes: int = 10, channels: int = 3) -> None:
        stages: list[nn.Module] = []
        before = 24
        for wide, count in ((240, 4), (480, 8), (960, 4)):
            first = _Grouped(before, wide - before, 2)
            stages.append(
                nn.Sequential(first, *(_Grouped(wide, wide, 1) for _ in range(count - 1)))
            )
            before = wide
        super().__init__(_conv(channels, 24), stages, nn.Linear(960, num_classes))


class CifarShuffleNetV2(_Staged):
    """ShuffleNetV2 for 32 × 32 images, as in the distillation benchmark: 4 × 4 positions at the end.

    Args:
        num_classes: Number of logits.
        channels: Of the input.

    References:
        Ma, Zhang, Zheng, Sun (2018). ShuffleNet V2: Practical guidelines for efficient CNN architecture design. ECCV,
        arXiv:1807.11164. *Differs:* the benchmark's 1 × 1 stem of 24 channels without stride.

    Examples:
        >>> network = CifarShuffleNetV2(num_classes=100)
        >>> sum(weight.numel() for weight in network.parameters())
        1355528
    """

    def __init__(self, num_classes: int = 10, channels: int = 3) -> None:
        stages: list[nn.Module] = []
        before = 24
        for wide, count in ((116, 3), (232, 7), (464, 3)):
            more = (_Split(wide) for _ in range(count))
            stages.append(nn.Sequential(_SplitDown(before, wide), *more))
            before = wide
        stages.append(_conv(before, 1024))
        super().__init__(_conv(channels, 24), stages, nn.Linear(1024, num_classes))


class _Inverted(nn.Module):
    """Widened, convolved by channel, narrowed without ReLU; beside the input where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, *, ratio: int) -> None:
        super().__init__()
        middle = channels_in * ratio
        self.branch = nn.Sequential(
            _conv(channels_in, middle),
            _conv(middle, middle, 3, stride=stride, groups=middle),
            _conv(middle, channels_out, relu=False),
        )
        self.same = stride == 1 and channels_in == channels_out

    def forward(self, features: Tensor) -> Tensor:
        return self.branch(features) + features if self.same else self.branch(features)


class _Grouped(nn.Module):
    """Grouped 1 × 1, shuffled, 3 × 3 by channel, grouped 1 × 1; beside the input, or before it where it halves."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        middle = channels_out // 4
        self.groups = 1 if channels_in == 24 else 3
        self.enter = _conv(channels_in, middle, groups=self.groups)
        self.middle = _conv(middle, middle, 3, stride=stride, groups=middle)
        self.leave = _conv(middle, channels_out, groups=3, relu=False)
        self.thin = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.leave(self.middle(_shuffled(self.enter(features), self.groups)))
        if self.thin is None:
            return self.relu(hidden + features)
        return self.relu(torch.cat([hidden, self.thin(features)], 1))


class _Split(nn.Module):
    """Half of the channels goes through three convolutions, half does not; then they are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _by_channel(channels // 2, channels // 2, stride=1)

    def forward(self, features: Tensor) -> Tensor:
        kept, changed = features.chunk(2, 1)
        return _shuffled(torch.cat([kept, self.branch(changed)], 1), 2)


class _SplitDown(nn.Module):
    """Two branches that halve the resolution, shuffled."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.left = nn.Sequential(
            _conv(channels_in, channels_in, 3, stride=2, groups=channels_in, relu=False),
            _conv(channels_in, channels_out // 2),
        )
        self.right = _by_channel(channels_in, channels_out // 2, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        return _shuffled(torch.cat([self.left(features), self.right(features)], 1), 2)


def _by_channel(channels_in: int, channels_out: int, *, stride: int) -> nn.Sequential:
    """1 × 1, 3 × 3 by channel without ReLU, 1 × 1."""
    return nn.Sequential(
        _conv(channels_in, channels_out),
        _conv(channels_out, channels_out, 3, stride=stride, groups=channels_out, relu=False),
        _conv(channels_out, channels_out),
    )


def _shuffled(features: Tensor, groups: int) -> Tensor:
    """Channels of the groups in turn."""
    return features if groups == 1 else functional.channel_shuffle(features, groups)


def _conv(
    channels_in: int,
    channels_out: int,
    size: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """A convolution, its norm, and ReLU."""
    conv = nn.Conv2d(
        channels_in, channels_out, size, stride, padding=size // 2, groups=groups, bias=False
    )
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), *([nn.ReLU()] if relu else []))


_LAST = 1280
# whether it widens, channels, blocks, stride of the first
_INVERTED = (
    *((False, 16, 1, 1), (True, 24, 2, 1), (True, 32, 3, 2), (True, 64, 4, 2)),
    *((True, 96, 3, 1), (True, 160, 3, 2), (True, 320, 1, 1)),
)
