"""What keeps a model from learning its training sample by heart: dropouts, penalties, constraints and stopping.

DROPOUTS["standout"](nn.Linear(64, 128), nn.ReLU(), 0.5)    # layer, activation and dropout as one module
loss = loss + 1e-4 * PENALTIES["l1"](model)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F  # noqa: N812 - PyTorch's own abbreviation

OFFSET_STEPS = 4
"""Steps that settle the mean rate of the notes' Standout; each shrinks what is left of the error about fivefold."""

NODES = 32
"""Places at which an activation is looked at to average it; a ReLU's mean is then right to half a percent."""


def checked_rate(rate: float) -> float:
    """The rate, if it is a share below 1. Raises ValueError."""
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout rate is {rate}; it must be at least 0 and below 1")
    return rate


class DropConnect(nn.Module):
    """Applies layer and activation with single weights dropped: a mask of its own for every example in training.

    layer: a module that holds weights, such as nn.Linear or nn.Conv2d, or several of them in an nn.Sequential; biases
        are kept, as is what has one dimension.
    activation: keeps the shape of what the layer returns.
    rate: share of the weights that are dropped; those left are scaled by 1 / (1 - rate).

    In eval the mean over all masks is approximated as Wan et al. do: what a unit adds up is taken for a Gaussian with
    the mean and the variance that the masks give it, and the activation is averaged over that, here by quadrature
    instead of draws. An activation that looks at several units at once (a layer norm) is averaged as if they moved
    together. Raises ValueError for a layer without weights.
    """

    def __init__(self, layer: nn.Module, activation: nn.Module, rate: float) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation
        self.rate = checked_rate(rate)
        self.names = [name for name, value in layer.named_parameters() if value.dim() >= 2]
        if not self.names:
            raise ValueError(f"{type(layer).__name__} has no weights to drop; put DropConnect around a linear layer")

    def forward(self, x: Tensor) -> Tensor:
        """The activation of the layer's output under a mask per example, or its mean over all masks."""
        if not self.rate:
            seen: Tensor = self.activation(self.layer(x))
            return seen
        return self.activation(self._masked(x)) if self.training else self._averaged(x)

    def _masked(self, x: Tensor) -> Tensor:
        """What the layer makes of each example with the weights that this example's masks leave."""
        masked = {
            name: F.dropout(
                self.layer.get_parameter(name).expand(len(x), *self.layer.get_parameter(name).shape), self.rate
            )
            for name in self.names
        }

        def one(own: dict[str, Tensor], example: Tensor) -> Tensor:
            out: Tensor = functional_call(self.layer, own, (example[None],))
            return out[0]

        outputs: Tensor = vmap(one)(masked, x)
        return outputs

    def _averaged(self, x: Tensor) -> Tensor:
        """The mean of the activation over the Gaussian that has the moments of the masked layer."""
        mean, variance = moments(self.layer, x, torch.zeros_like(x), self.rate / (1.0 - self.rate))
        deviation = variance.clamp_min(0.0).sqrt()
        nodes, weights = quadrature()
        total = torch.zeros_like(mean)
        for node, weight in zip(nodes, weights, strict=True):
            total = total + weight * self.activation(mean + node * deviation)
        return total


def moments(layer: nn.Module, mean: Tensor, variance: Tensor, spread: float) -> tuple[Tensor, Tensor]:
    """Mean and variance of what a linear layer, or several in a row, makes of inputs with these moments.

    spread: the variance of the factor that masks a weight, rate / (1 - rate); its mean is 1. A weight w on an input of
    mean m and variance v adds w m to the mean, and w^2 (spread m^2 + (1 + spread) v) to the variance.
    Source: Wan et al., Regularization of Neural Networks using DropConnect (2013), section 3.2.
    """
    if isinstance(layer, nn.Sequential):
        for part in layer:
            mean, variance = moments(part, mean, variance, spread)
        return mean, variance
    named = dict(layer.named_parameters())
    squared = {name: value.square() if value.dim() >= 2 else torch.zeros_like(value) for name, value in named.items()}
    scattered = spread * mean.square() + (1.0 + spread) * variance if named else variance
    return layer(mean), functional_call(layer, squared, (scattered,))


