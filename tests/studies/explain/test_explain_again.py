"""A folder of results that another run goes on with, after a change or an accident."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, HeadError, LayerError
from figureground.base.record import write_atomically
from figureground.methods import RISE, GroupCAM, ScoreCAM
from figureground.models import Classifier
from figureground.models.classes import ClassChoice
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions

Write = Callable[..., list[Path]]
Make = Callable[..., Classifier]
Spy = SimpleNamespace
OPTIONS = ExplainOptions(methods=("grad-cam", "eigen-cam"), classes="top2", batch_size=2, workers=1)


def entries(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "entries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "images").iterdir()}


def test_second_run_explains_nothing_again(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(3)
    explain_images(classifier, paths[:2], out=out, options=OPTIONS)
    record = explain_images(classifier, paths, out=out, options=OPTIONS)
    assert spy.images == 3
    assert (record.images, record.skipped) == (3, 2)
    record = explain_images(classifier, paths, out=out, options=OPTIONS)
    assert spy.images == 3
    assert record.model["layer"] == "3"
    assert len(entries(out)) == 3


def test_progress_counts_images_of_earlier_runs(
    classifier: Classifier, write_images: Write, out: Path
):
    paths = write_images(5)
    explain_images(classifier, paths[:2], out=out, options=OPTIONS)
    seen: list[tuple[str, int, int]] = []
    explain_images(
        classifier, paths, out=out, options=OPTIONS, progress=lambda *now: seen.append(now)
    )
    assert seen == [("explaining", done, 5) for done in (2, 4, 5)]


def test_progress_tells_the_price_of_methods_that_run_the_network_often(
    classifier: Classifier, write_images: Write, out: Path
):
    seen: list[str] = []
    chosen = replace(OPTIONS, methods=(RISE(20), ScoreCAM(channels=2), "grad-cam"), smooth=True)
    explain_images(
        classifier,
        write_images(1),
        out=out,
        options=chosen,
        progress=lambda stage, *_: seen.append(stage),
    )
    assert set(seen) == {"explaining (138 runs of the network an image)"}  # 6 views × (20 + 3)


def test_the_price_counts_what_methods_share_once_and_what_classes_do_not_share_each_time(
    classifier: Classifier, write_images: Write, out: Path
):
    seen: list[str] = []
    methods = {
        "a": ScoreCAM(channels=2),
        "b": ScoreCAM("softmax", channels=2),
        "c": ScoreCAM(channels=1),
        "d": GroupCAM(groups=3),
    }
    explain_images(
        classifier,
        write_images(1),
        out=out,
        options=replace(OPTIONS, methods=methods, classes="top2"),
        progress=lambda stage, *_: seen.append(stage),
    )
    assert set(seen) == {"explaining (13 runs of the network an image)"}  # 3 + 2 + 2 × 4


@pytest.mark.parametrize(
    "change",
    [
        {"methods": ("grad-cam",)},
        {"classes": [1, 2]},
        {"layer": ("1",)},
        {"precision": "bf16"},
        {"smooth": True},
        {"colour_map": "viridis"},
        {"alpha_by_value": True},
    ],
    ids="-".join,
)
def test_a_changed_option_is_another_job(
    change: dict[str, Any], classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    other, before = replace(OPTIONS, **change), content_of(out)
    with pytest.raises(DataError, match=r"holds the results of another job \(.*--overwrite"):
        explain_images(classifier, paths, out=out, options=other)
    assert content_of(out) == before
    record = explain_images(classifier, paths, out=out, options=other, overwrite=True)
    assert spy.images == 4
    assert (record.images, record.skipped, len(entries(out))) == (2, 0, 2)


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 1}, {"workers": 2}, {"methods": ("GradCAM", "eigencam")}],
    ids="-".join,
)
def test_an_option_that_changes_no_result_is_the_same_job(
    change: dict[str, Any], classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    explain_images(classifier, paths, out=out, options=replace(OPTIONS, **change))
    assert spy.images == 2


def test_one_changed_weight_is_another_job(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(1)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    with torch.no_grad():
        next(classifier.parameters())[3, 1, 2, 0] += 0.01
    explain_images(classifier, paths, out=out, options=OPTIONS)
    assert spy.images == 2


def test_names_of_classes_and_their_numbers_are_the_same_job(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(1)
    several: list[ClassChoice] = [["tabby", 1, 0], [0, 1]]
    for classes in several:
        explain_images(classifier, paths, out=out, options=replace(OPTIONS, classes=classes))
    assert spy.images == 1


def test_a_touched_image_is_done_again_and_counted_once(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(3)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    Image.new("RGB", (20, 20), "red").save(paths[1])
    record = explain_images(classifier, paths, out=out, options=OPTIONS)
    assert spy.images == 5  # with the other image of its batch
    assert (record.images, record.skipped) == (3, 1)
    assert [entry["image"] for entry in entries(out)] == [str(path) for path in paths]
    assert entries(out)[1]["size"] == [20, 20]


def test_overwrite_does_the_asked_images_again_and_keeps_the_others(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(3)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    record = explain_images(classifier, paths[:2], out=out, options=OPTIONS, overwrite=True)
    assert spy.images == 5
    assert (record.images, record.skipped) == (3, 1)


def test_an_image_written_another_way_is_the_same_image(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy, monkeypatch
):
    paths = write_images(1)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    monkeypatch.chdir(paths[0].parent)
    record = explain_images(classifier, [Path(paths[0].name)], out=out, options=OPTIONS)
    assert spy.images == 1
    assert record.images == 1


def test_files_of_a_former_job_are_gone(classifier: Classifier, write_images: Write, out: Path):
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    (out / "images" / "mine.txt").write_text("not ours")
    other = replace(OPTIONS, methods=("cam",), classes=[0])
    explain_images(classifier, paths, out=out, options=other, overwrite=True)
    kinds = {name.split(".", 1)[1] for name in names(out)}
    assert kinds == {"cam.0.png", "npz", "txt"}


def test_a_run_that_comes_to_nothing_leaves_the_results_of_the_last_one(
    make_classifier: Make, write_images: Write, out: Path
):
    classifier = make_classifier()
    head = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4))
    classifier.network.set_submodule("6", head)  # linear no more
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    with pytest.raises(HeadError):
        explain_images(
            classifier, paths, out=out, options=replace(OPTIONS, methods=("cam",)), overwrite=True
        )
    with pytest.raises(LayerError, match="no layer 'nowhere'"):
        explain_images(
            classifier, paths, out=out, options=replace(OPTIONS, layer=("nowhere",)), overwrite=True
        )
    assert before == {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_an_interrupted_job_goes_on_where_it_stopped(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(6)

    def stop(_stage: str, done: int, _total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_images(classifier, paths, out=out, options=OPTIONS, progress=stop)
    assert not (out / "record.json").exists()
    assert [entry["image"] for entry in entries(out)] == [str(path) for path in paths[:4]]
    assert all((out / panel["png"]).exists() for e in entries(out) for panel in e["panels"])
    record = explain_images(classifier, paths, out=out, options=OPTIONS)
    assert spy.images == 6
    assert (record.images, record.skipped) == (6, 4)


def test_what_a_kill_leaves_behind_is_done_again(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    paths = write_images(4)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    lines = (out / "entries.jsonl").read_text().splitlines(keepends=True)
    last = lines[3][: len(lines[3]) // 2]  # killed while writing the last line
    (out / "entries.jsonl").write_text(lines[0] + "damaged\n[]\n{}\n" + "".join(lines[1:3]) + last)
    (out / "record.json").unlink()
    (out / json.loads(lines[1])["panels"][0]["png"]).unlink()
    (out / "images" / ".0.png.1.part").write_bytes(b"half")
    record = explain_images(classifier, paths, out=out, options=OPTIONS)
    assert spy.images == 8  # of each batch one image was lost
    assert (record.images, record.skipped) == (4, 0)
    assert len(entries(out)) == 4
    assert not [name for name in names(out) if name.endswith(".part")]


def test_a_full_disk_stops_the_job_and_what_is_finished_stays(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy, monkeypatch
):
    paths = write_images(6)
    write = write_atomically

    def full(path: Path, content: bytes) -> Path:
        if path.name.startswith("3-"):
            raise DataError(f"cannot write {path}: No space left on device")
        return write(path, content)

    monkeypatch.setattr("figureground.base.filing.write_atomically", full)
    with pytest.raises(DataError, match="No space left"):
        explain_images(classifier, paths, out=out, options=OPTIONS)
    kept = [Path(entry["image"]) for entry in entries(out)]
    assert kept[:3] == paths[:3]
    assert paths[3] not in kept
    monkeypatch.undo()
    record = explain_images(classifier, paths, out=out, options=OPTIONS)
    assert (record.images, record.skipped) == (6, len(kept) // 2 * 2)  # whole batches of two


def test_a_full_disk_under_the_diary_is_our_error(
    classifier: Classifier, write_images: Write, out: Path, monkeypatch
):
    usual = Path.open

    def full(path: Path, mode: str = "r", **options: Any) -> object:
        if mode == "a":
            raise OSError(errno.ENOSPC, "No space left on device")
        return usual(path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match=r"cannot write .*entries\.jsonl: No space left"):
        explain_images(classifier, write_images(2), out=out, options=OPTIONS)
