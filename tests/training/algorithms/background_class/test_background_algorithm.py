"""Backgrounds in a batch: which, how many, with which label, at what cost."""

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data.background import Concat, Monochrome, build_pool, read_pool
from figureground.training import Batches
from figureground.training.algorithms.background_class.algorithm import (
    BackgroundClass,
    BackgroundClassOptions,
)
from figureground.training.algorithms.background_class.pool import load_pool
from figureground.training.recipe import DataSpec

POOL = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 6, 6).contiguous()


def options(**words):
    return BackgroundClassOptions(pools=("given",), **({"start": 0.0} | words))


@pytest.fixture
def begun(start, recipe, network, tmp_path):
    def make(chosen, *, labels=(), **settings):
        algorithm = BackgroundClass(chosen, 3, POOL)
        net = network(3 + algorithm.extra_outputs)
        words = {"label_smoothing": settings.pop("label_smoothing", 0.0)}
        return start(recipe(**words), net, tmp_path, algorithms=[algorithm], **settings), algorithm

    return make


def batches_of(run, algorithm, steps):
    found = []
    for batch in list(run.batches.epoch(0))[:steps]:
        found.append(algorithm.change_batch(batch, run))
        run.step += 1
    return found


def test_backgrounds_follow_the_images_of_plain_training(begun, data):
    run, algorithm = begun(options(ratio=0.5), crop_padding=1, flip=True)
    plain = list(run.batches.epoch(0))
    for mixed, before in zip(batches_of(run, algorithm, 4), plain, strict=True):
        assert len(mixed) == 12
        assert torch.equal(mixed.images[:8], before.images)
        assert torch.equal(mixed.labels, torch.cat([before.labels, torch.full((4,), 3)]))
        assert mixed.indices[8:].tolist() == [-1] * 4
        assert mixed.crops is not None
        assert len(mixed.crops.top) == 12


def test_the_pool_is_gone_through_in_a_random_order_again_and_again(begun):
    run, algorithm = begun(options(ratio=0.5))
    drawn = [
        round(float(value) * 255)
        for batch in batches_of(run, algorithm, 4)
        for value in batch.images[8:, 0, 0, 0]
    ]
    assert len(drawn) == 16
    passes = [drawn[start : start + 5] for start in (0, 5, 10)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in passes)
    assert len({tuple(one) for one in passes}) == 3
    run.step = 2
    again = algorithm.change_batch(list(run.batches.epoch(0))[2], run)
    assert [round(float(v) * 255) for v in again.images[8:, 0, 0, 0]] == drawn[8:12]


@pytest.mark.parametrize(("words", "count"), [({}, 1), ({"ratio": 1.0}, 8), ({"ratio": 0.01}, 1)])
def test_the_number_of_backgrounds_follows_the_ratio(words, count, begun):
    run, algorithm = begun(options(**words))
    assert algorithm.per_batch == count
    assert len(batches_of(run, algorithm, 1)[0]) == 8 + count


def test_the_loss_is_cross_entropy_over_one_output_more(begun):
    run, algorithm = begun(options(ratio=0.5))
    batch = batches_of(run, algorithm, 1)[0]
    outputs = run.network(batch.images)
    losses = run.losses_of(outputs, batch.labels) | {"other": torch.tensor(1.0)}
    found = algorithm.change_losses(losses, outputs, batch, run)
    assert set(found) == {"background_class", "other"}
    torch.testing.assert_close(found["background_class"], F.cross_entropy(outputs, batch.labels))


@pytest.mark.parametrize(
    ("objective", "smoothing"),
    [("background-class", 0.2), ("uniform", 0.0), ("energy", 0.0), ("constant", 0.2)],
)
def test_before_the_start_the_known_classes_are_learnt_alone(objective, smoothing, begun):
    run, algorithm = begun(
        options(ratio=0.5, objective=objective, start=0.5), label_smoothing=smoothing
    )
    steps = 2 * len(run.batches)  # of two epochs
    run.step = steps // 2 - 1
    plain = next(iter(run.batches.epoch(0)))
    batch = algorithm.change_batch(plain, run)
    assert torch.equal(batch.images, plain.images)
    labels = plain.labels.clone()
    labels[:2] = 3  # backgrounds that the data bring along
    outputs = run.network(batch.images)
    told = run.batches.make_of(run.batches.images[:8], labels, indices=torch.arange(8))
    (found,) = algorithm.change_losses({}, outputs, told, run).values()
    wanted = F.cross_entropy(outputs[2:, :3], labels[2:], label_smoothing=smoothing)
    torch.testing.assert_close(found, wanted)
    run.step += 1
    assert len(algorithm.change_batch(plain, run)) == 12


@pytest.mark.parametrize(("scale", "told"), [(0.0, True), (50.0, False)])
def test_backgrounds_that_join_before_the_classes_are_learnt_are_told_of(scale, told, begun):
    run, algorithm = begun(options(ratio=0.5, start=0.5))
    batch = next(iter(run.batches.epoch(0)))
    outputs = scale * F.one_hot(batch.labels, 4).float()  # right, or the same for all
    algorithm.change_losses({}, outputs, batch, run)
    words = " ".join(algorithm.description().get("warnings", []))
    assert (
        "hardly learnt when the backgrounds joined (loss 1.10; by chance 1.10)" in words
    ) == told
    again = BackgroundClass(options(ratio=0.5, start=0.5), 3, POOL)
    again.load_state(algorithm.state())
    assert again.description() == algorithm.description()


def test_before_the_start_backgrounds_alone_cost_nothing(begun):
    run, algorithm = begun(options(ratio=0.5, start=0.5))
    batch = run.batches.make_of(
        run.batches.images[:2], torch.tensor([3, 3]), indices=torch.arange(2)
    )
    (found,) = algorithm.change_losses({}, run.network(batch.images), batch, run).values()
    assert float(found.detach()) == 0
    assert found.requires_grad


