"""Who comes how often in the loop, and that the second network knows nothing of the first."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from figureground.base.errors import OptionError
from figureground.training import fit
from figureground.training.algorithms.background_splitting.algorithm import BackgroundSplitting
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.algorithms.rotation import Rotation, RotationOptions
from figureground.training.algorithms.upweight import Upweight, UpweightOptions, group_dro_step
from figureground.training.checkpoint import load_checkpoint
from figureground.training.groups import groups_of
from figureground.training.run import Run
from figureground.training.trainer import Validation

FAST: dict[str, Any] = {
    "optimiser": {"momentum": 0.9, "lr": 0.3},
    "schedule": {"kind": "constant"},
}
CONTEXTS = torch.tensor([0, 1, 1, 1] * 8)


def upweight(kind: str, **options: Any) -> Upweight:
    return Upweight(UpweightOptions(kind=kind, **options), 3)  # type: ignore[arg-type]


def losses_of(run, outputs, batch):
    algorithm = run.algorithms[0]
    found = algorithm.change_losses(run.losses_of(outputs, batch.labels), outputs, batch, run)
    return float(found["cross_entropy"])


@pytest.fixture
def outputs() -> torch.Tensor:
    return torch.randn(32, 3, generator=torch.Generator().manual_seed(3))


def mean_over_groups(run, outputs) -> list[float]:
    groups, labels = groups_of(run.batches), run.batches.labels
    return [
        float(F.cross_entropy(outputs[groups == g], labels[groups == g]))
        for g in range(int(groups.max()) + 1)
    ]


def drawn(run, steps=400) -> torch.Tensor:
    """How often each image comes, as shares."""
    algorithm, batch = run.algorithms[0], run.batches.make(torch.arange(8))
    times = torch.zeros(32)
    for step in range(steps):
        run.step = step
        times += torch.bincount(algorithm.change_batch(batch, run).indices, minlength=32)
    return times / times.sum()


@pytest.mark.parametrize("kind", ["groups", "group-dro"])
def test_every_group_comes_as_often(kind, start, recipe, network, tmp_path):
    run = start(recipe(), network(), tmp_path, algorithms=[upweight(kind)], contexts=CONTEXTS)
    groups = groups_of(run.batches)
    found = torch.bincount(groups, drawn(run))
    assert found.tolist() == pytest.approx([1 / len(found)] * len(found), abs=0.03)


def test_shares_of_group_dro_follow_losses(start, recipe, network, outputs, tmp_path):
    """A batch that holds each group as often: the paper's mean losses, and shares of these."""
    algorithm = upweight("group-dro", eta=0.5, adjustment=1.0)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm], contexts=CONTEXTS)
    groups, labels = groups_of(run.batches), run.batches.labels
    rows = torch.stack([(groups == g).nonzero()[0, 0] for g in range(int(groups.max()) + 1)])
    each = F.cross_entropy(outputs[rows], labels[rows], reduction="none")
    counts = torch.bincount(groups)
    equal = torch.full((len(each),), 1 / len(each))
    wanted = group_dro_step(equal, each, counts, eta=0.5, adjustment=1.0)
    found = losses_of(run, outputs[rows], run.batches.make(rows))
    assert found == pytest.approx(float((wanted * each).sum()), rel=1e-5)
    told = algorithm.description()
    assert sorted(told["group_shares"]) == pytest.approx(sorted(wanted.tolist()), rel=1e-5)
    assert told["group_counts"] == sorted(counts.tolist())


def test_losses_of_groups_are_right_on_average(start, recipe, network, outputs, tmp_path):
    """Over many drawn batches, with shares that stay, the loss is the mean over groups."""
    algorithm = upweight("group-dro", eta=1e-9)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm], contexts=CONTEXTS)
    groups, labels = groups_of(run.batches), run.batches.labels
    means = [
        float(F.cross_entropy(outputs[groups == g], labels[groups == g]))
        for g in range(int(groups.max()) + 1)
    ]
    batch, found = run.batches.make(torch.arange(32)), []
    for step in range(300):
        run.step = step
        some = algorithm.change_batch(batch, run)
        found.append(losses_of(run, outputs[some.indices], some))
    assert sum(found) / len(found) == pytest.approx(sum(means) / len(means), rel=0.03)


@pytest.fixture
def first_half(start, recipe, network, tmp_path) -> nn.Module:
    """The network after the first half of a run without the algorithm, which forgets nothing."""
    run = start(recipe(**FAST), network(norm=True), tmp_path / "plain", flip=True)

    def stop(_stage, done, _total):
        if done == 4 * 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(run, progress=stop)
    return run.network.eval()


@pytest.fixture
def twice(start, recipe, network, tmp_path) -> Run:
    """A run that begins anew at its half."""
    algorithm = upweight("jtt", first=0.5, factor=4.0)
    made = recipe(ema=0.9, **FAST)
    return start(made, network(norm=True), tmp_path, algorithms=[algorithm], flip=True)


