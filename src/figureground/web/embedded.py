"""Something to explore without a model or photos of one's own: digits in clutter and a small network."""

__all__ = ["embedded_digits"]

from pathlib import Path

from PIL import Image

from figureground.base.progress import Progress, no_progress
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path

_SHOWN, _IMAGES = 24, 8000
_CHANGES = ("epochs=2", f"data.count={_IMAGES}", "precision=32-true")


def embedded_digits(folder: Path, *, progress: Progress = no_progress) -> tuple[Path, Path]:
    """A network trained on the digits that come with the package, and digits that it has not seen.

    Args:
        folder: Where both go; a network that is there already is taken as it is.
        progress: Called while it is trained.

    Returns:
        The folders of the training run and of the photos.
    """
    run, photos = folder / "digits", folder / "photos"
    if not (run / "record.json").is_file():
        recipe = read_recipe(recipe_path("cluttered-digits-lenet"), list(_CHANGES))
        train(recipe, run, resume=(run / "recipe.yaml").is_file(), progress=progress)
    unseen = load_dataset("cluttered-digits", part="test", options=LoadOptions(count=_SHOWN))
    photos.mkdir(parents=True, exist_ok=True)
    for number in range(_SHOWN):
        digit = unseen.class_names[int(unseen.labels[number])]
        pixels = unseen.pixels[number, 0].numpy()
        Image.fromarray(pixels).save(photos / f"{number:02d}-{digit}.png")
    return run, photos
