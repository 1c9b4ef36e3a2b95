"""Map, box and square meet: in the overlay, in the boxes and on the page, whatever the network saw of the photo."""

import base64
import io
import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.reports import write_explain_report
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions, Truth


def bright() -> nn.Sequential:
    """Two logits: the mean brightness of 4 x 4 blocks, and minus that."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 4, stride=4, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False)
    )  # fmt: skip
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(
                torch.tensor([[0.5, 0.5], [-0.5, -0.5]])
                if name == "3.weight"
                else weight.fill_(1 / 48)
            )
    return network


SQUARE = 24  # pixels of a side
# mode, fraction, and photos that are wider, higher, square; odd sizes among them
MODES = [
    ("crop", 0.875),
    ("crop", 1.2),
    ("pad", 1.0),
    ("pad", 0.9),
    ("stretch", 1.0),
    ("middle", 0.9),
]
SIZES = [(161, 97), (75, 140), (101, 101)]


def made(folder: Path, size: tuple[int, int], orientation: int) -> tuple[Path, tuple[int, int]]:
    """A photo with a bright square right below its middle, stored turned; and where the square begins, upright."""
    at = (size[0] // 2 - 7, size[1] // 2 - 3)
    upright = Image.new("RGB", size, (40, 40, 40))
    upright.paste((255, 255, 255), (*at, at[0] + SQUARE, at[1] + SQUARE))
    turns = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = upright
    for turn in turns.get(orientation, []):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"{size[0]}x{size[1]}-{orientation}.png"
    stored.save(path, exif=exif)
    assert ImageOps.exif_transpose(Image.open(path)).tobytes() == upright.tobytes()
    return path, at


ALL = tuple(product(SIZES, range(1, 9)))
FEW = tuple(zip(SIZES * 3, range(1, 9), strict=False))


def run(
    folder: Path, preprocessing: Preprocessing, which: Any, **options: Any
) -> list[dict[str, Any]]:
    """Photos of sizes and orientations explained; what is known of each."""
    photos = [made(folder, *one) for one in which]
    truths = {
        path: Truth("square", ((float(x), float(y), float(x + SQUARE), float(y + SQUARE)),))
        for path, (x, y) in photos
    }
    explain_images(
        Classifier(bright(), preprocessing, name="bright", num_classes=2),
        truths,
        out=folder / "out",
        options=ExplainOptions(
            methods=("cam",), classes=[0], workers=2, colour_map="viridis", **options
        ),
    )
    lines = (folder / "out" / "entries.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def hot(picture: np.ndarray) -> tuple[float, float]:
    """Middle of the highest values of a map painted in viridis, in fractions of the picture: what is most yellow."""
    red, green, blue = picture.astype(float).transpose(2, 0, 1)
    yellow = red + green - 2 * blue
    rows, columns = np.nonzero(yellow > 0.95 * yellow.max())
    return ((columns.mean() + 0.5) / picture.shape[1], (rows.mean() + 0.5) / picture.shape[0])


def decoded(address: str) -> np.ndarray:
    """A picture that the page holds."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


@pytest.mark.parametrize(("resize", "fraction"), MODES)
def test_heat_box_and_square_meet_on_the_photo(resize: Any, fraction: float, tmp_path: Path):
    plain = Preprocessing((48, 64), resize, fraction, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    found = run(tmp_path, plain, ALL, opacity=0.9)
    assert len(found) == len(SIZES) * 8
    for entry in found:
        size, (x0, y0, x1, y1) = entry["size"], entry["truth"]["boxes"][0]
        (panel,) = entry["panels"]
        overlay = np.asarray(Image.open(tmp_path / "out" / panel["png"]))
        # as large as the upright photo, and cells of 4 x 4 pixels of the view allow this much
        assert (overlay.shape[1], overlay.shape[0]) == tuple(size)
        wide, high = entry["seen"][2] - entry["seen"][0], entry["seen"][3] - entry["seen"][1]
        cell = (4 / 64 * wide, 4 / 48 * high)
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        for fractions in (hot(overlay), hot(decoded(panel["heat"]))):
            assert abs(fractions[0] * size[0] - middle[0]) < cell[0]
            assert abs(fractions[1] * size[1] - middle[1]) < cell[1]
        (box,) = panel["boxes"]
        for side, (ours, true) in enumerate(zip(box, (x0, y0, x1, y1), strict=True)):
            assert abs(ours - true) < 2 * cell[side % 2]


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch", "middle"])
@pytest.mark.parametrize("overlay", ["photo", "network"])
def test_heat_box_and_square_meet_on_the_page(resize: Any, overlay: str, tmp_path: Path):
    plain = Preprocessing((48, 64), resize, 0.9, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    entries = run(tmp_path, plain, FEW, opacity=0.9, overlay=overlay)
    page = write_explain_report(tmp_path / "out").read_text()
    cards = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert len(cards) == len(entries)
    for card, entry in zip(cards, entries, strict=True):
        pictures = [decoded(one) for one in re.findall(r'src="(data:[^"]+)"', card)]
        original, painted, alone = pictures
        frames = re.findall(r'<svg viewBox="([^"]+)"(.*?)</svg>', card, re.DOTALL)
        assert len(frames) == 3  # the boxes lie over all three
        for frame, rest in frames:
            x0, y0, width, height = map(float, frame.split())
            shapes = re.findall(
                r'class="(true|found)" x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"',
                rest,
            )
            for kind, *numbers in shapes:
                left, top, wide, high = map(float, numbers)
                middle = ((left + wide / 2 - x0) / width, (top + high / 2 - y0) / height)
                # the network is given 16 x 12 cells; of a photo these are at most 1.3 times as wide
                for place in (hot(painted), hot(alone)):
                    assert middle == pytest.approx(place, abs=0.09), (kind, entry["image"])
                if kind == "true":
                    square = original.astype(int).sum(-1) > 600
                    rows, columns = np.nonzero(square)
                    bright = (columns.mean() + 0.5) / square.shape[1]
                    assert middle[0] == pytest.approx(bright, abs=0.02)
                    assert middle[1] == pytest.approx(
                        (rows.mean() + 0.5) / square.shape[0], abs=0.02
                    )


def test_what_the_network_did_not_see_is_dark_behind_a_line(tmp_path: Path):
    plain = Preprocessing((32, 32), "crop", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    pixels = np.full((32, 80, 3), (200, 100, 100), np.uint8)
    pixels[8:16, 40:48] = 255
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    explain_images(
        Classifier(bright(), plain, name="bright", num_classes=2),
        [tmp_path / "photo.png"],
        out=tmp_path / "out",
        options=ExplainOptions(methods=("cam",), classes=[0], workers=1, opacity=0.0),
    )
    (file,) = (tmp_path / "out" / "images").glob("*.png")
    drawn = np.asarray(Image.open(file))
    assert (drawn[:, 24:56] == pixels[:, 24:56]).all()
    assert (drawn[:, [23, 56]] == 255).all()
    unseen = drawn[:, [*range(23), *range(57, 80)]]
    assert (unseen == round((0.299 * 200 + 0.701 * 100) * 0.4)).all()
