"""Every method leaves the maps of the other images as they are where one image has no numbers."""

import pytest
import torch
from torch import Tensor, nn

from figureground.methods import METHODS, Explainer
from figureground.methods.dff import deep_feature_factorization
from figureground.methods.principal import principal_projection


class Divided(nn.Module):
    """A small network that divides each image by its spread: 0/0 for one without."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)  # noqa: TID251 - an entry point of tests
        layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))

    def forward(self, images: Tensor) -> Tensor:
        centred = images - images.mean((1, 2, 3), keepdim=True)
        result: Tensor = self.body(centred / images.std((1, 2, 3), keepdim=True))
        return result


FOR_CNNS = [
    name
    for name, entry in METHODS.items()
    if not entry.needs & {"attention", "attention-gradients"}
]
GOOD = torch.rand(2, 3, 14, 11, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("name", FOR_CNNS)
def test_a_bad_image_is_a_problem_of_its_own(name: str, place: int):
    network = Divided().eval()
    wanted = Explainer(network)(GOOD, [0, 3], name)
    mixed = torch.cat([GOOD[:place], torch.zeros(1, 3, 14, 11), GOOD[place:]])
    explainer = Explainer(network)
    found = explainer(mixed, [0, 3], name)
    assert explainer.layer.name == wanted.layers[0].name
    others = [row for row in range(3) if row != place]
    maps, expected = found.map_of(name), wanted.map_of(name)
    torch.testing.assert_close(maps[others], expected, atol=1e-5, rtol=1e-4)
    assert maps[place].isnan().all()
    kinds = {one.kind for one in found.problems if one.image == place}
    assert kinds == {"non-finite"}


@pytest.mark.parametrize("name", FOR_CNNS)
def test_nothing_but_bad_images_is_no_error(name: str):
    network = Divided().eval()
    found = Explainer(network)(torch.zeros(2, 3, 14, 11), [1], name)
    assert found.map_of(name).isnan().all()
    assert {one.kind for one in found.problems} == {"non-finite"}


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("sign", ["rule", "raw"])
def test_components_of_the_other_maps_are_found(sign: str, value: float):
    features = torch.rand(3, 6, 4, 5, generator=torch.Generator().manual_seed(1))
    wanted = principal_projection(features, sign=sign)  # type: ignore[arg-type]
    features[1, 2, 3, 4] = value
    found = principal_projection(features, sign=sign)  # type: ignore[arg-type]
    torch.testing.assert_close(found[[0, 2]], wanted[[0, 2]])
    assert found[1].isnan().all()


def test_concepts_are_those_of_the_other_images():
    features = torch.rand(3, 6, 4, 5, generator=torch.Generator().manual_seed(2))
    maps, concepts = deep_feature_factorization(features[[0, 2]], count=3)
    features[1, 0, 0, 0] = torch.nan
    found, same = deep_feature_factorization(features, count=3)
    torch.testing.assert_close(found[[0, 2]], maps)
    torch.testing.assert_close(same.vectors, concepts.vectors)
    assert found[1].isnan().all()
