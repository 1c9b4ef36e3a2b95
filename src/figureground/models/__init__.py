"""Any image classifier by name, with its own preprocessing and class names; and the papers' small networks."""

__all__ = [
    "CifarResNet",
    "Classifier",
    "LeNetGAP",
    "Preprocessing",
    "View",
    "list_models",
    "load_classifier",
    "load_weights",
    "read_class_names",
]

from figureground.models.cifar_resnet import CifarResNet
from figureground.models.class_names import read_class_names
from figureground.models.classifier import Classifier
from figureground.models.lenet_gap import LeNetGAP
from figureground.models.loading import load_classifier
from figureground.models.preprocessing import Preprocessing
from figureground.models.view import View
from figureground.models.weights import load_weights
from figureground.models.zoo import list_models
