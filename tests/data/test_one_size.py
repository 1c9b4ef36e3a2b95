"""Images of one size: boxes follow, what cannot be decoded is named."""

import tempfile

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data import LabeledImages, LazyImages, in_memory, one_size
from figureground.data.fitting import Covering


def one(picture, box):
    boxes = (torch.tensor(box, dtype=torch.float32).reshape(-1, 4),)
    return LabeledImages(LazyImages(lambda row: picture, 1), torch.tensor([0]), ("a",), boxes)


def marked(width, height, box):
    """White where the box is."""
    pixels = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_box_still_surrounds_what_it_surrounded(fit):
    box = (16, 8, 24, 20)
    made = in_memory(one(marked(40, 24, box), box), Covering((12, 12), fit))
    rows, columns = np.nonzero(made.pixels[0, 0].numpy() > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert made.boxes is not None
    np.testing.assert_allclose(made.boxes[0][0].numpy(), seen, atol=0.51)


def test_crop_shows_the_middle_and_cuts_boxes_to_it():
    picture = marked(40, 20, (0, 0, 10, 20))
    made = in_memory(one(picture, [[0, 0, 10, 20], [5, 0, 20, 20]]), (20, 20))
    assert not made.pixels.any()  # the white quarter lies left of the middle square
    assert made.boxes is not None
    assert made.boxes[0].tolist() == [[0, 0, 10, 20]]  # the first box is gone, the second is cut


def test_resizing_averages_over_all_pixels():
    board = np.indices((32, 32)).sum(axis=0) % 2 * np.uint8(254)
    made = in_memory(one(Image.fromarray(board.astype(np.uint8)), []), (4, 4))
    assert made.pixels.shape == (1, 1, 4, 4)
    np.testing.assert_allclose(made.pixels.numpy(), 127, atol=3)


def test_what_has_the_size_is_returned_as_it_is():
    data = LabeledImages(torch.zeros(2, 1, 3, 4, dtype=torch.uint8), torch.tensor([0, 0]), ("a",))
    assert in_memory(data, (3, 4)) is data


def test_bad_picture_is_left_out_and_named(tmp_path):
    paths = [tmp_path / f"{row}.png" for row in range(3)]
    for row, path in enumerate(paths):
        Image.new("RGB", (4, 4), (row, row, row)).save(path)
    paths[1].write_bytes(b"no")
    groups = torch.tensor([4, 5, 6])
    data = LabeledImages(LazyImages.of_files(paths), torch.tensor([0, 1, 2]), ("a", "b", "c"),
                         groups=groups, contexts=torch.tensor([0, 7, 1]))  # fmt: skip
    made = in_memory(data, (4, 4))
    assert made.labels.tolist() == [0, 2]
    assert made.groups is not None
    assert made.groups.tolist() == [4, 6]
    assert made.contexts is not None
    assert made.contexts.tolist() == [0, 1]
    assert made.pixels[:, 0, 0, 0].tolist() == [0, 2]
    assert "1.png" in made.left_out[0]
    paths[0].unlink()
    paths[2].unlink()
    with pytest.raises(DataError, match="none of 3 images can be used"):
        in_memory(data, (4, 4))


def test_what_fills_the_memory_lies_in_a_file_that_is_gone_afterwards(monkeypatch, tmp_path):
    monkeypatch.setattr(one_size, "much_memory", lambda: 100)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pixels = torch.randint(256, (6, 3, 9, 9), dtype=torch.uint8)
    data = LabeledImages(pixels, torch.zeros(6, dtype=torch.int64), ("a",))
    mapped = in_memory(data, (8, 8)).pixels
    monkeypatch.undo()
    assert torch.equal(mapped, in_memory(data, (8, 8)).pixels)
    assert not list(tmp_path.iterdir())


def test_unknown_fit_is_refused():
    with pytest.raises(OptionError, match="no fit 'pad'"):
        Covering((2, 2), "pad")
