"""What only whole processes show: a kill in the middle of an epoch, and two that share the work."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from figureground.data import LabeledImages
from figureground.data.fitting import Covering
from figureground.data.one_size import streamed
from figureground.training import Batches, Run, Validation, fit
from figureground.training.transforms import Transforms
from figureground.training.checkpoint import load_checkpoint
from figureground.training.recipe import changed
from figureground.training.run import launched
from figureground.training.algorithms.background_class.algorithm import BackgroundClass, BackgroundClassOptions

folder, kill_at, storage = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
numbers = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (48, 1, 6, 6), generator=numbers, dtype=torch.uint8)
labels = torch.randint(0, 3, (48,), generator=numbers)
pool = torch.randint(0, 256, (10, 1, 6, 6), generator=numbers, dtype=torch.uint8)
recipe = changed({"name": "t", "epochs": 2, "batch_size": 8, "checkpoint_every": 2, "ema": 0.5,
                  "data": {"name": "x"}, "model": {"name": "y"}})
torch.manual_seed(1)
network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 4))
fabric = launched(precision="32-true", accelerator="cpu")
given = {"crop_padding": 1, "flip": True}
if storage == "stream":
    names = ["RandomHorizontalFlip", {"RandomCrop": {"padding": 1}}, {"ColorJitter": {"brightness": 0.5}}]
    given = {"transforms": Transforms(names, (6, 6), 1), "workers": 1}
    images = streamed(LabeledImages(images, labels, ("a", "b", "c")), Covering((6, 6))).images
batches = Batches(images, labels, 8, 0, rank=fabric.global_rank, world=fabric.world_size, **given)
mixing = BackgroundClass(BackgroundClassOptions(pools=("given",), ratio=0.5), 3, pool)
run = Run.start(recipe, network, batches, fabric=fabric, folder=folder, algorithms=[mixing])
if (folder / "resume.pt").exists():
    load_checkpoint(run)
def kill(stage, done, total):
    if done == kill_at * 8:
        os.kill(os.getpid(), signal.SIGKILL)
fit(run, Validation(images, labels, 3), kill)
"""


def trained(folder: Path, *, kill_at: int = 0, processes: int = 1, storage: str = "memory") -> int:
    """Train in a process of its own, or several."""
    script = folder.parent / "job.py"
    script.write_text(SCRIPT)
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [
        sys.executable,
        *(several if processes > 1 else []),
        str(script),
        str(folder),
        str(kill_at),
        storage,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr[-3000:]
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_a_run_that_was_killed_in_the_middle_of_an_epoch_ends_with_the_same_weights(
    tmp_path, storage
):
    assert trained(tmp_path / "whole", storage=storage) == 0
    assert trained(tmp_path / "killed", kill_at=9, storage=storage) == -signal.SIGKILL
    whole, killed = (tmp_path / name / "last.safetensors" for name in ("whole", "killed"))
    assert killed.read_bytes() != whole.read_bytes()
    assert trained(tmp_path / "killed", storage=storage) == 0
    for name in ("last.safetensors", "best.safetensors", "history.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_two_processes_train_as_one_on_the_same_global_batch(tmp_path, storage):
    trained(tmp_path / "one", storage=storage)
    trained(tmp_path / "two", processes=2, storage=storage)
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-5, rtol=0)


@dataclass
class Host:
    """One of two machines that train together: how a command runs there, its address, and the network's name there."""

    before: list[str]
    address: str
    network: str = "lo"


@pytest.fixture(params=["one network", "two namespaces"])
def hosts(request: pytest.FixtureRequest) -> Iterator[list[Host]]:
    """Two machines that are processes here, and two that reach one another through a cable alone."""
    if request.param == "one network":
        yield [Host([], "127.0.0.1")] * 2
        return

    def ip(words: str) -> int:
        return subprocess.run(["ip", *words.split()], capture_output=True, check=False).returncode

    if shutil.which("ip") is None or ip("netns add fg-a"):
        pytest.skip("network namespaces need iproute2 and the rights of root")
    try:
        steps = ["netns add fg-b", "link add fg-a type veth peer name fg-b"]
        for at, name in enumerate(("fg-a", "fg-b")):
            inside = f"-n {name} "
            steps += [f"link set {name} netns {name}", f"{inside}link set lo up"]
            steps += [
                f"{inside}addr add 10.213.0.{at + 1}/24 dev {name}",
                f"{inside}link set {name} up",
            ]
        for step in steps:
            assert ip(step) == 0, step
        yield [
            Host(["ip", "netns", "exec", name], f"10.213.0.{at + 1}", name)
            for at, name in enumerate(("fg-a", "fg-b"))
        ]
    finally:
        for name in ("fg-a", "fg-b"):
            ip(f"netns del {name}")


def started(hosts: list[Host], rank: int, *, folder: Path, port: int) -> "subprocess.Popen[str]":
    """What a person types on one of the machines."""
    host = hosts[rank]
    words = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=2"]
    words += ["--rdzv-backend=c10d", f"--rdzv-endpoint={hosts[0].address}:{port}", "--rdzv-id=1"]
    words += [f"--rdzv-conf=is_host={int(rank == 0)}", f"--local-addr={host.address}"]
    program = folder.parent / "start.py"
    program.write_text("from figureground.cli import main\nmain()\n")
    words += [
        str(program),
        "train",
        "background-class",
        "--out",
        str(folder),
        "--accelerator",
        "cpu",
    ]
    for change in ("data.count=400", "epochs=4", "precision=32-true", "checkpoint_every=2"):
        words += ["--set", change]
    # a store of its own for each start: in a shared one, addresses of the start before are found
    named = {"GLOO_SOCKET_IFNAME": host.network, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    named["OMP_NUM_THREADS"] = "1"
    return subprocess.Popen(
        [*host.before, sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | named,
    )


def workers_of(agent: int) -> list[int]:
    """The processes that an agent has started."""
    return [int(one) for one in Path(f"/proc/{agent}/task/{agent}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_two_machines_go_on_by_themselves_when_a_process_of_one_is_killed(hosts, tmp_path):
    for name in ("whole", "killed"):
        folder = tmp_path / name
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        agents = [started(hosts, rank, folder=folder, port=port) for rank in range(2)]
        if name == "killed":
            begun = folder / "resume.pt"
            while not (begun.exists() and (folder / "recipe.yaml").exists()):
                assert all(one.poll() is None for one in agents)
                time.sleep(0.02)
            first = begun.stat().st_mtime_ns
            while begun.stat().st_mtime_ns == first:  # the second checkpoint is of a step
                time.sleep(0.01)
            os.kill(workers_of(agents[1].pid)[0], signal.SIGKILL)
        told = [one.communicate(timeout=300)[0] for one in agents]
        assert [one.returncode for one in agents] == [0, 0], told
        assert ("exitcode: -9" in "".join(told)) == (name == "killed")
    for name in ("last.safetensors", "best.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
