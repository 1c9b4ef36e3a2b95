"""Numbers in [0, 1] to colours, by table lookup."""

__all__ = ["COLOUR_MAPS", "DIVERGING", "colour", "colour_table"]

from functools import lru_cache

import torch
from jaxtyping import UInt8
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import MapError, unknown_option
from figureground.base.shapes import MapStack

_LEVELS = 256


@checked
def colour(values: MapStack, name: str = "inferno") -> UInt8[Tensor, "... h w 3"]:
    """Colours of a normalised map.

    ``viridis``, ``inferno``, ``magma``, ``plasma`` and ``cividis`` rise evenly in lightness, so equal steps of
    the map look equal and a grey print keeps their order; ``cividis`` also looks the same to most
    colour-blind readers. ``jet`` is here to compare with figures of older papers: its bright bands
    at 0.4 and 0.6 show edges that the map does not have; ``turbo`` has fewer of them. ``blue-red``, ``coolwarm``,
    ``RdBu_r``, ``bwr`` and ``seismic`` are for signed maps: pale at 0.5, blue below, red above. All but ``jet`` (that
    of OpenCV) and ``blue-red`` (ours) are matplotlib's of the same names.

    Args:
        values: Normalised maps ``(..., h, w)``; values outside [0, 1] take the end colours.
        name: Name of the colour map.

    Returns:
        Red, green and blue in 0..255, ``(..., h, w, 3)``.

    Raises:
        OptionError: The name is unknown.
        MapError: A value is NaN.

    References:
        Smith and van der Walt (2015), viridis, inferno, magma and plasma, released as CC0.
        Mikhailov (2019), turbo. Moreland (2009), coolwarm. Brewer (2002), RdBu.
        Nuñez, Anderson and Renslow (2018), Optimizing colormaps with consideration for color vision
        deficiency, PLoS ONE 13(7).

    Examples:
        >>> colour(torch.tensor([[0.0, 1.0]]), "viridis").tolist()
        [[[68, 1, 84], [253, 231, 37]]]
    """
    table = colour_table(name).to(values.device)
    if bool(values.isnan().any()):
        raise MapError("a map to colour holds NaN; normalise(..., on_blank='zeros') removes it")
    levels = (values.float() * (_LEVELS - 1)).round().clamp(0, _LEVELS - 1)
    # index_select: several times faster here than indexing with brackets
    return table.index_select(0, levels.int().flatten()).view(*values.shape, 3)


def colour_table(name: str) -> UInt8[Tensor, "256 3"]:
    """The 256 colours of a colour map, lowest value first.

    Args:
        name: Name of the colour map.

    Returns:
        Red, green and blue in 0..255, ``(256, 3)``; a fresh tensor.

    Raises:
        OptionError: The name is unknown.

    Examples:
        >>> colour_table("jet")[[0, 255]].tolist()
        [[0, 0, 128], [128, 0, 0]]
    """
    return _interpolated(_anchors(name)).clone()


def _anchors(name: str) -> str:
    """The hexadecimal colours of this name, or an error that lists the names."""
    if name not in COLOUR_MAPS:
        raise unknown_option("colour map", name, COLOUR_MAPS)
    return COLOUR_MAPS[name]


@lru_cache(maxsize=16)
def _interpolated(anchors: str) -> Tensor:
    """Evenly spaced anchor colours, interpolated linearly to 256 levels."""
    points = torch.tensor([list(bytes.fromhex(word)) for word in anchors.split()]).double()
    places = torch.linspace(0, len(points) - 1, _LEVELS, dtype=torch.double)
    left = places.long().clamp(max=len(points) - 2)
    share = (places - left).unsqueeze(1)
    return torch.lerp(points[left], points[left + 1], share).round().to(torch.uint8)


DIVERGING = frozenset({"blue-red", "coolwarm", "RdBu_r", "bwr", "seismic"})

