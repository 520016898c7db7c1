"""Kernel size: a convolution with an even or very large kernel, or with a stride that skips inputs.

Why it matters
    An even kernel has no centre: `same` padding shifts its output by half a pixel in every layer. A stride beyond 2, or
    beyond the kernel, drops detail at once that pooling would give up gradually.

Statistics
    kernel_size, stride  of the config: 1, 3, 5 and 7 are usual, strides of 1 and 2

Limits
    A kernel that its stride divides is a patch or a transposed convolution of a GAN and is right. Kernels over 11 are
    normal in one dimension, as for sound, and in a few modern networks, so size alone is no finding. Only a single size
    for all layers is understood. A note.

References
    [1] Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (2015)
    [2] Wu et al., Convolution with even-sized kernels and symmetric padding (2019)
    Lecture notes: "Convolution: Kernel Size 3x3, 5x5, 7x7; Stride: usually 1 or 2".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    kernel_size: int,
    stride: int,
    last_step: float,
    *,
    stride_most: int = 2,  # inputs; "usually 1 or 2"
) -> Finding | None:
    """Judge two numbers."""
    if kernel_size < 1 or stride < 1 or (stride > 1 and kernel_size % stride == 0):
        return None
    even = kernel_size % 2 == 0
    skips = stride > min(stride_most, kernel_size)
    if not even and not skips:
        return None
    return of_setting(
        f"The kernel is {kernel_size} wide, its stride {stride}; 3, 5 or 7 with a stride of 1 or 2 is usual.",
        (
            "A stride this long leaves most positions unseen."
            if skips
            else "An even kernel has no centre and shifts what it sees."
        ),
        last_step,
        Evidence("stride", stride, stride_most) if skips else Evidence("kernel_size", kernel_size),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="kernel-size",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-kernel",),
    precedence=1,
    cases=(
        Case("4 wide, stride 1", _configured(kernel_size=4, stride=1), Severity.NOTE),
        Case("3 wide, stride 5", _configured(kernel_size=3, stride=5), Severity.NOTE),
        Case("3 wide, stride 1", _configured(kernel_size=3, stride=1)),
        Case("4 wide, stride 2, as in a GAN", _configured(kernel_size=4, stride=2)),
        Case("patches of 16", _configured(kernel_size=16, stride=16)),
        Case("stride unknown", _configured(kernel_size=4)),
    ),
)
