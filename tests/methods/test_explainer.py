"""The explainer: one pass for everything, and what may be asked of it."""

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import LayerError, ModelError, OptionError, ShapeError
from figureground.methods import METHODS, Explainer, plan

ABOVE_THE_LAYER = [
    name
    for name, entry in METHODS.items()
    if not entry.needs & {"attention", "attention-gradients"}
    and "bias-gradients" not in entry.needs
]


class Backward(torch.autograd.Function):
    """Identity that may not be differentiated."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *_):
        raise AssertionError("a gradient went below the layer")


class Network(nn.Module):
    """Counts its runs; nothing below ``top`` may be differentiated."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.bottom = nn.Conv2d(3, 4, 3)
        self.top = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Tanh())
        self.head = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5))
        self.runs = 0
        self.graphs: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        low = Backward.apply(self.bottom(x))
        self.graphs.append(low.requires_grad)
        return self.head(self.top(low).mean((2, 3)))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(0))


def test_network_runs_once_per_call_after_the_first_look(images):
    net = Network()
    explainer = Explainer(net)
    explainer.look(images)
    net.runs = 0
    again = {"cam", "dff", "rise", "score-cam", "ablation-cam", "recipro-cam"}
    again |= {"layer-integrated", "group-cam"}
    names = [name for name in ABOVE_THE_LAYER if name not in again]
    explainer(images, classes=[0, 1, 2], methods=names)
    assert net.runs == 1


def test_no_graph_is_recorded_below_the_layer(images):
    net = Network()
    assert torch.is_grad_enabled()
    result = Explainer(net, layer="top")(images.requires_grad_(), methods=["grad-cam", "hires-cam"])
    assert net.graphs == [False, False]  # the check of the layer, and the run
    assert result.map_of("hires-cam").any()
    assert images.grad is None


def test_several_layers_give_a_map_each(images):
    result = Explainer(Network(), layer=["top.0", "top"])(
        images, classes=[1, 2], methods="hires-cam"
    )
    found = result.maps["hires-cam"]
    assert isinstance(found, dict)
    assert {k: tuple(v.shape) for k, v in found.items()} == {
        "top.0": (2, 2, 8, 6),
        "top": (2, 2, 6, 4),
    }
    alone = Explainer(Network(), layer="top.0")(images, classes=[1, 2], methods="hires-cam")
    torch.testing.assert_close(result.map_of("hires-cam", "top.0"), alone.map_of("hires-cam"))
    with pytest.raises(OptionError, match=r"several layers; say which: top\.0, top"):
        result.map_of("hires-cam")


def test_every_stage_is_the_last_map_of_each_resolution(images):
    stages = Explainer(Network(), layer="every-stage", fuse="product")
    named = Explainer(Network(), layer=["top.0", "top"], fuse="product")
    found, expected = (one(images, 1, "layer-cam").map_of("layer-cam") for one in (stages, named))
    assert [layer.name for layer in stages.layers] == ["top.0", "top"]
    torch.testing.assert_close(found, expected)


def test_refine_cam_is_a_name_for_options(images):
    with pytest.raises(OptionError, match="layer-cam --layer every-stage --fuse product"):
        Explainer(Network())(images, methods="refine-cam")


@pytest.mark.parametrize("how", ["mean", "max", "product"])
def test_layers_are_fused_into_one_map(images, how):
    result = Explainer(Network(), layer=["top.0", "top"], fuse=how)(images, methods="eigen-cam")
    maps = result.map_of("eigen-cam")
    assert maps.shape == (2, 1, 8, 6)
    assert maps.amax((2, 3)).min() > 0.5


def test_target_difference_is_the_difference_of_maps(images):
    explainer = Explainer(Network())
    single = explainer(images, classes=[1, 3], methods="hires-cam").map_of("hires-cam")
    result = explainer(images, classes=lambda y: y[:, 1] - 2 * y[:, 3], methods="hires-cam")
    torch.testing.assert_close(
        result.map_of("hires-cam")[:, 0], single[:, 0] - 2 * single[:, 1], rtol=1e-4, atol=1e-6
    )
    assert result.classes is None
    torch.testing.assert_close(result.scores[:, 0], result.logits[:, 1] - 2 * result.logits[:, 3])


def test_a_target_that_is_not_linear_is_taken_to_first_order(images):
    explainer = Explainer(Network(), layer="top")
    result = explainer(images, classes=lambda y: y.softmax(1)[:, 2], methods="hires-cam")
    leaf = result.logits.clone().requires_grad_()
    slope = torch.autograd.grad(leaf.softmax(1)[:, 2].sum(), leaf)[0]
    every = explainer(images, classes=[0, 1, 2, 3, 4], methods="hires-cam").map_of("hires-cam")
    expected = torch.einsum("nk,nkhw->nhw", slope, every)
    torch.testing.assert_close(result.map_of("hires-cam")[:, 0], expected, rtol=1e-4, atol=1e-7)


def test_top_k_are_the_predicted_classes(images):
    result = Explainer(Network())(images, classes="top3", methods="grad-cam")
    assert result.classes is not None
    assert torch.equal(result.classes, result.logits.topk(3).indices)
    assert result.map_of("grad-cam").shape[1] == 3


