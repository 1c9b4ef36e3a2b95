"""Small methods on the trained LeNet against numbers of an independent float64 program."""

import pytest
import torch
from safetensors.torch import load_file

from figureground.methods import FEM, KPCACAM, Explainer, ShapleyCAM
from figureground.models.lenet_gap import LeNetGAP

FEM_NUMBERS = """
30.30565 32.19477 4.69670 79.51124 73.79506 44.05299 0 52.92220 38.16865 75.52072 113.07118 63.87675 139.78641 16.98634
7.98305 0 19.52656 130.27375 53.80848 225.97204 59.09631 5.79234 30.77410 96.04738 35.46180 94.11082 64.64754 50.97846
.14901 33.33377 20.38555 62.83148 104.60533 139.93770 12.45424
"""
KPCA_NUMBERS = """
.90313 .15666 -.54885 -.12832 -.11988 .32963 .74150 .79551 -.80943 -.88623 -.84319 -.94920 -.99725 -.14607
1.03847 -1.01124 -.97425 -.99184 -1.02210 -.91285 .80038 1.09396 -.34808 -.20136 -.90351 -.99192 -.51414 .63038
1.14523 .97070 .97123 .88069 .84152 .85083 1.14991
"""
SHAPLEY_NUMBERS = """
.09251 0 .05273 .15934 .02145 .04060 .01454 .14061 .37996 .32984 .35444 .34093 .35418 .12828
.02328 .21734 .41900 .27753 .37720 .51496 0 .12023 0 .47554 .30087 .11668 .41932 .16356
.13309 .08521 .34618 .22673 .32939 .22632 0
"""
NUMBERS = {"fem": FEM_NUMBERS, "kpca-cam": KPCA_NUMBERS, "shapley-cam": SHAPLEY_NUMBERS}


@pytest.fixture(scope="module")
def maps(shared_data):
    """Maps of one picture, each ``(5, 7)``."""
    net = LeNetGAP()
    net.load_state_dict(
        load_file(shared_data / "weights/lenet_gap_cluttered_mnist.safetensors"), strict=False
    )
    i, j = torch.meshgrid(torch.arange(20), torch.arange(28), indexing="ij")
    image = (((7 * i + 11 * j + i * j) % 23) / 22).expand(1, 3, 20, 28)
    with torch.no_grad():
        hidden = net.pool(net.relu1(net.conv1(image)))
        assert float(net.pool(net.relu2(net.conv2(hidden))).sum()) == pytest.approx(
            47723.5449, rel=1e-5
        )
    net.classifier.weight.data /= 100  # so that no softmax saturates
    found = Explainer(net, layer="pool")(image, classes=8, methods=[FEM(), KPCACAM(), ShapleyCAM()])
    return {name: found.map_of(name)[0, 0] for name in ("fem", "kpca-cam", "shapley-cam")}


@pytest.mark.parametrize("name", NUMBERS)
def test_equals_the_float64_program(maps, name):
    expected = torch.tensor([float(word) for word in NUMBERS[name].split()]).view(5, 7)
    torch.testing.assert_close(maps[name], expected, rtol=1e-4, atol=1e-4)
