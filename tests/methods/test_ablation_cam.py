"""Ablation-CAM against loops, against the closed form of a linear head, and against numbers of another program."""

import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.methods import AblationCAM, Explainer, sweeps
from figureground.methods.ablation_cam import ablation_cam
from figureground.models import LeNetGAP

DIGIT = """
3.08210 0.03049 25.56568 40.99767 23.02244 13.02856 0.0
15.27834 83.24118 65.11989 99.02236 94.71438 82.80000 9.39935
9.43246 74.84000 100.32029 78.94953 90.64507 108.04152 0.0
18.62002 26.28158 97.41517 83.85354 52.61651 120.74299 39.37160
31.10803 63.62197 88.84707 105.33237 85.71063 91.03964 22.23296
"""


def looped(net: Any, images: Tensor, classes: list[int], *, mean: bool = False) -> Tensor:
    """A channel off at a time, an image at a time, through the network's own parts."""
    maps = []
    with torch.no_grad():
        for image in images:
            whole = net.body(image[None])
            rows = torch.zeros(len(classes), *whole.shape[2:])
            top = lambda a: net.head(net.top(a).amax((2, 3)))[0]  # noqa: E731
            score = top(whole)
            for k in range(whole.shape[1]):
                off = whole.clone()
                off[0, k] = whole[0, k].mean() if mean else 0
                for place, c in enumerate(classes):
                    rows[place] += (score[c] - top(off)[c]) / abs(score[c]) * whole[0, k]
            maps.append(rows.relu())
    return torch.stack(maps)


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_equals_loops_over_the_channels(max_head, two_images, fill):
    result = Explainer(max_head, layer="body")(two_images, [0, 1, 4], AblationCAM(fill))
    wanted = looped(max_head, two_images, [0, 1, 4], mean=fill == "mean")
    assert wanted.any()
    torch.testing.assert_close(result.map_of("ablation-cam"), wanted, rtol=1e-4, atol=1e-6)


def test_of_a_digit_is_what_another_program_found(digit_network, digit_image):
    result = Explainer(digit_network, layer="pool")(digit_image, 8, "ablation-cam")
    wanted = torch.tensor([[float(v) for v in row.split()] for row in DIGIT.split("\n") if row])
    torch.testing.assert_close(result.map_of("ablation-cam")[0, 0], wanted, rtol=1e-4, atol=1e-4)


def test_below_the_last_block_it_is_what_another_program_found(digit_network, digit_image):
    maps = Explainer(digit_network, layer="pool@1")(digit_image, 8, "ablation-cam")
    found = maps.map_of("ablation-cam")[0, 0]
    assert float(found.sum()) == pytest.approx(862.46210, rel=1e-4)
    assert float(found.max()) == pytest.approx(23.42778, rel=1e-4)
    assert int(found.argmax()) == 3 * 14 + 8