def test_class_names_are_the_model_s(images):
    net = Network()
    names = ["ant", "bee", "cat", "dog", "eel"]
    net.class_index = names.index  # type: ignore[assignment]
    net.class_name = names.__getitem__  # type: ignore[assignment]
    result = Explainer(net)(images, classes=["cat", "ant"])
    assert result.classes is not None
    assert result.classes.tolist() == [[2, 0]] * 2
    assert result.label(1, 0) == "cat"


def test_class_names_can_be_given(images):
    names = ["ant", "bee", "cat", "dog", "eel"]
    explainer = Explainer(Network(), class_names=names)
    result = explainer(images, classes="cat")
    assert result.classes is not None
    assert result.classes.tolist() == [[2]] * 2
    assert result.label(1, 0) == "cat"
    named = explainer(images)
    assert named.label(0, 0) == names[int(named.logits[0].argmax())]
    assert ">cat<" in result._repr_html_()


def test_class_names_that_cannot_be_are_refused(images):
    with pytest.raises(ModelError, match="2 class names for Network, which has 5 logits"):
        Explainer(Network(), class_names=("a", "b"))(images)
    with pytest.raises(OptionError, match="'class_names' is a list of str or None, not str 'cat'"):
        Explainer(Network(), class_names="cat")
    with pytest.raises(OptionError, match="this model has no class names; give its number or"):
        Explainer(Network())(images, classes="cat")


def test_given_class_names_go_before_the_model_s(images):
    net = Network()
    net.class_index = ["p", "q", "r", "s", "t"].index  # type: ignore[assignment]
    result = Explainer(net, class_names=("a", "b", "c", "d", "e"))(images, classes="d")
    assert result.classes is not None
    assert result.classes.tolist() == [[3]] * 2


@pytest.mark.parametrize(
    "name", [n for n in ABOVE_THE_LAYER if METHODS[n].class_specific and n != "cam"]
)
def test_many_classes_in_parts_are_those_at_once(images, monkeypatch, name):
    explainer = Explainer(Network())
    classes = [0, 4, 2, 1, 3]
    whole = explainer(images, classes=classes, methods=name)
    monkeypatch.setattr(plan, "_MOST_NUMBERS", 2 * whole.map_of(name).numel())
    parts = explainer(images, classes=classes, methods=name)
    torch.testing.assert_close(parts.map_of(name), whole.map_of(name))


def test_layer_is_unknown_until_the_first_look(images):
    explainer = Explainer(Network())
    assert explainer.layers == ()
    with pytest.raises(OptionError, match=r"call 'explainer\.look\(images\)'"):
        _ = explainer.layer
    assert explainer.look(images).name == "top"
    assert explainer.layer.name == "top"


def test_a_context_manager_is_offered_and_undoes_nothing(images):
    with Explainer(Network()) as explainer:
        explainer(images)
    assert explainer(images).maps


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    ],
)
def test_what_is_no_batch_of_images_is_refused(bad):
    with pytest.raises(ShapeError, match=r"images are \(N, C, H, W\) of floats with N ≥ 1"):
        Explainer(Network())(bad)


def test_images_that_the_network_cannot_take_are_refused():
    with pytest.raises(ModelError, match=r"the model failed on an image of shape \(1, 4, 10, 8\)"):
        Explainer(Network())(torch.rand(2, 4, 10, 8))


def test_an_unknown_layer_is_refused_with_the_closest_names():
    with pytest.raises(LayerError, match=r"no layer 'topp' in Network; closest: 'top'"):
        Explainer(Network(), layer="topp")
    with pytest.raises(LayerError, match="is not a part of Network"):
        Explainer(Network(), layer=nn.ReLU())


def test_an_unknown_result_is_refused(images):
    result = Explainer(Network())(images)
    with pytest.raises(OptionError, match="no result of method 'cam'; closest: 'grad-cam'"):
        result.map_of("cam")


def test_fixations_and_concepts_come_too_and_fixations_once_for_several_layers(images):
    explainer = Explainer(Network(), layer=["top.0", "top"])
    result = explainer(images, classes=[0, 1, 2], methods=["cnn-fixations", "dff", "grad-cam"])
    assert list(result.maps["dff"]) == ["top.0", "top"] == list(result.concepts)
    assert tuple(result.map_of("cnn-fixations").shape) == (2, 3, 10, 8)
    assert [[one.class_index for one in row] for row in result.fixations] == [[0, 1, 2]] * 2
    assert explainer(images, methods="grad-cam").fixations == ()


class Patches(nn.Module):
    """Tokens of 4×4 pixels, in rows, of an image of any size; their average is classified."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        self.patches, self.norm, self.head = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return self.head(self.norm(tokens).mean(1))


@pytest.mark.parametrize("size", [(64, 32), (16, 128), (8, 256)])
def test_tokens_of_another_image_size_are_laid_out_for_it(size: tuple[int, int]):
    generator = torch.Generator().manual_seed(0)
    first, images = (
        torch.rand(1, 3, 32, 64, generator=generator),
        torch.rand(2, 3, *size, generator=generator),
    )
    used, fresh = Explainer(Patches(), layer="norm"), Explainer(Patches(), layer="norm")
    assert tuple(used(first, classes=2).map_of("grad-cam").shape) == (1, 1, 8, 16)
    found, expected = used(images, classes=2), fresh(images, classes=2)
    assert found.map_of("grad-cam").shape[2:] == (size[0] // 4, size[1] // 4)
    torch.testing.assert_close(found.map_of("grad-cam"), expected.map_of("grad-cam"))
    assert found.layers[0].grid == expected.layers[0].grid
