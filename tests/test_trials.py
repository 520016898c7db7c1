"""The table of trials: how it is read, put together, and orders the advice; and that what is shipped holds."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from diagnose import trials
from diagnose.errors import TableError
from diagnose.judging.causes import of_cause
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_fixes, load_rules, load_trials
from diagnose.measure import statistics
from diagnose.reports.phrases import outcome
from diagnose.synthetic import configured, overfit
from diagnose.trials import NOT_TRIED, Tally, Trials
from reference_trainer.remedies import REMEDIES
from rules.trials import TABLE
from tests.conftest import ROOT

ROW = Trials(
    "overfitting",
    "",
    "dropout",
    "label-noise",
    "digits, mlp",
    "classification",
    "adam",
    "published",
    20,
    20,
    15,
    "accuracy",
    1,
    0,
    2,
    1,
)


def row(fix: str, resolved: int, of: int = 20, **fields: object) -> Trials:
    return replace(ROW, fix=fix, resolved=resolved, trials=of, runs=max(of, int(str(fields.pop("runs", of)))), **fields)  # type: ignore[arg-type]


# --- intervals --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 400), st.data())
def test_the_interval_is_wilsons(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = statistics.wilson(hits, count)
    known = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((known.low, known.high), abs=1e-6)
    assert 0.0 <= low <= hits / count <= high <= 1.0


def test_without_trials_anything_may_be() -> None:
    assert statistics.wilson(0, 0) == (0.0, 1.0)


def test_what_is_not_known_equals_itself() -> None:
    unknown = Tally(20, 9, 3, cost=1.5)
    again = Tally(20, 9, 3, gain=float("nan"), gain_low=float("nan"), gain_high=float("nan"), cost=1.5)
    assert unknown == again
    assert len({unknown, again}) == 1
    assert unknown != Tally(20, 9, 3, gain=0.0, cost=1.5)
    assert unknown != Tally(20, 9, 4, cost=1.5)


# --- pooling ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.floats(-50, 50), min_size=2, max_size=30), min_size=1, max_size=5))
def test_a_pooled_gain_is_the_mean_of_all_trials(gains: list[list[float]]) -> None:
    rows = []
    for values in gains:
        mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
        rows.append(row("dropout", 0, len(values), gain=mean, gain_low=mean - half, gain_high=mean + half))
    pooled = trials.pool(rows)
    everything = [value for values in gains for value in values]
    assert pooled.trials == len(everything)
    assert pooled.gain == pytest.approx(float(np.mean(everything)), abs=1e-9)
    widths = [rows[i].gain_high - rows[i].gain_low for i in range(len(rows))]
    assert 0.0 <= pooled.gain_high - pooled.gain_low <= max(widths) + 1e-9  # more trials never widen it


def test_what_cannot_be_compared_is_left_out_of_the_gain_alone() -> None:
    unknown = row("dropout", 20, gain=math.nan, gain_low=math.nan, gain_high=math.nan)
    pooled = trials.pool([row("dropout", 10), unknown])
    assert (pooled.trials, pooled.resolved, pooled.gain) == (40, 30, 1)
    assert math.isnan(trials.pool([unknown]).gain)
    assert trials.pool([]) == Tally(0, 0, 0)


def test_several_metrics_have_no_name() -> None:
    assert trials.pool([row("dropout", 1), row("dropout", 1, metric="r2")]).metric == ""
    assert trials.pool([row("dropout", 1), row("dropout", 1)]).metric == "accuracy"


# --- order ------------------------------------------------------------------------------------------------------------


def ordered(rows: list[Trials], *fixes: str, cause: str = "") -> list[str]:
    return trials.order([replace(r, seeds="ranking") for r in rows], "overfitting", cause, fixes)


def test_the_lower_end_decides_and_not_the_share() -> None:
    assert ordered([row("lucky", 3, 3), row("proven", 57, 60)], "lucky", "proven") == ["proven", "lucky"]


def test_what_was_not_tried_stands_between_what_helps_and_what_does_not() -> None:
    rows = [row("rare", 4), row("often", 19)]
    assert ordered(rows, "rare", "unknown", "often") == ["often", "unknown", "rare"]


def test_a_fix_that_can_seldom_be_tried_is_no_first_advice() -> None:
    rows = [row("seldom", 20, runs=80), row("mostly", 60, 80)]
    assert ordered(rows, "seldom", "mostly") == ["mostly", "seldom"]


def test_equals_come_by_their_gain_and_then_as_the_rule_names_them() -> None:
    assert ordered([row("a", 20), row("b", 20, gain=6.0, gain_low=5.0, gain_high=7.0)], "a", "b") == ["b", "a"]
    assert ordered([row("a", 20), row("b", 20)], "b", "a") == ["b", "a"]
    assert ordered([], "b", "a") == ["b", "a"]


def test_a_cause_has_trials_of_its_own_and_an_unknown_one_none_of_them() -> None:
    rows = [row("a", 20, cause="x"), row("b", 20, cause="y"), row("a", 0, cause="y"), row("b", 0, cause="x")]
    assert ordered(rows, "b", "a", cause="x") == ["a", "b"]
    assert ordered(rows, "a", "b", cause="y") == ["b", "a"]
    assert ordered(rows, "b", "a") == ["b", "a"]
    assert ordered(rows, "a", "b", cause="never seen") == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "optimizer", "like"),
    [
        ("classification", None, True),
        ("classification", "torch.optim.AdamW", True),
        ("classification", "SGD", False),
        ("classification", "auto", True),
        ("regression", "Adam", False),
        ("supervised", "Adam", False),
        ("language-model", None, False),
    ],
)
def test_trials_count_for_runs_like_theirs_alone(kind: str, optimizer: str | None, like: bool) -> None:
    assert trials.alike(ROW, kind, optimizer) is like


def test_rarely_takes_trials_of_several_faults() -> None:
    alone = [row("dropout", 0)]
    assert not trials.pool(alone).rare
    assert trials.pool([*alone, row("dropout", 0, fault="too-few-samples")]).rare


def test_published_trials_do_not_order() -> None:
    assert trials.order([row("b", 20)], "overfitting", "", ("a", "b")) == ["a", "b"]


# --- what a reader sees -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (NOT_TRIED, "not tried on runs like this"),
        (Tally(60, 0, 0), "not tried on runs like this"),
        (
            Tally(60, 60, 60, "accuracy", 2.1),
            "resolved 60/60 reference runs of one fault (95 % CI 94-100 %), +2.1 points val accuracy",
        ),
        (
            Tally(60, 60, 21, "r2", -1.2, faults=2),
            "resolved 21/60 reference runs of 2 faults (95 % CI 24-48 %), -1.2 points of variance explained (R2)",
        ),
        (Tally(60, 60, 51), "resolved 51/60 reference runs of one fault (95 % CI 74-92 %)"),
    ],
)
def test_an_outcome_is_said_with_its_interval(tally: Tally, words: str) -> None:
    assert outcome(tally) == words


def test_advice_follows_the_trials_and_says_so() -> None:
    ranking = [replace(row("dropout", 20), seeds="ranking"), replace(row("weight-decay", 1), seeds="ranking")]
    published = [row("dropout", 18), row("weight-decay", 2)]
    run = configured(overfit(), num_classes=10)
    advice = judge(run, trials=[*ranking, *published]).findings[0].recommendations
    told = {fix.id: fix.tally for fix in advice}
    assert list(told).index("dropout") < list(told).index("smaller-network") < list(told).index("weight-decay")
    assert next(iter(told)) == "early-stopping"  # it helps whatever the cause
    assert (told["dropout"].resolved, told["dropout"].trials) == (18, 20)
    assert told["dropout"].gain == 1.0
    assert told["smaller-network"] == NOT_TRIED
    bare = replace(run, series={name: run.series[name] for name in ("train_loss", "val_loss")})
    without = judge(bare, trials=published).findings[0].recommendations
    assert all(math.isnan(fix.tally.gain) for fix in without)  # what the log does not measure is no gain of its own
    elsewhere = judge(replace(bare, config={}), trials=[*ranking, *published]).findings[0].recommendations
    assert all(fix.tally == NOT_TRIED for fix in elsewhere)  # nothing says that it is a classification


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = (ROW, row("weight-decay", 0, gain=math.nan, gain_low=math.nan, gain_high=math.nan, cost=math.nan))
    trials.write(rows, tmp_path / "trials.csv")
    again = trials.read(tmp_path / "trials.csv")
    assert again[0] == ROW
    assert again[1].resolved == 0
    assert math.isnan(again[1].gain)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "{columns}\nonly,three,cells\n", "{columns}\n" + ",".join(["x"] * len(trials.COLUMNS)) + "\n"],
)
def test_a_broken_table_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trials.csv"
    path.write_text(text.format(columns=",".join(trials.COLUMNS)))
    with pytest.raises(TableError) as caught:
        trials.read(path)
    assert str(path) in str(caught.value)
    assert "diagnose reference trials" in str(caught.value)
    assert "\n" not in str(caught.value)


# --- what is shipped --------------------------------------------------------------------------------------------------

SHIPPED = load_trials()


def test_the_table_is_installed() -> None:
    assert SHIPPED
    assert list(map(repr, trials.read(TABLE))) == list(map(repr, SHIPPED))  # a gain that is NaN equals no other


def test_the_table_speaks_of_what_there_is() -> None:
    known = {rule.id: rule for rule in load_rules()}
    assert {r.rule for r in SHIPPED} <= set(known)
    assert {r.fix for r in SHIPPED} <= set(load_fixes())
    for r in SHIPPED:
        assert 0 <= r.resolved <= r.trials <= r.runs
        assert r.date or not r.trials
        assert r.versions.startswith("diagnose ")


def test_every_fault_has_twenty_seeds_on_three_tasks() -> None:
    from reference_trainer.benches import BENCHES
    from reference_trainer.faults import FAULTS

    assert {r.fault for r in SHIPPED} == set(FAULTS) == set(BENCHES)
    most: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for r in SHIPPED:
        if r.seeds == "published":
            most[r.fault, r.task][r.cause] = max(most[r.fault, r.task][r.cause], r.runs)
    for fault, benches in BENCHES.items():
        assert len(benches) >= 3
        seen = [sum(most[fault, task].values()) for task in benches]
        # Of twenty seeds each; where the fault did not give its finding, there is no fix to try.
        assert sum(seen) >= 0.65 * 20 * len(benches), (fault, seen)


def test_the_advice_helps_as_often_as_the_readme_says() -> None:
    """Of the published runs, on the faults that the trials were made of: what a finding with this cause advises first
    of all that can be trained; one of three helps at least as often as the best of them does.
    """
    grouped: dict[tuple[str, str, str, str], list[Trials]] = defaultdict(list)
    for r in SHIPPED:
        if r.seeds == "published":
            grouped[r.rule, r.cause, r.fault, r.task].append(r)
    rules, catalogue = {rule.id: rule for rule in load_rules()}, load_fixes()
    runs = first = three = 0
    for (rule, cause, _, _), rows in grouped.items():
        tried = {r.fix: r for r in rows}
        like = [r for r in SHIPPED if r.rule == rule and trials.alike(r, rows[0].kind, rows[0].optimizer)]
        offered = [fix for fix in of_cause(rules[rule], cause, like) if catalogue[fix].fits(rows[0].kind)]
        ranked = [fix for fix in offered if fix in REMEDIES]
        resolved = [tried[fix].resolved if fix in tried else 0 for fix in ranked[:3]]
        runs += max(r.runs for r in rows)
        first += resolved[0]
        three += max(resolved)
    assert first >= 0.90 * runs
    assert three >= 0.97 * runs


def test_a_broken_table_is_one_line_at_the_command_line(tmp_path: Path) -> None:
    broken = tmp_path / "rules"
    subprocess.run(["cp", "-r", str(ROOT / "rules"), str(broken)], check=True)
    (broken / "trials.csv").write_text("nothing\n")
    place = ("import sys", f"sys.path.insert(0, {str(tmp_path)!r})")
    code = "; ".join((*place, "from diagnose.cli import main", "main(['explain', 'plateau'])"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "diagnose reference trials" in done.stderr
