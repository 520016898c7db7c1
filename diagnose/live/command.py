"""Runs a command of the user's for each error that is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from diagnose.live.hearing import News
from diagnose.live.words import facts
from diagnose.rule import Severity

PATIENCE = 60.0
"""Seconds that `finish` waits for the commands that still run."""


class Command:
    """line: for the shell. It finds what was found in its environment: DIAGNOSE_RULE, DIAGNOSE_SEVERITY,
    DIAGNOSE_SUMMARY, DIAGNOSE_RUN and DIAGNOSE_AT. What it writes goes to stderr. It is run once for each rule and run.
    """

    def __init__(self, line: str, complain: Callable[[str, str], None]) -> None:
        self._line = line
        self._complain = complain
        self._done: set[tuple[str, str]] = set()
        self._running: list[subprocess.Popen[bytes]] = []

    def __call__(self, news: News) -> None:
        """Start the command where the news is an error."""
        known = facts(news)
        key = known["run"], known["rule"]
        if news.kind == "gone" or news.finding.severity is not Severity.ERROR or key in self._done:
            return
        self._done.add(key)
        told = {f"DIAGNOSE_{name.upper()}": value for name, value in known.items()}
        self._running.append(
            subprocess.Popen(
                self._line, shell=True, env={**os.environ, **told}, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()
            )
        )

    def finish(self) -> None:
        """Wait for the commands, and tell of those that failed."""
        until = time.monotonic() + PATIENCE
        for child in self._running:
            try:
                code = child.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._complain("--on-error", "the command still runs; it is not waited for")
                continue
            if code:
                self._complain("--on-error", f"the command ended with {code}")
        self._running.clear()
