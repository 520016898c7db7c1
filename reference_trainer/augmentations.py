"""Batches made different in every step, labels included: shifts, mixtures, holes.

augment = AUGMENTATIONS["mixup"]((1, 8, 8), 10)     # shape of an example, number of classes
x, y = augment(x, y)                                # (n, 1, 8, 8) and (n, 10) class probabilities, as they came
loss = loss + augment.penalty()                     # where that is not None

An augmentation is for training batches; its parameters, if it has any, are trained together with the model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own abbreviation

from reference_trainer.recipe import Recipe

OPERATIONS = ("shift-x", "shift-y", "rotate", "shear-x", "shear-y", "contrast", "brightness", "noise", "cutout")
"""What the policy of `auto` can do to an image, in the order of its tables."""

Operation = tuple[str, float, float]
"""Name, probability, magnitude: pixels of a shift, degrees of a rotation, the tangent of a shear, the share by which
contrast changes, brightness and the noise's standard deviation in the unit of the inputs, pixels of a cutout's side."""

Policy = tuple[tuple[Operation, Operation], ...]
"""Pairs of operations; an image gets one pair, each of its two with its own probability and a random sign."""

POLICY: Policy = (
    (("rotate", 0.8, 12.0), ("shift-x", 0.5, 1.0)),
    (("shear-x", 0.8, 0.2), ("shift-y", 0.5, 1.0)),
    (("shift-x", 0.7, 1.0), ("contrast", 0.6, 0.3)),
    (("shift-y", 0.7, 1.0), ("brightness", 0.6, 0.2)),
    (("rotate", 0.7, 18.0), ("noise", 0.5, 0.2)),
    (("shear-y", 0.8, 0.15), ("contrast", 0.6, 0.4)),
    (("shear-x", 0.6, 0.15), ("rotate", 0.6, 8.0)),
    (("noise", 0.8, 0.3), ("brightness", 0.5, 0.3)),
    (("cutout", 0.7, 2.0), ("shift-x", 0.5, 1.0)),
    (("contrast", 0.8, 0.5), ("cutout", 0.5, 2.0)),
)
"""Written by hand for digits: no flips, no large rotations."""

STRONGEST: Mapping[str, float] = {
    "shift-x": 3.0,
    "shift-y": 3.0,
    "rotate": 30.0,
    "shear-x": 0.3,
    "shear-y": 0.3,
    "contrast": 0.9,
    "brightness": 0.9,
    "noise": 0.9,
    "cutout": 4.0,
}
"""Operation -> its magnitude at strength 10 on images of 8 x 8 pixels: the shares of an image and the angles of the
papers. Source: Cubuk et al., AutoAugment (2019), table 6."""

FLAT = 256
"""Numbers in an example up to which AdaMixup's networks see an image as a row of numbers: six times faster at 64."""


class Augmentation(nn.Module):
    """Base: a module that takes and returns a batch.

    inputs: shape of one example; classes: number of classes.
    forward: x (n, *inputs) float and y (n, classes) float class probabilities -> the same shapes.
    """

    def __init__(self, inputs: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch as it is."""
        return x, y

    def penalty(self) -> Tensor | None:
        """A term of the loss that belongs to the last batch; None where there is none."""
        return None


class NoAugmentation(Augmentation):
    """No augmentation: every epoch sees the same examples.

    Source: lecture notes, "Regularization" (data augmentation: think it through).
    """


class ShiftFlip(Augmentation):
    """Shifts and flips: images are moved by up to a pixel along each axis, and mirrored if asked for.

    shift: largest shift in pixels; what comes in from outside is the image's darkest value.
    share: of the images that are moved. Digits fill their 8 x 8 pixels and are centred, so that a moved one is a harder
        example with a stroke cut off; moving all of them costs more validation accuracy than it gains.
    flip: probability of mirroring left and right. It is 0 unless asked for, because a mirrored 2, 3 or 7 is no digit,
        and labels must survive an augmentation; for photographs 0.5 is usual.

    Source: Krizhevsky, Sutskever & Hinton, ImageNet Classification with Deep Convolutional Neural Networks (2012).
    """

    def __init__(
        self, inputs: tuple[int, ...], classes: int, shift: int = 1, flip: float = 0.0, share: float = 0.5
    ) -> None:
        super().__init__(image_shape(inputs, "shift-flip"), classes)
        self.shift = shift
        self.share = share
        self.flip = flip

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Images, some of them moved, the same labels."""
        count, _, height, width = x.shape
        chosen = torch.rand(count, 1, device=x.device) < self.share
        down, right = torch.randint(-self.shift, self.shift + 1, (2, count, 1), device=x.device) * chosen
        rows = torch.arange(height, device=x.device) - down
        columns = torch.arange(width, device=x.device) - right
        if self.flip:
            mirrored = torch.rand(count, 1, device=x.device) < self.flip
            columns = torch.where(mirrored, width - 1 - columns, columns)
        outside = ((rows < 0) | (rows >= height))[:, :, None] | ((columns < 0) | (columns >= width))[:, None, :]
        place = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
        moved = x.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)
        return torch.where(outside[:, None], darkest(x), moved), y


