import numpy as np
import pytest
import torch
from scipy import stats

from figureground.base.errors import OptionError
from figureground.metrics.uncertainty.sanity import SanityCheck, randomisation_similarity


@pytest.fixture
def images():
    return torch.rand(4, 3, 9, 8, generator=torch.Generator().manual_seed(35))


def weighted(seed):
    """An explainer whose map is a mixture of the colours; the mixture is 'what was learned'."""
    weights = torch.randn(2, 3, generator=torch.Generator().manual_seed(seed))
    return lambda images, classes: torch.einsum("nchw,nc->nhw", images, weights[classes])


def edges(images, classes):
    """An explainer that looks at the picture only, whatever was learned."""
    return images.mean(1).diff(dim=2).abs()


def test_similarities_equal_scipy(images):
    classes = torch.tensor([0, 1, 0, 1])
    true, other = weighted(1), weighted(2)
    found = randomisation_similarity(true, {"last layer": other}, images, classes=classes)
    expected = [
        stats.spearmanr(a.flatten(), b.flatten()).statistic
        for a, b in zip(true(images, classes), other(images, classes), strict=True)
    ]
    assert np.allclose(found["last layer"], expected, atol=1e-5)


@pytest.mark.parametrize("measure", ["pearson", "spearman", "ssim"])
def test_an_edge_detector_fails_the_check_and_a_learner_passes(images, measure):
    classes = torch.tensor([0, 1, 0, 1])
    metrics = [
        SanityCheck(explain, {"a": first, "b": second}, measure)
        for explain, first, second in (
            (edges, edges, edges),
            (weighted(1), weighted(2), weighted(3)),
        )
    ]
    for metric in metrics:
        for part in (slice(0, 1), slice(1, 4)):
            metric.update(images[part], classes=classes[part])
    failed, passed = (metric.compute() for metric in metrics)
    assert failed["a"].item() == pytest.approx(1, abs=1e-5)
    assert failed["b"].item() == pytest.approx(1, abs=1e-5)
    assert passed["a"] < 0.9
    assert passed["b"] < 0.9
    assert passed["images"] == 4


def test_each_explainer_is_called_once(images):
    calls = []

    def counting(name):
        def explain(images, classes):
            calls.append(name)
            return edges(images, classes)

        return explain

    copies = {name: counting(name) for name in ("one", "two")}
    randomisation_similarity(
        counting("true"), copies, images, classes=torch.zeros(4, dtype=torch.long)
    )
    assert calls == ["true", "one", "two"]


def test_an_unknown_measure_is_refused(images):
    with pytest.raises(OptionError, match="no similarity 'hog'"):
        randomisation_similarity(
            edges, {}, images, classes=torch.zeros(4, dtype=torch.long), measure="hog"
        )
