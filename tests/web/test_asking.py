"""A photo with a part replaced, and what two models see."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from figureground.base.errors import OptionError
from figureground.studies.explain.options import ExplainOptions
from figureground.web.asking import FILLS, Spot, ask, changed_photo, compared, covered
from figureground.web.explorer import Explorer
from figureground.web.looking import look
from figureground.web.served import ServedModel


def test_painted_pixels_are_those_whose_middle_is_in_a_disc():
    spots = [Spot(5.0, 4.0, 3.0), Spot(0.0, 8.0, 2.2)]
    by_hand = [
        [
            any((x + 0.5 - s.x) ** 2 + (y + 0.5 - s.y) ** 2 <= s.radius**2 for s in spots)
            for x in range(12)
        ]
        for y in range(9)
    ]
    assert covered((12, 9), spots).tolist() == by_hand
    assert not covered((12, 9), []).any()


@pytest.mark.parametrize("fill", FILLS)
def test_only_the_replaced_part_changes(fill: str, photo: Image.Image):
    part = covered(photo.size, [Spot(16.0, 14.0, 8.0)])
    before = np.asarray(photo).copy()
    other = ImageOps.invert(photo)
    after = np.asarray(changed_photo(photo, part, fill, other=other))
    assert np.array_equal(after[~part], before[~part])
    assert (after[part] != before[part]).any(-1).mean() > 0.9
    assert np.array_equal(np.asarray(photo), before)
    assert np.array_equal(np.asarray(changed_photo(photo, part, fill, other=other)), after)


def test_grey_is_the_mean_colour_and_an_unknown_fill_is_refused(photo: Image.Image):
    everything = np.ones((30, 40), dtype=bool)
    grey = np.asarray(changed_photo(photo, everything, "grey"))
    assert np.array_equal(grey[0, 0], np.asarray(photo).mean((0, 1)).round())
    assert (grey == grey[0, 0]).all()
    with pytest.raises(OptionError, match="no fill 'glitter'"):
        changed_photo(photo, everything, "glitter")


def test_another_photo_covers_the_first_from_its_middle(photo: Image.Image):
    part = covered(photo.size, [Spot(16.0, 14.0, 8.0)])
    tall = np.random.default_rng(1).integers(0, 255, (90, 40, 3), dtype=np.uint8)
    other = Image.fromarray(tall)
    kept = np.asarray(changed_photo(photo, ~part, "another photo", other=other))
    assert np.array_equal(kept[~part], tall[30:60][~part])  # 30 of its 90 rows, none scaled
    assert np.array_equal(kept[part], np.asarray(photo)[part])
    small = Image.new("RGB", (2, 2), (7, 8, 9))
    assert np.asarray(changed_photo(photo, part, "another photo", other=small))[part].max(
        0
    ).tolist() == [7, 8, 9]
    with pytest.raises(OptionError, match="pick or bring the other photo first"):
        changed_photo(photo, part, "another photo")


def test_the_same_classes_are_explained_before_and_after(model: ServedModel, photo: Image.Image):
    everything = np.ones((30, 40), dtype=bool)
    other = changed_photo(photo, everything, "noise")
    options = ExplainOptions(methods=("grad-cam",))
    before, after, changes = ask(model, (photo, other), options)
    assert before.classes == after.classes
    assert after.pictures[1].words == before.pictures[1].words
    assert after.probabilities == pytest.approx(look(model, other, options).probabilities)
    told = {one.label: one for one in changes}
    assert set(told) == {"red, deep", "green", "blue"}
    for label, one in told.items():
        wanted = after.probabilities[label] - before.probabilities[label]
        assert one.difference == pytest.approx(wanted)
        assert abs(wanted) > 1e-4


def test_two_models_are_matched_by_the_names_of_their_classes(
    model: ServedModel, other_model: ServedModel, photo: Image.Image
):
    first, second, changes = compared((model, other_model), photo, ExplainOptions())
    assert first.probabilities == look(model, photo, ExplainOptions()).probabilities
    assert second.probabilities == look(other_model, photo, ExplainOptions()).probabilities
    told = {one.label: one for one in changes}
    assert set(told) == {"red, deep", "green", "blue", "teal"}
    assert told["blue"].after is None
    assert told["teal"].before is None
    assert told["teal"].difference is None
    assert told["green"].after == second.probabilities["green"]


def test_two_models_of_one_name_are_told_apart(model: ServedModel, other_model: ServedModel):
    assert Explorer((model, other_model)).model_names == ("toy0", "toy1")
    other_model.classifier.name = "toy0"
    names = Explorer((model, other_model)).model_names
    assert names == ("toy0 (toy.py:build)", "toy0 (runs/b)")
    assert Explorer((model, model)).model_names == (
        "toy0 (toy.py:build) (first)",
        "toy0 (toy.py:build) (second)",
    )
    assert Explorer(()).model_names == ()