class Mixup(Augmentation):
    """Mixup: each example is averaged with a partner from the batch, its label by the same coefficient.

    alpha: the coefficient is drawn from Beta(alpha, alpha) for each pair; small values leave most examples nearly as
        they are. Works on inputs of any shape.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization (2018).
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, alpha: float = 0.2) -> None:
        super().__init__(inputs, classes)
        self.beta = torch.distributions.Beta(torch.tensor(alpha), torch.tensor(alpha), validate_args=False)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed inputs, mixed labels."""
        partner = torch.randperm(len(x), device=x.device)
        coefficient = self.beta.sample((len(x),)).to(x)
        return blend(x, x[partner], coefficient), blend(y, y[partner], coefficient)


class AdaMixup(Augmentation):
    """AdaMixup: Mixup that learns how far each pair may be mixed without landing on other real examples.

    policy: a network that looks at a pair and returns, by a softmax over three, the region [a, a + d] within [0, 1]
        from which the pair's coefficient is drawn evenly.
    discriminator: a network that tells real inputs from mixed ones.
    clean: share of the batch that is left as it is, in place of the paper's separate loss on the unmixed batch.

    A mixture that looks like a real example of another class (manifold intrusion) teaches a wrong label. `penalty()`
    is the discriminator's loss; both networks lower it, so that the policy goes to where mixtures are told apart, its
    gradient passing through the mixed inputs. Inputs and labels returned carry that gradient.

    Source: Guo, Mao & Zhang, MixUp as Locally Linear Out-Of-Manifold Regularization (2019).
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, clean: float = 0.5) -> None:
        super().__init__(inputs, classes)
        self.clean = clean
        self.policy = small_network(inputs, outputs=3, copies=2)
        self.discriminator = small_network(inputs, outputs=1)
        self.intrusion: Tensor | None = None

    def region(self, x: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
        """Start and width of the region of coefficients allowed for each pair: twice (n,)."""
        start, width, _ = self.policy(torch.cat([x, partner], dim=1)).softmax(dim=1).unbind(dim=1)
        return start, width

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Clean examples first, then mixed ones."""
        kept = int(self.clean * len(x))
        partner = torch.randperm(len(x), device=x.device)[kept:]
        start, width = self.region(x[kept:], x[partner])
        coefficient = start + width * torch.rand_like(width)
        mixed = blend(x[kept:], x[partner], coefficient)
        real, foreign = self.discriminator(torch.cat([x, mixed])).split([len(x), len(mixed)])  # logits of being real
        self.intrusion = F.softplus(-real).mean() + F.softplus(foreign).mean()
        labels = blend(y[kept:], y[partner], coefficient)
        return torch.cat([x[:kept], mixed]), torch.cat([y[:kept], labels])

    def penalty(self) -> Tensor | None:
        """The intrusion loss of the last batch: cross-entropy of telling its real inputs from the mixed; else None."""
        return self.intrusion


class Cutout(Augmentation):
    """Cutout: a square patch of every image is set to zero, the mean of normalised inputs.

    side: of the square in pixels; None for three eighths of the image. Its centre is any pixel, so that part of it may
        lie outside, as in the paper, and images are left that show nearly everything.

    Source: DeVries & Taylor, Improved Regularization of Convolutional Neural Networks with Cutout (2017).
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, side: int | None = None) -> None:
        super().__init__(image_shape(inputs, "cutout"), classes)
        self.side = max(1, 3 * min(inputs[1:]) // 8) if side is None else side

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Images with a hole, the same labels."""
        side = torch.full((len(x), 1), self.side, device=x.device)
        return x.masked_fill(patches(x, side, side), 0.0), y


