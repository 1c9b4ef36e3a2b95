"""Concepts drawn together: each place in the colour of its strongest one."""

import torch

from figureground.maps.concepts import concept_colours, concept_panel


def test_colours_are_as_different_as_the_circle_allows():
    assert concept_colours(3) == ["#ff3333", "#33ff33", "#3333ff"]
    assert len(set(concept_colours(9))) == 9


def test_each_place_has_the_colour_of_its_strongest_concept():
    maps = torch.zeros(2, 3, 2, 4)
    maps[0, 0, :, :2], maps[0, 1, :, 2:] = 2.0, 5.0
    maps[1, 2, 0], maps[1, 0, 1] = 1.0, 1.0
    painted = concept_panel(torch.zeros(2, 3, 2, 4), maps).float()
    first, second = painted
    red, green, blue = [int(c[1:3], 16) * 0.65 for c in ("#ff", "#33", "#33")]
    expected = torch.tensor([red, green, blue])
    torch.testing.assert_close(first[0, 0], expected, atol=1, rtol=0)
    torch.testing.assert_close(first[1, 3], expected[[1, 0, 2]], atol=1, rtol=0)
    torch.testing.assert_close(second[0, 0], expected[[1, 2, 0]], atol=1, rtol=0)
    # the largest presence of a concept in the batch counts as full: here half of it
    torch.testing.assert_close(second[1, 0], expected / 2, atol=1, rtol=0)


def test_a_place_without_concepts_shows_the_picture_alone():
    images = torch.rand(2, 1, 3, 5, generator=torch.Generator().manual_seed(0))
    painted = concept_panel(images, torch.zeros(2, 2, 3, 5))
    expected = (images[:, 0, :, :, None] * 255 * 0.35).round().expand(-1, -1, -1, 3)
    torch.testing.assert_close(painted.float(), expected)
