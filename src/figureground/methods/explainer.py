"""The explainer: any classifier, any methods, any classes, one shared forward pass per call."""

__all__ = ["Explainer"]

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from figureground.base.checking import checked
from figureground.base.errors import LayerError, OptionError, ShapeError, unknown_option
from figureground.base.outputs import ClassNames
from figureground.base.shapes import Images
from figureground.capture import (
    Captured,
    Finding,
    LayerChoice,
    Precision,
    check_layers,
    choose_layer,
    named_layer,
    plain_model,
    present_precision,
    run_once,
)
from figureground.capture.above_blocks import above_blocks
from figureground.capture.attention import Attention, AttentionFinding, find_attention
from figureground.capture.attention_tape import AttentionTape
from figureground.capture.biases import Biases, BiasTape
from figureground.capture.probes import WHOLE, Frame
from figureground.capture.stem import find_frame
from figureground.capture.tape import Tape
from figureground.capture.taps import stage_layers
from figureground.maps import cut_out, fuse_maps
from figureground.methods.explanation import Explanation
from figureground.methods.method import CamMethod, find_methods, first_components
from figureground.methods.photos import are_photos, photos_for
from figureground.methods.plan import Computed, Recorded, compute_maps, find_problems
from figureground.methods.registry import EVERY_STAGE, Need
from figureground.methods.smoothing import SMOOTHING_VIEWS, smoothed, smoothing_views
from figureground.methods.sweeps import Sweeps
from figureground.methods.targets import ClassSpec, resolve_targets

LayerSpec = str | nn.Module
MethodSpec = str | CamMethod | Sequence[str | CamMethod] | Mapping[str, CamMethod]


