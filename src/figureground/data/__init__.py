"""Pictures in: finding and decoding photos, digits in clutter, packs, annotations."""

__all__ = [
    "ANNOTATION_FORMATS",
    "IMAGE_EXTENSIONS",
    "AnnotatedImage",
    "AnnotatedImages",
    "AnnotationFormat",
    "Clutter",
    "ClutterSpec",
    "DigitSplit",
    "Mnist",
    "PhotoPack",
    "Problem",
    "clutter_only",
    "decode_image",
    "decode_mask",
    "find_images",
    "image_size",
    "load_mnist",
    "make_clutter",
    "read_annotations",
    "shared_folder",
    "sklearn_digits",
    "split_digits",
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
from figureground.data.digits import DigitSplit, sklearn_digits, split_digits
from figureground.data.finding import IMAGE_EXTENSIONS, find_images
from figureground.data.packs import Mnist, PhotoPack, load_mnist, shared_folder
from figureground.data.photos import decode_image, decode_mask, image_size
