"""A small JPEG cannot keep a thread busy for minutes, and no honest one is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import ImageError
from figureground.data import decode_image, image_size
from figureground.data.jpeg_scans import MOST_SCANS


def jpeg(size=(64, 48), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def with_scans(count):
    """A progressive JPEG whose last scan, which has no 0xFFDA in its numbers, stands there again and again."""
    content = jpeg(progressive=True)
    scans, last = content.count(b"\xff\xda"), content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * (count - scans) + content[-2:]


def test_more_scans_than_the_limit_are_refused_with_the_reason():
    assert decode_image(with_scans(MOST_SCANS)).size == (64, 48)
    for count in (MOST_SCANS + 1, 3000):
        with pytest.raises(ImageError, match=f"a JPEG of more than {MOST_SCANS} scans"):
            decode_image(with_scans(count))
    assert image_size(with_scans(3000)) == (64, 48)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_what_follows_the_image_and_what_its_metadata_hold_counts_for_nothing(options):
    film = b"\xff\xda\x00\x02" * 5000  # telephones append one
    preview = jpeg((8, 8))
    content = jpeg(exif=b"Exif\0\0" + b"\xff\xda" * 3000 + preview, **options) + film
    assert decode_image(content).size == (64, 48)
