"""Parts done by actors of a Ray cluster; one that dies is replaced, an image that ends its process is left out."""

__all__ = ["on_ray"]

import math
import os
import platform
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from figureground.base.errors import EngineError, FigureGroundError, OptionError
from figureground.base.places import Member, file_of
from figureground.base.storage import RemoteFile
from figureground.engines.options import EngineOptions
from figureground.engines.work import Part, Tick, Work

_AHEAD = 2  # parts that an actor holds, so that it never waits
_CHANCES = 2  # deaths of one part, or of one image alone, until it is held to be the cause
_SEARCHES = 2  # of a part that found no image, until memory or the machine is held to be the cause
_FAILED_STARTS = 10  # one after the other
_PATIENCE = 600  # seconds without any actor
_LOADED_FROM_A_FILE = "figureground_file_"


def on_ray(
    work: Work, parts: Sequence[Part], options: EngineOptions, *, tick: Tick
) -> Iterator[tuple[str, Any]]:
    """The results of all parts as they are finished.

    Args:
        work: What is done; sent to each actor once.
        parts: What is to be done.
        options: The cluster and its actors.
        tick: Told of images that are done.

    Yields:
        Name of a part and its results.

    Raises:
        OptionError: Ray is not installed, the cluster cannot be reached or lacks what was asked for.
        EngineError: Actors keep dying and no image is the cause.
    """
    if not parts:
        return
    ray = _ray()
    with _cluster(ray, options) as count, _code_travels(ray):
        folder = None if _lie_elsewhere(parts) else str(Path.cwd())
        room = options.gpus_per_actor
        crew = _Crew(ray, work, folder, count=min(count, len(parts)), gpus=room)
        try:
            yield from _Job(crew, parts, tick).results()
        finally:
            crew.dismiss()


def _ray() -> Any:  # noqa: ANN401 - an extra, which has no types here
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise OptionError("--engine ray needs Ray: pip install 'figureground[ray]'") from error
    return ray


@contextmanager
def _cluster(ray: Any, options: EngineOptions) -> Iterator[int]:  # noqa: ANN401 - the module
    """Join a cluster, or start one here; how many actors there are to be."""
    own = not ray.is_initialized()
    wanted = options.actors or _cores()
    if own:
        where: dict[str, Any] = {"address": options.address}
        if options.address is None:
            # "local": not one that happens to run here, which is asked for by auto
            where = {"address": "local", "num_cpus": wanted, "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(**where, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OptionError(
                f"no Ray cluster could be joined at {options.address or 'this machine'}: {reason}"
            ) from error
    try:
        held = ray.cluster_resources()
        gpus = options.gpus_per_actor
        if gpus > held.get("GPU", 0):
            raise OptionError(
                f"each worker process is to have {gpus:g} GPUs, the cluster has {held.get('GPU', 0):g}"
            )
        room = math.floor(held["GPU"] / gpus) if gpus else math.floor(held.get("CPU", 1))
        yield options.actors or max(1, room)
    finally:
        if own:
            ray.shutdown()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(nodes: Sequence[Mapping[str, Any]], here: str) -> int:
    """How many threads an actor computes with: the cores of its machine are shared by all that have room there."""
    room = next(node["Resources"].get("CPU", 1) for node in nodes if node["NodeID"] == here)
    return max(1, int(_cores() / max(1, room)))


@contextmanager
def _code_travels(ray: Any) -> Iterator[None]:  # noqa: ANN401 - the module
    """A model's file lies on this machine alone: its code is sent with the network."""
    own: list[ModuleType] = [
        module for name, module in sys.modules.items() if name.startswith(_LOADED_FROM_A_FILE)
    ]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _lie_elsewhere(parts: Sequence[Part]) -> bool:
    """Whether all images are in a storage, which every machine reaches by itself."""
    files = (
        file_of(one) if isinstance(one, Member) else one for part in parts for one in part.images
    )
    return all(isinstance(one, RemoteFile) for one in files)


