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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from diagnose.integrations.captum.heads import inner
from diagnose.integrations.captum.layers import MethodError, find_layer, grid_of
from diagnose.integrations.captum.unfolded import unfolded

Explain = Callable[[Tensor, Tensor], Tensor]
Method = Callable[[nn.Module, str], Explain]

STEPS = 16
"""Points of the path that Integrated Gradients takes its mean over."""

SAMPLES = 8
"""Noisy copies of an image that SmoothGrad takes its mean over."""

NOISE = 0.15
"""Standard deviation of SmoothGrad's noise, as a share of the range of the pixels (0.1 to 0.2 in the paper)."""

MOST_MADE, MOST_LOST = 5.0, 1000.0
"""How many times the largest score the sum of LRP's relevance may be, and the score the sum: biases take some."""

WINDOWS = 8
"""Windows of Occlusion along each side; they overlap by half."""


def gradcam(model: nn.Module, layer: str) -> Explain:
    """GradCAM: maps of the last convolution, weighted by the mean of their gradients, enlarged to the image.

    Of tokens, each one's features are weighted by their own gradients, and the tokens laid out as a grid.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization (2017);
    Draelos and Carin, Use HiResCAM instead of Grad-CAM (2020), on the own gradients.
    """
    from captum.attr import LayerGradCam, LayerGradientXActivation

    place = inner(model).get_submodule(layer)
    maps, tokens = LayerGradCam(model, place), LayerGradientXActivation(model, place)

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        found = maps.attribute(images, target=targets)
        if isinstance(found, Tensor) and found.dim() == 3:
            found = grid_of(tokens.attribute(images, target=targets).sum(dim=2), images.shape[-2:])
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
    return _pixels(GuidedGradCam(own, inner(own).get_submodule(layer)), interpolate_mode="bilinear")


def lrp(model: nn.Module, layer: str) -> Explain:
    """Layer-wise relevance propagation: the answer is handed back layer by layer.

    The rule of alpha 1 and beta 0 in convolutions, that of epsilon elsewhere; batch norms are folded into the
    convolutions before them, sums of paths shared out, and layers that are used twice separated, where torch.fx can
    follow the model. Relevance is to be kept on its way: a model of which it is not is refused.

    Source: Bach et al., On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
    Propagation (2015); Kohlbrenner et al., Towards Best Practice in Explaining Neural Network Decisions with LRP
    (2020), on the rules.
    """
    from captum.attr import LRP

    from diagnose.integrations.captum import _private

    if refused := _private.lrp_refused():
        raise MethodError(f"lrp: {refused}; leave it out of --method")
    folded = unfolded(_copied(model))
    method = LRP(folded)

    def explain(images: Tensor, targets: Tensor) -> Tensor:
        _private.set_rules(folded)
        try:
            found: Tensor = method.attribute(images.clone().requires_grad_(), target=targets)
        except (TypeError, RuntimeError, AttributeError, AssertionError, KeyError) as error:
            reason = str(error).partition("\n")[0][:120]
            raise MethodError(f"lrp does not work with this model ({reason}); leave it out of --method") from error
        with torch.no_grad():
            _check_kept(found.detach().flatten(1).sum(dim=1), model(images))
        return found.detach().sum(dim=1)

    return explain


def _check_kept(sums: Tensor, scores: Tensor) -> None:
    """Raises MethodError where the relevance that arrives is not of the size of the scores that it comes from.

    sums: shape (n,). scores: shape (n, classes).
    """
    kept = float((sums.abs() / scores.abs().amax(dim=1).clamp(min=1e-6)).median())
    if not 1.0 / MOST_LOST <= kept <= MOST_MADE:
        raise MethodError(
            f"lrp does not keep relevance in this model (its sum is {kept:.2g} times the largest score, and no more "
            "than 1 is right); leave it out of --method"
        )


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


LAYERED = ("gradcam", "guided-gradcam")
"""Methods that look at a layer."""


def layer_for(model: nn.Module, methods: Sequence[str], name: str | None, image: Tensor) -> str:
    """The layer that the methods look at, by its name; "" where none of them does. Raises MethodError."""
    return find_layer(model, name, image)[0] if set(methods) & set(LAYERED) else ""


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
