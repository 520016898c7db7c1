"""What keeps a model from learning its training sample by heart: dropouts, penalties, constraints and stopping.

DROPOUTS["standout"](nn.Linear(64, 128), nn.ReLU(), 0.5)    # layer, activation and dropout as one module
loss = loss + 1e-4 * PENALTIES["l1"](model)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 - PyTorch's own abbreviation

BETA_STEPS = 4
"""Steps that settle the mean rate of Standout; each shrinks what is left of the error about fivefold."""


def checked_rate(rate: float) -> float:
    """The rate, if it is a share below 1. Raises ValueError."""
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout rate is {rate}; it must be at least 0 and below 1")
    return rate


class DropConnect(nn.Module):
    """Runs a layer with some of its single weights dropped: a fresh mask in every training step, all weights in eval.

    layer: a module that holds weights, such as nn.Linear or nn.Conv2d; biases are kept, as is what has one dimension.
    rate: share of the weights that are dropped; those left are scaled by 1 / (1 - rate).

    One mask serves the whole batch. Wan et al. draw one per example, and approximate the average over masks in eval by
    a Gaussian, where the mean network is used here.
    Raises ValueError for a layer without weights.
    """

    def __init__(self, layer: nn.Module, rate: float) -> None:
        super().__init__()
        self.layer = layer
        self.rate = checked_rate(rate)
        self.names = [name for name, value in layer.named_parameters() if value.dim() >= 2]
        if not self.names:
            raise ValueError(f"{type(layer).__name__} has no weights to drop; put DropConnect around a linear layer")

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, its weights thinned out while training."""
        weights = {}
        if self.training:
            weights = {name: F.dropout(self.layer.get_parameter(name), self.rate) for name in self.names}
        out: Tensor = functional_call(self.layer, weights, (x,)) if weights else self.layer(x)
        return out


class Standout(nn.Module):
    """Applies layer and activation, then drops a unit the more often the more its own weights excite it.

    activation: keeps the shape of what the layer returns.
    rate: mean share of dropped units, held for every example by the offset `beta`.
    alpha: how steeply the probability follows the excitation; 0 is plain dropout.

    The probability of being dropped is sigmoid(alpha * excitation + beta). The excitation is the size (absolute value)
    of the pre-activation, so of what the unit's weights make of the input, standardised over the units of the example:
    a large weight of either sign raises it, at every rate. In eval each unit is multiplied by its probability of being
    kept, which is the mean of what training does.
    """

    def __init__(self, layer: nn.Module, activation: nn.Module, rate: float, alpha: float = 1.0) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation
        self.rate = checked_rate(rate)
        self.alpha = alpha

    @torch.no_grad()
    def drop_probability(self, preactivation: Tensor) -> Tensor:
        """Probability of each unit to be dropped: (n, ...) -> (n, ...), with mean `rate` in every example."""
        if not self.rate:
            return torch.zeros_like(preactivation)
        size = preactivation.float().abs().flatten(1)
        slope = self.alpha * F.layer_norm(size, size.shape[1:])
        target = math.log(self.rate / (1.0 - self.rate))
        beta = slope.new_full((len(slope), 1), target)
        for _ in range(BETA_STEPS):
            beta += target - torch.sigmoid(slope + beta).mean(1, keepdim=True).logit(eps=1e-6)
        return torch.sigmoid(slope + beta).view_as(preactivation).to(preactivation.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Activation of the layer's output, thinned out while training, scaled to its mean in eval."""
        preactivation: Tensor = self.layer(x)
        keep = 1.0 - self.drop_probability(preactivation)
        out: Tensor = self.activation(preactivation) * (torch.bernoulli(keep.nan_to_num()) if self.training else keep)
        return out


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


def dropout(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Dropout: while training each unit is zeroed with probability `rate`, and the others scaled by 1 / (1 - rate).

    Source: PyTorch, torch.nn.Dropout; Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting (2014).
    """
    return nn.Sequential(layer, activation, nn.Dropout(rate))


def dropconnect(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """DropConnect: while training single weights are zeroed instead of whole units.

    Source: Wan et al., Regularization of Neural Networks using DropConnect (2013).
    """
    return nn.Sequential(DropConnect(layer, rate), activation)


def standout(layer: nn.Module, activation: nn.Module, rate: float) -> nn.Module:
    """Standout: units are dropped at rates of their own, the higher the larger their weights.

    This is what the lecture notes say ("Rate based on weight (high weight -> high prob.)"), and not what the paper
    does: there a belief network that shares the weights gives the probability of *keeping* a unit, so that a high
    activation keeps it, and the probability follows the signed pre-activation. Taken from the paper: a sigmoid of
    what the layer's own weights compute, with a slope and an offset, and the scaling by the probability in eval.
    Source: lecture notes, "Dropout and its variants"; after Ba & Frey, Adaptive dropout for training deep neural
    networks (2013).
    """
    return Standout(layer, activation, rate)


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
    """Early stopping: training ends when the validation loss has not improved for a while; the best weights are kept.

    patience: epochs without a better validation loss after which to stop; at least 1.
    best_epoch, best_loss: where the loss was lowest; None and infinity before any finite loss. NaN is never better.
    Raises ValueError for a patience below 1.
    Source: Prechelt, Early Stopping - But When? (1998).
    """

    def __init__(self, patience: int) -> None:
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least 1 epoch")
        self.patience = patience
        self.waited = 0
        self.best_epoch: int | None = None
        self.best_loss = math.inf
        self._best_state: dict[str, Tensor] = {}

    def update(self, epoch: int, val_loss: float, model: nn.Module) -> bool:
        """Take note of an epoch; True when the training should stop."""
        if val_loss < self.best_loss:
            self.best_epoch, self.best_loss, self.waited = epoch, val_loss, 0
            self._best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Give the model the weights and buffers of the best epoch; it keeps its own where no loss was finite."""
        if self.best_epoch is not None:
            model.load_state_dict(self._best_state)


def batch_norm(features: int, dimensions: int = 2) -> nn.Module:
    """Batch normalization: each feature is standardised over the batch, then scaled and shifted by learned numbers.

    dimensions: 0 for units (n, features), 1 for sequences (n, features, steps), 2 for maps (n, features, h, w).
    Source: PyTorch, torch.nn.BatchNorm2d; Ioffe & Szegedy, Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift (2015).
    """
    return nn.BatchNorm2d(features) if dimensions == 2 else nn.BatchNorm1d(features)


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
    "batch-norm": batch_norm,
    "label-smoothing": smooth,
    "gradient-clipping": clip_gradients,
}
"""Name -> the part itself: everything of this axis beside the dropouts."""
