"""Train the arms of the background-class comparison on CIFAR-10-JPEG75; `figureground compare` then judges them.

Backgrounds: a pool of textures, their crops and plain colours, screened against the classes' images::

    figureground background build --from set:dtd10 --monochrome --grid-crops --crop 96 \\
        --screen-against set:cifar10-jpeg --out runs/pool
    python experiments/background_class_cifar10.py --pool runs/pool --out runs/background-class

Expected, before any run (as the algorithm's card says): accuracy within 0.3 points of plain training once trained
to the end; a clear gain for unknown images far from the classes, little near them; noise corruptions may do
worse. Short training on few images may gain some accuracy, part of it because more is computed: hence the arm
"plain, longer", whose network sees as many images as that of "background, all" does."""

__all__ = ["main"]

import argparse
from pathlib import Path

from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path


def main() -> None:
    """Train what is not trained yet; a run's folder with a record is a finished one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", required=True, help="folder of background build")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--limit", type=int, default=5000, help="training images; 0 for all")
    parser.add_argument("--network", default="figureground:cifar-resnet8")
    parser.add_argument(
        "--share", type=float, default=0.42, help="backgrounds to an image, the larger arm"
    )
    given = parser.parse_args()
    for seed in range(given.seeds):
        for arm, changes in _arms(given.pool, given.epochs, given.share).items():
            folder = given.out / f"{arm}-{seed}"
            if (folder / "record.json").exists():
                continue
            base = [f"seed={seed}", f"epochs={given.epochs}", f"model.name={given.network}"]
            base += [f"data.limit={given.limit}"] if given.limit else []
            recipe = read_recipe(recipe_path("background-class-cifar10"), [*base, *changes])
            record = train(recipe, folder, resume=(folder / "recipe.yaml").exists())
            print(
                f"{folder.name}: validation {record.last['accuracy']:.4f}, {record.seconds:.0f} s",
                flush=True,
            )


def _arms(pool: str, epochs: int, share: float) -> dict[str, list[str]]:
    """Arm -> what it changes in the recipe."""

    def backgrounds(options: str) -> list[str]:
        return [f"algorithms=[{{background-class: {{pools: ['{pool}/train'], {options}}}}}]"]

    return {
        "plain": ["algorithms=[]"],
        "plain-longer": ["algorithms=[]", f"epochs={round(epochs * (1 + share))}"],
        "rotation": ["algorithms=[{rotation: {}}]"],
        "background-few": backgrounds("ratio: 0.06"),
        "background-all": backgrounds(f"ratio: {share}"),
        "outlier-exposure": backgrounds(f"ratio: {share}, objective: uniform"),
    }


if __name__ == "__main__":
    main()
