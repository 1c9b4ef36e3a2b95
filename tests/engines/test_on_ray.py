"""Parts done by a Ray cluster: the same results as in one process, whatever ends a worker."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, EngineError, OptionError
from figureground.engines import EngineOptions, Part, computed_on, elsewhere, on_ray, results
from figureground.engines.work import Tick

PARTS = [Part(f"{at}", [f"{at}-{one}" for one in range(5)]) for at in range(8)]


class Toy:
    """Gives the names of the images in capitals, and does what a name says to its process."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def packed(self) -> AbstractContextManager[object]:
        """As it is."""
        return nullcontext()

    def settle(self) -> None:
        """Nothing to do."""

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, list[str]]]:
        """One after the other."""
        for part in parts:
            found = []
            for at, name in enumerate(part.images):
                if at in part.lost:
                    found.append("lost")
                    continue
                if "crowd" in name and len(part.images) > 3:
                    os.kill(os.getpid(), signal.SIGKILL)  # each image alone is harmless
                if "kills" in name or ("once" in name and self._first(name)):
                    os.kill(os.getpid(), signal.SIGKILL)
                if "damaged" in name:
                    raise DataError(f"{name} cannot be used")
                if "strange" in name:
                    raise KeyError(name)
                found.append(str(torch.get_num_threads()) if name == "threads" else name.upper())
            tick(len(found))
            yield part.name, found

    def _first(self, name: str) -> bool:
        """Whether it is met for the first time."""
        mark = self.place / name
        is_first = not mark.exists()
        mark.touch()
        return is_first


def done(parts: list[Part], place: Path, gpus: float = 0.0) -> tuple[dict[str, list[str]], int]:
    """Results of every part, by Ray, and the images that were told of."""
    told: list[int] = []
    options = EngineOptions(engine="ray", actors=2, gpus_per_actor=gpus)
    found: dict[str, list[str]] = {}
    for name, one in results(Toy(place), parts, options, tick=told.append):
        assert name not in found
        found[name] = one
    return found, sum(told)


