import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.faithfulness.scoring import (
    Scoring,
    class_probabilities,
    clean_pass,
)


def channel_means(images):
    """Logits: mean of each channel."""
    return images.mean((2, 3))


@pytest.fixture
def images():
    return torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(1))


def test_logits_become_softmax_probabilities_of_the_predicted_class(images):
    classes, found = clean_pass(channel_means, images)
    expected = channel_means(images).softmax(1)
    assert torch.equal(classes, expected.argmax(1))
    assert torch.allclose(found, expected.amax(1))


def test_probabilities_are_taken_as_they_are(images):
    _, found = clean_pass(channel_means, images, scoring=Scoring("probabilities"))
    assert torch.allclose(found, channel_means(images).amax(1))


def test_given_classes_are_asked_in_any_batch_size(images):
    classes = torch.tensor([0, 2, 1, 1, 0])
    whole = clean_pass(channel_means, images, classes=classes)[1]
    parts = clean_pass(channel_means, images, classes=classes, scoring=Scoring(batch_size=2))[1]
    assert torch.equal(whole, parts)
    assert torch.allclose(whole, channel_means(images).softmax(1)[torch.arange(5), classes])


def test_no_more_images_than_a_batch_are_ever_built(images):
    sizes = []

    def build(rows):
        sizes.append(len(rows))
        return images[rows % 5]

    classes = torch.arange(11) % 3
    found = class_probabilities(
        channel_means, build, classes=classes, scoring=Scoring(batch_size=4)
    )
    assert sizes == [4, 4, 3]
    expected = channel_means(images).softmax(1)[torch.arange(11) % 5, classes]
    assert torch.allclose(found, expected)


def test_no_graph_is_recorded(images):
    weight = torch.ones(3, requires_grad=True)
    _, found = clean_pass(lambda x: channel_means(x) * weight, images)
    assert not found.requires_grad


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2, 3, 0], [0, 0, 0, 0, -1]])
def test_classes_that_do_not_fit_are_refused(images, classes):
    with pytest.raises(ShapeError, match="classes"):
        clean_pass(channel_means, images, classes=torch.tensor(classes))


def test_a_score_that_is_no_table_is_refused(images):
    with pytest.raises(ShapeError, match=r"score must return \(5, L\)"):
        clean_pass(lambda x: x.mean((1, 2, 3)), images)


def test_unknown_outputs_and_empty_batches_are_refused():
    with pytest.raises(OptionError, match="closest: 'logits'"):
        Scoring("logit")
    with pytest.raises(OptionError, match="batch_size"):
        Scoring(batch_size=0)
