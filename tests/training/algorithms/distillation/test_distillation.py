"""Distillation within a run: what is compared, who changes, what is refused."""

from collections.abc import Sequence

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from figureground.base.errors import DataError, LayerError, OptionError, ShapeError
from figureground.models import Classifier, Preprocessing
from figureground.training import Batches, Run, fit
from figureground.training.algorithms import make_algorithms, resolved
from figureground.training.algorithms.distillation import DISTILLATION_LOSSES, KDLoss
from figureground.training.algorithms.distillation.algorithm import Distillation
from figureground.training.algorithms.distillation.options import DistillationOptions
from figureground.training.checkpoint import load_checkpoint

PLAIN = Preprocessing((6, 6), "stretch", 1.0, "bilinear", (0.5,), (0.25,), 1)
SMALL = {"crd": {"negatives": 8, "width": 4}, "cc": {"width": 4}}


def convolutional(outputs: int, width: int, seed: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, outputs),
        )


def classifier(
    outputs: int = 3, width: int = 3, *, names: Sequence[str] = "abc", seed: int = 5
) -> Classifier:
    return Classifier(convolutional(outputs, width, seed), PLAIN, name="t", class_names=names)


def options(loss: str = "kd", **words) -> DistillationOptions:
    return DistillationOptions(loss=loss, **{"loss_options": SMALL.get(loss, {})} | words)


@pytest.fixture
def begun(start, recipe, tmp_path):
    def make(chosen, *, teacher=None, student=None, folder="run", **words):
        settings = {
            key: words.pop(key) for key in ("crop_padding", "flip", "world") if key in words
        }
        algorithm = Distillation(chosen, 3, teacher or classifier())
        network = student or classifier(3, 2, seed=9)
        torch.default_generator.manual_seed(0)
        run = start(recipe(**words), network, tmp_path / folder, algorithms=[algorithm], **settings)
        return run, algorithm

    return make


def _last_maps(one: nn.Module, images: Tensor) -> Tensor:
    network = one.get_submodule("network")
    assert isinstance(network, nn.Sequential)
    return network[:5]((images - 0.5) / 0.25)


def step(run, algorithm):
    batch = next(run.batches.epoch(0))
    algorithm.before_pass(batch, run)
    outputs = run.model(batch.images)
    losses = run.losses_of(outputs, batch.labels)
    return batch, outputs, algorithm.change_losses(losses, outputs, batch, run)


def test_the_total_is_weighted_as_in_the_benchmark(begun):
    run, algorithm = begun(options())
    batch, outputs, found = step(run, algorithm)
    taught = classifier().eval()(batch.images)
    assert set(found) == {"cross_entropy", "kd"}
    plain = run.losses_of(outputs, batch.labels)["cross_entropy"]
    torch.testing.assert_close(found["cross_entropy"], 0.1 * plain)
    torch.testing.assert_close(found["kd"], 0.9 * KDLoss(4.0)(outputs, taught))
    softer = step(*begun(options(teacher_temperature=2.5)))[2]["kd"]
    torch.testing.assert_close(softer, 0.9 * KDLoss(4.0)(outputs, taught / 2.5))


def test_given_weights_replace_the_usual_ones(begun):
    run, algorithm = begun(options("sp", cross_entropy=0.5, kd=2.0, other=7.0, temperature=2.0))
    batch, outputs, found = step(run, algorithm)
    teacher = classifier().eval()
    torch.testing.assert_close(found["kd"], 2 * KDLoss(2.0)(outputs, teacher(batch.images)))
    maps = [_last_maps(one, batch.images) for one in (run.network, teacher)]
    torch.testing.assert_close(found["sp"], 7 * DISTILLATION_LOSSES["sp"]()(*maps))
    assert algorithm.description()["student_layers"] == ["network.4"]


