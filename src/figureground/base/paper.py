"""Where an idea comes from."""

__all__ = ["Paper"]

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A reference: who, what, when and where to read it.

    Args:
        authors: Family names as printed ("Selvaraju et al.").
        title: Full title.
        year: Year of the version that is cited.
        where: Venue, arXiv id or repository.
    """

    authors: str
    title: str
    year: int
    where: str

    def __str__(self) -> str:
        return f"{self.authors} ({self.year}). {self.title}. {self.where}."