COLOUR_MAPS: dict[str, str] = {
    "viridis": (
        "440154 470d60 48186a 482374 472d7b 453681 424086 3f4989 3b528b 375a8d 33638d "
        "2f6a8e 2c728e 297a8e 26818e 23898e 21908c 1f988b 1f9f88 21a685 28ae80 31b57b "
        "3ebc74 4cc26c 5dc963 6ece58 82d34c 96d83f abdc32 c0df24 d5e21a eae51a fde725"
    ),
    "inferno": (
        "000004 040312 0b0724 150b37 210c4a 2e0a5a 3c0965 4a0c6b 57106d 63146e 70196e "
        "7d1e6d 89226a 962766 a32b61 af315c bb3755 c63e4d d14644 db4f3b e35932 eb6528 "
        "f1711e f67f14 f98d0a fb9c06 fcab0f fbba1f f9ca32 f5d949 f2e865 f3f586 fcffa4"
    ),
    "magma": (
        "000004 030311 0a0822 130d33 1d1146 28115a 36106a 430f76 50127c 5d177f 691c81 "
        "762181 822681 8f2a81 9c2e7f a9327d b63779 c33b75 cf4170 db486a e65163 ee5c5e "
        "f5695c f9785d fb8761 fd9668 fea571 feb47b fec387 fed194 fde0a2 fceeb0 fcfdbf"
    ),
    "cividis": (
        "00224e 002553 002758 00295d 002b62 002d68 002f6d 003170 053371 0f3570 163770 "
        "1c396f 213b6e 263d6e 2a3f6d 2e416d 32436d 35456c 39486c 3c4a6c 3f4c6c 424e6c "
        "45506c 48526c 4b546c 4e566c 51586d 545a6d 565c6d 595e6e 5c616e 5e636f 61656f "
        "646770 666970 696b71 6c6d72 6e6f73 717274 737475 767676 787877 7b7a78 7e7c78 "
        "807f78 838179 868379 898578 8c8878 8f8a78 928c78 948e77 979177 9a9376 9d9576 "
        "a09875 a39a74 a69c74 a99f73 aca172 afa471 b3a670 b6a96f b9ab6d bcae6c bfb06b "
        "c2b369 c5b568 c8b866 ccba64 cfbd62 d2c060 d5c25e d9c55c dcc859 dfca57 e2cd54 "
        "e6d051 e9d34e edd54a f0d846 f3db42 f7de3e fbe138 fee434 fee838"
    ),
    "plasma": (
        "0d0887 1b068d 260591 2f0596 38049a 41049d 4903a0 5102a3 5901a5 6100a7 6900a8 7100a8 "
        "7801a8 8004a8 8707a6 8e0ca4 9511a1 9c179e a21d9a a82296 ae2892 b42e8d ba3388 bf3984 "
        "c43e7f c9447a cd4a76 d24f71 d6556d da5b69 de6164 e26660 e66c5c e97257 ed7953 f07f4f "
        "f3854b f58c46 f79342 f99a3e fba139 fca835 fdaf31 feb72d febe2a fdc627 fcce25 fbd724 "
        "f8df25 f6e826 f3f027 f0f921"
    ),
    "turbo": (
        "30123b 392a73 4040a1 4456c7 466be3 467ff6 4293ff 37a7fa 29bbec 1dcdd8 18dcc3 1ee8b0 "
        "31f299 4cf97e 6bfd64 8aff4d a3fd3c b8f735 cced34 dee037 edd03a f8c03a fdae35 fe982c "
        "fb8022 f56817 ec520f e04009 d23105 c02302 ac1701 950d01 7a0403"
    ),
    "gray": "000000 ffffff",
    "coolwarm": (
        "3b4cc0 445acc 4d68d7 5775e1 6282ea 6c8ef1 779af7 82a5fb 8db0fe 98b9ff a3c2fe aec9fc "
        "b8d0f9 c2d5f4 ccd9ee d5dbe6 dddddd e5d8d1 ecd3c5 f1ccb9 f4c4ad f7bba0 f7b194 f7a687 "
        "f49a7b f18d6f ec7f63 e57058 de604d d55042 cb3e38 c0282f b40426"
    ),
    "RdBu_r": "053061 2166ab 4393c3 92c5de d1e5f0 f7f7f6 fddbc7 f4a582 d6604d b2182b 67001f",
    "bwr": "0000ff fefefe ff0000",
    "seismic": "00004c 0101fe fefdfe ff0101 800000",
    "jet": "000080 0000ff 0080ff 00ffff 80ff80 ffff00 ff8000 ff0000 800000",
    "blue-red": "0b2f6b 2a62b0 6ea0d8 bcd4ee f5f5f5 f3c6b8 e08a70 bf4030 6f0f1a",
}
