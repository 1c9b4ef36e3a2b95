"""The interface of torch-cam over the ``Explainer``: ``from figureground.compat.torchcam.methods import GradCAM``.

Constructors and calls are theirs (0.5), the maps are ours.
"""
