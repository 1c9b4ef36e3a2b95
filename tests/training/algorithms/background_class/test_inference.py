import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import HeadError, OptionError, ShapeError
from figureground.metrics.classification.ood_scores import OOD_SCORES, ood_score
from figureground.training.algorithms.background_class.inference import BackgroundClassifier

K = 3


def _as_images(logits: Tensor) -> Tensor:
    return logits[:, None, None]


@pytest.fixture
def images() -> Tensor:
    """Images that a flattening network takes for logits."""
    source = torch.Generator().manual_seed(5)
    return _as_images(torch.randn(40, K + 1, generator=source).double() * 2)


def _classifier(policy: str = "drop", threshold: float | None = None) -> BackgroundClassifier:
    return BackgroundClassifier(nn.Flatten(), K, policy=policy, threshold=threshold)


def test_drop_is_the_best_of_the_known_classes(images: Tensor):
    shares = images.flatten(1).softmax(1)[:, :K]
    assert torch.equal(_classifier().predict(images), shares.argmax(1))
    assert _classifier().predict(images).max() < K


def test_keep_may_predict_background_and_agrees_with_drop_as_its_logit_falls(images: Tensor):
    kept, dropped = _classifier("keep").predict(images), _classifier("drop").predict(images)
    assert (kept == K).any()
    assert torch.equal(kept[kept < K], dropped[kept < K])
    low = images.clone()
    low[..., K] = -1e6
    assert torch.equal(_classifier("keep").predict(low), _classifier("drop").predict(low))


def test_reject_predicts_minus_one_above_the_threshold_only(images: Tensor):
    scores = ood_score(images.flatten(1), K)
    threshold = scores.median().item()
    found = _classifier("reject", threshold).predict(images)
    assert torch.equal(found == -1, scores > threshold)
    assert torch.equal(found[found >= 0], _classifier().predict(images)[found >= 0])


@pytest.mark.parametrize("method", OOD_SCORES)
def test_a_calibrated_threshold_keeps_the_share_of_known_images(images: Tensor, method: str):
    judge = BackgroundClassifier(nn.Flatten(), K, policy="reject", method=method)
    labels = torch.zeros(10)
    batches = [(some, labels) for some in images.split(10)]
    threshold = judge.calibrate_threshold(batches, tpr=0.9)
    assert judge.threshold == threshold
    assert (judge.predict(images) >= 0).sum() == 36
    assert judge.calibrate_threshold(images.split(7), tpr=0.9) == threshold


@pytest.mark.parametrize("method", OOD_SCORES)
def test_scores_are_those_of_the_logits(images: Tensor, method: str):
    found = _classifier().ood_score(images, method)
    torch.testing.assert_close(found, ood_score(images.flatten(1), K, method))


def test_the_model_is_asked_in_evaluation_mode_and_left_as_found():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    network[1].eval()
    state = {key: value.clone() for key, value in network.state_dict().items()}
    judge = BackgroundClassifier(network, 2)
    judge.train()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    images = torch.rand(3, 1, 6, 7)
    scores = judge.ood_score(images)
    assert not scores.requires_grad
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    torch.testing.assert_close(judge.ood_score(images[:1]), scores[:1])


def test_the_plain_call_runs_in_the_mode_in_which_the_model_is():
    judge = BackgroundClassifier(nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), 2)
    images = torch.ones(40, 1, 1, 3)
    assert torch.equal(judge.eval()(images), torch.ones(40, 3))
    assert (judge.train()(images) == 0).any()
    assert judge.predict(images).tolist() == [0] * 40


def test_gradients_flow_through_the_plain_call():
    images = torch.randn(2, 1, 1, 3, requires_grad=True)
    BackgroundClassifier(nn.Flatten(), 2)(images).sum().backward()
    assert images.grad is not None
    assert (images.grad == 1).all()


def test_a_network_without_a_background_can_be_judged_too(images: Tensor):
    known = images[..., :K]
    plain = BackgroundClassifier(nn.Flatten(), K, method="msp")
    assert torch.equal(plain.predict(known), _classifier().predict(images))
    torch.testing.assert_close(plain.ood_score(known), _classifier().ood_score(images, "msp"))
    with pytest.raises(HeadError, match="no background output: the model gives 3 logits"):
        _classifier("keep").predict(known)
    with pytest.raises(HeadError, match="score 's2' needs"):
        _classifier().ood_score(known)


def test_what_cannot_be_is_refused(images: Tensor):
    with pytest.raises(OptionError, match="closest: 'reject'"):
        _classifier("rejects")
    with pytest.raises(OptionError, match="closest: 'msp'"):
        BackgroundClassifier(nn.Flatten(), K, method="mspx")
    with pytest.raises(OptionError, match="a threshold has no effect with policy='drop'"):
        _classifier("drop", 0.5)
    with pytest.raises(OptionError, match="needs a threshold: give one, or calibrate_threshold"):
        _classifier("reject").predict(images)
    with pytest.raises(ShapeError, match="no images to calibrate"):
        _classifier("reject").calibrate_threshold([])
    with pytest.raises(ShapeError, match=r"\(N, 7\) or, with a background, \(N, 8\)"):
        BackgroundClassifier(nn.Flatten(), 7).predict(images)
