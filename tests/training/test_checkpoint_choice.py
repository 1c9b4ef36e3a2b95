"""Which weights and which images a run is validated on, and which weights it keeps."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from figureground.training import Validation, fit, trainer, validate
from figureground.training.algorithm import Algorithm
from figureground.training.recipe import RecipePart


@pytest.fixture
def held() -> Validation:
    """Validation images that training never sees, with other labels than theirs."""
    numbers = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (21, 1, 6, 6), generator=numbers, dtype=torch.uint8)
    return Validation(images, torch.randint(0, 3, (21,), generator=numbers), 3)


def by_hand(network: torch.nn.Module, held: Validation) -> dict[str, float]:
    logits = network.eval()(held.images[:].float() / 255)
    return {
        "accuracy": float((logits.argmax(1) == held.labels).float().mean()),
        "loss": float(F.cross_entropy(logits, held.labels).detach()),
    }


def logged(run, name):
    return [
        float(row["value"])
        for row in run.history.rows()
        if (row["split"], row["name"]) == ("val", name)
    ]


@pytest.mark.parametrize("ema", [None, 0.9])
def test_the_kept_weights_are_validated_on_the_validation_images(
    ema, held, start, recipe, network, tmp_path
):
    run = start(recipe(epochs=1, ema=ema), network(norm=True), tmp_path)
    fit(run, held)
    kept = network(norm=True)
    for name in ("last", "best"):
        kept.load_state_dict(load_file(tmp_path / f"{name}.safetensors"))
        wanted = by_hand(kept, held)
        assert logged(run, "loss") == [pytest.approx(wanted["loss"], rel=1e-6)]
        assert logged(run, "accuracy") == [pytest.approx(wanted["accuracy"])]
    raw = by_hand(run.network, held)["loss"]
    assert (raw == pytest.approx(logged(run, "loss")[0], rel=1e-6)) == (ema is None)


@pytest.mark.parametrize(
    ("found", "best"),
    [
        # the best accuracy has the highest loss
        ([{"accuracy": 0.5, "loss": 0.1}, {"accuracy": 0.9, "loss": 0.8}], 1),
        ([{"accuracy": 0.9, "loss": 0.8}, {"accuracy": 0.5, "loss": 0.1}], 0),
        # of equals, the first
        ([{"accuracy": 0.7, "loss": 0.8}, {"accuracy": 0.7, "loss": 0.1}], 0),
        # rare classes are chosen by their mean average precision
        ([{"accuracy": 0.9, "loss": 0.1, "mean_ap": 0.2}, {"accuracy": 0.1, "loss": 0.2, "mean_ap": 0.3}], 1),
    ],
)  # fmt: skip
def test_the_best_checkpoint_is_that_of_the_best_score(
    found, best, held, start, recipe, network, tmp_path, monkeypatch
):
    marks = iter(found)
    monkeypatch.setattr(trainer, "validate", lambda *_: next(marks))
    weights = []

    class Record(Algorithm):
        def after_epoch(self, run):
            weights.append(run.network[-1].weight.detach().clone())

    run = start(recipe(), network(), tmp_path, algorithms=[Record(RecipePart(), 3)])
    fit(run, held)
    kept = load_file(tmp_path / "best.safetensors")["6.weight"]
    assert torch.equal(kept, weights[best])
    assert not torch.equal(kept, weights[1 - best])
    assert run.best == found[best].get("mean_ap", found[best]["accuracy"])


def test_weights_are_kept_after_the_steps_that_the_recipe_names(start, recipe, network, tmp_path):
    run = start(recipe(keep_steps=[2, 5]), network(), tmp_path)
    seen = {0: torch.zeros(0)}

    def note(_stage, done, _total):
        seen[done // 8] = run.network[-1].weight.detach().clone()

    fit(run, progress=note)
    kept = sorted(path.name for path in tmp_path.glob("step-*.safetensors"))
    assert kept == ["step-2.safetensors", "step-5.safetensors"]
    for step in (2, 5):
        stored = load_file(tmp_path / f"step-{step}.safetensors")["6.weight"]
        assert torch.equal(stored, seen[step])


def test_rare_classes_are_ranked_without_the_background():
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 3.0], [1.0, 2.0, 0.0], [0.5, 1.0, 4.0]])
    images = (logits * 50).to(torch.uint8)[:, None, None]
    held = Validation(images, torch.tensor([0, 2, 1, 0]), 2, rare=2)
    found = validate(torch.nn.Flatten(), held)
    # class 0 is found at ranks 1 and 3, class 1 at rank 1; the background's one image would be at rank 2
    assert found["mean_ap_logit"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    # the last image is taken for background, which is a class like the others
    assert found["accuracy"] == 0.75


def test_label_smoothing_is_that_of_the_recipe(start, recipe, network, tmp_path):
    outputs = torch.tensor([[2.0, 0.0, 0.0], [0.0, 5.0, 0.0], [1.0, 1.0, 3.0]])
    labels = torch.tensor([0, 2, -1])
    for smoothing in (0.0, 0.3):
        run = start(recipe(label_smoothing=smoothing), network(), tmp_path)
        found = run.losses_of(outputs, labels)["cross_entropy"]
        wanted = F.cross_entropy(outputs[:2], labels[:2], label_smoothing=smoothing)
        torch.testing.assert_close(found, wanted)
