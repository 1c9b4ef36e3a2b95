from figureground.models import list_models


def test_ours_come_first_and_every_source_that_can_be_listed_is_there():
    names = list_models()
    assert names[0].startswith("figureground:")
    for name in ("timm:resnet50", "torchvision:resnet50", "figureground:cifar-resnet20"):
        assert name in names
    assert len(names) == len(set(names))


def test_a_part_of_a_name_is_enough_and_case_does_not_matter():
    assert list_models("CIFAR-resnet2") == ["figureground:cifar-resnet20"]
    assert "timm:resnet18" in list_models("resnet18")
    assert "torchvision:resnet18" in list_models("resnet18")
    assert list_models("no such model") == []


def test_a_pattern_fits_names_with_and_without_their_source():
    assert list_models("vgg1?") == [
        *(f"timm:vgg{depth}" for depth in (11, 13, 16, 19)),
        *(f"torchvision:vgg{depth}" for depth in (11, 13, 16, 19)),
    ]
    assert list_models("torchvision:vgg1[13]") == ["torchvision:vgg11", "torchvision:vgg13"]
