"""The numbers behind the pictures are those of the maps, where they lie in the photo."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from figureground.maps import normalise
from figureground.maps.window import place
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
from figureground.web.looking import look
from figureground.web.map_values import ShownMap, told_at, values_at, zipped
from figureground.web.served import ServedModel


def test_values_are_those_of_the_map_painted_at_the_photos_size(model: ServedModel, photo):
    seen = look(model, photo, ExplainOptions(methods=("grad-cam", "dff"), classes=[0, 1]))
    assert [one.words for one in seen.maps] == [one.words for one in seen.pictures[1:]]
    x0, y0, x1, y1 = model.classifier.preprocessing.view(photo)[1].window
    for one in seen.maps:
        raw = place(one.maps, one.window, (30, 40))
        shown = place(normalise(one.maps.relu()), one.window, (30, 40))
        inside = 0
        for y, x in np.ndindex(30, 40):
            found = values_at(one, x, y)
            assert (found is not None) == (x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1)
            if found is not None:
                inside += 1
                torch.testing.assert_close(torch.from_numpy(found[0]), raw[:, y, x])
                torch.testing.assert_close(torch.from_numpy(found[1]), shown[:, y, x])
        assert 0 < inside < 30 * 40


def test_a_place_is_told_in_pixels_of_the_photo_whatever_the_size_of_the_picture():
    maps = torch.tensor([[[-1.0, 3.0]]])
    one = ShownMap("cam · cat", ("cam",), 0, maps, (0.0, 0.0, 2.0, 1.0), (4, 1))
    assert told_at([one], (0.3, 0.5)) == (
        "x 1, y 0 of 4 × 1 pixels\ncam · cat: raw 3; normalised 1"
    )
    assert told_at([one], (0.0, 0.0)).endswith("raw -1; normalised 0")
    assert (
        told_at([one], (1.0, 1.0)) == "x 3, y 0 of 4 × 1 pixels: the network did not see this place"
    )
    assert told_at([], (0.5, 0.5)) == ""


def test_a_map_that_is_not_finite_is_told_as_it_is():
    maps = torch.tensor([[[np.nan, 3.0]]])
    one = ShownMap("cam", ("cam",), 0, maps, (0.0, 0.0, 2.0, 1.0), (2, 1))
    found = values_at(one, 0, 0)
    assert found is not None
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [0]


def test_the_file_holds_what_explain_writes(model: ServedModel, photo, tmp_path: Path):
    photo.save(tmp_path / "a.png")
    options = ExplainOptions(methods=("cam", "grad-cam", "eigen-cam"), classes=[0, 2])
    explain_images(model.classifier, tmp_path / "a.png", out=tmp_path / "out", options=options)
    written = np.load(next((tmp_path / "out" / "images").glob("*.npz")))
    seen = look(model, Image.open(tmp_path / "a.png"), options)
    loaded = np.load(io.BytesIO(zipped(seen.raw)))
    assert sorted(loaded) == sorted(written)
    assert len(loaded) == 3
    for name in loaded:
        np.testing.assert_allclose(loaded[name], written[name], rtol=1e-5, atol=1e-7)
    assert loaded["grad-cam/1"].shape == (2, 16, 16)
