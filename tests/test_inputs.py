"""The inputs of rules: a graph of providers, each asked once per run, to which other packages add."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Array, Run, Series
from diagnose.errors import RulesError
from diagnose.judging import installed, providers
from diagnose.judging.engine import judge
from diagnose.judging.inputs import Key, Lack, handed, key_of, order, parameters, supply, table
from diagnose.judging.needs import needs
from diagnose.judging.providers import PROVIDERS
from diagnose.names.kinds import PARADIGMS
from diagnose.rule import CannotJudge, Finding, Rule
from tests.written import write_csv


@dataclass(frozen=True)
class Range:
    """Of a curve; a type of another package."""

    low: float
    high: float


def value_range(series: Series, /) -> Range:
    return Range(float(series.values.min()), float(series.values.max()))


def drop(train_loss: Range, val_loss: Range | None = None) -> float:
    return train_loss.high - (val_loss or train_loss).low


def run_of(**curves: list[float]) -> Run:
    found = {name: Series(name, np.arange(len(v), dtype=np.float64), np.array(v)) for name, v in curves.items()}
    return Run("r", found, {name: name for name in found})


def given(check: Any, run: Run, *more: Any) -> dict[str, Any]:
    """What a check would get; a `Lack` for what the run does not have."""
    inputs, known = table([*PROVIDERS, *more]), handed(run, ())
    return {parameter.name: supply(parameter.keys, known, inputs) for parameter in parameters(check, inputs)}


def test_a_type_is_supplied_under_any_name_and_a_name_from_other_inputs() -> None:
    def check(train_loss: Range, val_loss: Range, drop: float) -> Finding | None: ...

    run = run_of(train_loss=[3.0, 1.0], val_loss=[4.0, 2.0])
    assert given(check, run, value_range, drop) == {
        "train_loss": Range(1.0, 3.0),
        "val_loss": Range(2.0, 4.0),
        "drop": 1.0,
    }


def test_an_input_lacks_what_its_own_inputs_lack() -> None:
    def check(drop: float, grad_norm: Range, focus: Range) -> Finding | None: ...

    assert given(check, run_of(val_loss=[1.0]), value_range, drop) == {
        "drop": Lack("the log has no train_loss"),
        "grad_norm": Lack("the log has no grad norm"),
        "focus": Lack("the log has no focus"),
    }
    assert given(check, run_of(train_loss=[3.0, 1.0]), value_range, drop)["drop"] == 2.0


def test_a_provider_may_say_itself_why_it_has_nothing() -> None:
    def steady(series: Series, /) -> Range:
        raise CannotJudge(f"{series.name} is never steady")

    def check(train_loss: Range) -> Finding | None: ...

    assert given(check, run_of(train_loss=[1.0]), steady) == {"train_loss": Lack("train_loss is never steady")}


def test_a_union_takes_the_first_that_the_run_has() -> None:
    def check(momentum: bool | float, dropout: float | bool, epochs: int | str, seed: int) -> Finding | None: ...

    run = replace(run_of(), config={"momentum": 1, "dropout": True, "epochs": "ten", "seed": True})
    lack = Lack("the log's config has no seed")
    assert given(check, run) == {"momentum": 1.0, "dropout": True, "epochs": "ten", "seed": lack}


def test_each_input_is_made_once_for_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    align = providers.align
    monkeypatch.setattr(providers, "align", lambda curves: calls.append(len(curves)) or align(curves))

    def gap(train_loss: Array, val_loss: Array) -> Finding | None: ...

    def rise(step: Array, train_loss: Array, val_loss: Array) -> Finding | None: ...

    def fall(step: Array, train_loss: Array) -> Finding | None: ...

    rules = [Rule(check.__name__, "Test: a rule.", check, 1, ()) for check in (gap, rise, fall)]
    assert judge(run_of(train_loss=[2.0, 1.0], val_loss=[3.0, 2.0]), rules).judged == ("gap", "rise", "fall")
    assert calls == [2, 1]


def test_an_input_comes_after_what_it_is_made_of() -> None:
    inputs = table([*PROVIDERS, value_range, drop])
    names = [(key.provider, key.name) for key in order(key_of(drop), inputs)]
    assert names.index((value_range, "train_loss")) > names.index((providers.series, "train_loss"))
    assert names[-1] == (drop, "")
    assert order(Key(providers.series, "val_loss"), inputs) == (Key(None, "run"), Key(providers.series, "val_loss"))


# --- what a rule is not for


def test_the_paradigms_that_rules_are_not_for_are_known() -> None:
    assert {paradigm for rule in installed.load_rules() for paradigm in rule.not_for} == set(PARADIGMS)


def test_a_rule_that_is_not_for_a_paradigm_gives_its_reason_once_the_run_has_the_rest() -> None:
    def check(train_loss: Array) -> Finding | None: ...

    words = {"reinforcement": "a policy", "adversarial": "two networks"}
    rule = Rule("test-rule", "Test: a rule.", check, 2, (), not_for=words)
    long = [3.0, 2.0, 1.0]
    reasons = [
        [missing.reason for missing in judge(run, [rule]).not_judged]
        for run in (
            run_of(train_loss=long),
            run_of(train_loss=long, reward=long, discriminator_loss=long),
            run_of(train_loss=long, discriminator_loss=long),
            run_of(train_loss=[1.0], reward=long),
            run_of(reward=long),
        )
    ]
    few = "only 1 points of train_loss; needs 2"
    assert reasons == [[], ["a policy"], ["two networks"], [few], ["the log has no train_loss"]]
    with pytest.raises(TypeError, match="'unsupervised' is no paradigm"):
        needs(replace(rule, not_for={"unsupervised": "no goal"}))


# --- inputs of other packages

POINTS = "[diagnose.inputs]\nextra = extra:inputs\n"

EXTRA = """
from dataclasses import dataclass

