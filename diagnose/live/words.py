"""News of a run that goes on, in one or two lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diagnose.curves import Run
from diagnose.live.hearing import News
from diagnose.reports.phrases import confidence
from diagnose.reports.words import number, one_line


def where(run: Run) -> str:
    """How far the run had come: `epoch 31`."""
    return f"{run.axis} {number(run.last_step, 6)}"


def title(news: News) -> str:
    """`overfitting (error)`; `overfitting: no longer`."""
    if news.kind == "gone":
        return f"{news.finding.rule}: no longer"
    return f"{news.finding.rule} ({news.finding.severity})"


def lines(news: News) -> list[str]:
    """What was found and how sure that is, and what to try first; or that it no longer holds."""
    finding, at = news.finding, where(news.run)
    if news.kind == "gone":
        return [one_line(f"{at}: {finding.rule} no longer holds; it is taken back")]
    worse = "now " if news.kind == "worse" else ""
    said = [f"{at}: {worse}{finding.severity.upper()} {finding.rule}, {confidence(finding)}: {finding.summary}"]
    if finding.recommendations:
        said.append(f"  try first: {finding.recommendations[0].title.rstrip('.')}. (diagnose explain {finding.rule})")
    return [_line(line) for line in said]


def facts(news: News) -> Mapping[str, str]:
    """The same for programs: rule, severity (`gone` where it was taken back), summary, run, and where it was seen."""
    return {
        "rule": news.finding.rule,
        "severity": "gone" if news.kind == "gone" else news.finding.severity.value,
        "summary": _line(news.finding.summary),
        "run": one_line(news.run.source or news.run.name),
        "at": where(news.run),
    }


def together(news: Sequence[News]) -> str:
    """The lines of several."""
    return "\n".join(line for each in news for line in lines(each))


def _line(text: str) -> str:
    """One line, with its indent."""
    indent = len(text) - len(text.lstrip(" "))
    return " " * indent + one_line(text.strip())
