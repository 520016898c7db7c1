"""Reads a training log and says what is wrong with the run, how it knows, and what to change.

import diagnose
report = diagnose.diagnose("run.csv")      # a path, several paths, or a pandas DataFrame
report.to_frame()                          # one row per finding
watch = diagnose.watch(config=config)      # in a training loop: watch.log(step=step, train_loss=loss)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diagnose._version import __version__

if TYPE_CHECKING:
    from diagnose.api import Report as Report
    from diagnose.api import diagnose as diagnose
    from diagnose.errors import ReadError as ReadError
    from diagnose.live import watch as watch

__all__ = ["ReadError", "Report", "__version__", "diagnose", "watch"]


def __dir__() -> list[str]:
    """What is here, imported or not."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import the API at its first use, so that `diagnose --version` does not wait for NumPy."""
    if name in {"ReadError", "Report", "diagnose"}:
        from diagnose import api

        return getattr(api, name)
    if name == "watch":
        from diagnose import live

        return live.watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
