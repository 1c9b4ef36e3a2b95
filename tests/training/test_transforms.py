"""Whatever a transform does to an image, maps and boxes follow: a planted square is looked for where they say."""

from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from figureground.base.errors import OptionError
from figureground.base.seeds import seed_everything
from figureground.training.source_pixels import SourcePixels
from figureground.training.transforms import Transforms, check_names, split_mixing

GEOMETRIC: list[Any] = [
    "RandomHorizontalFlip",
    {"RandomHorizontalFlip": {"p": 1.0}},
    {"RandomVerticalFlip": {"p": 1.0}},
    {"RandomResizedCrop": {"scale": [0.3, 1.0]}},
    {"RandomCrop": {"padding": 6}},
    {"RandomRotation": {"degrees": 40}},
    {"RandomAffine": {"degrees": 20, "translate": [0.2, 0.1], "scale": [0.7, 1.2], "shear": 8}},
    {"RandomAffine": {"degrees": 30, "fill": 255}},
    {"RandomPerspective": {"distortion_scale": 0.4, "p": 1.0}},
    {"ElasticTransform": {"alpha": 30.0, "sigma": 5.0}},
    {"CenterCrop": {}},
]
COLOURS: list[Any] = [
    {"ColorJitter": {"brightness": 0.3, "hue": 0.2}},
    {"GaussianBlur": {"kernel_size": 3}},
    {"RandomGrayscale": {"p": 1.0}},
    {"RandomErasing": {"p": 1.0}},
]
SIDE = 48


def planted(height=SIDE, width=SIDE):
    """Grey, but for a red square: where grey blends into what a transform fills in, nothing is red."""
    image = torch.full((3, height, width), 200, dtype=torch.uint8)
    mask = torch.zeros(1, 1, height, width, dtype=torch.bool)
    top, left = height // 3, width // 4
    image[1:, top : top + height // 3, left : left + width // 3] = 40
    mask[..., top : top + height // 3, left : left + width // 3] = True
    return image, mask


def followed(entries, image, mask, seed, window=None):
    """The transformed image's red pixels, and where the mask goes."""
    transforms = Transforms(entries, (SIDE, SIDE))
    moved, places = transforms(image, window, seed=seed, geometry=True)
    assert places is not None
    sources = SourcePixels(places[None, 0], places[None, 1])
    red = moved[0].int() - moved[1].int() > 80
    return red, sources.apply(mask)[0, 0]


def overlap(one, other):
    return float((one & other).sum() / (one | other).sum().clamp_min(1))


@pytest.mark.parametrize("entry", GEOMETRIC, ids=str)
def test_the_mask_lies_where_the_square_is(entry):
    image, mask = planted()
    for seed in range(4):
        red, moved = followed([entry], image, mask, seed)
        if moved.sum() < 40 and red.sum() < 40:  # moved out of sight, and the mask knows it
            continue
        assert overlap(red, moved) > 0.8, seed


@pytest.mark.parametrize("entry", COLOURS, ids=str)
def test_colours_move_nothing(entry):
    image, mask = planted()
    _, moved = followed([entry], image, mask, 0)
    assert torch.equal(moved, mask[0, 0])


def test_several_together_and_from_a_photo_of_another_size():
    image, _ = planted(120, 90)
    window = (0.0, 15.0, 90.0, 105.0)  # the stored image is the middle square
    stored = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    scale = SIDE / 90
    top, left = round((40 - 15) * scale), round(22 * scale)
    stored[..., top : top + round(40 * scale), left : left + round(30 * scale)] = True
    entries = [{"RandomResizedCrop": {"scale": [0.5, 1.0]}}, {"RandomRotation": {"degrees": 15}}]
    for seed in range(4):
        red, moved = followed(entries, image, stored, seed, window)
        assert overlap(red, moved) > 0.8, seed


def test_numbers_come_from_the_seed_alone_and_leave_the_global_ones():
    image, _ = planted()
    transforms = Transforms([{"RandomResizedCrop": {}}, "TrivialAugmentWide"], (SIDE, SIDE))
    seed_everything(1)
    before = torch.get_rng_state()
    first = transforms(image, seed=5)[0]
    assert torch.equal(torch.get_rng_state(), before)
    seed_everything(2)
    assert torch.equal(transforms(image, seed=5)[0], first)
    assert not torch.equal(transforms(image, seed=6)[0], first)


def test_with_and_without_geometry_the_image_is_the_same():
    image, _ = planted()
    transforms = Transforms(
        ["RandomHorizontalFlip", {"RandomAffine": {"degrees": 30}}], (SIDE, SIDE)
    )
    for seed in range(3):
        assert torch.equal(
            transforms(image, seed=seed)[0], transforms(image, seed=seed, geometry=True)[0]
        )


def test_it_is_torchvisions_own_transform():
    image, _ = planted()
    seed_everything(3)
    wanted = v2.RandomResizedCrop((SIDE, SIDE), scale=(0.2, 0.9))(image)
    found, _ = Transforms([{"RandomResizedCrop": {"scale": [0.2, 0.9]}}], (SIDE, SIDE))(
        image, seed=3
    )
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", ["RandAugment", "TrivialAugmentWide", "AutoAugment"])
def test_those_that_do_not_tell_are_named(name):
    assert Transforms([name], (SIDE, SIDE)).without_geometry() == name
    assert Transforms(GEOMETRIC[1:], (SIDE, SIDE)).without_geometry() is None


def test_floats_become_bytes_again():
    image, _ = planted()
    entries = [{"ToDtype": {"dtype": None}}]
    with pytest.raises(OptionError, match=r"augmentation\.transforms"):
        Transforms(entries, (SIDE, SIDE))
    made = Transforms(["RandomHorizontalFlip"], (SIDE, SIDE))(image, seed=0)[0]
    assert made.dtype == torch.uint8


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (["RandomFlip"], "no transform of torchvision.transforms.v2 'RandomFlip'"),
        ([{"a": {}, "b": {}}], "one name with its parameters"),
        ([{"ColorJitter": {"light": 1}}], "ColorJitter: .*light"),
        ([{"RandomHorizontalFlip": {"p": 3}}], "RandomHorizontalFlip: .*p"),
        ([{"Resize": {"size": [10, 12]}}], "come out as 3×10×12"),
        ([{"RandomResizedCrop": {"interpolation": "cubic"}}], "no interpolation 'cubic'"),
        ([{"RandomApply": {"transforms": ["Nothing"]}}], "no transform .* 'Nothing'"),
    ],
)
def test_what_cannot_be_is_refused(entries, told):
    with pytest.raises(OptionError, match=told):
        Transforms(entries, (SIDE, SIDE))


def test_names_are_checked_without_making_them():
    check_names(["RandomHorizontalFlip", {"RandomApply": {"transforms": ["RandomGrayscale"]}}])
    with pytest.raises(OptionError, match="closest: 'RandomErasing'"):
        check_names([{"RandomErasin": {}}])


def test_mixing_is_apart():
    single, mixing = split_mixing(["RandomGrayscale", {"MixUp": {"alpha": 0.2}}, "CutMix"])
    assert single == ["RandomGrayscale"]
    assert mixing == [("MixUp", {"alpha": 0.2}), ("CutMix", {})]
