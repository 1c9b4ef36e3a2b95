"""Score-CAM against loops, and against numbers of another program; what sweeps share."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.methods import RISE, CamMethod, Explainer, ScoreCAM, sweeps
from figureground.methods.score_cam import channel_masks
from figureground.models import Classifier, Preprocessing

SOFTMAX = """
20.33520 35.75933 39.92095 39.83361 39.99302 34.82630 19.41155
29.45835 52.75757 55.27016 60.08807 69.05888 57.05857 27.38670
24.02010 56.80552 61.89096 63.94300 67.19345 65.96165 19.19917
20.76486 44.23856 50.50970 48.28120 52.02799 55.16276 25.23121
13.79621 30.20565 33.66916 46.80562 43.44701 41.47216 14.14723
"""
PROBABILITY = """
135.2892 243.3608 257.3882 268.8923 263.7958 233.4857 142.9988
196.8896 330.7946 343.1310 364.1211 427.3496 359.6955 203.4783
155.9067 335.1018 368.3140 412.7361 410.3931 432.3151 144.8160
123.5258 272.0224 307.3648 297.7114 333.3421 332.7818 182.6881
87.2319 192.7813 210.5073 279.3640 273.8373 254.4611 96.3611
"""


def upsampled(channel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear, pixel centres at halves, by hand."""

    def matrix(n: int, m: int) -> np.ndarray:
        rows = np.zeros((n, m))
        for o in range(n):
            s = max((o + 0.5) * m / n - 0.5, 0)
            k = min(int(s), m - 1)
            rows[o, k] += 1 - (s - k)
            rows[o, min(k + 1, m - 1)] += s - k
        return rows

    return matrix(size[0], channel.shape[0]) @ channel @ matrix(size[1], channel.shape[1]).T


def looped(
    net: nn.Module, image: Tensor, classes: list[int], weights: str, only: int | None
) -> Tensor:
    """One channel at a time, of one image ``(1, 3, H, W)`` that is normalised already."""
    with torch.no_grad():
        whole = net.get_submodule("body")(image)[0]
        order = whole.flatten(1).std(1, correction=0).argsort(descending=True)[:only].tolist()
        told = {}
        for k in order:
            large = upsampled(whole[k].double().numpy(), (image.shape[2], image.shape[3]))
            spread = large.max() - large.min()
            mask = (large - large.min()) / spread if spread > 0 else large * 0
            logits = net(image * torch.from_numpy(mask).float())[0]
            dead = spread == 0 and weights == "probability"
            told[k] = (logits if weights == "softmax" else logits.softmax(0) * (not dead))[classes]
    scores = torch.stack([told[k] for k in order])
    scores = scores.softmax(0) if weights == "softmax" else scores
    return torch.einsum("kc,khw->chw", scores, whole[order]).relu()


@pytest.mark.parametrize("weights", ["probability", "softmax"])
@pytest.mark.parametrize("only", [None, 3])
def test_equals_loops_over_the_channels(max_head, two_images, weights, only):
    method = ScoreCAM(weights, only)
    found = Explainer(max_head, layer="body")(two_images, [0, 3], method).map_of("score-cam")
    for n in range(2):
        wanted = looped(max_head, two_images[n : n + 1], [0, 3], weights, only)
        assert wanted.any()
        torch.testing.assert_close(found[n], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("weights", "text"), [("softmax", SOFTMAX), ("probability", PROBABILITY)])
def test_of_a_digit_is_what_another_program_found(digit_network, digit_image, weights, text):
    result = Explainer(digit_network, layer="pool")(digit_image, 8, ScoreCAM(weights))
    wanted = torch.tensor([[float(v) for v in row.split()] for row in text.split("\n") if row])
    torch.testing.assert_close(result.map_of("score-cam")[0, 0], wanted, rtol=1e-4, atol=1e-4)


class OneChannel(nn.Module):
    """Its layer ``body`` has a single channel."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.body, self.head = nn.Conv2d(3, 1, 3), nn.Linear(1, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).tanh().amax((2, 3)))


def test_a_single_channel_is_the_map_itself(two_images):
    net = OneChannel()
    found = Explainer(net, layer="body")(two_images, [2], ScoreCAM("softmax"))
    with torch.no_grad():
        torch.testing.assert_close(found.map_of("score-cam"), net.body(two_images).relu())


class Cooled(nn.Module):
    """A network whose logits are all but equal."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.body, self.inner = inner.get_submodule("body"), inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images) * 1e-6


def test_where_logits_say_nothing_the_map_is_the_mean_of_the_channels(max_head, two_images):
    found = Explainer(Cooled(max_head), layer="body")(two_images, [2], ScoreCAM("softmax"))
    with torch.no_grad():
        mean = max_head.body(two_images).mean(1, keepdim=True)
    torch.testing.assert_close(found.map_of("score-cam"), mean, rtol=1e-4, atol=1e-5)


def test_where_all_channels_are_constant_the_map_is_reported(two_images):
    net = OneChannel()
    nn.init.ones_(net.body.bias)  # type: ignore[arg-type]
    explainer = Explainer(net, layer="body")
    explainer.look(two_images)
    result = explainer(torch.zeros(1, 3, 6, 5), [2], ["score-cam", "ablation-cam"])
    assert {(one.method, one.kind) for one in result.problems} >= {("score-cam", "zero")}
    result = explainer(torch.zeros(1, 3, 6, 5), [2], ScoreCAM("softmax"))
    assert (result.map_of("score-cam") == 1).all()
    assert {one.kind for one in result.problems} == {"constant"}


