"""Classes of a classifier as a user of the command writes them."""

__all__ = ["ClassChoice", "class_words", "find_classes"]

import re
from collections.abc import Sequence

from figureground.base.amount import amount
from figureground.base.errors import OptionError
from figureground.models.classifier import Classifier

ClassChoice = str | int | Sequence[str | int] | None


def find_classes(classifier: Classifier, asked: ClassChoice) -> str | list[int] | None:
    """The numbers of the classes asked for, each once, in the order asked.

    Args:
        classifier: Knows their names; one with one logit has two classes.
        asked: A number or name, a list of them, ``"top3"``, or None for the predicted class.

    Returns:
        Numbers; None and ``"topK"`` as they are, since they depend on the image.

    Raises:
        OptionError: No such class, several fit a name, or the list is empty.
    """
    if asked is None or (isinstance(asked, str) and re.fullmatch(r"top\d+", asked)):
        return _checked_top(asked, classifier)
    several = list(asked) if isinstance(asked, Sequence) and not isinstance(asked, str) else [asked]
    if not several:
        raise OptionError("no class asked for; leave classes out for the predicted one")
    return list(dict.fromkeys(classifier.class_index(one) for one in several))


def class_words(text: str, names: Sequence[str] = ()) -> list[str]:
    """A comma-separated list of classes, whose names may themselves hold commas.

    Args:
        text: As typed.
        names: Names of the model's classes; where some of the words that follow one another make up a whole
            name, they are taken together, the longest first.

    Returns:
        One word or name per class.

    Examples:
        >>> class_words("tabby, tabby cat, 7", ["tabby, tabby cat", "lynx, catamount"])
        ['tabby, tabby cat', '7']
        >>> class_words("tabby,7")
        ['tabby', '7']
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    whole = {_plain(name) for name in names if "," in name}
    longest = max((name.count(",") + 1 for name in whole), default=1)
    found: list[str] = []
    while words:
        tries = range(min(longest, len(words)), 1, -1)
        count = next((n for n in tries if _plain(",".join(words[:n])) in whole), 1)
        found.append(", ".join(words[:count]))
        words = words[count:]
    return found


def _checked_top(asked: str | None, classifier: Classifier) -> str | None:
    """``topK`` unless the model has fewer classes."""
    count = 1 if asked is None else int(asked[3:])
    most = classifier.classes.count
    if count < 1 or (most is not None and count > most):
        raise OptionError(
            f"{asked} asked for; {classifier.name} has {amount(most or 0, 'class', 'classes')}"
        )
    return asked


def _plain(name: str) -> str:
    """A name with one way to write its commas."""
    return ",".join(part.strip() for part in name.casefold().split(","))
