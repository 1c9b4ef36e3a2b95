"""Whether a teacher fits its student."""

__all__ = ["check_teacher"]

from torch import nn

from figureground.base.errors import OptionError
from figureground.models import Classifier


def check_teacher(teacher: Classifier, student: nn.Module, num_classes: int) -> None:
    """Refuse a teacher with other classes than the student's, or with other input sizes.

    A background output of the teacher, its last, is allowed: the logits before it are used.

    Args:
        teacher: The teacher.
        student: The network; compared further where it is a ``Classifier``.
        num_classes: Classes of the data.

    Raises:
        OptionError: It does not fit.
    """
    known = list(teacher.class_names or [])
    count = teacher.num_classes
    if known and known[-1] == "background" and count == num_classes + 1:
        known, count = known[:-1], num_classes
    if count is not None and count != num_classes:
        raise OptionError(
            f"the teacher {teacher.name} has {count} classes, the data have {num_classes}"
        )
    if not isinstance(student, Classifier):
        return
    own = list(student.class_names or known)[:num_classes]
    if known and own != known:
        first = next(k for k, pair in enumerate(zip(own, known, strict=True)) if pair[0] != pair[1])
        raise OptionError(
            f"the teacher {teacher.name} has other classes than the data: class {first} is '{known[first]}', "
            f"not '{own[first]}'"
        )
    theirs, ours = teacher.preprocessing, student.preprocessing
    if (theirs.channels, theirs.size) != (ours.channels, ours.size):
        raise OptionError(
            f"the teacher {teacher.name} takes images of {theirs.channels} × {theirs.size}, the student of "
            f"{ours.channels} × {ours.size}; set model.preprocessing.size or the teacher's"
        )