def local(parts: list[Part], place: Path) -> dict[str, list[str]]:
    """Results of every part, in this process."""
    return dict(results(Toy(place), parts, EngineOptions(), tick=lambda _: None))


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
class TestCluster:
    """A cluster is started once; every actor takes seconds to begin."""

    def test_every_part_is_done_once_as_in_one_process(self, tmp_path: Path):
        assert done(PARTS, tmp_path) == (local(PARTS, tmp_path), 40)

    def test_no_part_needs_no_actor(self, tmp_path: Path):
        assert done([], tmp_path) == ({}, 0)

    def test_images_that_end_their_process_are_found_and_only_they_are_left_out(
        self, tmp_path: Path
    ):
        bad = Part("bad", ["a", "kills 1", "b", "c", "kills 2"])
        found, told = done([*PARTS[:3], bad], tmp_path)
        assert found == local(PARTS[:3], tmp_path) | {"bad": ["A", "lost", "B", "C", "lost"]}
        assert told == 20

    def test_an_actor_that_dies_once_costs_its_part_and_nothing_else(self, tmp_path: Path):
        parts = [*PARTS, Part("hit", ["x", "once", "y"])]
        found, _ = done(parts, tmp_path)
        assert found == local(parts, tmp_path)  # by now it is not the first time
        assert found["hit"] == ["X", "ONCE", "Y"]

    def test_an_error_of_ours_is_raised_as_it_is_and_another_one_is_told(self, tmp_path: Path):
        with pytest.raises(DataError, match="damaged 1 cannot be used"):
            done([Part("bad", ["damaged 1"])], tmp_path)
        with pytest.raises(EngineError, match="a worker process failed: KeyError: 'strange'"):
            done([Part("bad", ["strange"])], tmp_path)

    def test_a_part_that_ends_every_process_by_no_image_of_it_is_given_up(self, tmp_path: Path):
        with pytest.raises(EngineError, match="part bad, and no image of it is the cause"):
            done([Part("bad", ["a", "crowd", "b", "c"])], tmp_path)

    def test_an_actor_computes_with_its_share_of_the_cores(self, tmp_path: Path):
        found, _ = done([Part("one", ["threads"])], tmp_path)
        assert found == {"one": [str(max(1, on_ray._cores() // 2))]}

    def test_more_gpus_than_there_are(self, tmp_path: Path):
        with pytest.raises(OptionError, match="is to have 5 GPUs, the cluster has"):
            done(PARTS, tmp_path, gpus=5.0)


@pytest.mark.parametrize(
    ("room", "threads"), [({"CPU": 16.0}, 1), ({"CPU": 2.0}, 8), ({"CPU": 32.0}, 1), ({}, 16)]
)
def test_all_cores_of_a_machine_are_shared_by_the_actors_that_have_room_there(
    room: dict[str, float], threads: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(on_ray, "_cores", lambda: 16)
    nodes = [{"NodeID": "a", "Resources": {"CPU": 5.0}}, {"NodeID": "b", "Resources": room}]
    assert on_ray._share(nodes, "b") == threads


def test_a_machine_that_does_not_share_the_disk_is_told(tmp_path: Path):
    actor = on_ray._Actor(Toy(tmp_path), str(tmp_path / "elsewhere"))
    with pytest.raises(
        OptionError, match=r"cannot enter .*elsewhere: images and results have to lie"
    ):
        actor.settle()


def test_what_was_done_before_an_actor_died_is_kept_and_not_blamed(tmp_path: Path):
    class DeadError(Exception):
        """As Ray raises it."""

    def get(reference: str) -> str:
        if reference == "second":
            raise DeadError
        return "result"

    actor = Mock()
    actor.settle.remote.return_value = "started"
    actor.do.remote.side_effect = ["first", "second"]
    ray = Mock()
    ray.exceptions = SimpleNamespace(
        RayActorError=DeadError,
        OutOfMemoryError=DeadError,
        ObjectLostError=DeadError,
        RayTaskError=DeadError,
    )
    ray.remote.return_value.options.return_value.remote.return_value = actor
    # of the two tasks both are ready, Ray may name either
    ray.wait.side_effect = [(["started"], []), (["second"], [])]
    ray.get.side_effect = get
    crew = on_ray._Crew(ray, Toy(tmp_path), None, count=1, gpus=0.0)
    tasks = [on_ray._Task(part) for part in PARTS[:2]]
    crew.give(waiting := deque(tasks))
    assert (len(waiting), list(crew.finished())) == (2, [])  # the actor has to start first
    crew.give(waiting)
    assert list(crew.finished()) == [(tasks[0], ("result",)), (tasks[1], None)]
    assert [task.deaths for task in tasks] == [0, 1]


def test_a_task_that_is_suspected_has_an_actor_for_itself(tmp_path: Path):
    ray = Mock()
    ray.wait.side_effect = lambda owners, **_: ([owners[-1]], [])
    ray.remote.return_value.options.return_value.remote.side_effect = lambda *_: Mock()
    crew = on_ray._Crew(ray, Toy(tmp_path), None, count=2, gpus=0.0)
    for _ in range(2):
        list(crew.finished())
    plain, again, half = (on_ray._Task(part) for part in PARTS[:3])
    again.deaths = 1
    half.search = on_ray._Search(plain)
    tasks = deque([plain, again, half, *map(on_ray._Task, PARTS[3:5])])
    crew.give(tasks)
    held = [[task for _, task in seat.held] for seat in crew._seats]
    assert sorted(held, key=len) in ([[plain], [again]], [[again], [plain]])
    for seat in crew._seats:
        seat.held.clear()
    crew.give(tasks)
    held = [[task for _, task in seat.held] for seat in crew._seats]
    assert sorted(map(len, held)) == [1, 2]
    assert [half] in held


def test_a_crew_that_cannot_begin_is_given_up(tmp_path: Path):
    class DeadError(Exception):
        """As Ray raises it."""

    ray = Mock()
    ray.exceptions = SimpleNamespace(
        RayActorError=DeadError,
        OutOfMemoryError=DeadError,
        ObjectLostError=DeadError,
        RayTaskError=ZeroDivisionError,
    )
    ray.get.side_effect = DeadError
    ray.wait.side_effect = lambda owners, **_: ([owners[0]], [])
    crew = on_ray._Crew(ray, Toy(tmp_path), None, count=1, gpus=0.0)
    for _ in range(10):
        assert list(crew.finished()) == []
    with pytest.raises(EngineError, match="end before they can begin"):
        list(crew.finished())
    ray.wait.side_effect = lambda _, **__: ([], [])
    with pytest.raises(EngineError, match="no worker process could start in 10 minutes"):
        list(crew.finished())


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OptionError, match=r"pip install 'figureground\[ray\]'"):
        done(PARTS, tmp_path)


def test_no_cluster_on_this_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ray = pytest.importorskip("ray")

    def init(address: str, **_: object):  # a cluster of another test may run here
        raise ConnectionError(f"Could not find any running Ray instance ({address}).\nMore.")

    monkeypatch.setattr(ray, "init", init)
    options = EngineOptions(engine="ray", address="auto")
    with pytest.raises(
        OptionError,
        match=r"could be joined at auto: Could not find any running Ray instance \(auto\)\.$",
    ):
        list(results(Toy(tmp_path), PARTS, options, tick=lambda _: None))


@pytest.mark.slow
def test_an_address_where_nothing_is(tmp_path: Path):
    pytest.importorskip("ray")
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    words = [
        "rank",
        str(tmp_path),
        "--model",
        "figureground:lenet-gap",
        "--random",
        "--classes",
        "3",
    ]
    words += ["--engine", "ray", "--address", "ray://127.0.0.1:9", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", "from figureground.cli import main; main()", *words]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "no Ray cluster could be joined at ray://127.0.0.1:9" in found.stderr
    assert "Traceback" not in found.stderr


def test_the_options_of_the_local_engine_are_no_other_machine():
    assert [
        elsewhere(one) for one in (None, "cpu", EngineOptions(), EngineOptions(engine="ray"))
    ] == [False] * 3 + [True]
    assert computed_on(EngineOptions(), "cpu") == "cpu"
    assert computed_on(EngineOptions(engine="ray"), "cpu") == "a Ray cluster"


def test_what_is_of_ray_is_refused_for_the_local_engine():
    with pytest.raises(OptionError, match="are for --engine ray"):
        EngineOptions(actors=2)
