"""Convolution reach: a dilation that never sees the pixels between, or a border wider than the kernel reaches.

Why it matters
    Convolutions of one dilation in all layers look at every second, third ... pixel only: neighbouring outputs have no
    input in common, and a grid shows in the maps (gridding). Of a border as wide as the kernel, some outputs see
    nothing but what was padded.

Statistics
    dilation  of the config: the convolution sees one pixel in dilation^2 of a square [1]
    padding   of the config, where it is a number, against the reach of the kernel, dilation * (kernel_size - 1): with
              as much on each side, every output still sees one pixel

Limits
    Only a single number for all layers is understood; rates that differ from layer to layer (1, 2, 5) close the gaps,
    and are not named by one number. A note.

References
    [1] Wang et al., Understanding Convolution for Semantic Segmentation (2018): gridding, and hybrid dilation
    [2] Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning (2016), on full padding
    Lecture notes: "Convolution: kernel size, stride, padding, dilated rate".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    kernel_size: int,
    last_step: float,
    dilation: int | None = None,
    padding: int | None = None,
    *,
    dilation_most: int = 2,  # pixels; one layer of 2 beside others is usual, more in all layers leaves gaps
) -> Finding | None:
    """Judge two or three numbers."""
    if dilation is None and padding is None:
        raise CannotJudge("the log's config has no dilation nor padding")
    rate = dilation or 1
    reach = rate * (kernel_size - 1)
    if kernel_size < 1 or rate < 1:
        return None
    if padding is not None and padding > reach:
        return of_setting(
            f"The padding is {padding}, and the kernel reaches over {reach} pixels.",
            "The outermost outputs see nothing but the border, and the maps grow in every layer.",
            last_step,
            Evidence("padding", padding, reach),
        )
    if rate > dilation_most and kernel_size > 1:
        return of_setting(
            f"Every convolution has a dilation of {rate}: of a square of pixels it sees one in {rate**2}.",
            "Neighbouring outputs share no input; rates that differ from layer to layer (1, 2, 5) close the gaps.",
            last_step,
            Evidence("dilation", rate, dilation_most),
        )
    return None


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="convolution-reach",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-kernel",),
    cases=(
        Case("a dilation of 4 throughout", _configured(kernel_size=3, dilation=4), Severity.NOTE),
        Case("a border of 5 around a kernel of 3", _configured(kernel_size=3, padding=5), Severity.NOTE),
        Case("a dilation of 2", _configured(kernel_size=3, dilation=2)),
        Case("the padding that keeps the size", _configured(kernel_size=5, padding=2)),
        Case("full padding", _configured(kernel_size=3, padding=2)),
        Case("points", _configured(kernel_size=1, dilation=4)),
        Case("neither", _configured(kernel_size=3)),
    ),
)
