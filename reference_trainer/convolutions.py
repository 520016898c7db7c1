"""Convolutions and poolings. Maps are (n, channels, height, width).

CONVOLUTIONS["dilated"](16, 32, kernel_size=3, stride=1, padding="same", dilation=2)
POOLINGS["max"](2, stride=1)
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def plain(
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
    bias: bool = True,
) -> nn.Module:
    """Convolution: every output sees a dense square of all input channels.

    `dilation` is not used. Sizes: ceil(size / stride) with `same` padding; ceil((size - kernel_size + 1) / stride)
    with `valid`.

    Source: PyTorch, torch.nn.Conv2d; LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return _convolution(inputs, outputs, kernel_size, stride, padding, 1, bias=bias)


def dilated(
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 2,
    bias: bool = True,
) -> nn.Module:
    """Dilated (atrous) convolution: a kernel with gaps, which sees further with the parameters of a plain one.

    Sizes are those of a plain convolution with a kernel of dilation * (kernel_size - 1) + 1.

    Source: PyTorch, torch.nn.Conv2d; Yu and Koltun, Multi-Scale Context Aggregation by Dilated Convolutions (2016).
    """
    return _convolution(inputs, outputs, kernel_size, stride, padding, dilation, bias=bias)


def depthwise_separable(
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
    bias: bool = True,
) -> nn.Module:
    """Depthwise separable convolution: one kernel per input channel, then a 1x1 convolution over the channels.

    `dilation` is not used. It has kernel_size * kernel_size * inputs + inputs * outputs weights, and the 1x1
    convolution has the bias.

    Source: PyTorch, torch.nn.Conv2d; Chollet, Xception: Deep Learning with Depthwise Separable Convolutions (2017).
    """
    return nn.Sequential(
        depthwise(inputs, kernel_size=kernel_size, stride=stride, padding=padding, bias=False),
        pointwise(inputs, outputs, bias=bias),
    )


CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {
    "plain": plain,
    "dilated": dilated,
    "depthwise-separable": depthwise_separable,
}


def transposed(inputs: int, outputs: int, *, kernel_size: int = 4, bias: bool = True) -> nn.Module:
    """Transposed convolution with stride 2: doubles height and width.

    An even kernel covers all outputs equally often, which keeps checkerboards away.

    Source: PyTorch, torch.nn.ConvTranspose2d; Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning
    (2016).
    """
    low, odd = (kernel_size - 1) // 2, kernel_size % 2
    return nn.ConvTranspose2d(inputs, outputs, kernel_size, stride=2, padding=low, output_padding=odd, bias=bias)


def pointwise(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Module:
    """1x1 convolution: mixes the channels of every place, to change their number.

    Source: PyTorch, torch.nn.Conv2d; Lin et al., Network In Network (2014).
    """
    return nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=bias)


MORE_CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {"transposed": transposed, "1x1": pointwise}


def depthwise(
    channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
    bias: bool = True,
) -> nn.Module:
    """The first half of a depthwise separable convolution: every channel has a kernel of its own."""
    return _convolution(channels, channels, kernel_size, stride, padding, dilation, groups=channels, bias=bias)


def _convolution(
    inputs: int,
    outputs: int,
    kernel_size: int,
    stride: int,
    padding: str,
    dilation: int,
    *,
    groups: int = 1,
    bias: bool = True,
) -> nn.Module:
    """A Conv2d; `same` pads as much as the kernel takes away, so that the size is ceil(size / stride).

    Where that is an odd number of pixels (even kernels), the extra one goes to the right and to the bottom, as in
    PyTorch's own `padding="same"`, which knows stride 1 only.
    """
    total = dilation * (kernel_size - 1) if padding == "same" else 0
    around, odd = divmod(total, 2)
    layer = nn.Conv2d(inputs, outputs, kernel_size, stride, around, dilation, groups=groups, bias=bias)
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), layer) if odd else layer


class Pooling(nn.Module):
    """Pools windows of `size` pixels, with `padding` pixels of border; maps smaller than a window pass as they are."""

    def __init__(self, pool: nn.Module, size: int, padding: int = 0) -> None:
        super().__init__()
        self.pool = pool
        self.smallest = size - 2 * padding

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, (h + 2 padding - size) // stride + 1, ...), or `maps` where that is nothing."""
        pooled: Tensor = maps if min(maps.shape[2:]) < self.smallest else self.pool(maps)
        return pooled


def max_pooling(size: int, stride: int | None = None, padding: int = 0) -> nn.Module:
    """Max pooling: the largest value of every window; small maps are left alone.

    stride: pixels from one window to the next; None for windows side by side. 2 x 2 with a stride of 1 is, as the
    lecture notes say, the least invasive. padding: pixels of border around the map, which never are the largest.

    Source: PyTorch, torch.nn.MaxPool2d; Scherer et al., Evaluation of Pooling Operations in Convolutional Architectures
    for Object Recognition (2010).
    """
    return Pooling(nn.MaxPool2d(size, stride, padding), size, padding)


def average_pooling(size: int, stride: int | None = None, padding: int = 0) -> nn.Module:
    """Average pooling: the mean of every window, the border apart; small maps are left alone.

    stride, padding: as for max pooling.

    Source: PyTorch, torch.nn.AvgPool2d; LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return Pooling(nn.AvgPool2d(size, stride, padding, count_include_pad=False), size, padding)


def no_pooling(size: int, stride: int | None = None, padding: int = 0) -> nn.Module:
    """No pooling: maps keep their size, or shrink by strides only.

    Source: PyTorch, torch.nn.Identity; Springenberg et al., Striving for Simplicity: The All Convolutional Net (2015).
    """
    return nn.Identity()


POOLINGS: dict[str, Callable[..., nn.Module]] = {"max": max_pooling, "average": average_pooling, "none": no_pooling}
"""Name -> size, stride, padding -> the pooling."""