class Explainer:
    """Class activation maps of any image classifier.

    The network runs once per call, whatever the number of methods, classes and layers, except for methods that ask it
    about changed maps or images: these run it, or its part above the layer, once for each (``forwards`` tells how
    often), whatever the number of classes. Where no layer is given, the first call runs it on the first image alone
    before that, to choose one. Each layer is checked once for each network, in one pass on seven copies of the first
    image (``check_layers``): whether its batch is the images', whether it depends on them, and whether its cells answer
    to the parts of the image that they are drawn over. ``dff`` runs it once more, and its part above the layer on a map
    for each concept, unless it ends in a pooled linear head. Methods of attention look once for each size of image how
    the network uses attention, in one pass on the first image. ``smooth`` runs six views of each image in the one pass.
    A network that switches gradients off inside runs again with them on where a method needs them. Maps cover the
    images also where a network pads or crops them itself.

    Nothing is left on the network: no hook, no ``.grad``, no changed mode. It may be called within ``no_grad`` or
    ``inference_mode``, in a training loop, and from several threads.

    Args:
        model: The classifier; wrapped (``DataParallel``, DDP, ``torch.compile``) or not. ``(N, C, H,
            W)`` in, logits out.
        layer: Name or module of the layer, or several; found by looking at the network where omitted. Of a layer that
            runs several times ``backbone@1`` is the first run, ``backbone`` the last. ``every-stage`` stands for the
            last feature map of each resolution.
        precision: ``bf16`` or ``fp16`` run the network under autocast; None leaves the caller's setting.
        output: How to find the logits ``(N, L)`` in what the model returns, where ``find_logits`` cannot tell:
            ``output=lambda returned: returned["head"]``.
        fuse: ``mean``, ``max``, ``product`` or ``tanh-max`` makes one map of several layers'; None keeps them apart.
        smooth: Average over six views of each image (flipped or not, contrast 0.9, 1, 1.1), run as one batch. Or
            ``principal``: the first principal component of a method's weighted channels instead of their sum
            (pytorch-grad-cam's ``eigen_smooth``), with the sign of the sum; for methods that add channels up.
        class_names: One per logit, so that classes can be asked for by name and results show names; for one logit
            two, or that of class 1. Those of the model where omitted, as a ``Classifier`` has them.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> net = nn.Sequential(
        ...     nn.Conv2d(3, 4, 3),
        ...     nn.ReLU(),
        ...     nn.AdaptiveAvgPool2d(1),
        ...     nn.Flatten(),
        ...     nn.Linear(4, 10),
        ... )
        >>> explainer = Explainer(net, class_names=[f"digit {k}" for k in range(10)])
        >>> images = torch.rand(2, 3, 8, 6)
        >>> result = explainer(images, classes=["digit 3", 7], methods=["grad-cam", "eigen-cam"])
        >>> explainer.layer.name, result.label(0, 1)
        ('1', 'digit 7')
        >>> tuple(result.maps["grad-cam"].shape), tuple(result.maps["eigen-cam"].shape)
        ((2, 2, 6, 4), (2, 1, 6, 4))
    """

    @checked
    def __init__(
        self,
        model: nn.Module,
        *,
        layer: LayerSpec | Sequence[LayerSpec] | None = None,
        precision: Precision | None = None,
        output: Callable[[Any], Tensor] | None = None,
        fuse: str | None = None,
        smooth: bool | str = False,
        class_names: Sequence[str] | None = None,
    ) -> None:
        self.model = plain_model(model)
        self.precision = precision
        self.output = output
        self.fuse = fuse
        if not isinstance(smooth, bool) and smooth != "principal":
            raise unknown_option("smoothing", smooth, ("principal", "True", "False"))
        self.smooth = smooth is True
        self.principal = smooth == "principal"
        self.class_names = None if class_names is None else tuple(class_names)
        self._choices: tuple[LayerChoice, ...] = ()
        self._findings: dict[str, Finding] = {}
        self._frames: dict[tuple[int, int], Frame] = {}
        self._attention: dict[tuple[int, int], AttentionFinding] = {}
        asked = [layer] if isinstance(layer, str | nn.Module) else list(layer or ())
        self._every_stage = asked == [EVERY_STAGE]
        if layer is not None and not self._every_stage:
            self._choices = tuple(named_layer(self.model, one) for one in asked)
        if precision not in {None, "fp32", "bf16", "fp16"}:
            raise OptionError(f"no precision '{precision}'; known: fp32, bf16, fp16")

    def __enter__(self) -> "Explainer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to undo, as every call leaves the model as found."""

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers that are explained, and why; empty before the first call where the choice is left to us."""
        return self._choices

    @property
    def layer(self) -> LayerChoice:
        """The layer that is explained, and why (the first of several).

        Raises:
            OptionError: It is to be found by looking at the network, and no image has been seen yet.
        """
        if not self._choices:
            raise OptionError(
                "the layer is chosen at the first call; call 'explainer.look(images)' to know it before"
            )
        return self._choices[0]

    def look(self, images: Images) -> LayerChoice:
        """Choose the layer, unless it was given or chosen before, and check what it sees, on one image.

        Later calls go by what was found here, whatever their images are.

        Args:
            images: ``(N, C, H, W)``; the first one is used.

        Returns:
            The layer and why.

        Raises:
            LayerError: No layer has more than one position, or none passes the check.
        """
        if self._every_stage and not self._choices:
            stages = stage_layers(self.model, images, self.output)
            self._choices = tuple(LayerChoice(name, "end of a stage") for name in stages)
        if not self._choices:
            choice = choose_layer(self.model, images, self.output, precision=self.precision)
            self._choices = (choice,)
        with torch.no_grad():
            self._checked(images[:1], {})
        return self._choices[0]

    def forwards(self, methods: MethodSpec, classes: int = 1) -> int:
        """Expected runs of the whole network for one image, beyond the one that all methods share.

        Methods that score changed images need them (``score-cam``, ``rise``). What several methods share is counted
        once. Replays of the part above a layer, which cost less, are not counted.

        Args:
            methods: As for a call.
            classes: How many; they matter where each has masks of its own (``group-cam``).

        Returns:
            How many.
        """
        views, total = SMOOTHING_VIEWS if self.smooth else 1, 0
        asked = [one for one in find_methods(methods).values() if "rescore" in one.needs]
        for method in {one.sweep: one for one in asked}.values():
            times = classes if method.sweeps_each_class else 1
            for choice in self._choices if method.per_layer else self._choices[:1]:
                grid = choice.grid
                if grid is not None:
                    total += times * method.forwards(grid.channels, *grid.size)
        return total * views

    def __call__(
        self,
        images: Tensor | Image.Image | Sequence[Image.Image],
        classes: ClassSpec = None,
        methods: MethodSpec = "grad-cam",
    ) -> Explanation:
        """Raw maps of every method for every class.

        Args:
            images: ``(N, C, H, W)``, what the model takes; or photos as Pillow opens them, for a ``Classifier``.
            classes: None (predicted class), ``"top3"``, a number or name, a list of them for all
                images, a tensor ``(N,)`` or ``(N, K)`` per image, one or several functions from
                logits ``(N, L)`` to scalars ``(N,)``, or classes told from those they resemble (``finer``).
            methods: Names or configured instances, one or several; or a name of one's choice -> instance, where one
                method occurs with several options.

        Returns:
            Maps, logits, classes, layers and what is wrong with any of the maps.

        Raises:
            OptionError: Photos are given, and the model does not say how it wants its images.
            ShapeError: The images are not ``(N, C, H, W)`` of floats, or there are none.
            LayerError: A layer's batch is not the images', it does not depend on them, or its cells lie elsewhere than
                they would be drawn; or a method needs a gradient that does not reach the layer.
            HeadError: A method needs a head that this model does not have.
        """
        chosen = find_methods(methods)
        without = [name for name, method in chosen.items() if not method.adds_channels]
        if self.principal and without:
            raise OptionError(
                f"{', '.join(without)}: no sum of weighted channels, of which smooth='principal' could show the first "
                "component; leave it out, or take such a sum (grad-cam, layer-cam)"
            )
        if are_photos(images):
            tensors, photos = photos_for(self.model, images)
            return replace(self(tensors, classes, chosen), photos=photos)
        tensor = _check(images)
        # no_grad within, since leaving inference mode switches gradients on
        with torch.inference_mode(mode=False), torch.no_grad():
            given = tensor.clone() if tensor.is_inference() else tensor
            self.look(given)
            return self._explain(given, classes, chosen)

    def _explain(
        self, images: Images, classes: ClassSpec, chosen: dict[str, CamMethod]
    ) -> Explanation:
        """Run, compute, collect."""
        found = self._checked(images, chosen)
        views = smoothing_views(images) if self.smooth else images
        run, recorded = self._run(views, chosen)
        logits = run.logits.detach()[: len(images)]
        to_index, to_name = self._naming(logits.shape[1])
        targets = resolve_targets(classes, logits, to_index)
        asked = targets.repeated(SMOOTHING_VIEWS if self.smooth else 1)
        precision = present_precision(images, self.precision)
        sweeps = Sweeps.of(self.model, views, run, precision=precision, output=self.output)
        whole = first_components() if self.principal else nullcontext()
        with torch.autocast(images.device.type, enabled=False), whole:  # maps are float32
            computed = compute_maps(
                run, chosen, asked, images=views, recorded=recorded, sweeps=sweeps
            )
        computed = _within(computed, self._frame(images, run), chosen)
        if self.smooth:
            computed = _averaged(computed, len(images))
        return Explanation(
            images=images,
            logits=logits,
            classes=targets.classes,
            scores=targets.score(logits),
            maps=self._arranged(computed),
            methods=chosen,
            layers=tuple(replace(choice, grid=run.grids[choice.name]) for choice in self._choices),
            details=computed.details,
            problems=find_problems(computed, run, chosen, findings=found),
            class_name=to_name,
        )

    def _checked(self, images: Images, methods: dict[str, CamMethod]) -> dict[str, Finding]:
        """What the layers see; the run reads them as the check found right."""
        found = self._findings
        new = [choice for choice in self._choices if choice.name not in found]
        if new:
            found |= check_layers(
                self.model, images, new, output=self.output, precision=self.precision
            )
        blind = not any(method.per_layer for method in methods.values())
        gradients = any("gradients" in method.needs for method in methods.values())
        for finding in [] if blind else found.values():
            fault = finding.fault(len(images)) or (finding.gradient_fault if gradients else "")
            if fault:
                raise LayerError(fault)
        self._choices = tuple(_known(choice, found[choice.name]) for choice in self._choices)
        return found

    def _frame(self, images: Images, run: Captured) -> Frame:
        """Where the images lie in what the network looks at, where it pads or crops them itself."""
        if run.stem is None or run.stem.fits(images):
            return WHOLE
        size = (int(images.shape[-2]), int(images.shape[-1]))
        if size not in self._frames:
            self._frames[size] = find_frame(self.model, images)
        return self._frames[size]

    def _naming(
        self, num_logits: int
    ) -> tuple[Callable[[str], int] | None, Callable[[int], str] | None]:
        """From names to class numbers and back; None where names are not known."""
        if self.class_names is not None:
            known = ClassNames.of(num_logits, self.class_names, type(self.model).__name__)
            return known.index, known.name
        # not the model's own methods: a result that is stored must not carry the network
        own, name = getattr(self.model, "classes", None), getattr(self.model, "class_name", None)
        if isinstance(own, ClassNames):
            return own.index, own.name
        names = None if name is None else [str(name(index)) for index in range(num_logits)]
        return getattr(self.model, "class_index", None), (
            None if names is None else ClassNames.of(num_logits, names).name
        )

    def _run(self, images: Images, methods: dict[str, CamMethod]) -> tuple[Captured, Recorded]:
        """One pass, with what the methods need of it."""
        needs: set[Need] = set().union(*(method.needs for method in methods.values()))
        tape = Tape() if "tape" in needs else None
        biases = BiasTape() if "bias-gradients" in needs else None
        attending, finding = self._attention_tape(images, needs)
        # fused attention has no second derivative
        plain = sdpa_kernel(SDPBackend.MATH) if "second-derivative" in needs else nullcontext()
        with plain, tape if tape is not None else nullcontext():
            run = run_once(
                self.model,
                images,
                self._choices,
                gradient="gradients" in needs,
                precision=self.precision,
                output=self.output,
                recorders=[one for one in (attending, biases) if one is not None],
            )
        attention = None
        if attending is not None and finding is not None:
            above = partial(
                self._above_blocks, images, attending, tokens_first=finding.tokens_first
            )
            attention = Attention.of(attending, finding, run.logits, above=above)
        return run, Recorded(
            tape, attention, None if biases is None else Biases(biases, run.logits)
        )

    def _above_blocks(
        self, images: Images, attending: AttentionTape, tokens: Tensor, *, tokens_first: bool
    ) -> Tensor:
        """Logits of tokens in the place of what the last block gave."""
        return above_blocks(
            self.model,
            images,
            attending.outputs,
            tokens=tokens,
            tokens_first=tokens_first,
            output=self.output,
        )

    def _attention_tape(
        self, images: Images, needs: set[Need]
    ) -> tuple[AttentionTape | None, AttentionFinding | None]:
        """What records the attention, where a method needs it, and how the network uses attention at this size."""
        gradient = "attention-gradients" in needs
        if not gradient and "attention" not in needs:
            return None, None
        size = (int(images.shape[-2]), int(images.shape[-1]))
        if size not in self._attention:
            self._attention[size] = find_attention(self.model, images, output=self.output)
        finding = self._attention[size]
        return AttentionTape(gradient=gradient, blocks=finding.blocks if gradient else ()), finding

    def _arranged(self, computed: Computed) -> dict[str, Tensor | dict[str, Tensor]]:
        """A tensor per method for one layer or fused layers, else a dict layer -> tensor."""
        arranged: dict[str, Tensor | dict[str, Tensor]] = {}
        for name, per_layer in computed.maps.items():
            stacks = list(per_layer.values())
            if len(stacks) == 1:
                arranged[name] = stacks[0]
            elif self.fuse is not None:
                arranged[name] = fuse_maps(stacks, how=self.fuse)
            else:
                arranged[name] = per_layer
        return arranged


def _check(images: object) -> Tensor:
    """The images; refuses what cannot be a batch of them."""
    if not isinstance(images, Tensor):
        kind = type(images).__name__
        raise ShapeError(f"images are a tensor (N, C, H, W) or photos of Pillow, not {kind}")
    if images.ndim != 4 or not images.is_floating_point() or len(images) == 0:
        shape = f"{tuple(images.shape)} {images.dtype}"
        raise ShapeError(f"images are (N, C, H, W) of floats with N ≥ 1; these are {shape}")
    return images


def _known(choice: LayerChoice, finding: Finding) -> LayerChoice:
    """A choice with the grid under which its cells lie where they are drawn; or with the doubt that they do."""
    reason = choice.reason
    if finding.note and finding.note not in reason:
        reason = f"{reason}; {finding.note}"
    return replace(choice, reason=reason, grid=choice.grid or finding.grid)


def _within(computed: Computed, frame: Frame, methods: dict[str, CamMethod]) -> Computed:
    """Maps that cover the images alone, where the network looks at more or less than them."""
    if frame == WHOLE:
        return computed
    maps = {
        name: {
            # a tape is walked back to the images themselves
            layer: stack if "tape" in methods[name].needs else cut_out(stack, frame)
            for layer, stack in per_layer.items()
        }
        for name, per_layer in computed.maps.items()
    }
    return Computed(maps, computed.details, computed.zero_gradients)


def _averaged(computed: Computed, count: int) -> Computed:
    """Maps of the views of each image brought back and averaged."""
    maps = {
        name: {layer: smoothed(stack, count) for layer, stack in per_layer.items()}
        for name, per_layer in computed.maps.items()
    }
    zeros = {
        layer: flags.reshape(-1, count, flags.shape[1]).all(0)
        for layer, flags in computed.zero_gradients.items()
    }
    return Computed(maps, computed.details, zeros)
