"""What a renderer is told beside what it renders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diagnose._version import __version__
from diagnose.reports.page import PLAIN_PAGE, Page
from diagnose.rule import Rule


@dataclass(frozen=True, slots=True)
class Context:
    """Whatever a format may need; each takes what it has a place for.

    page: what a report in words is written on.
    version: that of the program.
    rules: those that are installed; SARIF describes the ones that found something.
    failing: the severities that are a failure, where a format has failures.
    names, links: source of a run -> what to call it; address of its page elsewhere.
    preface: sentences about all runs, at the head of a page.
    extra: members of the JSON document beside those of every report.
    """

    page: Page = PLAIN_PAGE
    version: str = __version__
    rules: tuple[Rule, ...] = ()
    failing: tuple[str, ...] = ("warning", "error")
    names: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    preface: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
