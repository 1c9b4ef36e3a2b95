"""Zero-shot classifiers of open_clip by name: of the library where it is installed, and of one that stands for it."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError
from figureground.base.seeds import seed_everything
from figureground.methods import Explainer
from figureground.models import Texts, load_classifier, text_embeddings
from figureground.models.from_open_clip import names
from figureground.models.zoo import list_models

TEXTS = ("a cat", "a dog", "nothing")


class Model(nn.Module):
    """Both encoders of one small embedding; that of texts counts letters."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
        )
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.logit_bias = nn.Parameter(torch.tensor(-1.5))

    def encode_text(self, tokens: Tensor) -> Tensor:
        return tokens


class Library(ModuleType):
    """Just enough of open_clip; what it is asked is kept in ``calls``."""

    def __init__(self) -> None:
        super().__init__("open_clip")
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.failure: Exception | None = None
        self.described: dict[str, Any] = {
            "size": 20, "resize_mode": "squash", "interpolation": "bicubic", "mean": (0.5,) * 3, "std": (0.25,) * 3,
        }  # fmt: skip

    def create_model(self, name: str, **asked: Any) -> Model:
        self.calls.append((name, asked))
        if self.failure is not None:
            raise self.failure
        self.model = Model()
        return self.model

    def get_tokenizer(self, name: str) -> Any:
        return lambda some: torch.tensor([[len(s), s.count("a"), s.count("o"), 1.0] for s in some])

    def list_models(self) -> list[str]:
        return ["ViT-T", "RN5"]

    def list_pretrained_tags_by_model(self, name: str) -> list[str]:
        return {"ViT-T": ["laion", "openai"]}.get(name, [])

    def get_model_preprocess_cfg(self, model: Model) -> dict[str, Any]:
        return self.described


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setitem(sys.modules, "open_clip", made)
    return made


def test_texts_are_the_classes_and_their_cosines_the_logits(library: Library):
    templates = ("{}", "a photo of {}")
    classifier = load_classifier("open_clip:ViT-T@laion", texts=Texts(TEXTS, templates))
    assert library.calls == [("ViT-T", {"pretrained": "laion", "load_weights": True})]
    assert classifier.class_names == TEXTS
    assert classifier.preprocessing.size == (20, 20)
    assert classifier.preprocessing.resize == "stretch"
    images = torch.rand(2, 3, 20, 20)
    texts = text_embeddings(library.get_tokenizer("ViT-T"), TEXTS, templates)
    found = library.model.visual((images - 0.5) / 0.25)
    expected = torch.tensor(2.0).exp() * torch.cosine_similarity(found[:, None], texts, dim=2) - 1.5
    torch.testing.assert_close(classifier(images), expected)
    alone = load_classifier("open_clip:ViT-T@laion", texts=TEXTS)
    assert (alone.network.texts - texts).abs().max() > 0.01  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "random", "asked"),
    [
        ("ViT-T@openai", True, {"pretrained": None, "load_weights": False}),
        ("ViT-T@mine.pt", False, {"pretrained": "mine.pt", "load_weights": True}),
        ("hf-hub:some/where", False, {"pretrained": None, "load_weights": True}),
    ],
)
def test_the_name_says_which_weights(
    library: Library, name: str, random: bool, asked: dict[str, Any]
):
    load_classifier(f"open_clip:{name}", texts=TEXTS, random=random)
    assert library.calls == [(name.partition("@")[0], asked)]


@pytest.mark.parametrize(
    ("resize_mode", "way", "size"),
    [("shortest", "crop", 20), ("longest", "pad", (20, 24)), ("squash", "stretch", [20, 24])],
)
def test_images_are_prepared_as_the_library_does(
    library: Library, resize_mode: str, way: str, size: Any
):
    library.described |= {"resize_mode": resize_mode, "size": size}
    found = load_classifier("open_clip:ViT-T@laion", texts=TEXTS).preprocessing
    assert (found.resize, found.size) == (way, (20, 20) if size == 20 else (20, 24))
    assert found.interpolation == "bicubic"
    assert (found.mean, found.std) == ((0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("open_clip:ViT-T@laion", {}, "needs the texts that are its classes: --texts"),
        ("open_clip:ViT-T", {"texts": TEXTS}, "open_clip:ViT-T@laion .known: laion, openai"),
        ("open_clip:ViT-U@laion", {"texts": TEXTS}, "no open_clip model 'ViT-U'; closest: 'ViT-T'"),
        ("open_clip:ViT-T@laion", {"texts": Texts(("a",), ("b",))}, "where the text goes"),
        ("open_clip:ViT-T", {"texts": TEXTS, "weights": "w.pth"}, "two encoders"),
        ("figureground:lenet-gap", {"texts": TEXTS}, "has classes of its own"),
        ("my_net.py:build", {"texts": TEXTS}, "has classes of its own"),
    ],
)
def test_what_cannot_be_is_refused(
    library: Library, name: str, settings: dict[str, Any], message: str
):
    with pytest.raises(OptionError, match=message):
        load_classifier(name, **settings)
    assert library.calls in ([], [("ViT-T", {"pretrained": "laion", "load_weights": True})])


def test_failures_of_the_library_are_reported(library: Library):
    cases = [
        (TypeError("x"), OptionError),
        (RuntimeError("y"), ModelError),
        (OSError("z"), ModelError),
    ]
    for failure, error in cases:
        library.failure = failure
        with pytest.raises(error, match=str(failure)):
            load_classifier("open_clip:ViT-T@laion", texts=TEXTS)


def test_models_are_listed_where_the_library_is(library: Library, monkeypatch: pytest.MonkeyPatch):
    assert list_models("open_clip:*") == ["open_clip:ViT-T", "open_clip:RN5"]
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert names() == []
    with pytest.raises(ModelError, match="open_clip_torch"):
        load_classifier("open_clip:ViT-T@laion", texts=TEXTS)


def test_maps_of_the_real_library():
    open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed")
    seed_everything(0)
    small = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
        "text_cfg": {"width": 32, "heads": 2, "layers": 1},
    }
    classifier = load_classifier("open_clip:ViT-B-32", texts=TEXTS, random=True, arguments=small)
    seed_everything(0)
    model = open_clip.create_model("ViT-B-32", load_weights=False, **small).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    normalised = (images - classifier.mean) / classifier.std
    with torch.no_grad():
        embedded = model.encode_image(normalised, normalize=True)
        tokens = open_clip.get_tokenizer("ViT-B-32")(list(TEXTS))
        expected = model.logit_scale.exp() * embedded @ model.encode_text(tokens, normalize=True).T
    torch.testing.assert_close(classifier(images), expected, atol=1e-5, rtol=1e-4)
    found = Explainer(classifier)(images, "a dog", ["hires-cam", "grad-cam"])
    assert found.map_of("hires-cam").shape == (2, 1, 4, 4)
    assert not found.problems
    assert found.label(0, 0) == "a dog"