class CutoutDepth(Cutout):
    """Cutout in depth, too: a box of every image is set to zero, along height, width and channels.

    depth: of the box in channels; None for half of them. As with its sides, part of it may lie outside.

    Source: lecture notes, "Cutout: Drop connected components along width, height and/or depth"; after DeVries & Taylor,
    Improved Regularization of Convolutional Neural Networks with Cutout (2017).
    """

    def __init__(
        self, inputs: tuple[int, ...], classes: int, side: int | None = None, depth: int | None = None
    ) -> None:
        super().__init__(image_shape(inputs, "cutout-depth"), classes, side)
        self.depth = math.ceil(inputs[0] / 2) if depth is None else depth

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Images with a hole in some of their channels, the same labels."""
        side = torch.full((len(x), 1), self.side, device=x.device)
        deep = torch.full((len(x), 1), self.depth, device=x.device)
        return x.masked_fill(patches(x, side, side) & inside(x, 1, deep)[:, :, None, None], 0.0), y


class CutMix(Augmentation):
    """CutMix: a patch of every image is replaced by its partner's, the label by the share of the area pasted.

    alpha: the share of the image that is kept is drawn from Beta(alpha, alpha); the patch has the image's proportions
        and any pixel for its centre, and only what lies inside counts.

    Source: Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features (2019).
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, alpha: float = 1.0) -> None:
        super().__init__(image_shape(inputs, "cutmix"), classes)
        self.beta = torch.distributions.Beta(torch.tensor(alpha), torch.tensor(alpha), validate_args=False)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Images with a foreign patch, labels mixed by area."""
        height, width = x.shape[2:]
        partner = torch.randperm(len(x), device=x.device)
        side = (1.0 - self.beta.sample((len(x), 1)).to(x)).sqrt()
        pasted = patches(x, (height * side).round(), (width * side).round())
        kept = 1.0 - pasted.to(x.dtype).mean(dim=(1, 2, 3))
        return torch.where(pasted, x[partner], x), blend(y, y[partner], kept)


class AutoPolicy(Augmentation):
    """A policy written by hand: every image gets a pair of operations from a list, each with its own probability.

    policy: pairs of (operation, probability, magnitude), see OPERATIONS and POLICY. One is drawn for each image; signs
        are random. Geometric operations of a pair become one affine map; those of colour, noise and holes follow.

    Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data (2019), without the search.
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, policy: Policy = POLICY) -> None:
        super().__init__(image_shape(inputs, "auto"), classes)
        table = torch.zeros(2, len(policy), len(OPERATIONS))
        for row, pair in enumerate(policy):
            for name, probability, magnitude in pair:
                table[:, row, OPERATIONS.index(name)] = torch.tensor([probability, magnitude])
        self.register_buffer("table", table, persistent=False)
        self.table: Tensor

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Changed images, the same labels."""
        probability, magnitude = self.table[:, torch.randint(self.table.shape[1], (len(x),), device=x.device)]
        chance = torch.rand_like(magnitude)
        sign = torch.randint_like(magnitude, 2) * 2 - 1
        return changed(x, (magnitude * sign * (chance < probability)).to(x.dtype)), y


class LearnedPolicy(AutoPolicy):
    """AutoAugment: a policy that a search on held-out examples has found, of a task of its own or of another.

    The lecture notes warn: "Auto/DeepAugment (Learn from ????, Danger!)". A policy that was searched for on one data
    set carries that set's invariances and may not fit another; the search itself is costly and sees held-out data.

    Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data (2019); see `policies.search`.
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, policy: Policy = POLICY) -> None:
        super().__init__(image_shape(inputs, "learned"), classes, policy)


class RandAugment(Augmentation):
    """RandAugment: every image gets `operations` (N) operations drawn at random, all of one strength (M).

    operations: N. magnitude: M, from 0 to 10 (see STRONGEST). An operation drawn twice has the strength of one; signs
        are random.

    Source: Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space (2020).
    """

    def __init__(self, inputs: tuple[int, ...], classes: int, operations: int = 2, magnitude: float = 3.0) -> None:
        super().__init__(image_shape(inputs, "randaugment"), classes)
        self.operations = operations
        strengths = torch.tensor([STRONGEST[name] * magnitude / 10.0 for name in OPERATIONS])
        self.register_buffer("strengths", strengths, persistent=False)
        self.strengths: Tensor

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Changed images, the same labels."""
        drawn = torch.randint(len(OPERATIONS), (len(x), self.operations), device=x.device)
        chosen = torch.zeros(len(x), len(OPERATIONS), device=x.device).scatter_(1, drawn, 1.0)
        sign = torch.randint_like(chosen, 2) * 2 - 1
        return changed(x, (self.strengths * sign * chosen).to(x.dtype)), y


def augmentation_of(recipe: Recipe, inputs: tuple[int, ...], classes: int, policy: Policy | None) -> Augmentation:
    """The recipe's augmentation. policy: that of a learned one."""
    if recipe.augmentation == "randaugment":
        return RandAugment(inputs, classes, recipe.augment_operations, recipe.augment_magnitude)
    if recipe.augmentation == "learned" and policy is not None:
        return LearnedPolicy(inputs, classes, policy)
    return AUGMENTATIONS[recipe.augmentation](inputs, classes)


