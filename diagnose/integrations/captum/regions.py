"""Parts of an image, and aspects of it, that can be exchanged between two images.

known = fixed(224, 224)                                  # windows of a half, halves, frames, tones, frequencies
known[0].mix(own, donors, i, j)                          # the own images with that region of the donors

A region is a place (windows of several scales, halves, frames, a background, boxes that wander from image to image) or
an aspect of the whole image (its colour, its brightness, the strength of its frequencies). Images have shape (n,
channels, height, width); `i` and `j` are the numbers of the own images and of the donors among all, shape (n,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Mix = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

Box = tuple[int, int, int, int]

LEVELS = tuple(2.0**-power for power in (3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0))
"""Shares of the image's area of the windows that are judged, down to a sixteenth of each side. Larger ones hold enough
of the thing to be told by it."""

FRAMES = (16, 8, 4)
"""Frames are a sixteenth, an eighth or a quarter of the side wide."""

THING = 0.5
"""Share of the image from which on a place is taken to hold the thing itself, which is exchanged with it."""

BACKGROUND, THE_THING = "background", "thing"
"""The kinds of what is around the thing, and of the thing."""

SMALLEST = 2
"""Pixels of a window's side at the least."""

BANDS = (("coarse", 0.0, 0.08), ("fine", 0.25, 1.0))
"""Frequencies in cycles per pixel: name, and the band's two ends; 0.5 is one pixel light and one dark. Those between
make the shapes of things."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part or an aspect.

    name: in words. kind: regions of one kind are of equal size, and comparable. mix: see above.
    mask: where it lies, shape (height, width), or (images, height, width) where it differs between images; None for an
        aspect of the whole image.
    box: top, left, bottom and right of a window.
    give: `mix` where the donor's place counts, for regions that differ from image to image; None for the same.
    fill: the own images with the region filled from around it; None for an aspect.
    judged: False for places so large that they hold the thing itself: they only lead to smaller ones.
    """

    name: str
    kind: str
    mix: Mix
    mask: Tensor | None = None
    box: Box | None = None
    give: Mix | None = None
    fill: Mix | None = None
    judged: bool = True

    @property
    def of_whole(self) -> bool:
        """Whether it is an aspect, or the tone of a place, in which the thing has its part."""
        return self.fill is None and self.kind not in (BACKGROUND, THE_THING)

    @property
    def area(self) -> float:
        """Its share of the image, from 0 to 1; 1 for an aspect."""
        return 1.0 if self.mask is None else float(self.mask.float().mean())


