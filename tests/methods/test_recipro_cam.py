"""Recipro-CAM against loops, against CAM, and against numbers of another program."""

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F

from figureground.base.errors import OptionError
from figureground.methods import Explainer, ReciproCAM
from figureground.methods.recipro_cam import cell_masks

PROBABILITIES = """
.10660 .09293 .10788 .11677 .10501 .10730 .10241 .10955 .13382 .12952 .13522 .13530 .13535 .11316
.10149 .11966 .13938 .12420 .13377 .14977 .09665 .10868 .09955 .14487 .12503 .11385 .13895 .11450
.10810 .10692 .12843 .12153 .12484 .11531 .09358
"""
WINDOWS = """
.04006 .06490 .10911 .13929 .13028 .10490 .05622 .08100 .17368 .23856 .25895 .27186 .23471 .10971
.06988 .18630 .28031 .28388 .30319 .28353 .12747 .04962 .13621 .24754 .25373 .24556 .23092 .10714
.03950 .08950 .16264 .17599 .15943 .12386 .04420
"""
EMPTY = {"probability": 0.1, "logit": 0.0}  # of ten classes, without a bias


def numbers(text: str) -> torch.Tensor:
    return torch.tensor([float(word) for word in text.split()]).reshape(5, 7)


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("kernel", ["cell", "3x3"])
def test_equals_loops_over_the_positions(max_head, two_images, score, kernel):
    method = ReciproCAM(score, kernel)
    found = Explainer(max_head, layer="body")(two_images, [0, 3], method).map_of("recipro-cam")
    window = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    for n, image in enumerate(two_images):
        with torch.no_grad():
            whole = max_head.body(image[None])
            for i in range(whole.shape[2]):
                for j in range(whole.shape[3]):
                    mask = torch.zeros(whole.shape[2] + 2, whole.shape[3] + 2)
                    if kernel == "cell":
                        mask[i + 1, j + 1] = 1
                    else:
                        mask[i : i + 3, j : j + 3] = window
                    both = torch.cat([whole * mask[1:-1, 1:-1], whole * 0])
                    logits = max_head.head(max_head.top(both).amax((2, 3)))
                    told = logits.softmax(1) if score == "probability" else logits
                    wanted = (told[0] - told[1])[[0, 3]]
                    torch.testing.assert_close(found[n, :, i, j], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("score", "kernel", "text"), [("probability", "cell", PROBABILITIES), ("logit", "3x3", WINDOWS)]
)
def test_of_a_digit_is_what_another_program_found(digit_network, digit_image, score, kernel, text):
    result = Explainer(digit_network, layer="pool")(digit_image, 8, ReciproCAM(score, kernel))
    found = result.map_of("recipro-cam")[0, 0] + EMPTY[score]
    torch.testing.assert_close(found, numbers(text), rtol=0, atol=1e-4)


def test_below_the_last_block_it_is_what_another_program_found(digit_network, digit_image):
    explainer = Explainer(digit_network, layer="pool@1")
    # there the empty map is not 0: its convolution has a bias
    found = explainer(digit_image, 8, ReciproCAM("logit")).map_of("recipro-cam")[0, 0]
    with torch.no_grad():
        hidden = digit_network.pool(
            digit_network.relu2(digit_network.conv2(torch.zeros(1, 32, 10, 14)))
        )
        found = found + digit_network.classifier(hidden.mean((2, 3)))[0, 8]
    assert float(found.sum()) == pytest.approx(32.58070, abs=2e-3)
    assert float(found.max()) == pytest.approx(0.71977, abs=1e-4)
    assert int(found.argmax()) == 2 * 14 + 8
    assert float(found.min()) == pytest.approx(-0.18815, abs=1e-4)


def test_logits_of_a_linear_head_are_cam_over_the_positions():
    torch.random.manual_seed(0)
    parts = [torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)]
    net = torch.nn.Sequential(*parts, torch.nn.Flatten(), torch.nn.Linear(6, 5))
    images = torch.rand(2, 3, 9, 7)
    result = Explainer(net)(images, [1, 4], ["cam", ReciproCAM("logit")])
    cam = result.map_of("cam") / 35
    torch.testing.assert_close(result.map_of("recipro-cam"), cam, rtol=1e-4, atol=1e-6)
    wide = Explainer(net)(images, [1, 4], ReciproCAM("logit", "3x3")).map_of("recipro-cam")
    window = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    blurred = F.conv2d(cam.flatten(0, 1)[:, None], window[None, None], padding=1)
    torch.testing.assert_close(wide.flatten(0, 1)[:, None], blurred, rtol=1e-4, atol=1e-6)


def test_class_and_register_tokens_of_a_transformer_stay():
    torch.random.manual_seed(0)
    net: Any = timm.create_model(
        "vit_tiny_patch16_224", img_size=(48, 32), depth=3, num_classes=5, reg_tokens=2
    ).eval()
    image = torch.rand(1, 3, 48, 32)
    found = Explainer(net, layer="blocks.1")(image, 2, ReciproCAM("logit", "3x3"))
    masks = cell_masks(3, 2, kernel="3x3")
    with torch.no_grad():
        tokens = net.blocks[:2](net.norm_pre(net._pos_embed(net.patch_embed(image))))
        for cell, mask in enumerate(torch.cat([masks, masks[:1] * 0])):
            kept = torch.cat([tokens[:, :3], tokens[:, 3:] * mask.reshape(1, 6, 1)], 1)
            logit = net.forward_head(net.norm(net.blocks[2](kept)))[0, 2]
            if cell == 6:
                empty = logit
        for cell, mask in enumerate(masks):
            kept = torch.cat([tokens[:, :3], tokens[:, 3:] * mask.reshape(1, 6, 1)], 1)
            logit = net.forward_head(net.norm(net.blocks[2](kept)))[0, 2]
            value = found.map_of("recipro-cam")[0, 0].flatten()[cell]
            torch.testing.assert_close(value, logit - empty, rtol=1e-3, atol=1e-5)


def test_masks_keep_one_cell_each():
    masks = cell_masks(2, 3)
    assert torch.equal(masks.reshape(6, 6), torch.eye(6))
    assert torch.equal(
        cell_masks(4, 4, kernel="3x3")[5, :3, :3] * 16,
        torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]),
    )


def test_a_function_gives_what_it_gives(max_head, two_images):
    explainer = Explainer(max_head, layer="body")
    classes = explainer(two_images, 1, "recipro-cam").map_of("recipro-cam")
    function = explainer(two_images, lambda z: z.softmax(1)[:, 1], "recipro-cam")
    torch.testing.assert_close(function.map_of("recipro-cam"), classes)


def test_what_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="'probability' or 'logit', not 'odds'"):
        ReciproCAM("odds")
    with pytest.raises(OptionError, match="'cell' or '3x3', not '5x5'"):
        ReciproCAM(kernel="5x5")
