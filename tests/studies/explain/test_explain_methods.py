"""Methods with options, several times over, and methods that a network does not allow."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from figureground.base.errors import HeadError
from figureground.methods import CAM, DeepFeatureFactorization, EigenCAM, GradCAM
from figureground.models import Classifier, Preprocessing
from figureground.reports import write_explain_report
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions

Write = Callable[..., list[Path]]


@pytest.fixture
def two_layers() -> Classifier:
    """A head of two linear layers, which CAM cannot read."""
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3),
    ).eval()  # fmt: skip
    plain = Preprocessing((24, 32), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
    return Classifier(network, plain, name="toy", num_classes=3)


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "entries.jsonl").read_text().splitlines()]


def test_one_method_with_two_options_has_two_rows(
    classifier: Classifier, write_images: Write, out: Path
):
    methods = {
        "eigen-cam": EigenCAM(),
        "eigen-cam(center=true)": EigenCAM(center=True),
        "dff(count=2)": DeepFeatureFactorization(count=2),
    }
    options = ExplainOptions(methods=methods, workers=1)
    explain_images(classifier, write_images(2), out=out, options=options)
    for entry in entries(out):
        assert [panel["method"] for panel in entry["panels"]] == list(methods)
        assert len({panel["png"] for panel in entry["panels"]}) == 3
        assert len(entry["concepts"]) == 2
        with np.load(out / entry["npz"]) as maps:
            assert set(maps) == {f"{name}/3" for name in methods}
            assert not np.allclose(maps["eigen-cam/3"], maps["eigen-cam(center=true)/3"])
            assert len(maps["dff(count=2)/3"]) == 2
    page = write_explain_report(out).read_text()
    for name in methods:
        assert f"<b>{name}</b>" in page
    boxes = json.loads((out / "boxes.json").read_text())["annotations"]
    assert {one["method"] for one in boxes} <= {"eigen-cam", "eigen-cam(center=true)"}


def test_a_method_that_does_not_work_is_left_out_and_said(
    two_layers: Classifier, write_images: Write, out: Path, spy: SimpleNamespace
):
    options = ExplainOptions(methods=("cam", "grad-cam"), batch_size=2, workers=1)
    paths = write_images(5)
    record = explain_images(two_layers, paths, out=out, options=options)
    assert (record.images, list(record.refused)) == (5, ["cam"])
    assert "cam needs logits that are linear" in record.refused["cam"]
    assert [[one["method"] for one in each["panels"]] for each in entries(out)] == [
        ["grad-cam"]
    ] * 5
    assert "does not work with this network: cam needs" in write_explain_report(out).read_text()
    # a run that finds all images done still knows, and does nothing
    spy.images = 0
    again = explain_images(two_layers, paths, out=out, options=options)
    assert (again.skipped, again.refused, spy.images) == (5, record.refused, 0)
    alone = out.with_name("alone")
    explain_images(two_layers, paths, out=alone, options=ExplainOptions(batch_size=2, workers=1))
    for one, other in zip(entries(out), entries(alone), strict=True):
        with np.load(out / one["npz"]) as ours, np.load(alone / other["npz"]) as theirs:
            np.testing.assert_array_equal(ours["grad-cam/1"], theirs["grad-cam/1"])


def test_no_method_that_works_is_an_error(two_layers: Classifier, write_images: Write, out: Path):
    options = ExplainOptions(methods={"cam": CAM(), "again": CAM()}, workers=1)
    with pytest.raises(HeadError, match="cam needs logits that are linear"):
        explain_images(two_layers, write_images(2), out=out, options=options)


def test_what_cannot_be_asked_of_any_method_is_an_error_of_its_own(
    classifier: Classifier, write_images: Write, out: Path
):
    methods = {"a": GradCAM(), "b": EigenCAM()}
    options = ExplainOptions(methods=methods, layer=("no.such.layer",), workers=1)
    with pytest.raises(Exception, match=r"no\.such\.layer"):
        explain_images(classifier, write_images(2), out=out, options=options)


def test_another_method_does_not_replace_the_maps_of_an_earlier_job(
    classifier: Classifier, write_images: Write, out: Path
):
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=ExplainOptions(workers=1))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(Exception, match=r"another job \(methods: .*--out, or replace them with"):
        explain_images(
            classifier, paths, out=out, options=ExplainOptions(methods=("cam",), workers=1)
        )
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_shared_pictures_are_those_of_each_method(
    classifier: Classifier, write_images: Write, tmp_path: Path
):
    paths, pictures = write_images(2), {}
    for methods in (("grad-cam",), ("cam", "grad-cam", "hires-cam")):
        out = tmp_path / str(len(methods))
        options = ExplainOptions(methods=methods, classes=[1], workers=1)
        explain_images(classifier, paths, out=out, options=options)
        for entry in entries(out):
            (panel,) = (one for one in entry["panels"] if one["method"] == "grad-cam")
            pictures[len(methods), entry["image"]] = (out / panel["png"]).read_bytes()
            assert panel["boxes"]
        assert len(list((out / "images").glob("*.png"))) == 2
    assert {pictures[1, str(path)] for path in paths} == {pictures[3, str(path)] for path in paths}
