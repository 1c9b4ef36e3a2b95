import pytest
import torch

from figureground.metrics.faithfulness.drop import masked_confidence
from figureground.metrics.faithfulness.scoring import Scoring

PROBABILITIES = Scoring("probabilities")


@pytest.fixture
def setting():
    source = torch.Generator().manual_seed(4)
    weights = torch.randn(3, 2 * 6 * 8, generator=source)
    images = torch.rand(5, 2, 6, 8, generator=source)
    maps = torch.rand(5, 6, 8, generator=source)
    return lambda x: x.flatten(1) @ weights.T, images, maps


def test_drop_and_increase_equal_a_loop_over_images(setting):
    score, images, maps = setting
    classes = torch.tensor([0, 1, 2, 1, 0])
    found = masked_confidence(score, images, maps, classes=classes)
    drop, increase = found.drop, found.increase
    for i in range(5):
        mask = (maps[i] - maps[i].min()) / (maps[i].max() - maps[i].min())
        before = score(images[i : i + 1]).softmax(1)[0, classes[i]].item()
        after = score((images[i] * mask)[None]).softmax(1)[0, classes[i]].item()
        assert drop[i].item() == pytest.approx(max(0, before - after) / before, abs=1e-5)
        assert increase[i].item() == float(after > before)
    assert 0 < increase.sum() < 5  # both cases were seen


def test_a_map_over_all_that_counts_loses_nothing():
    images = torch.rand(3, 1, 5, 7, generator=torch.Generator().manual_seed(5))
    bright = torch.zeros(3, 5, 7)
    bright[:, 1:3, 2:5] = 1

    def score(x):
        inside = x[:, 0, 1:3, 2:5].mean((1, 2))
        return torch.stack([inside, 1 - inside], 1)

    zeros = torch.zeros(3, dtype=torch.long)

    def drop(maps):
        return masked_confidence(score, images, maps, classes=zeros, scoring=PROBABILITIES).drop

    assert drop(bright).tolist() == [0, 0, 0]
    assert drop(1 - bright).tolist() == [1, 1, 1]


def test_scale_of_the_map_does_not_count(setting):
    score, images, maps = setting
    once, scaled = (masked_confidence(score, images, m).drop for m in (maps, 40 * maps - 7))
    assert torch.allclose(once, scaled, atol=1e-4)


def test_blank_maps_are_undefined(setting):
    score, images, maps = setting
    maps = maps.clone()
    maps[1], maps[3, 0, 0] = 0.5, torch.nan
    found = masked_confidence(score, images, maps)
    for values in (found.drop, found.increase):
        assert values.isnan().tolist() == [False, True, False, True, False]


def test_both_measures_cost_two_scores_per_image(setting):
    score, images, maps = setting
    seen = []

    def counting(x):
        seen.append(len(x))
        return score(x)

    found = masked_confidence(counting, images, maps, scoring=Scoring(batch_size=2))
    assert sum(seen) == 10
    assert max(seen) == 2
    assert torch.equal(found.drop > 0, found.masked < found.clean)


def test_an_impossible_class_cannot_become_less_probable():
    images, maps = torch.rand(2, 1, 4, 5), torch.rand(2, 4, 5)
    score = lambda x: torch.tensor([[0.0, 1.0]]).expand(len(x), 2)  # noqa: E731
    never = torch.tensor([0, 0])
    found = masked_confidence(score, images, maps, classes=never, scoring=PROBABILITIES)
    assert found.drop.tolist() == [0, 0]
