import pytest
import torch

from figureground.base.errors import OptionError
from figureground.metrics.faithfulness.imputation import linear_imputation
from figureground.metrics.faithfulness.road import Removal, road
from figureground.metrics.faithfulness.scoring import Scoring

PROBABILITIES = Scoring("probabilities", batch_size=5)
SILENT = Removal(fractions=(0.2, 0.5, 0.8), noise=0.0)


@pytest.fixture
def setting():
    source = torch.Generator().manual_seed(16)
    weights = torch.randn(3, 2 * 6 * 7, generator=source)
    images = torch.rand(3, 2, 6, 7, generator=source)
    maps = torch.rand(3, 6, 7, generator=source)
    return lambda x: x.flatten(1) @ weights.T, images, maps


def test_scores_equal_a_loop_over_images_orders_and_fractions(setting):
    score, images, maps = setting
    found = road(score, images, maps, removal=SILENT, scoring=Scoring(batch_size=5))
    for i in range(3):
        label = score(images[i : i + 1]).argmax()
        values = maps[i].flatten()
        for j, fraction in enumerate(SILENT.fractions):
            count = round(fraction * 42)
            for table, highest in ((found.morf, True), (found.lerf, False)):
                gone = torch.zeros(42, dtype=torch.bool)
                gone[values.topk(count, largest=highest).indices] = True
                filled = linear_imputation(images[i : i + 1], gone.reshape(1, 6, 7))
                expected = score(filled).softmax(1)[0, label]
                assert torch.allclose(table[i, j], expected, atol=1e-4)


def test_combined_is_half_the_mean_gap(setting):
    score, images, maps = setting
    found = road(score, images, maps)
    assert found.morf.shape == (3, 9)
    gap = (found.lerf.mean(1) - found.morf.mean(1)) / 2
    assert torch.allclose(found.combined, gap, atol=1e-6)


def test_reversing_the_map_exchanges_the_orders(setting):
    score, images, maps = setting
    there = road(score, images, maps, removal=SILENT)
    back = road(score, images, -maps, removal=SILENT)
    assert torch.allclose(there.morf, back.lerf, atol=1e-5)
    assert torch.allclose(there.combined, -back.combined, atol=1e-5)


def test_a_true_map_scores_above_zero():
    images = torch.full((2, 1, 12, 10), 0.1)
    images[:, :, 3:6, 4:8] = 0.9
    figure = torch.zeros(2, 12, 10)
    figure[:, 3:6, 4:8] = 1

    def score(x):
        inside = x[:, 0, 3:6, 4:8].mean((1, 2)).clamp(0, 1)
        return torch.stack([inside, 1 - inside], 1)

    found = road(score, images, figure, removal=SILENT, scoring=PROBABILITIES)
    assert (found.combined > 0.25).all()


def test_numbers_do_not_depend_on_the_batch_size_and_follow_the_seed(setting):
    score, images, maps = setting
    noisy = Removal(fractions=(0.3, 0.6), noise=0.3, seed=1)
    small = road(score, images, maps, removal=noisy, scoring=Scoring(batch_size=1))
    large = road(score, images, maps, removal=noisy, scoring=Scoring(batch_size=99))
    assert torch.allclose(small.morf, large.morf, atol=1e-5)
    other = Removal(fractions=(0.3, 0.6), noise=0.3, seed=2)
    assert not torch.allclose(road(score, images, maps, removal=other).morf, large.morf, atol=1e-3)


def test_noise_falls_on_removed_pixels_only(setting):
    _, images, maps = setting
    seen = []

    def score(x):
        seen.append(x)
        return x.flatten(1)[:, :3]

    half = Removal(fractions=(0.5,), noise=0.2)
    road(score, images, maps, removal=half)
    morf = seen[1][0::2]
    most = maps.flatten(1).argsort(1, descending=True)
    kept = torch.ones(3, 42, dtype=torch.bool).scatter(1, most[:, :21], False).reshape(3, 1, 6, 7)
    kept = kept.expand_as(images)
    assert torch.equal(morf[kept], images[kept])
    silent = linear_imputation(images, ~kept[:, 0])
    deviation = (morf - silent)[~kept].std().item()
    assert deviation == pytest.approx(0.2, rel=0.25)


def test_each_image_is_scored_once_per_order_and_fraction(setting):
    score, images, maps = setting
    seen = []

    def counting(x):
        seen.append(len(x))
        return score(x)

    road(counting, images, maps, scoring=Scoring(batch_size=8))
    assert sum(seen) == 3 * (1 + 2 * 9)
    assert max(seen) == 8


def test_blank_maps_are_undefined(setting):
    score, images, maps = setting
    maps = maps.clone()
    maps[2, 3, 3] = torch.inf
    found = road(score, images, maps, removal=SILENT)
    for values in (found.combined, found.morf[:, 0], found.lerf[:, 2]):
        assert values.isnan().tolist() == [False, False, True]


def test_impossible_removals_are_refused():
    with pytest.raises(OptionError, match="fractions"):
        Removal(fractions=(0.5, 1.0))
    with pytest.raises(OptionError, match="noise"):
        Removal(noise=-1.0)
