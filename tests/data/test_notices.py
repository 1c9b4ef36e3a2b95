"""What decoders warn about is told with the name of the file, once for a job."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image

from figureground.base.errors import ImageError
from figureground.data import decode_image, decode_mask, image_size, notices_of
from figureground.data.notices import Notice, summed, warnings_noticed


def bad_exif():
    stream = io.BytesIO()
    # a directory of 3 entries that ends after the first
    broken = b"Exif\0\0II*\0\x08\0\0\0\x03\0\x0e\x01\x02\0\x04\0\0\0abc\0"
    Image.new("RGB", (4, 3), (9, 9, 9)).save(stream, "JPEG", exif=broken)
    return stream.getvalue()


def test_a_warning_of_the_decoder_is_a_notice_of_its_image_in_whatever_thread(capfd):
    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, "JPEG")
    with warnings_noticed(), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(decode_image, [bad_exif(), stream.getvalue()] * 20))
    for image in found[::2]:
        (notice,) = notices_of(image)
        assert notice.kind == "decoder-warning"
        assert "EXIF" in notice.detail
    assert not any(map(notices_of, found[1::2]))
    assert capfd.readouterr().err == ""


def test_the_size_and_the_mask_of_an_odd_image_say_nothing_without_its_name(capfd):
    with warnings_noticed():
        assert image_size(bad_exif()) == (4, 3)
        assert decode_mask(bad_exif()).all()
    assert capfd.readouterr().err == ""


def test_what_tifffile_logs_is_a_notice_too(capfd):
    stream = io.BytesIO()
    planes, tag = np.zeros((3, 5, 7), np.uint16), (65000, "H", 1, 7, True)
    tifffile.imwrite(stream, planes, photometric="rgb", planarconfig="separate", extratags=[tag])
    content = bytearray(stream.getvalue())
    at = content.index((65000).to_bytes(2, "little"))
    content[at + 2 : at + 4] = (99).to_bytes(2, "little")  # a type of number that does not exist
    with warnings_noticed():
        (notice,) = notices_of(decode_image(bytes(content)))
    assert "invalid data type 99" in notice.detail
    assert capfd.readouterr().err == ""


def test_warnings_of_others_are_shown_as_before():
    filters = list(warnings.filters)
    with pytest.warns(UserWarning, match="of somebody else's"), warnings_noticed():
        warnings.warn("of somebody else's", UserWarning, stacklevel=1)
    assert list(warnings.filters) == filters


def test_sums_count_images_and_not_warnings():
    small = Notice("small-range", "numbers up to 4095 of 65535")
    odd = Notice("decoder-warning", "odd tag")
    lines = summed([("a.png", small), ("b.png", small), ("a.png", small), ("c.tif", odd)])
    assert len(lines) == 2
    assert lines[0].startswith("1 image: decoded with a warning; for example c.tif: odd tag")
    assert lines[1].startswith("2 images: less than an eighth")
    assert lines[1].endswith("for example a.png: numbers up to 4095 of 65535")
    assert summed([]) == ()


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_a_tiff_of_five_bands_is_refused_for_its_bands(planes):
    bands = np.zeros((6, 8, 5) if planes == "contig" else (5, 6, 8), np.uint8)
    stream = io.BytesIO()
    tifffile.imwrite(stream, bands, photometric="minisblack", planarconfig=planes)
    with pytest.raises(ImageError, match="a TIFF of 5 bands of 8 bits") as caught:
        decode_image(stream.getvalue())
    assert "damaged" not in caught.value.reason


def test_a_tiff_whose_directory_is_missing_is_still_called_damaged():
    stream = io.BytesIO()
    Image.new("L", (6, 8)).save(stream, "TIFF")
    with pytest.raises(ImageError, match="cut short or damaged"):
        decode_image(stream.getvalue()[:40])


def test_libtiff_says_nothing_on_its_own(capfd):
    stream = io.BytesIO()
    Image.effect_noise((60, 40), 50).save(stream, "TIFF", compression="tiff_lzw")
    content, random = stream.getvalue(), np.random.default_rng(0)
    for _ in range(60):
        broken = np.frombuffer(content, np.uint8).copy()
        broken[random.integers(8, len(broken), 20)] = random.integers(0, 256, 20)
        with warnings_noticed():
            try:
                decode_image(broken.tobytes())
            except ImageError:
                continue
    assert capfd.readouterr().err == ""
