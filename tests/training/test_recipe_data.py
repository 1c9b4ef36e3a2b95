"""Which images are learnt from: what a run sets aside can be another's training images, and is never mixed up."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.studies.training.train import train
from figureground.training.recipe import DataSpec, changed
from figureground.training.recipe_data import training_data
from figureground.training.start import start_run

TINTS = DataSpec(name="planted-tints", count=60)


def held_in(part: Tensor, whole: Tensor) -> list[int]:
    """Rows of the whole, in order, whose pixels those of the part are."""
    rows = {one.numpy().tobytes(): row for row, one in enumerate(whole)}
    return [rows[one.numpy().tobytes()] for one in part]


def test_held_out_images_are_halves_of_what_is_set_aside():
    whole = training_data(TINTS, seed=3)
    halves = training_data(TINTS.model_copy(update={"use": "held-out"}), seed=3)
    first, second = (
        held_in(one[:], whole.val_images[:]) for one in (halves.images, halves.val_images)
    )
    assert sorted(first + second) == list(range(len(whole.val_labels)))
    assert abs(len(first) - len(second)) < 0.1 * len(whole.val_labels)
    for one, other in zip(halves.train.class_counts(), halves.val.class_counts(), strict=True):
        assert abs(one - other) < 0.4 * (one + other)
    assert whole.train.groups is not None
    assert halves.train.groups is not None
    assert halves.val.groups is not None
    assert not {*halves.train.groups.tolist()} & {*halves.val.groups.tolist()}
    assert halves.train.contexts is not None
    assert whole.val.contexts is not None
    assert torch.equal(halves.train.contexts, whole.val.contexts[first])
    assert "set aside for validation" in halves.train.notes[-1]


def test_the_seed_decides_the_halves_and_a_limit_holds():
    spec = TINTS.model_copy(update={"use": "held-out"})
    one, same = (training_data(spec, seed=0) for _ in range(2))
    assert torch.equal(one.images[:], same.images[:])
    few = training_data(spec.model_copy(update={"limit": 50}), seed=0)
    assert 40 <= len(few.train) <= 60
    assert len(few.val) == len(one.val)


SMALL: dict[str, Any] = {
    "name": "t",
    "epochs": 1,
    "batch_size": 20,
    "data": {"name": "planted-tints", "count": 20},
    "model": {
        "name": "figureground:small-resnet",
        "arguments": {"width": 2},
        "preprocessing": {"size": [32, 32]},
    },
}


def test_a_run_is_trained_further_only_on_what_it_set_aside_itself(tmp_path: Path):
    train(changed(SMALL), tmp_path / "plain", accelerator="cpu")
    later = SMALL | {"model": {"name": str(tmp_path / "plain")}}

    def begin(*changes: str) -> None:
        recipe = changed(later, ["data.use=held-out", *changes])
        start_run(recipe, tmp_path / "later", accelerator="cpu")

    begin()
    begin("seed=5", "data.seed=0")
    for change in ("seed=1", "data.seed=7", "data.val_fraction=0.2"):
        with pytest.raises(
            OptionError, match=r"set other images aside.*val_fraction: 0\.1 and seed 0"
        ):
            begin(change)
    begin("data.name=planted-patch", "seed=1")  # other images than it was trained on
    train(
        changed(later, ["data.use=held-out", "algorithms=[{last-layer: {weights: groups}}]"]),
        tmp_path / "fitted",
        accelerator="cpu",
    )
    with pytest.raises(OptionError, match="have use: held-out"):
        start_run(
            changed(SMALL | {"model": {"name": str(tmp_path / "fitted")}}, ["data.use=held-out"]),
            tmp_path / "third",
            accelerator="cpu",
        )
