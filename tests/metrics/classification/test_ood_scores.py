import pytest
import torch
from torch import Tensor

from figureground.base.errors import HeadError, OptionError, ShapeError
from figureground.metrics.classification.ood_scores import (
    OOD_SCORES,
    ood_score,
    threshold_at_tpr,
)

K = 4


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(50, K + 1, generator=torch.Generator().manual_seed(4)).double() * 3


def test_the_scores_equal_the_papers_with_the_sign_turned(logits: Tensor):
    shares = logits.softmax(1)
    known, background = shares[:, :K].amax(1), shares[:, K]
    s1, s2 = 1 - background, known
    expected = {
        "s1": 1 - s1,
        "s2": 1 - s2,
        "s3": 1 - (s2 + (1 - s1) / K),
        "msp": 1 - logits[:, :K].softmax(1).amax(1),
        "energy": -logits[:, :K].exp().sum(1).log(),
        "margin": logits[:, K] - logits[:, :K].amax(1),
    }
    assert expected.keys() == OOD_SCORES.keys()
    for method, values in expected.items():
        torch.testing.assert_close(ood_score(logits, K, method), values, rtol=1e-9, atol=1e-12)


def test_s1_is_a_sigmoid_on_the_energy_and_s3_is_s2_less_a_share_of_it(logits: Tensor):
    s1, s2, s3, energy = (ood_score(logits, K, method) for method in ("s1", "s2", "s3", "energy"))
    torch.testing.assert_close(s1, torch.sigmoid(logits[:, K] + energy))
    torch.testing.assert_close(s2 - s3, s1 / K)


@pytest.mark.parametrize("method", OOD_SCORES)
def test_what_looks_like_background_or_like_nothing_scores_higher(method: str):
    sure, unsure, background = [8.0, 0, 0, 0, 0], [2.0, 2, 2, 2, 2], [0.0, 0, 0, 0, 8]
    scores = ood_score(torch.tensor([sure, unsure, background]), K, method)
    assert scores[0] < scores[1]
    assert scores[0] < scores[2]


def test_sure_pictures_still_differ():
    logits = torch.zeros(3, K + 1)
    logits[:, 0] = torch.tensor([20.0, 25.0, 30.0])
    for method in OOD_SCORES:
        assert (ood_score(logits, K, method).diff() < 0).all(), method


def test_without_a_background_msp_and_energy_remain(logits: Tensor):
    for method in ("msp", "energy"):
        both = [ood_score(some, K, method) for some in (logits, logits[:, :K])]
        assert torch.equal(*both)
    for method in ("s1", "s2", "s3", "margin"):
        with pytest.raises(HeadError, match=rf"'{method}' needs 4 \+ 1 logits.*energy, msp"):
            ood_score(logits[:, :K], K, method)


def test_a_threshold_keeps_at_least_the_share_and_no_lower_score_does():
    scores = torch.randn(20, generator=torch.Generator().manual_seed(1))
    for tpr in (0.05, 0.5, 0.95, 0.951, 1.0):
        threshold = threshold_at_tpr(scores, tpr)
        assert (scores <= threshold).float().mean().item() >= tpr - 1e-6
        assert (scores < threshold).float().mean().item() < tpr
    assert (scores > threshold_at_tpr(scores, 0.95)).sum() == 1
    assert threshold_at_tpr(torch.ones(7), 0.5) == 1.0


def test_wrong_names_and_shapes_are_refused(logits: Tensor):
    with pytest.raises(OptionError, match="closest: 'energy'"):
        ood_score(logits, K, "energie")
    with pytest.raises(
        ShapeError, match=r"\(N, 3\) or, with a background, \(N, 4\), got \(50, 5\)"
    ):
        ood_score(logits, 3)
    for wrong in (torch.zeros(0), torch.tensor([1.0, torch.nan])):
        with pytest.raises(ShapeError, match="scores without NaN"):
            threshold_at_tpr(wrong)
    for share in (0.0, 1.1):
        with pytest.raises(OptionError, match="tpr must be in"):
            threshold_at_tpr(torch.ones(2), share)
