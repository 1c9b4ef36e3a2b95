"""Boxes, masks and labels of images, read from the usual formats and checked."""

__all__ = [
    "ANNOTATION_FORMATS",
    "AnnotatedImage",
    "AnnotatedImages",
    "AnnotationFormat",
    "MaskFiles",
    "Problem",
    "annotations_of",
    "read_annotations",
]

from figureground.data.annotations.entries import (
    AnnotatedImage,
    AnnotatedImages,
    MaskFiles,
    Problem,
)
from figureground.data.annotations.reading import (
    ANNOTATION_FORMATS,
    AnnotationFormat,
    annotations_of,
    read_annotations,
)
