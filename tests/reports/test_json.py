from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from diagnose.report import Report
from diagnose.reports import json as report
from diagnose.reports.context import Context
from diagnose.rule import Diagnosis, Evidence


def render(*parts: Any) -> str:
    return report.render(Report(*map(tuple, parts)), Context(version="1.2.3"))


def strict(text: str) -> Any:
    """Parse as a strict parser does: no NaN, no Infinity."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_contract(ill: Diagnosis) -> None:
    document = strict(render([ill], [("notes.txt", "this is no training log")]))
    assert document["schema_version"] == 1
    assert document["tool"] == {"name": "diagnose", "version": "1.2.3"}
    assert document["errors"] == [{"source": "notes.txt", "message": "this is no training log"}]
    [run] = document["runs"]
    assert list(run) == [
        "source",
        "name",
        "format",
        "axis",
        "roles",
        "points",
        "verdict",
        "run_kind",
        "run_kind_reason",
        "not_read",
        "milestone",
        "milestone_reason",
        "findings",
        "judged",
        "not_judged",
        "notes",
    ]
    assert run["roles"] == {"train_loss": "loss", "val_loss": "val_loss"}
    assert run["points"] == 40
    assert run["verdict"] == "error"
    assert run["milestone"] == "learn-the-right-thing"
    assert run["not_judged"][0] == {"rule": "frozen-metric", "reason": "the log has no accuracy"}
    assert run["notes"] == ["the epoch restarts at row 12: judged from there"]
    [finding] = run["findings"]
    assert finding["rule"] == "overfitting"
    assert finding["severity"] == "error"
    assert finding["confidence"] == 0.97
    assert finding["steps"] == [17, 40]
    assert finding["marks"] == [17]
    assert finding["series"] == ["val_loss", "train_loss"]
    assert finding["evidence"][0] == {"statistic": "GL", "value": 61.9, "threshold": 5.0, "unit": "percent"}
    assert finding["evidence"][1]["threshold"] is None
    assert finding["fixes"][0] == {
        "id": "early-stopping",
        "title": "stop at epoch 17",
        "why": "later epochs fit the sample",
        "source": "notes",
        "test": False,
        "trials": 20,
        "faults": 1,
        "resolved": 19,
        "resolved_interval": [0.7639, 0.9911],
        "gain": 2.1,
        "gain_interval": [None, None],
        "gain_metric": "accuracy",
        "cost": None,
    }


def test_what_is_not_finite_is_null(ill: Diagnosis) -> None:
    finding = replace(ill.findings[0], evidence=(Evidence("ratio", float("inf"), float("nan")),), steps=(0.5, 40.0))
    [run] = strict(render([replace(ill, findings=(finding,))]))["runs"]
    assert run["findings"][0]["evidence"][0] == {"statistic": "ratio", "value": None, "threshold": None, "unit": ""}
    assert run["findings"][0]["steps"] == [0.5, 40]


def test_a_file_name_that_is_no_text_stays_strict_json(healthy: Diagnosis) -> None:
    text = render([replace(healthy, run=replace(healthy.run, source="caf\udce9.csv"))])
    assert strict(text)["runs"][0]["source"] == r"caf\udce9.csv"


@pytest.mark.parametrize(
    ("name", "verdict"), [("healthy", "healthy"), ("ill", "error"), ("noted", "note"), ("unjudged", "not-judged")]
)
def test_the_verdict_in_a_word(name: str, verdict: str, request: pytest.FixtureRequest) -> None:
    assert strict(render([request.getfixturevalue(name)]))["runs"][0]["verdict"] == verdict


def test_it_is_ascii_and_the_same_each_time(ill: Diagnosis) -> None:
    accented = replace(ill, run=replace(ill.run, source="\N{LATIN SMALL LETTER E WITH ACUTE}.csv"))
    assert render([accented]).isascii()
    assert render([accented]) == render([accented])
