"""Every method by name, described without loading it: reading this needs no torch."""

__all__ = ["EVERY_STAGE", "FUSIONS", "METHODS", "MethodEntry", "Need", "check_fusion"]

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from figureground.base.errors import OptionError
from figureground.base.paper import Paper

EVERY_STAGE = "every-stage"
"""The word for the last layer of each resolution."""

FUSIONS = ("mean", "max", "product", "tanh-max")
"""How maps of several layers become one; see ``maps.fuse_maps``."""

Need = Literal[
    "gradients",
    "class-maps",
    "tape",
    "concept-logits",
    "second-derivative",
    "replay",
    "rescore",
    "attention",
    "attention-gradients",
    "bias-gradients",
]


@dataclass(frozen=True)
class MethodEntry:
    """A line of the registry: the description of a method, and where its class is.

    Args:
        name: As users type it.
        title: As printed.
        where: Its class, as ``file.Class`` in this folder.
        paper: Where it comes from.
        needs: What the explainer must provide beyond activations and logits.
        class_specific: Whether the map depends on the class; otherwise K = 1 (or one map per concept).
        per_layer: Whether the map depends on the layer.
        signed: Whether negative values carry meaning (evidence against).
    """

    name: str
    title: str
    where: str
    paper: Paper
    needs: frozenset[Need] = frozenset()
    class_specific: bool = True
    per_layer: bool = True
    signed: bool = False

    @property
    def kind(self) -> str:
        """Name of the class: ``GradCAM``."""
        return self.where.partition(".")[2]

    @property
    def address(self) -> str:
        """Module and name of the class: ``figureground.methods.grad_cam:GradCAM``."""
        return "figureground.methods." + self.where.replace(".", ":")

    def load(self) -> type[Any]:
        """The class of the method, a ``CamMethod``; importing it loads torch."""
        module, _, kind = self.address.partition(":")
        return getattr(import_module(module), kind)


