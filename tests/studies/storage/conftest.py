"""Twenty photos in two folders, and a network for them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base import storage as storage_page
from figureground.models import LeNetGAP, load_classifier


@pytest.fixture(autouse=True)
def _at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(storage_page, "_WAITS", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def network():
    return load_classifier(LeNetGAP(), preprocessing={"size": (20, 20)})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two folders of pictures, a file that is none, and names that sort in no simple way."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for at in range(20):
        pixels = rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)
        place = folder / ("3" if at % 2 else "7") / f"photo {at}.{'PNG' if at % 3 else 'jpeg'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    (folder / "3" / "broken.png").write_bytes(b"no image")
    (folder / "3" / ".hidden.png").write_bytes(b"not meant")
    (folder / "3" / "notes.txt").write_bytes(b"not meant")
    return folder
