"""The images of a check, kept where they are small and brought to the model batch by batch.

Files are decoded once into a temporary file of bytes that the system keeps in memory as far as there is room; what the
model sees is made of it when it is asked for. So a check of many large images needs the memory of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """Images by number: `pixels[torch.tensor([0, 3])]` has shape (2, channels, height, width), as the model takes them.

    raw: shape (n, channels, height, width); bytes are pixels from 0 to 255, which become 0 to 1, and then minus `shift`
        over `scale`; anything else is handed on as it is. shift, scale: shape (1, channels or 1, 1, 1).
    """

    raw: Tensor
    shift: Tensor | None = None
    scale: Tensor | None = None
    device: torch.device = CPU

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.raw.shape[1:]
        return channels, height, width

    def __getitem__(self, numbers: Tensor | slice) -> Tensor:
        some = self.raw[numbers if isinstance(numbers, slice) else numbers.cpu()].to(self.device)
        if some.dtype != torch.uint8:
            return some
        found = some.float() / 255.0
        if self.shift is not None and self.scale is not None:
            found = (found - self.shift.to(found.device)) / self.scale.to(found.device)
        return found

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def on(self, device: torch.device) -> Pixels:
        """The same images, brought to that device."""
        return replace(self, device=device)
