"""``figureground explain`` as its user meets it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from figureground.data import decode_image
from figureground.methods import Explainer, finer
from figureground.models import load_classifier

Run = Callable[..., Result]


def entries(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "out" / "entries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_folder_becomes_a_report(explain: Run, images: Path, tmp_path: Path):
    done = explain(images, "--methods", "GradCAM,eigencam,dff", "--classes", "top2")
    assert done.exit_code == 0, done.output
    assert "3 images explained in" in done.stdout
    assert "layer 3: last feature map before pooling: 24×32 positions, 8 channels" in done.stdout
    assert str(tmp_path / "out" / "report.html") in done.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    # the photo; two classes, any class and the concepts over it; maps that show something alone
    alone = [one for each in entries(tmp_path) for one in each["panels"] if "heat" in one]
    assert {one["method"] for one in alone} == {"grad-cam", "eigen-cam"}
    assert page.count("data:image/png;base64") == 3 * (1 + 2 + 1 + 1) + len(alone)
    assert "<dt>Input</dt><dd>24×32, " in page
    for path in images.iterdir():
        assert path.name in page


def test_notes_of_the_model_go_to_standard_error(
    type_in: Run, model: str, images: Path, tmp_path: Path
):
    done = type_in("explain", images / "0.png", "-m", model, "-o", tmp_path / "out")
    assert "note: " in done.stderr
    assert "note: " not in done.stdout


def test_bad_files_end_with_status_2_and_a_list(explain: Run, images: Path, tmp_path: Path):
    whole = (images / "0.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "text.jpg").write_text("not an image")
    Image.new("1", (20000, 20000)).save(images / "bomb.png")
    done = explain(images)
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-4:]
    assert last[0] == "3 files could not be used:"
    assert last[1].startswith(f"  {images / 'bomb.png'}: 20000x20000 pixels; at most")
    assert last[2].startswith(f"  {images / 'cut.png'}: cut short or damaged")
    assert last[3].startswith(f"  {images / 'text.jpg'}: not an image of a kind")
    assert "3 images explained" in done.stdout
    assert "bomb.png" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_every_kind_of_image_is_read(explain: Run, tmp_path: Path):
    folder = tmp_path / "kinds"
    folder.mkdir()
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=exif)
    colour.convert("CMYK").save(folder / "cmyk.jpg")
    colour.convert("L").save(folder / "grey.png")
    colour.convert("RGBA").save(folder / "alpha.png")
    colour.convert("P").save(folder / "palette.png")
    colour.save(folder / "web.webp")
    colour.save(folder / "moving.gif", save_all=True, append_images=[colour.rotate(90)])
    deep = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40) * 50
    Image.fromarray(deep).save(folder / "deep.png")
    done = explain(folder)
    assert done.exit_code == 0, done.output
    sizes = {Path(entry["image"]).name: entry["size"] for entry in entries(tmp_path)}
    assert sizes.pop("turned.jpg") == [30, 40]
    assert list(sizes.values()) == [[40, 30]] * 7


def test_classes_whose_names_hold_commas_can_be_named(explain: Run, images: Path, tmp_path: Path):
    done = explain(images / "0.png", "--classes", "tabby, tabby cat,LYNX,1,tabby")
    assert done.exit_code == 0, done.output
    assert [one["index"] for one in entries(tmp_path)[0]["classes"]] == [0, 2, 1]


def test_second_run_says_what_was_there(explain: Run, images: Path):
    explain(images / "0.png")
    assert "3 images explained (1 of them in an earlier run)" in explain(images).stdout
    assert "3 images explained (3 of them in an earlier run)" in explain(images).stdout
    assert "3 images explained in" in explain(images, "--overwrite").stdout


def test_strange_names_are_shown_as_they_are(explain: Run, images: Path, tmp_path: Path):
    for name in ("a <b>&amp;.png", "[red]x[red].png", "猫 と 犬.png", "%20;'\".png"):
        shutil.copy(images / "0.png", images / name)
    (images / "[bold]bad<i>.png").write_bytes(b"")
    done = explain(images)
    assert done.exit_code == 2
    assert "[bold]bad<i>.png: the file is empty" in done.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;&amp;amp;.png" in page
    assert "<b>&amp;.png" not in page
    assert "猫 と 犬.png" in page
    assert "[red]x[red].png" in page
    for entry in entries(tmp_path):
        for panel in entry["panels"]:
            assert decode_image(tmp_path / "out" / panel["png"]).width > 0


@pytest.mark.parametrize(
    "words",
    [
        ("--precision", "bf16"),
        ("--batch-size", "2"),
        ("--layer", "1,3"),
        ("--layer", "1,3", "--fuse", "mean"),
        ("--smooth",),
        ("--alpha-by-value", "--colour-map", "viridis"),
        ("--device", "cpu"),
        ("--resize", "pad", "--mean", "0.5", "--std", "0.25"),
    ],
    ids=" ".join,
)
def test_option_works(words: tuple[str, ...], explain: Run, images: Path):
    done = explain(images, *words)
    assert done.exit_code == 0, done.output
    assert "3 images explained" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "grad-cm"), "no method 'grad-cm'; closest: 'grad-cam'; known: "),
        (("--methods", ""), "no method asked for"),
        (("--methods", ","), "cannot read the methods ','"),
        (("--classes", "dog"), "no class 'dog' in"),
        (("--classes", "7"), "no class 7 in"),
        (("--classes", "top9"), "top9 asked for"),
        (("--classes", ","), "no class asked for"),
        (("--layer", "block"), "no layer 'block' in Classifier"),
        (("--layer", "5"), "layer '5'"),
        (("--colour-map", "rainbow"), "no colour map 'rainbow'"),
        (("--precision", "int8"), "no precision 'int8'; "),
        (("--device", "tpu"), "no device 'tpu'; "),
        (("--batch-size", "0"), "batch_size must be at least 1, got 0"),
        (("--workers", "0"), "workers must be at least 1, got 0"),
        (("--fuse", "mean"), "fuse 'mean' joins the maps of several layers"),
        (("--size", "big"), "--size takes numbers such as 224 or 224x320, not 'big'"),
        (("--model-arg", "outputs"), "'outputs' is not key=value"),
        (("no/such/image.png",), "no file or folder 'no/such/image.png'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_mistake_is_one_line_on_standard_error(
    words: tuple[str, ...], message: str, explain: Run, images: Path, tmp_path: Path
):
    done = explain(images, *words)
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert done.stderr.rstrip().endswith(line)
    assert "Traceback" not in done.output
    assert not (tmp_path / "out" / "record.json").exists()


def test_a_method_that_the_model_cannot_serve_is_one_line(explain: Run, images: Path):
    done = explain(images, "--methods", "cam", "--model-arg", "head=false")
    assert done.exit_code == 1
    assert "error: cam needs logits that are linear" in done.stderr
    assert "use hires-cam or grad-cam" in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(
    type_in: Run, model: str, images: Path, tmp_path: Path
):
    target = tmp_path / "names.txt" / "out"
    done = type_in("explain", images, "--model", model, "--size", "24", "--out", target)
    assert done.exit_code == 1
    assert f"error: cannot write {target}" in done.stderr


def test_folders_in_folders_are_searched_when_asked(explain: Run, images: Path):
    (images / "inner").mkdir()
    (images / "0.png").rename(images / "inner" / "0.png")
    assert "2 images explained" in explain(images).stdout
    assert "3 images explained" in explain(images, "--recursive").stdout
    assert "3 images explained" in explain(f"{images}/**/*.png").stdout


def test_an_interruption_ends_with_status_130(
    explain: Run, images: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("figureground.studies.explain.explain.explain_images", stop)
    done = explain(images)
    assert done.exit_code == 130
    assert "interrupted; what is finished is kept" in done.stderr


def test_one_logit_is_read_as_in_the_library(
    type_in: Run, model: str, images: Path, tmp_path: Path
):
    (tmp_path / "one.txt").write_text("cat\n")
    about = ("-m", model, "--model-arg", "outputs=1", "--class-names", tmp_path / "one.txt")
    asked = ("--classes", "cat,not cat", "--methods", "hires-cam", "--size", "24x32")
    done = type_in("explain", images / "0.png", *about, *asked, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    classifier = load_classifier(
        model, arguments={"outputs": 1}, class_names=("cat",), preprocessing={"size": (24, 32)}
    )
    pixels, _ = classifier.preprocessing.view(decode_image(images / "0.png"))
    batch = pixels[None].float() / 255
    expected = Explainer(classifier)(batch, classes=["cat", "not cat"], methods="hires-cam")
    with np.load(next((tmp_path / "out" / "images").glob("*.npz"))) as arrays:
        (found,) = [arrays[name] for name in arrays.files if name.startswith("hires-cam")]
    np.testing.assert_allclose(found, expected.map_of("hires-cam")[0], rtol=1e-2, atol=1e-5)
    assert [one["name"] for one in entries(tmp_path)[0]["classes"]] == ["cat", "not cat"]


def test_layers_are_called_in_errors_as_ls_lists_them(
    explain: Run, type_in: Run, model: str, images: Path
):
    listed = type_in("ls", "layers", "--model", model).stdout
    for layer in ("6", "network.6", "nope.2"):
        done = explain(images, "--layer", layer)
        assert done.exit_code == 1
        assert "network." not in done.stderr.replace(f"'{layer}'", "")
        assert done.stderr.strip().startswith("error: "), "no bar of which nothing is done"
    done = explain(images, "--layer", "6")
    wanted = re.findall(
        r"\w+", done.stderr.partition("layers with positions: ")[2].partition(" (")[0]
    )
    assert len(wanted) == 4
    assert all(f"\n{one} " in listed for one in wanted)
    assert explain(images, "--layer", wanted[-1], "--methods", "grad-cam").exit_code == 0


def test_a_layer_that_no_method_looks_at_is_refused_and_one_that_some_do_not_is_told(
    explain: Run, images: Path, tmp_path: Path
):
    done = explain(images, "--methods", "full-grad,rise(masks=8)", "--layer", "1")
    assert done.exit_code == 1
    assert "full-grad, rise do not look at a layer but at the whole network" in done.stderr
    assert "leave the layer out" in done.stderr
    assert not (tmp_path / "out").exists()
    done = explain(images, "--methods", "full-grad,grad-cam", "--layer", "1")
    assert done.exit_code == 0, done.output
    assert "note: full-grad does not look at a layer" in done.stderr
    assert "not theirs" not in explain(images, "--methods", "full-grad,grad-cam").stderr


def test_advice_is_about_what_can_be_typed(explain: Run, images: Path, tmp_path: Path):
    (tmp_path / "up").mkdir()
    images.rename(tmp_path / "up" / "images")
    done = explain(tmp_path / "up")
    assert "only with --recursive" in done.stderr
    assert "recursive=True" not in done.stderr
    assert explain(tmp_path / "up", "--recursive").exit_code == 0


def test_finer_maps_are_those_of_the_target(explain: Run, images: Path, model: str, tmp_path: Path):
    done = explain(images / "0.png", "--methods", "hires-cam", "--target", "finer")
    assert done.exit_code == 0, done.output
    classifier = load_classifier(model, preprocessing={"size": (24, 32)})
    explainer = Explainer(classifier)
    with np.load(next((tmp_path / "out" / "images").glob("*.npz"))) as stored:
        maps = stored["hires-cam/3"]
    pixels, _ = classifier.preprocessing.view(decode_image(images / "0.png"))
    expected = explainer(pixels[None].float() / 255, finer(), "hires-cam").map_of("hires-cam")
    np.testing.assert_allclose(maps, expected[0].numpy(), rtol=1e-2, atol=1e-5)
    again = explain(images / "0.png", "--methods", "hires-cam")
    assert again.exit_code == 1
    assert "target" in again.stderr


def test_finer_cam_is_refused_as_a_method_with_the_way_to_ask(explain: Run, images: Path):
    done = explain(images, "--methods", "finer-cam")
    assert done.exit_code == 1
    assert "--target finer" in done.stderr


def test_a_category_of_a_segmentation_network_is_a_class(
    type_in: Run, images: Path, tmp_path: Path
):
    words = ("--model", "torchvision:lraspp_mobilenet_v3_large", "--random", "--size", "64")
    asked = ("--classes", "cat", "--methods", "hires-cam", "-o", tmp_path / "out")
    done = type_in("explain", images / "0.png", *words, "--readout", "segmentation", *asked)
    assert done.exit_code == 0, done.output
    assert "layer backbone.16: last feature map of the backbone" in done.stdout
    assert [one["name"] for one in entries(tmp_path)[0]["classes"]] == ["cat"]


def test_a_method_that_does_not_work_ends_with_status_2_and_the_others_are_there(
    explain: Run, images: Path, tmp_path: Path
):
    done = explain(images, "--methods", "attention-rollout,grad-cam")
    assert done.exit_code == 2
    assert "3 images explained" in done.stdout
    assert "attention-rollout does not work with this network: " in done.stderr
    assert all(
        [one["method"] for one in each["panels"]] == ["grad-cam"] for each in entries(tmp_path)
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>attention-rollout</b> does not work with this network" in page
    alone = explain(images, "--methods", "attention-rollout", "--out", tmp_path / "alone")
    assert alone.exit_code == 1


def test_one_method_may_have_several_options(explain: Run, images: Path, tmp_path: Path):
    typed = "score-cam(channels=2),score-cam(channels=4),score-cam"
    done = explain(images, "--methods", typed)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for name in typed.split(","):
        assert f"<b>{name}" in page
