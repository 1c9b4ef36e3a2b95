"""Labels of a data set as class indices of a model."""

__all__ = ["LabelReader"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from figureground.base.errors import OptionError
from figureground.models import Classifier
from figureground.studies.evaluation.items import Source

_UNKNOWN = -1


@dataclass(frozen=True)
class LabelReader:
    """Turns labels into class indices.

    Args:
        classifier: Whose classes; None where no model takes part.
        offset: Added to labels that are numbers.
        numbers: Class name of the data -> index, where names of a data set are taken in their order.
        note: What was assumed, for the record; empty where nothing was.
    """

    classifier: Classifier | None
    offset: int = 0
    numbers: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def of(
        cls, classifier: Classifier | None, source: Source, *, offset: int | None
    ) -> "LabelReader":
        """A reader with the offset that was given, or with the one that fits.

        A model of 1,001 ImageNet classes calls its first one "background"; data sets number theirs
        from 0. Where class 0 has that name and no label needs the last class, 1 is added. Classes of a data set that
        the model does not know by name are taken in the order of both.

        Args:
            classifier: Whose classes.
            source: The images.
            offset: None to find out.

        Returns:
            The reader.
        """
        if source.class_names:
            return cls._of_data_set(classifier, source.class_names)
        if offset is not None or not _counts_background(classifier, source):
            return cls(classifier, offset or 0)
        note = (
            "class 0 of the model is 'background' and the labels of the data fit without it: 1 is added to every label "
            "(--label-offset 0 keeps them)"
        )
        return cls(classifier, 1, note=note)

    @classmethod
    def _of_data_set(cls, classifier: Classifier | None, names: Sequence[str]) -> "LabelReader":
        """By name where the model has all of them, else in their order."""
        models = (classifier.class_names or ()) if classifier is not None else ()
        index = {name.casefold(): number for number, name in enumerate(models)}
        by_name = {name: index[name.casefold()] for name in names if name.casefold() in index}
        background = {"background": len(names)}
        if len(by_name) == len(names):
            return cls(classifier, numbers=background | by_name)
        note = "" if not models else (
            f"the model's class '{models[0]}' is taken to be the data's '{names[0]}', and so on: in the order of both"
        )  # fmt: skip
        in_order = {name: number for number, name in enumerate(names)}
        return cls(classifier, numbers=background | in_order, note=note)

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
        if isinstance(label, str) and label not in self.numbers:
            return self._named(label)
        index = self.numbers[label] if isinstance(label, str) else label + self.offset
        count = None if self.classifier is None else self.classifier.classes.count
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


def _counts_background(classifier: Classifier | None, source: Source) -> bool:
    """Whether class 0 of the model is background, and the numbers of the data fit without it."""
    names = (classifier.class_names or ()) if classifier is not None else ()
    numbers = [item.label for item in source.items if isinstance(item.label, int)]
    first = bool(names) and names[0].casefold() == "background"
    return first and bool(numbers) and max(numbers) < len(names) - 1
