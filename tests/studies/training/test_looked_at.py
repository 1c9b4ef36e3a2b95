"""What a run's record keeps of its validation images, for networks whose answers are known."""

import torch
from torch import Tensor, nn

from figureground.studies.training.looked_at import look_at
from figureground.training.trainer import Validation


class Reads(nn.Module):
    """Logits are the brightness of each channel: the class is written into the image."""

    def forward(self, images: Tensor) -> Tensor:
        return 20 * images.mean((2, 3))


def held(labels: list[int], shown: list[int], rare: int = 0) -> Validation:
    images = torch.zeros(len(labels), 3, 4, 5, dtype=torch.uint8)
    images[torch.arange(len(labels)), torch.tensor(shown)] = 200
    return Validation(images, torch.tensor(labels), 2 if rare else 3, rare)


def test_a_right_network_is_better_than_the_commonest_class():
    labels = [0, 0, 1, 2] * 50
    told = look_at(Reads(), held(labels, labels), ("a", "b", "c"), best=0.995, seed=0)
    first, second = told.answer.sentences
    assert first.startswith(
        "The network classifies better than naming the commonest class: 100.0 % against 50.0 % of the validation "
        "images right, difference 50.0 ("
    )
    assert first.endswith(", 200 images.")
    assert second.startswith("The best weights, chosen by these images, reach 99.5 %;")
    assert told.worst == ()
    assert told.tables[1]["rows"] == []


def test_a_network_that_names_the_commonest_class_is_no_better():
    told = look_at(Reads(), held([0, 0, 1, 2] * 50, [0] * 200), ("a", "b", "c"), best=0.5, seed=0)
    assert told.answer.sentences[0] == (
        "The network classifies no better than naming the commonest class: 50.0 % against 50.0 % of the validation "
        "images right, difference 0.0 (0.0 to 0.0), 200 images."
    )


def test_classes_confusions_and_worst_images_are_those_that_are_wrong():
    told = look_at(
        Reads(), held([0, 0, 0, 1, 1, 2], [0, 2, 2, 1, 0, 2]), ("a", "b", "c"), best=0.5, seed=0
    )
    classes, confusions = told.tables
    assert classes["rows"] == [["a", 3, 33.33], ["b", 2, 50.0], ["c", 1, 100.0]]
    assert confusions["rows"] == [["a", "c", 2], ["b", "a", 1]]
    assert [(one["label"], one["predicted"]) for one in told.worst] == [
        ("a", "c"),
        ("a", "c"),
        ("b", "a"),
    ]
    assert all(one["picture"].startswith("data:image/jpeg") for one in told.worst)


def test_rare_classes_are_told_by_their_ranking_and_the_background_is_a_class():
    labels = [0, 1, *([2] * 98)] * 4
    told = look_at(Reads(), held(labels, labels, rare=2), ("a", "b"), best=0.75, seed=0)
    assert told.answer.sentences[0].startswith(
        "The network brings the rare images to the top better than a random order: 1.000 against 0.0"
    )
    assert told.answer.sentences[0].endswith(", 8 sought images.")
    assert "reach 0.750;" in told.answer.sentences[1]
    assert told.tables[0]["rows"][-1] == ["background", 392, 100.0]


def test_the_mode_of_the_network_is_left_as_it_was():
    model = Reads().train()
    look_at(model, held([0, 1], [0, 1]), ("a", "b", "c"), best=0.5, seed=0)
    assert model.training
