"""Sentences as classes: cosines, templates, gradients of the image encoder alone."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from figureground.base.errors import ModelError, OptionError, ShapeError
from figureground.base.seeds import seed_everything
from figureground.methods import Explainer
from figureground.models.zero_shot import ZeroShot, text_embeddings


class Encoder(nn.Module):
    """Embeddings of five numbers, named or alone."""

    def __init__(self, named: str = "") -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        self.head, self.named = nn.Linear(8, 5), named

    def forward(self, images: torch.Tensor) -> object:
        found = self.head(self.trunk(images).mean((2, 3)))
        if not self.named:
            return found
        return SimpleNamespace(last_hidden_state=found[:, None], **{self.named: found})


def encode(sentences: list[str]) -> torch.Tensor:
    return torch.tensor([[len(one), one.count("a"), 1.0, 0, 2] for one in sentences]).float()


def test_texts_are_averaged_over_templates_after_each_has_length_one():
    found = text_embeddings(encode, ["cat", "banana"], ["{}", "a photo of a {}"])
    for row, text in zip(found, ("cat", "banana"), strict=True):
        sentences = [
            torch.tensor([len(s), s.count("a"), 1.0, 0, 2]).double()
            for s in (text, f"a photo of a {text}")
        ]
        mean = sum(one / one.square().sum().sqrt() for one in sentences)
        expected = (mean / mean.square().sum().sqrt()).float()  # type: ignore[union-attr]
        torch.testing.assert_close(row, expected)
    with pytest.raises(OptionError, match="template"):
        text_embeddings(encode, ["cat"], ["a photo"])
    with pytest.raises(OptionError, match="at least one"):
        text_embeddings(encode, [])


@pytest.mark.parametrize("named", ["", "image_embeds", "pooler_output"])
def test_logits_are_scaled_cosines_and_maps_their_gradients(named: str):
    seed_everything(0)
    encoder, images = Encoder(named).eval(), torch.randn(2, 3, 10, 12)
    texts = torch.randn(3, 5, requires_grad=True)
    model = ZeroShot(encoder, texts, scale=20.0, bias=-1.5)
    activations = encoder.trunk(images).detach().requires_grad_()
    embeddings = encoder.head(activations.mean((2, 3)))
    expected = 20 * torch.cosine_similarity(embeddings[:, None], texts[None], dim=2) - 1.5
    torch.testing.assert_close(model(images), expected)
    explainer = Explainer(model, layer="visual.trunk", class_names=("cat", "dog", "nothing"))
    found = explainer(images, "dog", "hires-cam")
    (slope,) = torch.autograd.grad(expected[:, 1].sum(), activations)
    by_hand = (slope * activations).sum(1).detach()
    torch.testing.assert_close(found.map_of("hires-cam")[:, 0], by_hand, atol=1e-5, rtol=1e-4)
    assert texts.grad is None
    assert [name for name, _ in model.named_parameters() if "text" in name] == []


def test_what_is_no_embedding_is_refused():
    with pytest.raises(ModelError, match="embeddings"):
        ZeroShot(nn.Conv2d(3, 5, 1), torch.ones(2, 5))(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ShapeError, match="5 numbers, those of texts 4"):
        ZeroShot(Encoder(), torch.ones(2, 4))(torch.zeros(1, 3, 4, 4))
