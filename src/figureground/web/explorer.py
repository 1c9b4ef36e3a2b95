"""What an explorer shows: models, photos and a folder of results, all of them named on the command line."""

__all__ = ["Explorer", "Shown"]

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from figureground.base.errors import OptionError
from figureground.base.printable import printable
from figureground.data import decode_image
from figureground.web.served import ServedModel


@dataclass(frozen=True, eq=False)
class Shown:
    """The photo that a visitor looks at.

    Args:
        image: RGB, upright.
        place: Its file, as a command line would name it; of an upload the name it had.
    """

    image: Image.Image
    place: str


@dataclass(frozen=True)
class Explorer:
    """What a page can ask about. A page names a photo by its number, and nothing else.

    Args:
        models: One or two; none where there are results alone.
        photos: Files to pick from.
        results: A folder that a command of ours has left.
    """

    models: tuple[ServedModel, ...]
    photos: tuple[Path, ...] = ()
    results: Path | None = None

    @property
    def names(self) -> list[str]:
        """The photos, named below the folder that holds all of them."""
        if not self.photos:
            return []
        root = os.path.commonpath([path.parent.absolute() for path in self.photos])
        return [printable(os.path.relpath(path.absolute(), root)) for path in self.photos]

    @property
    def model_names(self) -> tuple[str, ...]:
        """What the models are called; those of one name by what names them on the command line, else by their order."""
        names = tuple(one.classifier.name for one in self.models)
        for more in (("".join(one.words[1:2]) for one in self.models), ("first", "second")):
            if len({*names}) < len(names):
                names = tuple(f"{one} ({word})" for one, word in zip(names, more, strict=False))
        return names

    def photo(self, number: int | None) -> Shown:
        """A photo of the folder.

        Args:
            number: Its position.

        Returns:
            The photo.

        Raises:
            OptionError: There is none of that number.
            ImageError: It cannot be decoded.
        """
        if number is None or not 0 <= number < len(self.photos):
            raise OptionError("no such photo")
        path = self.photos[number]
        image = decode_image(path, self.models[0].classifier.preprocessing.value_range)
        return Shown(image, str(path))

    def uploaded(self, content: bytes, name: str) -> Shown:
        """A photo that a visitor brought.

        Args:
            content: Of its file.
            name: It had.

        Returns:
            The photo.

        Raises:
            ImageError: It is no image that can be read.
        """
        image = decode_image(content, self.models[0].classifier.preprocessing.value_range)
        return Shown(image, printable(Path(name).name) or "photo")
