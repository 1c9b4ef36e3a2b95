"""Data sets by name, each as labelled images."""

__all__ = ["DATASETS", "DatasetEntry", "LoadOptions", "image_folder", "load_dataset"]

from figureground.data.loaders.datasets import DATASETS, DatasetEntry, load_dataset
from figureground.data.loaders.image_folder import image_folder
from figureground.data.loaders.load_options import LoadOptions
