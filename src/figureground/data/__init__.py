"""Images in: finding and decoding images, digits in clutter, packs, annotations, data sets by name."""

__all__ = [
    "ANNOTATION_FORMATS",
    "DATASETS",
    "IMAGE_EXTENSIONS",
    "AnnotatedImage",
    "AnnotatedImages",
    "AnnotationFormat",
    "Clutter",
    "ClutterSpec",
    "DigitSplit",
    "ImagePack",
    "LabeledImages",
    "LazyImages",
    "LoadOptions",
    "Mnist",
    "Problem",
    "clutter_only",
    "decode_image",
    "decode_mask",
    "few_shot",
    "find_images",
    "first_fraction",
    "image_folder",
    "image_size",
    "in_memory",
    "load_dataset",
    "load_mnist",
    "make_background_labels",
    "make_clutter",
    "notices_of",
    "random_subset",
    "read_annotations",
    "shared_folder",
    "sklearn_digits",
    "split",
    "split_by_group",
    "split_digits",
    "split_groups",
    "with_rare",
    "without_classes",
]

from figureground.data.annotations import (
    ANNOTATION_FORMATS,
    AnnotatedImage,
    AnnotatedImages,
    AnnotationFormat,
    Problem,
    read_annotations,
)
from figureground.data.clutter import Clutter, ClutterSpec, clutter_only, make_clutter
from figureground.data.decoding import IMAGE_EXTENSIONS, decode_image, decode_mask, image_size
from figureground.data.digits import DigitSplit, sklearn_digits, split_digits
from figureground.data.finding import find_images
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders import DATASETS, LoadOptions, image_folder, load_dataset
from figureground.data.notices import notices_of
from figureground.data.omitting import without_classes
from figureground.data.one_size import in_memory
from figureground.data.packs import ImagePack, Mnist, load_mnist, shared_folder
from figureground.data.rare import make_background_labels, with_rare
from figureground.data.splits import (
    few_shot,
    first_fraction,
    random_subset,
    split,
    split_by_group,
    split_groups,
)
