"""Numbers in [0, 1] to colours."""

import numpy as np
import pytest
import torch

from figureground.base.errors import MapError, OptionError
from figureground.maps.colour import COLOUR_MAPS, DIVERGING, colour, colour_table

EVEN = ["viridis", "inferno", "magma", "plasma", "cividis"]
OTHERS = ["turbo", "gray", "coolwarm", "RdBu_r", "bwr", "seismic"]


def lightness(table: torch.Tensor) -> torch.Tensor:
    """CIE L*, 0 to 100."""
    share = table.double() / 255
    linear = torch.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.double)
    low = luminance * 903.3
    return torch.where(luminance > 0.008856, 116 * luminance ** (1 / 3) - 16, low)


@pytest.mark.parametrize("name", EVEN + OTHERS)
def test_table_equals_matplotlib(name):
    matplotlib = pytest.importorskip("matplotlib")
    expected = matplotlib.colormaps[name](np.arange(256))[:, :3]
    assert np.abs(colour_table(name).numpy() / 255 - expected).max() < 0.012


def test_jet_equals_opencv():
    cv2 = pytest.importorskip("cv2")
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_JET)[0]
    difference = np.abs(colour_table("jet").numpy().astype(int) - bgr[:, ::-1].astype(int))
    assert difference.max() <= 1


@pytest.mark.parametrize("name", EVEN)
def test_lightness_rises_evenly(name):
    steps = lightness(colour_table(name))[::16].diff()
    assert bool((steps > 0).all())
    assert float(steps.max() / steps.mean()) < 1.6


def test_diverging_map_is_lightest_in_the_middle_blue_below_and_red_above():
    for name in DIVERGING:
        table = colour_table(name).int()
        assert 120 <= int(lightness(table).argmax()) <= 135
        assert bool((table[:100, 2] > table[:100, 0]).all())
        assert bool((table[156:, 0] > table[156:, 2]).all())


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_looks_each_value_up(name):
    values = torch.tensor([[[0.0, 0.5, 1.0]], [[0.25, -3.0, 7.0]]])
    table = colour_table(name)
    levels = [[[0, 128, 255]], [[64, 0, 255]]]
    assert torch.equal(colour(values, name), table[torch.tensor(levels)])


def test_table_is_the_callers_own():
    colour_table("jet").zero_()
    assert colour_table("jet").any()


def test_unknown_colour_map_is_refused_with_the_closest():
    with pytest.raises(OptionError, match="no colour map 'viridus'; closest: 'viridis'"):
        colour(torch.rand(2, 3), "viridus")


def test_nan_has_no_colour():
    with pytest.raises(MapError, match="holds NaN"):
        colour(torch.tensor([[0.5, float("nan")]]))
