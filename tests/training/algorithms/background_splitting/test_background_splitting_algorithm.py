"""Background splitting in the engine: what is trained, what is left as it was, what can be resumed."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.base.record import read_json
from figureground.training import fit
from figureground.training.algorithms.background_splitting import ClusterPseudoLabeler, PseudoLabels
from figureground.training.algorithms.background_splitting.algorithm import BackgroundSplitting
from figureground.training.algorithms.background_splitting.losses import main_loss
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.algorithms.background_splitting.teacher import Teacher
from figureground.training.algorithms.rotation import Rotation, RotationOptions


def splitting(labels: PseudoLabels | None = None, **options: Any) -> Any:
    return BackgroundSplitting(BackgroundSplittingOptions(**options), 3, labels)


@pytest.fixture
def pseudo() -> PseudoLabels:
    return PseudoLabels(torch.arange(32) % 5, 5)


def trained(run) -> list[torch.Tensor]:
    fit(run)
    return [value.clone() for value in run.network.state_dict().values()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_weight_of_zero_is_plain_training_bit_for_bit(start, recipe, network, pseudo, tmp_path):
    options = {"optimiser": {"lr": 0.2, "nesterov": True}}
    make = recipe(**options)
    plain = trained(start(make, network(4, norm=True), tmp_path / "plain"))
    off = splitting(aux_weight=0.0)
    assert same(
        plain, trained(start(make, network(4, norm=True), tmp_path / "off", algorithms=[off]))
    )
    one = splitting(PseudoLabels(torch.zeros(32).long(), 1), aux_weight=3.0)
    single = trained(start(make, network(4, norm=True), tmp_path / "one", algorithms=[one]))
    assert same(plain, single)
    split = splitting(pseudo, aux_weight=0.1)
    other = trained(start(make, network(4, norm=True), tmp_path / "split", algorithms=[split]))
    assert not same(plain, other)


def test_the_term_is_that_of_the_heads_logits_on_the_same_pass(
    start, recipe, network, pseudo, tmp_path
):
    algorithm = splitting(pseudo, aux_weight=0.5)
    run = start(recipe(), network(4), tmp_path, algorithms=[algorithm])
    batch = algorithm.change_batch(next(run.batches.epoch(0)), run)
    outputs = run.model(batch.images)
    losses = algorithm.change_losses(run.losses_of(outputs, batch.labels), outputs, batch, run)
    features = run.network[:-1](batch.images)
    logits = run.extras["background_splitting"](features)
    torch.testing.assert_close(
        losses["pseudo_classes"], 0.5 * F.cross_entropy(logits, pseudo.hard[batch.indices])
    )
    torch.testing.assert_close(losses["cross_entropy"], F.cross_entropy(outputs, batch.labels))
    slope = torch.autograd.grad(losses["pseudo_classes"], run.network[0].weight)[0]
    assert slope.abs().sum() > 0


def test_listening_ends_with_the_step_and_other_algorithms_do_not_disturb(
    start, recipe, network, pseudo, tmp_path
):
    found = []
    for order in (0, 1):
        mine, other = splitting(pseudo), Rotation(RotationOptions(), 4)
        both = [mine, other] if order else [other, mine]
        run = start(recipe(), network(4), tmp_path / str(order), algorithms=both)
        for head in run.extras.values():
            nn.init.constant_(head.weight, 0.1)
            nn.init.zeros_(head.bias)
        found.append(trained(run))
        assert not run.network[-1]._forward_hooks
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))


def test_a_fixed_logit_is_in_the_network_and_stays_there(start, recipe, network, pseudo, tmp_path):
    algorithm = splitting(pseudo, fixed_logit=1.5)
    run = start(
        recipe(ema=0.9, optimiser={"lr": 0.3, "weight_decay": 0.1}), network(4), tmp_path, algorithms=[algorithm]
    )  # fmt: skip
    before = run.network[-1].weight[:3].detach().clone()
    fit(run)
    for one in (run.network, run.trained):
        logits = one(torch.rand(5, 1, 6, 6))
        assert torch.equal(logits[:, 3], torch.full((5,), 1.5))
    assert not torch.equal(before, run.network[-1].weight[:3])
    with pytest.raises(OptionError, match="with a bias"):
        start(recipe(), nn.Sequential(nn.Flatten(), nn.Linear(36, 4, bias=False)), tmp_path / "b",
              algorithms=[splitting(pseudo, fixed_logit=0.0)])  # fmt: skip


@pytest.mark.parametrize("name", ["class-balanced", "focal", "ldam", "logit-adjusted", "binary"])
def test_another_main_loss_takes_the_place_of_the_plain_one(name, start, recipe, network, tmp_path):
    algorithm = splitting(main=name, aux_weight=0.0, deferred=0.0)
    run = start(recipe(), network(4), tmp_path, algorithms=[algorithm])
    batch = algorithm.change_batch(next(run.batches.epoch(0)), run)
    outputs = run.model(batch.images)
    losses = algorithm.change_losses(run.losses_of(outputs, batch.labels), outputs, batch, run)
    labels = run.batches.labels
    loss: Any = main_loss(name, [int((labels == c).sum()) for c in range(4)])
    if name == "ldam":
        loss.reweighted = True
    assert list(losses) == [name.replace("-", "_")]
    torch.testing.assert_close(losses[name.replace("-", "_")], loss(outputs, batch.labels))
    if name == "binary":
        # 33: a class without images, here the background, counts as one
        shares = torch.tensor([int((labels == c).sum()) / 33 for c in range(3)])
        torch.testing.assert_close(run.network[-1].bias[:3].sigmoid().detach(), shares)
    with pytest.raises(OptionError, match="label smoothing"):
        start(recipe(label_smoothing=0.1), network(4), tmp_path / "s",
              algorithms=[splitting(main=name, aux_weight=0.0)])  # fmt: skip


def test_a_frozen_trunk_stays_and_its_last_layer_learns(start, recipe, network, tmp_path):
    algorithm = splitting(aux_weight=0.0, trunk="frozen")
    run = start(recipe(), network(4, norm=True), tmp_path, algorithms=[algorithm])
    after = dict(zip(run.network.state_dict(), trained(run), strict=True))
    for name, value in network(4, norm=True).state_dict().items():
        assert torch.equal(value, after[name]) == (not name.startswith("6."))


def test_every_batch_gets_rare_images_where_wanted(start, recipe, network, tmp_path):
    algorithm = splitting(aux_weight=0.0, extra_positives=5)
    run = start(recipe(), network(4), tmp_path, algorithms=[algorithm], crop_padding=1)
    run.batches.labels[2:] = 3
    algorithm.prepare(run)
    batch = algorithm.change_batch(next(run.batches.epoch(0)), run)
    assert len(batch) == 13
    assert set(batch.indices[8:].tolist()) == {0, 1}
    assert torch.equal(batch.labels[8:], run.batches.labels[batch.indices[8:]])
    assert algorithm.description()["extra_positives"] == 5
    run.batches.labels[:] = 3
    with pytest.raises(DataError, match="no training image is of a rare class"):
        algorithm.prepare(run)


def test_the_teacher_is_asked_once_and_its_classifier_begins_the_head(
    start, recipe, network, tmp_path
):
    teacher = tmp_path / "teacher.py"
    teacher.write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),"
        " nn.Linear(4, 7))\n"
    )
    spec = {
        "name": f"{teacher}:build",
        "preprocessing": {"size": [6, 6], "mean": [0.0], "std": [1.0], "channels": 1},
    }
    options: dict[str, Any] = {"teacher": spec, "cache": str(tmp_path / "cache")}
    algorithm = splitting(**options)
    run = start(recipe(), network(4), tmp_path / "run", algorithms=[algorithm])
    assert run.extras["background_splitting"].out_features == 7
    assert algorithm.labels.num_classes == 7
    assert algorithm.description()["class_counts"][3] == 0
    stored = read_json(tmp_path / "run" / "pseudo_labels.json")
    assert stored["perplexity"] == pytest.approx(algorithm.description()["perplexity"])
    assert len(list((tmp_path / "cache").glob("pseudo-*.npz"))) == 1
    soft = splitting(**options, pseudo="soft", temperature=2.0, permuted=True)
    other = start(recipe(), network(4), tmp_path / "soft", algorithms=[soft])
    assert soft.labels.soft.shape == (32, 7)
    fit(other)


def test_permuted_labels_are_the_same_ones_on_other_images(start, recipe, network, tmp_path):
    found = []
    for permuted in (False, True):
        algorithm = splitting(clusters=3, permuted=permuted, cache=str(tmp_path / "cache"))
        start(recipe(), network(4), tmp_path / str(permuted), algorithms=[algorithm])
        found.append(algorithm.labels.hard)
    assert not torch.equal(found[0], found[1])
    assert found[0].sort().values.tolist() == found[1].sort().values.tolist()


def test_clusters_are_cached_so_that_a_resumed_run_has_the_same_ones(
    start, recipe, network, tmp_path, monkeypatch
):
    found = []
    for _ in range(2):
        algorithm = splitting(clusters=3)
        start(recipe(), network(4), tmp_path, algorithms=[algorithm])
        found.append(algorithm.labels)
        # a device that rounds differently, as it were
        monkeypatch.setattr(ClusterPseudoLabeler, "label", lambda *_: pytest.fail("made anew"))
    assert torch.equal(found[0].hard, found[1].hard)
    assert len(list((tmp_path / "pseudo-labels").iterdir())) == 1


def test_a_teacher_that_fits_gives_its_last_layer():
    algorithm = splitting(teacher="source:y")
    teacher: Any = Teacher(nn.Sequential(nn.Flatten(), nn.Linear(4, 9)), algorithm.chosen)
    assert teacher.outputs == 9
    assert teacher.classifier(4) is teacher.network[1]
    assert teacher.classifier(5) is None
    fresh = splitting(teacher="source:y", aux_init="fresh")
    assert Teacher(teacher.network, fresh.chosen).classifier(4) is None


def test_options_that_would_do_nothing_are_refused():
    with pytest.raises(ValueError, match="needs a teacher"):
        BackgroundSplittingOptions(pseudo="soft")
    with pytest.raises(ValueError, match="cannot reach a frozen trunk"):
        BackgroundSplittingOptions(trunk="frozen")
    with pytest.raises(ValueError, match="would undo the fixed_logit"):
        BackgroundSplittingOptions(afterwards="scaled", fixed_logit=0.0)


def test_ldam_weights_classes_after_the_deferred_share_of_the_run(start, recipe, network, tmp_path):
    algorithm = splitting(main="ldam", aux_weight=0.0, deferred=0.5)
    run = start(recipe(), network(4), tmp_path, algorithms=[algorithm])
    seen = []
    fit(run, progress=lambda *_: seen.append(algorithm.loss.main.reweighted))
    assert seen == [False] * 4 + [True] * 4


def test_numbers_of_the_main_loss_come_from_the_recipe(start, recipe, network, tmp_path):
    algorithm = splitting(
        main="ldam", aux_weight=0.0, main_settings={"scale": 30.0, "max_margin": 0.25}
    )
    start(recipe(), network(4), tmp_path, algorithms=[algorithm])
    assert algorithm.loss.main.scale == 30
    assert float(algorithm.loss.main.margins.max()) == 0.25
    with pytest.raises(
        ValueError, match="no setting of the main loss 'ldam' 'scal'; closest: 'scale'"
    ):
        splitting(main="ldam", main_settings={"scal": 30.0})
    with pytest.raises(ValueError, match="no setting of the main loss 'binary' 'gamma'"):
        splitting(main="binary", main_settings={"gamma": 1.0})


def test_a_fixed_logit_leaves_what_others_made_of_the_cross_entropy(
    start, recipe, network, pseudo, tmp_path
):
    algorithm = splitting(pseudo, fixed_logit=0.5)
    run = start(recipe(), network(4), tmp_path, algorithms=[algorithm])
    batch = algorithm.change_batch(next(run.batches.epoch(0)), run)
    outputs = run.model(batch.images)
    weighed = {"cross_entropy": 0.25 * F.cross_entropy(outputs, batch.labels)}
    losses = algorithm.change_losses(weighed, outputs, batch, run)
    assert losses["cross_entropy"] == weighed["cross_entropy"]


def test_a_fixed_logit_trains_the_rest_as_a_constant_column_would(start, recipe, network, tmp_path):
    algorithm = splitting(aux_weight=0.0, fixed_logit=-0.5)
    run = start(recipe(epochs=1), network(4), tmp_path, algorithms=[algorithm])
    run.batches.labels[4:] = 3
    twin = network(3)
    twin.load_state_dict(
        {n: v[:3] if n.startswith("6.") else v.clone() for n, v in run.network.state_dict().items()}
    )
    optimiser = torch.optim.SGD(twin.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, run.schedule.lr_lambdas[0])
    for batch in run.batches.epoch(0):
        logits = twin(batch.images)
        logits = torch.cat([logits, torch.full((len(logits), 1), -0.5)], 1)
        optimiser.zero_grad()
        F.cross_entropy(logits, batch.labels).backward()
        optimiser.step()
        schedule.step()
    fit(run)
    for name, value in twin.state_dict().items():
        found = run.network.state_dict()[name]
        torch.testing.assert_close(found[:3] if name.startswith("6.") else found, value)


def test_added_images_that_processes_cannot_share_are_refused(start, recipe, network, tmp_path):
    algorithm = splitting(aux_weight=0.0, extra_positives=3)
    with pytest.raises(OptionError, match="2 processes cannot share 3 extra_positives"):
        start(recipe(), network(4), tmp_path, algorithms=[algorithm], world=2)


def test_a_network_with_another_number_of_outputs_is_refused(network):
    with pytest.raises(OptionError, match="last linear layer with 4 outputs"):
        splitting().modules(network(3))
