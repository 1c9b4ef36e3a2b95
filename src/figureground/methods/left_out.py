"""Methods that people ask for by name and that are not here: why, and what to do in their place."""

__all__ = ["LEFT_OUT"]

_MORE = "use layer-cam of an earlier layer, or of several layers with fuse, for a finer map"
_NOISE = "smooth averages over six views of each image"
_RULES = "it rewrites the backward pass of every kind of module, which no plain network offers"
_BEYOND = f"{_RULES}; hires-cam of a middle layer is computed with the network's own gradients"

LEFT_OUT: dict[str, str] = {
    "ss-cam": (
        f"it costs 35 times what Score-CAM does, and no evidence says that it is better; {_NOISE}"
    ),
    "is-cam": (
        f"it costs ten times what Score-CAM does, and no evidence says that it is better; {_NOISE}"
    ),
    "smooth-grad-cam++": (
        "it averages over noisy copies of the image; grad-cam++ with smooth averages over six views of it"
    ),
    "integrated-grad-cam": (
        "on a pooled linear head the gradient is the same along the path, so that nothing is gained; use hires-cam"
    ),
    "poly-cam": f"it costs thousands of forward passes an image; {_MORE}",
    "opti-cam": (
        "it trains a mask for each image in 100 steps, and the mask is what maximises one measure; use layer-cam"
    ),
    "fd-cam": "it runs the network twice for each channel; use grad-cam or xgrad-cam",
    "zoom-cam": "it is --methods hires-cam --layer every-stage --fuse max: ask for that",
    "refine-cam": (
        "it is a name for options, the product of the maps of several layers; use --methods layer-cam --layer "
        "every-stage --fuse product, in Python Explainer(model, layer='every-stage', fuse='product')"
    ),
    "eigen-smooth": "it is an option of methods that add channels up, Explainer(model, smooth='principal') in Python",
    "multi-scale": (
        "a larger image gives a finer map by itself: use layer-cam with --size, or of several layers with fuse"
    ),
    "maskclip": (
        "it reads the values of the last attention, which each kind of CLIP keeps elsewhere; use le-grad or "
        "attention-gradient with the texts as classes"
    ),
    "clip-surgery": (
        "it replaces attention inside of CLIP, which each library writes otherwise; use le-grad or attention-gradient "
        "with the texts as classes"
    ),
    "cameras": f"it costs 61 forward and as many backward passes an image; {_MORE}",
    "sess": f"it runs the network on hundreds of crops of each image; {_MORE}",
    "relevance-cam": _BEYOND,
    "lrp": _BEYOND,
    "transformer-attribution": _BEYOND,
    "tam": "it costs 20 forward and backward passes an image for transformers only; use hires-cam of a late block",
    "beyond-intuition": (
        "it costs 20 forward and backward passes an image for transformers only; use hires-cam of a late block"
    ),
    "vit-cx": "it runs the network on a mask for each cluster of tokens; use hires-cam of a late block",
    "lift-cam": (
        "on a pooled linear head its Shapley values are the channels' own contributions, so that it is cam; elsewhere "
        "use hires-cam"
    ),
    "guided-backprop": (
        "it hardly changes when the trained weights are replaced by random ones (Adebayo et al. 2018), and is blind to "
        "the class; use layer-cam of several layers with fuse for a fine map"
    ),
    "guided-grad-cam": (
        "what is fine in it is guided backpropagation, which hardly changes when the trained weights are replaced by "
        "random ones (Adebayo et al. 2018); use layer-cam of several layers with fuse for a fine map"
    ),
}
"""Name -> why it is left out; and what to use instead."""
