"""The images that several benchmarks read."""

__all__ = ["write_images"]

from pathlib import Path

from figureground.data import ImagePack


def write_images(shared: Path, folder: Path, *, count: int) -> list[Path]:
    """The JPEG files of the ILSVRC pack, again and again under other names where more are asked for."""
    folder.mkdir(parents=True)
    pack = ImagePack(shared / "packs" / "ilsvrc_val650.npz")
    paths = [folder / f"{row:06d}.jpg" for row in range(count)]
    for row, path in enumerate(paths):
        path.write_bytes(pack.encoded(row % len(pack)))
    return paths
