"""Labels of a data set as class indices of a model."""

__all__ = ["LabelReader"]

from collections.abc import Iterable
from dataclasses import dataclass

from figureground.base.errors import OptionError
from figureground.models import Classifier
from figureground.studies.evaluation.items import Item

_UNKNOWN = -1


@dataclass(frozen=True)
class LabelReader:
    """Turns labels into class indices.

    Args:
        classifier: Whose classes; None where no model takes part.
        offset: Added to labels that are numbers.
        note: What was assumed, for the record; empty where nothing was.
    """

    classifier: Classifier | None
    offset: int = 0
    note: str = ""

    @classmethod
    def of(
        cls, classifier: Classifier | None, items: Iterable[Item], offset: int | None
    ) -> "LabelReader":
        """A reader with the offset that was given, or with the one that fits.

        A model of 1,001 ImageNet classes calls its first one "background"; data sets number theirs
        from 0. Where class 0 has that name and no label needs the last class, 1 is added.

        Args:
            classifier: Whose classes.
            items: The data set.
            offset: None to find out.

        Returns:
            The reader.
        """
        if offset is not None:
            return cls(classifier, offset)
        names = classifier.class_names if classifier is not None else None
        numbers = [item.label for item in items if isinstance(item.label, int)]
        shifted = (
            names is not None
            and names[0].casefold() == "background"
            and bool(numbers)
            and max(numbers) < len(names) - 1
        )
        if not shifted:
            return cls(classifier)
        return cls(
            classifier,
            1,
            "class 0 of the model is 'background' and the labels of the data fit without it: "
            "1 is added to every label (say label offset 0 to keep them)",
        )

    def index(self, label: int | str | None) -> int:
        """The class index of a label.

        Args:
            label: As the data set has it.

        Returns:
            The index; -1 where there is no label, or a name while no model takes part.

        Raises:
            LookupError: The model has no such class; the message says why.
        """
        if label is None:
            return _UNKNOWN
        if isinstance(label, str):
            return self._named(label)
        index = label + self.offset
        count = None if self.classifier is None else self.classifier.num_classes
        if index < 0 or (count is not None and index >= count):
            shift = f" plus the offset {self.offset}" if self.offset else ""
            known = (
                "" if count is None else f", not in 0..{count - 1}: the model has {count} classes"
            )
            raise LookupError(f"the label is {label}{shift}{known}")
        return index

    def _named(self, name: str) -> int:
        """The index of a class name."""
        if self.classifier is None:
            return _UNKNOWN
        try:
            return self.classifier.class_index(name)
        except OptionError as error:
            raise LookupError(str(error)) from error
