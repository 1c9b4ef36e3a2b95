"""The loop against a hand-written one; accumulation, averaging, hooks, what is logged."""

import ast
import inspect
import math

import pytest
import torch
import torch.nn.functional as F

from figureground.base.errors import OptionError
from figureground.training import Validation, fit, trainer, validate
from figureground.training.algorithm import Algorithm
from figureground.training.recipe import RecipePart


def by_hand(network, images, labels, *, steps, size, lr):
    """Plain SGD over given rows, written without the engine."""
    for rows in steps:
        loss = F.cross_entropy(network(images[rows].float() / 255), labels[rows])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(network.parameters(), gradients, strict=True):
                weight.sub_(lr * gradient)
    return network


def plain(recipe, **changes):
    optimiser = {"lr": 0.3, "momentum": 0.0, "weight_decay": 0.0}
    return recipe(**{"optimiser": optimiser, "schedule": {"kind": "constant"}} | changes)


def rows_of(run, epochs):
    return [batch.indices for epoch in range(epochs) for batch in run.batches.epoch(epoch)]


def assert_same(one, other, tolerance=0.0):
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def test_fit_equals_a_hand_written_loop(start, recipe, network, data, tmp_path):
    run = start(plain(recipe), network(), tmp_path)
    wanted = by_hand(network(), *data, steps=rows_of(run, 2), size=8, lr=0.3)
    fit(run)
    assert_same(run.network, wanted, 1e-6)
    assert (run.epoch, run.step, run.step_in_epoch) == (2, 8, 0)
    assert run.progress == 1


def test_accumulated_steps_equal_the_large_batch(start, recipe, network, tmp_path):
    large = start(plain(recipe, batch_size=16), network(), tmp_path / "large")
    small = start(plain(recipe, batch_size=4, accumulate=4), network(), tmp_path / "small")
    fit(large)
    fit(small)
    assert small.step == 4 * large.step
    assert_same(small.network, large.network, 1e-6)


def test_the_average_is_the_exponential_one(start, recipe, network, tmp_path):
    run = start(plain(recipe, ema=0.75), network(), tmp_path)
    seen = []
    fit(
        run,
        progress=lambda *_: seen.append(run.network.get_parameter("6.weight").detach().clone()),
    )
    wanted = seen[0]
    for following in seen[1:]:
        wanted = 0.75 * wanted + 0.25 * following
    torch.testing.assert_close(run.trained[-1].weight, wanted)
    assert not torch.allclose(run.trained[-1].weight, run.network[-1].weight)


def test_dropout_depends_on_the_position_alone_and_the_callers_rng_is_left_alone(
    start, recipe, network, tmp_path
):
    first = start(recipe(), network(dropout=0.5), tmp_path / "a")
    torch.rand(3)
    before = torch.get_rng_state()
    fit(first)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(5)
    second = start(recipe(), network(dropout=0.5), tmp_path / "b")
    fit(second)
    assert_same(first.network, second.network)
    other = start(recipe(seed=1), network(dropout=0.5), tmp_path / "c")
    fit(other)
    assert not torch.equal(first.network[-1].weight, other.network[-1].weight)


class Diary(Algorithm):
    """Records which hooks are called, and adds a term."""

    name = "diary"

    def __init__(self):
        super().__init__(RecipePart(), 3)
        self.called = []

    def prepare(self, run):
        self.called.append("prepare")

    def change_batch(self, batch, run):
        self.called.append("batch")
        return batch

    def before_pass(self, batch, run):
        self.called.append("pass")

    def change_losses(self, losses, outputs, batch, run):
        self.called.append("losses")
        return losses | {"size": outputs.square().mean()}

    def after_step(self, run):
        self.called.append(f"step {run.step}")

    def after_epoch(self, run):
        self.called.append(f"epoch {run.epoch}")


def test_an_algorithm_is_called_at_its_hooks_in_their_order(start, recipe, network, tmp_path):
    diary = Diary()
    fit(start(recipe(epochs=1, batch_size=16), network(), tmp_path, algorithms=[diary]))
    assert diary.called == [
        *("prepare", "batch", "pass", "losses", "step 1", "batch", "pass", "losses", "step 2"),
        "epoch 1",
    ]


def test_a_term_that_an_algorithm_adds_is_learnt_and_logged(
    start, recipe, network, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "_LOG_EVERY", 4)
    run = start(recipe(), network(), tmp_path / "a", algorithms=[Diary()])
    fit(run)
    assert {row["name"] for row in run.history.rows()} == {
        *("cross_entropy", "size", "accuracy", "learning_rate"),
    }
    without = start(recipe(), network(), tmp_path / "b")
    fit(without)
    assert not torch.equal(run.network[-1].weight, without.network[-1].weight)


