"""Numbers depend on the place in a run."""

import torch

from figureground.training.streams import borrowed_numbers, set_numbers, stream

CPU = torch.device("cpu")


def drawn(*place):
    return torch.rand(4, generator=stream(*place)).tolist()


def test_each_seed_purpose_and_place_has_its_own_numbers():
    places = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", 1, 2), (0, "a", 12)]
    assert len({tuple(drawn(*place)) for place in places}) == len(places)
    assert drawn(3, "a", 4) == drawn(3, "a", 4)


def test_borrowed_numbers_are_given_back():
    before = torch.get_rng_state()
    with borrowed_numbers(CPU):
        set_numbers(CPU, 0, "here", 1)
        first = torch.rand(3)
        set_numbers(CPU, 0, "here", 1)
        assert torch.equal(first, torch.rand(3))
        set_numbers(CPU, 0, "here", 2)
        assert not torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())
