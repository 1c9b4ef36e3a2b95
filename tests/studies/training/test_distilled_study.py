"""From a teacher's folder to a student's."""

from pathlib import Path

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.base.record import read_json
from figureground.studies.training.train import train
from figureground.training.recipe import changed
from figureground.training.teacher import TeacherSpec, load_teacher
from figureground.training.trained import load_trained

TINY = {
    "name": "tiny",
    "epochs": 1,
    "batch_size": 8,
    "data": {"name": "cluttered-digits", "count": 24},
    "model": {
        "name": "figureground:lenet-gap",
        "arguments": {"channels": 1},
        "preprocessing": {"size": [12, 12]},
    },
    "algorithms": [],
}
BACKGROUND = {"pools": [{"name": "cluttered-digits", "count": 20, "background": True}]}
STUDENT = TINY | {"algorithms": [{"distillation": {}}]}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    """A teacher with a background output, which its folder alone tells."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    train(
        changed(TINY | {"algorithms": [{"background-class": BACKGROUND}]}),
        folder,
        accelerator="cpu",
    )
    return folder


def test_a_run_is_the_teacher_of_another(teacher: Path, tmp_path: Path):
    words = [f"distillation.teacher={teacher}", "distillation.loss=sp", "distillation.kd=1"]
    record = train(changed(STUDENT, words), tmp_path / "student", accelerator="cpu")
    student = load_trained(tmp_path / "student", "last")
    assert record.parameters == sum(p.numel() for p in student.parameters())
    stored = read_json(tmp_path / "student" / "record.json")
    assert stored["data"]["algorithms"]["distillation"]["student_layers"] == ["network.pool"]
    assert student.num_classes == 10


def test_the_teacher_is_the_one_that_was_trained(teacher: Path):
    numbers = torch.get_rng_state()
    found = load_teacher(TeacherSpec(name=str(teacher)))
    assert torch.equal(torch.get_rng_state(), numbers)
    images = torch.rand(2, 1, 12, 12)
    assert torch.equal(found(images), load_trained(teacher)(images))
    assert not found.training
    assert not any(p.requires_grad for p in found.parameters())


def test_a_teacher_of_other_classes_is_refused(teacher: Path, tmp_path: Path):
    names = read_json(teacher / "classes.json")
    (tmp_path / "strange").mkdir()
    for name in ("recipe.yaml", "best.safetensors"):
        (tmp_path / "strange" / name).write_bytes((teacher / name).read_bytes())
    (tmp_path / "strange" / "classes.json").write_text(str([*names[:9], "x"]).replace("'", '"'))
    words = [f"distillation.teacher={tmp_path / 'strange'}"]
    with pytest.raises(OptionError, match="class 9 is 'x', not '9'"):
        train(changed(STUDENT, words), tmp_path / "student", accelerator="cpu")
