"""Loggers hold the numbers of ``history.csv`` at their steps, read back by the packages' own readers."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.studies.jobs import make_world
from wandb.proto import wandb_internal_pb2

from figureground.base.errors import OptionError
from figureground.studies.training.train import train
from figureground.training import Recipe, loggers, trainer
from figureground.training.history import History
from figureground.training.recipe import changed

Numbers = dict[tuple[str, int], float]
ALL = ("csv", "tensorboard", "wandb", "mlflow")


class Stopped(Exception):  # noqa: N818 - not an error
    pass


def stop(_stage: str, done: int, _total: int) -> None:
    if done == 4 * 4:
        raise Stopped


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """A run of three epochs of two steps, and a checkpoint after each third step."""
    world = make_world(tmp_path / "world")

    def made(*names: str) -> Recipe:
        return changed(
            {
                "name": "tiny",
                "epochs": 3,
                "batch_size": 4,
                "checkpoint_every": 3,
                "data": {"name": "folder", "root": str(world / "photos"), "val_fraction": 0.2},
                "model": {"name": "figureground:lenet-gap", "preprocessing": {"size": [8, 8]}},
                "loggers": names,
            }
        )

    return made


def of_history(folder: Path) -> Numbers:
    rows = History(folder / "history.csv").rows()
    return {(f"{r['split']}/{r['name']}", int(r["step"])): float(r["value"]) for r in rows}


def of_tensorboard(folder: Path) -> Numbers:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag != "hp_metric"]
    found = [((tag, one.step), one.value) for tag in tags for one in events.Scalars(tag)]
    assert len(found) == len(dict(found))  # what a stopped run had logged too far is discarded
    return dict(found)


def mlflow_run(folder: Path) -> tuple[MlflowClient, Any]:
    """The one run that the folder holds."""
    client = MlflowClient((folder / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("figureground")
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def of_mlflow(folder: Path) -> Numbers:
    client, run = mlflow_run(folder)
    names = run.data.metrics
    histories = [client.get_metric_history(run.info.run_id, name) for name in names]
    return {(one.key, one.step): one.value for history in histories for one in history}


def wandb_records(folder: Path) -> list[Any]:
    """All that lies in the offline folders, in the order of writing."""
    found = []
    for path in sorted((folder / "wandb").glob("offline-run-*/run-*.wandb")):
        for data in leveldb_records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            found.append(record)
    return found


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """The records of a log of LevelDB's form, which a head of 7 bytes precedes."""
    at, parts = 7, b""
    while at + 7 <= len(content):
        left = 32768 - at % 32768  # of the block; a head of a record is in one
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in {1, 4}:  # whole, or the last part
            yield parts
            parts = b""


def of_wandb(folder: Path) -> Numbers:
    found: Numbers = {}
    for record in wandb_records(folder):
        items = {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
        step = int(items.get("trainer/global_step", -1))
        found |= {
            (name, step): one for name, one in items.items() if name.startswith(("train/", "val/"))
        }
    return found


def test_every_logger_holds_the_history_of_a_run_that_was_stopped_and_resumed(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "_LOG_EVERY", 1)
    asked, folder = recipe(*ALL), tmp_path / "run"
    with pytest.raises(Stopped):
        train(asked, folder, accelerator="cpu", progress=stop)
    assert mlflow_run(folder)[1].info.status == "FAILED"
    train(asked, folder, accelerator="cpu", resume=True)
    expected = of_history(folder)
    assert {step for _, step in expected} == {1, 2, 3, 4, 5, 6}
    assert {"val/accuracy", "val/loss", "train/cross_entropy"} <= {name for name, _ in expected}
    assert of_mlflow(folder) == expected
    assert of_wandb(folder) == expected
    assert of_tensorboard(folder) == {
        key: pytest.approx(one, rel=1e-6) for key, one in expected.items()
    }
    assert mlflow_run(folder)[1].info.status == "FINISHED"
    assert mlflow_run(folder)[1].data.params["optimiser/lr"] == "0.1"
    runs = [one.run for one in wandb_records(folder) if one.HasField("run")]
    assert len({one.run_id for one in runs}) == 1
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 2
    configured = {i.key: i.value_json for one in wandb_records(folder) for i in one.config.update}
    assert json.loads(configured["optimiser"])["lr"] == 0.1
    tags = EventAccumulator(str(folder / "tensorboard"))
    tags.Reload()
    held = tags.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"figureground:lenet-gap" in held


def test_without_loggers_there_is_the_history_alone(recipe: Callable[..., Recipe], tmp_path: Path):
    assert changed({**recipe().model_dump(), "loggers": ["csv"]}) == recipe("csv")
    for names in ((), ("csv",)):
        folder = tmp_path / f"run{len(names)}"
        train(recipe(*names), folder, accelerator="cpu")
        assert (folder / "history.csv").exists()
        assert not any((folder / name).exists() for name in ALL)


def test_a_logger_that_is_not_installed_is_said_before_anything_is_done(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None if name == "wandb" else name)
    said = r"wandb is not installed: pip install 'figureground\[loggers\]'"
    with pytest.raises(OptionError, match=said):
        train(recipe("mlflow", "wandb"), tmp_path / "run", accelerator="cpu")
    assert not (tmp_path / "run").exists()


def test_an_unknown_logger_is_refused_by_name(recipe: Callable[..., Recipe]):
    with pytest.raises(OptionError, match=r"loggers\.1: .*'mlflow'.*given: 'comet'"):
        recipe("csv", "comet")
