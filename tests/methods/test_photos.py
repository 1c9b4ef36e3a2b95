"""Photos in, overlays on the photos out, wherever the network looked."""

import pickle
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from figureground.base.errors import OptionError, ShapeError
from figureground.data import image_size
from figureground.maps import overlay
from figureground.methods import Explainer
from figureground.models import Classifier, Preprocessing

BOX = (70, 50, 94, 74)  # right below the middle of each photo


def bright() -> nn.Sequential:
    """Two logits: the mean brightness of 4 x 4 blocks, and minus that."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 4, stride=4, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False)
    )  # fmt: skip
    with torch.no_grad():
        first, last = network.parameters()
        first.fill_(1 / 48)
        last.copy_(torch.tensor([[0.5, 0.5], [-0.5, -0.5]]))
    return network


def classifier(resize: Any = "crop") -> Classifier:
    plain = Preprocessing((48, 64), resize, 0.9, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return Classifier(bright(), plain, name="bright", class_names=("bright", "dark"))


def photo(size: tuple[int, int], orientation: int = 1) -> Image.Image:
    """A dark photo with a bright square, stored turned where its EXIF data say so."""
    upright = Image.new("RGB", size, (30, 30, 30))
    upright.paste((255, 255, 255), BOX)
    if orientation == 6:  # to be turned by 90 degrees clockwise
        upright = upright.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        upright.info["exif"] = exif.tobytes()
        upright.getexif()[0x0112] = 6
    return upright


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch", "middle"])
def test_heat_lies_on_the_square_of_every_photo(resize: str):
    photos = [photo((161, 121)), photo((161, 121), 6), photo((150, 131))]
    result = Explainer(classifier(resize))(photos, ["bright"], "cam")
    drawn = result.overlay(on="photo", colour_map="viridis", alpha=1.0)
    assert [tuple(one.shape) for one in drawn] == [(1, 121, 161, 3)] * 2 + [(1, 131, 150, 3)]
    for one in drawn:
        red, green, blue = one[0].float().unbind(-1)
        yellow = red + green - 2 * blue
        rows, columns = torch.nonzero(yellow > 0.95 * yellow.max()).unbind(1)
        assert abs(float(columns.float().mean()) + 0.5 - 82) < 8
        assert abs(float(rows.float().mean()) + 0.5 - 62) < 8
    assert torch.equal(drawn[0], drawn[1])


def test_photos_are_prepared_as_the_classifier_wants_them():
    photos, model = [photo((161, 97)), photo((99, 140))], classifier()
    result = Explainer(model)(photos, ["bright"], "cam")
    expected = torch.stack([model.preprocessing.view(one)[0] for one in photos]) / 255
    torch.testing.assert_close(result.images, expected)
    alone = Explainer(model)(expected, ["bright"], "cam")
    assert torch.equal(alone.map_of("cam"), result.map_of("cam"))
    assert alone.photos is None
    view = model.preprocessing.view(photos[0])[1]
    (drawn, _) = result.overlay(on="photo")
    pixels = torch.tensor(list(photos[0].tobytes())).view(97, 161, 3).movedim(-1, 0)[None] / 255
    assert torch.equal(drawn, overlay(pixels, result.map_of("cam")[0], window=view.window))
    assert torch.equal(result.overlay(), alone.overlay())


def test_one_photo_is_a_batch_of_one_and_can_be_stored():
    result = Explainer(classifier())(photo((161, 97)), None, ["cam", "eigen-cam"])
    assert len(result.images) == 1
    again = pickle.loads(pickle.dumps(result))  # noqa: S301 - our own
    assert torch.equal(again.overlay(on="photo")[0], result.overlay(on="photo")[0])
    assert "data:image" in result._repr_html_()
    assert result.picture(0).shape == (97, 161, 3)


def test_saved_overlays_are_those_on_the_photos(tmp_path: Any):
    result = Explainer(classifier())([photo((161, 97)), photo((99, 140))], None, "cam")
    folder = result.save(tmp_path)
    sizes = [image_size(path) for path in sorted(folder.glob("*.png"))]
    assert sizes == [(161, 97), (99, 140)]


def test_what_cannot_be_is_refused_with_what_works():
    with pytest.raises(OptionError, match="does not say how it wants its images: give tensors"):
        Explainer(bright())(photo((80, 80)))
    result = Explainer(bright())(torch.rand(2, 3, 16, 16))
    with pytest.raises(OptionError, match=r"there is no photo .*: explainer\(\[Image.open"):
        result.overlay(on="photo")
    with pytest.raises(ShapeError, match="or photos of Pillow"):
        Explainer(classifier())([])
