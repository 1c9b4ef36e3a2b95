import pickle

import torch
from PIL import Image

from figureground.models import Preprocessing, View


def _preprocessing(resize: str, fraction: float = 1.0) -> Preprocessing:
    return Preprocessing(
        size=(60, 80),
        resize=resize,  # type: ignore[arg-type]
        crop_fraction=fraction,
        interpolation="nearest",
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )


def _view(resize: str, size: tuple[int, int], fraction: float = 1.0) -> View:
    return _preprocessing(resize, fraction).view(Image.new("RGB", size))[1]


def test_a_painted_rectangle_is_found_where_the_view_says():
    box = (90, 40, 150, 100)
    image = Image.new("RGB", (240, 131))
    image.paste((255, 255, 255), box)
    for resize, fraction in (
        ("crop", 0.8),
        ("stretch", 1.0),
        ("pad", 1.0),
        ("crop", 1.2),
        ("middle", 0.9),
    ):
        pixels, view = _preprocessing(resize, fraction).view(image)
        rows, columns = torch.nonzero(pixels[0] == 255).unbind(1)
        found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        expected = view.boxes_from_original(torch.tensor([box]).float())[0]
        assert (found - expected).abs().max() <= 1.0, resize
        back = view.boxes_to_original(found[None].float())[0]
        pixel = 1 / min(view.scale_x, view.scale_y)
        assert (back - torch.tensor(box)).abs().max() <= pixel, resize


def test_a_box_inside_the_view_comes_back_unchanged():
    boxes = torch.tensor([[100.0, 50.0, 140.5, 90.25], [120.0, 60.0, 121.0, 61.0]])
    for resize in ("crop", "stretch", "pad", "middle"):
        view = _view(resize, (240, 131))
        there_and_back = view.boxes_to_original(view.boxes_from_original(boxes))
        torch.testing.assert_close(there_and_back, boxes, rtol=0, atol=1e-4)


def test_the_whole_view_of_a_crop_is_the_middle_of_the_image():
    view = View((400, 100), 0.6, 0.6, 80.0, 0.0, view_size=(80, 60))
    whole = view.boxes_to_original(torch.tensor([[0.0, 0.0, 80.0, 60.0]]))
    torch.testing.assert_close(whole, torch.tensor([[80 / 0.6, 0.0, 160 / 0.6, 100.0]]))


def test_boxes_are_clipped_at_the_edges_of_where_they_go():
    view = View((400, 100), 0.5, 0.5, 80.0, -3.0, view_size=(80, 60))
    huge = torch.tensor([[-50.0, -50.0, 1000.0, 1000.0]])
    assert view.boxes_to_original(huge).tolist() == [[60.0, 0.0, 400.0, 100.0]]
    assert view.boxes_from_original(huge).tolist() == [[0.0, 0.0, 80.0, 60.0]]


def test_a_box_that_the_crop_cut_away_has_no_area():
    view = View((400, 100), 0.6, 0.6, 80.0, 0.0, view_size=(80, 60))
    x0, _, x1, _ = view.boxes_from_original(torch.tensor([[0.0, 0.0, 60.0, 100.0]]))[0].tolist()
    assert x1 - x0 == 0


def test_boxes_are_not_changed_in_place_and_no_boxes_are_fine():
    view = _view("crop", (100, 50))
    boxes = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    before = boxes.clone()
    view.boxes_to_original(boxes)
    view.boxes_from_original(boxes)
    assert torch.equal(boxes, before)
    assert view.boxes_to_original(torch.zeros(0, 4)).shape == (0, 4)


def test_a_view_survives_the_way_to_a_worker_process():
    view = _view("crop", (100, 50))
    assert pickle.loads(pickle.dumps(view)) == view  # noqa: S301 - our own bytes
