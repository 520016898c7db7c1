"""How the weights start: in place, by the activation that follows them; two of the ways are faults.

INITIALIZERS["kaiming"](layer.weight, "relu")
initialize(model, recipe)                       # every layer of the model, and the biases
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from reference_trainer.recipe import Recipe

GAINS: Mapping[str, float] = {
    "relu": nn.init.calculate_gain("relu"),
    "leaky-relu": nn.init.calculate_gain("leaky_relu", 0.01),
    "prelu": nn.init.calculate_gain("leaky_relu", 0.25),  # the slope that nn.PReLU starts with
    "elu": 1.2452,  # 1 / sqrt(E[elu(z)^2]) of a standard normal z
    "selu": 1.0,  # SELU holds its own variance; calculate_gain's 3/4 gives that up
    "sigmoid": nn.init.calculate_gain("sigmoid"),
    "tanh": nn.init.calculate_gain("tanh"),
    "silu": 1.6765,  # 1 / sqrt(E[silu(z)^2]) of a standard normal z
    "linear": 1.0,
}
"""Activation -> the factor on the standard deviation of the weights before it that keeps the signal's scale."""

FORGET_BIAS = 1.0
"""Added to the bias of an LSTM's forget gate, which else halves the cell's memory at every step."""

TOO_LARGE = 10.0
"""Times Kaiming's standard deviation: with ReLU the signal grows tenfold per layer."""


def kaiming(weight: Tensor, activation: str) -> None:
    """Kaiming (He, MSRA): normal with variance gain^2 / fan_in, which keeps a ReLU network's signal at one scale.

    Source: PyTorch, torch.nn.init.kaiming_normal_; He et al., Delving Deep into Rectifiers (2015).
    """
    nn.init.kaiming_normal_(weight, nonlinearity="linear")
    weight.mul_(GAINS[activation])


def glorot(weight: Tensor, activation: str) -> None:
    """Glorot (Xavier): uniform with variance 2 gain^2 / (fan_in + fan_out), a compromise of signal and gradient.

    Source: PyTorch, torch.nn.init.xavier_uniform_; Glorot & Bengio, Understanding the difficulty of training deep
    feedforward neural networks (2010).
    """
    nn.init.xavier_uniform_(weight, gain=GAINS[activation])


def lecun(weight: Tensor, activation: str) -> None:
    """LeCun: normal with variance 1 / fan_in whatever the activation, as SELU needs it.

    Source: LeCun et al., Efficient BackProp (1998); Klambauer et al., Self-Normalizing Neural Networks (2017).
    """
    nn.init.kaiming_normal_(weight, nonlinearity="linear")


def orthogonal(weight: Tensor, activation: str) -> None:
    """Orthogonal: rows (or columns) at right angles and of length gain, so that no direction of the signal is lost.

    Source: PyTorch, torch.nn.init.orthogonal_; Saxe, McClelland & Ganguli, Exact solutions to the nonlinear dynamics
    of learning in deep linear neural networks (2014).
    """
    exact = torch.empty(weight.shape, device=weight.device)  # float32: half-precision has no QR decomposition
    weight.copy_(nn.init.orthogonal_(exact, gain=GAINS[activation]))


def small_normal(weight: Tensor, activation: str) -> None:
    """Small normal: standard deviation 0.01 whatever the layer's size; works for shallow networks only.

    Source: lecture notes, "Weigh Initialization"; as in Krizhevsky, Sutskever & Hinton, ImageNet Classification with
    Deep Convolutional Neural Networks (2012).
    """
    nn.init.normal_(weight, std=0.01)


def zeros(weight: Tensor, activation: str) -> None:
    """Zeros, a fault: all units of a layer are equal and, without a signal between layers, stay so.

    Source: lecture notes, "Weigh Initialization" (small numbers, half positive and half negative).
    """
    nn.init.zeros_(weight)


