"""Zero-shot classifiers of transformers' models that embed images and texts (CLIP, SigLIP)."""

__all__ = ["zero_shot_network"]

from types import ModuleType
from typing import Any

from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.models.source import Wanted
from figureground.models.zero_shot import ZeroShot, half_of, text_embeddings


def zero_shot_network(transformers: ModuleType, name: str, how: tuple[Wanted, bool]) -> ZeroShot:
    """The image encoder with the embeddings of the texts.

    Args:
        transformers: The package.
        name: ``organisation/model``, or a folder.
        how: What is wanted, its texts among it; and whether only files on this machine are asked for.

    Returns:
        A network with one logit for each text: the model's ``logits_per_image``.

    Raises:
        ModelError: The model does not embed images and texts in the manner of CLIP.
    """
    wanted, offline = how
    assert wanted.texts is not None  # noqa: S101 - else it is loaded as a classifier
    asked = {"local_files_only": offline, **wanted.arguments}
    if wanted.trained:
        model = transformers.AutoModel.from_pretrained(name, **asked)
    else:
        config = transformers.AutoConfig.from_pretrained(name, **asked)
        model = transformers.AutoModel.from_config(config)
    if not all(hasattr(model, part) for part in ("vision_model", "get_text_features")):
        raise ModelError(
            f"hf:{name} ({type(model).__name__}) does not embed images and texts as CLIP and SigLIP do: texts cannot "
            "be its classes"
        )
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=offline)
    model.eval()
    longest = model.config.text_config.max_position_embeddings

    def encode(sentences: list[str]) -> Tensor:
        # SigLIP was trained with sentences filled up, and CLIP does not mind
        tokens = tokenizer(
            sentences,
            padding="max_length",
            max_length=longest,
            truncation=True,
            return_tensors="pt",
        )
        found: Any = model.get_text_features(**tokens)
        return found if isinstance(found, Tensor) else found.pooler_output

    texts = text_embeddings(encode, wanted.texts.names, wanted.texts.templates)
    return half_of(model, _ImageEncoder(model), texts)


class _ImageEncoder(nn.Module):
    """The half of a model that sees images; the other is not kept."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers is optional
        super().__init__()
        self.vision_model = model.vision_model
        self.visual_projection = getattr(model, "visual_projection", nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings ``(N, D)``."""
        return self.visual_projection(self.vision_model(pixel_values=images).pooler_output)
