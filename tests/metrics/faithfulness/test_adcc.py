import pytest
import torch

from figureground.metrics.faithfulness.adcc import AdccScores, adcc, coherency, complexity
from figureground.metrics.faithfulness.drop import masked_confidence


@pytest.fixture
def setting():
    source = torch.Generator().manual_seed(17)
    weights = torch.randn(3, 2 * 6 * 7, generator=source)
    images = torch.rand(4, 2, 6, 7, generator=source)

    def explain(images, classes):
        return (images * weights.reshape(3, 2, 6, 7)[classes]).sum(1)

    return lambda x: x.flatten(1) @ weights.T, images, explain


def test_parts_and_sum_equal_a_loop_over_images(setting):
    score, images, explain = setting
    classes = torch.tensor([0, 1, 2, 1])
    maps = explain(images, classes)
    found = adcc(score, images, maps, explain=explain, classes=classes)
    drops = masked_confidence(score, images, maps, classes=classes).drop
    for i in range(4):
        mask = (maps[i] - maps[i].min()) / (maps[i].max() - maps[i].min())
        again = explain((images[i] * mask)[None], classes[i : i + 1])[0]
        both = torch.stack([maps[i].flatten(), again.flatten()])
        expected = (torch.corrcoef(both)[0, 1].item() + 1) / 2
        size, drop = mask.abs().mean().item(), drops[i].item()
        total = 3 / (1 / expected + 1 / (1 - size) + 1 / (1 - drop))
        assert found.coherency[i].item() == pytest.approx(expected, abs=1e-5)
        assert found.complexity[i].item() == pytest.approx(size, abs=1e-6)
        assert found.drop[i].item() == pytest.approx(drop)
        assert found.adcc[i].item() == pytest.approx(total, abs=1e-4)


def test_adcc_lies_between_zero_and_the_best_part():
    parts = torch.rand(3, 500, generator=torch.Generator().manual_seed(18))
    found = AdccScores(*parts).adcc
    good = torch.stack([parts[0], 1 - parts[1], 1 - parts[2]])
    assert (found >= 3 / (3 / good.amin(0)) - 1e-5).all()
    assert (found <= good.amax(0) + 1e-5).all()


def test_adcc_is_zero_where_one_part_is_worst_and_one_where_all_are_best():
    scores = AdccScores(
        torch.tensor([0.0, 1.0, 1.0, 1.0]),
        torch.tensor([0.0, 1.0, 0.0, 0.0]),
        torch.tensor([0.0, 0.0, 1.0, 0.0]),
    )
    assert scores.adcc.tolist() == [0, 0, 0, 1]


def test_a_map_that_ignores_the_image_is_fully_coherent(setting):
    _, images, _ = setting
    fixed = torch.rand(4, 3, 4, generator=torch.Generator().manual_seed(19))
    classes = torch.zeros(4, dtype=torch.long)
    found = coherency(lambda *_: -2 * fixed + 1, images, fixed, classes=classes)
    assert torch.allclose(found, torch.zeros(4), atol=1e-6)
    found = coherency(lambda *_: fixed, images, fixed, classes=classes)
    assert torch.allclose(found, torch.ones(4), atol=1e-6)


def test_complexity_of_a_box_is_its_share_of_the_map():
    box = torch.zeros(2, 6, 10)
    box[0, 2:4, 3:6], box[1, :, :5] = 3, 0.1
    assert complexity(box).tolist() == pytest.approx([0.1, 0.5])


def test_complexity_is_judged_at_image_size(setting):
    score, images, _ = setting
    small = torch.rand(4, 2, 3, generator=torch.Generator().manual_seed(36))
    grown = torch.nn.functional.interpolate(small[:, None], (6, 7), mode="bilinear")[:, 0]
    found = adcc(score, images, small, explain=lambda *_: small)
    assert torch.allclose(found.complexity, complexity(grown))
    assert not torch.allclose(found.complexity, complexity(small), atol=1e-3)


def test_blank_maps_are_undefined(setting):
    score, images, explain = setting
    classes = torch.zeros(4, dtype=torch.long)
    maps = explain(images, classes)
    maps[0] = 1.0
    expected = adcc(score, images, maps, explain=explain, classes=classes)
    assert expected.adcc.isnan().tolist() == [True, False, False, False]
