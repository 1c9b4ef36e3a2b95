"""A cluster of two processors, and photos."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="class")
def cluster(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two processors, whatever the machine has."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "5")  # actors are to have their share nevertheless
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(request.module)  # actors do not import tests
    yield
    ray.cloudpickle.unregister_pickle_by_value(request.module)
    ray.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 64 pictures and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for at in range(64):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{at:02d}.png")
    (folder / "30.txt.png").write_bytes(b"no image")
    return folder