class _Actor:
    """In a process of its own: the work, which is unpickled and settled once.

    Args:
        work: What is done.
        folder: Where the job was begun, for paths that are relative to it; None where there are none.
    """

    def __init__(self, work: Work, folder: str | None) -> None:
        self._work, self._folder = work, folder

    def settle(self) -> None:
        """Before the first part. An error that is raised here is told, one of ``__init__`` would be a death."""
        try:
            os.chdir(self._folder or ".")
        except OSError as error:
            raise OptionError(
                f"machine {platform.node()} of the cluster cannot enter {self._folder}: images and results have to lie "
                "on a disk that all machines share, under the same path"
            ) from error
        import ray  # noqa: PLC0415 - an extra
        import torch  # noqa: PLC0415 - slow

        # Ray gives each one thread, or OMP_NUM_THREADS where that is set: too few or too many
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        torch.set_num_threads(_share(nodes, ray.get_runtime_context().get_node_id()))
        self._work.settle()

    def do(self, part: Part) -> Any:  # noqa: ANN401 - what the work gives
        """One part's results."""
        ((_, found),) = self._work.stream([part], lambda _: None)
        return found


@dataclass(eq=False)
class _Task:
    """A part, or some images of one that ended its process, to find which of them did."""

    part: Part
    search: "_Search | None" = None
    places: tuple[int, ...] = ()
    deaths: int = 0

    @property
    def is_suspected(self) -> bool:
        """Whether it may have ended a process."""
        return self.search is not None or self.deaths > 0


@dataclass(eq=False)
class _Search:
    """Which images of a part end the process?"""

    task: _Task
    open: int = 0
    found: set[int] = field(default_factory=set)


@dataclass(eq=False)
class _Seat:
    """Room for an actor, with the tasks that it holds, oldest first."""

    actor: Any
    starting: Any  # what is ready when it can be given tasks; None from then on
    held: deque[tuple[Any, _Task]] = field(default_factory=deque)

    def has(self, room: int) -> bool:
        """Whether it can hold one more task, of so many in all."""
        return len(self.held) < room and not any(task.is_suspected for _, task in self.held)


class _Crew:
    """The actors. One gets tasks when it is there: a cluster that has lost a machine may have no room for all."""

    def __init__(
        self,
        ray: Any,  # noqa: ANN401 - the module
        work: Work,
        folder: str | None,
        *,
        count: int,
        gpus: float,
    ) -> None:
        self._ray = ray
        self._work, self._folder = ray.put(work), folder
        self._kind = ray.remote(_Actor).options(num_cpus=1, num_gpus=gpus, max_restarts=0)
        self._seats = [self._taken() for _ in range(count)]
        self._failed_starts = 0

    def _taken(self) -> _Seat:
        actor = self._kind.remote(self._work, self._folder)
        return _Seat(actor, actor.settle.remote())

    @property
    def busy(self) -> bool:
        """Whether any task is held."""
        return any(seat.held for seat in self._seats)

    def give(self, waiting: deque[_Task]) -> None:
        """Tasks to actors that have room for one; to one that is suspected an actor for itself.

        What an actor has finished is lost with it if it ends before its answer is on the way: a task that is done would
        be held to be the cause of what the next one did.
        """
        while waiting:
            room = 1 if waiting[0].is_suspected else _AHEAD
            seats = [seat for seat in self._seats if seat.starting is None and seat.has(room)]
            if not seats:
                return
            seat, task = min(seats, key=lambda one: len(one.held)), waiting.popleft()
            seat.held.append((seat.actor.do.remote(task.part), task))

    def finished(self) -> Iterator[tuple[_Task, Any]]:
        """Wait for a task, or for an actor to start.

        Yields:
            A task with its results; or, where its actor has died, None for it and what is known of those behind it.

        Raises:
            EngineError: Actors cannot start.
        """
        owners = {one: seat for seat in self._seats for one, _ in seat.held}
        owners |= {seat.starting: seat for seat in self._seats if seat.starting is not None}
        ready, _ = self._ray.wait(list(owners), num_returns=1, timeout=_PATIENCE)
        if not ready:
            if not self.busy:
                raise EngineError(
                    f"no worker process could start in {_PATIENCE // 60} minutes: the cluster has no room for one"
                )
            return
        seat = owners[ready[0]]
        if seat.starting is not None:
            self._started(seat)
            return
        reference, task = next(one for one in seat.held if one[0] == ready[0])
        found = self._result(reference)
        if found is not None:
            seat.held.remove((reference, task))
            yield task, found
            return
        self._seats[self._seats.index(seat)] = self._taken()
        self._ray.kill(seat.actor)
        is_cause = True  # of those that are not done only the oldest was begun
        for reference, task in seat.held:
            found = self._result(reference)
            if found is None:
                task.deaths, is_cause = task.deaths + is_cause, False
            yield task, found

    def _started(self, seat: _Seat) -> None:
        """Give it tasks from now on; or another actor its seat."""
        if self._result(seat.starting) is not None:
            seat.starting, self._failed_starts = None, 0
            return
        self._failed_starts += 1
        if self._failed_starts > _FAILED_STARTS:
            raise EngineError(
                "worker processes end before they can begin: too little memory for the network, or another version of "
                "figureground or of Python there"
            )
        self._seats[self._seats.index(seat)] = self._taken()

    def _result(self, reference: Any) -> tuple[Any] | None:  # noqa: ANN401 - of Ray
        """What a task gave; None where its actor has died."""
        errors = self._ray.exceptions
        try:
            return (self._ray.get(reference),)
        except (errors.RayActorError, errors.OutOfMemoryError, errors.ObjectLostError):
            return None
        except errors.RayTaskError as error:
            raise _own(error) from error

    def dismiss(self) -> None:
        """End them."""
        for seat in self._seats:
            self._ray.kill(seat.actor)


