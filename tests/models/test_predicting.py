"""Prediction: on the device asked for, in batches, and everything put back."""

import pytest
import torch
from torch import nn

from figureground.base.errors import OptionError
from figureground.models import Classifier, Preprocessing
from figureground.models.predicting import (
    chosen_device,
    default_batch_size,
    default_workers,
    device_of,
    in_batches,
    placed,
    predict,
)


@pytest.fixture
def classifier() -> Classifier:
    plain = Preprocessing((6, 8), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    return Classifier(nn.Sequential(*layers).eval(), plain, name="toy", num_classes=5)


def test_classifier_comes_back_with_the_memory_format_that_it_had(classifier: Classifier):
    kernel = next(classifier.parameters())
    for form in (torch.contiguous_format, torch.channels_last):
        classifier.to(memory_format=form)
        with placed(classifier, torch.device("cpu")):
            assert kernel.is_contiguous(memory_format=torch.channels_last)
            assert not classifier.training
        assert kernel.is_contiguous(memory_format=form)


def test_classifier_comes_back_after_an_error(classifier: Classifier):
    classifier.train()

    def fail() -> None:
        with placed(classifier, torch.device("cpu")) as one:
            assert not one.training
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert classifier.training
    assert next(classifier.parameters()).is_contiguous()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused_in_one_line(classifier: Classifier):
    with (
        pytest.raises(OptionError, match="cannot use device 'cuda'") as caught,
        placed(classifier, torch.device("cuda")),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_classifier_comes_back_from_the_gpu(classifier: Classifier):
    with placed(classifier, torch.device("cuda")):
        assert classifier.mean.is_cuda
    assert {value.device.type for value in classifier.state_dict().values()} == {"cpu"}


def test_batches_are_larger_away_from_the_processor():
    sizes = [default_batch_size(torch.device(name)) for name in ("cpu", "cuda")]
    assert sizes[0] < sizes[1]


def test_a_number_of_workers_that_is_given_is_taken():
    assert default_workers(11) == 11
    assert 1 <= default_workers(None) <= 8


def test_a_device_is_found_by_its_name():
    assert chosen_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(OptionError, match=r"no device 'gpu'; known: cpu, cuda"):
        chosen_device("gpu")
    assert device_of(nn.BatchNorm2d(2, affine=False)) == torch.device("cpu")  # buffers only


def test_predictions_are_those_of_a_loop_and_progress_counts_images(classifier: Classifier):
    images = torch.randint(256, (7, 3, 6, 8), dtype=torch.uint8)
    seen: list[tuple[str, int, int]] = []
    found = predict(classifier, images, batch_size=3, progress=lambda *now: seen.append(now))
    with torch.no_grad():
        wanted = torch.cat([classifier(one[None].float() / 255) for one in images])
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    assert seen == [("predicting", done, 7) for done in (3, 6, 7)]
    assert not found.is_inference()
    assert [len(one) for one in in_batches(images, 3)] == [3, 3, 1]
