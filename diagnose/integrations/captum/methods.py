"""Attribution methods: which pixels speak for a class, by Captum.

explain = METHODS["gradcam"](model, "features.28")       # prepares the model once
explain(images, targets)                                 # relevance, shape (n, height, width), signed

images: shape (n, channels, height, width); targets: shape (n,), a class number each; the layer is the one that GradCAM
looks at, by its name. Relevance is summed over the channels; what speaks against the class is negative. The model comes
in evaluation mode.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from diagnose.errors import SettingsError, unknown

Explain = Callable[[Tensor, Tensor], Tensor]
Method = Callable[[nn.Module, str], Explain]

STEPS = 16
"""Points of the path that Integrated Gradients takes its mean over."""

SAMPLES = 8
"""Noisy copies of an image that SmoothGrad takes its mean over."""

NOISE = 0.15
"""Standard deviation of SmoothGrad's noise, as a share of the range of the pixels (0.1 to 0.2 in the paper)."""

WINDOWS = 8
"""Windows of Occlusion along each side; they overlap by half."""


class MethodError(SettingsError):
    """A method that this model cannot take; `str()` is one line with the reason and what to do."""


def gradcam(model: nn.Module, layer: str) -> Explain:
    """GradCAM: maps of the last convolution, weighted by the mean of their gradients, enlarged to the image.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization (2017).
    """
    from captum.attr import LayerGradCam

    method = LayerGradCam(model, model.get_submodule(layer))

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        found = method.attribute(images, target=targets)
        if not isinstance(found, Tensor) or found.dim() != 4:
            raise MethodError(f"gradcam needs a layer with maps, and {layer} has none; name a convolution with --layer")
        return functional.interpolate(found.detach(), images.shape[-2:], mode="bilinear").sum(dim=1)

    return explain


def guided_gradcam(model: nn.Module, layer: str) -> Explain:
    """Guided GradCAM: GradCAM times the gradient that passes only where it is positive in every ReLU.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization (2017).
    """
    from captum.attr import GuidedGradCam

    own = _copied(model)
    return _pixels(GuidedGradCam(own, own.get_submodule(layer)), interpolate_mode="bilinear")


def lrp(model: nn.Module, layer: str) -> Explain:
    """Layer-wise relevance propagation: the answer is handed back layer by layer.

    The rule of alpha 1 and beta 0 in convolutions, that of epsilon elsewhere; batch norms are folded into the
    convolutions before them.

    Source: Bach et al., On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
    Propagation (2015); Kohlbrenner et al., Towards Best Practice in Explaining Neural Network Decisions with LRP
    (2020), on the rules.
    """
    from captum.attr import LRP

    from diagnose.integrations.captum import _private

    if refused := _private.lrp_refused():
        raise MethodError(f"lrp: {refused}; leave it out of --method")
    folded = _folded(_copied(model))
    attribute = _pixels(LRP(folded))

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        _private.set_rules(folded)
        try:
            return attribute(images, targets)
        except (TypeError, RuntimeError, AttributeError, AssertionError, KeyError) as error:
            reason = str(error).partition("\n")[0][:120]
            raise MethodError(f"lrp does not work with this model ({reason}); leave it out of --method") from error

    return explain


def integrated_gradients(model: nn.Module, layer: str) -> Explain:
    """Integrated Gradients: the gradient along the way from an image of zeros, times the image.

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks (2017).
    """
    from captum.attr import IntegratedGradients

    return _pixels(IntegratedGradients(model), n_steps=STEPS)


def smoothgrad(model: nn.Module, layer: str) -> Explain:
    """SmoothGrad: the mean, over noisy copies of the image, of the size of the gradient.

    Source: Smilkov et al., SmoothGrad: Removing Noise by Adding Noise (2017).
    """
    from captum.attr import NoiseTunnel, Saliency

    method = NoiseTunnel(Saliency(model))

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        spread = NOISE * float(images.max() - images.min())
        with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
            torch.manual_seed(0)
            return _pixels(method, nt_type="smoothgrad", nt_samples=SAMPLES, stdevs=spread)(images, targets)

    return explain


