"""What is minimized and what is measured.

A loss takes outputs of shape (n, outputs, ...) and targets as `data` has them, class numbers or class probabilities
among them, and gives their mean. A metric is measured batch by batch as sums that can be added up, and finished once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from reference_trainer.recipe import Recipe


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Minus the logarithm of the probability of the right class.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.
    """
    return functional.cross_entropy(outputs, targets)


def cross_entropy_of_softmax(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of outputs that were already made probabilities: a common mistake, kept as a fault.

    Source: PyTorch, torch.nn.CrossEntropyLoss, which takes logits.
    """
    return functional.cross_entropy(outputs.softmax(dim=1), targets)


def nll_of_logits(outputs: Tensor, targets: Tensor) -> Tensor:
    """The negative log-likelihood of outputs that are no log-probabilities: a common mistake, kept as a fault.

    Source: PyTorch, torch.nn.NLLLoss, which takes log-probabilities.
    """
    return -(outputs * probabilities(targets, outputs.shape[1], outputs.dtype)).sum(dim=1).mean()


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error; for classes, of the outputs against 1 for the right class and 0 for the others.

    Source: Hui and Belkin, Evaluation of Neural Architectures Trained with Square Loss vs Cross-Entropy (2021).
    """
    if targets.dtype == torch.long or targets.shape != outputs.shape:
        targets = probabilities(targets, outputs.shape[1], outputs.dtype)
    return functional.mse_loss(outputs, targets)


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of a yes or no for every pixel, from logits.

    Source: PyTorch, torch.nn.BCEWithLogitsLoss.
    """
    return functional.binary_cross_entropy_with_logits(outputs, targets)


def probabilities(targets: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Class numbers of shape (n,) as probabilities of shape (n, classes); probabilities as they are."""
    return functional.one_hot(targets, classes).to(dtype) if targets.dtype == torch.long else targets


Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "cross-entropy-of-softmax": cross_entropy_of_softmax,
    "nll-of-logits": nll_of_logits,
    "mse": mse,
    "binary-cross-entropy": binary_cross_entropy,
}

DEFAULT_LOSSES = {
    "classification": "cross-entropy",
    "language-model": "cross-entropy",
    "segmentation": "binary-cross-entropy",
    "super-resolution": "mse",
    "regression": "mse",
}
"""What is learned -> the loss it is learned with by default."""


Z_LOSS = 1e-4
"""Factor of the z-loss. Source: Chowdhery et al., PaLM (2022), section 5."""


def loss_of(recipe: Recipe, targets: Tensor | None = None) -> Loss:
    """The recipe's loss function: classes weighted, labels smoothed and logits kept small where it says so.

    targets: those of the training examples, which the weights of the classes are made of.
    """
    name = DEFAULT_LOSSES[recipe.kind] if recipe.loss_function == "default" else recipe.loss_function
    loss = LOSSES[name]
    if recipe.class_weights and targets is not None:
        loss = _weighted(class_weights(targets, targets.shape[1] if targets.dim() > 1 else int(targets.max()) + 1))
    if recipe.label_smoothing:
        loss = _smoothed(loss, recipe.label_smoothing)
    return _with_z_loss(loss) if recipe.stable_logits else loss


def labels(targets: Tensor) -> Tensor:
    """The class numbers of targets that are class numbers or class probabilities, shape (n,)."""
    return targets if targets.dtype == torch.long else targets.argmax(dim=1)


def class_weights(targets: Tensor, classes: int) -> Tensor:
    """Examples per class over those of each class, shape (classes,); the mean over all examples is 1.

    Source: King and Zeng, Logistic Regression in Rare Events Data (2001).
    """
    counts = torch.bincount(labels(targets), minlength=classes)
    return len(targets) / ((counts > 0).sum() * counts.clamp_min(1)).float()


def _weighted(weights: Tensor) -> Loss:
    def weighted(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets, weight=weights.to(outputs.dtype))

    return weighted


def _smoothed(loss: Loss, share: float) -> Loss:
    from reference_trainer.regularizers import smooth

    def smoothed(outputs: Tensor, targets: Tensor) -> Tensor:
        return loss(outputs, smooth(probabilities(targets, outputs.shape[1], outputs.dtype), share))

    return smoothed


def _with_z_loss(loss: Loss) -> Loss:
    def small(outputs: Tensor, targets: Tensor) -> Tensor:
        return loss(outputs, targets) + Z_LOSS * outputs.logsumexp(dim=1).square().mean()

    return small


