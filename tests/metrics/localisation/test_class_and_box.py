"""Class and box together, against loops written from the definitions."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.localisation.class_and_box import (
    Guesses,
    clsloc_errors,
    top_k_localisation,
)


def setting(seed=0, count=30, guesses=5):
    source = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (count,), generator=source)
    classes = torch.randint(0, 4, (count, guesses), generator=source)
    low = torch.randint(0, 6, (count, guesses + 2, 2), generator=source)
    boxes = torch.cat([low, low + torch.randint(4, 12, low.shape, generator=source)], -1)
    truth = [boxes[i, guesses : guesses + 1 + i % 2] for i in range(count)]
    return Guesses(classes, boxes[:, :guesses]), labels, truth


def error_by_hand(guesses, labels, truth, position):
    """min over guesses of max(wrong class, wrong box), with inclusive pixels."""
    least = 1
    for name, box in zip(guesses.classes[position], guesses.boxes[position].tolist(), strict=True):
        wrong_box = 1
        for other in truth[position].tolist():
            width = min(box[2], other[2]) - max(box[0], other[0]) + 1
            height = min(box[3], other[3]) - max(box[1], other[1]) + 1
            shared = width * height if width > 0 and height > 0 else 0
            areas = sum((b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other))
            wrong_box = min(wrong_box, int(shared / (areas - shared) < 0.5))
        least = min(least, max(int(name != labels[position]), wrong_box))
    return bool(least)


def test_errors_equal_the_definition_guess_by_guess():
    guesses, labels, truth = setting()
    errors = clsloc_errors(guesses, labels, truth)
    expected = [error_by_hand(guesses, labels, truth, i) for i in range(len(labels))]
    assert errors.localisation.tolist() == expected
    assert 0 < sum(expected) < len(expected)
    assert errors.localisation_error == pytest.approx(sum(expected) / len(expected))
    assert errors.classification.tolist() == (guesses.classes != labels[:, None]).all(1).tolist()


def test_more_guesses_never_raise_the_error_and_a_wrong_class_is_always_wrong():
    guesses, labels, truth = setting(1)
    rates = []
    for count in range(1, 6):
        part = Guesses(guesses.classes[:, :count], guesses.boxes[:, :count])
        errors = clsloc_errors(part, labels, truth)
        assert (errors.localisation | ~errors.classification).all()
        rates.append(errors.localisation_error)
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[-1]


def test_blacklisted_images_leave_the_denominator():
    guesses, labels, truth = setting(2)
    blacklisted = torch.arange(len(labels)) % 3 == 0
    errors = clsloc_errors(guesses, labels, truth, blacklisted=blacklisted)
    whole = clsloc_errors(guesses, labels, truth)
    assert errors.image.tolist() == [i for i in range(len(labels)) if i % 3]
    assert errors.localisation.tolist() == whole.localisation[~blacklisted].tolist()


def test_inclusive_pixels_make_a_narrow_box_right_that_is_wrong_half_open():
    guesses = Guesses(torch.tensor([[1]]), torch.tensor([[[0, 0, 9, 4]]]))
    truth = [torch.tensor([[0, 0, 9, 9]])]
    right = [
        not clsloc_errors(guesses, torch.tensor([1]), truth, convention=how).localisation.item()
        for how in ("inclusive", "half-open")
    ]
    assert right == [True, False]


def test_images_without_boxes_or_of_another_number_are_refused():
    guesses, labels, truth = setting()
    with pytest.raises(ShapeError, match="image 4 has no true box"):
        clsloc_errors(guesses, labels, [*truth[:4], truth[4][:0], *truth[5:]])
    with pytest.raises(ShapeError, match="29"):
        clsloc_errors(guesses, labels, truth[:29])


def test_top_k_needs_the_class_among_k_and_the_box():
    source = torch.Generator().manual_seed(3)
    logits, labels = (
        torch.randn(40, 9, generator=source),
        torch.randint(0, 9, (40,), generator=source),
    )
    box_hits = torch.rand(40, generator=source) < 0.6
    for k in (1, 5, 9):
        expected = [
            bool(box_hits[i])
            and labels[i].item() in logits[i].argsort(descending=True)[:k].tolist()
            for i in range(40)
        ]
        assert top_k_localisation(logits, labels, box_hits, k=k).tolist() == expected
    assert torch.equal(top_k_localisation(logits, labels, box_hits, k=9), box_hits)
    with pytest.raises(OptionError, match="between 1 and 9"):
        top_k_localisation(logits, labels, box_hits, k=10)
