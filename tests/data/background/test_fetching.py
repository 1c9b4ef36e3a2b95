"""Images come in order, a few ahead, and a bad one does not stop the others."""

import threading

import numpy as np
import pytest

from figureground.base.errors import ImageError
from figureground.data.background.fetching import fetched


class Slow:
    name, provenance = "slow", {"rule": "made"}

    def __init__(self):
        self.begun, self.lock = 0, threading.Lock()

    def __len__(self):
        return 100

    def __getitem__(self, index):
        with self.lock:
            self.begun += 1
        if index == 5:
            raise ImageError("5.png", "cut short")
        if index == 50:
            raise ZeroDivisionError
        return np.full((1, 1, 3), index, np.uint8)

    def group(self, index):
        return str(index)


def test_pictures_come_in_the_order_asked_for_with_reasons_for_bad_ones():
    results = list(fetched(Slow(), [9, 5, 7], workers=2))
    assert [row for row, _ in results] == [9, 5, 7]
    assert isinstance(results[1][1], ImageError)
    good = [picture for _, picture in results if isinstance(picture, np.ndarray)]
    assert [int(picture[0, 0, 0]) for picture in good] == [9, 7]


def test_only_a_few_are_held_at_once():
    source = Slow()
    stream = fetched(source, range(40), workers=2)
    next(stream)
    assert source.begun <= 8
    stream.close()


def test_an_error_of_the_program_is_not_taken_for_a_bad_picture():
    with pytest.raises(ZeroDivisionError):
        list(fetched(Slow(), [50]))
