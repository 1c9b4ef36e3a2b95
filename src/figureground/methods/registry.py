"""Every method by name, described without loading it: reading this needs no torch."""

__all__ = ["METHODS"]

from figureground.base.paper import Paper
from figureground.methods.entry import MethodEntry

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
}
