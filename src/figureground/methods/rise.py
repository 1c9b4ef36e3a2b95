"""RISE: what the network says to random parts of the image, averaged where they are seen."""

__all__ = ["RISE", "MaskStatistics", "random_masks", "rise"]

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import MapsPerClass
from figureground.methods.method import CamMethod, MethodInputs, MethodResult
from figureground.methods.registry import METHODS
from figureground.methods.sweeps import Sweeps

_MASKS_AT_A_TIME = 64


@dataclass(frozen=True)
class MaskStatistics:
    """How sure a RISE map is.

    Args:
        std_error: ``(N, K, H, W)`` standard error of each value of the map, over the choice of the masks.
    """

    std_error: MapsPerClass


def random_masks(
    count: int, size: tuple[int, int], *, cells: int, share: float, generator: torch.Generator
) -> Float[Tensor, "M H W"]:
    """Smooth masks: coarse grids of cells that are seen or not, upsampled bilinearly and cropped at a random place.

    Args:
        count: M.
        size: ``(H, W)`` of the image.
        cells: Cells of the grid in each direction.
        share: Probability that a cell is seen.
        generator: Of the random numbers.

    Returns:
        ``(M, H, W)`` in [0, 1].

    References:
        Petsiuk et al. (2018), section 3.2, arXiv 1806.07421.
    """
    heights, widths = (-(-side // cells) for side in size)
    grid = (torch.rand(count, 1, cells, cells, generator=generator) < share).float()
    large = F.interpolate(grid, ((cells + 1) * heights, (cells + 1) * widths), mode="bilinear")
    tops = torch.randint(heights, (count,), generator=generator).tolist()
    lefts = torch.randint(widths, (count,), generator=generator).tolist()
    h, w = size
    return torch.stack(
        [one[0, t : t + h, v : v + w] for one, t, v in zip(large, tops, lefts, strict=True)]
    )


class _Sums:
    """What the map and its standard error are made of, gathered part by part in float64."""

    def __init__(self) -> None:
        self.sums: list[Tensor] = []

    def add(self, masks: Tensor, scores: Tensor) -> None:
        """Masks ``(M, H, W)`` and scores ``(M, K)``."""
        seen, score = masks.double(), scores.double().T
        ones = torch.ones_like(score[:1])
        new = [
            torch.einsum("km,mhw->khw", weight, power)
            for weight, power in (
                (ones, seen),
                (score, seen),
                (ones, seen**2),
                (score, seen**2),
                (score**2, seen**2),
            )
        ]
        self.sums = (
            [old + one for old, one in zip(self.sums, new, strict=True)] if self.sums else new
        )

    @property
    def result(self) -> tuple[Tensor, Tensor]:
        """Map and standard error ``(K, H, W)`` float32; a pixel that no mask shows has the value 0."""
        seen, scored, squares, scored_squares, both_squares = self.sums
        count = torch.where(seen > 0, seen, 1)
        mean = scored / count
        spread = both_squares - 2 * mean * scored_squares + mean**2 * squares
        return mean.float(), (spread.clamp_min(0).sqrt() / count).float()


def rise(
    masks: Float[Tensor, "M H W"], scores: Float[Tensor, "M K"]
) -> tuple[Float[Tensor, "K H W"], Float[Tensor, "K H W"]]:
    """The average score of the masks, at each pixel weighted by how far they show it.

    ``S(λ) = Σ_i f(X ∘ M_i) M_i(λ) / Σ_i M_i(λ)``: the expected score given that the pixel is seen.

    *Differs:* the paper divides by the expected sum of the masks, not by the sum itself, which takes more than twice as
    many masks for the same error.

    Args:
        masks: ``M``, in [0, 1].
        scores: ``f``, the score of the image behind each mask, for each class.

    Returns:
        The maps, in the range of the scores, and their standard errors.

    References:
        Petsiuk et al. (2018), equation 6, arXiv 1806.07421.

    Examples:
        >>> masks = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
        >>> rise(masks, torch.tensor([[0.2], [0.6]]))[0].tolist()
        [[[0.4000000059604645, 0.6000000238418579]]]
    """
    sums = _Sums()
    sums.add(masks, scores)
    return sums.result


@dataclass(frozen=True)
class RISE(CamMethod):
    """RISE (Petsiuk et al. 2018): the network as a black box, run on thousands of masked copies of the image.

    Works with any network, at the resolution of the image, and looks at no layer. All classes and all methods with the
    same masks share the runs. Every image sees the same masks, so that it is explained alike alone and in a batch.

    Args:
        masks: How many. The error falls with the square root of it; ``details`` hold it for every pixel.
        cells: Cells of the masks' grid in each direction.
        share: Share of the cells that is seen.
        seed: Of the masks.
        baseline: ``mean``, the colour that the network sees as zero, or ``black``.

    Raises:
        OptionError: An option out of range.
    """

    masks: int = 4000
    cells: int = 8
    share: float = 0.5
    seed: int = 0
    baseline: str = "mean"

    entry = METHODS["rise"]

    def __post_init__(self) -> None:
        if self.masks < 1 or self.cells < 1 or not 0 < self.share < 1:
            raise OptionError(
                f"masks and cells are at least 1, and the share lies in (0, 1); these are {self.masks}, {self.cells} "
                f"and {self.share}"
            )
        if self.baseline not in {"mean", "black"}:
            raise OptionError(f"a baseline is 'mean' or 'black', not '{self.baseline}'")

    def forwards(self, channels: int, height: int, width: int) -> int:
        """One for each mask; see the base."""
        del channels, height, width
        return self.masks

    def trial(self) -> CamMethod:
        """Sixteen masks."""
        return RISE(min(16, self.masks), self.cells, self.share, self.seed, self.baseline)

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, H, W)``, in the range of the scores."""
        return self.result(inputs).maps

    def result(self, inputs: MethodInputs) -> MethodResult:
        """The maps, and how sure they are.

        Args:
            inputs: What the run left.

        Returns:
            Maps and ``MaskStatistics``.
        """
        targets, sweeps = inputs.per_sweep
        logits = sweeps.once(("rise", self), lambda image: self._swept(sweeps, image))
        maps, errors = [], []
        for image, rows in enumerate(logits):
            scores, sums = targets.of_image(image).probability(rows), _Sums()
            for masks, some in zip(
                self._parts(inputs.images), torch.split(scores, _MASKS_AT_A_TIME), strict=True
            ):
                sums.add(masks, some)
            values, error = sums.result
            maps.append(values)
            errors.append(error)
        return MethodResult(torch.stack(maps), MaskStatistics(torch.stack(errors)))

    def _parts(self, images: Tensor) -> Iterator[Tensor]:
        """The masks, some at a time; the same every time."""
        generator = torch.Generator().manual_seed(self.seed)
        size = (int(images.shape[2]), int(images.shape[3]))
        for start in range(0, self.masks, _MASKS_AT_A_TIME):
            yield random_masks(
                min(_MASKS_AT_A_TIME, self.masks - start),
                size,
                cells=self.cells,
                share=self.share,
                generator=generator,
            ).to(images.device)

    def _swept(self, sweeps: Sweeps, image: int) -> Tensor:
        """Logits ``(masks, L)`` of one image behind each mask."""
        picture = sweeps.images[image]
        empty = sweeps.baseline(self.baseline).to(picture)
        found = [
            sweeps.rescore(torch.lerp(empty, picture, some[:, None].to(picture)))
            for masks in self._parts(sweeps.images)
            for some in sweeps.parts(masks, picture)
        ]
        return torch.cat(found)
