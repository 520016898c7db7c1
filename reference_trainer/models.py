"""Models: `build(recipe, inputs, outputs)` is the network that the recipe names, with PyTorch's own initialization.

build(Recipe(model="cnn"), (1, 8, 8), 10)               # images (n, 1, 8, 8) -> logits (n, 10)
build(Recipe(model="lstm"), (8, 8), 10)                 # sequences (n, steps, features) -> logits (n, 10)
build(Recipe(model="unet"), (1, 16, 16), 1)             # images -> one logit per pixel (n, 1, 16, 16)

`inputs` is the shape of one example. The keywords of a model are what it takes where the recipe leaves `width` or
`depth` out. The last layer of each model is its `classifier`, whatever it puts out; all else is its body.
"""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, product

import torch
from torch import nn

from reference_trainer.blocks import BLOCKS, activate, mix, normalize, simple
from reference_trainer.convolutions import POOLINGS
from reference_trainer.heads import HEADS
from reference_trainer.networks import (
    Characters,
    EncoderDecoder,
    Gan,
    Recurrent,
    Residual,
    Resized,
    Transformer,
    Upscaler,
)
from reference_trainer.recipe import Recipe, RecipeError
from reference_trainer.regularizers import DROPOUTS

Shape = tuple[int, ...]

STEMMED = ("residual", "bottleneck", "inverted-residual")
"""Blocks that want more channels than an image has: one convolution comes first."""

GROWTH = {"depth": 1.2, "width": 1.1, "resolution": 1.15}
"""What one step of compound scaling multiplies: depth * width^2 * resolution^2 is 1.92, so that the cost about doubles.
Source: Tan and Le, EfficientNet (2019), section 3.3."""

REPEATS = 3
"""Inverted residuals in a stage of an EfficientNet that is not scaled."""

DENSE = 64
"""Units of the hidden layer before the classifier that dropout is applied to."""


def build(recipe: Recipe, inputs: Shape, outputs: int) -> nn.Module:
    """The recipe's model for examples of shape `inputs`. Raises RecipeError where the sizes do not work out."""
    return MODELS[recipe.model](recipe, inputs, outputs)


def width_of(recipe: Recipe) -> int | None:
    """The recipe's width, or that of the model's own where it names none; None for a model without one."""
    own = inspect.signature(MODELS[recipe.model]).parameters.get("width")
    return recipe.width or (None if own is None else own.default)


def linear(recipe: Recipe, inputs: Shape, outputs: int) -> nn.Module:
    """Linear model: one layer from the inputs to the outputs.

    Source: PyTorch, torch.nn.Linear; Cox, The Regression Analysis of Binary Sequences (1958).
    """
    return _stack(flatten=nn.Flatten(), classifier=nn.Linear(math.prod(inputs), outputs))


def mlp(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 64, depth: int = 2) -> nn.Module:
    """Multilayer perceptron: `depth` hidden layers of `width` units, with skips from layer to layer if asked for.

    Source: Rumelhart et al., Learning Representations by Back-Propagating Errors (1986).
    """
    width, depth = recipe.width or width, recipe.depth or depth
    sizes = [math.prod(inputs), *[width] * depth]
    stages = [_dense(before, after, recipe) for before, after in pairwise(sizes)]
    return _stack(flatten=nn.Flatten(), stages=nn.Sequential(*stages), classifier=nn.Linear(width, outputs))


def cnn(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 16, depth: int = 2) -> nn.Module:
    """Convolutional network: `depth` stages of the recipe's block, of width, 2 width, 4 width ... channels.

    The recipe's pooling is between the stages, its head between the last stage and the classifier. Dropout has a
    hidden layer of its own before the classifier; spatial dropout follows every block.

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return _stack(**_convolutional(recipe, inputs, outputs, width, depth))


def vgg(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 16, depth: int = 2) -> nn.Module:
    """VGG: a convolutional network of stacked 3x3 convolutions.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (2015).
    """
    return cnn(recipe, inputs, outputs, width=width, depth=depth)


def inception(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 32, depth: int = 2) -> nn.Module:
    """Inception network: a convolutional network of kernels of several sizes side by side.

    Source: Szegedy et al., Going Deeper with Convolutions (2015).
    """
    return cnn(recipe, inputs, outputs, width=width, depth=depth)


def resnet(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 16, depth: int = 2) -> nn.Module:
    """ResNet: a convolutional network whose blocks learn what to add to their input.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    return cnn(recipe, inputs, outputs, width=width, depth=depth)


