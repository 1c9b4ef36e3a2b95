"""Only the last layer changes, to the one that fits what the frozen network saw; a resumed run ends the same."""

from typing import Any

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import replace_head
from figureground.training import fit
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms.background_swap import (
    BackgroundSwapOptions,
    BackgroundSwapping,
)
from figureground.training.algorithms.last_layer import (
    LastLayer,
    LastLayerOptions,
    afr_weights,
    fit_last_layer,
)
from figureground.training.algorithms.rotation import Rotation, RotationOptions
from figureground.training.checkpoint import load_checkpoint
from figureground.training.groups import balanced_weights
from figureground.training.last_linear import outputs_and_features
from figureground.training.trainer import Validation

PAIRED = torch.tensor([0, 1, 1, 1] * 8)  # contexts


def last(**options: Any) -> LastLayer:
    return LastLayer(LastLayerOptions(**options), 3)


class Watching(Algorithm):
    """Keeps what the loop shows the network."""

    def __init__(self) -> None:
        super().__init__(self.Options(), 3)
        self.seen: list[tuple[torch.Tensor, ...]] = []

    def before_pass(self, batch, run):
        self.seen.append((batch.images.clone(), batch.labels.clone(), batch.indices.clone()))


def expected(old: nn.Module, seen: Watching, **options: Any) -> nn.Linear:
    """The layer made from all that was seen, without the algorithm."""
    images, labels, indices = (torch.cat(part) for part in zip(*seen.seen, strict=True))
    known = labels >= 0
    logits, features = outputs_and_features(old, images[known])
    settings: dict[str, Any] = {
        "none": {},
        "classes": {"weights": balanced_weights(labels[known])},
        "groups": {"weights": balanced_weights(labels[known] * 2 + PAIRED[indices[known]])},
        "afr": {"weights": afr_weights(logits, labels[known]), "old": old[-1]},  # type: ignore[index]
    }[options.get("weights", "none")]
    return fit_last_layer(
        features, labels[known], outputs=3, l2=options.get("l2", 1e-3), **settings
    )


