"""Random numbers depend on the position in a run."""

import torch

from figureground.training.streams import forked_rng, seed_rng, stream

CPU = torch.device("cpu")


def drawn(*place):
    return torch.rand(4, generator=stream(*place)).tolist()


def test_each_seed_purpose_and_position_has_its_own_numbers():
    places = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", 1, 2), (0, "a", 12)]
    assert len({tuple(drawn(*place)) for place in places}) == len(places)
    assert drawn(3, "a", 4) == drawn(3, "a", 4)


def test_a_forked_rng_is_restored():
    before = torch.get_rng_state()
    with forked_rng(CPU):
        seed_rng(CPU, 0, "here", 1)
        first = torch.rand(3)
        seed_rng(CPU, 0, "here", 1)
        assert torch.equal(first, torch.rand(3))
        seed_rng(CPU, 0, "here", 2)
        assert not torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())
