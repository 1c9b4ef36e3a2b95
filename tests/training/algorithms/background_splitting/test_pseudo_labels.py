"""Pseudo-labels: the same whenever they are made, and what is said of them."""

import math
from typing import Any

import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch import nn

from figureground.base.errors import DataError, HeadError, OptionError, ShapeError
from figureground.training.algorithms.background_splitting import (
    ClusterPseudoLabeler,
    PseudoLabeler,
    PseudoLabels,
)
from figureground.training.last_linear import (
    last_linear,
    outputs_and_features,
)


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.modes: list[bool] = []
        self.linear = nn.Linear(12, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.modes.append(self.training)
        return self.linear(images.flatten(1))


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (23, 3, 2, 2), generator=numbers(0), dtype=torch.uint8)


def test_labels_are_the_teachers_predictions_in_evaluation_mode_whatever_the_batches(pixels):
    teacher = Counting().train()
    found = PseudoLabeler(teacher, soft=True, temperature=2.0, batch_size=4).label(pixels)
    logits = teacher.linear(pixels.flatten(1) / 255).detach()
    assert torch.equal(found.hard, logits.argmax(1))
    torch.testing.assert_close(found.soft, (logits / 2).softmax(1).half())
    assert not any(teacher.modes)
    assert teacher.training
    whole = PseudoLabeler(teacher, soft=True, temperature=2.0, batch_size=99).label(pixels)
    assert torch.equal(found.hard, whole.hard)
    order = torch.randperm(23, generator=numbers(1))
    moved = PseudoLabeler(teacher, batch_size=5).label(pixels[order])
    assert torch.equal(moved.hard, found.hard[order])


def test_a_data_set_of_images_and_labels_is_read_too(pixels):
    teacher = Counting()
    items = [(image, 1) for image in pixels]
    assert torch.equal(
        PseudoLabeler(teacher).label(items).hard, PseudoLabeler(teacher).label(pixels).hard
    )


def test_random_changes_of_the_images_are_refused(pixels):
    class Flipped:
        def __len__(self) -> int:
            return len(pixels)

        def __getitem__(self, row: int) -> torch.Tensor:
            if row == 0:
                self.seen = getattr(self, "seen", 0) + 1
            return pixels[row].flip(1) if self.seen % 2 else pixels[row]

    with pytest.raises(OptionError, match="must not depend on chance"):
        PseudoLabeler(Counting(), batch_size=8).label(Flipped())
    with pytest.raises(OptionError, match="must not depend on chance"):
        PseudoLabeler(Counting(), batch_size=8).features(Flipped())
    with pytest.raises(ShapeError, match="no images"):
        PseudoLabeler(Counting()).label(pixels[:0])


def test_labels_are_cached_under_a_key_of_teacher_options_and_images(pixels, tmp_path):
    teacher = Counting()
    labeler = PseudoLabeler(teacher, soft=True, cache=tmp_path)
    first: Any = labeler.label(pixels)
    calls = teacher.calls
    again: Any = labeler.label(pixels)
    assert teacher.calls == calls
    assert torch.equal(first.hard, again.hard)
    assert torch.equal(first.soft, again.soft)
    assert (again.num_classes, again.key) == (5, first.key)
    keys = {first.key, PseudoLabeler(teacher).key(pixels)}
    changed = pixels.clone()
    changed[7, 0, 0, 0] += 1
    keys.add(labeler.key(changed))
    teacher.linear.weight.data[0, 0] += 1
    keys.add(labeler.key(pixels))
    assert len(keys) == 4
    place = tmp_path / f"pseudo-{labeler.key(pixels)}.npz"
    whole = (tmp_path / f"pseudo-{first.key}.npz").read_bytes()
    for damaged in (b"no archive", b"", whole[:100]):
        place.write_bytes(damaged)
        with pytest.raises(DataError, match="remove it"):
            labeler.label(pixels)


def test_networks_of_equal_weights_and_another_structure_have_keys_of_their_own(pixels):
    bent, straight = (
        nn.Sequential(nn.Flatten(), nn.Linear(12, 5), last) for last in (nn.Tanh(), nn.Identity())
    )
    straight.load_state_dict(bent.state_dict())
    assert PseudoLabeler(bent).key(pixels) != PseudoLabeler(straight).key(pixels)


def test_images_are_brought_to_the_teachers_size(pixels):
    teacher = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    seen = []

    class Looking(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(images.shape[2:]))
            return teacher(images)

    PseudoLabeler(Looking(), size=(6, 4)).label(pixels)
    assert set(seen) == {(6, 4)}