@functools.cache
def quadrature(nodes: int = NODES) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Places and weights whose weighted mean is that over a standard normal: the middles of slices of equal chance.

    They suit activations with a kink better than Gauss and Hermite's. The places have variance 1 exactly.
    """
    shares = (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes
    places = torch.special.ndtri(shares)
    places = places / places.square().mean().sqrt()
    return tuple(places.tolist()), (1.0 / nodes,) * nodes


class Standout(nn.Module):
    """Applies layer and activation, then keeps each unit with a probability that a belief network gives it.

    activation: keeps the shape of what the layer returns.
    rate: share of dropped units where nothing excites them; it sets the offset beta = log((1 - rate) / rate).
    alpha: how steeply the probability follows the excitation; 0 is plain dropout, without the scaling.

    The belief network shares the layer's weights: a unit is kept with probability
    sigmoid(alpha * preactivation + beta), so that what is strongly excited stays. In eval each unit is multiplied by
    that probability, which is the mean of what training does. At rate 0 nothing is dropped.
    """

    def __init__(self, layer: nn.Module, activation: nn.Module, rate: float, alpha: float = 1.0) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation
        self.rate = checked_rate(rate)
        self.alpha = alpha

    def keep_probability(self, preactivation: Tensor) -> Tensor:
        """Probability of each unit to be kept, of the shape of the pre-activations."""
        if not self.rate:
            return torch.ones_like(preactivation)
        beta = math.log((1.0 - self.rate) / self.rate)
        return torch.sigmoid(self.alpha * preactivation.detach() + beta)

    def forward(self, x: Tensor) -> Tensor:
        """Activation of the layer's output, thinned out while training, scaled to its mean in eval."""
        preactivation: Tensor = self.layer(x)
        keep = self.keep_probability(preactivation)
        out: Tensor = self.activation(preactivation) * (torch.bernoulli(keep.nan_to_num()) if self.training else keep)
        return out


class SizeStandout(Standout):
    """Standout as the lecture notes put it: a unit is dropped the more often the more its own weights excite it.

    rate: mean share of dropped units, held for every example by an offset.

    The probability of being dropped is sigmoid(alpha * excitation + offset). The excitation is the size (absolute
    value) of the pre-activation, so of what the unit's weights make of the input, standardised over the units of the
    example: a large weight of either sign raises it, at every rate.
    """

    @torch.no_grad()
    def keep_probability(self, preactivation: Tensor) -> Tensor:
        """Probability of each unit to be kept: (n, ...) -> (n, ...), with mean 1 - `rate` in every example."""
        if not self.rate:
            return torch.ones_like(preactivation)
        size = preactivation.float().abs().flatten(1)
        slope = self.alpha * F.layer_norm(size, size.shape[1:])
        target = math.log(self.rate / (1.0 - self.rate))
        offset = slope.new_full((len(slope), 1), target)
        for _ in range(OFFSET_STEPS):
            offset += target - torch.sigmoid(slope + offset).mean(1, keepdim=True).logit(eps=1e-6)
        return 1.0 - torch.sigmoid(slope + offset).view_as(preactivation).to(preactivation.dtype)


class GaussianDropout(nn.Module):
    """Multiplies each unit by Gaussian noise of mean 1 while training, and does nothing in eval.

    rate: the noise has variance rate / (1 - rate), that of a Bernoulli mask that drops this share and scales the rest.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.std = math.sqrt(checked_rate(rate) / (1.0 - rate))

    def forward(self, x: Tensor) -> Tensor:
        """The input, each value multiplied by its own noise while training."""
        return x * (1.0 + self.std * torch.randn_like(x)) if self.training else x


class StochasticDepth(nn.Module):
    """Stochastic depth: while training the part that a residual block adds is left out of examples at random.

    rate: share of the examples it is left out of; in the others it is scaled by 1 / (1 - rate), so that its mean stays.
    Source: Huang et al., Deep Networks with Stochastic Depth (2016), scaled in training, as in an EfficientNet.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = checked_rate(rate)

    def forward(self, added: Tensor) -> Tensor:
        """What is added: (n, ...), whole examples of it zeroed while training."""
        if not self.training or not self.rate:
            return added
        kept = torch.rand(len(added), *[1] * (added.dim() - 1), device=added.device) >= self.rate
        return added * (kept.to(added.dtype) / (1.0 - self.rate))


