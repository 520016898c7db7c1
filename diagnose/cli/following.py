"""What `--watch` and `--live` share: where news goes, and how a run is judged once more at an earlier length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from diagnose.cli.watch import Following, Tell, follow, told_at, with_curve
from diagnose.console.terminal import complain, write
from diagnose.curves import Run
from diagnose.judging.source import Wanted, outcome_of
from diagnose.live.command import Command
from diagnose.live.hearing import News
from diagnose.live.notify import Notifier
from diagnose.report import Report
from diagnose.reports.page import Page
from diagnose.rule import Diagnosis


class Asked(NamedTuple):
    """What is asked for beside the logs.

    on_error: a command; None for none. notify: addresses. failing: the severities that are a failure. idle: seconds.
    """

    on_error: str | None
    notify: Sequence[str]
    failing: Sequence[str]
    idle: float | None


def followed(paths: Sequence[str] | None, judge: partial[Any], asked: Asked, page: Page) -> Report:
    """Follow logs, or the standard input where `paths` is None, and wait for what is still being sent.

    Raises SettingsError for an address that means nothing, before anything is read.
    """
    notifier = Notifier(asked.notify)
    command = None if asked.on_error is None else Command(asked.on_error, complain)
    tell: list[Tell] = [_on_stderr() if paths is None else lambda news: write(with_curve(news, page))]
    tell.append(notifier_of(notifier))
    if command is not None:
        tell.append(command)
    following = Following(judge, _again(judge), told_at(asked.failing), tell)
    if paths is None:
        from diagnose.cli.live import pass_on

        report = pass_on(following, page)
    else:
        report = follow(paths, following, idle=asked.idle, page=page)
    notifier.finish()
    if notifier.failed:
        complain("--notify", f"{notifier.failed} messages could not be sent; try the address with `apprise -v`")
    if command is not None:
        command.finish()
    return report


def notifier_of(notifier: Notifier) -> Tell:
    """A notifier as one of those that are told."""

    def tell(news: News) -> None:
        notifier(news)

    return tell


def _on_stderr() -> Tell:
    from diagnose.cli.live import on_stderr

    return on_stderr


def _again(judge: partial[Any]) -> Callable[[Run], Diagnosis | None]:
    """Judges one run as `judge` judges a source."""
    given: dict[str, Any] = judge.keywords
    wanted = Wanted.of(
        **{name: given[name] for name in ("map", "select", "ignore", "config", "settings")}
    ).without_baseline()

    def again(run: Run) -> Diagnosis | None:
        found = outcome_of(lambda: [run], wanted).diagnoses
        return found[0] if found else None

    return again
