"""The algorithm in the loop: the direction, the terms, the log, the modes, exact resuming."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from figureground.base.errors import DataError, OptionError
from figureground.metrics.information import class_sums, cmi
from figureground.training import fit
from figureground.training.algorithms import make_algorithms, resolved
from figureground.training.algorithms.mcmi import (
    CMICLoss,
    EntropyBonusLoss,
    MCMILoss,
    SquaredErrorLoss,
)
from figureground.training.algorithms.mcmi.algorithm import MCMI, MCMIOptions
from figureground.training.checkpoint import load_checkpoint


def mcmi(**options):
    return MCMI(MCMIOptions(**options), 3)


def outputs_of(run):
    run.network.eval()
    with torch.no_grad():
        return run.network(run.batches.images.float() / 255), run.batches.labels


def logged(run, name):
    return [float(row["value"]) for row in run.history.rows() if row["name"] == name]


QUICK = {"optimiser": {"lr": 1.0, "weight_decay": 0.0}, "epochs": 8}


def test_a_short_run_has_more_cmi_with_a_weight_and_less_with_its_counterpart(
    start, recipe, tmp_path
):
    def network():
        linear = torch.nn.Linear(36, 3)
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        return torch.nn.Sequential(torch.nn.Flatten(), linear)

    def trained(**options):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        run = start(
            recipe(epochs=8, optimiser={"lr": 0.05}),
            network(),
            folder,
            algorithms=[mcmi(**options)],
        )
        fit(run)
        return cmi(*outputs_of(run)).item(), run

    plain, run = trained(weight=0)
    more, _ = trained(weight=0.5)
    less, _ = trained(weight=0.5, objective="cmic")
    assert less < 0.97 * plain < 1.03 * plain < more
    assert plain == pytest.approx(logged(run, "cmi")[-1], abs=1e-6)


def test_weight_zero_is_plain_training(start, recipe, network, tmp_path):
    plain = start(recipe(), network(), tmp_path / "plain")
    control = start(recipe(), network(), tmp_path / "control", algorithms=[mcmi(weight=0)])
    fit(plain)
    fit(control)
    for one, other in zip(plain.network.parameters(), control.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=0)


def test_the_term_is_minus_the_weighted_surrogate(start, recipe, network, tmp_path):
    algorithm = mcmi(weight=0.4)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm])
    logits, labels = outputs_of(run)
    q = class_sums(logits, labels).centroids
    batch = next(run.batches.epoch(0))
    outputs = run.network(batch.images)
    logs = outputs.log_softmax(1)
    wanted = sum(
        F.kl_div(q[y].log().float(), log, reduction="sum", log_target=True)
        for log, y in zip(logs, batch.labels.tolist(), strict=True)
    ) / len(batch)
    losses = algorithm.change_losses({"cross_entropy": outputs.sum()}, outputs, batch, run)
    assert set(losses) == {"cross_entropy", "mcmi"}
    torch.testing.assert_close(losses["mcmi"], -0.4 * wanted)


def test_the_log_holds_cmi_surrogate_and_drift_which_frozen_centroids_have(
    start, recipe, network, tmp_path
):
    for mode in ("epoch", "frozen"):
        algorithm = mcmi(weight=0.3, centroids=mode)
        run = start(recipe(**QUICK), network(), tmp_path / mode, algorithms=[algorithm])
        first = algorithm.bank.centroids.clone()
        fit(run)
        assert torch.equal(first, algorithm.bank.centroids) == (mode == "frozen")
        found = {name: logged(run, name) for name in ("cmi", "surrogate", "drift", "ncmi")}
        assert {len(values) for values in found.values()} == {8}
        for one, other, drift in zip(found["cmi"], found["surrogate"], found["drift"], strict=True):
            assert other == pytest.approx(one + drift)
            assert drift >= -1e-6
        # renewed centroids lag by one epoch, frozen ones by all of them
        assert (found["drift"][-1] > 1e-3) == (mode == "frozen") or mode == "epoch"
        now = class_sums(*outputs_of(run)).centroids.float()
        assert torch.allclose(algorithm.bank.centroids, now, atol=1e-5) == (mode == "epoch")


def test_a_run_that_drifts_away_from_its_centroids_warns(start, recipe, network, tmp_path):
    for weight, mode in ((0.05, "epoch"), (5.0, "frozen")):
        algorithm = mcmi(weight=weight, centroids=mode)
        run = start(recipe(**QUICK), network(), tmp_path / mode, algorithms=[algorithm])
        fit(run)
        facts = algorithm.description()
        assert facts["surrogate"] == pytest.approx(logged(run, "surrogate")[-1])
        assert (facts["drift"] > max(0.1, facts["cmi"])) == (mode == "frozen")
        assert ("drifted away" in str(facts.get("warnings"))) == (mode == "frozen")


def test_centroids_can_go_unmeasured_where_they_are_not_renewed(start, recipe, network, tmp_path):
    algorithm = mcmi(centroids="frozen", measure=False)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm])
    fit(run)
    assert logged(run, "cmi") == []


def test_ours_leaves_batch_norm_alone_and_the_paper_moves_it(start, recipe, network, tmp_path):
    for preset in ("ours", "paper"):
        fresh = network(norm=True)
        before = fresh[1].running_mean.clone()
        numbers = torch.get_rng_state()
        run = start(
            recipe(),
            fresh,
            tmp_path / preset,
            algorithms=[mcmi(preset=preset)],
            crop_padding=1,
            flip=True,
        )
        assert torch.equal(before, run.network[1].running_mean) == (preset == "ours")
        assert torch.equal(numbers, torch.get_rng_state())
        assert run.network.training


def test_presets_and_what_overrides_them():
    ours, paper = MCMIOptions(), MCMIOptions(preset="paper")
    assert (ours.lam, ours.mode) == (0.15, "epoch")
    assert (paper.lam, paper.mode) == (0.25, "frozen")
    mixed = MCMIOptions(preset="paper", weight=0.0, centroids="ema")
    assert (mixed.lam, mixed.mode) == (0.0, "ema")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -0.2}, r"weight is -0.2; it must be 0 or above, .*set objective: cmic"),
        ({"objective": "cmic", "separation_weight": -1}, "separation_weight is -1"),
        ({"separation_weight": 0.5}, "belongs to objective: cmic"),
        ({"objective": "squared-error", "weight": 0.5}, "has no weight"),
        ({"objective": "entropy", "centroids": "ema"}, "objective: entropy has no centroids"),
        ({"decay": 0.5}, "decay belongs to centroids: ema"),
        ({"centroids": "batch"}, "centroids"),
        ({"lambda": 0.2}, "no key 'lambda'"),
    ],
)
def test_bad_options_are_refused(recipe, options, message):
    with pytest.raises(OptionError, match=message):
        resolved(recipe(algorithms=[{"mcmi": options}]))


def test_label_smoothing_is_refused_where_it_would_be_without_effect(
    start, recipe, network, tmp_path
):
    with pytest.raises(OptionError, match="knows no label smoothing"):
        start(
            recipe(label_smoothing=0.1),
            network(),
            tmp_path,
            algorithms=[mcmi(objective="squared-error")],
        )


def test_the_controls_train(start, recipe, network, tmp_path):
    for objective, wanted in (
        ("entropy", {"cross_entropy", "entropy"}),
        ("squared-error", {"squared_error"}),
        ("cmic", {"cross_entropy", "cmic", "separation"}),
    ):
        algorithm = mcmi(objective=objective)
        run = start(recipe(), network(), tmp_path / objective, algorithms=[algorithm])
        batch = next(run.batches.epoch(0))
        outputs = run.network(batch.images)
        losses = run.losses_of(outputs, batch.labels)
        assert set(algorithm.change_losses(losses, outputs, batch, run)) == wanted
        fit(run)
        assert run.step == 8


@pytest.mark.parametrize("options", [{}, {"centroids": "ema", "decay": 0.5}, {"preset": "paper"}])
def test_a_run_is_exactly_resumed_with_its_centroids(options, start, recipe, network, tmp_path):
    full = recipe(algorithms=[{"mcmi": options | {"weight": 0.8}}], checkpoint_every=5)
    cut = {"crop_padding": 1, "flip": True}

    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(_stage, done, _total):
        if done == 7 * 8:
            raise Stopped

    def begin(folder):
        algorithms = make_algorithms(full, 3)
        return start(full, network(norm=True), tmp_path / folder, algorithms=algorithms, **cut)

    whole = begin("whole")
    fit(whole)
    with pytest.raises(Stopped):
        fit(begin("parts"), progress=stop)
    again = begin("parts")
    load_checkpoint(again)
    assert again.step == 5
    fit(again)
    assert torch.equal(whole.algorithms[0].bank.centroids, again.algorithms[0].bank.centroids)
    assert whole.history.rows() == again.history.rows()
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_class_unseen_by_the_first_pass_is_named(start, recipe, network, data, tmp_path):
    _, labels = data
    labels[:] = 0
    labels[0] = 2
    run = start(recipe(), network(), tmp_path / "ours", algorithms=[mcmi()])
    assert run.algorithms[0].bank.undefined == (1,)
    fit(run)
    labels[:] = -1
    labels[1] = 0
    algorithm = mcmi()
    start(recipe(), network(), tmp_path / "unlabelled", algorithms=[algorithm])
    assert algorithm.bank.undefined == (1, 2)


def test_a_class_missed_before_training_is_an_error(start, recipe, network, tmp_path, monkeypatch):
    algorithm = mcmi()
    monkeypatch.setattr(
        algorithm, "_first_sums", lambda _run: class_sums(torch.zeros(1, 3), torch.tensor([0]))
    )
    with pytest.raises(DataError, match=r"no centroid for the classes \[1, 2\]"):
        start(recipe(), network(), tmp_path, algorithms=[algorithm])


def test_the_paper_preset_names_classes_of_the_incomplete_batch_and_the_way_out_is_one(
    start, recipe, network, data, tmp_path
):
    few = recipe(batch_size=20)  # of 32 images: 12 are left over in each pass
    plain = start(few, network(), tmp_path / "plain")
    seen = set(next(plain.batches.epoch(-1)).indices.tolist())
    _, labels = data
    labels[:] = torch.arange(32) % 2
    labels[min(set(range(32)) - seen)] = 2
    for number, options in enumerate(({}, {"centroids": "epoch"})):
        paper = mcmi(preset="paper", **options)
        with pytest.raises(DataError, match=r"no centroid for the classes \[2\]: .*preset: ours"):
            start(few, network(), tmp_path / str(number), algorithms=[paper])
    start(few, network(), tmp_path / "ours", algorithms=[mcmi(weight=0.25, centroids="frozen")])


@pytest.mark.parametrize("objective", ["entropy", "squared-error"])
def test_controls_without_centroids_are_measured_too(objective, start, recipe, network, tmp_path):
    run = start(recipe(), network(), tmp_path / "a", algorithms=[mcmi(objective=objective)])
    fit(run)
    found = logged(run, "cmi")
    assert len(found) == 2
    assert found[-1] == pytest.approx(cmi(*outputs_of(run)).item(), abs=1e-6)
    assert len(logged(run, "ncmi")) == 2
    assert logged(run, "surrogate") == logged(run, "drift") == []
    off = mcmi(objective=objective, measure=False)
    unmeasured = start(recipe(), network(), tmp_path / "b", algorithms=[off])
    fit(unmeasured)
    assert logged(unmeasured, "cmi") == []


@pytest.mark.parametrize(
    ("options", "plain"),
    [
        ({"weight": 0.4}, lambda bank: MCMILoss(bank, 0.4)),
        (
            {"objective": "cmic", "weight": 0.4, "separation_weight": 0.3},
            lambda bank: CMICLoss(bank, 0.4, 0.3),
        ),
        ({"objective": "entropy", "weight": 0.4}, lambda _bank: EntropyBonusLoss(0.4)),
        ({"objective": "squared-error"}, lambda _bank: SquaredErrorLoss()),
    ],
)
def test_the_terms_sum_to_the_plain_loss(options, plain, start, recipe, network, tmp_path):
    algorithm = mcmi(**options)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm])
    batch = next(run.batches.epoch(0))
    outputs = 5 * run.network(batch.images)
    labels = torch.where(torch.arange(8) < 2, -1, batch.labels)
    batch = replace(batch, labels=labels)
    losses = algorithm.change_losses(run.losses_of(outputs, labels), outputs, batch, run)
    torch.testing.assert_close(sum(losses.values()), plain(algorithm.bank)(outputs, labels))