@pytest.mark.parametrize("loss", DISTILLATION_LOSSES)
def test_every_loss_reaches_the_student_and_never_the_teacher(loss, begun):
    teacher = classifier()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    run, algorithm = begun(options(loss, ramp=0.0), teacher=teacher)
    for _ in range(2):
        _, _, found = step(run, algorithm)
        term = found[loss]
        assert torch.isfinite(term)
        weight = run.network.network[0].weight
        (slope,) = torch.autograd.grad(term, weight)
        assert slope.abs().sum() > 0
    assert not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    fit(run)
    assert not teacher.training
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(
        module._forward_hooks for one in (run.network, teacher) for module in one.modules()
    )
    known = {id(p) for group in run.optimiser.param_groups for p in group["params"]}
    assert not any(id(p) in known for p in teacher.parameters())
    kept = torch.load(run.folder / "resume.pt", weights_only=True)
    assert not any("teacher.network" in name for name in (*kept["network"], *kept["extras"]))


@pytest.mark.parametrize("loss", ["kd", "vid", "crd", "reviewkd"])
def test_a_distilled_run_is_exactly_resumed(loss, begun):
    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(_stage, done, _total):
        if done == 7 * 8:
            raise Stopped

    whole, _ = begun(options(loss), folder="whole", checkpoint_every=5)
    fit(whole)
    with pytest.raises(Stopped):
        fit(begun(options(loss), folder="parts", checkpoint_every=5)[0], progress=stop)
    again, _ = begun(options(loss), folder="parts", checkpoint_every=5)
    load_checkpoint(again)
    assert again.step == 5
    fit(again)
    for one, other in zip(
        (*whole.network.parameters(), *whole.extras.parameters()),
        (*again.network.parameters(), *again.extras.parameters()),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_a_student_comes_to_agree_with_its_teacher(begun):
    teacher = classifier(width=8)
    with torch.no_grad():
        teacher.network.get_parameter("7.weight").mul_(8)
    words = {"epochs": 12, "optimiser": {"lr": 0.1, "weight_decay": 0.0}}
    gaps = {}
    for name, chosen in {"kd": options(cross_entropy=0.0), "none": options(kd=0.0)}.items():
        run, algorithm = begun(chosen, teacher=teacher, folder=name, **words)
        batch, outputs, _ = step(run, algorithm)
        before = float(KDLoss()(outputs, teacher(batch.images)).detach())
        fit(run)
        run.network.eval()
        with torch.no_grad():
            gaps[name] = float(KDLoss()(run.network(batch.images), teacher(batch.images))) / before
    assert gaps["kd"] < 0.5
    assert gaps["kd"] < 0.5 * gaps["none"]


def test_a_weight_that_grows_begins_at_nothing(begun):
    run, algorithm = begun(options("dkd", ramp=0.5))
    assert float(step(run, algorithm)[2]["dkd"].detach()) == 0
    run.step = 2  # of 8
    half = float(step(run, algorithm)[2]["dkd"].detach())
    run.step = 6
    assert half == pytest.approx(0.5 * float(step(run, algorithm)[2]["dkd"].detach()), rel=1e-5)


def test_cached_logits_are_those_of_the_teacher(begun, monkeypatch):
    run, algorithm = begun(options(cache_logits=True))
    found = step(run, algorithm)[2]["kd"]
    plain, other = begun(options())
    torch.testing.assert_close(found, step(plain, other)[2]["kd"])
    monkeypatch.setattr(Classifier, "forward", None)
    assert algorithm._teacher_outputs(next(run.batches.epoch(1)), run)[0].shape == (8, 3)


def test_logits_of_images_that_change_are_not_cached(begun):
    with pytest.raises(OptionError, match="the same in every epoch: no augmentation"):
        begun(options(cache_logits=True), flip=True)
    with pytest.raises(ValueError, match="the loss sp compares its layers too"):
        options("sp", cache_logits=True)


def test_background_outputs_are_left_out_on_both_sides(begun):
    names = ("a", "b", "c", "background")
    teacher, student = classifier(4, names=names), classifier(4, 2, names=names)
    run, algorithm = begun(options(), teacher=teacher, student=student)
    batch, outputs, found = step(run, algorithm)
    with torch.no_grad():
        wanted = 0.9 * KDLoss()(outputs[:, :3], teacher(batch.images)[:, :3])
    torch.testing.assert_close(found["kd"], wanted)


def test_half_precision_and_channels_last_work(start, recipe, tmp_path, data):
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    chosen = recipe(precision="bf16-mixed", channels_last=True, epochs=1)
    for loss in DISTILLATION_LOSSES:
        run = Run.start(
            chosen,
            classifier(3, 2),
            Batches(data[0], data[1], 8, 0, channels_last=True),
            fabric=fabric,
            folder=tmp_path / loss,
            algorithms=[Distillation(options(loss, ramp=0.0), 3, classifier())],
        )
        _, _, found = step(run, run.algorithms[0])
        assert found[loss].dtype == torch.float32
        assert torch.isfinite(found[loss])


def test_a_step_that_fails_leaves_no_hook_after_the_next(begun):
    run, algorithm = begun(options("at"))
    algorithm.before_pass(next(run.batches.epoch(0)), run)
    taps = [module for module in run.network.modules() if module._forward_hooks]
    assert len(taps) == 2
    step(run, algorithm)
    assert not any(module._forward_hooks for module in run.network.modules())


def test_layers_are_named_on_both_sides_and_need_not_be_of_one_size(begun):
    chosen = options("at", student_layers=["network.2"], teacher_layers=["network.3"])
    run, algorithm = begun(chosen)
    assert torch.isfinite(step(run, algorithm)[2]["at"])
    assert algorithm.layers == (("network.2",), ("network.3",))


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"teacher_layers": ["layer5"]}, LayerError, "no layer 'layer5' in Classifier"),
        ({"student_layers": ["network.11"]}, LayerError, "closest: '1'"),
        ({"student_layers": ["network.2"]}, ShapeError, "1 layers of the student against 2 of the"),
    ],
)
def test_layers_that_do_not_exist_or_pair_are_refused(begun, words, error, said):
    with pytest.raises(error, match=said):
        begun(options("at", **words))


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        (classifier(5, names="abcde"), "the teacher t has 5 classes, the data have 3"),
        (classifier(names="abd"), "other classes than the data: class 2 is 'd', not 'c'"),
        (
            Classifier(convolutional(3, 2, 0), PLAIN.changed({"size": (8, 8)}), class_names="abc"),
            "set model.preprocessing.size",
        ),
    ],
)
def test_a_teacher_of_other_things_is_refused(begun, teacher, said):
    with pytest.raises(OptionError, match=said):
        begun(options(), teacher=teacher)


