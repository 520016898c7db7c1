"""What lies on the desk of `diagnose serve`: logs that were handed in, or are followed, each lot with its report."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from diagnose import api
from diagnose.cli.watch import State, files_of
from diagnose.errors import UserError
from diagnose.readers import expand
from diagnose.report import Report, SourceError
from diagnose.settings import Settings

MOST_LOTS = 20
"""Lots that are kept; of more, the oldest go."""

MOST_FILES = 2000
"""Files of one lot."""

POLL = 1.0
"""Seconds between two looks at logs that are followed."""

_SAFE = re.compile(r"[^\w .,+=@()\[\]-]")

CONFIGURATIONS = (".yaml", ".yml", ".toml")
"""Ends of names that no log has."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it was handed in. name: with folders, as the browser says it."""

    name: str
    content: bytes


@dataclass(slots=True)
class Lot:
    """Logs that were handed in together. title: what to call it. version: how often its report was made."""

    title: str
    report: Report
    folder: Path | None = None
    version: int = 1
    state: State = field(default=())


class Desk:
    """All lots by their number, the one that is followed as number 0.

    folder: where what is handed in is kept. followed: paths of logs that may grow.
    """

    def __init__(self, folder: Path, settings: Settings, followed: Sequence[str]) -> None:
        self.folder, self.settings, self.followed = folder, settings, followed
        self.lots: dict[int, Lot] = {}
        self._next = 1
        self._judging = threading.Lock()  # one at a time: the others wait, and the page answers
        self._closed = threading.Event()

    def take(self, sent: Sequence[Sent]) -> int:
        """Keep and judge what was handed in; its number. Raises UserError where there is nothing, or too much."""
        if not sent:
            raise UserError("no file was sent; choose or drop a log")
        if len(sent) > MOST_FILES:
            raise UserError(
                f"{len(sent):,} files are more than {MOST_FILES:,}; name their folder: diagnose serve FOLDER"
            )
        with self._judging:
            number, self._next = self._next, self._next + 1
            place = self.folder / str(number)
            names = _kept(sent, place)
            report = _without(self._judged([str(place / name) for name in _roots(names)]), f"{place}{os.sep}")
            title = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
            self.lots[number] = Lot(title, report, place)
            for old in sorted(n for n in self.lots if n)[:-MOST_LOTS]:
                shutil.rmtree(self.lots.pop(old).folder or place, ignore_errors=True)
        return number

    def follow(self) -> None:
        """Judge the logs that are followed whenever they change, until `close`."""
        while self.followed and not self._closed.is_set():
            state = tuple(file for source in expand(self.followed) for file in files_of(source))
            known = self.lots.get(0)
            if known is None or state != known.state:
                with self._judging:
                    report = self._judged(self.followed)
                version = known.version + 1 if known else 1
                self.lots[0] = Lot(", ".join(self.followed), report, None, version, state)
            self._closed.wait(POLL)

    def close(self) -> None:
        """End `follow`."""
        self._closed.set()

    def _judged(self, paths: Sequence[str]) -> Report:
        try:
            return api.diagnose(list(paths), settings=self.settings)
        except UserError as error:
            return Report(errors=(SourceError(", ".join(paths), str(error)),))


def _kept(sent: Sequence[Sent], place: Path) -> list[str]:
    """Write the files below a folder; their names there, which lead nowhere else and differ."""
    names: list[str] = []
    for file in sent:
        parts = [_SAFE.sub("_", part) for part in PurePosixPath(file.name.replace("\\", "/")).parts]
        parts = [part[:200] for part in parts if part.strip(" ._")] or ["log"]
        path = place.joinpath(*parts)
        while path.exists():
            path = path.with_name(f"{path.stem}+{path.suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        names.append(str(path.relative_to(place)))
    return names


def _roots(names: Sequence[str]) -> list[str]:
    """The files and folders that lie at the top, without the configurations of the others."""
    top = list(dict.fromkeys(name.partition(os.sep)[0] for name in names))
    return [name for name in top if not name.endswith(CONFIGURATIONS)] or top


def _without(report: Report, folder: str) -> Report:
    """The report with the names of the files as they were handed in, and not where they are kept."""
    diagnoses = tuple(
        replace(d, run=replace(d.run, source=d.run.source.removeprefix(folder), name=d.run.name.replace(folder, "")))
        for d in report.diagnoses
    )
    across = tuple(replace(f, runs=tuple(name.replace(folder, "") for name in f.runs)) for f in report.across)
    errors = tuple(SourceError(e.source.removeprefix(folder), e.message.replace(folder, "")) for e in report.errors)
    return replace(report, diagnoses=diagnoses, across=across, errors=errors)
