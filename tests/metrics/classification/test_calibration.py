import pytest
import torch
import torch.nn.functional as F

from figureground.base.errors import ShapeError
from figureground.metrics.classification import best_temperature


@pytest.fixture
def outputs():
    numbers = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(40, 5, generator=numbers)
    return logits, torch.randint(0, 5, (40,), generator=numbers)


def test_the_best_temperature_is_the_bottom_of_the_likelihood(outputs):
    logits, labels = outputs
    best = best_temperature(logits, labels)

    def cost(t):
        return F.cross_entropy(logits.double() / t, labels).item()

    assert cost(best) < cost(best * 1.01)
    assert cost(best) < cost(best / 1.01)
    assert best_temperature(logits * 3, labels) == pytest.approx(3 * best, rel=1e-6)
    right = 5.0 * F.one_hot(labels, 5).float()
    assert best_temperature(right, labels) == pytest.approx(0.01)


def test_labels_that_do_not_fit_are_refused(outputs):
    with pytest.raises(ShapeError, match=r"labels must be in 0\.\.4"):
        best_temperature(outputs[0], outputs[1] + 1)
