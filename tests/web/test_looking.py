"""What the explorer sees in a photo is what the library sees, at the photo's size, and a command line repeats it."""

import io
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import FigureGroundError, ImageError, OptionError
from figureground.data import decode_image
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.explain.options import ExplainOptions
from figureground.web.looking import command_of, look, typed_options
from figureground.web.served import ServedModel


def test_pictures_are_the_librarys_overlays_enlarged_in_whole_pixels(model: ServedModel, photo):
    options = ExplainOptions(methods=("grad-cam", "eigen-cam"), classes=["green"], opacity=0.7)
    seen = look(model, photo, options)
    found = Explainer(model.classifier)([photo], ["green"], ["grad-cam", "eigen-cam"])
    for picture, method in zip(seen.pictures[1:], ["grad-cam", "eigen-cam"], strict=True):
        by_hand = found.overlay(method, on="photo", alpha=0.7)[0][0].numpy()
        factor = picture.pixels.shape[0] // 30
        assert factor == 9
        assert picture.pixels.shape == (270, 360, 3)
        assert np.array_equal(picture.pixels[::factor, ::factor], by_hand)
    assert [one.words for one in seen.pictures] == ["the photo", "grad-cam · green", "eigen-cam"]
    assert np.array_equal(seen.pictures[0].pixels[::9, ::9], np.asarray(photo))


def test_probabilities_are_those_of_the_classifier_and_come_sorted(model: ServedModel, photo):
    seen = look(model, photo, ExplainOptions())
    pixels, _ = model.classifier.preprocessing.view(photo)
    with torch.no_grad():
        shares = model.classifier(pixels[None].float() / 255).softmax(1)[0]
    wanted = dict(zip(model.classifier.class_names or (), shares.tolist(), strict=True))
    assert seen.probabilities == pytest.approx(wanted)
    assert list(seen.probabilities.values()) == sorted(wanted.values(), reverse=True)
    assert seen.classes == (int(shares.argmax()),)


def test_two_classes_of_one_name_are_told_apart_by_number(model: ServedModel, photo):
    model.classifier.class_names = ("crane", "green", "crane")
    assert set(look(model, photo, ExplainOptions()).probabilities) == {
        "crane (0)",
        "green",
        "crane (2)",
    }


def test_maps_that_look_the_same_share_a_picture(model: ServedModel, photo):
    seen = look(model, photo, ExplainOptions(methods=("cam", "grad-cam"), classes=[0, 2]))
    words = [one.words for one in seen.pictures[1:]]
    assert words == ["cam = grad-cam · red, deep", "cam = grad-cam · blue"]


def test_a_method_that_the_network_does_not_allow_is_told_and_the_others_are_drawn(
    model: ServedModel, photo
):
    seen = look(model, photo, ExplainOptions(methods=("grad-cam", "attention-rollout")))
    assert [one.words.split(" · ")[0] for one in seen.pictures[1:]] == ["grad-cam"]
    assert seen.notes[-1].startswith("attention-rollout does not work with this network: ")
    with pytest.raises(FigureGroundError):
        look(model, photo, ExplainOptions(methods=("attention-rollout",)))


def test_the_box_lies_where_the_map_lies_in_the_photo(model: ServedModel, photo):
    plain = look(model, photo, ExplainOptions(classes=[0]))
    boxed = look(model, photo, ExplainOptions(classes=[0]), boxes=True)
    changed = (plain.pictures[1].pixels != boxed.pictures[1].pixels).any(-1)
    assert changed.any()
    rows, columns = np.nonzero(changed)
    x0, _, x1, _ = model.classifier.preprocessing.view(photo)[1].window
    assert columns.min() >= round(9 * x0) - 1
    assert columns.max() <= round(9 * x1) + 1
    assert rows.max() <= 270


def test_the_command_line_repeats_the_view_word_for_word(model: ServedModel):
    typed = {
        "methods": ["grad-cam", "eigen-cam"],
        "classes": "red, deep, 2",
        "layer": "0",
        "colour_map": "viridis",
        "opacity": 0.25,
        "contour": 0.5,
    }
    options = typed_options(typed, model.classifier.class_names or ())
    assert options.classes == ["red, deep", "2"]
    line = command_of(model, "my photos/cat.jpg", options)
    assert shlex.split(line) == [
        *("figureground", "explain", "my photos/cat.jpg", "--model", "toy.py:build"),
        *("--methods", "grad-cam,eigen-cam", "--classes", "red, deep,2", "--layer", "0"),
        *("--colour-map", "viridis", "--opacity", "0.25", "--contour", "0.5"),
    ]
    plain = command_of(model, "a.png", typed_options({}))
    assert plain == "figureground explain a.png --model toy.py:build --methods grad-cam"
    assert typed_options({"classes": " TOP3 "}).classes == "top3"


def test_what_does_not_exist_is_refused_with_our_words(model: ServedModel, photo):
    with pytest.raises(OptionError, match="no method 'grad-cm'"):
        look(model, photo, typed_options({"methods": ["grad-cm"]}))
    with pytest.raises(OptionError, match="no class"):
        look(model, photo, typed_options({"classes": "teal"}))
    with pytest.raises(OptionError, match="no colour map"):
        typed_options({"colour_map": "inferna"})


def test_an_upload_goes_through_our_decoder(monkeypatch, photo):
    content = io.BytesIO()
    photo.save(content, "PNG")
    assert np.array_equal(np.asarray(decode_image(content.getvalue())), np.asarray(photo))
    for bad in (
        b"",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"<svg onload=alert(1)>",
        content.getvalue()[:90],
    ):
        with pytest.raises(ImageError):
            decode_image(bad)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="at most 1000"):
        decode_image(content.getvalue())


def test_the_classifier_is_left_as_it_was(model: ServedModel, photo):
    before = {key: one.clone() for key, one in model.classifier.state_dict().items()}
    look(model, photo, ExplainOptions(methods=("grad-cam", "layer-cam")))
    assert isinstance(model.classifier, Classifier)
    assert not model.classifier.training
    assert all(torch.equal(one, before[key]) for key, one in model.classifier.state_dict().items())
    assert all(one.grad is None for one in model.classifier.parameters())
