"""CNN-fixations: walked back by hand, by a slow twin, and through real networks."""

import io

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from figureground.base.errors import (
    OptionError,
)
from figureground.base.seeds import generator
from figureground.capture.head import Directions
from figureground.capture.tape import Tape
from figureground.methods.cnn_fixations import (
    CNNFixations,
    cnn_fixations,
    fixation_heatmap,
    remove_outliers,
)
from figureground.methods.method import MethodInputs


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def walked(net, images, classes):
    """The fixations of a network without options."""
    with torch.no_grad(), Tape() as tape:
        logits = net(images)
    return cnn_fixations(tape, images, logits, classes=classes)


NETWORKS = [
    *[
        "resnet18",
        "googlenet",
        "densenet121",
        "squeezenet1_1",
        "mobilenet_v2",
        "mobilenet_v3_small",
    ],
    *["shufflenet_v2_x0_5", "regnet_y_400mf"],
    *[
        "timm:resnet26d",
        "timm:efficientnet_b0",
        "timm:resnest14d",
        "timm:repvgg_a0",
        "timm:lcnet_050",
    ],
]


def network(name):
    """A network with random weights, the same in every run."""
    with torch.random.fork_rng():
        torch.set_rng_state(generator(0).get_state())
        if name.startswith("timm:"):
            return timm.create_model(name[5:], num_classes=10).eval()
        extra = {"init_weights": False} if name == "googlenet" else {}
        return getattr(torchvision.models, name)(num_classes=10, **extra).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_common_networks_are_walked_back_to_pixels_inside_the_image(name):
    net, images = network(name), torch.rand(2, 3, 48, 64, generator=generator(0))
    with torch.no_grad(), Tape() as tape:
        logits = net(images)
    classes = logits.topk(2).indices
    maps, found = CNNFixations()(tape, images, logits, classes=classes)
    assert maps.shape == (2, 2, 48, 64)
    assert maps.isfinite().all()
    assert (maps.amax((2, 3)) > 0).all()
    for row in found:
        for one in row:
            assert len(one.points)
            assert (one.points >= 0).all()
            assert (one.points < torch.tensor([3, 48, 64])).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "alexnet"])
def test_networks_with_large_matrices_are_walked_back(name):
    net, images = network(name), torch.rand(2, 3, 64, 80, generator=generator(0))
    assert all(
        len(one.points) for row in walked(net, images, torch.tensor([[0], [1]])) for one in row
    )


def test_outliers_stay_in_the_map_only_on_request():
    images = torch.zeros(1, 1, 40, 60)
    images[0, 0, :5, :10] = 1.0
    images[0, 0, 39, 59] = 1.0
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net[0].weight.data, net[0].bias.data = torch.ones(1, 1, 1, 1), torch.zeros(1)
    with torch.no_grad(), Tape() as tape:
        logits = net(images)
    classes = torch.tensor([[0]])
    without, found = CNNFixations(sigma=5.0)(tape, images, logits, classes=classes)
    with_all, _ = CNNFixations(sigma=5.0, outliers=True)(tape, images, logits, classes=classes)
    assert len(found[0][0].points) == 51
    assert without[0, 0, 39, 59] == 0
    assert with_all[0, 0, 39, 59] > 0
    torch.testing.assert_close(with_all[0, 0, :5, :10], without[0, 0, :5, :10])


def small_net():
    """A convolution with a stride, and a linear head."""
    net = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    net.extend([nn.Flatten(), nn.Linear(6, 5)])
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator(1))
    return net.eval()


def inputs_for(directions):
    images = random(2, 3, 16, 24, seed=3)
    with torch.no_grad(), Tape() as tape:
        logits = small_net()(images)
    return MethodInputs(images, images, logits, directions, tape=tape)


def test_maps_of_the_method_are_those_of_the_function():
    inputs = inputs_for(Directions(indices=torch.tensor([[2, 0]])))
    method = CNNFixations(position="argmax", sigma=10.0)
    maps = method.maps(inputs)
    classes = torch.tensor([[2, 0], [2, 0]])
    found = cnn_fixations(
        inputs.tape, inputs.images, inputs.logits, classes=classes, position="argmax"
    )
    one = found[1][0]
    kept = one.yx[remove_outliers(one.yx, (16, 24))]
    torch.testing.assert_close(maps[1, 0], fixation_heatmap(kept, (16, 24), sigma=10.0))
    assert (one.image, one.class_index) == (1, 2)


