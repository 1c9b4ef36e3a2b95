"""Images as class folders, a tar file and a Parquet file: seconds to open, and images a second in any order."""

__all__ = ["main"]

import io
import os
import statistics
import tarfile
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from timing import machine, print_table

from figureground.data import image_folder
from figureground.data.cached import cache_folder
from figureground.data.fitting import Covering
from figureground.data.labeled import LabeledImages
from figureground.data.loaders.parquet import parquet_images
from figureground.data.loaders.webdataset import tar_images
from figureground.data.one_size import streamed
from figureground.data.packs import ImagePack, shared_folder

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_COUNT = int(os.environ.get("FIGUREGROUND_BENCH_IMAGES", "20000"))
_PACKS = {"CIFAR-10, 32 px": ("cifar10_jpeg.npz", 32), "photographs, 224 px": ("ilsvrc_val650.npz", 224)}  # fmt: skip
_SEEN = 2000  # images a round
_BATCH = 64


def main() -> None:
    """Two tables."""
    shared = shared_folder()
    if shared is None:
        print("the benchmark of sources needs the shared packs: none here")
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = str(Path(place) / "cache")
        opened, speeds = [], []
        for title, (name, size) in _PACKS.items():
            root = Path(place) / Path(name).stem
            count = _written(ImagePack(shared / "packs" / name), root)
            sources: dict[str, Callable[[], LabeledImages]] = {
                "folder": lambda root=root: image_folder(root / "folder"),
                "tar": lambda root=root: tar_images(root / "all.tar"),
                "Parquet": lambda root=root: parquet_images(root / "all.parquet"),
            }
            opened += [[title, kind, str(count), *_opening(one)] for kind, one in sources.items()]
            speeds += [[title, *row] for row in _speeds(sources, size)]
            copies = sum(path.stat().st_size for path in cache_folder().glob("*"))
            for kind in ("all.tar", "all.parquet"):
                print(f"{title}: {kind} {(root / kind).stat().st_size / 2**20:.1f} MiB")
            print(f"{title}: cache so far {copies / 2**20:.1f} MiB")
    print(machine())
    print_table(
        "To open", ["images", "source", "count", "seconds to open", "kept, bytes an image"], opened
    )
    print_table("Any order", ["images", "source", "images/s (median)", "least to most"], speeds)


def _written(pack: ImagePack, root: Path) -> int:
    """As folders, tar and Parquet; how many."""
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    rows = range(min(_COUNT, len(pack)))
    (root / "folder").mkdir(parents=True)
    with tarfile.open(root / "all.tar", "w") as tar:
        for row in rows:
            content, label = pack.encoded(row), str(row % 10)
            file = root / "folder" / label / f"{row}.jpg"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            for name, held in ((f"{row}.jpg", content), (f"{row}.cls", label.encode())):
                member = tarfile.TarInfo(name)
                member.size = len(held)
                tar.addfile(member, io.BytesIO(held))
    images = [{"bytes": pack.encoded(row), "path": f"{row}.jpg"} for row in rows]
    table = arrow.table({"image": images, "label": [row % 10 for row in rows]})
    parquet.write_table(table, root / "all.parquet", row_group_size=100)
    return len(rows)


def _opening(load: Callable[[], LabeledImages]) -> list[str]:
    """Seconds of the first time, and what is held then."""
    began = time.perf_counter()
    load()
    taken = time.perf_counter() - began
    for page in (tar_images, parquet_images):
        for kept in ("_indexed", "_read"):
            if kept in page.__globals__:
                page.__globals__[kept].cache_clear()
    tracemalloc.start()
    data = load()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return [f"{taken:.2f}", f"{held / len(data):.0f}"]


def _speeds(sources: dict[str, Callable[[], LabeledImages]], size: int) -> list[list[str]]:
    """One process decodes batches of images in any order; rounds alternate."""
    images = {
        kind: streamed(load(), Covering((size, size))).images for kind, load in sources.items()
    }
    found: dict[str, list[float]] = {kind: [] for kind in images}
    for round_ in range(_ROUNDS + 1):
        order = torch.randperm(len(images["tar"]), generator=torch.Generator().manual_seed(round_))[
            :_SEEN
        ].tolist()
        for kind, some in images.items():
            began = time.perf_counter()
            for at in range(0, len(order), _BATCH):
                some.decoded(order[at : at + _BATCH])
            if round_:  # the first warms up
                found[kind].append(len(order) / (time.perf_counter() - began))
    return [
        [kind, f"{statistics.median(one):.0f}", f"{min(one):.0f} to {max(one):.0f}"]
        for kind, one in found.items()
    ]


if __name__ == "__main__":
    main()
