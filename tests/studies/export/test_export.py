"""Files of an export give the logits of the run, in programs that have never heard of figureground."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from figureground.base.errors import DataError, ModelError, OptionError
from figureground.base.record import read_json
from figureground.models import Classifier, load_classifier
from figureground.studies.export import plain
from figureground.studies.export.export import export_model
from figureground.studies.export.options import ExportOptions
from figureground.studies.training.runs import load_run

Trained = Callable[..., Path]
TIMM, OURS = "timm:test_resnet", "figureground:cifar-resnet8"
# what follows the code of the page: other images, and proof that nothing of ours helped
SAVED = """
import sys
assert "figureground" not in sys.modules
torch.save([network(torch.load("images.pt")).detach(), classes], "logits.pt")
"""


def logits_of(
    run: Path, count: int, outputs: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised images, and what the run's own classifier says of them."""
    classifier = load_run(run).classifier
    images = torch.rand(count, 3, 32, 40, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        logits = classifier(images)[:, :outputs]
    assert float(logits.std()) > 1e-3  # that are worth comparing
    return classifier.preprocessing.normalise(images), logits


def code_of(folder: Path) -> str:
    """The code on the page of an export."""
    found = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def said_elsewhere(folder: Path, images: torch.Tensor) -> Any:
    """Logits and class names as the code on the page gives them, in a process of its own."""
    torch.save(images, folder / "images.pt")
    words = [sys.executable, "-W", "error", "-c", code_of(folder) + SAVED]
    subprocess.run(words, cwd=folder, check=True, env={"OMP_NUM_THREADS": "1", "PATH": ""})
    return torch.load(folder / "logits.pt")


@pytest.mark.parametrize(("to", "background"), [("torch", "drop"), ("timm", "keep")])
def test_a_program_without_figureground_gets_the_same_logits(
    to: str, background: str, trained: Trained, tmp_path: Path
):
    run = trained(TIMM)
    outputs = {"keep": 3, "drop": 2}[background]
    images, logits = logits_of(run, 5, outputs)
    options = ExportOptions(to=to, background=background)
    record = export_model(run, out=tmp_path / "out", options=options)
    found, classes = said_elsewhere(tmp_path / "out", images)
    assert torch.allclose(found, logits, atol=1e-4, rtol=0)
    assert classes == list(record.classes) == ["dark", "light", "background"][:outputs]
    assert record.difference is not None
    assert record.difference <= 1e-4
    assert record.background == {"keep": "kept", "drop": "dropped"}[background]


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Shapes of annotations are compared by no one: to compare one with a number would fix it in the graph."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("background", ["keep", "drop"])
def test_onnxruntime_gets_the_same_logits_for_any_number_of_images(
    background: str, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run, outputs = trained(TIMM), {"keep": 3, "drop": 2}[background]
    options = ExportOptions(to="onnx", background=background)
    export_model(run, out=tmp_path, options=options)
    held: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(code_of(tmp_path), held)  # noqa: S102 - the page's own lines are what is tested
    assert held["logits"].shape == (2, outputs)
    assert held["classes"] == ["dark", "light", "background"][:outputs]
    kept = load_run(run).classifier.preprocessing
    assert held["preprocessing"]["size"] == list(kept.size)
    assert held["preprocessing"]["mean"] == list(kept.mean)
    for count in (1, 5):
        images, logits = logits_of(run, count, outputs)
        found = held["session"].run(None, {"images": images.numpy()})[0]
        np.testing.assert_allclose(found, logits.numpy(), atol=1e-4, rtol=0)
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)


def test_the_weights_have_the_names_of_the_plain_network(trained: Trained, tmp_path: Path):
    run = trained(TIMM)
    export_model(run, out=tmp_path / "out")
    state = torch.load(tmp_path / "out" / "model.pt", weights_only=True)
    mine = load_file(run / "best.safetensors")
    assert {f"network.{name}" for name in state} == {*mine}
    assert all(torch.equal(value, mine[f"network.{name}"]) for name, value in state.items())
    assert read_json(tmp_path / "out" / "preprocessing.json")["size"] == [32, 40]


def test_timms_folder_comes_back_with_preprocessing_and_class_names(
    trained: Trained, tmp_path: Path
):
    run = trained(TIMM)
    export_model(run, out=tmp_path, options=ExportOptions(to="timm"))
    before, again = load_run(run).classifier, load_classifier(f"timm:local-dir:{tmp_path}")
    assert again.preprocessing == before.preprocessing
    assert again.class_names == before.class_names
    images = torch.rand(2, 3, 32, 40)
    with torch.inference_mode():
        assert torch.equal(again(images), before(images))


def test_transformers_load_timms_folder(trained: Trained, tmp_path: Path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    run = trained(TIMM)
    images, logits = logits_of(run, 3)
    export_model(run, out=tmp_path, options=ExportOptions(to="timm"))
    network = transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
    with torch.inference_mode():
        found = network(images).logits
    assert torch.allclose(found, logits, atol=1e-4, rtol=0)
    assert network.config.id2label == {0: "dark", 1: "light", 2: "background"}
    pixels = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    photo, ours = Image.fromarray(pixels), load_run(run).classifier.preprocessing
    prepared = transformers.AutoImageProcessor.from_pretrained(tmp_path)(photo)["pixel_values"]
    view, _ = ours.view(photo)
    assert torch.allclose(prepared, ours.normalise(view[None] / 255), atol=1e-5)


def test_timms_folder_is_taken_out_once_more(trained: Trained, tmp_path: Path):
    timm = ExportOptions(to="timm")
    export_model(trained(TIMM), out=tmp_path / "a", options=timm)
    record = export_model(f"timm:local-dir:{tmp_path / 'a'}", out=tmp_path / "b", options=timm)
    assert record.background == "none"
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_run_that_trained_another_run_further_is_built_as_the_first(
    trained: Trained, tmp_path: Path
):
    first = trained(TIMM, background=False)
    second = trained(str(first), background=False, preprocessing={})
    images, logits = logits_of(second, 2)
    export_model(second, out=tmp_path)
    found, _ = said_elsewhere(tmp_path, images)
    assert torch.allclose(found, logits, atol=1e-4, rtol=0)


def test_torchvisions_network_is_built_by_its_own_function(trained: Trained, tmp_path: Path):
    run = trained("torchvision:shufflenet_v2_x0_5")
    images, logits = logits_of(run, 2, 2)
    export_model(run, out=tmp_path, options=ExportOptions(background="drop"))
    found, classes = said_elsewhere(tmp_path, images)
    assert torch.allclose(found, logits, atol=1e-4, rtol=0)
    assert classes == ["dark", "light"]


def test_a_network_of_ours_names_the_function_that_builds_it(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    run = trained(OURS)
    export_model(run, out=tmp_path)
    held: dict[str, Any] = {}
    exec(code_of(tmp_path), held)  # noqa: S102 - the page's own lines are what is tested
    images, logits = logits_of(run, 2)
    with torch.inference_mode():
        assert torch.allclose(held["network"](images), logits, atol=1e-4, rtol=0)


@pytest.mark.usefixtures("unchecked")
def test_a_head_of_another_kind_can_only_be_written_as_onnx(trained: Trained, tmp_path: Path):
    run = trained(OURS, head="spinal")
    with pytest.raises(
        OptionError, match=r"not those of a plain figureground:cifar-resnet8 .*--to onnx"
    ):
        export_model(run, out=tmp_path / "torch")
    assert not (tmp_path / "torch").exists()
    export_model(run, out=tmp_path / "onnx", options=ExportOptions(to="onnx", background="drop"))
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    images, logits = logits_of(run, 3, 2)
    found = session.run(["logits"], {"images": images.numpy()})[0]
    np.testing.assert_allclose(found, logits.numpy(), atol=1e-4, rtol=0)


def test_another_export_is_replaced_when_asked_and_other_files_stay(
    trained: Trained, tmp_path: Path
):
    run, onnx_too = trained(TIMM), ExportOptions(to="timm")
    export_model(run, out=tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="to: torch there, timm here"):
        export_model(run, out=tmp_path, options=onnx_too)
    export_model(run, out=tmp_path, options=onnx_too, overwrite=True)
    ours = {"README.md", "config.json", "model.safetensors", "record.json", "figureground.json"}
    assert {path.name for path in tmp_path.iterdir()} == ours | {"mine.txt"}
    assert json.loads((tmp_path / "record.json").read_text())["to"] == "timm"


def test_what_cannot_be_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain_run, own = trained(TIMM, background=False), trained(OURS)
    out = tmp_path / "out"
    with pytest.raises(OptionError, match="has no output for backgrounds to drop"):
        export_model(plain_run, out=out, options=ExportOptions(background="drop"))
    with pytest.raises(OptionError, match=r"no network of timm's; --to torch and --to onnx"):
        export_model(own, out=out, options=ExportOptions(to="timm"))
    with pytest.raises(OptionError, match="no to 'tflite'"):
        ExportOptions(to="tflite")
    with pytest.raises(DataError, match=r"holds no training run: there is no recipe\.yaml"):
        export_model(tmp_path, out=out)
    with pytest.raises(DataError, match="holds a training run"):
        export_model(plain_run, out=own)
    monkeypatch.setattr("figureground.studies.export.formats.find_spec", lambda _: None)
    with pytest.raises(OptionError, match=r"pip install 'figureground\[onnx\]'"):
        export_model(own, out=out, options=ExportOptions(to="onnx"))
    assert not out.exists()


def test_a_run_that_is_not_finished_is_refused(trained: Trained, tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    for path in trained(OURS).iterdir():
        if path.is_file() and path.name != "record.json":
            (run / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"is not finished.*--resume"):
        export_model(run, out=tmp_path / "out")


def test_ways_that_timm_has_no_word_for_are_refused(trained: Trained, tmp_path: Path):
    ways = {"size": [32, 40], "resize": "middle", "crop_fraction": 1.0}
    run = trained(TIMM, background=False, preprocessing=ways)
    with pytest.raises(OptionError, match=r"timm cannot prepare images .*resize middle"):
        export_model(run, out=tmp_path, options=ExportOptions(to="timm"))


def test_a_plain_network_with_other_logits_is_found_out(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def other(*given: Any, **named: Any) -> Classifier:
        found = load_classifier(*given, **named)
        found.network.register_forward_hook(lambda *them: them[-1] + 0.01)
        return found

    monkeypatch.setattr(plain, "load_classifier", other)
    with pytest.raises(ModelError, match=r"other logits \(by 0\.01\)"):
        export_model(trained(TIMM), out=tmp_path / "out")


FACTORY = """
from torch import nn


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))


class Two(nn.Module):
    preprocessing = {"size": (8, 8)}

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, images):
        return self.layer(images.mean((2, 3)))


class Fixed(Two):
    def forward(self, images):
        return super().forward(images)[: len(images)]  # a number, once it is asked for


class Branching(Two):
    def forward(self, images):
        return super().forward(images if images.sum() > 0 else -images)
"""


@pytest.mark.usefixtures("unchecked")
def test_a_file_of_ones_own_and_a_ready_classifier_are_taken_out(tmp_path: Path):
    (tmp_path / "net.py").write_text(FACTORY)
    classifier = load_classifier(f"{tmp_path / 'net.py'}:build", preprocessing={"size": (8, 8)})
    export_model(classifier, out=tmp_path / "onnx", options=ExportOptions(to="onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    images = torch.rand(3, 3, 8, 8)
    with torch.inference_mode():
        logits = classifier(images)
    normalised = classifier.preprocessing.normalise(images)
    found = session.run(["logits"], {"images": normalised.numpy()})[0]
    np.testing.assert_allclose(found, logits.numpy(), atol=1e-4, rtol=0)
    with pytest.raises(OptionError, match=r"nothing tells how .*net\.py:build is built anew"):
        export_model(classifier, out=tmp_path / "torch")
    record = export_model(f"{tmp_path / 'net.py'}:Two", out=tmp_path / "torch")
    assert record.difference == 0
    assert record.classes == ("class 0", "class 1")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("name", "why"), [("Fixed", " for any number"), ("Branching", ": ")])
def test_what_onnx_cannot_hold_is_said_in_one_line(name: str, why: str, tmp_path: Path):
    (tmp_path / "net.py").write_text(FACTORY)
    onnx_file = ExportOptions(to="onnx")
    with pytest.raises(ModelError, match=rf"net\.py:{name} cannot be written as ONNX{why}[^\n]+$"):
        export_model(f"{tmp_path / 'net.py'}:{name}", out=tmp_path / "out", options=onnx_file)
    assert not (tmp_path / "out").exists()


def test_more_than_an_onnx_file_holds_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("figureground.studies.export.formats._MOST", 1000)
    with pytest.raises(ModelError, match="larger than the 2 GiB"):
        export_model(trained(OURS), out=tmp_path / "o", options=ExportOptions(to="onnx"))
