"""What threads hold of decoded images at once has a limit, and nobody waits for ever."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from figureground.base.errors import ImageError
from figureground.data import decode_image, decoding, holding as module
from figureground.data.holding import holding, until_used


@pytest.fixture
def room(monkeypatch):
    monkeypatch.setattr(module, "_ROOM", module._Room(100))


class Watch:
    """Counts what is held at once."""

    def __init__(self):
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def hold(self, pixels):
        with self.lock:
            self.now += pixels
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self.lock:
            self.now -= pixels


@pytest.mark.parametrize("used", [False, True])
def test_the_sum_over_all_threads_stays_below_the_limit(room, used):
    watch, sizes = Watch(), [60, 30, 100, 10, 45, 5, 70, 20] * 6

    def work(pixels):
        if not used:
            with holding(pixels):
                watch.hold(pixels)
            return
        with until_used():
            with holding(pixels):
                pass
            watch.hold(pixels)  # as while the decoded image is made smaller

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, sizes))
    assert 60 < watch.most <= 100
    assert module._ROOM._free == 100


def test_one_image_larger_than_all_the_room_is_decoded_alone(room):
    watch = Watch()

    def work(_):
        with holding(1000):
            watch.hold(1000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert watch.most == 1000


def test_a_second_image_in_one_thread_takes_the_room_of_the_first(room):
    with until_used():
        for _ in range(3):
            with holding(80):
                pass
            assert module._ROOM._free == 20
    assert module._ROOM._free == 100


def test_room_is_given_back_where_decoding_fails(room, monkeypatch):
    stream = io.BytesIO()
    Image.effect_noise((9, 9), 50).save(stream, "PNG")
    assert decode_image(stream.getvalue()).size == (9, 9)
    with pytest.raises(ImageError):
        decode_image(stream.getvalue()[:60])
    assert module._ROOM._free == 100


def test_memory_that_does_not_suffice_is_called_so(monkeypatch):
    def full(*_args):
        raise MemoryError

    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, "PNG")
    monkeypatch.setattr(decoding, "_to_rgb", full)
    with pytest.raises(ImageError) as caught:
        decode_image(stream.getvalue())
    assert caught.value.reason == "the memory does not suffice to decode it"
