"""Batch norms without statistics are seen before a training, and can be given some."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import load_classifier
from figureground.training.batch_norms import are_folded, give_statistics
from figureground.training.recipe import changed
from figureground.training.start import start_run


def _network() -> nn.Sequential:
    draw = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    return network.eval()


def test_the_function_stays_and_the_statistics_are_those_of_the_inputs():
    network, images = _network(), torch.rand(70, 3, 9, 11, generator=torch.Generator())
    assert are_folded(network)
    before = network(images)
    first, second = network[0](images), network[:4](images)  # what comes into the two norms
    give_statistics(network, images)
    assert not are_folded(network)
    torch.testing.assert_close(network(images), before, rtol=1e-4, atol=1e-4)
    for norm, into in ((network[1], first), (network[4], second)):
        torch.testing.assert_close(norm.running_mean, into.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            norm.running_var, into.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5
        )
    assert [type(module) for module in network] == [type(module) for module in _network()]
    # now training mode computes nearly the same, as the statistics of all images are those of the batch
    network.train()
    torch.testing.assert_close(network(images), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("variance", "folded"), [(1 - 1e-5, True), (1.0, True), (0.7, False)])
def test_variances_of_one_less_epsilon_count_as_none(variance: float, folded: bool):
    network = _network()
    for norm in (network[1], network[4]):
        torch.nn.init.constant_(norm.running_var, variance)  # type: ignore[arg-type]
    assert are_folded(network) == folded
    images = torch.rand(20, 3, 9, 11, generator=torch.Generator())
    before = network(images)
    give_statistics(network, images)
    torch.testing.assert_close(network(images), before, rtol=1e-4, atol=1e-4)


def test_a_network_without_norms_and_one_with_statistics_are_not_folded():
    assert not are_folded(nn.Sequential(nn.Conv2d(3, 4, 1)))
    trained = _network().train()
    trained(torch.rand(4, 3, 9, 9))
    assert not are_folded(trained)


def _recipe(weights: Path, *changes: str) -> Any:
    model = {
        "name": "timm:mobilenetv3_small_050",
        "weights": str(weights),
        "preprocessing": {"size": [32, 32]},
        "arguments": {"in_chans": 1},
    }
    content = {
        "name": "t",
        "epochs": 1,
        "batch_size": 8,
        "data": {"name": "cluttered-digits", "count": 16},
        "model": model,
    }
    return changed(content, changes)


def test_a_training_from_folded_weights_is_refused_with_the_remedy(tmp_path: Path):
    name, arguments = "timm:mobilenetv3_small_050", {"in_chans": 1}
    folded = load_classifier(name, random=True, arguments=arguments)
    weights = tmp_path / "w.pth"
    torch.save(folded.network.state_dict(), weights)
    with pytest.raises(OptionError, match=r"folded away.*model\.batch_norms=measured"):
        start_run(_recipe(weights), tmp_path, accelerator="cpu")
    start_run(_recipe(weights, "model.batch_norms=kept"), tmp_path, accelerator="cpu")
    run, data = start_run(
        _recipe(weights, "model.batch_norms=measured"), tmp_path, accelerator="cpu"
    )
    assert not are_folded(run.network)
    # as built: 16 images in evaluation mode give what the folded network gives, up to the new head
    own = load_classifier(
        name, weights=weights, arguments=arguments, preprocessing={"size": (32, 32)}
    )
    images = data.images[:].float() / 255
    measured, plain = (cast("Any", one.network).forward_features for one in (run.network, own))
    torch.testing.assert_close(measured(images), plain(images), rtol=1e-3, atol=1e-3)
