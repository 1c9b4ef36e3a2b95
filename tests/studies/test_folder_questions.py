"""Equal questions about other data have other answers; other questions do not cost the first one's answer."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.studies.jobs import snapshot
from torch import nn

from figureground.base.errors import DataError
from figureground.data import find_images
from figureground.methods import Explainer
from figureground.models import Classifier, Preprocessing
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions, Truth
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images

PLAIN = Preprocessing((64, 64), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
OPTIONS = ExplainOptions(methods=("cam",), workers=1)


class Brightness(nn.Module):
    """Two logits: the mean brightness, and a constant. Its maps are the brightness."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 1)
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.first.weight.fill_(factor / 3)
            self.first.bias.fill_(0)  # type: ignore[union-attr]  # it has one
            self.head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.1]]))
            self.head.bias.fill_(0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.first(images).relu().mean((2, 3)))
        return found


def classifier(network: nn.Module | None = None, name: str = "toy") -> Classifier:
    made = Brightness() if network is None else network
    return Classifier(made.eval(), PLAIN, name=name, class_names=("bright", "dark"), num_classes=2)


def picture(path: Path, corner: tuple[int, int]) -> Path:
    """Black, with a white square of 8 x 8 pixels; a peak counts up to 15 pixels from a box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[corner[1] : corner[1] + 8, corner[0] : corner[0] + 8] = 255
    Image.fromarray(pixels).save(path)
    return path


def boxes(folder: Path, corner: tuple[int, int]) -> Path:
    x, y = corner
    rows = [f"{n}.png,bright,{x},{y},{x + 8},{y + 8}\n" for n in range(4)]
    (folder / "boxes.csv").write_text("path,label,x0,y0,x1,y1\n" + "".join(rows))
    return folder / "boxes.csv"


def hits(out: Path, data: Path, network: nn.Module | None = None) -> float:
    options = Localisation(methods=("cam",), classes="true")
    evaluate(options, classifier(network), data, out=out, device="cpu")
    with np.load(out / "per_image.npz") as found:
        return float(np.nanmean(found["cam/pointing"]))


def test_boxes_that_moved_and_images_that_changed_are_measured_anew(tmp_path: Path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number in range(4):
        picture(photos / f"{number}.png", (0, 0))
    assert hits(out, boxes(photos, (0, 0))) == 1
    assert hits(out, boxes(photos, (48, 48))) == 0  # the same names, other boxes
    for number in range(4):
        picture(photos / f"{number}.png", (48, 48))
    assert hits(out, photos / "boxes.csv") == 1  # the same names, other images

    class Inverse(Brightness):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(1 - images)

    assert hits(out, photos / "boxes.csv", Inverse()) == 0  # the same weights, another forward


def test_a_forward_that_was_edited_makes_other_maps(tmp_path: Path):
    picture(tmp_path / "photos" / "0.png", (0, 0))

    def peak(network: nn.Module) -> int:
        out = tmp_path / "out"
        explain_images(
            classifier(network), tmp_path / "photos", out=out, options=OPTIONS, device="cpu"
        )
        (file,) = (out / "images").glob("*.npz")
        with np.load(file) as maps:
            (only,) = maps.values()
        return int(only[0].argmax())

    one = Brightness()
    first = peak(one)

    def inverted(images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = one.head(one.first(1 - images).relu().mean((2, 3)))
        return found

    one.forward = inverted  # type: ignore[method-assign]
    assert peak(one) != first


def test_other_truths_are_shown(tmp_path: Path):
    path = picture(tmp_path / "photos" / "0.png", (0, 0))
    for box in ((0.0, 0.0, 8.0, 8.0), (8.0, 8.0, 16.0, 16.0)):
        truths = {path: Truth("bright", (box,))}
        explain_images(classifier(), truths, out=tmp_path / "out", options=OPTIONS, device="cpu")
        assert f'"boxes": [[{box[0]}, {box[1]}' in (tmp_path / "out/entries.jsonl").read_text()


def test_images_that_are_gone_are_not_counted(tmp_path: Path):
    for number in range(4):
        picture(tmp_path / "a" / f"{number}.png", (number, 0))
    one, out = classifier(), tmp_path / "out"
    explain_images(one, tmp_path / "a", out=out, options=OPTIONS, device="cpu")
    (tmp_path / "a").rename(tmp_path / "b")
    record = explain_images(one, tmp_path / "b", out=out, options=OPTIONS, device="cpu")
    assert (record.images, record.skipped) == (4, 0)
    assert len((out / "entries.jsonl").read_text().splitlines()) == 4
    assert len(list((out / "images").iterdir())) == 8
    (tmp_path / "b" / "0.png").unlink()
    picture(tmp_path / "c" / "0.png", (1, 1))
    record = explain_images(one, tmp_path / "c", out=out, options=OPTIONS, device="cpu")
    assert (record.images, record.skipped) == (4, 3)  # three of b, which are still there, and c


@pytest.mark.parametrize("inside", [".", "out", "deep/er"])
def test_pictures_of_a_job_are_no_images_of_its_next_run(inside: str, tmp_path: Path):
    for number in range(2):
        picture(tmp_path / "photos" / f"{number}.png", (number, 0))
    one, out = classifier(), tmp_path / "photos" / inside
    for _ in range(3):
        paths = find_images(tmp_path / "photos", recursive=True)
        record = explain_images(one, paths, out=out, options=OPTIONS, device="cpu")
        assert record.images == 2
    ranked = tmp_path / "photos" / "ranked"
    for _ in range(2):
        found = rank_images(
            one, tmp_path / "photos", out=ranked, options=RankOptions(workers=1), device="cpu"
        )
        assert found.images == 2


OTHERS: list[dict[str, Any]] = [
    {"options": ExplainOptions(methods=("cam", "eigen-cam"), workers=1)},
    {"options": ExplainOptions(methods=("cam",), workers=1, classes=[1])},
    {"model": classifier(name="another")},
]


@pytest.mark.parametrize("change", OTHERS, ids=["methods", "classes", "model"])
def test_another_question_leaves_the_earlier_pictures(change: dict[str, Any], tmp_path: Path):
    for number in range(4):
        picture(tmp_path / "photos" / f"{number}.png", (number, 0))
    out = tmp_path / "out"
    plain: dict[str, Any] = {"model": classifier(), "options": OPTIONS}
    explain_images(images=tmp_path / "photos", out=out, device="cpu", **plain)
    before = snapshot(out)
    with pytest.raises(DataError, match=r"another job .*--out, or replace them with --overwrite"):
        explain_images(images=tmp_path / "photos", out=out, device="cpu", **{**plain, **change})
    assert snapshot(out) == before
    explain_images(
        images=tmp_path / "photos", out=out, device="cpu", overwrite=True, **{**plain, **change}
    )


def test_another_set_of_images_does_not_cost_the_numbers_of_the_first(tmp_path: Path):
    for folder in ("one", "two"):
        for number in range(4):
            picture(tmp_path / folder / f"{number}.png", (0, 0))
        boxes(tmp_path / folder, (0, 0))
    out = tmp_path / "out"
    hits(out, tmp_path / "one" / "boxes.csv")
    before = snapshot(out)
    with pytest.raises(DataError, match="another job"):
        hits(out, tmp_path / "two" / "boxes.csv")
    assert snapshot(out) == before
    ranked = tmp_path / "ranked"
    rank_images(classifier(), tmp_path / "one", out=ranked, device="cpu")
    before = snapshot(ranked)
    with pytest.raises(DataError, match=r"another job \(images: .*one there, .*two here\)"):
        rank_images(classifier(), tmp_path / "two", out=ranked, device="cpu")
    assert snapshot(ranked) == before


def test_the_layer_is_told_whatever_was_measured_before(tmp_path: Path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number in range(4):
        picture(photos / f"{number}.png", (0, 0))
    data, options = boxes(photos, (0, 0)), Localisation(methods=("cam",), batch_size=2)
    first = evaluate(options, classifier(), data, out=out, device="cpu").model["layer"]
    assert first
    for lost in ((), ("record.json", "per_image.npz")):
        for name in lost:
            (out / name).unlink()
        again = evaluate(options, classifier(), data, out=out, device="cpu")
        assert again.model["layer"] == first


class Nested(nn.Module):
    """Layers ``a.b`` and ``a_b``, which a careless file name does not tell apart."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential()
        self.a.add_module("b", nn.Conv2d(3, 4, 3))
        self.a_b = nn.Conv2d(4, 4, 3, stride=2)
        self.head = nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.a_b(self.a(images).relu()).relu().mean((2, 3)))
        return found


