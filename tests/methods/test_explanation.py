"""Looking at an explanation and keeping it."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.maps import overlay
from figureground.methods import Explainer, Explanation, explanation


@pytest.fixture(scope="module")
def result() -> Explanation:
    torch.random.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )
    images = torch.rand(2, 3, 8, 6)
    return Explainer(net)(images, classes=[3, 1], methods=["hires-cam", "eigen-cam", "dff"])


def test_overlay_paints_every_map_on_its_image(result):
    painted = result.overlay("hires-cam", colour_map="viridis")
    assert painted.shape == (2, 2, 8, 6, 3)
    assert painted.dtype == torch.uint8
    for n in range(2):
        for k in range(2):
            one = overlay(
                result.images[n : n + 1],
                result.map_of("hires-cam")[n, k : k + 1],
                colour_map="viridis",
            )
            assert torch.equal(painted[n, k], one[0])


def test_overlay_takes_the_first_method_and_other_images(result):
    assert torch.equal(result.overlay(), result.overlay("hires-cam"))
    black = result.overlay(images=torch.zeros(2, 3, 16, 12))
    assert black.shape == (2, 2, 16, 12, 3)
    assert not torch.equal(black[..., ::2, ::2, :], result.overlay())


def test_normalised_images_are_stretched_to_be_seen(result):
    wide = Explanation(**{**vars(result), "images": result.images * 4 - 2})
    low, high = result.images.amin((1, 2, 3), keepdim=True), result.images.amax((1, 2, 3), True)
    stretched = (result.images - low) / (high - low)
    one, other = wide.overlay(), result.overlay(images=stretched)
    assert (one.int() - other.int()).abs().max() <= 1  # rounding of the stretch


@pytest.mark.parametrize(("scale", "shift"), [(2.0, 0.0), (1.5, -0.75)])
def test_images_that_leave_the_range_at_one_end_are_stretched_too(result, scale, shift):
    beyond = Explanation(**{**vars(result), "images": result.images * scale + shift})
    wide = Explanation(**{**vars(result), "images": result.images * 4 - 2})
    assert (beyond.overlay().int() - wide.overlay().int()).abs().max() <= 1


def test_probabilities_sum_to_one(result):
    torch.testing.assert_close(result.probabilities.sum(1), torch.ones(2))
    torch.testing.assert_close(result.probabilities.log().diff(), result.logits.diff())


def test_labels_are_numbers_without_names(result):
    assert [result.label(0, k) for k in (0, 1)] == ["3", "1"]


def test_saved_maps_come_back(result, tmp_path):
    folder = result.save(tmp_path / "new" / "folder")
    with np.load(folder / "maps.npz") as arrays:
        assert set(arrays) == {"logits", "hires-cam", "eigen-cam", "dff"}
        for name in result.maps:
            np.testing.assert_array_equal(arrays[name], result.map_of(name).numpy())
        np.testing.assert_array_equal(arrays["logits"], result.logits.numpy())


def test_saved_images_are_the_overlays(result, tmp_path):
    folder = result.save(tmp_path)
    files = sorted(folder.glob("*.png"))
    assert len(files) == 2 * (2 + 1 + 4)
    shown = np.asarray(Image.open(folder / "00001-hires-cam-1.png"))
    np.testing.assert_array_equal(shown, result.overlay("hires-cam")[1, 1].numpy())
    record = json.loads((folder / "record.json").read_text())
    assert set(record["images"]) == {path.name for path in files}


def test_record_is_written_last(result, tmp_path, monkeypatch):
    there: list[str] = []

    def spy(path, content):
        there.extend(p.name for p in tmp_path.iterdir() if "figureground" not in p.name)
        assert path.name == "record.json"
        return path

    monkeypatch.setattr(explanation, "write_json", spy)
    result.save(tmp_path)
    assert "maps.npz" in there
    assert len(there) == 15


def test_record_says_what_was_done(result, tmp_path):
    record = json.loads((result.save(tmp_path) / "record.json").read_text())
    text = json.dumps(record)
    for word in ("hires-cam", "eigen-cam", "dff", "schema", "torch"):
        assert word in text
    assert record["classes"] == [[3, 1], [3, 1]]
    assert record["methods"]["hires-cam"] == "HiResCAM()"


def test_notebook_shows_a_row_per_image_and_class_and_a_column_per_method(result):
    page = result._repr_html_()
    assert page.count("<tr>") == 2 * 2
    codes = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(codes) == 2 * 2 * 3
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))) for code in codes]
    np.testing.assert_array_equal(shown[3], result.overlay("hires-cam")[0, 1].numpy())
    np.testing.assert_array_equal(shown[4], result.overlay("eigen-cam")[0, 0].numpy())


def test_notebook_escapes_class_names(result):
    named = Explanation(**{**vars(result), "class_name": lambda _: "<b>&"})
    page = named._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_scores_of_functions_are_their_values():
    torch.random.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    result = Explainer(net)(torch.rand(2, 3, 8, 6), lambda y: y.softmax(1)[:, 2])
    torch.testing.assert_close(result.scores[:, 0], result.logits.softmax(1)[:, 2])
