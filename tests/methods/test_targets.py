"""Which classes are meant by what a caller writes."""

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.methods.targets import resolve_targets

LOGITS = torch.tensor([[0.0, 3.0, 1.0, 2.0], [5.0, 1.0, 4.0, 0.0]])


def numbers(classes, logits=LOGITS, names=None):
    """The class numbers found."""
    found = resolve_targets(classes, logits, names).classes
    return None if found is None else found.tolist()


def test_predicted_class_is_the_default():
    assert numbers(None) == [[1], [0]]


def test_top_k_falls_in_score():
    assert numbers("top3") == [[1, 3, 2], [0, 2, 1]]


def test_numbers_and_names_hold_for_all_images():
    names = {"cat": 2, "dog": 3}.__getitem__
    assert numbers(2) == [[2], [2]]
    assert numbers(["dog", 0], names=names) == [[3, 0], [3, 0]]


def test_tensors_hold_per_image():
    assert numbers(torch.tensor([3, 1])) == [[3], [1]]
    assert numbers(torch.tensor([[3, 0], [1, 2]])) == [[3, 0], [1, 2]]


def test_scores_are_logits_of_the_classes():
    found = resolve_targets(torch.tensor([[3, 0], [1, 2]]), LOGITS)
    assert found.directions.select(LOGITS).tolist() == [[2.0, 0.0], [1.0, 4.0]]


def test_a_function_becomes_its_gradient():
    found = resolve_targets([lambda y: y[:, 1] - y[:, 0], lambda y: (y**2).sum(1)], LOGITS)
    assert found.classes is None
    dense = found.directions.dense
    assert dense is not None
    assert dense[:, 0].tolist() == [[-1.0, 1.0, 0.0, 0.0]] * 2
    assert torch.equal(dense[:, 1], 2 * LOGITS)


def test_a_function_is_read_at_other_logits_and_not_its_gradient():
    def asked(y):
        return y.softmax(1)[:, 2]

    found = resolve_targets([asked, lambda y: y[:, 0]], LOGITS)
    assert torch.equal(found.score(LOGITS)[:, 0], asked(LOGITS))
    other = LOGITS.flip(1)
    assert torch.equal(found.of_image(1).score(other), torch.stack([asked(other), other[:, 0]], 1))
    linear = found.directions.of_image(1).select(other)
    assert torch.equal(linear[:, 1], other[:, 0])
    assert torch.equal(found.part(1, 2).score(LOGITS), LOGITS[:, :1])
    assert (linear[:, 0] - asked(other)).abs().min() > 0.01


def test_scores_and_probabilities_of_one_image_are_read_at_its_changes():
    found = resolve_targets(torch.tensor([[3, 0], [1, 2]]), LOGITS).of_image(1)
    changes = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found.score(changes), changes[:, [1, 2]])
    assert torch.equal(found.probability(changes), changes.softmax(1)[:, [1, 2]])
    assert torch.equal(found.part(1, 2).score(changes), changes[:, [2]])


def test_probabilities_of_one_logit_are_its_sigmoid_for_and_against():
    logits = torch.tensor([[2.0], [-3.0]])
    found = resolve_targets([0, 1], logits).probability(logits)
    torch.testing.assert_close(found, torch.cat([(-logits).sigmoid(), logits.sigmoid()], 1))


def test_a_function_gives_no_other_probability():
    found = resolve_targets([lambda y: y[:, 1]], LOGITS)
    assert torch.equal(found.probability(LOGITS), LOGITS[:, [1]])


def test_targets_are_repeated_for_copies_of_the_batch():
    found = resolve_targets(torch.tensor([[3], [1]]), LOGITS).repeated(2)
    assert found.score(torch.cat([LOGITS, LOGITS])).tolist() == [[2.0], [1.0], [2.0], [1.0]]
    assert found.classes is not None
    assert found.classes.tolist() == [[3], [1], [3], [1]]


def test_functions_work_within_no_grad_and_inference_mode():
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            found = resolve_targets(lambda y: 2 * y[:, 1], LOGITS)
        assert found.directions.select(LOGITS).tolist() == [[6.0], [2.0]]


def test_one_logit_has_two_classes():
    logits = torch.tensor([[2.0], [-3.0]])
    assert numbers(None, logits) == [[1], [0]]
    found = resolve_targets([0, 1], logits)
    assert found.directions.select(logits).tolist() == [[-2.0, 2.0], [3.0, -3.0]]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (4, "class 4 does not exist: the model has 4 classes, 0 to 3"),
        (-1, "class -1 does not exist"),
        ("top5", "top5 of 4 classes"),
        ("top0", "top0 of 4 classes"),
        ("cat", "'cat' is a name, and this model has no class names"),
        ([], "no class asked for"),
        (torch.tensor([0, 9]), "class 9 does not exist"),
        (lambda y: torch.zeros(len(y)), "does not use them"),
    ],
)
def test_what_does_not_exist_is_refused(classes, message):
    with pytest.raises(OptionError, match=message):
        resolve_targets(classes, LOGITS)


@pytest.mark.parametrize(
    "classes", [torch.tensor([0, 1, 2]), torch.tensor([0.0, 1.0]), torch.zeros(2, 1, 1).long()]
)
def test_a_tensor_that_does_not_fit_the_batch_is_refused(classes):
    with pytest.raises(ShapeError, match=r"N = 2 images.*give a list"):
        resolve_targets(classes, LOGITS)


def test_a_function_with_more_than_one_value_per_image_is_refused():
    with pytest.raises(ShapeError, match=r"one scalar per image \(2,\); it gave \(2, 4\)"):
        resolve_targets(lambda y: y * 2, LOGITS)


@pytest.mark.parametrize("one", [np.int64(2), torch.tensor(2), np.array(2)])
def test_integers_of_numpy_and_torch_are_class_numbers(one):
    assert numbers(one) == numbers([one]) == numbers([2])


@pytest.mark.parametrize("one", [True, [False], torch.tensor(data=True), torch.tensor(1.5)])
def test_what_is_no_integer_is_refused(one):
    with pytest.raises(OptionError, match="a class is a number or a name, not"):
        resolve_targets(one, LOGITS)


def test_tensors_of_truth_values_are_refused():
    with pytest.raises(ShapeError, match=r"of integers with N = 2.*torch\.bool"):
        resolve_targets(torch.tensor([True, False]), LOGITS)
