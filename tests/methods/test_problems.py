"""Blank maps and their causes."""

from typing import Any

import pytest
import torch
from torch import nn

from figureground.methods import FEM, CamMethod, Explainer


def network() -> Any:
    torch.random.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )


def kinds(net: nn.Module, methods: str = "grad-cam", classes: int = 2) -> list[str]:
    result = Explainer(net, layer="1")(torch.rand(2, 3, 8, 6), classes=classes, methods=methods)
    assert all(problem.layer == "1" and problem.message for problem in result.problems)
    return [problem.kind for problem in result.problems]


def test_a_readable_map_is_no_problem():
    assert kinds(network(), "hires-cam") == []


@pytest.mark.parametrize("method", ["grad-cam", "hires-cam", "eigen-cam", "cam"])
def test_dead_layer(method):
    net = network()
    nn.init.zeros_(net[0].weight)
    nn.init.constant_(net[0].bias, -1)
    assert kinds(net, method) == ["dead-layer", "dead-layer"]


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "eigen-grad-cam"])
def test_zero_gradient(method):
    net = network()
    nn.init.zeros_(net[4].weight)
    assert kinds(net, method) == ["zero-gradient", "zero-gradient"]


def test_only_the_class_without_gradient_is_reported():
    net = network()
    with torch.no_grad():
        net[4].weight[3] = 0
    result = Explainer(net)(torch.rand(2, 3, 8, 6), classes=[2, 3], methods="hires-cam")
    assert [(p.image, p.class_position) for p in result.problems] == [(0, 1), (1, 1)]


def test_constant_map():
    net = network()
    nn.init.zeros_(net[0].weight)
    nn.init.ones_(net[0].bias)
    assert kinds(net, "eigen-cam") == ["constant", "constant"]


def test_nan_weights():
    net = network()
    nn.init.constant_(net[4].weight, float("nan"))
    assert kinds(net) == ["non-finite", "non-finite"]


def test_evidence_against_only():
    net = network()
    nn.init.constant_(net[4].weight, -1)
    assert kinds(net, "cam") == ["negative-only", "negative-only"]
    assert kinds(net, "grad-cam") == ["zero", "zero"]


def test_a_gradient_that_is_zero_in_places_is_not_the_cause():
    net = network()
    with torch.no_grad():
        net[4].weight[2] = torch.tensor([-1.0, -1.0, 0.0, -1.0])
    assert kinds(net, "grad-cam") == ["zero", "zero"]


def small_layer(method: str | CamMethod, size: int) -> list[tuple[str, str]]:
    """Kinds and messages on a map of size² positions."""
    result = Explainer(network(), layer="1")(torch.rand(2, 3, size + 2, size + 2), methods=method)
    return [(problem.kind, problem.message) for problem in result.problems]


def test_fem_of_too_few_positions_says_why_it_is_blank():
    reason = (
        "none of 4 positions can lie 2 standard deviations above their mean (at most 1.73): name an earlier layer, or "
        "ask for fem with a smaller k"
    )
    assert small_layer("fem", 2) == [("small-layer", reason)] * 2
    assert small_layer(FEM(k=1.0), 2) == []
    assert small_layer("fem", 6) == []
    assert [kind for kind, _ in small_layer(FEM(k=3.0), 3)] == ["small-layer"] * 2


def test_a_blank_map_of_a_class_free_method_does_not_speak_of_a_class():
    problems = small_layer(FEM(k=3.6), 4)
    assert problems
    assert {kind for kind, _ in problems} == {"zero"}
    assert not any("class" in message for _, message in problems)