def test_a_teacher_must_be_named_and_be_there(recipe, tmp_path):
    (alone,) = make_algorithms(resolved(recipe(algorithms=[{"distillation": {}}])), 3)
    with pytest.raises(OptionError, match=r"name the teacher: distillation\.teacher=FOLDER"):
        alone.modules(classifier())
    entry = {"distillation": {"teacher": str(tmp_path / "absent")}}
    (lost,) = make_algorithms(resolved(recipe(algorithms=[entry])), 3)
    with pytest.raises(DataError, match=r"^distillation\.teacher: there is no folder .*absent"):
        lost.modules(classifier())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"loss": "rkdd"}, "no distillation loss 'rkdd'; closest: 'rkd'"),
        ({"other": 1.0}, "weighted by 'kd'"),
        ({"loss": "dkd", "student_layers": ["a"]}, "looks at logits alone"),
        ({"kd": -1.0}, "greater than or equal to 0"),
        ({"loss": "sp", "teacher_layers": ["a", "b"]}, "one layer of each, not 2"),
    ],
)
def test_options_that_do_not_fit_are_refused(recipe, words, said):
    with pytest.raises(OptionError, match=said):
        resolved(recipe(algorithms=[{"distillation": {"teacher": "t"} | words}]))


def test_an_unknown_option_of_a_loss_is_refused(begun):
    with pytest.raises(OptionError, match="no option of the loss 'sp' 'width'"):
        begun(options("sp", loss_options={"width": 3}))
    with pytest.raises(
        OptionError, match=r"width of the loss .cc. is a whole number above 0, got 2\.5"
    ):
        begun(options("cc", loss_options={"width": 2.5}))


def test_a_memory_is_not_shared(begun):
    with pytest.raises(OptionError, match="one process, no other algorithm"):
        begun(options("crd"), world=2)
