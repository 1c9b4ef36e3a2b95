"""VGG networks for 32 × 32 images."""

__all__ = ["CifarVGG"]

from torch import nn

from figureground.base.errors import unknown_option
from figureground.base.shapes import Images, Logits


class CifarVGG(nn.Module):
    """The VGG networks of the distillation benchmark: five stages of 3 × 3 convolutions, one linear layer.

    Batch norm after each convolution; 2 × 2 maxima after the first three stages only, so that the last maps have 4 × 4
    positions; the mean over positions.

    Args:
        depth: 8, 11 or 13.
        num_classes: Number of logits.
        channels: Of the input.

    Raises:
        OptionError: There is no such depth.

    References:
        Simonyan, Zisserman (2015). Very deep convolutional networks for large-scale image recognition. ICLR,
        arXiv:1409.1556. Sizes: Tian, Krishnan, Isola (2020), arXiv:1910.10699.

    Examples:
        >>> network = CifarVGG(8, num_classes=100)
        >>> sum(weight.numel() for weight in network.parameters())
        3965028
    """

    def __init__(self, depth: int, num_classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        if depth not in _COUNTS:
            raise unknown_option("depth of a VGG network", depth, map(str, _COUNTS))
        self.num_classes = num_classes
        sizes = (channels, *_WIDTHS)
        for index, count in enumerate(_COUNTS[depth]):
            stage = _stage(sizes[index], sizes[index + 1], count)
            self.add_module(f"layer{index + 1}", stage)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(_WIDTHS[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)``, normalised; made for 32 × 32.

        Returns:
            ``(N, num_classes)``.
        """
        features = images
        for index in range(len(_WIDTHS)):
            features = self.get_submodule(f"layer{index + 1}")(features)
            features = self.pool(features) if index < 3 else features
        return self.fc(features.mean(dim=(2, 3)))


def _stage(channels_in: int, channels_out: int, count: int) -> nn.Sequential:
    """So many convolutions, each with norm and ReLU."""
    layers: list[nn.Module] = []
    for index in range(count):
        first = channels_in if index == 0 else channels_out
        # the norm takes away what the bias adds; the published networks have it, and are counted with it
        layers += [nn.Conv2d(first, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out)]
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


_WIDTHS = (64, 128, 256, 512, 512)
_COUNTS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2)}
