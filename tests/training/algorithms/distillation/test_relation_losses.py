"""Losses over pairs and triples of images, against loops written from the papers."""

import math

import pytest
import torch
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.training.algorithms.distillation import (
    CorrelationLoss,
    PKTLoss,
    RKDLoss,
    SimilarityLoss,
)
from figureground.training.algorithms.distillation.loss import Shapes


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    student = torch.randn(4, 3, generator=numbers, dtype=torch.float64)
    return student, torch.randn(4, 5, generator=numbers, dtype=torch.float64)


def rows(features: Tensor) -> list[list[float]]:
    return features.tolist()


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def huber(x: float) -> float:
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def turned(features: Tensor) -> Tensor:
    numbers = torch.Generator().manual_seed(1)
    square = torch.randn(
        features.shape[1], features.shape[1], generator=numbers, dtype=features.dtype
    )
    return features @ torch.linalg.qr(square).Q


def test_similarity_equals_its_slow_twin(features):
    def similarities(given):
        found = []
        for one in rows(given):
            row = [dot(one, other) for other in rows(given)]
            found.append([value / math.sqrt(dot(row, row)) for value in row])
        return found

    pairs = zip(similarities(features[0]), similarities(features[1]), strict=True)
    wanted = sum((a - b) ** 2 for one, other in pairs for a, b in zip(one, other, strict=True)) / 16
    assert float(SimilarityLoss()(*features)) == pytest.approx(wanted, rel=1e-10)


def test_similarity_takes_maps_whole():
    maps = torch.rand(3, 2, 2, 4)
    flat = SimilarityLoss()(maps.flatten(1), torch.eye(3))
    torch.testing.assert_close(SimilarityLoss()(maps, torch.eye(3)), flat)
    assert float(SimilarityLoss()(maps.mean((2, 3)), torch.eye(3))) != pytest.approx(float(flat))


def distance_and_angle(student, teacher):
    def relations(given):
        far = [[math.dist(a, b) for b in given] for a in given]
        positive = [d for row in far for d in row if d > 0]
        mean = sum(positive) / len(positive)
        angles = []
        for a in given:
            for b in given:
                for c in given:
                    one = [y - x for x, y in zip(a, b, strict=True)]
                    other = [y - x for x, y in zip(a, c, strict=True)]
                    size = math.sqrt(dot(one, one) * dot(other, other))
                    angles.append(dot(one, other) / size if size else 0.0)
        return [d / mean for row in far for d in row], angles

    (d1, a1), (d2, a2) = relations(rows(student)), relations(rows(teacher))
    return (
        sum(huber(x - y) for x, y in zip(d1, d2, strict=True)) / len(d1),
        sum(huber(x - y) for x, y in zip(a1, a2, strict=True)) / len(a1),
    )


def test_relational_distances_and_angles_equal_their_slow_twins(features):
    distance, angle = distance_and_angle(*features)
    assert float(RKDLoss(angle=0.0)(*features)) == pytest.approx(25 * distance, rel=1e-5)
    assert float(RKDLoss(distance=0.0)(*features)) == pytest.approx(50 * angle, rel=1e-5)
    assert float(RKDLoss()(*features)) == pytest.approx(25 * distance + 50 * angle, rel=1e-5)


def test_neighbours_equal_their_slow_twin(features):
    def chances(given):
        found = []
        for one in rows(given):
            near = [
                (1 + dot(one, o) / math.sqrt(dot(one, one) * dot(o, o))) / 2 for o in rows(given)
            ]
            found.append([value / sum(near) for value in near])
        return found

    pairs = zip(chances(features[0]), chances(features[1]), strict=True)
    wanted = sum(
        q * math.log(q / p) for one, other in pairs for p, q in zip(one, other, strict=True)
    )
    assert float(PKTLoss()(*features)) == pytest.approx(wanted / 16, rel=1e-5)


def test_correlation_equals_its_slow_twin(features):
    loss = CorrelationLoss(3, 5, width=2).double()
    (ws, bs), (wt, bt) = ((part.weight, part.bias) for part in (loss.student, loss.teacher))
    apart = []
    for s, t in zip(*map(rows, features), strict=True):
        embedded = [
            [
                dot(weight, vector) + offset
                for weight, offset in zip(w.tolist(), b.tolist(), strict=True)
            ]
            for w, b, vector in ((ws, bs, s), (wt, bt, t))
        ]
        apart.append([abs(x - y) for x, y in zip(*embedded, strict=True)])
    wanted = sum(dot(apart[n], apart[n + 1]) for n in range(3)) / 3
    assert loss(*features).item() == pytest.approx(wanted, rel=1e-10)
    assert loss(features[0][:1], features[1][:1]).item() == 0


@pytest.mark.parametrize("loss", [SimilarityLoss(), RKDLoss(), PKTLoss()])
def test_turned_features_have_the_same_relations(loss, features):
    student, teacher = features
    assert float(loss(turned(teacher), teacher)) == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(loss(turned(student), teacher), loss(student, teacher))


@pytest.mark.parametrize("loss", [RKDLoss(), PKTLoss(), SimilarityLoss()])
def test_the_scale_does_not_count(loss, features):
    student, teacher = features
    torch.testing.assert_close(
        loss(3 * student, teacher), loss(student, teacher), rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("loss", [RKDLoss(), PKTLoss()])
def test_maps_are_averaged(loss, features):
    maps = features[0][:, :, None, None] + torch.tensor([[-1.0, 1.0], [2.0, -2.0]])
    torch.testing.assert_close(loss(maps.double(), features[1]), loss(*features))
    with pytest.raises(ShapeError, match=r"maps \(N, C, h, w\) or vectors"):
        loss(torch.zeros(4, 3, 2), features[1])


@pytest.mark.parametrize("loss", [SimilarityLoss(), RKDLoss(), PKTLoss()])
def test_slopes_are_finite_where_images_coincide(loss):
    student = torch.ones(3, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(student, torch.eye(3)), student)
    assert torch.isfinite(slope).all()


def test_layers_come_in_pairs_and_have_channels():
    with pytest.raises(ShapeError, match="2 layers of the student against 1 of the teacher"):
        Shapes(((1, 2, 2), (3,)), ((2, 2, 2),))
    with pytest.raises(ShapeError, match=r"a layer gives \(5, 7\) for an image"):
        CorrelationLoss.fitted(Shapes(((5, 7),), ((3,),)), {})
