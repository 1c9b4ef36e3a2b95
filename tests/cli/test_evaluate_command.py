"""``figureground evaluate localisation`` as its user meets it."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from figureground.base.errors import OptionError
from figureground.cli.methods import typed_methods
from figureground.methods import EigenCAM

Run = Callable[..., Result]


@pytest.fixture
def boxes(images: Path) -> Path:
    """A box for each image."""
    rows = [f"{number}.png,{number},{5 + number},4,{25 + number},20" for number in range(3)]
    (images / "boxes.csv").write_text("path,label,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    return images


@pytest.fixture
def localise(type_in: Run, boxes: Path, tmp_path: Path) -> Run:
    """Runs the command on the images, with coarse thresholds."""

    def run(*words: object) -> Result:
        common = ("--step", "0.1", "--size", "24x32", "--validation-share", "0.34")
        return type_in("evaluate", "localisation", boxes, "-o", tmp_path / "out", *common, *words)

    return run


def test_images_with_boxes_become_tables_and_a_page(localise: Run, model: str, tmp_path: Path):
    done = localise("-m", model, "--methods", "cam,eigen-cam(center=true)")
    assert done.exit_code == 0, done.output
    assert "\neigen-cam(center=true) " in done.stdout
    assert "\nwhole-image " in done.stdout
    assert str(tmp_path / "out" / "report.html") in done.stdout
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["methods"]["eigen-cam(center=true)"].startswith("EigenCAM(center=True")
    assert (tmp_path / "out" / "tables.md").read_text().count("###") == len(record["tables"])


def test_maps_of_anybody_need_no_model(localise: Run, tmp_path: Path):
    maps = tmp_path / "theirs"
    maps.mkdir()
    for number in range(3):
        np.save(maps / f"{number}.npy", np.random.default_rng(number).random((6, 8)))
    done = localise("--maps", maps)
    assert done.exit_code == 0, done.output
    assert "\ntheirs " in done.stdout


def test_missing_maps_are_counted_and_end_with_status_2(localise: Run, tmp_path: Path):
    maps = tmp_path / "theirs"
    maps.mkdir()
    np.save(maps / "1.npy", np.eye(5))
    done = localise("--maps", maps)
    assert done.exit_code == 2
    assert "problems: map-missing 2" in done.stderr


def test_clutter_needs_no_data(type_in: Run, tmp_path: Path):
    common = ("--random", "--count", "6", "--step", "0.25", "--box-rule", "pixels", "--signed")
    done = type_in(
        "evaluate", "localisation", "clutter", "-m", "figureground:lenet-gap", "--methods", "cam",
        "-o", tmp_path / "out", *common,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    told = {name: record["options"][name] for name in ("signed", "box_rule", "step")}
    assert told == {"signed": "yes", "box_rule": "pixels", "step": "0.25"}
    assert record["images"] == 5
    sentences = record["answer"]["sentences"]
    assert done.stdout.splitlines()[-len(sentences) :] == sentences
    assert sentences[0] in unescape((tmp_path / "out" / "report.html").read_text()).replace(
        "\xa0", " "
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "cam"), "name the model: --model"),
        (("--box-rule", "tight"), "no box rule 'tight'"),
        (("--maps", "nowhere"), "no folder of maps"),
        (("--normalise", "none"), "no normalise 'none'"),
        (("--map-resize", "best"), "no map resize 'best'"),
    ],
)
def test_what_cannot_be_is_an_error_in_one_line(
    localise: Run, words: tuple[str, ...], message: str
):
    done = localise(*words)
    assert done.exit_code == 1
    assert message in done.stderr


def test_methods_are_read_with_their_options():
    found = typed_methods(" GradCAM++ ,eigen-cam(center=true, sign=raw),eigen-cam")
    assert list(found) == ["grad-cam++", "eigen-cam(center=true, sign=raw)", "eigen-cam"]
    assert found["eigen-cam(center=true, sign=raw)"] == EigenCAM(center=True, sign="raw")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cam,cam", "'cam' is asked for twice"),
        ("eigen-cam(centre=true)", "eigen-cam cannot be made with centre=true"),
        ("eigen-cam(center=true", "cannot read the methods"),
        ("", "no method asked for"),
        ("cma", "no method 'cma'; closest: 'cam'"),
    ],
)
def test_methods_that_cannot_be_read_say_why(text: str, message: str):
    with pytest.raises(OptionError) as caught:
        typed_methods(text)
    assert message in str(caught.value)


FOREIGN = ("--methods", "grad-cam", "--label-offset", "0")


def test_classes_that_the_model_lacks_matter_only_where_they_are_explained(
    type_in: Run, images: Path, model: str, tmp_path: Path
):
    rows = [f"{number}.png,{name},5,4,25,20" for number, name in enumerate(("zebra", "1", "2"))]
    (images / "boxes.csv").write_text("path,label,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    names = ("--class-names", tmp_path / "names.txt", "--size", "24x32")
    for verb, column in (("localisation", "box acc @0.3"), ("faithfulness", "insertion")):
        out, typed = tmp_path / verb, ("evaluate", verb, images, "-m", model, *FOREIGN, *names)
        done = type_in(*typed, "--classes", "predicted", "-o", out)
        assert done.exit_code == 0, done.output
        record = json.loads((out / "record.json").read_text())
        assert record["problems"]["class-unknown"] == 1
        assert not record["left_out"]
        assert any(column in name for name in record["tables"][0]["columns"])
        assert np.load(out / "per_image.npz")["label"].tolist() == [-1, 1, 2]
        done = type_in(*typed, "--classes", "true", "-o", tmp_path / f"{verb}-true")
        assert done.exit_code == 2
        assert "left out: no class 'zebra'" in done.stderr


def test_ids_that_are_not_mapped_matter_only_where_they_are_explained(
    localise: Run, model: str, tmp_path: Path
):
    (tmp_path / "ids.txt").write_text("0 1\n1 2\n")
    words = ("-m", model, "--methods", "grad-cam", "--class-ids", tmp_path / "ids.txt")
    assert localise(*words, "--classes", "predicted").exit_code == 0
    assert np.load(tmp_path / "out" / "per_image.npz")["label"].tolist() == [1, 2, -1]
    assert localise(*words, "--overwrite").exit_code == 2


def test_another_set_of_images_is_another_question(localise: Run, model: str, tmp_path: Path):
    words = ("-m", model, "--methods", "cam")
    assert localise(*words, "--limit", 2).exit_code == 0
    before = (tmp_path / "out" / "record.json").read_bytes()
    for more in (("--limit", 3), (), ("--limit", 2, "--label-offset", 0)):
        done = localise(*words, *more)
        assert done.exit_code == 1
        assert "holds the results of another job" in done.stderr
        assert "--overwrite" in done.stderr
    assert (tmp_path / "out" / "record.json").read_bytes() == before
    assert localise(*words, "--limit", 2, "--workers", 1).exit_code == 0
    done = localise(*words, "--limit", 3, "--overwrite")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "record.json").read_text())["images"] == 2


def test_images_without_a_box_are_left_out_and_end_with_status_2(
    localise: Run, boxes: Path, model: str, tmp_path: Path
):
    with (boxes / "boxes.csv").open("a") as file:
        file.write("2.png,0,,,,\n")
    done = localise("-m", model, "--methods", "cam")
    assert done.exit_code == 2, done.output
    left_out = json.loads((tmp_path / "out" / "record.json").read_text())["left_out"]
    assert left_out == ["2.png: left out of the numbers: no box"]