def of_mask(name: str, kind: str, mask: Tensor, box: Box | None = None, *, judged: bool = True) -> Region:
    """A region at the same place of every image."""

    def mix(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return torch.where(mask.to(own.device), donors, own)

    def fill(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return inpainted(own, mask.to(own.device)[None, None])

    return Region(name, kind, mix, mask, box, fill=fill, judged=judged)


def window(box: Box, height: int, width: int, kind: str, *, judged: bool = True) -> Region:
    """The window of that box."""
    top, left, bottom, right = box
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return of_mask(_said(box, height, width), kind, mask, box, judged=judged)


def tone(place: Region) -> Region:
    """The mean colour of a place, without what it shows."""
    mask = place.mask
    assert mask is not None

    def mix(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        here = mask.to(own.device)
        shift = ((donors - own) * here).sum(dim=(2, 3), keepdim=True) / here.sum()
        return torch.where(here, own + shift, own)

    return Region(f"the tone of {place.name}", f"tone, {place.kind}", mix, mask)


def windows(height: int, width: int) -> Iterator[Region]:
    """Nine windows of half of each side, overlapping by half: where the search for smaller ones begins."""
    tall, wide = max(height // 2, 1), max(width // 2, 1)
    for top in (0, (height - tall) // 2, height - tall):
        for left in (0, (width - wide) // 2, width - wide):
            yield window((top, left, top + tall, left + wide), height, width, "window 1/2", judged=False)


def trimmed(box: Box) -> Iterator[Box]:
    """The boxes that are left when a quarter of the length is cut off at one side."""
    top, left, bottom, right = box
    tall, wide = max((bottom - top) // 4, 1), max((right - left) // 4, 1)
    if bottom - top - tall >= SMALLEST:
        yield top + tall, left, bottom, right
        yield top, left, bottom - tall, right
    if right - left - wide >= SMALLEST:
        yield top, left + wide, bottom, right
        yield top, left, bottom, right - wide


def area(box: Box, height: int, width: int) -> float:
    """Its share of the image."""
    return (box[2] - box[0]) * (box[3] - box[1]) / (height * width)


def _said(box: Box, height: int, width: int) -> str:
    """A window in words: `the upper left corner, 4 x 4 pixels`, `rows 3-7, columns 5-9 of 16 x 16`."""
    top, left, bottom, right = box
    if max(bottom - top, right - left) > max(height, width) / 2:
        return f"rows {top + 1}-{bottom}, columns {left + 1}-{right} of {height} x {width}"
    if (top == 0 or bottom == height) and (left == 0 or right == width):
        down, across = "upper" if top == 0 else "lower", "left" if left == 0 else "right"
        return f"the {down} {across} corner, {bottom - top} x {right - left} pixels"
    return f"rows {top + 1}-{bottom}, columns {left + 1}-{right} of {height} x {width}"


def halves(height: int, width: int) -> Iterator[Region]:
    """The upper, lower, left and right half."""
    upper, left = (torch.zeros(height, width, dtype=torch.bool) for _ in range(2))
    upper[: height // 2] = True
    left[:, : width // 2] = True
    for name, mask in (("upper", upper), ("lower", ~upper), ("left", left), ("right", ~left)):
        yield of_mask(f"the {name} half", "half", mask, judged=False)


def frames(height: int, width: int) -> Iterator[Region]:
    """Frames along the edges, of several widths."""
    for part in FRAMES:
        wide = max(1, round(min(height, width) / part))
        mask = torch.ones(height, width, dtype=torch.bool)
        mask[wide : height - wide, wide : width - wide] = False
        name = f"the frame, {wide} pixel{'s' if wide > 1 else ''} wide"
        yield of_mask(name, f"frame 1/{part}", mask, judged=float(mask.float().mean()) < THING)


def aspects() -> Iterator[Region]:
    """Colour, brightness, and the strength of coarse and fine frequencies."""
    yield Region("the colour", "colour", _coloured)
    yield Region("the brightness and contrast", "brightness", _lit)
    for name, low, high in BANDS:
        yield Region(f"the strength of {name} patterns", f"{name} frequencies", _band(low, high))


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, shape (n, channels, 1, 1)."""
    return images.mean(dim=(2, 3), keepdim=True), images.std(dim=(2, 3), keepdim=True).clamp(min=1e-4)


def _lit(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The mean and the spread of the grey of the donors, in all channels alike."""
    (mine, wide), (theirs, other) = (_moments(some.mean(dim=1, keepdim=True)) for some in (own, donors))
    return (own - mine) * (other / wide) + theirs


def _coloured(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The balance of the channels of the donors, with the own grey's mean and spread.

    Source: Reinhard et al., Color Transfer between Images (2001), channel by channel.
    """
    (mine, wide), (theirs, other) = _moments(own), _moments(donors)
    matched = (own - mine) * (other / wide) + theirs
    return _lit(matched, own, i, j)


def _band(low: float, high: float) -> Mix:
    """The amplitudes of the donors within a band of frequencies, and the own phases.

    Source: Yang and Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation (2020).
    """

    def mix(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        mine, theirs = torch.fft.fft2(own), torch.fft.fft2(donors)
        rows, columns = (torch.fft.fftfreq(side, device=own.device) for side in own.shape[-2:])
        radius = (rows[:, None] ** 2 + columns[None, :] ** 2).sqrt()
        here = (radius > low) & (radius <= high)
        mixed = torch.where(here, torch.polar(theirs.abs(), mine.angle()), mine)
        found: Tensor = torch.fft.ifft2(mixed).real
        return found

    return mix


def fixed(height: int, width: int) -> list[Region]:
    """What is tried of every image: windows of a half, halves, frames, the tone of each, and aspects."""
    places = [*windows(height, width), *halves(height, width), *frames(height, width)]
    return [*places, *(tone(place) for place in places), *aspects()]


# --- regions that differ from image to image --------------------------------------------------------------------------


def background(masks: Tensor, name: str = "the background") -> Region:
    """All but the thing. masks: where the thing is, shape (images, height, width)."""

    def mix(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        thing = masks[j.cpu()].to(own.device)[:, None]
        return torch.where(masks[i.cpu()].to(own.device)[:, None], own, inpainted(donors, thing))

    return Region(name, BACKGROUND, mix, ~masks)


def thing(masks: Tensor) -> Region:
    """The thing itself, against which the background is held. masks: as of `background`."""

    def mix(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        mine, theirs = (masks[numbers.cpu()].to(own.device)[:, None] for numbers in (i, j))
        return torch.where(theirs, donors, inpainted(own, mine))

    return Region("the thing", THE_THING, mix, masks, judged=False)


def wandering(boxes: Tensor, kind: str, name: str) -> Region:
    """A place of its own in every image. boxes: top, left, bottom and right, shape (images, 4)."""

    def masks(numbers: Tensor, like: Tensor) -> Tensor:
        rows, columns = (torch.arange(side, device=like.device) for side in like.shape[-2:])
        top, left, bottom, right = boxes[numbers.cpu()].to(like.device).T[:, :, None]
        down = (rows >= top) & (rows < bottom)
        across = (columns >= left) & (columns < right)
        found: Tensor = (down[:, :, None] & across[:, None, :])[:, None]
        return found

    def take(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return torch.where(masks(i, own), donors, own)

    def give(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return torch.where(masks(j, own), donors, own)

    def fill(own: Tensor, donors: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return inpainted(own, masks(i, own))

    return Region(name, kind, take, give=give, fill=fill)


def densest(maps: Tensor, tall: int, wide: int) -> Tensor:
    """The box of that size with most positive relevance, shape (n, 4), in maps of shape (n, height, width)."""
    sums = functional.avg_pool2d(maps.clamp(min=0.0)[:, None], (tall, wide), stride=1)[:, 0]
    best = sums.flatten(1).argmax(dim=1)
    top, left = best // sums.shape[-1], best % sums.shape[-1]
    return torch.stack([top, left, top + tall, left + wide], dim=1)


def inpainted(images: Tensor, missing: Tensor) -> Tensor:
    """The images with what is missing filled from around it, coarser the farther away.

    missing: shape (n or 1, 1, height, width).

    Source: Gortler et al., The Lumigraph (1996), on pull and push.
    """
    known = (~missing).to(images.dtype).expand(len(images), 1, *images.shape[-2:])
    levels = [(images * known, known)]
    while min(levels[-1][1].shape[-2:]) > 1:
        colours, weights = (functional.avg_pool2d(part, 2, ceil_mode=True) for part in levels[-1])
        levels.append((colours, weights))
    filled = levels[-1][0] / levels[-1][1].clamp(min=1e-6)
    for colours, weights in reversed(levels[:-1]):
        coarse = functional.interpolate(filled, colours.shape[-2:], mode="bilinear")
        share = weights.clamp(max=1.0)
        filled = torch.where(share > 0.0, colours + (1.0 - share) * coarse, coarse)
    return torch.where(missing, filled, images)