class Metric(Protocol):
    """A figure that is made of sums over batches.

    higher: larger values are better. whole: the sums are whole numbers, which come out alike in any order.
    """

    name: str
    higher: bool
    whole: bool

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sums of one batch, shape (k,), float64 where they are large."""

    def finish(self, sums: Tensor) -> float:
        """The figure of all batches whose sums were added up."""


class Accuracy:
    """Share of the examples whose most likely class is the right one.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 5.1.
    """

    name = "accuracy"
    higher = True
    whole = True

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Number of wrong and of right answers."""
        right = targets if targets.dtype == torch.long else targets.argmax(dim=1)
        return torch.bincount((outputs.argmax(dim=1) == right).long(), minlength=2)

    def finish(self, sums: Tensor) -> float:
        """Right answers per example."""
        wrong, right = sums.tolist()
        return float(right / (wrong + right))


class ArgmaxOfOneOutput(Accuracy):
    """An accuracy that looks for the largest of one output, always the first: a common mistake, kept as a fault.

    Source: lecture notes, "Loss goes down and accuracy goes down".
    """

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Number of examples of another class than 0, and of class 0."""
        return super().measure(outputs[:, :1], targets)


class Perplexity:
    """How many characters a model hesitates between: the exponential of its mean cross-entropy per character.

    Source: Jelinek et al., Perplexity: A Measure of the Difficulty of Speech Recognition Tasks (1977).
    """

    name = "perplexity"
    higher = False
    whole = False

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the cross-entropies, and number of characters that were told."""
        total = functional.cross_entropy(outputs.float(), targets, reduction="sum")
        return torch.stack([total.double(), (targets >= 0).sum().double()])

    def finish(self, sums: Tensor) -> float:
        """The exponential of their ratio."""
        return math.exp(min(float(sums[0] / sums[1]), 700.0))  # above that, no float can hold it


class Iou:
    """Intersection over union of the pixels found and the pixels sought.

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge (2010).
    """

    name = "iou"
    higher = True
    whole = True

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Pixels in both, and in either."""
        found, sought = outputs > 0.0, targets > 0.5
        return torch.stack([(found & sought).sum(), (found | sought).sum()])

    def finish(self, sums: Tensor) -> float:
        """Their ratio; 1 where nothing was sought nor found."""
        return float(sums[0]) / float(sums[1]) if sums[1] else 1.0


class Psnr:
    """Peak signal-to-noise ratio, in decibels.

    Source: Dong et al., Image Super-Resolution Using Deep Convolutional Networks (2014).
    """

    name = "psnr"
    higher = True
    whole = False

    def __init__(self, peak: float) -> None:
        """`peak`: distance from black to white, in the unit of the images."""
        self.peak = peak

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the squared errors, and number of pixels."""
        errors = outputs.double() - targets.double()
        return torch.stack([errors.square().sum(), errors.new_tensor(targets.numel())])

    def finish(self, sums: Tensor) -> float:
        """Ten times the logarithm of the squared peak over the mean squared error."""
        error = float(sums[0] / sums[1])
        return 10.0 * math.log10(self.peak**2 / error) if error > 0.0 else math.inf if error == 0.0 else math.nan


class R2:
    """Coefficient of determination: the share of the variance that is explained.

    Source: Wright, Correlation and Causation (1921).
    """

    name = "r2"
    higher = True
    whole = False

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sums of the squared errors, the targets and their squares, and the number of targets."""
        found, sought = outputs.double(), targets.double()
        count = found.new_tensor(targets.numel())
        return torch.stack([(found - sought).square().sum(), sought.sum(), sought.square().sum(), count])

    def finish(self, sums: Tensor) -> float:
        """1 minus the squared errors over the squared deviations from the mean."""
        return float(1.0 - sums[0] / (sums[2] - sums[1].square() / sums[3]))


METRICS: dict[str, type[Any]] = {
    "accuracy": Accuracy,
    "argmax-of-one-output": ArgmaxOfOneOutput,
    "perplexity": Perplexity,
    "iou": Iou,
    "psnr": Psnr,
    "r2": R2,
}


def metric_of(recipe: Recipe, peak: float) -> Metric:
    """The metric of what the recipe learns; `peak` as in `Data`."""
    kinds: dict[str, Callable[[], Metric]] = {
        "classification": ArgmaxOfOneOutput if recipe.metric == "argmax-of-one-output" else Accuracy,
        "language-model": Perplexity,
        "segmentation": Iou,
        "super-resolution": lambda: Psnr(peak),
        "regression": R2,
    }
    return kinds[recipe.kind]()