def test_the_second_network_knows_nothing_of_the_first(twice):
    begin = {name: value.clone() for name, value in twice.network.state_dict().items()}
    twice.best = 2.0
    seen: list[bool] = []

    def look(_stage, done, _total):
        now = twice.network.state_dict()
        seen.append(all(torch.equal(value, begin[name]) for name, value in now.items()))
        if done == 4 * 8:
            assert not twice.optimiser.state
            assert twice.average is not None
            assert int(twice.average.n_averaged) == 0

    held = Validation(twice.batches.images, twice.batches.labels, 3)
    fit(twice, held, look)
    assert seen == [False] * 3 + [True] + [False] * 4
    assert twice.best <= 1


def test_errors_of_the_first_network_come_more_often_in_the_second(twice, first_half):
    fit(twice)
    labels = twice.batches.labels
    wrong = first_half(twice.batches.images / 255).argmax(1) != labels
    algorithm = twice.algorithms[0]
    assert torch.equal(algorithm.state()["wrong"], wrong)
    assert 0 < int(wrong.sum()) < 31
    assert algorithm.description()["wrong"] == int(wrong.sum())
    weights = torch.where(wrong, 4.0, 1.0)
    torch.testing.assert_close(algorithm.chances(), weights.double() / weights.sum())
    found = drawn(twice)
    assert float(found[wrong].sum()) == pytest.approx(
        float(weights[wrong].sum() / weights.sum()), abs=0.03
    )


def test_unlabelled_images_are_never_wrong_and_never_come(twice):
    twice.batches.labels[::4] = -1
    twice.algorithms[0].prepare(twice)
    fit(twice)
    wrong = twice.algorithms[0].state()["wrong"]
    assert not wrong[::4].any()
    known = twice.batches.labels >= 0
    found = drawn(twice)
    assert float(found[~known].sum()) == 0
    assert bool((found[known] > 0).all())


def test_before_the_switch_batches_stay_as_they_are(start, recipe, network, tmp_path):
    run = start(recipe(), network(), tmp_path, algorithms=[upweight("jtt")])
    batch = run.batches.make(torch.arange(32))
    assert run.algorithms[0].change_batch(batch, run) is batch
    assert run.algorithms[0].description() == {}


def test_a_head_of_another_algorithm_begins_anew_too(start, recipe, network, tmp_path):
    turning = Rotation(RotationOptions(), 3)
    run = start(recipe(), network(), tmp_path, algorithms=[upweight("jtt", first=0.9), turning])
    begin = run.extras["rotation"].weight.detach().clone()
    fit(run)  # the switch is after the last step
    assert torch.equal(run.extras["rotation"].weight, begin)


def test_many_errors_are_told(start, recipe, network, tmp_path):
    algorithm = upweight("jtt", first=0.1)
    run = start(recipe(optimiser={"lr": 1e-6}), network(), tmp_path, algorithms=[algorithm])
    fit(run)
    told = algorithm.description()
    assert told["wrong"] > told["labelled"] / 2
    assert "are no minority" in told["warnings"][0]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("kind", ["jtt", "groups", "group-dro"])
def test_a_resumed_run_ends_with_the_same_weights(
    kind, accumulate, start, recipe, network, data, tmp_path
):
    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def halt(_stage, done, _total):
        if done == 5 * 8:
            raise Stopped

    def begin(folder):
        made = recipe(checkpoint_every=2, accumulate=accumulate, ema=0.9)
        algorithms = [upweight(kind, **({"first": 0.3} if kind == "jtt" else {}))]
        where = tmp_path / folder
        return start(made, network(norm=True), where, algorithms=algorithms, contexts=CONTEXTS)

    held = Validation(data[0], data[1], 3)
    fit(begin("whole"), held)
    with pytest.raises(Stopped):
        fit(begin("parts"), held, halt)
    again = begin("parts")
    load_checkpoint(again)
    assert again.step == 4
    fit(again, held)
    for name in ("best.safetensors", "last.safetensors", "history.csv"):
        parts, whole = ((tmp_path / folder / name).read_bytes() for folder in ("parts", "whole"))
        assert parts == whole, name


def test_what_it_cannot_work_on_is_refused(start, recipe, network, tmp_path):
    for kind in ("groups", "group-dro"):
        with pytest.raises(OptionError, match="these data tell no contexts"):
            start(recipe(), network(), tmp_path, algorithms=[upweight(kind)])
    turning = Rotation(RotationOptions(), 3)
    with pytest.raises(OptionError, match="must be the first of the algorithms"):
        start(recipe(), network(), tmp_path, algorithms=[turning, upweight("jtt")])
    focal = BackgroundSplitting(BackgroundSplittingOptions(aux_weight=0.0, main="focal"), 3)
    dro = upweight("group-dro")
    run = start(recipe(), network(4), tmp_path, algorithms=[dro, focal], contexts=CONTEXTS)
    with pytest.raises(OptionError, match="which another algorithm has replaced"):
        dro.change_losses(
            {"focal": torch.ones(())}, torch.zeros(32, 4), run.batches.make(torch.arange(32)), run
        )
