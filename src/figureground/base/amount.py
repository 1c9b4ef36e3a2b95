"""A number and what it counts, in the singular or the plural."""

__all__ = ["amount"]


def amount(count: int, one: str, many: str = "") -> str:
    """How many there are, in words that fit the number.

    Args:
        count: How many.
        one: What is counted, in the singular.
        many: In the plural; with an s where omitted.

    Returns:
        The number with commas between thousands, and the noun.

    Examples:
        >>> amount(1, "image"), amount(1200, "image"), amount(2, "class", "classes")
        ('1 image', '1,200 images', '2 classes')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
