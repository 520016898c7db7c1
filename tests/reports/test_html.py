"""Pages as text: complete without a script, closed to the network, and nothing from a log in them but text."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging import kept
from diagnose.judging.engine import judge
from diagnose.report import Report
from diagnose.reports import html, markup, panels, svg
from diagnose.reports.context import Context
from diagnose.reports.html.parts import Curves
from diagnose.rule import Diagnosis, Finding, NotJudged, Severity
from tests.test_cli import run as call

EVIL = "<script>alert(1)</script>"
INLINE = {"a", "b", "cite", "small", "span", "strong"}
VOID = {"meta", "link", "input", "br", "line", "path", "rect", "circle", "wbr"}


def render(*parts: Any) -> str:
    return html.render(Report(*map(tuple, parts)), Context(version="1.2.3"))


class Outline(HTMLParser):
    """Tags, ids, headings and texts; fails on tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag not in INLINE:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if "script" in self.open or "style" in self.open:
            return
        self.text += data
        if any(re.fullmatch("h[1-6]", tag) for tag in self.open):
            level, said = self.headings[-1]
            self.headings[-1] = (level, said + data)


def islands(page: str, class_: str) -> list[Any]:
    return [
        json.loads(t) for t in re.findall(rf'<script type="application/json" class="{class_}">(.*?)</script>', page)
    ]


def unpacked(page: str) -> list[str]:
    """The runs in full of an audit."""
    chunks = [json.loads(zlib.decompress(base64.b64decode(packed))) for packed in islands(page, "packed")]
    return [article for chunk in chunks for article in chunk]


def test_one_run_is_told_in_full_without_a_script(ill: Diagnosis) -> None:
    seen = Outline(render([ill]))
    said = " ".join(seen.text.split())
    assert "1 problem: overfitting (error)" in said
    assert "epochs 17-40, confidence 0.97" in said
    assert "What was learned after epoch 17 fits the training sample, not the task." in said
    assert "statistic measured threshold end above the best (GL) 61.9 percent 5 best 17 context" in said
    assert "try first Stop at epoch 17. Later epochs fit the sample. [notes]" in said
    assert "resolved 19/20 reference runs of one fault (95 % CI 76-99 %), +2.1 points val accuracy" in said
    assert "not tried" in said
    assert "val_loss is 5 times train_loss" in said
    assert "The log has no accuracy" in said
    assert "The epoch restarts at row 12: judged from there" in said
    pictures = [attributes for tag, attributes in seen.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(pictures) == 2
    assert "overfitting in val_loss, train_loss: overfitting, epochs 17-40" in said  # the picture in words


def test_headings_come_in_order(ill: Diagnosis, healthy: Diagnosis) -> None:
    single, audit = render([ill]), render([ill, healthy])
    for page in (single, audit):
        levels = [level for level, _ in Outline(page).headings]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    levels = [level for level, _ in Outline(unpacked(audit)[0]).headings]
    assert levels[0] == 3
    assert all(3 <= level <= 6 for level in levels)


def test_a_page_asks_for_nothing(ill: Diagnosis, healthy: Diagnosis) -> None:
    for page in (render([ill]), render([ill, healthy])):
        assert re.findall(r"(?:src|href)=\"(?!#|data:,)[^\"]*", page) == []
        assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", page)
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        assert policy
        assert policy[1].startswith("default-src &#x27;none&#x27;")


def hostile(ill: Diagnosis) -> Diagnosis:
    """The diagnosis with every text that may come from a log hostile."""
    run = ill.run
    series = {EVIL: run.series["loss"], "val_loss": run.series["val_loss"], f"{EVIL}2": run.series["val_loss"]}
    finding = replace(ill.findings[0], series=("val_loss", f"{EVIL}2"), summary=EVIL, meaning=EVIL, cause=EVIL)
    finding = replace(
        finding,
        evidence=(replace(finding.evidence[0], statistic=EVIL, unit=EVIL),),
        recommendations=(replace(finding.recommendations[0], title=EVIL, why=EVIL, source=EVIL),),
    )
    run = Run(
        name=EVIL,
        series=series,
        roles={"train_loss": EVIL, "val_loss": "val_loss"},
        config={EVIL: EVIL, "quoted": '" onload="alert(1)'},
        source=f"{EVIL}/\udce9\x1b[31m.csv",
        format="csv",
        axis="epoch",
        notes=(EVIL,),
    )
    missing = (NotJudged("rule", EVIL),)
    return replace(ill, run=run, findings=(finding,), not_judged=missing, milestone_reason=EVIL)


def test_what_comes_from_a_log_stays_text(ill: Diagnosis) -> None:
    evil = hostile(ill)
    across = (replace(evil.findings[0], runs=(EVIL, "other")),)
    single = render([evil])
    audit = render([evil, evil], [(EVIL, EVIL)], across, evil.not_judged)
    for page in (single, audit, *unpacked(audit)):
        executed = [a for tag, a in Outline(page).tags if tag == "script" and a.get("type") != "application/json"]
        assert len(executed) == (1 if page.startswith("<!doctype") else 0)
        assert EVIL not in page
        assert not any("onload" in attributes for _, attributes in Outline(page).tags)
        assert "\x1b" not in page
        page.encode()
    assert islands(single, "chart-data")[0]["panels"][1]["curves"][0]["name"] == f"{EVIL}2"
    assert EVIL in Outline(single).text


@given(st.text())
def test_any_text_survives_as_text(text: str) -> None:
    element = markup.tag("p", text, title=text)
    seen = Outline(element)
    assert seen.open == []
    assert [tag for tag, _ in seen.tags] == ["p"]
    [loaded] = islands(markup.data([text], "x"), "x") or [None]
    assert loaded == [text]


def test_nothing_in_an_island_ends_it() -> None:
    assert "</" not in markup.data(["</script><!--", "]]>"], "x").removesuffix("</script>")


def test_curves_keep_every_value_that_is_not_finite_and_the_order_of_fine_differences() -> None:
    steps = np.array([0.0, 1.0, 2.0, 5.0, 9.0])
    curves = Curves(100, 5)
    curves.place(Series("a", steps, np.array([1.0, np.nan, np.inf, -np.inf, 2.0])))
    curves.place(Series("b", steps + 0.5, 1000.0 + np.arange(5) * 1e-6))
    [first, second] = islands(curves.island(), "series")[0]
    assert first == {"d": [0, 1, 1, 3, 4], "v": [1, "nan", "inf", "-inf", 2]}
    assert second["s"] == [0.5, 1.5, 2.5, 5.5, 9.5]
    assert second["v"] == sorted(set(second["v"]))


def test_a_long_run_keeps_its_spike_and_a_size() -> None:
    steps = np.arange(100_000.0)
    rng = np.random.default_rng(0)
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "grad_norm")
    series = {name: Series(name, steps, 1.0 + 0.1 * rng.random(steps.size)) for name in names}
    series["train_loss"].values[31_415] = 77.25
    page = render([judge(Run("long", series, {name: name for name in names}, axis="step"))])
    assert len(page.encode()) < 1_500_000
    assert any(77.25 in curve["v"] for curve in islands(page, "series")[0])


