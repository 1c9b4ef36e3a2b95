"""Any image classifier by name, with its own preprocessing and class names; and the papers' small networks."""

__all__ = [
    "CifarMobileNetV2",
    "CifarResNet",
    "CifarShuffleNetV1",
    "CifarShuffleNetV2",
    "CifarVGG",
    "CifarWideResNet",
    "Classifier",
    "ConstantBackground",
    "LeNetGAP",
    "Preprocessing",
    "SmallResNet",
    "SpinalHead",
    "SpinalStyle",
    "Texts",
    "View",
    "ZeroShot",
    "add_background_output",
    "anchors",
    "boxes",
    "detections",
    "list_models",
    "load_classifier",
    "load_weights",
    "read_class_names",
    "regression",
    "replace_head",
    "segmentation",
    "similarity",
    "text_embeddings",
]

from figureground.base.class_names import read_class_names
from figureground.models.cifar_mobile import (
    CifarMobileNetV2,
    CifarShuffleNetV1,
    CifarShuffleNetV2,
)
from figureground.models.cifar_resnet import CifarResNet
from figureground.models.cifar_vgg import CifarVGG
from figureground.models.cifar_wide_resnet import CifarWideResNet
from figureground.models.classifier import Classifier
from figureground.models.heads import (
    ConstantBackground,
    SpinalHead,
    SpinalStyle,
    add_background_output,
    replace_head,
)
from figureground.models.lenet_gap import LeNetGAP
from figureground.models.loading import load_classifier
from figureground.models.preprocessing import Preprocessing, View
from figureground.models.readouts import (
    anchors,
    boxes,
    detections,
    regression,
    segmentation,
    similarity,
)
from figureground.models.small_resnet import SmallResNet
from figureground.models.weights import load_weights
from figureground.models.zero_shot import Texts, ZeroShot, text_embeddings
from figureground.models.zoo import list_models
