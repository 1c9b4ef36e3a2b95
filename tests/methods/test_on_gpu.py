"""On a CUDA device the maps are those of the CPU."""

import pytest
import torch
from torchvision.models import resnet18

from figureground.methods import METHODS, Explainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize(
    "name",
    [n for n, entry in METHODS.items() if not entry.needs & {"attention", "attention-gradients"}],
)
def test_map_equals_that_of_the_cpu(name):
    torch.random.manual_seed(0)
    network = resnet18(weights=None)
    images = torch.rand(3, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    torch.backends.cudnn.allow_tf32 = False
    here = Explainer(network)(images, classes=[1, 2], methods=name)
    there = Explainer(network.cuda())(images.cuda(), classes=[1, 2], methods=name)
    ours, theirs = here.map_of(name), there.map_of(name).cpu()
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-3 * float(ours.abs().max()))


def test_bf16_maps_correlate_with_fp32():
    torch.random.manual_seed(0)
    network = resnet18(weights=None).cuda()
    images = torch.rand(4, 3, 96, 128, device="cuda")
    full = Explainer(network)(images, classes=[1]).map_of("grad-cam").flatten()
    half = Explainer(network, precision="bf16")(images, classes=[1]).map_of("grad-cam").flatten()
    assert torch.corrcoef(torch.stack([full, half]))[0, 1] > 0.99
