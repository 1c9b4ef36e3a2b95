"""The names of ImageNet's classes."""

__all__ = ["imagenet_names"]


def imagenet_names() -> tuple[str, ...]:
    """The thousand names in the order of the logits, as torchvision has them.

    Returns:
        One name per class.

    Examples:
        >>> imagenet_names()[:2]
        ('tench', 'goldfish')
    """
    from torchvision.models import AlexNet_Weights  # noqa: PLC0415 - slow to import

    return tuple(AlexNet_Weights.IMAGENET1K_V1.meta["categories"])
