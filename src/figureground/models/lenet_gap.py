"""The small network of the cluttered-digits experiments: two convolutions, then global average pooling."""

__all__ = ["LeNetGAP"]

from torch import nn

from figureground.base.shapes import Images, Logits


class LeNetGAP(nn.Module):
    """LeNet-like network that ends in global average pooling and a linear layer without bias, so that CAM is exact.

    Twice a 5 × 5 convolution (32, then 64 channels, zero padding 2), ReLU and 2 × 2 max pooling; the mean over
    positions; linear. Made for 100 × 100 images in [0, 1] without normalisation, and runs on any size from 4 × 4 up.
    Convolutions start Xavier-uniform with zero bias, the linear layer from a normal distribution of standard deviation
    0.01.

    Args:
        channels: Of the input: 3 for RGB, 1 for grey.
        num_classes: Number of logits.

    References:
        Zhou, Khosla, Lapedriza, Oliva, Torralba (2016). Learning deep features for discriminative localization. CVPR,
        arXiv:1512.04150.
        LeCun, Bottou, Bengio, Haffner (1998). Gradient-based learning applied to document recognition. Proc. IEEE.

    Examples:
        >>> import torch
        >>> LeNetGAP()(torch.zeros(1, 3, 100, 100)).abs().max().item()
        0.0
    """

    def __init__(self, channels: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(channels, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(64, num_classes, bias=False)
        for conv in (self.conv1, self.conv2):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.classifier.weight, std=0.01)

    def forward(self, images: Images) -> Logits:
        """Logits of a batch.

        Args:
            images: ``(N, C, H, W)`` in [0, 1].

        Returns:
            ``(N, num_classes)``.
        """
        hidden = self.pool(self.relu1(self.conv1(images)))
        features = self.pool(self.relu2(self.conv2(hidden)))
        return self.classifier(features.mean(dim=(2, 3)))
