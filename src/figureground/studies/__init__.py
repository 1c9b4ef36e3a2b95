"""Questions that we ask, one file each; every answer is a record that is saved."""

__all__ = ["Drawing", "ExplainOptions", "ExplainRecord", "Truth", "explain_photos"]

from figureground.studies.explain import explain_photos
from figureground.studies.options import Drawing, ExplainOptions, ExplainRecord, Truth