def changed(x: Tensor, strength: Tensor) -> Tensor:
    """Images changed by all operations at once: x (n, c, h, w), strength (n, operations), 0 for an operation left out.

    The geometric ones become one affine map; those of colour, noise and holes follow.
    """
    *affine, contrast, brightness, noise, side = strength[:, :, None, None, None].unbind(dim=1)
    x = moved(x, *(value.flatten() for value in affine))
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (1.0 + contrast) + brightness + noise * torch.randn_like(x)
    side = side.abs().round().view(-1, 1)
    return x.masked_fill(patches(x, side, side), 0.0)


def image_shape(inputs: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The shape, if it is one of images. Raises ValueError."""
    if len(inputs) != 3:
        raise ValueError(f"augmentation {name} is for images (channels, height, width), not for {inputs}; try mixup")
    return inputs


def blend(x: Tensor, partner: Tensor, coefficient: Tensor) -> Tensor:
    """coefficient * x + (1 - coefficient) * partner: (n, ...), (n, ...), (n,) -> (n, ...)."""
    return torch.lerp(partner, x, coefficient.view(-1, *[1] * (x.dim() - 1)))


def darkest(x: Tensor) -> Tensor:
    """The lowest value of each example: (n, ...) -> (n, 1, ...)."""
    return x.amin(dim=tuple(range(1, x.dim())), keepdim=True)


def patches(x: Tensor, tall: Tensor, wide: Tensor) -> Tensor:
    """One rectangle per image, around a pixel anywhere: a mask (n, 1, height, width), True inside.

    tall, wide: (n, 1), sides in pixels, whole numbers; what lies outside the image is cut off.
    """
    return (inside(x, 2, tall)[:, :, None] & inside(x, 3, wide)[:, None, :])[:, None]


def inside(x: Tensor, axis: int, side: Tensor) -> Tensor:
    """A stretch of an axis around a place anywhere on it: (n, extent), True inside. side: (n, 1), its length."""
    extent = x.shape[axis]
    start = torch.randint(extent, (len(x), 1), device=x.device) - side // 2
    place = torch.arange(extent, device=x.device)
    return (place >= start) & (place < start + side)


def moved(x: Tensor, right: Tensor, down: Tensor, degrees: Tensor, shear_x: Tensor, shear_y: Tensor) -> Tensor:
    """Images turned, sheared and shifted around their centre, the outside as dark as their darkest: (n, c, h, w).

    right, down: (n,), pixels; degrees: (n,), clockwise; shear_x, shear_y: (n,), pixels to the right per row,
    and down per column, counted from the centre.
    """
    height, width = x.shape[2:]
    cos, sin = (degrees * (math.pi / 180.0)).cos(), (degrees * (math.pi / 180.0)).sin()
    # from output to input places, in the unit of half an image, as affine_grid wants it; so all signs are reversed
    across = torch.stack([cos - shear_y * sin, (sin - shear_x * cos) * (height / width), -right * (2.0 / width)], dim=1)
    along = torch.stack([(-sin - shear_y * cos) * (width / height), cos + shear_x * sin, -down * (2.0 / height)], dim=1)
    grid = F.affine_grid(torch.stack([across, along], dim=1), list(x.shape), align_corners=False)
    dark = darkest(x)
    return F.grid_sample(x - dark, grid, padding_mode="zeros", align_corners=False) + dark


def small_network(inputs: tuple[int, ...], outputs: int, copies: int = 1) -> nn.Module:
    """A network much smaller than a model: one hidden layer, or two convolutions for images of more than FLAT numbers.

    copies: examples that are stacked along the first dimension of the inputs.
    """
    if len(inputs) == 3 and math.prod(inputs) > FLAT:
        height, width = (math.ceil(size / 4) for size in inputs[1:])
        return nn.Sequential(
            nn.Conv2d(copies * inputs[0], 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * height * width, outputs),
        )
    return nn.Sequential(nn.Flatten(), nn.Linear(copies * math.prod(inputs), 32), nn.ReLU(), nn.Linear(32, outputs))


AUGMENTATIONS: dict[str, Callable[[tuple[int, ...], int], Augmentation]] = {
    "none": NoAugmentation,
    "shift-flip": ShiftFlip,
    "mixup": Mixup,
    "adamixup": AdaMixup,
    "cutout": Cutout,
    "cutout-depth": CutoutDepth,
    "cutmix": CutMix,
    "auto": AutoPolicy,
    "randaugment": RandAugment,
    "learned": LearnedPolicy,
}
"""Name -> shape of an example, number of classes -> the augmentation."""
