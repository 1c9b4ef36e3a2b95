"""A classifier made of an image encoder and sentences."""

__all__ = ["Texts", "ZeroShot", "half_of", "text_embeddings"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from figureground.base.checking import checked
from figureground.base.errors import ModelError, OptionError, ShapeError
from figureground.base.shapes import Images, Logits

_NAMES = ("image_embeds", "pooler_output")


@dataclass(frozen=True)
class Texts:
    """The classes of a zero-shot model.

    Args:
        names: Things to look for: ``("a cat", "a dog")``.
        templates: Sentences with ``{}`` where each goes; their embeddings are averaged.
    """

    names: tuple[str, ...]
    templates: tuple[str, ...] = ("{}",)


def text_embeddings(
    encode: Callable[[list[str]], Tensor],
    texts: Sequence[str],
    templates: Sequence[str] = ("{}",),
) -> Float[Tensor, "T D"]:
    """One embedding for each text: those of its sentences, each of length one, averaged and brought to length one.

    Args:
        encode: From sentences to embeddings ``(n, D)``: tokeniser and text encoder.
        texts: T things to look for: ``"a cat"``.
        templates: Sentences with ``{}`` where the text goes: ``"a photo of {}"``.

    Returns:
        ``(T, D)``, without a graph.

    Raises:
        OptionError: There is no text, or a template without ``{}``.

    References:
        Radford et al. (2021). Learning Transferable Visual Models From Natural Language Supervision. ICML (sec. 3.1.4).
    """
    if not texts or not templates:
        raise OptionError("give at least one text and one template")
    for template in templates:
        if "{}" not in template:
            raise OptionError(f"a template has {{}} where the text goes: '{template}' has not")
    with torch.no_grad():
        rows = [encode([template.format(text) for template in templates]) for text in texts]
        means = [normalize(row.float(), dim=1).mean(0) for row in rows]
        return normalize(torch.stack(means), dim=1)


class ZeroShot(nn.Module):
    """Logits of texts: the scaled cosine similarity of an image with each of them.

    The texts are encoded once, beforehand; gradients reach the image encoder alone.

    Args:
        visual: From images to embeddings ``(N, D)``: a tensor, or an object with ``image_embeds`` or ``pooler_output``.
            Of open_clip ``model.visual``; of transformers' CLIP ``CLIPVisionModelWithProjection``.
        texts: ``(T, D)`` embeddings, as ``text_embeddings`` makes them.
        scale: By which similarities are multiplied: ``model.logit_scale.exp()``.
        bias: Added to all: SigLIP's ``logit_bias``.

    References:
        Radford et al. (2021). Learning Transferable Visual Models From Natural Language Supervision. ICML,
        arXiv:2103.00020.

    Examples:
        >>> model = ZeroShot(nn.Flatten(), torch.eye(3)[:2], scale=10.0)
        >>> model(torch.tensor([[[[3.0]], [[4.0]], [[0.0]]]])).tolist()
        [[6.0, 8.0]]
    """

    @checked
    def __init__(
        self,
        visual: nn.Module,
        texts: Float[Tensor, "T D"],
        *,
        scale: float = 100.0,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.visual = visual
        self.scale, self.bias = scale, bias
        self.texts: Tensor
        self.register_buffer("texts", normalize(texts.detach(), dim=1))

    def forward(self, images: Images) -> Logits:
        """Logits ``(N, T)``.

        Args:
            images: ``(N, C, H, W)``, as the encoder takes them.

        Returns:
            One for each text.

        Raises:
            ModelError: The encoder gives no embeddings.
            ShapeError: They are not of the texts' length.
        """
        found = _embeddings(self.visual(images), len(images))
        if found.shape[1] != self.texts.shape[1]:
            raise ShapeError(
                f"embeddings of images have {found.shape[1]} numbers, those of texts {self.texts.shape[1]}"
            )
        return self.scale * normalize(found, dim=1) @ self.texts.T.to(found.dtype) + self.bias


def half_of(model: Any, visual: nn.Module, texts: Tensor) -> ZeroShot:  # noqa: ANN401 - of optional packages
    """The half of a model of images and texts that sees images, with the scale and bias of both.

    Args:
        model: Has a ``logit_scale``, and maybe a ``logit_bias``, as open_clip and transformers call them.
        visual: Its image encoder.
        texts: ``(T, D)`` embeddings.

    Returns:
        The classifier.
    """
    bias = getattr(model, "logit_bias", None)
    return ZeroShot(
        visual,
        texts,
        scale=float(model.logit_scale.detach().exp()),
        bias=0.0 if bias is None else float(bias.detach()),
    )


def _embeddings(returned: Any, count: int) -> Tensor:  # noqa: ANN401
    """``(N, D)`` in what an encoder returned."""
    values = [returned, *(getattr(returned, name, None) for name in _NAMES)]
    for value in values:
        if isinstance(value, Tensor) and value.ndim == 2 and len(value) == count:
            return value
    raise ModelError(
        "a zero-shot model wants embeddings (N, D) from its image encoder, alone or as image_embeds or pooler_output"
    )
