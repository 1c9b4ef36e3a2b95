"""Maps brought to another size."""

import math

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.maps.post_processing import RESIZINGS, resize

SIZES = [(7, 11), (3, 4), (2, 3), (13, 9), (1, 1)]


def maps_2x3(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 4, generator=generator(1))


def linear(values: list[float], place: float) -> float:
    place = min(max(place, 0.0), len(values) - 1.0)
    left = math.floor(place)
    right = min(left + 1, len(values) - 1)
    return values[left] + (place - left) * (values[right] - values[left])


def slow_linear(scores: torch.Tensor, size: tuple[int, int], shift: float) -> torch.Tensor:
    rows, columns = scores.shape
    result = torch.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            at_y = (y + shift) * rows / size[0] - shift
            at_x = (x + shift) * columns / size[1] - shift
            by_row = [linear(scores[r].tolist(), at_x) for r in range(rows)]
            result[y, x] = linear(by_row, at_y)
    return result


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("how", "shift"), [("bilinear", 0.5), ("tf1", 0.0)])
def test_linear_resizing_equals_its_slow_twin(how, shift, size):
    maps = maps_2x3()
    resized = resize(maps, size, how=how)
    for given, result in zip(maps, resized, strict=True):
        torch.testing.assert_close(result, slow_linear(given, size, shift), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_nearest_takes_the_pixel_under_the_centre(size):
    maps = maps_2x3()
    resized = resize(maps, size, how="nearest")
    for y in range(size[0]):
        for x in range(size[1]):
            at = (math.floor((y + 0.5) * 3 / size[0]), math.floor((x + 0.5) * 4 / size[1]))
            assert torch.equal(resized[:, y, x], maps[:, at[0], at[1]])


@pytest.mark.parametrize("size", [(7, 11), (56, 42), (224, 224)])
@pytest.mark.parametrize("how", ["bilinear", "cubic"])
def test_result_equals_opencv(how, size):
    cv2 = pytest.importorskip("cv2")
    flag = {"bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}[how]
    given = torch.rand(7, 6, generator=generator(2))
    expected = torch.from_numpy(cv2.resize(given.numpy(), (size[1], size[0]), interpolation=flag))
    torch.testing.assert_close(resize(given, size, how=how), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("how", RESIZINGS)
def test_same_size_gives_the_same_map(how):
    maps = maps_2x3()
    torch.testing.assert_close(resize(maps, (3, 4), how=how), maps, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("how", RESIZINGS)
def test_constant_map_stays_constant(how):
    torch.testing.assert_close(
        resize(torch.full((2, 2, 3), 0.3), (5, 7), how=how), torch.full((2, 5, 7), 0.3)
    )


@pytest.mark.parametrize("how", ["bilinear", "cubic", "nearest"])
def test_mirrored_map_gives_the_mirrored_result(how):
    maps = maps_2x3()
    mirrored = resize(maps.flip(-1), (8, 16), how=how).flip(-1)
    torch.testing.assert_close(mirrored, resize(maps, (8, 16), how=how), atol=1e-5, rtol=1e-5)


def test_tf1_grid_sits_fifteen_and_a_half_pixels_to_the_top_left():
    ramp = torch.arange(7.0).repeat(7, 1)
    half_pixel = resize(ramp, (224, 224))[100]
    tf1 = resize(ramp, (224, 224), how="tf1")[100]
    inside = slice(32, 160)
    torch.testing.assert_close(tf1[inside], half_pixel[inside] + 15.5 / 32, atol=1e-5, rtol=0)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("how", RESIZINGS)
def test_leading_axes_are_kept(leading, how):
    assert resize(torch.rand(*leading, 3, 4), (5, 6), how=how).shape == (*leading, 5, 6)


def test_input_is_not_changed():
    maps = maps_2x3()
    before = maps.clone()
    for how in RESIZINGS:
        resize(maps, (5, 6), how=how).add_(1)
    assert torch.equal(maps, before)


@pytest.mark.parametrize("how", RESIZINGS)
def test_result_at_the_same_size_is_no_view_of_the_input(how):
    maps = maps_2x3()
    before = maps.clone()
    resize(maps, (3, 4), how=how).zero_()
    assert torch.equal(maps, before)


def test_unknown_way_is_refused_with_the_closest():
    with pytest.raises(OptionError, match="no way to resize 'bicubic'; closest: 'cubic'"):
        resize(maps_2x3(), (5, 6), how="bicubic")


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_size_that_is_not_positive_is_refused(size):
    with pytest.raises(ShapeError, match=r"cannot resize maps of shape \(2, 3, 4\) to"):
        resize(maps_2x3(), size)