def test_progress_tells_epoch_loss_and_accuracy_and_counts_images(
    start, recipe, network, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "_LOG_EVERY", 3)
    run = start(recipe(), network(), tmp_path, algorithms=[Diary()])
    seen = []
    fit(run, progress=lambda *report: seen.append(report))
    assert [(done, total) for _, done, total in seen] == [(8 * step, 64) for step in range(1, 9)]
    values = {(row["step"], row["name"]): float(row["value"]) for row in run.history.rows()}
    loss = values["6", "cross_entropy"] + values["6", "size"]
    third = f"loss {values['3', 'cross_entropy'] + values['3', 'size']:.3f}"
    sixth = f"loss {loss:.3f} · accuracy {100 * values['6', 'accuracy']:.1f} %"
    stages = [stage for stage, _, _ in seen]
    assert stages[:2] == ["epoch 1/2"] * 2
    assert stages[2].startswith(f"epoch 1/2 · {third} · accuracy ")
    assert stages[4].startswith(f"epoch 2/2 · {third} · accuracy ")
    assert stages[5:] == [f"epoch 2/2 · {sixth}"] * 3


def test_progress_is_called_in_the_first_process_only(
    start, recipe, network, tmp_path, monkeypatch
):
    run = start(recipe(), network(), tmp_path)
    monkeypatch.setattr(type(run.fabric), "is_global_zero", property(lambda _: False))
    fit(run, progress=lambda *_: pytest.fail("called"))
    assert run.history.rows() == []


def test_unlabelled_images_cost_nothing(start, recipe, network, tmp_path):
    run = start(recipe(), network(), tmp_path)
    outputs = torch.tensor([[2.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    some = run.losses_of(outputs, torch.tensor([0, -1]))["cross_entropy"]
    assert float(some) == pytest.approx(math.log(math.exp(2) + 2) - 2)
    assert float(run.losses_of(outputs, torch.tensor([-1, -1]))["cross_entropy"]) == 0


def test_validation_drops_the_background_output_and_keeps_the_mode():
    images = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).view(2, 1, 1, 2)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 3, bias=False)).train()
    with torch.no_grad():
        model.get_parameter("1.weight").copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]))
    found = validate(model, Validation(images, torch.tensor([1, 1]), 2), batch_size=1)
    assert found["accuracy"] == 0.5
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    assert found["loss"] == pytest.approx((right + wrong) / 2, abs=1e-6)
    assert model.training


def test_the_best_weights_are_those_of_the_best_epoch(
    start, recipe, network, data, tmp_path, monkeypatch
):
    marks = iter([0.5, 0.9, 0.7])
    monkeypatch.setattr(trainer, "validate", lambda *_: {"accuracy": next(marks)})
    run = start(recipe(epochs=3), network(), tmp_path)
    seen = []

    class Keep(Algorithm):
        def after_epoch(self, run):
            seen.append((tmp_path / "last.safetensors").exists())

    run.algorithms = [Keep(RecipePart(), 3)]
    fit(run, Validation(data[0], data[1], 3))
    assert run.best == 0.9
    assert (tmp_path / "best.safetensors").read_bytes() != (
        tmp_path / "last.safetensors"
    ).read_bytes()
    assert seen == [False, True, True]


def test_a_loss_that_is_no_number_stops_the_run(start, recipe, network, tmp_path):
    broken = network()
    torch.nn.init.constant_(broken[-1].bias, math.nan)
    run = start(recipe(), broken, tmp_path)
    with pytest.raises(
        OptionError, match=r"cross_entropy is nan at step 1:.*smaller optimiser\.lr than 0\.1"
    ):
        fit(run)
    assert not (tmp_path / "resume.pt").exists()


def test_the_loop_fits_on_a_page():
    function = ast.parse(inspect.getsource(trainer.fit)).body[0]
    assert isinstance(function, ast.FunctionDef)
    body = function.body[1:]
    assert (body[-1].end_lineno or 0) - body[0].lineno + 1 <= 40


def test_nothing_that_trains_takes_a_test_set():
    from figureground.studies.training.train import train  # noqa: PLC0415

    names = {*inspect.signature(fit).parameters, *inspect.signature(train).parameters}
    assert not [name for name in names if "test" in name]