def test_every_layer_has_a_file_of_its_own(tmp_path: Path):
    torch.manual_seed(0)  # noqa: TID251 - an entry point of tests
    network = Nested().eval()
    path = picture(tmp_path / "0.png", (2, 3))
    both = ExplainOptions(methods=("grad-cam",), layer=("a.b", "a_b"), workers=1, classes=[0])
    explain_images(classifier(network), [path], out=tmp_path / "out", options=both, device="cpu")
    assert len({file.read_bytes() for file in (tmp_path / "out/images").glob("*.png")}) == 2
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    explainer = Explainer(network, layer=["a.b", "a_b"])
    explainer(images, [0], "grad-cam").save(tmp_path / "saved")
    assert len(list((tmp_path / "saved").glob("*.png"))) == 2
    (tmp_path / "saved" / "mine.png").touch()
    explainer(images, [0], "eigen-cam").save(tmp_path / "saved")  # the first's pictures go
    names = {file.name for file in (tmp_path / "saved").glob("*.png")}
    assert names == {"mine.png", "00000-eigen-cam-a.b-0.png", "00000-eigen-cam-a_b-0.png"}
    with pytest.raises(DataError, match="holds results of 'explain', not of 'explanation'"):
        explainer(images, [0], "eigen-cam").save(tmp_path / "out")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_two_names_that_print_alike_are_two_images(tmp_path: Path):
    folder = tmp_path / "photos"
    for number, name in enumerate((b"a\xff.png", b"a\xfe.png")):
        plain = picture(folder / "plain.png", (8 * number, 0))
        plain.rename(folder / os.fsdecode(name))
    found = rank_images(
        classifier(), folder, out=tmp_path / "out", options=RankOptions(workers=1), device="cpu"
    )
    assert found.images == 2
    assert found.top[0].path == found.top[1].path
    assert found.top[0].image != found.top[1].image
    assert len(list((tmp_path / "out/top/images").glob("*.npz"))) == 2
    for _ in range(2):
        record = explain_images(
            classifier(), folder, out=tmp_path / "maps", options=OPTIONS, device="cpu"
        )
        assert record.images == 2
    assert record.skipped == 2
