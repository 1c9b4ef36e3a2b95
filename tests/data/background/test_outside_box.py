"""Tiles lie outside every box, and fill the space that there is."""

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import OptionError
from figureground.data import LabeledImages, read_annotations
from figureground.data.background import OutsideBox


def boxed(boxes, width=100, height=60):
    """One image: white inside its boxes, otherwise each pixel tells its place."""
    pixels = np.zeros((3, height, width), np.uint8)
    pixels[0], pixels[1] = np.arange(width), np.arange(height)[:, None]
    for x0, y0, x1, y1 in boxes:
        pixels[:, y0:y1, x0:x1] = 255
    images = torch.from_numpy(pixels)[None]
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return LabeledImages(images, torch.tensor([0]), ("a",), (rows,))


def places(source):
    """x, y, side of each tile."""
    return sorted((int(t[0, 0, 0]), int(t[0, 0, 1]), len(t)) for t in source)


def test_strips_are_cut_into_squares():
    # left 30x60, right 20x60, above 100x16, below: 4 high, too small
    source = OutsideBox.of_labeled(boxed([(30, 16, 80, 56)]), name="set")
    left, right = [(0, 0, 30), (0, 30, 30)], [(80, y, 20) for y in (0, 20, 40)]
    above = [(round(x), 0, 16) for x in np.linspace(0, 84, 6)]
    assert places(source) == sorted(left + right + above)


def test_no_tile_touches_a_box_or_its_margin():
    draw = np.random.default_rng(0)
    for _ in range(30):
        corners = draw.integers(10, 50, (2, 2))
        boxes = [
            (x, y, x + draw.integers(1, 30), y + draw.integers(1, 10)) for x, y in corners.tolist()
        ]
        data = boxed([tuple(map(int, box)) for box in boxes])
        for margin in (0, 3):
            source = OutsideBox.of_labeled(data, name="set", min_side=5, margin=margin)
            assert len(source)
            for x, y, side in places(source):
                for x0, y0, x1, y1 in boxes:
                    apart = max(x0 - (x + side), x - x1, y0 - (y + side), y - y1)
                    assert apart >= margin
        assert all((tile[..., 2] == 0).all() for tile in source)


def test_a_fractional_box_is_widened_to_whole_pixels():
    data = boxed([])
    data = LabeledImages(data.images, data.labels, ("a",), (torch.tensor([[20.5, 0, 79.2, 60]]),))
    assert {(x, side) for x, _, side in places(OutsideBox.of_labeled(data, name="set"))} == {
        (0, 20),
        (80, 20),
    }


def test_picture_without_boxes_gives_nothing_and_a_set_without_boxes_is_refused():
    assert len(OutsideBox.of_labeled(boxed([]), name="set")) == 0
    bare = LabeledImages(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.tensor([0]), ("a",))
    with pytest.raises(OptionError, match="'set' has no boxes"):
        OutsideBox.of_labeled(bare, name="set")
    with pytest.raises(OptionError, match="min_side 0"):
        OutsideBox.of_labeled(boxed([]), name="set", min_side=0)


def test_boxes_of_all_classes_of_a_picture_count_together(tmp_path):
    for name, size in (("a", (100, 60)), ("b", (40, 40))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    rows = tmp_path / "boxes.csv"
    rows.write_text(
        "path,label,x0,y0,x1,y1\na.png,dog,0,0,40,60\nb.png,dog,20,0,40,40\na.png,cat,60,0,80,60\n"
    )
    source = OutsideBox.of_annotations(read_annotations(rows))
    # image a: only right of the cat; image b: left of the dog
    assert [tile.shape[0] for tile in source] == [20, 20, 20, 20, 20]
    assert [source.group(row)[-5:] for row in range(5)] == ["a.png"] * 3 + ["b.png"] * 2
