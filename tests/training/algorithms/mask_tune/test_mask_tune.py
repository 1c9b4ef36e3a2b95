"""What is hidden, by whose maps, from when on, and that it moves with the image."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from figureground.maps import resize
from figureground.training import fit
from figureground.training.algorithms import make_algorithms, resolved
from figureground.training.algorithms.mask_tune import MaskTune, MaskTuneOptions, most_active
from figureground.training.checkpoint import load_checkpoint
from figureground.training.crops import apply_crops
from figureground.training.own_maps.cache import CamCache
from figureground.training.own_maps.refresh import image_maps


@pytest.fixture
def begun(start, recipe, network, tmp_path):
    def make(*, epochs=2, settings=None, **options: Any):
        tune = MaskTune(MaskTuneOptions(**options), 3)
        held = settings or {"crop_padding": 1, "flip": True}
        net = network(norm=True)
        run = start(recipe(epochs=epochs), net, tmp_path / "run", algorithms=[tune], **held)
        return run, tune

    return make


def hidden_in(maps):
    """As NumPy finds it, image by image: above mean and two deviations of the positive values."""
    found = []
    for one in maps.double().numpy():
        values = one[one > 0]
        limit = values.mean() + 2 * values.std() if len(values) else np.inf
        found.append(torch.from_numpy(one > limit))
    return torch.stack(found)


def test_a_map_is_cut_at_two_deviations_above_the_mean_of_its_positive_values():
    numbers = torch.Generator().manual_seed(0)
    maps = torch.randn(20, 9, 11, generator=numbers) ** 3
    found = most_active(maps)
    assert torch.equal(found, hidden_in(maps))
    assert found.flatten(1).any(1).all()
    assert torch.equal(found, most_active(7 * maps))


@pytest.mark.parametrize("level", [-1.0, 0.0, 0.1, 0.3, 1e-30])
def test_nothing_of_a_constant_map_is_hidden(level):
    assert not most_active(torch.full((1, 5, 7), level)).any()


@pytest.mark.parametrize(
    ("start_at", "epochs", "wanted"),
    [(None, 1, 0), (None, 12, 11), (0.0, 5, 0), (0.7, 10, 7), (2 / 3, 3, 2), (0.999, 10, 9)],
)
def test_the_first_masked_epoch_is_never_beyond_the_last(start_at, epochs, wanted):
    assert MaskTuneOptions(start=start_at).first_epoch(epochs) == wanted


def test_before_its_epoch_nothing_changes_and_no_map_is_made(begun):
    run, tune = begun()
    batch = next(iter(run.batches.epoch(0)))
    assert tune.change_batch(batch, run) is batch
    assert tune.cache is None


def test_crops_of_masked_images_are_what_the_network_sees(begun, data):
    """Masked by a twin in whole images, then cropped and flipped."""
    run, tune = begun(epochs=1)
    low = torch.rand(32, 3, 3, generator=torch.Generator().manual_seed(2)) ** 8
    tune.cache = CamCache(32, (3, 3))
    tune.cache.put(torch.arange(32), low)
    hidden = hidden_in(resize(tune.cache.get(torch.arange(32)), (6, 6)))
    masked = (data[0].float() / 255).masked_fill(hidden[:, None], 0)
    seen = 0
    for batch in run.batches.epoch(0):
        found = tune.change_batch(batch, run)
        assert batch.crops is not None
        assert torch.equal(found.images, apply_crops(masked[batch.indices], batch.crops))
        assert torch.equal(found.labels, batch.labels)
        seen += int((found.images != batch.images).flatten(1).any(1).sum())
    assert seen > 16


def test_maps_are_those_of_the_network_when_the_masked_epoch_begins(begun, data, monkeypatch):
    run, tune = begun(epochs=3, settings={"crop_padding": 0})
    made, before = [], []

    def after_epoch(run):
        before.append((image_maps(run.network, *data) * 255).round().byte())

    def look(*_):
        made.append(torch.zeros(0) if tune.cache is None else tune.cache.levels.clone())

    monkeypatch.setattr(tune, "after_epoch", after_epoch)
    fit(run, progress=look)
    assert all(len(one) == 0 for one in made[:8])
    assert all(torch.equal(one, before[1]) for one in made[8:])
    assert len(made) == 12
    assert not torch.equal(before[1], before[2])


def test_images_from_elsewhere_or_of_no_class_stay(begun, data):
    run, tune = begun(epochs=1)
    shown = hidden_in(image_maps(run.network, *data)) & (data[0][:, 0] > 0)
    one, other, third, fourth = shown.flatten(1).any(1).nonzero()[:4, 0].tolist()
    run.batches.labels[one], run.batches.labels[other] = 3, -1
    batch = run.batches.make(torch.tensor([one, other, third, fourth]))
    batch = replace(batch, indices=torch.tensor([one, other, -1, fourth]))
    changed = (tune.change_batch(batch, run).images != batch.images).flatten(1).any(1)
    assert changed.tolist() == [False, False, False, True]


@pytest.mark.parametrize("stop_at", [5, 9, 11])
def test_a_run_that_was_stopped_ends_with_the_same_weights(
    stop_at, start, recipe, network, tmp_path
):
    algorithms = [{"mask-tune": {"start": 0.5}}]
    full = resolved(recipe(epochs=4, checkpoint_every=1, algorithms=algorithms))

    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(_stage, done, _total):
        if done == stop_at * 8:
            raise Stopped

    def begin(folder):
        made = make_algorithms(full, 3)
        held = {"crop_padding": 1, "flip": True}
        return start(full, network(norm=True), tmp_path / folder, algorithms=made, **held)

    whole = begin("whole")
    fit(whole)
    with pytest.raises(Stopped):
        fit(begin("parts"), progress=stop)
    again = begin("parts")
    load_checkpoint(again)
    assert (again.algorithms[0].cache is None) == (stop_at < 10)
    fit(again)
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)
