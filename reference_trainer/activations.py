"""Activation functions, PyTorch's own: `ACTIVATIONS[name]()` is a fresh module."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def relu() -> nn.Module:
    """Rectified linear unit: max(0, x).

    Source: PyTorch, torch.nn.ReLU; Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines
    (2010).
    """
    return nn.ReLU()


def leaky_relu() -> nn.Module:
    """Leaky ReLU: x above 0, 0.01 x below, so that no unit stops learning.

    Source: PyTorch, torch.nn.LeakyReLU; Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models
    (2013).
    """
    return nn.LeakyReLU()


def prelu() -> nn.Module:
    """Parametric ReLU: a leaky ReLU whose slope below 0 is learned, from 0.25.

    Source: PyTorch, torch.nn.PReLU; He et al., Delving Deep into Rectifiers (2015).
    """
    return nn.PReLU()


def elu() -> nn.Module:
    """Exponential linear unit: x above 0, exp(x) - 1 below.

    Source: PyTorch, torch.nn.ELU; Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units
    (2016).
    """
    return nn.ELU()


def selu() -> nn.Module:
    """Scaled ELU: keeps activations at mean 0 and variance 1 where weights have LeCun's initialization.

    Source: PyTorch, torch.nn.SELU; Klambauer et al., Self-Normalizing Neural Networks (2017).
    """
    return nn.SELU()


def sigmoid() -> nn.Module:
    """Logistic sigmoid: from 0 to 1, with a slope of at most 1/4, which vanishes over many layers.

    Source: PyTorch, torch.nn.Sigmoid; Rumelhart et al., Learning Representations by Back-Propagating Errors (1986).
    """
    return nn.Sigmoid()


def tanh() -> nn.Module:
    """Hyperbolic tangent: from -1 to 1, with slope 1 at 0.

    Source: PyTorch, torch.nn.Tanh; LeCun et al., Efficient BackProp (1998).
    """
    return nn.Tanh()


def silu() -> nn.Module:
    """Sigmoid linear unit (swish): x times its sigmoid, smooth and just below 0 for small negative x.

    Source: PyTorch, torch.nn.SiLU; Ramachandran, Zoph and Le, Searching for Activation Functions (2017).
    """
    return nn.SiLU()


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": relu,
    "leaky-relu": leaky_relu,
    "prelu": prelu,
    "elu": elu,
    "selu": selu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "silu": silu,
}
