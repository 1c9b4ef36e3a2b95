"""The classifier of a recipe has the outputs that data and algorithms need."""

from typing import Any

import torch

from figureground.models import SpinalHead, load_classifier
from figureground.models.source import UNTRAINED
from figureground.studies.training.train import train
from figureground.training.recipe import ModelSpec, changed
from figureground.training.trained import load_trained, make_classifier

NAMES = ("a", "b", "c")
LENET: dict[str, Any] = {"name": "figureground:lenet-gap", "arguments": {"channels": 1}}


def test_it_has_an_output_for_each_class_and_one_for_the_background():
    plain = make_classifier(ModelSpec(**LENET, preprocessing={"size": [12, 16]}), NAMES)
    more = make_classifier(ModelSpec(**LENET), NAMES, background=True)
    assert plain.preprocessing.size == (12, 16)
    assert plain(torch.zeros(2, 1, 12, 16)).shape == (2, 3)
    assert more(torch.zeros(2, 1, 12, 16)).shape == (2, 4)
    assert more.class_names == ("a", "b", "c", "background")
    assert more.num_classes == 4


def test_a_head_is_put_on_when_asked_for_or_when_classes_differ():
    spinal = make_classifier(ModelSpec(**LENET, head="spinal"), NAMES)
    assert any(isinstance(module, SpinalHead) for module in spinal.modules())
    spec = ModelSpec(name=LENET["name"], arguments={"channels": 1, "num_classes": 7})
    assert make_classifier(spec, NAMES)(torch.zeros(2, 1, 12, 12)).shape == (2, 3)


def test_trained_weights_below_a_replaced_head_are_kept(tmp_path):
    first = make_classifier(ModelSpec(**LENET), [str(n) for n in range(10)])
    torch.save(first.network.state_dict(), tmp_path / "w.pt")
    second = make_classifier(ModelSpec(**LENET, weights=str(tmp_path / "w.pt")), NAMES)
    one, other = (found.get_parameter("network.conv1.weight") for found in (first, second))
    assert torch.equal(one, other)
    assert second(torch.zeros(1, 1, 12, 12)).shape == (1, 3)


def test_what_the_logits_of_the_old_head_meant_is_not_told():
    spec = ModelSpec(name="timm:mobilenetv2_050", arguments={"num_classes": 1001})
    made = make_classifier(spec, NAMES)
    assert made.class_names == NAMES
    assert not [note for note in made.notes if "1001" in note]


def test_a_run_is_not_called_untrained(tmp_path):
    recipe = changed(
        {
            "name": "t",
            "epochs": 1,
            "batch_size": 8,
            "data": {"name": "cluttered-digits", "count": 16},
            "model": {
                "name": "figureground:lenet-gap",
                "arguments": {"channels": 1},
                "preprocessing": {"size": [12, 12]},
            },
        }
    )
    train(recipe, tmp_path / "run", accelerator="cpu")
    assert UNTRAINED not in load_trained(tmp_path / "run").notes
    assert UNTRAINED in load_classifier("figureground:lenet-gap", random=True).notes
