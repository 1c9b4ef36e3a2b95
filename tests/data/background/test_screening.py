"""Copies are found whatever was done to them, others are kept, and nothing goes unsaid."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from figureground.base.errors import OptionError, ShapeError
from figureground.data.background import (
    Concat,
    CropGrid,
    FromLabeled,
    GridCrops,
    Invert,
    Monochrome,
    PatchShuffle,
    ScreenOptions,
    screen,
)
from figureground.data.background.copies import find_copies
from figureground.data.background.fingerprints import fingerprints
from figureground.data.loaders import load_dataset


def recompressed(picture, quality):
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    return np.array(Image.open(content))


def low_bits_flipped(picture):
    draw = np.random.default_rng(0)
    return picture ^ draw.integers(0, 2, picture.shape, dtype=np.uint8)


CHANGES = {
    "low bits flipped": low_bits_flipped,
    "one bit flipped": lambda p: np.where(np.arange(p.size).reshape(p.shape) == 99, p ^ 64, p),
    "recompressed": lambda p: recompressed(p, 50),
    "enlarged": lambda p: np.array(Image.fromarray(p).resize((128, 96))),
    "reduced": lambda p: np.array(Image.fromarray(p).resize((32, 32))),
    "mirrored": lambda p: p[:, ::-1].copy(),
    "inverted": lambda p: 255 - p,
    "mirrored and inverted": lambda p: 255 - p[:, ::-1],
    "paler": lambda p: (p * 0.5 + 100).astype(np.uint8),
    "grey": lambda p: np.array(ImageOps.grayscale(Image.fromarray(p)).convert("RGB")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(change, given, scenes):
    targets = scenes(range(30))
    changed = [CHANGES[change](picture) for picture in targets[10:20]]
    mixed = [
        picture for pair in zip(changed, scenes(range(100, 110)), strict=True) for picture in pair
    ]
    report = screen(given(mixed), given(targets, name="target"))
    assert report.kept == tuple(range(1, 20, 2))
    assert [(one.row, one.reason, one.match) for one in report.dropped] == [
        (2 * row, "near", 10 + row) for row in range(10)
    ]
    if change in {"mirrored", "inverted", "mirrored and inverted"}:
        assert all(f", {change}:" in one.detail for one in report.dropped)


def test_exact_copies_are_called_exact_and_name_the_target(given, scenes):
    targets = scenes(range(5))
    report = screen(given([targets[3], *scenes([9])]), given(targets, name="target"))
    (one,) = report.dropped
    assert (one.row, one.reason, one.match) == (0, "exact", 3)
    assert one.detail == "the pixels of target image 3 (target 3)"
    assert report.counts() == {"exact": 1}
    assert report.targets == 5


def test_what_was_made_from_a_copy_goes_with_it(given, scenes):
    folder = given([*scenes([1]), *scenes([2])], name="folder")
    crops = GridCrops(folder, grids=(CropGrid(20, None),), whole=None, invert=False)
    source = Concat(folder, crops, Invert(crops), PatchShuffle(folder))
    report = screen(source, given(scenes([2]), name="target"))
    dropped = {one.row: one.reason for one in report.dropped}
    assert dropped.pop(1) == "exact"
    assert set(dropped) == {
        row for row in range(len(source)) if source.group(row) == "folder 1"
    } - {1}
    assert set(dropped.values()) == {"derived"}
    assert len(dropped) == 4 + 4 + 1


def test_plain_colours_are_copies_only_of_their_own_colour(given, scenes):
    target = given([np.full((32, 32, 3), (50, 101, 0), np.uint8), *scenes([0])])
    report = screen(Monochrome(), target)
    (one,) = report.dropped
    assert Monochrome()[one.row][0, 0].tolist() == [50, 100, 0]
    assert one.match == 0


def test_a_picture_that_comes_twice_is_kept_once(given, scenes):
    a, b = scenes([0, 1])
    report = screen(given([a, b, a.copy(), a.copy()]))
    assert report.kept == (0, 1)
    assert [(one.row, one.reason, one.match) for one in report.dropped] == [
        (2, "repeated", 0),
        (3, "repeated", 0),
    ]
    assert report.targets == 0


def test_confident_and_undecidable_pictures_are_left_out_only_where_scores_are_given(given, scenes):
    source = given(scenes(range(4)))
    scores = np.array([0.1, 0.6, 0.5, np.nan])
    report = screen(source, confidences=scores)
    assert report.kept == (0, 2)
    assert [one.row for one in report.dropped if one.reason == "confident"] == [1, 3]
    assert "0.60, above 0.5" in report.dropped[0].detail
    strict = screen(source, confidences=scores, options=ScreenOptions(max_confidence=0.05))
    assert strict.kept == ()
    assert screen(source).kept == (0, 1, 2, 3)


def test_bad_pictures_are_named_on_both_sides(given, scenes):
    source, target = (given(scenes(seeds), name=name, bad=1) for seeds, name in
                      ((range(3), "some"), (range(5, 9), "target")))  # fmt: skip
    report = screen(source, target)
    assert report.kept == (0, 2)
    assert [(one.row, one.reason) for one in report.dropped] == [(1, "unreadable")]
    assert report.unreadable_targets == ("target-1.png: cut short",)
    assert report.targets == 3


def test_kept_and_dropped_are_all_and_larger_tolerance_drops_more(given, scenes):
    targets = scenes(range(20))
    draw = np.random.default_rng(1)
    rough = [np.clip(p + draw.normal(0, 60, p.shape), 0, 255).astype(np.uint8) for p in targets]
    kept = []
    for bits in (0, 4, 16):
        report = screen(
            given(rough),
            given(targets),
            options=ScreenOptions(max_hamming=bits, min_correlation=0.0),
        )
        assert sorted([*report.kept, *(one.row for one in report.dropped)]) == list(range(20))
        kept.append(set(report.kept))
    assert kept[0] > kept[1] >= kept[2]


def test_values_out_of_range_are_refused(given, scenes):
    for options in ({"max_hamming": 32}, {"min_correlation": 2.0}, {"max_confidence": -0.1}):
        with pytest.raises(OptionError):
            ScreenOptions(**options)
    with pytest.raises(ShapeError, match="2 images but 1 confidences"):
        screen(given(scenes([0, 1])), confidences=np.zeros(1))


def test_textures_of_dtd_are_not_taken_for_pictures_of_cifar(shared_data):
    pictures = load_dataset("cifar10-jpeg", shared_data / "packs", part="test")
    textures = load_dataset("dtd10", shared_data / "packs", part="test")
    some = np.arange(0, 10_000, 10)
    target = FromLabeled(pictures, name="cifar", rows=torch.from_numpy(some))
    report = screen(FromLabeled(textures, name="dtd", rows=torch.arange(100)), target)
    assert len(report.kept) == 100


def test_a_copy_may_differ_in_exactly_as_many_bits_as_are_allowed(given, scenes):
    (one,) = scenes([7])
    noise = np.random.default_rng(0).normal(0, 40, one.shape)
    noisy = np.clip(one + noise, 0, 255).astype(np.uint8)
    source, target = given([noisy]), given([one], name="target")
    (copy,) = find_copies(*(fingerprints(some, stage="") for some in (source, target)),
                          max_hamming=31, min_correlation=0.5)  # fmt: skip
    assert copy.bits > 0
    for allowed, count in ((copy.bits, 1), (copy.bits - 1, 0)):
        options = ScreenOptions(max_hamming=allowed, min_correlation=0.5)
        assert len(screen(source, target, options=options).dropped) == count