from diagnose.curves import Array, Run, Series
from diagnose.rule import CannotJudge, Evidence, Finding, Rule, Severity

@dataclass
class Range:
    low: float
    high: float

def of_curve(series: Series, /) -> Range:
    print("ranged", series.name)
    return Range(float(series.values.min()), float(series.values.max()))

def widest(train_loss: Range, val_loss: Range) -> float:
    return max(train_loss.high, val_loss.high) - min(train_loss.low, val_loss.low)

def failing(run: Run) -> float:
    raise ZeroDivisionError("oops")

def inputs():
    return [of_curve, widest, failing]

def wide(train_loss: Range, widest: float, *, most: float = 0.0) -> Finding | None:
    evidence = (Evidence("width", widest), Evidence("low", train_loss.low))
    return Finding(Severity.NOTE, 0.9, "Is 1.", "Means 2.", (0.0, 1.0), ("train_loss",), evidence)

def narrow(grad_norm: Range) -> Finding | None: ...

def broken(failing: float) -> Finding | None: ...

def rules():
    checks = {"wide": wide, "narrow": narrow, "broken": broken}
    return [Rule(name, "Test: a rule.", check, 5, ()) for name, check in checks.items()]
"""


def distribution(site: Path, code: str, points: str) -> Path:
    """A directory in which a distribution with one module, `extra`, is installed with these entry points."""
    info = site / "extra-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    (site / "extra.py").write_text(code)
    return site


def diagnosed(log: Path, site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "diagnose", str(log), "--fail-on", "never", *options]
    return subprocess.run(command, cwd=log.parent, env=env, capture_output=True, text=True, check=False)


def test_another_package_adds_inputs_for_its_rules(tmp_path: Path) -> None:
    points = f"{POINTS}[diagnose.rules]\nextra = extra:rules\n"
    site = distribution(tmp_path / "site", EXTRA, points)
    run = synthetic.healthy()
    log = write_csv(run, tmp_path / "log.csv")
    result = diagnosed(log, site, "--format", "json", "--select", "wide,narrow,broken,overfitting", "--out", "out.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(result.stdout.splitlines()) == ["ranged train_loss", "ranged val_loss"]  # once each, for two inputs
    [judged] = json.loads((tmp_path / "out.json").read_text())["runs"]
    [finding] = judged["findings"]
    losses = np.concatenate([run.series["train_loss"].values, run.series["val_loss"].values])
    assert {e["statistic"]: e["value"] for e in finding["evidence"]} == pytest.approx(
        {"width": float(np.ptp(losses)), "low": float(run.series["train_loss"].values.min())}, rel=1e-6
    )
    assert {missing["rule"]: missing["reason"] for missing in judged["not_judged"]} == {
        "narrow": "the log has no grad norm",
        "broken": "the input failing failed (ZeroDivisionError: oops); please report this",
    }


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import missing_module", "No module named 'missing_module'"),
        ("inputs = ['curve']", "it does not hold inputs of diagnose"),
        ("def val_loss() -> int: ...\ninputs = [val_loss]", "val_loss is the name of something else"),
        ("def axis() -> str: ...\ninputs = [axis]", "another input serves axis already"),
        ("def word(name: str) -> str: ...\ninputs = [word]", "another input serves str already"),
        ("def thing(name: str): ...\ninputs = [thing]", "thing() does not say what it returns"),
        ("def one(x: list): ...\ninputs = [one]", "parameter 'x' has the annotation <class 'list'>"),
        ("def one(x: 'Lost'): ...\ninputs = [one]", "an annotation of one() is unknown: name 'Lost' is not defined"),
        ("def a(b): ...\ndef b(a): ...\ninputs = [a, b]", "an input asks for itself: b for a for b"),
    ],
)
def test_inputs_that_cannot_be_used_name_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.syspath_prepend(distribution(tmp_path, code, POINTS))
    monkeypatch.delitem(sys.modules, "extra", raising=False)
    monkeypatch.setattr(installed, "_all_points", entry_points)
    with pytest.raises(RulesError) as refused:
        installed.load_inputs.__wrapped__()
    said = f"the inputs of 'extra:inputs' cannot be loaded: {reason}; update or remove that package"
    assert str(refused.value) == said


def test_a_package_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    site = distribution(tmp_path / "site", "inputs = 3", POINTS)
    result = diagnosed(write_csv(synthetic.healthy(), tmp_path / "log.csv"), site)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "the inputs of 'extra:inputs' cannot be loaded" in result.stderr
