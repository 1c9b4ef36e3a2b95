"""When maps are made, whose they are, what a batch becomes, what resumes."""

import pytest
import torch

from figureground.training import fit
from figureground.training.algorithms import make_algorithms, resolved
from figureground.training.algorithms.background_class.algorithm import (
    BackgroundClass,
    BackgroundClassOptions,
)
from figureground.training.algorithms.cam_erasing import (
    CamErasing,
    CamErasingOptions,
    algorithm as page,
    image_maps,
    warp_maps,
)
from figureground.training.checkpoint import load_checkpoint

ALWAYS = {"p": 1.0, "fill": "zero", "start": 0.0}


@pytest.fixture
def begun(start, recipe, network, tmp_path):
    def make(*, epochs=2, folder="run", settings=None, before=(), outputs=3, **words):
        erasing = CamErasing(CamErasingOptions(**words), 3)
        run = start(
            recipe(epochs=epochs),
            network(outputs, norm=True),
            tmp_path / folder,
            algorithms=[*before, erasing],
            **(settings or {"crop_padding": 1, "flip": True}),
        )
        return run, erasing

    return make


@pytest.mark.parametrize(
    ("start_at", "every", "wanted"),
    [(0.5, 10, [10, 20]), (0.5, None, [10]), (0.0, 8, [0, 8, 16]), (0.26, 100, [5])],
)
def test_maps_are_due_from_the_start_on_at_every_refresh(start_at, every, wanted):
    options = CamErasingOptions(start=start_at, refresh_every=every)
    epochs = 30 if every == 10 else 20
    wanted = [15, 25] if every == 10 else wanted
    assert [e for e in range(epochs + 1) if options.is_due(e, epochs)] == wanted


def test_maps_are_made_as_often_as_they_are_due_and_before_their_epoch(begun):
    run, erasing = begun(epochs=5, start=0.4, refresh_every=2)
    seen = []
    fit(run, progress=lambda *_: seen.append((run.epoch, erasing.refreshes)))
    assert seen[::4] == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)]
    assert erasing.cache is not None
    assert erasing.cache.covered.all()


def test_maps_are_those_of_whole_images_by_the_network_as_it_is_then(begun):
    run, erasing = begun(epochs=2, start=0.5)
    fit(run)
    once = erasing.cache.levels.clone()
    erasing.refresh(run)
    now = image_maps(run.network, run.batches.images, run.batches.labels)
    assert torch.equal(erasing.cache.levels, (now * 255).round().byte())
    assert not torch.equal(once, erasing.cache.levels)


def test_uniform_erasing_never_makes_a_map(begun, monkeypatch):
    def refuse(*_args, **_words):
        raise AssertionError("maps were made")

    monkeypatch.setattr(page, "cached_maps", refuse)
    run, erasing = begun(region="uniform", start=0.0)
    fit(run)
    assert erasing.cache is None
    batch = next(iter(run.batches.epoch(0)))
    run.epoch = 0
    assert not torch.equal(erasing.change_batch(batch, run).images, batch.images)


def test_before_the_start_images_are_erased_anywhere_or_not_at_all(begun):
    run, without = begun(start=1.0)
    batch = next(iter(run.batches.epoch(0)))
    waiting = {"start": 1.0, "p": 1.0}
    none = CamErasing(CamErasingOptions.model_validate(waiting | {"before": "none"}), 3)
    assert none.change_batch(batch, run) is batch
    anywhere = CamErasing(CamErasingOptions(start=1.0, p=1.0), 3)
    plain = CamErasing(CamErasingOptions(start=0.0, p=1.0, region="uniform"), 3)
    one, other = (a.change_batch(batch, run).images for a in (anywhere, plain))
    assert torch.equal(one, other)
    assert not torch.equal(one, batch.images)
    assert without.cache is None


def test_order_crops_and_pixels_outside_are_those_of_plain_training(begun):
    run, erasing = begun(**ALWAYS)
    for batch in run.batches.epoch(0):
        changed = erasing.change_batch(batch, run)
        kept = (changed.images == batch.images).all(1)
        assert torch.equal(changed.images[:, 0][kept], batch.images[:, 0][kept])
        assert (changed.images[:, 0][~kept] == 0).all()
        assert torch.equal(changed.indices, batch.indices)
        assert changed.crops is batch.crops
        run.step += 1


def test_what_is_erased_depends_on_seed_and_step_alone(begun):
    run, erasing = begun(**ALWAYS)
    batch = next(iter(run.batches.epoch(0)))
    first = erasing.change_batch(batch, run).images
    torch.rand(9)
    assert torch.equal(erasing.change_batch(batch, run).images, first)
    run.step += 1
    assert not torch.equal(erasing.change_batch(batch, run).images, first)


