"""The last layer replaced at the end of a run: what it becomes, and that nothing else changes."""

from typing import Any

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import replace_head
from figureground.training import fit
from figureground.training.algorithms.background_splitting import (
    retrained_head,
    scaled_head,
    tau_normalize,
)
from figureground.training.algorithms.background_splitting.afterwards import replace_last
from figureground.training.algorithms.background_splitting.algorithm import BackgroundSplitting
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.last_linear import outputs_and_features
from figureground.training.trainer import Validation


def splitting(**options: Any) -> Any:
    return BackgroundSplitting(BackgroundSplittingOptions(aux_weight=0.0, **options), 3)


@pytest.mark.parametrize("average", [None, 0.5])
@pytest.mark.parametrize("how", ["retrained", "scaled", "tau-normalized"])
def test_the_run_ends_with_the_layer_made_from_its_features(
    how, average, start, recipe, network, tmp_path
):
    made = recipe(ema=average)
    plain = start(made, network(4, norm=True), tmp_path / "p", algorithms=[splitting()])
    plain.batches.labels[5] = -1  # both runs share the tensor
    fit(plain)
    run = start(made, network(4, norm=True), tmp_path / "a", algorithms=[splitting(afterwards=how)])
    run.best = 2.0  # of an earlier epoch, with another layer
    held = Validation(run.batches.images, run.batches.labels.clamp_min(0), 3, 3)
    fit(run, held)
    before, after = plain.trained.state_dict(), run.trained.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in before if not n.startswith("6."))
    images = run.batches.images.float() / 255
    features = outputs_and_features(plain.trained, images)[1]
    last: Any = plain.trained[-1]
    wanted = {
        "retrained": lambda: retrained_head(features, run.batches.labels, outputs=4),
        "scaled": lambda: scaled_head(last, features, run.batches.labels),
        "tau-normalized": lambda: tau_normalize(last),
    }[how]()
    torch.testing.assert_close(after["6.weight"], wanted.weight.data, atol=1e-4, rtol=1e-4)
    own: Any = wanted.bias
    bias = torch.zeros(4) if own is None else own.data
    torch.testing.assert_close(after["6.bias"], bias, atol=1e-4, rtol=1e-4)
    assert 0 <= run.best <= 1
    assert (tmp_path / "a" / "best.safetensors").exists()


def test_layers_that_cannot_be_replaced_are_refused(start, recipe, network, tmp_path):
    bare = nn.Sequential(nn.Flatten(), nn.Linear(36, 4, bias=False))
    images, labels = torch.zeros(4, 1, 6, 6, dtype=torch.uint8), torch.tensor([0, 1, 2, 3])
    with pytest.raises(OptionError, match="retrained needs a plain last linear layer with a bias"):
        replace_last(bare, images, labels, how="retrained")
    with pytest.raises(OptionError, match="no change of the last layer 'cRT'"):
        replace_last(bare, images, labels, how="cRT")
    with pytest.raises(OptionError, match=r"with a bias; model\.head: linear"):
        splitting(afterwards="retrained").modules(bare)
    round_one, _ = replace_head(network(4), 4, head="cosine", at="6")
    for options in ({"afterwards": "scaled"}, {"fixed_logit": 0.0}, {"main": "binary"}):
        (name,) = options
        with pytest.raises(OptionError, match=f"{name}.* cannot be had with model.head: cosine"):
            start(recipe(), round_one, tmp_path, algorithms=[splitting(**options)])


def test_a_cosine_head_is_trained_as_another_last_layer(start, recipe, network, tmp_path):
    made, _ = replace_head(network(4), 4, head="cosine", at="6")
    before = made[-1].weight.detach().clone()
    algorithm = BackgroundSplitting(
        BackgroundSplittingOptions(clusters=3, main="ldam", main_settings={"max_margin": 8.0}), 3
    )
    run = start(recipe(), made, tmp_path, algorithms=[algorithm])
    fit(run)
    assert not torch.equal(before, made[-1].weight)
    images = torch.rand(5, 1, 6, 6)
    logits, features = outputs_and_features(made, images)
    wanted = 16 * nn.functional.cosine_similarity(features[:, None], made[-1].weight[None], dim=2)
    torch.testing.assert_close(logits, wanted.detach())
