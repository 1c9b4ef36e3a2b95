"""Does CAM-guided random erasing help a trained network, and does it push one towards the background?

    python experiments/cam_erasing_trained.py --out runs/cam-erasing-trained --save

Expected, before any run with these seeds: see journal/2026-11-29-cam-erasing-trained.md.
"""

__all__ = ["main"]

from arms import World, main
from background_reliance import truth

from figureground.training.trained import load_trained


def as_shipped(**options: str | float) -> list[str]:
    """With maps from half of the run on, where nothing else is said."""
    return [
        f"algorithms=[{{cam-erasing: {{{', '.join(f'{a}: {b}' for a, b in options.items())}}}}}]"
    ]


def erasing(**options: str | float) -> list[str]:
    """From the first step, with maps of every second epoch."""
    return as_shipped(start=0, refresh_every=2, **options)


ARMS = {
    "plain": ["algorithms=[]"],
    "random erasing": erasing(region="uniform"),
    "CAM erasing": erasing(region="object"),
    "CAM erasing, mean map": erasing(region="object", control="mean"),
    "away from the object": erasing(region="away"),
}
THREE = {name: ARMS[name] for name in ("plain", "random erasing", "CAM erasing")}
FINE = (
    "data.root=ROOT",
    "precision=32-true",
    "optimiser.lr=0.01",
    "schedule={kind: cosine}",
    "batch_size=64",
)


def network(depth: int) -> tuple[str, ...]:
    weights = f"weights: WEIGHTS/resnet{depth}_cifar10.safetensors"
    return (f"model={{name: 'figureground:cifar-resnet{depth}', {weights}}}",)


def planted(name: str, rho: float) -> World:
    """A world whose backgrounds tell the class by a known amount, learnt from random weights."""
    changes = (f"data.name=planted-{name}", f"data.rho={rho}", "data.root=ROOT")
    return World(
        "background-swap",
        {name: ARMS[name] for name in ARMS if "mean" not in name},
        changes,
        tiny=("data.count=300", "epochs=1"),
        judge=lambda folder, seed, given: truth(
            load_trained(folder, "last"), name, seed=seed, root=given.root, rho=rho
        ),
    )


ASKED = {"limit": 10000, "ood": ("tiny-imagenet", "textures"), "maps": 200}
WORLDS = {
    "pictures-rho.3": planted("pictures", 0.3),
    "tints-rho.3": planted("tints", 0.3),
    "resnet20": World(
        "cam-erasing-cifar10",
        ARMS,
        (*FINE, *network(20), "data.limit=4000", "epochs=5"),
        ASKED,
    ),
    "resnet56": World(
        "cam-erasing-cifar10",
        THREE,
        (*FINE, *network(56), "data.limit=2500", "data.val_fraction=0.02", "epochs=5"),
        ASKED,
    ),
    "from-random-weights": World(
        "cam-erasing-cifar10",
        {
            "plain": ["algorithms=[]"],
            "random erasing": as_shipped(region="uniform"),
            "CAM erasing": as_shipped(region="object"),
            "CAM erasing, mean map": as_shipped(region="object", control="mean"),
            "CAM erasing, another's map": as_shipped(region="object", control="shuffled"),
            "away from the object": as_shipped(region="away"),
        },
        ("data.root=ROOT", "data.limit=4000", "epochs=12", "precision=32-true"),
        ASKED,
    ),
}

if __name__ == "__main__":
    main("cam-erasing-trained", __doc__, WORLDS, seeds="10,11,12,13,14")