def test_an_audit_of_500_runs_keeps_a_size() -> None:
    built = (synthetic.healthy, synthetic.overfit, synthetic.diverging, synthetic.spiky)
    runs = [built[i % 4](seed=i) for i in range(100)]
    thin = [kept.judged(judge(replace(run, source=f"runs/{i}/log.csv"))) for i, run in enumerate(runs)]
    many = [
        replace(d, run=replace(d.run, source=f"runs/{k}/{d.run.source}", name=f"{k} {d.run.name}"))
        for k in range(5)
        for d in thin
    ]
    page = render(many)
    assert len(page.encode()) < 1_500_000
    assert page.count('class="spark"') == 500
    assert len(unpacked(page)) == 500


def test_runs_of_which_only_the_ends_are_kept_are_told_in_words(ill: Diagnosis, healthy: Diagnosis) -> None:
    page = render([kept.judged(ill, drawn=False), kept.judged(healthy, drawn=False)])
    full = unpacked(page)[0]
    assert "<figure" not in full
    assert "40 points" in full
    assert 'class="spark"' not in page


def test_an_audit_lists_runs_worst_first_with_totals(
    ill: Diagnosis, healthy: Diagnosis, noted: Diagnosis, unjudged: Diagnosis
) -> None:
    page = render([healthy, unjudged, noted, ill], [("gone.csv", "no such file")])
    seen = Outline(page)
    assert [a["data-verdict"] for tag, a in seen.tags if tag == "tr" and "data-verdict" in a] == [
        "error",
        "note",
        "not-judged",
        "healthy",
    ]
    assert "4 runs" in seen.headings[0][1]
    assert "1 not read" in seen.text
    assert "no such file" in seen.text
    assert "overfitting" in Outline(unpacked(page)[0]).text