def test_how_many_channels_count_is_told(max_head, two_images):
    explainer = Explainer(max_head, layer="body")
    found = explainer(two_images, [0, 3], "score-cam").details["score-cam"]["body"][0]
    with torch.no_grad():
        maps = max_head.body(two_images).flatten(2)
    assert torch.equal(found.scored, (maps.amax(2) > maps.amin(2)).sum(1))
    assert found.effective.shape == (2, 2)
    assert (found.effective <= found.scored[:, None] + 1e-4).all()
    assert (found.effective >= 1).all()


def test_what_was_not_scored_bounds_the_error_of_few_channels(max_head, two_images):
    explainer = Explainer(max_head, layer="body")
    whole = explainer(two_images, [0, 3], "score-cam")
    assert not whole.details["score-cam"]["body"][0].left_out.any()
    few = explainer(two_images, [0, 3], ScoreCAM(channels=1))
    bound = few.details["score-cam"]["body"][0].left_out
    missing = whole.map_of("score-cam") - few.map_of("score-cam")
    assert (missing <= bound[:, None] + 1e-6).all()
    assert missing.max() > 0.05 * bound.max()


@pytest.mark.parametrize("numbers", [1, 700, 10**6])
def test_the_size_of_the_parts_changes_nothing(max_head, two_images, numbers, monkeypatch):
    explainer = Explainer(max_head, layer="body")
    methods: list[str | CamMethod] = ["score-cam", RISE(100, cells=3)]
    wanted = explainer(two_images, [0, 1], methods)
    monkeypatch.setattr(sweeps, "_AT_A_TIME", numbers)
    found = explainer(two_images, [0, 1], methods)
    for name in ("score-cam", "rise"):
        torch.testing.assert_close(found.map_of(name), wanted.map_of(name), rtol=1e-5, atol=1e-6)


def test_classes_and_parameters_of_the_weights_share_one_sweep(max_head, two_images, monkeypatch):
    ran, real = [], sweeps.Sweeps.rescore

    def counted(self, images):
        ran.append(len(images))
        return real(self, images)

    monkeypatch.setattr(sweeps.Sweeps, "rescore", counted)
    explainer = Explainer(max_head, layer="body")
    together = explainer(two_images, [4, 0, 1], "score-cam")
    assert sum(ran) <= 2 * ScoreCAM().forwards(6, 5, 4)
    once = sum(ran)
    monkeypatch.setattr("figureground.methods.plan._MOST_NUMBERS", 1)  # a class at a time
    apart = explainer(two_images, [4, 0, 1], "score-cam")
    assert sum(ran) == 2 * once
    torch.testing.assert_close(apart.map_of("score-cam"), together.map_of("score-cam"))
    alone = [explainer(two_images, c, "score-cam").map_of("score-cam") for c in (4, 0, 1)]
    torch.testing.assert_close(
        together.map_of("score-cam"), torch.cat(alone, 1), rtol=1e-5, atol=1e-7
    )


def test_a_classifier_masks_with_its_mean_colour_as_the_bare_network_with_zeros(
    max_head, two_images
):
    mean, std = (0.2, 0.5, 0.4), (0.3, 0.2, 0.25)
    classifier = Classifier(max_head, Preprocessing((12, 9), "crop", 1.0, "bilinear", mean, std, 3))
    normalised = (two_images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    methods: list[str | CamMethod] = ["score-cam", RISE(60, cells=3), "ablation-cam", "recipro-cam"]
    bare = Explainer(max_head, layer="body")(normalised, [0, 3], methods)
    whole = Explainer(classifier, layer="body")(two_images, [0, 3], methods)
    black = Explainer(classifier, layer="body")(two_images, [0, 3], ScoreCAM(baseline="black"))
    for name in bare.maps:
        torch.testing.assert_close(whole.map_of(name), bare.map_of(name), rtol=1e-4, atol=1e-5)
    assert (black.map_of("score-cam") - whole.map_of("score-cam")).abs().max() > 1e-3


def test_masks_are_normalised_after_they_are_enlarged():
    channels = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    masks = channel_masks(channels, (9, 7))
    for channel, mask in zip(channels, masks, strict=True):
        large = torch.from_numpy(upsampled(channel.double().numpy(), (9, 7))).float()
        torch.testing.assert_close(mask, (large - large.min()) / (large.max() - large.min()))
        before = F.interpolate((channel / channel.max())[None, None], (9, 7), mode="bilinear")
        assert not torch.allclose(mask, before[0, 0], atol=1e-3)


def test_a_network_that_fails_in_the_middle_of_a_sweep_is_left_as_found(
    max_head, two_images, monkeypatch
):
    calls = []

    def failing(images: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) > 4:
            raise RuntimeError("in the middle")
        return type(max_head).forward(max_head, images)

    explainer = Explainer(max_head.train(), layer="body")
    explainer.look(two_images)
    before = [set(vars(module)) for module in max_head.modules()]
    monkeypatch.setattr(sweeps, "_AT_A_TIME", 1)
    with monkeypatch.context() as patch:
        patch.setattr(max_head, "forward", failing)
        with pytest.raises(RuntimeError, match="in the middle"):
            explainer(two_images, [1], "score-cam")
    assert [set(vars(module)) for module in max_head.modules()] == before
    assert all(module.training for module in max_head.modules())


def test_a_trial_costs_little():
    assert ScoreCAM("softmax").trial() == ScoreCAM("softmax", channels=8)
    assert ScoreCAM(channels=3).trial().forwards(1000, 7, 7) == 4
    assert ScoreCAM().forwards(1000, 7, 7) == 1001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "equal"}, "'probability' or 'softmax', not 'equal'"),
        ({"baseline": "noise"}, "'mean' or 'black', not 'noise'"),
        ({"channels": 0}, "at least 1 channel is scored, not 0"),
    ],
)
def test_what_does_not_exist_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        ScoreCAM(**options)