def test_features_are_what_the_last_layer_is_given(pixels):
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, 5))
    images = pixels.float() / 255
    logits, features = outputs_and_features(teacher, images)
    torch.testing.assert_close(features, teacher[:3](images).detach())
    torch.testing.assert_close(logits, teacher(images).detach())
    torch.testing.assert_close(PseudoLabeler(teacher, batch_size=4).features(pixels), features)
    assert last_linear(teacher) is teacher[3]
    with pytest.raises(HeadError, match="does not end in a linear layer"):
        last_linear(nn.Flatten())


def test_clusters_find_groups_and_do_not_depend_on_lengths_where_spherical():
    directions = torch.eye(3)[torch.arange(60) % 3]
    lengths = 1 + 9 * torch.rand(60, 1, generator=numbers(0))
    features = lengths * (directions + 0.05 * torch.randn(60, 3, generator=numbers(1)))
    found = ClusterPseudoLabeler(3, seed=1).label(features)
    for group in range(3):
        assert len(found.hard[group::3].unique()) == 1
    assert found.hard.unique().tolist() == [0, 1, 2]
    assert torch.equal(found.hard, ClusterPseudoLabeler(3, seed=1).label(features).hard)
    with pytest.raises(OptionError, match="9 clusters of 2"):
        ClusterPseudoLabeler(9).label(torch.rand(2, 3))
    with pytest.raises(OptionError, match="at least 1"):
        ClusterPseudoLabeler(0)


def test_the_report_is_that_of_formulas():
    pseudo = torch.randint(4, (200,), generator=numbers(0))
    labels = torch.randint(3, (200,), generator=numbers(1))
    found = PseudoLabels(pseudo, 4).report(labels, num_rare=2)
    shares = [float((pseudo == k).float().mean()) for k in range(4)]
    assert found.perplexity == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))
    assert found.largest_share == pytest.approx(max(shares))
    assert found.mutual_information == pytest.approx(mutual_info_score(labels, pseudo), abs=1e-9)
    for c in (0, 1):
        own = pseudo[labels == c]
        wanted = max(int((own == k).sum()) for k in range(4)) / len(own)
        assert found.rare_purity[c] == pytest.approx(wanted)
    assert found.warnings == ()
    perfect = PseudoLabels(labels, 3).report(labels, num_rare=2)
    assert perfect.pseudo_ap == pytest.approx(1.0)
    assert perfect.rare_purity == (1.0, 1.0)


def test_a_split_that_cannot_help_is_warned_of():
    lopsided = PseudoLabels((torch.arange(100) > 94).long(), 2)
    share, few = lopsided.report(torch.arange(100) % 2, num_rare=1).warnings
    assert "95.0% of the images have one pseudo-label" in share
    assert "worth 1.2 classes for 1 rare" in few
    even = PseudoLabels(torch.arange(100) % 4, 4)
    assert even.report(torch.arange(100) % 2, num_rare=1).warnings == ()
    (few,) = even.report(torch.arange(100) % 11, num_rare=10).warnings
    assert "worth 4.0 classes for 10 rare" in few


def test_images_from_elsewhere_and_without_label_have_no_target():
    hard = PseudoLabels(torch.tensor([2, -1, 0]), 3)
    assert hard.of(torch.tensor([2, -1, 0, 1])).tolist() == [0, -1, 2, -1]
    soft = PseudoLabels(torch.tensor([1, 0]), 2, torch.tensor([[0.25, 0.75], [1, 0]]).half())
    assert soft.of(torch.tensor([0, -1])).tolist() == [[0.25, 0.75], [0.0, 0.0]]
    unlabelled = torch.full((3,), -1)
    assert hard.report(unlabelled, num_rare=1).mutual_information == 0


def test_permuted_labels_are_the_same_ones_on_other_images():
    labels = PseudoLabels(torch.arange(50), 50, torch.eye(50).half())
    found: Any = labels.permuted(numbers(0))
    assert not torch.equal(found.hard, labels.hard)
    assert torch.equal(found.hard.sort().values, labels.hard)
    assert torch.equal(found.soft.argmax(1), found.hard)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="K is 2"):
        PseudoLabels(torch.tensor([0, 2]), 2)
    with pytest.raises(ShapeError, match="soft"):
        PseudoLabels(torch.tensor([0, 1]), 2, torch.zeros(3, 2).half())
    with pytest.raises(ShapeError, match="0 pseudo-labels"):
        PseudoLabels(torch.tensor([-1]), 2).report(torch.tensor([0]), num_rare=1)
    with pytest.raises(OptionError, match="must be positive"):
        PseudoLabeler(nn.Flatten(), temperature=0.0)