@pytest.mark.parametrize("average", [None, 0.5])
@pytest.mark.parametrize(
    "options", [{}, {"weights": "classes"}, {"weights": "groups"}, {"weights": "afr", "l2": 0.1}]
)
def test_the_last_layer_fits_what_the_network_saw_and_all_else_stays(
    options, average, start, recipe, network, tmp_path
):
    seen = Watching()
    old = network(dropout=0.5, norm=True)
    run = start(
        recipe(ema=average), network(dropout=0.5, norm=True), tmp_path,
        algorithms=[seen, last(**options)], crop_padding=1, flip=True, contexts=PAIRED,
    )  # fmt: skip
    run.batches.labels[[3, 8]] = -1
    run.best = 2.0  # of an earlier epoch, with the old layer
    fit(run, Validation(run.batches.images, run.batches.labels.clamp_min(0), 3))
    assert len(seen.seen) == 8
    assert not torch.equal(seen.seen[0][0], seen.seen[4][0])
    wanted = expected(old.eval(), seen, **options)
    for trained in (run.network, run.trained):
        after = trained.state_dict()
        torch.testing.assert_close(after["6.weight"], wanted.weight.data, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(after["6.bias"], wanted.bias.data, atol=1e-4, rtol=1e-3)
        for name, value in old.state_dict().items():
            assert name.startswith("6.") or torch.equal(after[name], value), name
    assert 0 <= run.best <= 1


def test_the_new_layer_is_better_than_the_old_one(start, recipe, network, tmp_path):
    old = network().eval()
    run = start(recipe(), network(), tmp_path, algorithms=[last(l2=1e-6)])
    fit(run)
    images, labels = run.batches.images.float() / 255, run.batches.labels
    with torch.no_grad():
        before, after = (
            nn.functional.cross_entropy(one(images), labels) for one in (old, run.network.eval())
        )
    assert after < before


def test_swapped_backgrounds_are_what_it_is_fitted_to(start, recipe, network, tmp_path):
    swap = BackgroundSwapping(BackgroundSwapOptions(mask="given"), 3)
    seen = Watching()
    boxes = [torch.tensor([[1.0, 1, 4, 4]])] * 32
    run = start(recipe(), network(), tmp_path, algorithms=[swap, seen, last()], boxes=boxes)
    old = network().eval()
    fit(run)
    wanted = expected(old, seen)
    torch.testing.assert_close(run.network[-1].weight, wanted.weight, atol=1e-4, rtol=1e-3)
    images = run.batches.images.float() / 255
    unchanged = [any(torch.equal(one, other) for other in images) for one in seen.seen[0][0]]
    assert sum(unchanged) <= 2  # which drew themselves


@pytest.mark.parametrize("stop", [2, 5, 7])
def test_a_resumed_run_ends_with_the_same_weights(stop, start, recipe, network, data, tmp_path):
    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def halt(_stage, done, _total):
        if done == stop * 8:
            raise Stopped

    held = Validation(data[0], data[1], 3)

    def begin(folder):
        made = recipe(checkpoint_every=1, ema=0.9)
        algorithms = [last(weights="afr")]
        return start(made, network(norm=True), tmp_path / folder, algorithms=algorithms, flip=True)

    fit(begin("whole"), held)
    with pytest.raises(Stopped):
        fit(begin("parts"), held, halt)
    again = begin("parts")
    load_checkpoint(again)
    assert again.step == stop - 1  # that of the last checkpoint
    fit(again, held)
    for name in ("best.safetensors", "last.safetensors", "history.csv"):
        parts, whole = ((tmp_path / folder / name).read_bytes() for folder in ("parts", "whole"))
        assert parts == whole, name


def test_a_head_of_another_algorithm_is_still_trained(start, recipe, network, tmp_path):
    turning = Rotation(RotationOptions(), 3)
    run = start(recipe(), network(), tmp_path, algorithms=[turning, last()])
    before = run.extras["rotation"].weight.detach().clone()
    fit(run)
    assert not torch.equal(before, run.extras["rotation"].weight)
    assert torch.equal(run.network[0].weight, network()[0].weight)


def test_networks_without_such_a_layer_are_told_what_to_do(start, recipe, network, tmp_path):
    def begin(net, *others):
        return start(recipe(), net, tmp_path, algorithms=[last(), *others])

    bare = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False))
    convolution = nn.Sequential(nn.Conv2d(1, 3, 6), nn.Flatten())
    cosine, _ = replace_head(network(), 3, head="cosine", at="6")
    for net in (bare, convolution, cosine):
        with pytest.raises(OptionError, match=r"bias is needed; model\.head: linear puts one"):
            begin(net)
    with pytest.raises(OptionError, match=r"with 3 outputs is needed, one for each class.* has 4"):
        begin(network(4))
    followed = nn.Sequential(network(), nn.Softmax(1))
    with pytest.raises(OptionError, match=r"are not what its last linear layer gives; model\.head"):
        begin(followed)
    with pytest.raises(OptionError, match="must be the last of the algorithms"):
        begin(network(), Watching())


def test_an_output_for_the_background_is_fitted_to_images_of_it(start, recipe, network, tmp_path):
    seen, old = Watching(), network().eval()
    run = start(recipe(), network(), tmp_path, algorithms=[seen, LastLayer(LastLayerOptions(), 2)])
    assert (run.batches.labels == 2).any()  # two rare classes, and the background
    fit(run)
    wanted = expected(old, seen)
    torch.testing.assert_close(run.network[-1].weight, wanted.weight, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(run.network[-1].bias, wanted.bias, atol=1e-4, rtol=1e-3)


def test_a_frozen_network_without_it_is_refused(start, recipe, network, tmp_path):
    with pytest.raises(OptionError, match="no weight of this network requires a gradient"):
        start(recipe(), network().requires_grad_(requires_grad=False), tmp_path)


def test_several_processes_are_refused(start, recipe, network, tmp_path, fabric, monkeypatch):
    monkeypatch.setattr(type(fabric), "world_size", 2)
    with pytest.raises(
        OptionError, match="last-layer trains nothing by gradients, and runs in one"
    ):
        start(recipe(), network(), tmp_path, algorithms=[last()])


def test_groups_need_contexts_and_are_told(start, recipe, network, tmp_path):
    with pytest.raises(OptionError, match="these data tell no contexts"):
        start(recipe(), network(), tmp_path, algorithms=[last(weights="groups")])
    grouped, plain, other = (last(weights=weights) for weights in ("groups", "none", "groups"))
    for one, contexts in ((grouped, PAIRED), (plain, PAIRED), (other, PAIRED.flip(0))):
        start(recipe(), network(), tmp_path, algorithms=[one], contexts=contexts)
    assert sum(grouped.description()["group_counts"]) == 32
    assert len(grouped.description()["group_counts"]) == 5
    assert grouped.identity() != other.identity()
    assert plain.description() == {}
