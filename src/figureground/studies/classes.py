"""Classes as a job's user writes and reads them; a network with one logit has two."""

__all__ = ["class_name", "class_words", "find_classes"]

import re
from collections.abc import Sequence

from figureground.base.errors import OptionError, unknown_option
from figureground.models import Classifier
from figureground.studies.options import ClassChoice


def find_classes(classifier: Classifier, asked: ClassChoice) -> str | list[int] | None:
    """The numbers of the classes asked for, each once, in the order asked.

    Args:
        classifier: Knows their names.
        asked: As in the options.

    Returns:
        Numbers; None and ``"topK"`` as they are, since they depend on the photo.

    Raises:
        OptionError: No such class, several fit a name, or the list is empty.
    """
    if asked is None or (isinstance(asked, str) and re.fullmatch(r"top\d+", asked)):
        return _checked_top(asked, classifier)
    several = [asked] if isinstance(asked, int | str) else list(asked)
    if not several:
        raise OptionError("no class asked for; leave classes out for the predicted one")
    return list(dict.fromkeys(_index(classifier, one) for one in several))


def class_name(classifier: Classifier, index: int) -> str:
    """What a class is called.

    Args:
        classifier: Knows the names.
        index: Number of the class. A network with one logit has class 1 (positive) and class 0 (not).

    Returns:
        Its name, or ``class 5`` where names are not known.
    """
    if classifier.num_classes != 1:
        return classifier.class_name(index)
    if classifier.class_names is None:
        return f"class {index}"
    positive = classifier.class_names[0]
    return positive if index == 1 else f"not {positive}"


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
    known = classifier.num_classes
    most = None if known is None else max(2, known)
    if count < 1 or (most is not None and count > most):
        raise OptionError(f"{asked} asked for; {classifier.name} has {most} classes")
    return asked


def _index(classifier: Classifier, one: int | str) -> int:
    """The number of a class."""
    if classifier.num_classes != 1:
        return classifier.class_index(one)
    names = [class_name(classifier, index) for index in (0, 1)]
    for index, name in enumerate(names):
        if str(one).strip().casefold() in {str(index), name.casefold()}:
            return index
    raise unknown_option("class", one, ["0", "1", *names])


def _plain(name: str) -> str:
    """A name with one way to write its commas."""
    return ",".join(part.strip() for part in name.casefold().split(","))
