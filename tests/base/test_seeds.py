"""Equal seeds, equal numbers."""

import random

import numpy as np
import torch

from figureground.base.paper import Paper
from figureground.base.seeds import generator, seed_everything


def test_equal_seeds_give_equal_streams():
    draws = [torch.rand(5, generator=generator(seed)).tolist() for seed in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]


def test_a_generator_leaves_the_global_stream_alone():
    state = torch.random.get_rng_state()
    torch.rand(5, generator=generator(0))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_everything_is_seeded_at_once():
    draws = []
    for _ in range(2):
        seed_everything(7)
        draws.append((random.random(), float(np.random.rand()), torch.rand(1).item()))  # noqa: NPY002
    assert draws[0] == draws[1]


def test_a_paper_is_printed_as_a_reference():
    paper = Paper("Zhou et al.", "A title", 2016, "CVPR")
    assert str(paper) == "Zhou et al. (2016). A title. CVPR."