def saliency(model: nn.Module, layer: str) -> Explain:
    """Saliency: the size of the gradient.

    Source: Simonyan et al., Deep Inside Convolutional Networks (2014).
    """
    from captum.attr import Saliency

    return _pixels(Saliency(model))


def occlusion(model: nn.Module, layer: str) -> Explain:
    """Occlusion: how much the answer falls where a window is set to zero, window by window.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks (2014).
    """
    from captum.attr import Occlusion

    method = Occlusion(model)

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        channels, height, width = images.shape[1:]
        window = (channels, max(height // WINDOWS, 1), max(width // WINDOWS, 1))
        strides = (channels, max(window[1] // 2, 1), max(window[2] // 2, 1))
        return _pixels(method, sliding_window_shapes=window, strides=strides)(images, targets)

    return explain


METHODS: dict[str, Method] = {
    "gradcam": gradcam,
    "lrp": lrp,
    "guided-gradcam": guided_gradcam,
    "integrated-gradients": integrated_gradients,
    "smoothgrad": smoothgrad,
    "saliency": saliency,
    "occlusion": occlusion,
}


def find_layer(model: nn.Module, name: str | None = None, image: Tensor | None = None) -> tuple[str, nn.Module]:
    """The layer of that name, else the last convolution of the model; its name, too. Raises MethodError.

    image: shape (1, channels, height, width). With it, a convolution that is one path of several within a block, such
    as the skip of a residual block, gives way to the block, whose maps hold all paths.
    """
    layers = dict(model.named_modules())
    if name is not None:
        if name not in layers or not name:
            raise MethodError(f"{unknown('layer', name, [known for known in layers if known])}")
        return name, layers[name]
    convolutions = [known for known, layer in layers.items() if isinstance(layer, nn.Conv2d)]
    if not convolutions:
        raise MethodError(
            "the model has no 2-d convolution, and the bias check reads its maps; name a layer with maps with --layer"
        )
    found = convolutions[-1] if image is None else _block_of(model, convolutions[-1], image)
    return found, layers[found]


@torch.no_grad()
def _block_of(model: nn.Module, convolution: str, image: Tensor) -> str:
    """The innermost block around the convolution whose maps have the same size; the convolution where none has."""
    parts = convolution.split(".")
    around = [".".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]
    blocks = [name for name in around if not isinstance(model.get_submodule(name), nn.Sequential | nn.ModuleList)]
    sizes: dict[str, torch.Size] = {}

    def watch(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4:
                sizes[name] = output.shape[-2:]

        return keep

    hooks = [model.get_submodule(name).register_forward_hook(watch(name)) for name in (convolution, *blocks)]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return next((name for name in blocks if sizes.get(name, ()) == sizes.get(convolution)), convolution)


def relevance(explain: Explain, images: Tensor, targets: Tensor, *, batch: int = 32) -> Iterator[Tensor]:
    """Relevance in batches, each of shape (up to `batch`, height, width), on the CPU. Raises MethodError."""
    for some, classes in zip(images.split(batch), targets.split(batch), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of Captum, about hooks and gradients that it sets itself
            found = explain(some, classes)
        yield found.detach().float().cpu()


def _pixels(method: Any, **options: Any) -> Explain:
    """The method's attributions, summed over the channels."""

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = method.attribute(images.clone().requires_grad_(), target=targets, **options)
        return found.detach().sum(dim=1)

    return explain


def _copied(model: nn.Module) -> nn.Module:
    """A copy whose ReLUs do not work in place, which the hooks of LRP and guided backpropagation need."""
    own = copy.deepcopy(model)
    for part in own.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    return own.eval()


def _folded(model: nn.Module) -> nn.Module:
    """The model with each batch norm put into the convolution or linear layer directly before it."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

    for parts in [part for part in model.modules() if isinstance(part, nn.Sequential)]:
        for number in range(len(parts) - 1):
            first, norm = parts[number], parts[number + 1]
            if isinstance(first, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                parts[number], parts[number + 1] = fuse_conv_bn_eval(first, norm), nn.Identity()
            elif isinstance(first, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                parts[number], parts[number + 1] = fuse_linear_bn_eval(first, norm), nn.Identity()
    return model