def test_labels_of_all_outputs_are_smoothed_as_the_recipe_says(begun):
    run, algorithm = begun(options(ratio=0.5), label_smoothing=0.2)
    batch = batches_of(run, algorithm, 1)[0]
    outputs = run.network(batch.images)
    found = algorithm.change_losses({}, outputs, batch, run)["background_class"]
    wanted = F.cross_entropy(outputs, batch.labels, label_smoothing=0.2)
    torch.testing.assert_close(found, wanted)


def test_rivals_have_no_output_more_and_see_the_same_images(begun):
    run, algorithm = begun(options(ratio=0.5, objective="uniform", lam=0.7))
    assert algorithm.extra_outputs == 0
    batch = batches_of(run, algorithm, 1)[0]
    assert batch.labels[8:].tolist() == [-1] * 4
    outputs = run.network(batch.images)
    found = algorithm.change_losses(run.losses_of(outputs, batch.labels), outputs, batch, run)
    wanted = F.cross_entropy(outputs[:8], batch.labels[:8])
    flat = -outputs[8:].log_softmax(1).mean()
    torch.testing.assert_close(found["uniform"], wanted + 0.7 * flat)


def test_the_energy_rival_parts_energies(begun):
    run, algorithm = begun(options(ratio=0.5, objective="energy", margin_in=-2.0, margin_out=-1.0))
    batch = batches_of(run, algorithm, 1)[0]
    outputs = run.network(batch.images)
    found = algorithm.change_losses({}, outputs, batch, run)
    energy = -outputs.logsumexp(1)
    hinges = (energy[:8] + 2).relu().square().mean() + (-1 - energy[8:]).relu().square().mean()
    wanted = F.cross_entropy(outputs[:8], batch.labels[:8]) + 0.1 * hinges
    torch.testing.assert_close(found["energy"], wanted)


def test_the_constant_rival_learns_a_logit_that_does_not_look(begun):
    run, algorithm = begun(options(ratio=0.5, objective="constant"))
    batch = batches_of(run, algorithm, 1)[0]
    outputs = run.network(batch.images)
    found = algorithm.change_losses({}, outputs, batch, run)["constant"]
    labels = batch.labels.masked_fill(batch.labels == -1, 3)
    joined = torch.cat([outputs, torch.zeros(12, 1)], 1)
    torch.testing.assert_close(found, F.cross_entropy(joined, labels))
    (tau,) = run.extras.parameters()
    assert float(torch.autograd.grad(found, tau)[0]) != 0


def test_backgrounds_that_the_data_bring_are_unlabelled_for_a_rival(begun, recipe):
    run, algorithm = begun(BackgroundClassOptions(objective="uniform"))
    algorithm.pool = None
    images = run.batches.images[:3]
    batch = run.batches.make_of(images, torch.tensor([0, 3, 2]), indices=torch.arange(3))
    assert algorithm.change_batch(batch, run).labels.tolist() == [0, -1, 2]


def test_a_pool_must_be_shared_evenly(start, recipe, network, data, tmp_path):
    run = start(recipe(), network(4), tmp_path)
    run.batches = Batches(data[0], data[1], 8, 0, world=2)
    with pytest.raises(OptionError, match="2 processes cannot share 3 backgrounds a batch"):
        BackgroundClass(options(ratio=0.375), 3, POOL).prepare(run)


def test_options_without_effect_are_refused():
    with pytest.raises(ValueError, match="needs pools"):
        BackgroundClassOptions(ratio=1.0)


def test_label_smoothing_is_refused_where_an_objective_has_none(begun):
    with pytest.raises(OptionError, match="'uniform' knows no label smoothing"):
        begun(options(objective="uniform"), label_smoothing=0.1)


def test_a_folder_becomes_images_of_the_size_and_colours_of_training(tmp_path):
    (tmp_path / "inner").mkdir()
    Image.new("RGB", (8, 4), (255, 0, 0)).save(tmp_path / "a.png")
    Image.new("L", (4, 8), 7).save(tmp_path / "inner" / "b.png")
    colours = load_pool([str(tmp_path)], shape=(3, 4, 4), seed=0)[0]
    assert colours.shape == (2, 3, 4, 4)
    assert colours[:, :, 0, 0].tolist() == [[255, 0, 0], [7, 7, 7]]
    grey = load_pool([str(tmp_path), str(tmp_path / "inner")], shape=(1, 4, 4), seed=0)[0]
    assert grey[:, 0, 0, 0].tolist() == [76, 7, 7]


def test_of_a_finished_pool_only_the_images_to_train_on_are_taken(tmp_path):
    record = build_pool(Concat(Monochrome(levels=tuple(range(10)), side=4)), tmp_path / "pool")
    kept = read_pool(tmp_path / "pool")
    found = load_pool([str(tmp_path / "pool")], shape=(3, 4, 4), seed=0)[0]
    assert found[:, :, 0, 0].tolist() == [kept[row][0, 0].tolist() for row in range(len(kept))]
    assert 0 < len(found) < len(record.images)


def test_a_data_sets_own_backgrounds_are_taken():
    spec = DataSpec(name="cluttered-digits", count=20, background=True)
    assert load_pool([spec], shape=(1, 48, 48), seed=0)[0].shape == (2, 1, 48, 48)
    every = spec.model_copy(update={"background": False, "limit": 5})
    assert load_pool([every], shape=(3, 48, 48), seed=0)[0].shape == (5, 3, 48, 48)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no"):
        load_pool([str(tmp_path)], shape=(3, 4, 4), seed=0)