def test_what_runs_say_together_names_and_links_them(ill: Diagnosis, healthy: Diagnosis) -> None:
    finding = Finding(
        Severity.WARNING, 0.9, "one is far off", "look at it", (0, 1), (), rule="outlier-run", runs=("fine",)
    )
    page = render([ill, healthy], (), [finding])
    assert '<a href="#run-1">fine</a>' in page
    assert "What the runs say together" in Outline(page).text


def test_sources_that_all_failed_still_make_a_page() -> None:
    page = render([], [("a.csv", "no such file")])
    assert "0 runs" in Outline(page).text
    assert "no such file" in Outline(page).text


@pytest.mark.parametrize("values", [np.full(9, np.nan), np.full(9, 3.0), np.r_[np.full(8, 1e308), -1e308], np.ones(1)])
def test_odd_curves_make_a_page(values: np.ndarray) -> None:
    run = Run("odd", {"loss": Series("loss", np.arange(values.size, dtype=float), values)}, {"train_loss": "loss"})
    seen = Outline(render([judge(run)]))
    paths = [a["d"] or "" for tag, a in seen.tags if tag == "path" and str(a.get("class", "")).startswith("curve")]
    assert bool(paths) == bool(np.isfinite(values).any())
    assert not [path for path in paths if "nan" in path or "inf" in path]


# --- the picture without a script


@given(
    st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.booleans()
)  # fmt: skip
def test_ticks_lie_between_the_ends_and_are_few(low: float, width: float, log: bool) -> None:
    low, high = (width, width * (2.0 + abs(low))) if log else (low, low + width)
    found = svg.ticks(low, high, log=log)
    room = 1e-6 * max(abs(low), abs(high))
    assert all(low - room <= tick <= high + room for tick in found)
    assert len(found) <= 13
    assert found == sorted(found)


def test_a_sparkline_is_small_and_needs_three_points() -> None:
    steps = np.arange(1000.0)
    drawn = svg.sparkline(Series("a", steps, np.exp(-steps / 100)))
    assert drawn.startswith("<svg")
    assert len(drawn) < 500
    assert svg.sparkline(Series("a", steps[:2], steps[:2])) == ""


def test_a_run_has_a_panel_per_quantity_in_a_fixed_order() -> None:
    steps = np.arange(10.0)
    names = ("grad_norm", "learning_rate", "val_accuracy", "train_loss", "val_loss", "epoch")
    run = Run("r", {name: Series(name, steps, steps + 1) for name in names}, {name: name for name in names})
    found = panels.of_run(judge(run))
    assert [panel.title for panel in found] == ["loss", "accuracy", "learning rate", "gradient norm"]
    assert [curve.name for curve in found[0].curves] == ["train_loss", "val_loss"]


# --- the command


def test_the_command_writes_a_page_to_stdout_or_a_file(samples: Path, tmp_path: Path) -> None:
    log, out = samples / "overfitting.csv", tmp_path / "report.html"
    printed = call(log, "--format", "html")
    assert printed.exit_code == 1
    assert printed.stdout.startswith("<!doctype html>")
    written = call(log, "--format", "html", "--out", out)
    assert (written.exit_code, written.stdout, written.stderr) == (1, "", "")
    assert out.read_text() == printed.stdout


def test_out_takes_the_other_formats_too(samples: Path, tmp_path: Path) -> None:
    for form in ("text", "json"):
        call(samples / "healthy.csv", "--format", form, "--out", tmp_path / form)
        assert (tmp_path / form).read_text() == call(samples / "healthy.csv", "--format", form).stdout


def test_a_file_that_cannot_be_written_is_one_line(samples: Path, tmp_path: Path) -> None:
    for out, why in ((tmp_path, "is a directory"), (tmp_path / "no" / "a.html", "there is no directory")):
        result = call(samples / "healthy.csv", "--format", "html", "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert why in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_page_is_not_poured_into_a_terminal(samples: Path) -> None:
    pty = pytest.importorskip("pty", reason="terminals of POSIX")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "diagnose", str(samples / "healthy.csv"), "--format", "html"]
    done = subprocess.run(command, stdout=slave, stderr=subprocess.PIPE, text=True, check=False)
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert done.stderr == "diagnose: a page is for a browser: --format html --out report.html\n"