METHODS: dict[str, MethodEntry] = {
    "cam": MethodEntry(
        "cam",
        "CAM",
        "cam.CAM",
        paper=Paper(
            "Zhou et al.",
            "Learning Deep Features for Discriminative Localization",
            2016,
            "CVPR, arXiv 1512.04150",
        ),
        needs=frozenset({"class-maps"}),
        signed=True,
    ),
    "grad-cam": MethodEntry(
        "grad-cam",
        "Grad-CAM",
        "grad_cam.GradCAM",
        paper=Paper(
            "Selvaraju et al.",
            "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
            2017,
            "ICCV, arXiv 1610.02391",
        ),
        needs=frozenset({"gradients"}),
    ),
    "grad-cam++": MethodEntry(
        "grad-cam++",
        "Grad-CAM++",
        "grad_cam_plus_plus.GradCAMPlusPlus",
        paper=Paper(
            "Chattopadhay et al.",
            "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks",
            2018,
            "WACV, arXiv 1710.11063",
        ),
        needs=frozenset({"gradients"}),
    ),
    "xgrad-cam": MethodEntry(
        "xgrad-cam",
        "XGrad-CAM",
        "xgrad_cam.XGradCAM",
        paper=Paper(
            "Fu et al.",
            "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs",
            2020,
            "BMVC, arXiv 2008.02312",
        ),
        needs=frozenset({"gradients"}),
    ),
    "hires-cam": MethodEntry(
        "hires-cam",
        "HiRes-CAM",
        "hires_cam.HiResCAM",
        paper=Paper(
            "Draelos & Carin",
            "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
            2020,
            "arXiv 2011.08891",
        ),
        needs=frozenset({"gradients"}),
        signed=True,
    ),
    "layer-cam": MethodEntry(
        "layer-cam",
        "Layer-CAM",
        "layer_cam.LayerCAM",
        paper=Paper(
            "Jiang et al.",
            "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization",
            2021,
            "IEEE Transactions on Image Processing 30",
        ),
        needs=frozenset({"gradients"}),
    ),
    "grad-cam-elementwise": MethodEntry(
        "grad-cam-elementwise",
        "Grad-CAM, element-wise",
        "grad_cam_elementwise.GradCAMElementwise",
        paper=Paper(
            "Gildenblat et al.",
            "PyTorch library for CAM methods",
            2021,
            "github.com/jacobgil/pytorch-grad-cam",
        ),
        needs=frozenset({"gradients"}),
    ),
    "shapley-cam": MethodEntry(
        "shapley-cam",
        "Shapley-CAM",
        "shapley_cam.ShapleyCAM",
        paper=Paper("Cai", "CAMs as Shapley Value-based Explainers", 2025, "arXiv 2501.06261"),
        needs=frozenset({"gradients", "second-derivative"}),
    ),
    "eigen-cam": MethodEntry(
        "eigen-cam",
        "Eigen-CAM",
        "eigen_cam.EigenCAM",
        paper=Paper(
            "Muhammad & Yeasin",
            "Eigen-CAM: Class Activation Map using Principal Components",
            2020,
            "IJCNN, arXiv 2008.00299",
        ),
        class_specific=False,
    ),
    "eigen-grad-cam": MethodEntry(
        "eigen-grad-cam",
        "Eigen-Grad-CAM",
        "eigen_grad_cam.EigenGradCAM",
        paper=Paper(
            "Gildenblat et al.",
            "PyTorch library for CAM methods",
            2021,
            "github.com/jacobgil/pytorch-grad-cam",
        ),
        needs=frozenset({"gradients"}),
        signed=True,
    ),
    "seg-eigen-cam": MethodEntry(
        "seg-eigen-cam",
        "Seg-Eigen-CAM",
        "seg_eigen_cam.SegEigenCAM",
        paper=Paper(
            "Chung & Ying",
            "Seg-Eigen-CAM: Eigen-Value-Based Visual Explanations for Semantic Segmentation Models",
            2025,
            "Applied Sciences 15(13)",
        ),
        needs=frozenset({"gradients"}),
    ),
    "kpca-cam": MethodEntry(
        "kpca-cam",
        "KPCA-CAM",
        "kpca_cam.KPCACAM",
        paper=Paper(
            "Karmani et al.",
            "KPCA-CAM: Visual Explainability of Deep Computer Vision Models using Kernel PCA",
            2024,
            "arXiv 2410.00267",
        ),
        class_specific=False,
    ),
    "fem": MethodEntry(
        "fem",
        "FEM",
        "fem.FEM",
        paper=Paper(
            "Fuad et al.",
            "Features Understanding in 3D CNNs for Actions Recognition in Video",
            2020,
            "IPTA",
        ),
        class_specific=False,
    ),
    "mean-activation": MethodEntry(
        "mean-activation",
        "Mean activation",
        "mean_activation.MeanActivation",
        paper=Paper(
            "Zagoruyko & Komodakis",
            "Paying More Attention to Attention: Improving the Performance of Convolutional Neural Networks "
            "via Attention Transfer",
            2017,
            "ICLR, arXiv 1612.03928",
        ),
        class_specific=False,
    ),
    "random": MethodEntry(
        "random",
        "Random weights",
        "random.Random",
        paper=Paper(
            "Gildenblat et al.",
            "PyTorch library for CAM methods",
            2021,
            "github.com/jacobgil/pytorch-grad-cam",
        ),
        class_specific=False,
        signed=True,
    ),
    "cnn-fixations": MethodEntry(
        "cnn-fixations",
        "CNN-fixations",
        "cnn_fixations.CNNFixations",
        paper=Paper(
            "Mopuri, Garg and Babu",
            "CNN Fixations: An Unraveling Approach to Visualize the Discriminative Image Regions",
            2018,
            "IEEE TIP, arXiv 1708.06670",
        ),
        needs=frozenset({"tape"}),
        per_layer=False,
    ),
    "dff": MethodEntry(
        "dff",
        "Deep feature factorization",
        "dff.DeepFeatureFactorization",
        paper=Paper(
            "Collins, Achanta & Süsstrunk",
            "Deep Feature Factorization for Concept Discovery",
            2018,
            "ECCV, arXiv 1806.10206",
        ),
        needs=frozenset({"concept-logits"}),
        class_specific=False,
    ),
    "ablation-cam": MethodEntry(
        "ablation-cam",
        "Ablation-CAM",
        "ablation_cam.AblationCAM",
        paper=Paper(
            "Desai & Ramaswamy",
            "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization",
            2020,
            "WACV",
        ),
        needs=frozenset({"replay"}),
    ),
    "recipro-cam": MethodEntry(
        "recipro-cam",
        "Recipro-CAM",
        "recipro_cam.ReciproCAM",
        paper=Paper(
            "Byun & Lee",
            "ReciproCAM: Lightweight Gradient-free Class Activation Map for Post-hoc Explanations",
            2024,
            "CVPR workshops, arXiv 2209.14074",
        ),
        needs=frozenset({"replay"}),
        signed=True,
    ),
    "layer-integrated": MethodEntry(
        "layer-integrated",
        "Integrated HiRes-CAM",
        "layer_integrated.LayerIntegrated",
        paper=Paper(
            "Sundararajan, Taly & Yan",
            "Axiomatic Attribution for Deep Networks",
            2017,
            "ICML, arXiv 1703.01365",
        ),
        needs=frozenset({"replay"}),
        signed=True,
    ),
    "score-cam": MethodEntry(
        "score-cam",
        "Score-CAM",
        "score_cam.ScoreCAM",
        paper=Paper(
            "Wang et al.",
            "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks",
            2020,
            "CVPR workshops, arXiv 1910.01279",
        ),
        needs=frozenset({"rescore"}),
    ),
    "group-cam": MethodEntry(
        "group-cam",
        "Group-CAM",
        "group_cam.GroupCAM",
        paper=Paper(
            "Zhang et al.",
            "Group-CAM: Group Score-Weighted Visual Explanations for Deep Convolutional Networks",
            2021,
            "arXiv 2103.13859",
        ),
        needs=frozenset({"gradients", "rescore"}),
    ),
    "rise": MethodEntry(
        "rise",
        "RISE",
        "rise.RISE",
        paper=Paper(
            "Petsiuk et al.",
            "RISE: Randomized Input Sampling for Explanation of Black-box Models",
            2018,
            "BMVC, arXiv 1806.07421",
        ),
        needs=frozenset({"rescore"}),
        per_layer=False,
    ),
    "cls-attention": MethodEntry(
        "cls-attention",
        "Attention of the class token",
        "cls_attention.ClsAttention",
        paper=Paper(
            "Caron et al.",
            "Emerging Properties in Self-Supervised Vision Transformers",
            2021,
            "ICCV, arXiv 2104.14294",
        ),
        needs=frozenset({"attention"}),
        class_specific=False,
        per_layer=False,
    ),
    "attention-rollout": MethodEntry(
        "attention-rollout",
        "Attention rollout",
        "attention_rollout.AttentionRollout",
        paper=Paper(
            "Abnar & Zuidema",
            "Quantifying Attention Flow in Transformers",
            2020,
            "ACL, arXiv 2005.00928",
        ),
        needs=frozenset({"attention"}),
        class_specific=False,
        per_layer=False,
    ),
    "attention-gradient": MethodEntry(
        "attention-gradient",
        "Gradient-weighted attention",
        "attention_gradient.AttentionGradient",
        paper=Paper(
            "Chefer, Gur & Wolf",
            "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers",
            2021,
            "ICCV, arXiv 2103.15679",
        ),
        needs=frozenset({"attention-gradients"}),
        per_layer=False,
    ),
    "le-grad": MethodEntry(
        "le-grad",
        "LeGrad",
        "le_grad.LeGrad",
        paper=Paper(
            "Bousselham et al.",
            "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
            2025,
            "ICCV, arXiv 2404.03214",
        ),
        needs=frozenset({"attention-gradients"}),
        per_layer=False,
    ),
    "full-grad": MethodEntry(
        "full-grad",
        "FullGrad",
        "full_grad.FullGrad",
        paper=Paper(
            "Srinivas & Fleuret",
            "Full-Gradient Representation for Neural Network Visualization",
            2019,
            "NeurIPS, arXiv 1905.00780",
        ),
        needs=frozenset({"bias-gradients"}),
        per_layer=False,
    ),
}


def check_fusion(layers: Sequence[str], fuse: str | None, *, one_map: bool = False) -> None:
    """Refuse to fuse the maps of a single layer.

    Args:
        layers: As named.
        fuse: How they are fused; None where they are not.
        one_map: Whether one map of each image is needed.

    Raises:
        OptionError: A fusion of fewer than two layers, or several layers without one where one map is needed.
    """
    several = len(layers) > 1 or tuple(layers) == (EVERY_STAGE,)
    if one_map and several and fuse is None:
        raise OptionError(
            "one map of each image is measured: name one layer, or say how several are fused"
        )
    if fuse is not None and not several:
        raise OptionError(
            f"fuse '{fuse}' joins the maps of several layers; name at least two, or {EVERY_STAGE}"
        )
