"""What random parts cost and what the map says of them, against loops and captum."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity

from figureground.base.errors import OptionError
from figureground.metrics.faithfulness import faithfulness_correlation, infidelity
from figureground.metrics.faithfulness.scoring import Scoring

CLASSES = torch.tensor([2, 0, 1])
SMALL = Scoring(batch_size=7)


@pytest.fixture
def setting():
    source = torch.Generator().manual_seed(6)
    weights = torch.randn(3, 2 * 8 * 12, generator=source)
    images = torch.rand(3, 2, 8, 12, generator=source) + 0.1
    return (
        lambda x: (x.flatten(1) @ weights.T).tanh(),
        images,
        torch.rand(3, 8, 12, generator=source),
    )


def removed(score, images, seen):
    """The masks, by the pixels that a classifier sees as black; probabilities in the order of asking."""

    def spying(given):
        seen.append(given)
        return score(given)

    return spying


def asked_after_the_clean_ones(run, images):
    """For each image the changed versions that ``run`` shows to the classifier."""
    seen: list[torch.Tensor] = []
    run(seen)
    changed = torch.cat(seen)[len(images) :]
    return changed.view(len(images), -1, *images.shape[1:])


@pytest.mark.parametrize("measure", [faithfulness_correlation, infidelity])
def test_equals_loops_over_the_changed_images(measure, setting):
    score, images, maps = setting
    options = {"classes": CLASSES, "samples": 9, "scoring": SMALL}
    found = measure(score, images, maps, **options)
    changed = asked_after_the_clean_ones(
        lambda seen: measure(removed(score, images, seen), images, maps, **options), images
    )
    for at, image in enumerate(images):
        said, lost = [], []
        clean = score(image[None]).softmax(1)[0, CLASSES[at]].item()
        for one in changed[at]:
            gone = (one == 0).all(0)
            assert torch.equal(one, image * ~gone)
            said.append(maps[at][gone].sum().item())
            lost.append(clean - score(one[None]).softmax(1)[0, CLASSES[at]].item())
        if measure is faithfulness_correlation:
            expected = np.corrcoef(said, lost)[0, 1]
        else:
            factor = np.linalg.lstsq(np.array(said)[:, None], np.array(lost), rcond=None)[0][0]
            expected = np.mean((factor * np.array(said) - lost) ** 2)
        assert found[at].item() == pytest.approx(expected, rel=1e-4)


def test_the_correlation_removes_as_many_scattered_pixels_as_asked(setting):
    score, images, maps = setting
    for pixels in (None, 5):
        changed = asked_after_the_clean_ones(
            lambda seen, pixels=pixels: faithfulness_correlation(
                removed(score, images, seen), images, maps, samples=200, pixels=pixels
            ),
            images,
        )
        gone = (changed == 0).all(2)
        assert (gone.sum((2, 3)) == (pixels or 12)).all()
        assert torch.equal(gone[0], gone[1])  # the same for every image
        assert gone[0].any(0).all()  # and everywhere


def test_infidelity_removes_squares_everywhere(setting):
    score, images, maps = setting
    changed = asked_after_the_clean_ones(
        lambda seen: infidelity(removed(score, images, seen), images, maps, samples=200, side=3),
        images,
    )
    for gone in (changed[0] == 0).all(1):
        rows, columns = gone.nonzero().unbind(1)
        assert len(rows) == 9
        assert rows.max() - rows.min() == columns.max() - columns.min() == 2
    assert (changed[0] == 0).all(1).any(0).all()


def test_infidelity_equals_captums(setting):
    score, images, maps = setting
    found = infidelity(score, images, maps, classes=CLASSES, samples=20)
    changed = asked_after_the_clean_ones(
        lambda seen: infidelity(
            removed(score, images, seen), images, maps, classes=CLASSES, samples=20
        ),
        images,
    )

    def perturb(given):
        assert len(given) == 60
        flat = changed.flatten(0, 1)
        return (flat == 0).float(), flat  # the share of each input that is gone

    expected = captum_infidelity(
        lambda x: score(x).softmax(1),
        perturb,
        images,
        maps[:, None].expand_as(images),
        target=CLASSES,
        n_perturb_samples=20,
        normalize=True,
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)


def test_a_map_that_tells_the_truth_has_correlation_one_and_infidelity_zero(setting):
    _, images, _ = setting
    weights = torch.rand(8, 12, generator=torch.Generator().manual_seed(1)) / 200

    def score(given):
        part = (given * weights).sum((1, 2, 3))
        return torch.stack([part, 1 - part], 1)

    truth, scoring = (images * weights).sum(1), Scoring("probabilities")
    classes = torch.zeros(3, dtype=torch.long)
    for factor in (1, 5.0):
        found = faithfulness_correlation(
            score, images, factor * truth, classes=classes, scoring=scoring
        )
        torch.testing.assert_close(found, torch.ones(3), atol=1e-4, rtol=0)
        assert (
            infidelity(score, images, factor * truth, classes=classes, scoring=scoring).max()
            < 1e-10
        )
    against = faithfulness_correlation(score, images, -truth, classes=classes, scoring=scoring)
    torch.testing.assert_close(against, -torch.ones(3), atol=1e-4, rtol=0)
    other = images.mean(1).flip(2)
    assert infidelity(score, images, other, classes=classes, scoring=scoring).min() > 1e-6


@pytest.mark.parametrize("measure", [faithfulness_correlation, infidelity])
def test_batch_and_order_change_nothing_and_the_seed_does(measure, setting):
    score, images, maps = setting
    found = measure(score, images, maps, scoring=SMALL)
    alone = [measure(score, images[i : i + 1], maps[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(found, torch.cat(alone), rtol=1e-4, atol=1e-7)
    assert not torch.allclose(found, measure(score, images, maps, seed=1))


@pytest.mark.parametrize("measure", [faithfulness_correlation, infidelity])
def test_a_blank_map_has_no_number(measure, setting):
    score, images, maps = setting
    blank = maps.clone()
    blank[0], blank[2, 1, 1] = 0.1, torch.nan
    assert measure(score, images, blank).isnan().tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("measure", "wrong", "message"),
    [
        (faithfulness_correlation, {"pixels": 96}, "1 to 95 pixels are needed, not 100 of 96"),
        (faithfulness_correlation, {"samples": 1}, "not 1 of 12"),
        (infidelity, {"side": 9}, "squares of 1 to 8 pixels are needed, not 100 of 9"),
        (infidelity, {"samples": 1}, "not 1 of 2"),
    ],
)
def test_impossible_removals_are_refused(measure, wrong, message, setting):
    score, images, maps = setting
    with pytest.raises(OptionError, match=message):
        measure(score, images, maps, **wrong)
