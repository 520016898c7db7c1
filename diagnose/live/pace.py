"""When a training is looked at: on a geometric grid of rows, as long as that costs it next to nothing."""

from __future__ import annotations

import time
from typing import Literal

FIRST = 5
"""Rows before the first look: fewer are no curve."""

RATIO = 1.05
"""Between the lengths of two looks."""

SHARE = 0.003
"""Of the training's time that judging may take; together with what logging takes, less than a hundredth."""

ALLOWANCE = 0.05
"""Seconds of judging that a training may cost in any case, so that one of a minute is looked at too."""

Every = int | Literal["auto"]


class Pace:
    """every: "auto", or rows between two looks, whatever they cost."""

    def __init__(self, every: Every = "auto") -> None:
        if every != "auto" and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ValueError(f"every: {every!r} is neither 'auto' nor a number of rows, 1 or more")
        self.every = every
        self.next = FIRST if every == "auto" else every
        self.spent = 0.0
        self.began = time.monotonic()

    def due(self, rows: int) -> bool:
        """Whether a look is due after so many rows."""
        if rows < self.next:
            return False
        return self.every != "auto" or self.spent <= ALLOWANCE + SHARE * (time.monotonic() - self.began)

    def looked(self, rows: int, seconds: float) -> None:
        """Note a look after so many rows, and what it took."""
        self.spent += seconds
        self.next = max(rows + 1, int(rows * RATIO)) if self.every == "auto" else rows + self.every

    def resumed(self, rows: int) -> None:
        """Go on after so many rows of an earlier process."""
        self.looked(rows, 0.0)
