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


def pictures(page: str) -> list[np.ndarray]:
    codes = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))) for code in codes]


def test_notebook_shows_the_image_its_classes_and_each_map_once(result):
    page = result._repr_html_()
    assert page.count("<tr>") == 1 + 2 * 2
    shown = pictures(page)
    # image, hires-cam of the first class, eigen-cam, concepts; hires-cam of the second class
    assert len(shown) == 2 * (1 + 1 + 1 + 1 + 1)
    for n in range(2):
        first = 5 * n
        expected = result.images[n].mul(255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(shown[first], expected)
        ours = result.overlay("hires-cam")[n].numpy()
        np.testing.assert_array_equal(shown[first + 1], ours[0])
        np.testing.assert_array_equal(shown[first + 4], ours[1])
        np.testing.assert_array_equal(shown[first + 2], result.overlay("eigen-cam")[n, 0].numpy())
    shares = 100 * result.probabilities[:, [3, 1]]
    assert re.findall(r"<th [^>]+>(\d)<br>([\d.]+) %</th>", page) == [
        (str(c), f"{float(share):.3g}")
        for n in range(2)
        for c, share in zip((3, 1), shares[n], strict=True)
    ]


def test_notebook_and_text_show_problems():
    torch.random.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 30)
    )
    with torch.no_grad():
        list(net.parameters())[2].zero_()
    result = Explainer(net)(torch.rand(40, 3, 8, 6), "top20", ["grad-cam", "eigen-cam"])
    assert len(result.problems) >= 800
    message = "the gradient is zero everywhere"
    assert result._repr_html_().count(message) == 8 * 20
    lines = str(result).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 110
    assert lines[0] == "Explanation of 40 images"
    assert any(line.startswith("problem: grad-cam, image 0, ") for line in lines)
    assert lines[-1] == f"and {len(result.problems) - 5} more"


def test_text_names_layers_maps_and_classes(result):
    named = Explanation(**{**vars(result), "class_name": lambda index: f"digit {index}"})
    assert repr(named) == str(named)
    for words in (
        "Explanation of 2 images", "layer 1 (last feature map before pooling",
        "hires-cam: (2, 2, 6, 4)", "image 1: digit 3 ",
    ):  # fmt: skip
        assert words in str(named)


def test_notebook_escapes_class_names(result):
    named = Explanation(**{**vars(result), "class_name": lambda _: "<b>&"})
    page = named._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_opacity_and_contour_reach_the_overlay(result):
    plain = result.overlay("eigen-cam", alpha=0.0)
    given = (result.images * 255).round().byte().movedim(1, -1)
    assert torch.equal(plain[:, 0], given)
    lined = result.overlay("eigen-cam", alpha=0.0, contour=0.5)
    assert (lined[lined != plain] == 255).all()
    assert not torch.equal(lined, plain)


def test_scores_of_functions_are_their_values():
    torch.random.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    result = Explainer(net)(torch.rand(2, 3, 8, 6), lambda y: y.softmax(1)[:, 2])
    torch.testing.assert_close(result.scores[:, 0], result.logits.softmax(1)[:, 2])