def _own(error: Any) -> Exception:  # noqa: ANN401 - of Ray
    """An error of ours as it was raised, any other with its text."""
    cause = error.cause
    if isinstance(cause, FigureGroundError):
        return cause
    return EngineError(f"a worker process failed: {type(cause).__name__}: {cause}")


class _Job:
    """All parts, until each is done once."""

    def __init__(self, crew: _Crew, parts: Sequence[Part], tick: Tick) -> None:
        self._crew, self._tick = crew, tick
        self._waiting = deque(_Task(part) for part in parts)
        self._searches: dict[str, int] = {}

    def results(self) -> Iterator[tuple[str, Any]]:
        """As they are finished."""
        while self._waiting or self._crew.busy:
            self._crew.give(self._waiting)
            for task, found in self._crew.finished():
                if found is None:
                    self._again(task)
                elif task.search is not None:
                    self._closed(task.search)
                else:
                    self._tick(len(task.part.images))
                    yield task.part.name, found[0]

    def _again(self, task: _Task) -> None:
        """A task whose actor has died."""
        if task.deaths < _CHANCES:
            self._waiting.appendleft(task)
        elif task.search is None:
            self._searches[task.part.name] = self._searches.get(task.part.name, 0) + 1
            if self._searches[task.part.name] > _SEARCHES:
                raise EngineError(
                    f"worker processes keep ending with part {task.part.name}, and no image of it is the cause: too "
                    "little memory? Fewer --actors, or a smaller --batch-size, would help"
                )
            places = sorted(set(range(len(task.part.images))) - task.part.lost)
            self._split(_Search(task), tuple(places))
        elif len(task.places) == 1:
            task.search.found.update(task.places)
            self._closed(task.search)
        else:
            self._split(task.search, task.places)
            self._closed(task.search)

    def _split(self, search: _Search, places: tuple[int, ...]) -> None:
        """Look at both halves."""
        middle = (len(places) + 1) // 2
        for half in (places[:middle], places[middle:]):
            if half:
                search.open += 1
                images = [search.task.part.images[at] for at in half]
                part = Part(search.task.part.name, images)
                # halves of a part that has ended its process are taken at their first word
                first = _CHANCES - 1 if len(half) > 1 else 0
                self._waiting.appendleft(_Task(part, search, half, first))

    def _closed(self, search: _Search) -> None:
        """One of the halves is known; when all are, the part is done again without the images that were found."""
        search.open -= 1
        if not search.open:
            part = search.task.part
            lost = part.lost | search.found
            self._waiting.appendleft(_Task(replace(part, lost=frozenset(lost))))
