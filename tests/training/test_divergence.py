"""A run that diverges is stopped before it overwrites what is good."""

import math

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.training import Validation, fit
from figureground.training.algorithm import Algorithm
from figureground.training.checkpoint import load_checkpoint, save_checkpoint
from figureground.training.divergence import LossWatch
from figureground.training.recipe import RecipePart, changed

STEADY = {"schedule": {"kind": "constant"}}  # the same rates whatever the number of epochs


class Exploding(Algorithm):
    """Adds a loss that is no number at one step."""

    def __init__(self, step, value=math.nan):
        super().__init__(RecipePart(), 3)
        self.at, self.value = step, value

    def change_losses(self, losses, outputs, batch, run):
        extra = self.value if run.step + 1 == self.at else 0.0
        return losses | {"extra": outputs.sum() * 0 + extra}


class Poisoning(Algorithm):
    """Leaves a weight that is no number after one step."""

    def __init__(self, step):
        super().__init__(RecipePart(), 3)
        self.at = step

    def after_step(self, run):
        if run.step == self.at:
            with torch.no_grad():
                next(run.network.parameters())[0] = math.inf


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (lambda: Exploding(7), r"the loss extra is nan at step 7: training has diverged"),
        (lambda: Exploding(5, math.inf), r"the loss extra is inf at step 5: training has diverged"),
        (lambda: Exploding(8), r"the loss extra is nan at step 8"),
        (lambda: Poisoning(8), r"a weight is not finite after the last step"),
    ],
)
def test_what_was_good_before_a_divergence_stays(
    algorithm, message, start, recipe, network, data, tmp_path
):
    held = Validation(data[0], data[1], 3)
    plain = recipe(
        epochs=2, **STEADY
    )  # of four steps each, so that no step is logged before the end of an epoch
    fit(start(recipe(epochs=1, **STEADY), network(), tmp_path / "one"), held)
    run = start(plain, network(), tmp_path / "two", algorithms=[algorithm()])
    with pytest.raises(OptionError, match=message):
        fit(run, held)
    good = files(tmp_path / "one")
    left = files(tmp_path / "two")
    for name in ("best.safetensors", "last.safetensors"):
        assert left[name] == good[name]
    again = start(plain, network(), tmp_path / "two", algorithms=[algorithm()])
    load_checkpoint(again)
    assert again.step == 4
    assert all(one.isfinite().all() for one in again.network.parameters())


def test_nothing_is_written_of_a_run_that_diverges_at_once(start, recipe, network, data, tmp_path):
    run = start(
        recipe(keep_steps=[2], checkpoint_every=1), network(), tmp_path, algorithms=[Exploding(1)]
    )
    with pytest.raises(OptionError, match="nan at step 1"):
        fit(run, Validation(data[0], data[1], 3))
    assert files(tmp_path) == {}


def test_weights_of_a_named_step_are_not_kept_when_they_are_no_numbers(
    start, recipe, network, tmp_path
):
    run = start(recipe(keep_steps=[3]), network(), tmp_path, algorithms=[Poisoning(3)])
    with pytest.raises(OptionError, match="a weight is not finite"):
        fit(run)
    assert files(tmp_path) == {}


def test_a_rate_that_is_too_high_ends_with_an_error(start, recipe, network, data, tmp_path):
    wild = recipe(epochs=2, optimiser={"lr": 1e38, "momentum": 0.9})
    with pytest.raises(OptionError, match=r"has diverged; try a smaller optimiser\.lr than 1e\+38"):
        fit(start(wild, network(), tmp_path), Validation(data[0], data[1], 3))
    assert "best.safetensors" not in files(tmp_path)


def test_the_first_step_counts_whatever_losses_there_are_then():
    watch = LossWatch()
    for step, losses in enumerate(
        [{"a": 1.0}, {"a": 1.0, "b": math.inf}, {"a": math.nan}, {"a": 1.0}], start=1
    ):
        watch.see({name: torch.tensor(value) for name, value in losses.items()}, step)
    with pytest.raises(OptionError, match="the loss b is inf at step 2"):
        watch.check(advice="less")


def test_a_checkpoint_of_what_is_no_number_is_refused(start, recipe, network, tmp_path):
    run = start(recipe(ema=0.5), network(), tmp_path)
    save_checkpoint(run)
    assert run.average is not None
    with torch.no_grad():
        next(run.average.parameters()).fill_(math.nan)
    with pytest.raises(OptionError, match="a weight is not finite"):
        save_checkpoint(run)


@pytest.mark.parametrize(
    "change",
    [
        "optimiser.lr=.inf",
        "optimiser.lr=.nan",
        "optimiser.weight_decay=.inf",
        "schedule.gamma=.inf",
        "schedule.gamma=.nan",
        "schedule.milestones=[.nan]",
        "schedule.milestones=[0.5, .inf]",
        "schedule.milestones=[-0.1]",
        "keep_steps=[-1]",
        "keep_steps=[0]",
        "data.val_fraction=.nan",
        "ema=.nan",
        "label_smoothing=.nan",
    ],
)
def test_numbers_that_cannot_be_are_refused_before_any_work(change):
    plain = {"name": "t", "epochs": 2, "data": {"name": "x"}, "model": {"name": "y"}}
    with pytest.raises(OptionError, match=change.partition("=")[0].replace(".", r"\.")):
        changed(plain, [change])
