"""What practitioners watch beside the loss, each cheap enough to be logged every epoch.

Updates(model)                       # .before() ... optimizer.step() ... .ratio()
dead_relu_share(model, x)            # one forward pass over the examples x
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.Sigmoid, nn.Tanh, nn.SiLU)
"""The modules whose output is an activation."""

_LAYERS = (*ACTIVATIONS, nn.RNNBase)
"""The modules without modules inside whose output is looked at."""


def gradient_norm(model: nn.Module) -> float:
    """The L2 norm over all gradients of the model together.

    0.0 where no parameter has a gradient; NaN where one is NaN. Half-precision gradients are summed in float32, in
    which the sum of their squares does not overflow.

    Source: Pascanu et al., On the difficulty of training recurrent neural networks (2013).
    """
    gradients = [p.grad.float() for p in model.parameters() if p.grad is not None]
    return float(nn.utils.get_total_norm(gradients))


class Updates:
    """The size of an update over the size of the weights: about 1e-3 where the learning rate fits.

    All weights with two dimensions or more count, frozen ones too; biases and the scales of a normalization do not.

    Source: Karpathy, CS231n: Convolutional Neural Networks for Visual Recognition, "Ratio of weights:updates" (2016).
    """

    def __init__(self, model: nn.Module) -> None:
        self._weights = [p for p in model.parameters() if p.dim() >= 2]
        self._copies: list[Tensor] | None = None

    def before(self) -> None:
        """Copy the weights; to be called just before the step of the optimizer."""
        self._copies = [p.detach().clone() for p in self._weights]

    def ratio(self) -> float:
        """||update|| / ||weights before it||: 0.0 where nothing moved, inf where all weights were zero and moved.

        Raises RuntimeError where `before` was not called.
        """
        if self._copies is None:
            raise RuntimeError("there are no weights to compare with; call before() ahead of the optimizer's step")
        changes = [(p.detach() - copy).float() for p, copy in zip(self._weights, self._copies, strict=True)]
        update = float(nn.utils.get_total_norm(changes))
        weights = float(nn.utils.get_total_norm([copy.float() for copy in self._copies]))
        if update == 0.0:
            return 0.0
        return update / weights if weights else update * math.inf


def activations(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The outputs of activations, recurrent layers, blocks and stages by dotted name, each of shape (n, features).

    x: a batch of n examples, as the model takes it. The pass is made in evaluation mode and without gradient, and
    leaves the model as it was. A block or stage is a module with modules inside; a model without either gives the
    outputs of its direct children. A module that is called again has `:2`, `:3` ... after its name, and an output that
    only passes an inner one on is left out. What a function computes (`F.relu`) is not seen.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010).
    """
    parts = {name: m for name, m in model.named_modules() if name}
    wanted = [name for name, m in parts.items() if isinstance(m, _LAYERS) or next(m.children(), None) is not None]
    found: dict[str, Tensor] = {}
    passed: list[tuple[Tensor, Tensor]] = []  # output as the model made it, copy: later modules may change it in place

    def keep(name: str, output: Tensor) -> None:
        if output.dim() == 0 or len(output) != len(x):
            return
        flat = output.detach().reshape(len(output), -1).clone()
        if any(output is earlier and torch.equal(flat, copy) for earlier, copy in passed):
            return
        passed.append((output, flat))
        found[name] = flat

    _watch(model, x, wanted or [name for name in parts if "." not in name], keep)
    return found


def dead_relu_share(model: nn.Module, x: Tensor) -> float | None:
    """The share of ReLU units that are zero for every example, so that no gradient passes them; see `evaluated`.

    x: a batch of examples, as the model takes it; more examples find fewer units dead by chance. A unit is a channel of
    a map of shape (n, channels, height, width), and else a place of the last dimension. None where the model has no
    `nn.ReLU` module.

    Source: Lu et al., Dying ReLU and Initialization: Theory and Numerical Examples (2019).
    """
    return evaluated(model, x)[1]


def evaluated(model: nn.Module, x: Tensor) -> tuple[Tensor, float | None]:
    """What the model puts out for examples in evaluation mode, and its share of dead ReLUs: both of one pass."""
    wanted = [name for name, m in model.named_modules() if isinstance(m, nn.ReLU)]
    alive: list[Tensor] = []

    def keep(name: str, output: Tensor) -> None:
        units = output.movedim(1, -1) if output.dim() == 4 else output
        alive.append((units != 0).flatten(0, -2).any(dim=0))

    outputs = _watch(model, x, wanted, keep)
    return outputs, 1.0 - float(torch.cat(alive).double().mean()) if alive else None


def class_accuracies(outputs: Tensor, targets: Tensor, classes: int) -> dict[int, float]:
    """The share of right answers within each class, which shows what the mean over all classes hides.

    outputs: scores of shape (n, k), the highest is the answer; targets: classes of shape (n,), below `classes`.
    A class without examples is left out: nothing was measured.

    Source: lecture notes, "Diagnosing the model".
    """
    right = outputs.argmax(dim=1) == targets
    counts = torch.bincount(targets, minlength=classes).tolist()
    hits = torch.bincount(targets[right], minlength=classes).tolist()
    return {k: hits[k] / counts[k] for k in range(classes) if counts[k]}


class Throughput:
    """Examples per second of training, by the wall clock.

    clock: seconds, from any start.

    Source: lecture notes, "Factors for defining the batch size".
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._examples = 0
        self._last = clock()

    def add(self, examples: int) -> None:
        """Count examples that were trained on."""
        self._examples += examples

    def rate(self) -> float:
        """Examples per second since the last call of `rate` or `skip`, or since this was made."""
        now = self._clock()
        examples, seconds = self._examples, now - self._last
        self._examples, self._last = 0, now
        return examples / max(seconds, 1e-9)  # a clock may stand still for a nanosecond

    def skip(self) -> None:
        """Count from now on, so that what was done meanwhile (a validation) takes no part."""
        self._examples, self._last = 0, self._clock()


def _watch(model: nn.Module, x: Tensor, names: list[str], keep: Callable[[str, Tensor], None]) -> Tensor:
    """One forward pass: hands `keep` each output of the named modules (of several the first) and returns the last."""
    calls: dict[str, int] = {}

    def hook(name: str) -> Callable[[nn.Module, object, object], None]:
        def take(module: nn.Module, inputs: object, output: object) -> None:
            first = output[0] if isinstance(output, tuple | list) and output else output
            if isinstance(first, Tensor):
                calls[name] = calls.get(name, 0) + 1
                keep(name if calls[name] == 1 else f"{name}:{calls[name]}", first)

        return take

    with _evaluating(model):
        handles = [model.get_submodule(name).register_forward_hook(hook(name)) for name in names]
        try:
            outputs: Tensor = model(x)
        finally:
            for handle in handles:
                handle.remove()
    return outputs


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradient; afterwards each module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


MONITORS = {
    "gradient-norm": gradient_norm,
    "update-ratio": Updates,
    "activations": activations,
    "dead-relu-share": dead_relu_share,
    "class-accuracies": class_accuracies,
    "throughput": Throughput,
}
"""Name -> what is watched."""