def test_the_closed_form_of_a_linear_head_is_the_sweep(monkeypatch):
    torch.random.manual_seed(3)
    net, images = LeNetGAP(), torch.rand(2, 3, 20, 28)
    nn.init.normal_(net.classifier.weight)
    explainer = Explainer(net, layer="pool")
    short = explainer(images, [0, 7], "ablation-cam").map_of("ablation-cam")
    functions = [lambda z: z[:, 0], lambda z: z[:, 7]]
    swept = explainer(images, functions, "ablation-cam").map_of("ablation-cam")
    torch.testing.assert_close(swept, short, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(sweeps.Sweeps, "replay", None)
    explainer(images, [0, 7], "ablation-cam")  # and runs nothing again


def test_the_falls_of_a_linear_head_sum_to_the_logit_less_the_bias():
    generator = torch.Generator().manual_seed(0)
    activations = torch.rand(4, 3, 2, generator=generator)
    weight, bias = torch.randn(4, generator=generator), 0.3
    score = (weight * activations.mean((1, 2))).sum() + bias
    falls = weight * activations.mean((1, 2))
    assert float(falls.sum()) == pytest.approx(float(score - bias), rel=1e-5)
    wanted = torch.einsum("k,khw->hw", falls / abs(score), activations).relu()
    torch.testing.assert_close(ablation_cam(activations, score, score - falls), wanted)


def test_a_negative_score_does_not_turn_the_map_upside_down():
    activations = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    found = ablation_cam(
        activations, torch.tensor([-2.0, 2.0]), torch.tensor([[-3.0, -1.0], [1.0, 3.0]])
    )
    assert torch.equal(found[0], found[1])
    assert found[0].tolist() == [[0.5, 0.0]]


def test_a_score_of_zero_divides_nothing():
    activations = torch.tensor([[[1.0, 2.0]]])
    found = ablation_cam(activations, torch.tensor(0.0), torch.tensor([-1.0]))
    assert found.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("numbers", [1, 200, 10**6])
def test_the_size_of_the_parts_changes_nothing(max_head, two_images, numbers, monkeypatch):
    explainer = Explainer(max_head, layer="body")
    wanted = explainer(two_images, [0, 1], "ablation-cam").map_of("ablation-cam")
    monkeypatch.setattr(sweeps, "_AT_A_TIME", numbers)
    found = explainer(two_images, [0, 1], "ablation-cam").map_of("ablation-cam")
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


class Turned(nn.Module):
    """Turns the sign of what it is given, in place or not."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        return x.neg_() if self.in_place else -x


def test_a_network_that_writes_into_the_layer_is_swept_all_the_same(two_images, monkeypatch):
    monkeypatch.setattr(sweeps, "_AT_A_TIME", 1000)  # two at a time
    torch.random.manual_seed(0)
    low, high = [nn.Conv2d(3, 6, 3), nn.Tanh()], [nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    last = nn.Linear(6, 5)
    found, wanted = (
        Explainer(nn.Sequential(*low, Turned(in_place=in_place), *high, last), layer="1")(
            two_images, [0, 3], "ablation-cam"
        ).map_of("ablation-cam")
        for in_place in (True, False)
    )
    assert wanted.any()
    torch.testing.assert_close(found, wanted)


def test_all_classes_come_from_one_sweep(max_head, two_images, monkeypatch):
    calls, real = [], sweeps.Sweeps.replay

    def counted(self, image, maps, **options):
        calls.append(len(maps))
        return real(self, image, maps, **options)

    monkeypatch.setattr(sweeps.Sweeps, "replay", counted)
    monkeypatch.setattr("figureground.methods.plan._MOST_NUMBERS", 1)  # a class at a time
    explainer = Explainer(max_head, layer="body")
    together = explainer(two_images, [4, 0, 1], "ablation-cam").map_of("ablation-cam")
    with torch.no_grad():
        on = max_head.body(two_images).flatten(2).any(2).sum()
    assert sum(calls) == int(on) < 2 * 6
    assert sum(calls) <= 2 * AblationCAM().forwards(6, 5, 4)
    alone = [explainer(two_images, [c], "ablation-cam").map_of("ablation-cam") for c in (4, 0, 1)]
    torch.testing.assert_close(together, torch.cat(alone, 1), rtol=1e-5, atol=1e-7)


def test_a_function_is_read_where_the_channel_is_off(max_head, two_images):
    explainer = Explainer(max_head, layer="body")
    result = explainer(two_images, lambda z: z[:, 1], "ablation-cam").map_of("ablation-cam")
    plain = explainer(two_images, 1, "ablation-cam").map_of("ablation-cam")
    torch.testing.assert_close(result, plain)
    one = two_images[:1]
    curved = explainer(one, lambda z: z.softmax(1)[:, 4], "ablation-cam")
    at, p = curved.logits, curved.probabilities
    slope = p[0, 4] * (torch.eye(5)[4] - p[0])
    straight = explainer(one, lambda z: p[0, 4] + (z - at) @ slope, "ablation-cam")
    torch.testing.assert_close(curved.scores, straight.scores)
    a, b = curved.map_of("ablation-cam"), straight.map_of("ablation-cam")
    assert (a - b).abs().max() > 0.01 * a.max() > 0


def test_two_threads_sweep_one_network_and_do_not_disturb_one_another(max_head, two_images):
    max_head.train()
    methods = ["ablation-cam", "recipro-cam"]
    explainer = Explainer(max_head, layer="body")
    wanted = explainer(two_images, [0, 1], methods)
    before = [set(vars(module)) for module in max_head.modules()]
    same: list[bool] = []

    def sweep() -> None:
        for _ in range(5):
            found = Explainer(max_head, layer="body")(two_images, [0, 1], methods)
            same.extend(
                torch.allclose(found.map_of(name), wanted.map_of(name), atol=1e-6)
                for name in methods
            )

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
    assert same == [True] * 20
    assert [set(vars(module)) for module in max_head.modules()] == before
    assert all(module.training for module in max_head.modules())


def test_an_unknown_filling_is_refused():
    with pytest.raises(OptionError, match="filled with 'zero' or 'mean', not 'noise'"):
        AblationCAM("noise")
