"""CLIP and SigLIP of transformers by name, with texts for classes: the library's own logits."""

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from figureground.base.errors import ModelError, OptionError
from figureground.base.seeds import seed_everything
from figureground.methods import Explainer
from figureground.models import Texts, from_hugging_face, load_classifier
from figureground.models.hugging_face_texts import zero_shot_network
from figureground.models.source import Wanted

TEXTS = ("a cat", "a dog")


class Model(nn.Module):
    """Both encoders; that of texts counts tokens, and answers as newer versions do or as older ones."""

    def __init__(self, *, named: bool = False, projection: bool = True) -> None:
        super().__init__()
        self.trunk = nn.Linear(3, 4)
        if projection:
            self.visual_projection = nn.Linear(4, 3)
        else:
            self.logit_bias = nn.Parameter(torch.tensor([-2.0]))
        self.named, self.logit_scale = named, nn.Parameter(torch.tensor(1.0))
        self.config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=7))
        self.asked: list[dict[str, Any]] = []

    def vision_model(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(pooler_output=self.trunk(pixel_values.mean((2, 3))))

    def get_text_features(self, input_ids: torch.Tensor) -> Any:
        found = input_ids.float()[:, : 4 if hasattr(self, "logit_bias") else 3]
        return SimpleNamespace(pooler_output=found) if self.named else found


def library(model: nn.Module, calls: list[Any]) -> ModuleType:
    """Just enough of transformers; what it is asked is kept."""

    def tokens(sentences: list[str], **how: Any) -> dict[str, torch.Tensor]:
        calls.append((sentences, how))
        return {"input_ids": torch.tensor([[len(s), s.count("a"), 5, 1] for s in sentences])}

    def given(what: Any) -> Any:
        def answer(name: str, **asked: Any) -> Any:
            calls.append((name, asked))
            return what

        return answer

    def untrained(config: Any) -> nn.Module:
        calls.append(config)
        return model

    made = ModuleType("transformers")
    made.AutoModel = SimpleNamespace(from_pretrained=given(model), from_config=untrained)  # type: ignore[attr-defined]
    made.AutoConfig = SimpleNamespace(from_pretrained=given("the configuration"))  # type: ignore[attr-defined]
    made.AutoTokenizer = SimpleNamespace(from_pretrained=given(tokens))  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("projection", [False, True])
def test_logits_are_scaled_cosines(named: bool, projection: bool):
    seed_everything(0)
    calls: list[Any] = []
    model = Model(named=named, projection=projection).eval()
    wanted = Wanted(texts=Texts(TEXTS, ("{}", "this is {}")))
    network = zero_shot_network(library(model, calls), "some/where", (wanted, True))
    images = torch.rand(2, 3, 4, 5)
    embedded = model.vision_model(images).pooler_output
    if projection:
        embedded = model.visual_projection(embedded)

    def counted(sentence: str) -> torch.Tensor:
        row = torch.tensor([len(sentence), sentence.count("a"), 5, 1.0])[: 3 if projection else 4]
        return row / row.norm()

    texts = torch.stack([(counted(t) + counted(f"this is {t}")) / 2 for t in TEXTS])
    cosines = torch.cosine_similarity(embedded[:, None], texts, dim=2)
    expected = torch.tensor(1.0).exp() * cosines - (0 if projection else 2)
    torch.testing.assert_close(network(images), expected)
    assert calls[0] == ("some/where", {"local_files_only": True})
    sentences, how = calls[2]
    assert sentences == ["a cat", "this is a cat"]
    assert how["padding"] == "max_length"
    assert how["max_length"] == 7


def test_an_untrained_model_needs_only_the_configuration():
    calls: list[Any] = []
    wanted = Wanted(trained=False, texts=Texts(TEXTS), arguments={"depth": 1})
    zero_shot_network(library(Model(), calls), "some/where", (wanted, False))
    assert calls[0] == ("some/where", {"local_files_only": False, "depth": 1})
    assert calls[1] == "the configuration"


def test_other_models_are_refused():
    with pytest.raises(
        ModelError, match=r"hf:some/where \(Linear\) does not embed images and texts"
    ):
        zero_shot_network(
            library(nn.Linear(1, 1), []), "some/where", (Wanted(texts=Texts(TEXTS)), True)
        )


def test_a_model_without_classes_asks_for_texts():
    config = SimpleNamespace(text_config={}, architectures=["CLIPModel"], id2label={}, num_labels=2)
    network = SimpleNamespace(config=config)
    with pytest.raises(OptionError, match=r"hf:some/clip embeds images and texts.*--texts"):
        from_hugging_face._classes(network, "some/clip", Wanted())
    config.architectures = ["CLIPForImageClassification"]
    config.id2label = {0: "cat", 1: "dog"}
    assert from_hugging_face._classes(network, "some/clip", Wanted()) == (("cat", "dog"), 2)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[nn.Module, Any]:
    """A small CLIP of the library, and its tokenizer, as ``save_pretrained`` wrote them into the test's folder."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    files = [tmp_path / "vocab.json", tmp_path / "merges.txt"]
    files[0].write_text(json.dumps({word: k for k, word in enumerate(words)}))
    files[1].write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(*map(str, files))
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2}
    texts = {"vocab_size": len(words), "max_position_embeddings": 12, "eos_token_id": 1}
    config = transformers.CLIPConfig(
        text_config=sizes | texts | {"bos_token_id": 0},
        vision_config=sizes | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    seed_everything(0)
    model = transformers.CLIPModel(config).eval()
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    for one in (model, tokenizer, processor):
        one.save_pretrained(tmp_path)
    return model, tokenizer


def test_maps_of_the_real_library(saved: tuple[nn.Module, Any], tmp_path: Path):
    model, tokenizer = saved
    classifier = load_classifier(f"hf:{tmp_path}", texts=TEXTS)
    images = torch.rand(2, 3, 32, 32)
    tokens = tokenizer(list(TEXTS), return_tensors="pt", padding=True)
    pixels = (images - classifier.mean) / classifier.std
    with torch.no_grad():
        expected = model(pixel_values=pixels, **tokens).logits_per_image
    torch.testing.assert_close(classifier(images), expected, atol=1e-4, rtol=1e-4)
    found = Explainer(classifier)(images, "a dog", "hires-cam")
    assert found.map_of("hires-cam").shape == (2, 1, 4, 4)
    assert not found.problems
    with pytest.raises(OptionError, match="--texts"):
        load_classifier(f"hf:{tmp_path}")
