"""What a class number means."""

import numpy as np
import pytest
import torch

from figureground.base.errors import ModelError, OptionError
from figureground.base.outputs import (
    ClassNames,
    class_logits,
    class_number,
    class_probabilities,
)


@pytest.mark.parametrize(
    "one", [3, np.int64(3), np.uint8(3), torch.tensor(3), torch.tensor([3])[0], np.array(3)]
)
def test_integers_of_python_numpy_and_torch_are_numbers(one: object):
    assert class_number(one) == 3
    assert type(class_number(one)) is int
    assert ClassNames(count=4).index(one) == 3


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (True, r"not a truth value \(True\)"),
        (np.bool_(1), "not "),
        (torch.tensor(data=True), r"not a truth value"),
        (1.0, "not float"),
        (torch.tensor(1.0), "not Tensor"),
        (torch.tensor([1, 2]), "not Tensor"),
        (None, "not NoneType"),
    ],
)
def test_other_things_are_no_numbers(one: object, message: str):
    with pytest.raises(OptionError, match="a class is a number or a name, " + message):
        class_number(one)


@pytest.mark.parametrize("logits", [1, None])
@pytest.mark.parametrize("given", [("defect, flaw",), ("not defect", "defect, flaw")])
def test_one_logit_stands_for_two_classes(logits: int | None, given: tuple[str, ...]):
    two = ClassNames.of(logits, given)
    assert (two.names, two.count) == (("not defect", "defect, flaw"), 2)
    assert [two.index(one) for one in ("flaw", "defect", "NOT defect", "1", 0)] == [1, 1, 0, 1, 0]
    assert [two.name(index) for index in (0, 1)] == ["not defect", "defect, flaw"]
    with pytest.raises(OptionError, match="no class 2 in the model: indices are 0 to 1"):
        two.index(2)


def test_without_names_one_logit_has_two_numbers():
    two = ClassNames.of(1, None)
    assert (two.names, two.count, two.name(1)) == (None, 2, "class 1")


@pytest.mark.parametrize(
    ("logits", "names", "message"),
    [
        (1, ("a", "b", "c"), "3 class names for toy, which has 1 logit$"),
        (4, ("a", "b", "c"), "3 class names for toy, which has 4 logits"),
        (2, ("a",), "1 class names for toy, which has 2 logits"),
    ],
)
def test_names_that_do_not_fit_are_refused(logits: int, names: tuple[str, ...], message: str):
    with pytest.raises(ModelError, match=message):
        ClassNames.of(logits, names, "toy")


def test_scores_of_the_classes():
    many, one = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.5], [-0.5]])
    assert class_logits(many) is many
    assert class_logits(one).tolist() == [[-1.5, 1.5], [0.5, -0.5]]
    assert torch.equal(class_probabilities(many), many.softmax(1))
    torch.testing.assert_close(
        class_probabilities(one), torch.stack([1 - one[:, 0].sigmoid(), one[:, 0].sigmoid()], 1)
    )
