"""Lists as they are typed: words or numbers between commas."""

__all__ = ["numbers", "words"]

from figureground.base.errors import OptionError


def words(text: str) -> tuple[str, ...]:
    """Comma-separated words.

    Args:
        text: As typed.

    Returns:
        The words, none empty.

    Examples:
        >>> words("fgsm:0.1, deepfool,")
        ('fgsm:0.1', 'deepfool')
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Comma-separated numbers.

    Args:
        text: As typed.
        option: Its name, for the message.

    Returns:
        The numbers.

    Raises:
        OptionError: One is none.

    Examples:
        >>> numbers("0.1,0.5", "--fractions")
        (0.1, 0.5)
    """
    try:
        return tuple(float(word) for word in words(text))
    except ValueError:
        raise OptionError(f"{option} takes numbers, not '{text}'") from None
