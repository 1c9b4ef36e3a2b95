"""The engine starts without a word, and leaves other people's loggers as it found them."""

import logging

import pytest

from figureground.training.run import launched


@pytest.mark.parametrize("level", [logging.NOTSET, logging.DEBUG])
def test_nothing_is_announced_and_levels_are_put_back(level: int, caplog: pytest.LogCaptureFixture):
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(level)
    try:
        launched(precision="bf16-mixed", accelerator="cpu")
        assert logger.level == level
    finally:
        logger.setLevel(before)
    assert not caplog.records
