"""Walking a network back, shared by the tests of each part of it."""

import math

import pytest
import torch

from figureground.base.seeds import generator
from figureground.capture.tape import Tape
from figureground.methods.cnn_fixations import cnn_fixations


@pytest.fixture(scope="session")
def walked():
    """Function from a network, images, classes and a position to sets of (channel, row, column)."""

    def walk(net, images, classes, position="center"):
        with torch.no_grad(), Tape() as tape:
            logits = net(images)
        found = cnn_fixations(tape, images, logits, classes=classes, position=position)
        return [[{tuple(p) for p in one.points.tolist()} for one in row] for row in found]

    return walk


@pytest.fixture(scope="session")
def seeded():
    """Function that gives a module weights of our own generator, in evaluation mode."""

    def seed(module):
        source = generator(1)
        for parameter in module.parameters():
            fan = math.prod(parameter.shape[1:]) or 1
            parameter.data = torch.randn(parameter.shape, generator=source) / math.sqrt(fan)
        return module.eval().requires_grad_(False)

    return seed