def dropout(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Dropout: while training each unit is zeroed with probability `rate`, and the others scaled by 1 / (1 - rate).

    Source: PyTorch, torch.nn.Dropout; Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting (2014).
    """
    return nn.Sequential(layer, activation, nn.Dropout(rate))


def dropconnect(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """DropConnect: while training single weights are zeroed instead of whole units, others for every example.

    Source: Wan et al., Regularization of Neural Networks using DropConnect (2013).
    """
    return DropConnect(layer, activation, rate)


def standout(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Standout: a belief network that shares the layer's weights keeps what is excited, and drops the rest.

    Source: Ba and Frey, Adaptive dropout for training deep neural networks (2013).
    """
    return Standout(layer, activation, rate)


def standout_notes(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Standout as the lecture notes read it: units are dropped the more often the larger their weights.

    The notes say "Rate based on weight (high weight -> high prob.)"; taken for the probability of being dropped, that
    is the inverse of the paper, where a high activation keeps a unit.
    Source: lecture notes, "Dropout and its variants"; after Ba and Frey, Adaptive dropout for training deep neural
    networks (2013).
    """
    return SizeStandout(layer, activation, rate)


def gaussian(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Gaussian dropout: units are multiplied by noise of mean 1, so that none is ever fully disconnected.

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014), section 10.
    """
    return nn.Sequential(layer, activation, GaussianDropout(rate))


def spatial(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Spatial dropout: while training whole feature maps (channels) are zeroed, since neighbouring pixels agree.

    Source: PyTorch, torch.nn.Dropout2d; Tompson et al., Efficient Object Localization Using Convolutional Networks
    (2015).
    """
    return nn.Sequential(layer, activation, nn.Dropout2d(rate))


def weights(model: nn.Module) -> list[Tensor]:
    """The parameters with two or more dimensions: no biases, no norms."""
    return [parameter for parameter in model.parameters() if parameter.dim() >= 2]


def l1(model: nn.Module) -> Tensor:
    """L1 penalty: the sum of the absolute weights, a term of the loss that makes weights sparse.

    Biases and norms are left out. Returns a scalar through which gradients flow.
    Source: Tibshirani, Regression Shrinkage and Selection via the Lasso (1996).
    """
    return torch.stack([weight.abs().sum() for weight in weights(model)]).sum()


def l2(model: nn.Module) -> Tensor:
    """L2 penalty: the sum of the squared weights, a term of the loss that makes weights small.

    Biases and norms are left out. Its gradient is 2 * weight: with SGD a factor of f acts as a weight decay of 2 f,
    while adaptive optimizers divide it by the gradient's own scale and so shrink the weights unevenly.
    Returns a scalar through which gradients flow.
    Source: Krogh & Hertz, A Simple Weight Decay Can Improve Generalization (1992).
    """
    return torch.stack([weight.square().sum() for weight in weights(model)]).sum()


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay: every step shrinks the weights by a share, apart from the gradient where it is decoupled (AdamW).

    Returns parameter groups for a torch.optim optimizer: parameters with two or more dimensions decay; biases, norms
    and the slopes of PReLU do not. One group where nothing decays.
    Source: PyTorch, torch.optim.AdamW; Loshchilov & Hutter, Decoupled Weight Decay Regularization (2019).
    """
    if not weight_decay:
        return [{"params": list(model.parameters()), "weight_decay": 0.0}]
    spared = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [(weights(model), weight_decay), (spared, 0.0)]
    return [{"params": members, "weight_decay": decay} for members, decay in groups if members]


@torch.no_grad()
def max_norm(model: nn.Module, limit: float) -> None:
    """Max-norm constraint: after a step, units whose incoming weights have too large a norm are scaled back to it.

    limit: largest Euclidean norm of a row of a linear, recurrent or attention layer, or of a filter of a convolution;
        typically 3 or 4. Units below it are left alone. Embeddings have no incoming weights and are left alone.
    Source: PyTorch, torch.renorm; Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting
    (2014), section 5.1.
    """
    for module in model.modules():
        if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            module.weight.renorm_(2, 1, limit)  # (in, out, ...): the units are the second dimension
        elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.RNNBase | nn.MultiheadAttention):
            for parameter in module.parameters(recurse=False):
                if parameter.dim() >= 2:
                    parameter.renorm_(2, 0, limit)


class EarlyStopping:
    """Early stopping: training ends when a measure has not improved for a while; the best weights are kept.

    patience: epochs without a better value after which to stop; at least 1.
    higher: larger values are better (an accuracy); else smaller ones (a loss).
    min_delta: by how much a value must be better than the best to count, in its own unit; at least 0.
    keep: the best weights are taken at the end; else those of the last epoch stay.
    best_epoch, best: where the measure was best; None before any finite value. NaN is never better.
    Raises ValueError for a patience below 1 or a negative min_delta.
    Source: Prechelt, Early Stopping - But When? (1998).
    """

    def __init__(self, patience: int, *, higher: bool = False, min_delta: float = 0.0, keep: bool = True) -> None:
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least 1 epoch")
        if not min_delta >= 0.0:
            raise ValueError(f"min_delta is {min_delta}; it must be at least 0")
        self.patience, self.higher, self.min_delta, self.keep = patience, higher, min_delta, keep
        self.waited = 0
        self.best_epoch: int | None = None
        self.best: float | None = None
        self._best_state: dict[str, Tensor] = {}

    def update(self, epoch: int, value: float, model: nn.Module) -> bool:
        """Take note of an epoch; True when the training should stop."""
        if self._better(value):
            self.best_epoch, self.best, self.waited = epoch, value, 0
            if self.keep:
                self._best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            self.waited += 1
        return self.waited >= self.patience

    def _better(self, value: float) -> bool:
        """Whether a value is finite or better than the best, by more than the least that counts."""
        if self.best is None:
            return math.isfinite(value)
        gain = value - self.best if self.higher else self.best - value
        return gain > self.min_delta

    def restore(self, model: nn.Module) -> None:
        """Give the model the weights and buffers of the best epoch; it keeps its own where none is kept."""
        if self._best_state:
            model.load_state_dict(self._best_state)


def smooth(targets: Tensor, amount: float) -> Tensor:
    """Label smoothing: a share of each target is spread evenly over all classes.

    targets: (n, classes) class probabilities, such as one-hot labels. amount: the share, in [0, 1].
    Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision (2016).
    """
    return targets * (1.0 - amount) + amount / targets.shape[-1]


def clip_gradients(model: nn.Module, limit: float) -> Tensor:
    """Gradient clipping: where the norm of the whole gradient is above the limit, it is scaled back to it.

    Returns the norm before clipping, a scalar. A gradient with NaN stays NaN.
    Source: PyTorch, torch.nn.utils.clip_grad_norm_; Pascanu, Mikolov & Bengio, On the difficulty of training recurrent
    neural networks (2013).
    """
    return torch.nn.utils.clip_grad_norm_(model.parameters(), limit)


DROPOUTS: dict[str, Callable[[nn.Module, nn.Module, float], nn.Module]] = {
    "dropout": dropout,
    "dropconnect": dropconnect,
    "standout": standout,
    "standout-notes": standout_notes,
    "gaussian": gaussian,
    "spatial": spatial,
}
"""Name -> layer, activation, rate -> a module that applies all three."""

PENALTIES: dict[str, Callable[[nn.Module], Tensor]] = {"l1": l1, "l2": l2}
"""Name -> model -> a term of the loss, to be multiplied by its factor."""

CONSTRAINTS: dict[str, Callable[[nn.Module, float], None]] = {"max-norm": max_norm}
"""Name -> model, limit -> nothing; to be called after a step."""

REGULARIZERS: dict[str, Callable[..., Any]] = {
    "early-stopping": EarlyStopping,
    "l1": l1,
    "l2": l2,
    "weight-decay": decay_groups,
    "max-norm": max_norm,
    "stochastic-depth": StochasticDepth,
    "label-smoothing": smooth,
    "gradient-clipping": clip_gradients,
}
"""Name -> the part itself: everything of this axis beside the dropouts."""