def bottleneck_resnet(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 32, depth: int = 2) -> nn.Module:
    """Bottleneck ResNet: a ResNet whose convolutions work on a quarter of the channels, between 1x1 convolutions.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    return cnn(recipe, inputs, outputs, width=width, depth=depth)


def efficientnet(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 16, depth: int = 3) -> nn.Module:
    """A small EfficientNet: inverted residuals with squeeze-excite, SiLU and stochastic depth, scaled as a whole.

    `depth` stages of three blocks each. The recipe's `compound` makes all three dimensions grow: the blocks 1.2-fold
    per step, the channels 1.1-fold, and height and width of the images, which are interpolated, 1.15-fold. Each is
    rounded up or down, whichever together come nearest to the cost that the rule asks for.

    Source: Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (2019).
    """
    width, depth = recipe.width or width, recipe.depth or depth
    channels, blocks, side = _compound(width, REPEATS * depth, inputs[1], depth, recipe.compound)
    repeats = [blocks // depth + (stage < blocks % depth) for stage in range(depth)]
    size = (side, round(side * inputs[2] / inputs[1]))
    recipe = replace(recipe, width=channels, depth=depth)
    parts = _convolutional(recipe, (inputs[0], *size), outputs, channels, depth, widened=2, repeats=repeats)
    return _stack(**({"resolution": Resized(size)} if recipe.compound else {}), **parts)


def _compound(width: int, blocks: int, side: int, stages: int, phi: int) -> tuple[int, int, int]:
    """Channels, blocks and height after `phi` steps of compound scaling, rounded to a cost near that of the rule."""

    def cost(channels: int, blocks: int, side: int) -> float:
        """What a network costs but for a factor: maps are halved between stages, and the channels doubled."""
        return sum(blocks / stages * (channels << stage) ** 2 * (side >> stage) ** 2 for stage in range(stages))

    exact = [start * GROWTH[name] ** phi for start, name in ((width, "width"), (blocks, "depth"), (side, "resolution"))]
    wanted = cost(width, blocks, side) * (GROWTH["depth"] * GROWTH["width"] ** 2 * GROWTH["resolution"] ** 2) ** phi
    wide, deep, high = ({math.floor(value), math.ceil(value)} for value in exact)
    near = product(wide, deep, high)
    return min(near, key=lambda sizes: (abs(math.log(cost(*sizes) / wanted)), sizes))


def _convolutional(
    recipe: Recipe,
    inputs: Shape,
    outputs: int,
    width: int,
    depth: int,
    *,
    widened: int = 1,
    repeats: Sequence[int] | None = None,
) -> dict[str, nn.Module]:
    """The parts of a convolutional network; a last 1x1 convolution multiplies the channels by `widened`.

    repeats: blocks of each stage, of which the first changes the channels; None for one each. The share of examples
    that skip a block grows from the first block to the last, where it is the recipe's.
    """
    parts: dict[str, nn.Module] = {}
    width, depth = recipe.width or width, recipe.depth or depth
    repeats = repeats or [1] * depth
    channels, size = inputs[0], (inputs[1], inputs[2])
    if recipe.block in STEMMED:
        parts["stem"] = BLOCKS["cbr"](channels, width, simple(recipe))
        channels = width
    stages = []
    for number in range(depth):
        stage = _stage(channels, width << number, recipe, sum(repeats[:number]), repeats[number], sum(repeats))
        channels, size = width << number, _size_after(stage, channels, size, f"stage {number + 1} of {depth}")
        if recipe.dropout and recipe.dropout_kind == "spatial":
            stage = DROPOUTS["spatial"](stage, nn.Identity(), recipe.dropout)
        if number < depth - 1:
            pool = POOLINGS[recipe.pooling](recipe.pool_size, recipe.pool_stride, recipe.pool_padding)
            size = _size_after(pool, channels, size, "the pooling")
            stage = _stack(block=stage, pooling=pool)
        stages.append(stage)
    parts["stages"] = nn.Sequential(*stages)
    if widened > 1:
        wide = widened * channels
        parts["widening"] = nn.Sequential(mix(channels, wide, recipe), normalize(wide, recipe), activate(recipe))
        channels = wide
    parts["head"], features = HEADS[recipe.head](channels, size, recipe)
    if recipe.dropout and recipe.dropout_kind != "spatial":
        parts["hidden"] = _dropped(nn.Linear(features, DENSE), activate(recipe), recipe)
        features = DENSE
    parts["classifier"] = nn.Linear(features, outputs)
    return parts


def _stage(inputs: int, outputs: int, recipe: Recipe, before: int, blocks: int, total: int) -> nn.Module:
    """`blocks` blocks of the recipe one after the other, of `total` in the network of which `before` come first.

    The first has the recipe's stride. Source of the shares of stochastic depth: Huang et al. (2016), section 3.
    """
    made = []
    for number in range(blocks):
        share = recipe.stochastic_depth * (before + number + 1) / total
        own = replace(recipe, stochastic_depth=share, stride=1 if number else recipe.stride)
        made.append(BLOCKS[recipe.block](outputs if number else inputs, outputs, own))
    return made[0] if blocks == 1 else nn.Sequential(*made)


def rnn(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 64, depth: int = 1) -> nn.Module:
    """Recurrent network: its state is a layer of what it reads and of the state before; ReLU or tanh.

    ReLU where that is the recipe's activation, tanh for any other.

    Source: PyTorch, torch.nn.RNN; Elman, Finding Structure in Time (1990).
    """
    width, depth, between = _recurrent(recipe, width, depth)
    nonlinearity = "relu" if recipe.activation == "relu" else "tanh"
    body = nn.RNN(inputs[1], width, depth, nonlinearity=nonlinearity, batch_first=True, dropout=between)
    return Recurrent(body, _last_state(width, recipe), outputs)


def lstm(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 64, depth: int = 1) -> nn.Module:
    """LSTM: a recurrent network whose gates let its memory pass unchanged.

    Source: PyTorch, torch.nn.LSTM; Hochreiter and Schmidhuber, Long Short-Term Memory (1997).
    """
    width, depth, between = _recurrent(recipe, width, depth)
    body = nn.LSTM(inputs[1], width, depth, batch_first=True, dropout=between)
    return Recurrent(body, _last_state(width, recipe), outputs)


def gru(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 64, depth: int = 1) -> nn.Module:
    """GRU: a recurrent network with two gates and no memory beside its state.

    Source: PyTorch, torch.nn.GRU; Cho et al., Learning Phrase Representations Using RNN Encoder-Decoder for Statistical
    Machine Translation (2014).
    """
    width, depth, between = _recurrent(recipe, width, depth)
    body = nn.GRU(inputs[1], width, depth, batch_first=True, dropout=between)
    return Recurrent(body, _last_state(width, recipe), outputs)


def _recurrent(recipe: Recipe, width: int, depth: int) -> tuple[int, int, float]:
    """Units, layers, and the dropout between layers."""
    depth = recipe.depth or depth
    return recipe.width or width, depth, recipe.dropout if depth > 1 and recipe.dropout_kind == "dropout" else 0.0


def _last_state(width: int, recipe: Recipe) -> nn.Module:
    """What happens to the last state: plain dropout; the other kinds need a layer to work on."""
    if recipe.dropout and recipe.dropout_kind != "dropout":
        return _dropped(nn.Linear(width, width), activate(recipe), recipe)
    return nn.Dropout(recipe.dropout)


def transformer(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 32, depth: int = 2) -> nn.Module:
    """A small transformer: attention between steps; normalized after each sum, so that it needs warmup.

    Four heads where `width` can be divided by four. It reads rows of digits, or, with attention to what came before
    alone, characters, of which it tells the next.

    Source: PyTorch, torch.nn.TransformerEncoderLayer; Vaswani et al., Attention Is All You Need (2017).
    """
    made = Characters if recipe.kind == "language-model" else Transformer
    return made(inputs, outputs, recipe, recipe.width or width, recipe.depth or depth)


def encoder_decoder(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 8, depth: int = 2) -> nn.Module:
    """Encoder-decoder: all that is said of a pixel passes through maps of a quarter of the size.

    Source: Badrinarayanan et al., SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation
    (2017).
    """
    width, depth = recipe.width or width, _halvings(recipe, inputs, depth)
    return EncoderDecoder(inputs[0], outputs, recipe, width, depth, skips=False)


def unet(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 8, depth: int = 2) -> nn.Module:
    """U-Net: an encoder-decoder whose decoder sees the encoder's maps of the same size beside its own.

    Source: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation (2015).
    """
    width, depth = recipe.width or width, _halvings(recipe, inputs, depth)
    return EncoderDecoder(inputs[0], outputs, recipe, width, depth, skips=True)


def deeplab(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 8, depth: int = 2) -> nn.Module:
    """DeepLab: a U-Net that looks at its smallest maps with several dilations at once (atrous spatial pyramid pooling).

    Source: Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation (2018).
    """
    width, depth = recipe.width or width, _halvings(recipe, inputs, depth)
    return EncoderDecoder(inputs[0], outputs, recipe, width, depth, skips=True, pyramid=True)


def upscaler(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 32, depth: int = 2) -> nn.Module:
    """Super-resolution: a transposed convolution doubles the maps, and the result is added to the bicubic image.

    Source: Kim et al., Accurate Image Super-Resolution Using Very Deep Convolutional Networks (2016); Shi et al., Is
    the Deconvolution Layer the Same as a Convolutional Layer? (2016), on working at the low resolution.
    """
    return Upscaler(inputs[0], outputs, recipe, recipe.width or width, recipe.depth or depth)


def gan(recipe: Recipe, inputs: Shape, outputs: int, *, width: int = 16, depth: int = 2, latent: int = 10) -> nn.Module:
    """Generative adversarial network: transposed convolutions make images, strided ones tell them from real ones.

    Source: Goodfellow et al., Generative Adversarial Nets (2014); Radford et al., Unsupervised Representation Learning
    with Deep Convolutional Generative Adversarial Networks (2016).
    """
    width, depth = recipe.width or width, _halvings(recipe, inputs, depth)
    return Gan(inputs[1:], outputs, recipe, width, depth, latent)


def _stack(**parts: nn.Module) -> nn.Module:
    """The parts one after the other, by name."""
    return nn.Sequential(OrderedDict(parts))


def _dense(inputs: int, units: int, recipe: Recipe) -> nn.Module:
    """A hidden layer: linear, normalization, activation, dropout; added to its input where the recipe has skips.

    Where the sizes differ, as in the first layer, there is nothing to add it to.
    """
    normalization = normalize(units, recipe, maps=False)
    if isinstance(normalization, nn.Identity):
        hidden = _dropped(nn.Linear(inputs, units), activate(recipe), recipe)
    else:
        hidden = _dropped(nn.Linear(inputs, units, bias=False), nn.Sequential(normalization, activate(recipe)), recipe)
    return Residual(hidden) if recipe.skips and inputs == units else hidden


def _dropped(layer: nn.Module, activation: nn.Module, recipe: Recipe) -> nn.Module:
    """The layer, its activation, and the recipe's dropout."""
    if recipe.dropout == 0.0:
        return nn.Sequential(layer, activation)
    return DROPOUTS[recipe.dropout_kind](layer, activation, recipe.dropout)


