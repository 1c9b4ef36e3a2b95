"""The hash is that of the cosine transform; mirrors and inverses change known bits."""

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from figureground.data.background.fingerprints import HASH_BITS, MIRRORED, fingerprints


def of(given, pictures):
    return fingerprints(given(pictures), stage="some")


def apart(a, b):
    return int(np.bitwise_count(np.uint64(a) ^ np.uint64(b)))


def test_hash_holds_the_signs_of_the_lowest_cosine_waves(given, scenes):
    picture = scenes([3], 32, 32)[0]
    grey = np.asarray(Image.fromarray(picture).convert("L"), float)
    waves = dctn(grey - grey.mean(), norm="ortho")
    order = sorted(
        ((v, u) for v in range(12) for u in range(12)), key=lambda p: (p[0] ** 2 + p[1] ** 2, p)
    )
    expected = sum(1 << bit for bit, place in enumerate(order[1:65]) if waves[place] > 0)
    assert int(of(given, [picture]).hashes[0]) == expected
    # no wave beyond the square that was sorted is lower than the 64th
    assert max(v * v + u * u for v, u in order[1:65]) < 12**2


def test_mirrored_and_inverted_pictures_have_known_hashes(given, scenes):
    pictures = scenes(range(20), 64, 64)
    plain = of(given, pictures).hashes
    mirrored = of(given, [picture[:, ::-1].copy() for picture in pictures]).hashes
    inverted = of(given, [255 - picture for picture in pictures]).hashes
    assert max(apart(a ^ MIRRORED, b) for a, b in zip(plain, mirrored, strict=True)) <= 1
    assert (
        min(apart(a, b) for a, b in zip(plain, inverted, strict=True)) >= HASH_BITS - 2
    )  # grey is rounded


def test_unrelated_pictures_differ_in_half_the_bits(given, scenes):
    hashes = of(given, scenes(range(60))).hashes
    distances = [apart(a, b) for at, a in enumerate(hashes) for b in hashes[:at]]
    assert np.mean(distances) == pytest.approx(32, abs=1)
    assert min(distances) > 10


def test_digests_are_equal_for_equal_pictures_only(given, scenes):
    picture = scenes([0], 40, 50)[0]
    touched = picture.copy()
    touched[3, 4, 1] ^= 1
    turned = np.ascontiguousarray(picture.reshape(50, 40, 3))  # the same bytes in another shape
    prints = of(given, [picture, picture.copy(), touched, turned])
    assert prints.digests[0] == prints.digests[1]
    assert len(set(prints.digests.tolist())) == 3


def test_pictures_without_layout_are_marked(given, scenes):
    flat = np.full((20, 20, 3), 77, np.uint8)
    noisy = flat + np.random.default_rng(0).integers(0, 2, flat.shape, dtype=np.uint8)
    assert of(given, [flat, noisy, *scenes([0])]).blank.tolist() == [True, True, False]


def test_progress_is_told_to_the_end(given, scenes):
    told = []
    fingerprints(
        given(scenes(range(70), 8, 8)), stage="some", progress=lambda *words: told.append(words)
    )
    assert told == [("some", 64, 70), ("some", 70, 70)]
