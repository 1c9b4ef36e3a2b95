"""A run that was stopped goes on as if it had not been."""

import errno
import os

import pytest
import torch

from figureground.base.errors import DataError
from figureground.training import Validation, fit
from figureground.training.algorithm import Algorithm
from figureground.training.checkpoint import load_checkpoint, save_checkpoint
from figureground.training.recipe import RecipePart


class Stopped(Exception):  # noqa: N818 - not an error
    """What stands for a kill."""


class Counting(Algorithm):
    """Has a head and a memory, both of which matter."""

    def __init__(self):
        super().__init__(RecipePart(), 3)
        self.count = 0

    def modules(self, network):
        return {"scale": torch.nn.Linear(3, 3)}

    def state(self):
        return {"count": self.count}

    def load_state(self, state):
        self.count = state["count"]

    def change_losses(self, losses, outputs, batch, run):
        self.count += 1
        return losses | {"more": run.heads["scale"](outputs).square().mean() * self.count}


def stop_at(step):
    def progress(_stage, done, _total):
        if done == step * 8:
            raise Stopped

    return progress


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    stop, start, recipe, network, data, tmp_path
):
    full = recipe(
        epochs=3,
        ema=0.9,
        checkpoint_every=2,
        accumulate=2,
        schedule={"kind": "one-cycle", "warm_up": 0.2},
    )

    def begin(folder):
        torch.default_generator.manual_seed(4)
        net = network(dropout=0.3, norm=True)
        algorithms = [Counting()]
        return start(full, net, tmp_path / folder, algorithms=algorithms, crop_padding=1, flip=True)

    held = Validation(data[0], data[1], 3)
    whole = begin("whole")
    fit(whole, held)
    with pytest.raises(Stopped):
        fit(begin("parts"), held, stop_at(stop))
    again = begin("parts")
    if stop > 2:
        load_checkpoint(again)
        assert 0 < again.step <= stop
    fit(again, held)
    for name in ("best.safetensors", "last.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes(), name
    assert again.algorithms[0].count == whole.algorithms[0].count == 12
    for one, other in zip(again.extras.parameters(), whole.extras.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_full_disk_is_an_error_in_words_and_leaves_the_last_checkpoint(
    start, recipe, network, tmp_path, monkeypatch
):
    run = start(recipe(), network(), tmp_path)
    before = save_checkpoint(run).read_bytes()
    run.step = 5

    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*resume\.pt: No space left on device"):
        save_checkpoint(run)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["resume.pt"]
    assert (tmp_path / "resume.pt").read_bytes() == before
    load_checkpoint(run)
    assert run.step == 0


def test_a_folder_that_cannot_be_written_is_an_error_in_words(start, recipe, network, tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = start(recipe(), network(), tmp_path / "file" / "run")
    with pytest.raises(DataError, match=r"cannot write .*resume\.pt"):
        save_checkpoint(run)


def test_a_checkpoint_of_another_recipe_is_refused(start, recipe, network, tmp_path):
    save_checkpoint(start(recipe(), network(), tmp_path))
    with pytest.raises(DataError, match="belongs to another recipe"):
        load_checkpoint(start(recipe(epochs=5), network(), tmp_path))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x80\x02."])
def test_a_damaged_checkpoint_is_refused(content, start, recipe, network, tmp_path):
    (tmp_path / "resume.pt").write_bytes(content)
    with pytest.raises(DataError, match="cannot resume from"):
        load_checkpoint(start(recipe(), network(), tmp_path))


def test_a_file_that_is_no_checkpoint_of_a_run_is_refused(start, recipe, network, tmp_path):
    torch.save({"weights": 1}, tmp_path / "resume.pt")
    with pytest.raises(DataError, match="is no checkpoint of a run"):
        load_checkpoint(start(recipe(), network(), tmp_path))


def test_without_a_checkpoint_there_is_nothing_to_resume(start, recipe, network, tmp_path):
    with pytest.raises(DataError, match="cannot resume from"):
        load_checkpoint(start(recipe(), network(), tmp_path))
