"""Something to explore without a model or photos of one's own: digits in clutter and a small network."""

__all__ = ["embedded_digits"]

from pathlib import Path

from figureground.base.progress import Progress, no_progress
from figureground.base.record import write_atomically
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.maps.image_files import png_bytes
from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path

_SHOWN = 24
_CHANGES = (
    # half the side costs a quarter and is learned sooner: 3 short epochs in place of minutes
    "model.preprocessing.size=[24,24]",
    *("epochs=3", "data.count=4000", "batch_size=32", "optimiser.lr=0.01", "precision=32-true"),
)


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
    for number in range(_SHOWN):
        digit = unseen.class_names[int(unseen.labels[number])]
        pixels = unseen.pixels[number].expand(3, -1, -1).movedim(0, -1).numpy()
        write_atomically(photos / f"{number:02d}-{digit}.png", png_bytes(pixels))
    return run, photos
