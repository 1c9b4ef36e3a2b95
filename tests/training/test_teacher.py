"""A finished run as a teacher, and as the model that is trained further."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import DataError, OptionError
from figureground.base.record import write_json
from figureground.models import Classifier
from figureground.training import Run, load_trained, make_algorithms
from figureground.training.checkpoint import save_weights
from figureground.training.recipe import ModelSpec, Recipe, changed, checked, write_recipe
from figureground.training.teacher import TeacherSpec, load_teacher
from figureground.training.trained import make_classifier

GREY = {"size": [6, 6], "mean": [0.25], "std": [0.75]}
LENET = {"name": "figureground:lenet-gap", "arguments": {"channels": 1}, "preprocessing": GREY}
NAMES = ("a", "b", "c")


def drawn(spec: ModelSpec, names: Sequence[str], seed: int, *, background: bool) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make_classifier(spec, names, background=background)


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Path]:
    """Make the folder of a finished run, whose best and last weights differ."""

    def make(
        name: str = "plain", names: Sequence[str] = NAMES, *, background: bool = False
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        recipe = changed({"name": "t", "epochs": 1, "data": {"name": "x"}, "model": LENET})
        write_recipe(recipe, folder / "recipe.yaml")
        write_json(folder / "classes.json", list(names))
        for seed, kept in enumerate(("best", "last", "step-7")):
            one = drawn(recipe.model, names, seed, background=background)
            save_weights(one.network, folder / f"{kept}.safetensors")
        return folder

    return make


def said(classifier: nn.Module) -> Tensor:
    return classifier(torch.linspace(0, 1, 72).view(2, 1, 6, 6)).detach()


@pytest.mark.parametrize(("checkpoint", "seed"), [("best", 0), ("last", 1), ("step-7", 2)])
@pytest.mark.parametrize("background", [False, True])
def test_a_run_is_loaded_with_its_preprocessing_and_its_outputs(
    checkpoint, seed, background, finished
):
    folder = finished(background=background)
    numbers = torch.get_rng_state()
    found = load_trained(folder, checkpoint)
    assert torch.equal(torch.get_rng_state(), numbers)
    wanted = drawn(checked(ModelSpec, LENET, source="t"), NAMES, seed, background=background)
    assert torch.equal(said(found), said(wanted))
    assert found.preprocessing.mean == (0.25,)
    assert found.class_names == (*NAMES, "background")[: 3 + background]
    assert not found.training


def test_what_is_no_checkpoint_of_a_run_is_refused(finished, tmp_path):
    with pytest.raises(OptionError, match="no checkpoint of a run 'bets'; closest: 'best'"):
        load_trained(finished(), "bets")
    with pytest.raises(DataError, match=r"there is no folder .*absent"):
        load_trained(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no best\.safetensors"):
        load_trained(tmp_path / "empty")


def begun(start: Callable[..., Run], recipe: Recipe, student: nn.Module, folder: Path) -> Run:
    return start(recipe, student, folder, algorithms=make_algorithms(recipe, 3))


@pytest.mark.parametrize("spelling", ["name alone", "best", "last"])
def test_a_student_is_taught_by_a_finished_run(spelling, finished, start, recipe, tmp_path):
    folder = str(finished())
    spec = folder if spelling == "name alone" else {"name": folder, "checkpoint": spelling}
    full = recipe(algorithms=[{"distillation": {"teacher": spec}}])
    student = drawn(checked(ModelSpec, LENET, source="t"), NAMES, 5, background=False)
    run = begun(start, full, student, tmp_path / "student")
    (algorithm,) = run.algorithms
    checkpoint = "last" if spelling == "last" else "best"
    assert torch.equal(said(algorithm.teacher), said(load_trained(folder, checkpoint)))
    assert algorithm.teacher.preprocessing.std == (0.75,)
    assert not any(p.requires_grad for p in algorithm.teacher.parameters())


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_a_finished_run_splits_the_background(
    checkpoint, finished, start, recipe, network, tmp_path
):
    teacher = {"name": str(finished()), "checkpoint": checkpoint}
    full = recipe(algorithms=[{"background-splitting": {"teacher": teacher}}])
    run = begun(start, full, network(4), tmp_path / "rare")
    (algorithm,) = run.algorithms
    wanted = load_trained(teacher["name"], checkpoint)
    labels = wanted(run.batches.images[:].float() / 255).argmax(1)
    assert torch.equal(algorithm.labels.hard, labels)
    assert algorithm.labels.num_classes == 3


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_a_finished_run_is_fine_tuned_into_a_teacher(checkpoint, finished, start, recipe, tmp_path):
    folder = str(finished())
    spec = {"name": folder, "checkpoint": checkpoint}
    full = recipe(model=spec, algorithms=[{"mcmi": {"weight": 0.5}}])
    model = make_classifier(full.model, NAMES)
    assert torch.equal(said(model), said(load_trained(folder, checkpoint)))
    run = begun(start, full, model, tmp_path / "teacher")
    assert run.algorithms[0].bank.undefined == ()
    more = make_classifier(full.model, ("a", "b", "c", "d"))
    assert said(more).shape == (2, 4)


def test_a_run_that_was_fine_tuned_from_a_run_is_loaded_too(finished):
    first = finished()
    second = finished("second")
    recipe = changed(
        {"name": "t", "epochs": 1, "data": {"name": "x"}, "model": {"name": str(first)}}
    )
    write_recipe(recipe, second / "recipe.yaml")
    save_weights(load_trained(first, "last").network, second / "best.safetensors")
    found = load_trained(second)
    assert torch.equal(said(found), said(load_trained(first, "last")))
    assert (found.run, load_trained(first).run) == ("second", "plain")
    assert make_classifier(recipe.model, NAMES).run == ""
    assert found.preprocessing.mean == (0.25,)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"name": "runs/plain", "weights": "w.pt"},
            "runs/plain is a run, which has its own weights",
        ),
        ({"name": "timm:resnet18", "checkpoint": "last"}, "timm:resnet18 is a network"),
    ],
)
def test_options_of_a_teacher_that_would_do_nothing_are_refused(spec, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        checked(TeacherSpec, spec, source="t")


def test_a_run_to_be_trained_further_brings_its_own_weights(finished):
    spec = {"name": str(finished()), "weights": "w.pt"}
    with pytest.raises(OptionError, match="is a run, which has its own weights"):
        checked(ModelSpec, spec, source="t")


def test_a_network_by_name_is_a_teacher_with_the_weights_of_a_file(tmp_path):
    spec = checked(ModelSpec, LENET | {"arguments": {"channels": 1, "num_classes": 3}}, source="t")
    one = drawn(spec, NAMES, 3, background=False)
    save_weights(one.network, tmp_path / "w.safetensors")
    teacher = load_teacher(
        TeacherSpec(
            name=spec.name,
            weights=str(tmp_path / "w.safetensors"),
            arguments=spec.arguments,
            preprocessing=spec.preprocessing,
        )
    )
    assert torch.equal(said(teacher), said(one))
    assert not any(p.requires_grad for p in teacher.parameters())