def test_the_rectangle_lies_where_the_moved_map_is_high(begun):
    run, erasing = begun(**ALWAYS, area=(0.11, 0.11), aspect=(1.0, 1.0))
    erasing.refresh(run)
    maps = torch.zeros(32, 6, 6)
    rows = torch.arange(32)
    maps[rows, 1 + rows % 4, 1 + rows % 3] = 1
    erasing.cache.levels = (maps * 255).byte()
    for batch in run.batches.epoch(0):
        moved = warp_maps(maps[batch.indices], batch.crops, (6, 6))
        ones = torch.ones_like(batch.images)
        erased = erasing.change_batch(
            type(batch)(ones, batch.labels, batch.indices, batch.crops), run
        )
        gone = erased.images[:, 0] == 0
        seen = moved.flatten(1).any(1)
        assert (gone.flatten(1).sum(1) == 4).all()
        assert ((gone * moved).flatten(1).sum(1)[seen] == 1).all()
        run.step += 1


def test_backgrounds_of_another_algorithm_are_erased_anywhere(begun):
    pool = torch.full((5, 1, 6, 6), 255, dtype=torch.uint8)
    background = BackgroundClass(BackgroundClassOptions(pools=("given",), ratio=1.0), 3, pool)
    run, erasing = begun(**ALWAYS, before=[background], outputs=4)
    fit(run)
    run.epoch = 0
    places = set()
    for step in range(60):
        run.step = step
        batch = background.change_batch(next(iter(run.batches.epoch(0))), run)
        changed = erasing.change_batch(batch, run)
        assert changed.labels.tolist() == batch.labels.tolist()
        gone = (changed.images != batch.images)[8:, 0]
        assert (batch.indices[8:] == -1).all()
        places |= {tuple(p) for g in gone for p in g.nonzero().tolist()}
    assert len(places) > 25
    assert not erasing._low_maps(erasing.cache, batch.indices)[8:].any()


def test_backgrounds_that_the_data_bring_have_no_map(begun):
    run, erasing = begun(start=0.0, outputs=4)
    run.batches.labels[5] = 3
    run.batches.labels[6] = -1
    erasing.refresh(run)
    assert not erasing.cache.levels[5:7].any()
    assert erasing.cache.levels[7:].any()


def test_a_shuffled_control_gives_each_image_the_map_of_another_one(begun):
    run, erasing = begun(start=0.0, control="shuffled")
    erasing.refresh(run)
    erasing.cache.levels = torch.arange(32, dtype=torch.uint8)[:, None, None].expand(-1, 2, 2)
    found = (erasing._low_maps(erasing.cache, torch.arange(32))[:, 0, 0] * 255).round().long()
    assert sorted(found.tolist()) == list(range(32))
    assert (found != torch.arange(32)).all()


def test_a_mean_control_gives_all_images_one_map(begun):
    run, erasing = begun(start=0.0, control="mean")
    erasing.refresh(run)
    maps = erasing._low_maps(erasing.cache, torch.tensor([0, 7, -1]))
    torch.testing.assert_close(maps[0], erasing.cache.mean()[0])
    assert torch.equal(maps[0], maps[1])
    assert not maps[2].any()


def test_the_fill_mean_is_the_mean_colour_of_the_images(begun, data):
    run, erasing = begun(**ALWAYS | {"fill": "mean"})
    batch = next(iter(run.batches.epoch(0)))
    changed = erasing.change_batch(batch, run).images
    inside = changed[changed != batch.images].unique()
    torch.testing.assert_close(inside, (data[0].float() / 255).mean()[None])


@pytest.mark.parametrize(
    "words",
    [
        {"start": 0.0, "refresh_every": 1, "p": 1.0},
        {"start": 0.5, "control": "shuffled", "p": 1.0},
        {"start": 0.5, "control": "mean", "p": 1.0, "before": "none"},
        {"region": "away", "method": "layer-cam", "start": 0.3, "p": 1.0},
    ],
)
def test_a_run_that_was_stopped_ends_with_the_same_weights(words, start, recipe, network, tmp_path):
    full = resolved(
        recipe(epochs=3, checkpoint_every=1, algorithms=[{"cam-erasing": {"refresh_every": 1} | words}])
    )  # fmt: skip

    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def begin(folder):
        algorithms = make_algorithms(full, 3)
        net = network(norm=True)
        return start(full, net, tmp_path / folder, algorithms=algorithms, crop_padding=1, flip=True)

    whole = begin("whole")
    fit(whole)
    for stop_at in (3, 6, 9):

        def stop(_stage, done, _total, at=stop_at):
            if done == at * 8:
                raise Stopped

        with pytest.raises(Stopped):
            fit(begin(f"parts{stop_at}"), progress=stop)
        again = begin(f"parts{stop_at}")
        load_checkpoint(again)
        fit(again)
        assert again.algorithms[0].refreshes == whole.algorithms[0].refreshes
        for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"region": "uniform", "control": "mean"}, "about maps"),
        ({"refresh_every": 0}, "refresh_every"),
        ({"start": 1.5}, "start"),
        ({"regions": "object"}, "regions"),
    ],
)
def test_schedules_that_do_not_fit_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        CamErasingOptions(**words)
