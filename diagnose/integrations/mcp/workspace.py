"""The folder that a server may read: paths in it, and nothing that leads out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnose import api, files
from diagnose.errors import UserError
from diagnose.report import Report
from diagnose.reports.budget import cut

TOLD = 40
"""Tokens of a path that an error names."""


class OutsideError(UserError):
    """A path that may not be read, or that is not there; `str()` is one line."""


@dataclass(frozen=True)
class Workspace:
    """What a server may read.

    root: the folder, resolved; the working directory of the process.
    network: whether projects on a W&B server may be read.
    """

    root: Path
    network: bool = False

    def path(self, asked: str) -> str:
        """A path within the folder, relative to it. Raises OutsideError for any other, for addresses and patterns."""
        told = cut(asked, TOLD)
        if "://" in asked:
            raise OutsideError(f"{told}: addresses are not read; name a file or a folder within the folder served")
        try:
            found = (self.root / asked).resolve()
            inside, exists = found.is_relative_to(self.root), found.is_file() or found.is_dir()
        except (OSError, ValueError, RuntimeError):  # a zero byte, a name that is too long, a circle of links
            raise OutsideError(f"{told}: this is no path") from None
        if not inside:
            raise OutsideError(f"{told}: it lies outside the folder served; name a path within it")
        if not exists:
            raise OutsideError(f"{told}: no such file or folder; find_logs lists what there is")
        relative = str(found.relative_to(self.root))
        return f".{os.sep}{relative}" if relative.startswith("-") else relative

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let nothing be read but what lies within the folder."""
        with files.within(self.root):
            yield

    def diagnosed(self, paths: Sequence[str], **options: Any) -> Report:
        """The report on these paths, which are within the folder, with the settings of the project.

        Raises UserError as `diagnose.diagnose` does for several sources.
        """
        settings = api.load_settings(paths[0])
        with self.reading():
            return api.diagnose(list(paths), settings=settings, **options)
