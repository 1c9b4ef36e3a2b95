"""The difference of two models' maps has a sign, lies where the maps lie, and is told in words."""

import numpy as np
import pytest
import torch

from figureground.maps import colour, normalise
from figureground.studies.explain.options import ExplainOptions
from figureground.web.asking import compared
from figureground.web.differing import differences, mass_sentence, normalised_in
from figureground.web.looking import Look
from figureground.web.map_values import ShownMap
from figureground.web.served import ServedModel

NAMES = ("plain", "cured")


def test_a_normalised_map_is_nothing_where_the_network_did_not_see():
    maps = torch.tensor([[[-3.0, 1.0], [2.0, 4.0]]])
    one = ShownMap("cam", ("cam",), 0, maps, (2.0, 0.0, 6.0, 4.0), (8, 4))
    found = normalised_in(one, (8, 16))  # shown at twice the size
    assert found.shape == (8, 16)
    assert not found[:, :4].any()
    assert not found[:, 12:].any()
    assert found[-1, 11] == 1
    assert found[0, 4] == 0
    assert found[0, 11] == 0.25


def test_each_pixel_has_the_colour_of_the_second_map_less_the_first(
    model: ServedModel, other_model: ServedModel, photo
):
    options = ExplainOptions(methods=("grad-cam", "layer-cam"), classes=[1], opacity=0.3)
    first, second, _ = compared((model, other_model), photo, options)
    found = differences((first, second), photo, NAMES)
    assert [one.picture.words for one in found] == ["grad-cam · green", "layer-cam · green"]
    for one, mine, theirs in zip(found, first.maps, second.maps, strict=True):
        signed = torch.zeros(30, 40)
        for y, x in np.ndindex(30, 40):
            signed[y, x] = by_hand(theirs, x, y) - by_hand(mine, x, y)
        assert signed.abs().max() > 0.05
        over = colour((signed[None] + 1) / 2, "blue-red")[0].numpy()
        grey = np.asarray(photo.convert("L"))[..., None]
        assert np.abs(one.picture.pixels[::9, ::9] - (0.65 * over + 0.35 * grey)).max() <= 2


def by_hand(one: ShownMap, x: int, y: int) -> float:
    """A normalised map at a pixel: between four cells; nothing outside the window."""
    x0, y0, x1, y1 = one.window
    if not (x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1):
        return 0.0
    cells = normalise(one.maps.relu())[0].tolist()
    height, width = len(cells), len(cells[0])
    row = min(max((y + 0.5 - y0) / (y1 - y0) * height - 0.5, 0), height - 1)
    column = min(max((x + 0.5 - x0) / (x1 - x0) * width - 0.5, 0), width - 1)
    above, left = int(row), int(column)
    below, right = min(above + 1, height - 1), min(left + 1, width - 1)
    down, across = row - above, column - left
    top = cells[above][left] * (1 - across) + cells[above][right] * across
    bottom = cells[below][left] * (1 - across) + cells[below][right] * across
    return float(top * (1 - down) + bottom * down)


def test_a_model_differs_from_itself_nowhere(model: ServedModel, photo):
    options = ExplainOptions(methods=("cam", "grad-cam", "dff"), classes=[0, 2])
    first, second, _ = compared((model, model), photo, options)
    found = differences((first, second), photo, NAMES)
    assert [one.sentence for one in found] == [
        "cam = grad-cam · red, deep: the mass lies in the same places.",
        "cam = grad-cam · blue: the mass lies in the same places.",
    ]
    flat = colour(torch.full((1, 1, 1), 0.5), "blue-red")[0, 0, 0].numpy()
    grey = np.asarray(photo.convert("L"))[..., None]
    assert np.abs(found[0].picture.pixels[::9, ::9] - (0.65 * flat + 0.35 * grey)).max() <= 0.5


def test_maps_are_matched_by_method_and_class_even_where_one_shares_its_picture(photo):
    def shown(methods: tuple[str, ...], position: int | None, value: float) -> ShownMap:
        maps = torch.tensor([[[value, 1.0]]])
        words = f"{methods[0]} {position}"
        return ShownMap(words, methods, position, maps, (0.0, 0.0, 40.0, 30.0), photo.size)

    def seen(*maps: ShownMap) -> Look:
        return Look({}, (), (), maps, {}, ())

    first = seen(shown(("cam", "grad-cam"), 0, 0.2), shown(("eigen-cam",), None, 0.0))
    second = seen(
        shown(("cam",), 1, 0.5), shown(("eigen-cam",), None, 0.0), shown(("grad-cam",), 0, 2.0)
    )
    found = differences((first, second), photo, NAMES)
    assert [one.picture.words for one in found] == ["cam 0 / grad-cam 0", "eigen-cam None"]


@pytest.mark.parametrize("seed", range(4))
def test_the_sentence_is_that_of_sums_pixel_by_pixel(seed: int):
    draws = np.random.default_rng(seed)
    first, second = draws.random((7, 11)) ** 3, draws.random((7, 11)) ** 3
    sums = {name: np.zeros((3, 3)) for name in NAMES}
    for name, one in zip(NAMES, (first, second), strict=True):
        for y, x in np.ndindex(7, 11):
            row = 0 if y < 3 else 1 if y < 5 else 2  # 7 rows: 3, 2, 2
            column = 0 if x < 4 else 1 if x < 8 else 2  # 11 columns: 4, 4, 3
            sums[name][row, column] += one[y, x] / one.sum()
    told = mass_sentence(first, second, NAMES)
    moved = 50 * np.abs(first / first.sum() - second / second.sum()).sum()
    assert told.startswith(f"{moved:.0f} % of the mass lies elsewhere: cured has more ")
    places = ["top left", "top", "top right", "left", "middle", "right"]
    places += ["bottom left", "bottom", "bottom right"]
    gain = (sums["cured"] - sums["plain"]).argmax()
    loss = (sums["plain"] - sums["cured"]).argmax()
    share = sums["cured"].flat[gain], sums["plain"].flat[gain]
    assert (
        f"the {places[gain]} ({100 * share[0]:.0f} against {100 * share[1]:.0f} %), plain " in told
    )
    assert f"the {places[loss]} (" in told.partition(", plain ")[2]


def test_a_map_without_a_positive_value_is_told():
    nothing, some = np.zeros((3, 3)), np.ones((3, 3))
    assert mass_sentence(nothing, some, NAMES) == "plain shows nothing."
    assert mass_sentence(nothing, nothing, NAMES) == "plain and cured show nothing."
