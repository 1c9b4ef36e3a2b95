"""The interface of torch-cam over the ``Explainer``: ``from figureground.compat.torchcam.methods import GradCAM``.

Constructors and calls are theirs (0.5), the maps are ours.
"""

__all__ = ["methods"]

import sys

from figureground.compat.torchcam import methods

# their files, from which scripts import the extractors as well; in ours all stand together
for _file in ("activation", "gradient"):
    setattr(methods, _file, methods)
    sys.modules[f"{methods.__name__}.{_file}"] = methods
