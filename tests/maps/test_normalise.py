"""Raw maps to comparable maps."""

import pytest
import torch

from figureground.base.errors import MapError, OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.maps.post_processing import NORMALISATIONS, is_constant, normalise


def slow_minmax(scores: list[list[float]]) -> list[list[float]]:
    flat = [value for row in scores for value in row]
    low, high = min(flat), max(flat)
    return [[(value - low) / (high - low) for value in row] for row in scores]


def random_maps() -> torch.Tensor:
    return torch.randn(2, 3, 4, 5, generator=generator(0))


def test_minmax_equals_its_slow_twin():
    maps = random_maps()
    scaled = normalise(maps)
    for n in range(2):
        for k in range(3):
            expected = torch.tensor(slow_minmax(maps[n, k].tolist()))
            torch.testing.assert_close(scaled[n, k], expected)


def test_minmax_reaches_exactly_zero_and_one():
    scaled = normalise(1000 + random_maps())
    assert torch.equal(scaled.amin((-2, -1)), torch.zeros(2, 3))
    assert torch.equal(scaled.amax((-2, -1)), torch.ones(2, 3))


@pytest.mark.parametrize("how", ["minmax", "max"])
def test_scale_of_the_scores_does_not_matter(how):
    maps = random_maps()
    torch.testing.assert_close(normalise(maps * 37.5, how=how), normalise(maps, how=how))


def test_max_keeps_signs_and_divides_by_the_largest_absolute_value():
    maps = torch.tensor([[[-4.0, 0.0, 2.0]]])
    assert normalise(maps, how="max").tolist() == [[[-1.0, 0.0, 0.5]]]


def test_relu_cuts_before_scaling():
    maps = torch.tensor([[-4.0, 1.0, 2.0]])
    assert normalise(maps, relu=True).tolist() == [[0.0, 0.5, 1.0]]


def test_none_changes_nothing_but_what_relu_cuts():
    maps = random_maps()
    assert torch.equal(normalise(maps, how="none"), maps)
    assert torch.equal(normalise(maps, how="none", relu=True), maps.clamp(min=0))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e30])
def test_constant_map_becomes_zeros_under_minmax(value):
    maps = torch.full((2, 3, 4), value)
    assert torch.equal(normalise(maps), torch.zeros(2, 3, 4))


def test_rounding_noise_is_not_stretched_to_the_full_scale():
    noisy = torch.full((3, 4), 0.1)
    noisy[1, 2] = torch.nextafter(noisy[1, 2], torch.tensor(1.0))
    assert not normalise(noisy).any()
    assert bool(is_constant(noisy))


def test_small_but_real_differences_are_kept():
    maps = torch.tensor([[1e-20, 3e-20]])
    assert normalise(maps).tolist() == [[0.0, 1.0]]
    assert not bool(is_constant(maps))


def test_zero_map_stays_zero_under_max():
    assert not normalise(torch.zeros(2, 3), how="max").any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("how", NORMALISATIONS)
def test_map_with_a_broken_value_is_named(bad, how):
    maps = random_maps()
    maps[1, 2, 0, 0] = bad
    with pytest.raises(MapError, match=r"1 of 6 maps hold NaN or infinity, at \(1, 2\);"):
        normalise(maps, how=how)


def test_many_broken_maps_are_counted_and_some_are_named():
    with pytest.raises(MapError, match=r"20 of 20 maps .* at \(0,\), .*\(7,\), …;"):
        normalise(torch.full((20, 2, 2), float("nan")))


def test_broken_map_becomes_zeros_where_asked_and_others_are_untouched():
    maps = random_maps()
    expected = normalise(maps)
    expected[1, 2] = 0
    maps[1, 2, 0, 0] = float("nan")
    torch.testing.assert_close(normalise(maps, on_blank="zeros"), expected)


def test_input_is_not_changed():
    maps = random_maps()
    before = maps.clone()
    for how in NORMALISATIONS:
        normalise(maps, how=how, relu=True)
    assert torch.equal(maps, before)


def test_unknown_normalisation_is_refused_with_the_closest():
    with pytest.raises(OptionError, match="no normalisation 'minmx'; closest: 'minmax'"):
        normalise(random_maps(), how="minmx")


def test_unknown_on_blank_is_refused():
    with pytest.raises(OptionError, match="no on_blank 'zero'; known: raise, zeros"):
        normalise(random_maps(), on_blank="zero")


def test_maps_without_positions_are_refused():
    with pytest.raises(ShapeError, match="without positions"):
        normalise(torch.zeros(2, 0, 3))


def test_empty_batch_stays_empty():
    assert normalise(torch.zeros(0, 3, 4)).shape == (0, 3, 4)


def test_a_map_is_constant_up_to_rounding_of_its_type_only():
    around = torch.tensor([[[1.0, 1.0 + 1e-6]], [[1.0, 1.0 + 1e-5]], [[1e6, 1e6 + 1]]])
    assert is_constant(around).tolist() == [True, False, True]
