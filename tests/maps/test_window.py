"""Maps lie in a picture where their window says."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.maps import overlay, place, resize
from figureground.maps.concepts import concept_panel
from figureground.maps.overlay import dim_unseen
from figureground.maps.window import Window, seen_part


def slow_place(values: torch.Tensor, window: Window, size: tuple[int, int]) -> torch.Tensor:
    """Every pixel by itself: where its centre lies between the centres of four cells."""
    (h, w), (x0, y0, x1, y1) = values.shape, window
    result = torch.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            y = min(max((row + 0.5 - y0) * h / (y1 - y0) - 0.5, 0), h - 1)
            x = min(max((column + 0.5 - x0) * w / (x1 - x0) - 0.5, 0), w - 1)
            above, left = int(y), int(x)
            below, right = min(above + 1, h - 1), min(left + 1, w - 1)
            upper = values[above, left] * (1 - x + left) + values[above, right] * (x - left)
            lower = values[below, left] * (1 - x + left) + values[below, right] * (x - left)
            result[row, column] = upper * (1 - y + above) + lower * (y - above)
    return result


@pytest.mark.parametrize(
    "window", [(3.0, 0.0, 14.0, 11.0), (-2.5, 1.25, 19.0, 9.0), (0.0, 0.0, 17.0, 11.0)]
)
def test_a_placed_map_equals_its_slow_twin(window: Window):
    maps = torch.randn(2, 3, 4, 5, generator=generator(1))
    placed = place(maps, window, (11, 17))
    assert placed.shape == (2, 3, 11, 17)
    for at in ((0, 0), (1, 2)):
        torch.testing.assert_close(placed[at], slow_place(maps[at], window, (11, 17)))


@pytest.mark.parametrize("size", [(9, 13), (1, 1), (40, 3)])
def test_a_window_of_the_whole_picture_is_resizing(size: tuple[int, int]):
    maps = torch.randn(2, 4, 5, generator=generator(2))
    whole = (0.0, 0.0, float(size[1]), float(size[0]))
    torch.testing.assert_close(place(maps, whole, size), resize(maps, size))


def test_windows_without_an_area_are_refused():
    for window in ((2.0, 0.0, 2.0, 4.0), (0.0, 4.0, 3.0, 1.0), (0.0, 0.0, float("nan"), 1.0)):
        with pytest.raises(ShapeError, match="a window is x0, y0, x1, y1"):
            place(torch.ones(2, 2), window, (4, 4))
        with pytest.raises(ShapeError, match="a window is x0, y0, x1, y1"):
            seen_part(window, (4, 4))
    with pytest.raises(ShapeError, match="cannot place maps"):
        place(torch.ones(2, 2), (0.0, 0.0, 1.0, 1.0), (0, 4))


def test_inside_the_window_an_overlay_is_that_of_the_part_alone():
    images, maps = torch.rand(2, 3, 12, 20, generator=generator(3)), torch.rand(2, 3, 4)
    drawn = overlay(images, maps, window=(5.0, 0.0, 15.0, 12.0))
    alone = overlay(images[..., 5:15], maps)
    assert (drawn[:, :, 5:15].int() - alone.int()).abs().max() <= 1
    assert (drawn[:, :, 4] == 255).all()
    assert (drawn[:, :, 15] == 255).all()
    grey = (images * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)
    expected = (grey * 255 * 0.4).round()
    for part in (slice(4), slice(16, 20)):
        shown = drawn[:, :, part].float()
        assert (shown - expected[:, :, part, None]).abs().max() <= 1


def test_what_is_seen_whole_has_no_frame():
    images = torch.rand(1, 3, 6, 8, generator=generator(4))
    picture = overlay(images, torch.rand(1, 2, 2))
    assert dim_unseen(picture, images, (-3.0, 0.0, 8.0, 9.0)) is picture


def test_concepts_lie_in_the_window_too():
    images, maps = torch.rand(1, 3, 12, 20, generator=generator(5)), torch.rand(1, 3, 3, 4)
    drawn = concept_panel(images, maps, window=(5.0, 0.0, 15.0, 12.0))
    alone = concept_panel(images[..., 5:15], maps)
    assert (drawn[:, :, 5:15].int() - alone.int()).abs().max() <= 1
    assert (drawn[:, :, 4] == 255).all()


def test_a_contour_runs_where_the_map_crosses_its_value():
    values = torch.zeros(1, 10, 12)
    values[0, 3:8, 4:10] = 1
    values[0, 5, 6] = 0.8
    black = torch.zeros(1, 3, 10, 12)
    white = (overlay(black, values, contour=0.7, alpha=0.0) == 255).all(-1)[0]
    assert not (overlay(black, values, alpha=0.0) == 255).any()
    expected = torch.zeros(10, 12, dtype=torch.bool)
    expected[3:8, 4:10] = True
    expected[4:7, 5:9] = False
    assert torch.equal(white, expected)
    for wrong in (0.0, 1.0, -2.0):
        with pytest.raises(OptionError, match="contour is a value between 0 and 1"):
            overlay(black, values, contour=wrong)