def too_large(weight: Tensor, activation: str) -> None:
    """Too large, a fault: ten times Kaiming's standard deviation, so that signal and gradient explode with depth.

    Source: lecture notes, "Weigh Initialization" (small numbers, half positive and half negative).
    """
    kaiming(weight, activation)
    weight.mul_(TOO_LARGE)


INITIALIZERS: dict[str, Callable[[Tensor, str], None]] = {
    "kaiming": kaiming,
    "glorot": glorot,
    "lecun": lecun,
    "orthogonal": orthogonal,
    "small-normal": small_normal,
    "zeros": zeros,
    "too-large": too_large,
}
"""Name -> weight, activation -> nothing: the weight (two or more dimensions) is filled in place, under no_grad."""

SOUND = ("kaiming", "glorot", "lecun", "orthogonal")
"""Initializations that keep the signal's scale; under them recurrent and attention layers get what suits these."""


Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | Transposed | nn.MultiheadAttention


@torch.no_grad()
def initialize(model: nn.Module, recipe: Recipe) -> None:
    """Fill the weights of all layers by the recipe's initialization, and their biases with its bias.

    Linear layers and convolutions are filled with the gain of the recipe's activation; the last layer, where the model
    names it `classifier`, with that of no activation, so that the first loss is near that of a guess. Recurrent layers
    are filled gate by gate; under a sound initialization their hidden-to-hidden weights are orthogonal and an LSTM's
    forget gate starts open.

    Left as PyTorch makes them: norms, positions, the slopes of PReLU, and under a sound initialization attention layers
    and what the model names `embedding`: no activation follows these, and the transformer learns better so.
    """
    fill, sound = INITIALIZERS[recipe.initialization], recipe.initialization in SOUND
    spared = _spared(model) if sound else set()
    for module in model.modules():
        if module in spared:
            continue
        if isinstance(module, nn.RNNBase):
            _fill_recurrent(module, fill, recipe.bias, sound=sound)
        elif isinstance(module, Layer):
            activation = "linear" if module is getattr(model, "classifier", None) else recipe.activation
            for parameter in module.parameters(recurse=False):
                if parameter.dim() == 1:
                    parameter.fill_(recipe.bias)
                elif isinstance(module, Transposed):
                    _fill_transposed(module, fill, activation, sound=sound)
                else:
                    fill(parameter, activation)


def _spared(model: nn.Module) -> set[nn.Module]:
    """The attention layers and the embedding of a model, with all their parts."""
    whole: list[nn.Module] = [part for part in model.modules() if isinstance(part, nn.MultiheadAttention)]
    embedding = getattr(model, "embedding", None)
    if isinstance(embedding, nn.Module):
        whole.append(embedding)
    return {part for module in whole for part in module.modules()}


def _fill_transposed(module: Transposed, fill: Callable[[Tensor, str], None], activation: str, *, sound: bool) -> None:
    """Fill the weights of a transposed convolution: (in, out, ...), where others have (out, in, ...)."""
    fill(module.weight.transpose(0, 1), activation)
    if sound:
        # each output is reached by one in prod(stride) of the kernel's weights
        module.weight.mul_(math.sqrt(math.prod(module.stride)))


def _fill_recurrent(module: nn.RNNBase, fill: Callable[[Tensor, str], None], bias: float, *, sound: bool) -> None:
    """Fill a recurrent layer gate by gate; its two biases add up to `bias`."""
    for name, parameter in module.named_parameters(recurse=False):
        if name.startswith("bias"):
            parameter.fill_(bias if name.startswith("bias_ih") else 0.0)
            if sound and isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                parameter[module.hidden_size : 2 * module.hidden_size] += FORGET_BIAS  # gates: i, f, g, o
            continue
        for gate in torch.split(parameter, module.hidden_size):
            if sound and name.startswith("weight_hh"):
                orthogonal(gate, "linear")
            else:
                fill(gate, "linear")
