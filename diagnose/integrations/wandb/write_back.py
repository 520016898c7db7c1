"""Writes what was found back to the runs on a W&B server, and never touches what the user wrote there.

tags      `diagnose:overfitting` for each warning and error; tags of ours that no longer hold are taken away
summary   `diagnose/verdict`, `diagnose/findings`, `diagnose/errors`, `diagnose/warnings`, `diagnose/version`
notes     a section between two marks, replaced each time, behind the user's own text
alert     one per run and set of findings; `diagnose/alerted` in the summary remembers which, `diagnose/alerting` who
          sends it
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnose._version import __version__
from diagnose.errors import SettingsError
from diagnose.integrations.wandb.overview import Line
from diagnose.reports.words import one_line
from diagnose.rule import Finding, Severity

PLACES = ("tags", "summary", "notes", "alert")
"""What may be written, by the name of its place."""

PREFIX = "diagnose:"
"""What our tags begin with; others are the user's."""

BEGIN, END = "<!-- diagnose -->", "<!-- /diagnose -->"
"""What our section of the notes stands between."""

SETTLED = 3.0
"""Seconds after which what several audits write to one run at once has come to rest."""

_CLAIM = "diagnose/alerting"
_SECTION = re.compile(rf"\n*{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_TITLE = 64  # characters of the title of an alert, at most


@dataclass(frozen=True)
class Change:
    """What is to be written to one run; what stays as it is, is None or empty.

    tags: all tags afterwards. notes: the whole notes afterwards. summary: our keys and their values. alert: title and
    text.
    """

    tags: tuple[str, ...] | None = None
    notes: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    alert: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return self.tags is not None or self.notes is not None or bool(self.summary) or self.alert is not None


def change(line: Line, places: Collection[str], *, tags: Sequence[str], notes: str, summary: Any) -> Change:
    """What has to be written so that the run on the server says what was found.

    tags, notes, summary: as they are on the server.
    """
    problems = _problems(line)
    rules = sorted({finding.rule for finding in problems})
    new_tags = None
    if "tags" in places:
        wanted = [*(tag for tag in tags if not tag.startswith(PREFIX)), *(f"{PREFIX}{rule}" for rule in rules)]
        new_tags = tuple(wanted) if set(wanted) != set(tags) else None
    new_notes = None
    if "notes" in places and (problems or BEGIN in notes):
        written = _with_section(notes, _section(line, problems))
        new_notes = written if written != notes else None
    values: dict[str, Any] = {}
    if "summary" in places:
        values = {
            "diagnose/verdict": line.verdict,
            "diagnose/findings": ", ".join(rules),
            "diagnose/errors": sum(finding.severity is Severity.ERROR for finding in problems),
            "diagnose/warnings": sum(finding.severity is Severity.WARNING for finding in problems),
            "diagnose/version": __version__,
        }
    alert = None
    if "alert" in places and rules and summary.get("diagnose/alerted") != ", ".join(rules):
        title = f"diagnose: {', '.join(rules)}"
        title = title if len(title) < _TITLE else f"{title[: _TITLE - 4]}..."
        alert = title, "\n".join(one_line(finding.summary) for finding in problems)
        values["diagnose/alerted"] = ", ".join(rules)
    changed = {key: value for key, value in values.items() if summary.get(key) != value}
    return Change(new_tags, new_notes, changed, alert)


def describe(line: Line, made: Change, tags: Sequence[str]) -> str:
    """A change in one line: `brave-sun-3 (ab12): tags +diagnose:overfitting; summary verdict, findings`."""
    parts = []
    if made.tags is not None:
        added = [f"+{tag}" for tag in made.tags if tag not in tags]
        parts.append(f"tags {' '.join([*added, *(f'-{tag}' for tag in tags if tag not in made.tags)])}")
    if made.summary:
        parts.append(f"summary {', '.join(key.removeprefix('diagnose/') for key in made.summary)}")
    if made.notes is not None:
        parts.append("notes: its section")
    if made.alert is not None:
        parts.append(f"alert {made.alert[0]!r}")
    return one_line(f"{line.name} ({line.id}): {'; '.join(parts)}")


def apply(api: Any, path: str, line: Line, places: Collection[str]) -> Change:
    """Write to the run at `path` (entity/project/id) what is to be written, from what stands there now.

    api: a `wandb.Api`. Raises what the client raises.
    """
    from diagnose.integrations.wandb import _private

    run = _fresh(api, path)
    made = change(line, places, **state(run))
    claim = secrets.token_hex(8)
    if made.alert is not None:
        made.summary[_CLAIM] = claim
    if made.tags is not None or made.notes is not None:
        if made.tags is not None:
            run.tags = list(made.tags)
        if made.notes is not None:
            run.notes = made.notes
        for key, value in made.summary.items():
            run.summary[key] = value
        run.update()  # writes the summary, too
    elif made.summary:
        run.summary.update(made.summary)
    if made.alert is not None and _is_ours(api, path, claim):
        title, text = made.alert
        severity = "ERROR" if line.verdict == "error" else "WARN"
        _private.alert(run, title, text, severity)
    return made


def _is_ours(api: Any, path: str, claim: str) -> bool:
    """Whether this audit sends the alert, where several write at once: of all that claimed it, the last one.

    Whoever reads later finds that an alert was sent, and claims none.
    """
    time.sleep(SETTLED)
    return bool(_fresh(api, path).summary_metrics.get(_CLAIM) == claim)


def check(places: Collection[str]) -> None:
    """Raises SettingsError where the client that is installed cannot write to one of the places."""
    from diagnose.integrations.wandb import _private

    if "alert" in places and (why := _private.alerts_refused()):
        raise SettingsError(f"--write-back alert: {why}")


def planned(api: Any, path: str, line: Line, places: Collection[str]) -> tuple[Change, tuple[str, ...]]:
    """What `apply` would write, and the tags that stand there now."""
    now = state(_fresh(api, path))
    return change(line, places, **now), tuple(now["tags"])


def state(run: Any) -> dict[str, Any]:
    """The tags, the notes and the summary of the client's run."""
    # Not `run.summary`, which keeps what it was when it was first asked for.
    summary = {key: value for key, value in run.summary_metrics.items() if str(key).startswith("diagnose/")}
    return {"tags": list(run.tags or ()), "notes": run.notes or "", "summary": summary}


def _fresh(api: Any, path: str) -> Any:
    run = api.run(path)
    run.load(force=True)  # the client hands out the run that it made before
    return run


def _problems(line: Line) -> list[Finding]:
    findings = line.diagnosis.findings if line.diagnosis else ()
    return [finding for finding in findings if finding.severity is not Severity.NOTE]


def _section(line: Line, problems: Sequence[Finding]) -> str:
    """Our part of the notes, in Markdown."""
    said = [f"**diagnose {__version__}**: {line.verdict}"]
    for finding in problems:
        fix = f" Try first: {finding.recommendations[0].title}." if finding.recommendations else ""
        said.append(f"- {finding.severity.value} `{finding.rule}`: {one_line(finding.summary)}{one_line(fix)}")
    return f"{BEGIN}\n" + "\n".join(said) + f"\n{END}"


def _with_section(notes: str, section: str) -> str:
    """The notes with the section in place of the one that was there, or behind them."""
    if _SECTION.search(notes):
        before = "\n\n" if _SECTION.search(notes).start() else ""  # type: ignore[union-attr]
        return _SECTION.sub(lambda _: f"{before}{section}", notes, count=1)
    return f"{notes}\n\n{section}" if notes.strip() else section