@pytest.mark.parametrize(
    "directions",
    [
        Directions(dense=torch.ones(2, 1, 5)),
        Directions(indices=torch.tensor([[0]]), signs=torch.tensor([[-1]])),
    ],
)
def test_directions_that_are_not_one_logit_are_refused(directions):
    with pytest.raises(OptionError, match="one logit"):
        CNNFixations().maps(inputs_for(directions))


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (torch.tensor([[5], [0]]), OptionError, "classes are 0 to 4"),
        (torch.tensor([[-1], [0]]), OptionError, "classes are 0 to 4"),
    ],
)
def test_classes_that_do_not_fit_are_refused(classes, error, message):
    with pytest.raises(error, match=message):
        walked(small_net(), random(2, 3, 16, 24), classes)


def test_unknown_options_are_refused():
    with pytest.raises(OptionError, match="sigma"):
        CNNFixations(sigma=0.0)


def read_image(path):
    pixels = np.asarray(Image.open(path).convert("RGB").resize((224, 224)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255


def mobilenet(weights):
    net = timm.create_model("mobilenetv2_100", num_classes=1001, pad_type="same").eval()
    net.load_state_dict(load_file(weights / "mobilenetv2_100_imagenet1001.safetensors"))
    return nn.Sequential(Normalised(0.5, 0.5), net), 1


def squeezenet(weights):
    net = torchvision.models.squeezenet1_1().eval()
    net.load_state_dict(load_file(weights / "squeezenet1_1_imagenet.safetensors"))
    return nn.Sequential(Normalised([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), net), 0


class Normalised(nn.Module):
    """The usual preprocessing, inside the network."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.deviation = torch.tensor(deviation).view(-1, 1, 1)

    def forward(self, x):
        return (x - self.mean) / self.deviation


@pytest.mark.parametrize("trained", [mobilenet, squeezenet])
def test_dog_is_seen_higher_in_the_photograph_than_the_cat_that_sits_below_it(shared_data, trained):
    net, first = trained(shared_data / "weights")
    images = read_image(shared_data / "photos" / "dog_cat.png")
    with torch.no_grad(), Tape() as tape:
        logits = net(images)
    bull_mastiff, tabby = 243 + first, 281 + first
    classes = torch.tensor([[bull_mastiff, tabby]])
    _, ((dog, cat),) = CNNFixations()(tape, images, logits, classes=classes)
    kept = [one.yx[remove_outliers(one.yx, (224, 224))] for one in (dog, cat)]
    above = [(yx[:, 0] < 112).float().mean().item() for yx in kept]
    assert min(len(dog.points), len(cat.points)) > 50
    assert above[0] > above[1] + 0.1


@pytest.mark.slow
def test_fixations_fall_on_the_object_more_often_than_chance(shared_data):
    pack = np.load(shared_data / "packs" / "ilsvrc_val650.npz")
    net, first = mobilenet(shared_data / "weights")
    on_object, chance = [], []
    for n in range(60):
        encoded = pack["data"][pack["off"][n] : pack["off"][n + 1]].tobytes()
        images = read_image(io.BytesIO(encoded))
        classes = torch.tensor([[int(pack["label"][n]) + first]])
        with torch.no_grad(), Tape() as tape:
            logits = net(images)
        ((one,),) = cnn_fixations(tape, images, logits, classes=classes)
        mask = torch.zeros(224, 224)
        for x0, y0, x1, y1 in (pack["box_rel"][pack["box_image"] == n] * 224).round().astype(int):
            mask[y0:y1, x0:x1] = 1
        on_object.append(mask[one.yx[:, 0], one.yx[:, 1]].mean().item())
        chance.append(mask.mean().item())
    assert np.mean(on_object) > np.mean(chance) + 0.05


def test_layout_of_the_maps_does_not_move_a_fixation():
    with torch.random.fork_rng():
        torch.set_rng_state(generator(0).get_state())
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 6, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(6 * 49, 4),
        )
    images = torch.rand(2, 3, 16, 16, generator=generator(1))
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        given = images.contiguous(memory_format=layout)
        with torch.no_grad(), Tape() as tape:
            logits = net.to(memory_format=layout)(given)
        found.append(cnn_fixations(tape, given, logits, classes=torch.tensor([[0, 1], [2, 3]])))
    for first, second in zip(*found, strict=True):
        for one, other in zip(first, second, strict=True):
            assert torch.equal(one.points, other.points)
            assert len(one.points)