def _size_after(part: nn.Module, channels: int, size: Sequence[int], where: str) -> tuple[int, int]:
    """Height and width of the maps that `part` makes of such maps. Raises RecipeError where nothing is left of them."""
    part.eval()
    try:
        with torch.no_grad():
            height, width = part(torch.zeros(1, channels, *size)).shape[2:]
    except RuntimeError as error:
        raise RecipeError(
            f"{where} gets maps of {size[0]}x{size[1]}, which are too small for it with padding valid; choose padding "
            "same, pooling none, or a smaller depth, kernel_size, dilation or stride"
        ) from error
    part.train()
    return height, width


def _halvings(recipe: Recipe, inputs: Shape, depth: int) -> int:
    """How often the maps are halved. Raises RecipeError where they cannot be halved that often."""
    depth = recipe.depth or depth
    if any(side % 2**depth for side in inputs[1:]):
        often = min((side & -side).bit_length() - 1 for side in inputs[1:])
        raise RecipeError(
            f"depth is {depth}; {recipe.model} halves images of {inputs[1]}x{inputs[2]} up to {often} times"
        )
    return depth


MODELS: dict[str, Callable[[Recipe, Shape, int], nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "cnn": cnn,
    "vgg": vgg,
    "inception": inception,
    "resnet": resnet,
    "bottleneck-resnet": bottleneck_resnet,
    "efficientnet": efficientnet,
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "transformer": transformer,
    "encoder-decoder": encoder_decoder,
    "unet": unet,
    "deeplab": deeplab,
    "upscaler": upscaler,
    "gan": gan,
}
