"""A run against earlier ones, through the command line, the interface and the settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import diagnose
from diagnose import cli, synthetic
from diagnose.curves import Run, Series
from diagnose.errors import SettingsError
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.rule import Finding, Severity
from tests.written import write_csv

RULE = next(rule for rule in load_rules() if rule.id == "baseline-regression")
ONLY = ("--select", "baseline-regression")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], prog_name="diagnose")


def found(runs: list[Run]) -> Finding | None:
    return next(iter(judge(runs[0], [RULE], baseline=runs[1:]).findings), None)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five good runs in good/, a run with corrupted labels, and one that is as good."""
    monkeypatch.chdir(tmp_path)
    for seed in range(5):
        write_csv(synthetic.recipe(seed), Path(f"good/{seed}.csv"))
    write_csv(synthetic.recipe(7, level=0.8), Path("corrupted.csv"))
    write_csv(synthetic.recipe(8), Path("fine.csv"))
    return tmp_path


def test_corrupted_labels_show_beside_a_baseline(project: Path) -> None:
    assert run("corrupted.csv").stdout.count("baseline") == 0
    call = run("corrupted.csv", "--baseline", "good", "--verbose")
    assert call.exit_code == 1
    assert "\nERROR baseline-regression, epochs " in call.stdout
    assert "% higher than in 5 baseline runs." in call.stdout
    assert run("fine.csv", "--baseline", "good", *ONLY).stdout.startswith("fine.csv: nothing found by 1 rule, and ")


def test_a_baseline_may_be_files_patterns_and_frames(project: Path) -> None:
    several = run("corrupted.csv", "--baseline", "good/0.csv", "--baseline", "good/[1-3].csv", *ONLY, "-v")
    assert "in 4 baseline runs." in several.stdout
    import pandas as pd

    frames = [pd.read_csv(path) for path in sorted(Path("good").iterdir())]
    report = diagnose.diagnose("corrupted.csv", baseline=frames)
    assert "in 5 baseline runs." in report.findings[0].summary
    assert diagnose.diagnose("fine.csv", baseline="good", select=["baseline-regression"]).findings == ()


def test_a_run_of_the_baseline_is_held_against_the_others(project: Path) -> None:
    report = diagnose.diagnose("good", baseline="good", select=["baseline-regression"])
    assert report.findings == ()
    assert [d.judged for d in report] == [("baseline-regression",)] * 5


def test_the_settings_name_a_baseline(project: Path) -> None:
    Path("diagnose.toml").write_text('baseline = "good"\n')
    assert "baseline-regression" in run("corrupted.csv").stdout
    Path("diagnose.toml").write_text('baseline = ["good/*.csv"]\n')
    (project / "sub").mkdir()
    assert "baseline-regression" in run("corrupted.csv").stdout
    Path("diagnose.toml").write_text("baseline = 3\n")
    assert "baseline: must be a path or a list of paths, not 3" in run("corrupted.csv").stderr


@pytest.mark.parametrize(("path", "message"), [("gone", "no such file"), ("empty", "the directory is empty")])
def test_a_baseline_without_runs_is_a_wrong_call(project: Path, path: str, message: str) -> None:
    Path("empty").mkdir()
    call = run("fine.csv", "--baseline", path)
    assert (call.exit_code, call.stdout) == (2, "")
    assert call.stderr == f"diagnose: baseline: {path}: {message}\n"
    with pytest.raises(SettingsError, match=message):
        diagnose.diagnose("fine.csv", baseline=path)


def test_without_a_baseline_the_rule_is_left_out_unless_it_was_named(project: Path) -> None:
    [plain] = diagnose.diagnose("fine.csv").diagnoses
    assert "baseline-regression" not in {*plain.judged, *(missing.rule for missing in plain.not_judged)}
    call = run("fine.csv", *ONLY)
    assert call.exit_code == 2
    assert call.stderr == "fine.csv: no rule could judge it: no --baseline was given\n"


def test_what_differs_in_the_config_is_named() -> None:
    runs = synthetic.against_baseline(level=0.8, batch_size=512)
    finding = found(runs)
    assert finding is not None
    assert "batch_size 64 -> 512" in finding.meaning
    same = found(synthetic.against_baseline(level=0.8))
    assert same is not None
    assert "The configs name no difference" in same.meaning


def test_an_accuracy_alone_is_judged_downward() -> None:
    def only_accuracy(run: Run) -> Run:
        return replace(run, roles={"val_accuracy": "val_accuracy"}, series={"val_accuracy": run.series["val_accuracy"]})

    worse = found([only_accuracy(r) for r in synthetic.against_baseline(level=0.8)])
    assert worse is not None
    assert "points lower" in worse.summary
    assert found([only_accuracy(r) for r in synthetic.against_baseline(level=0.3)]) is None


def test_a_single_baseline_run_gives_a_note_at_most() -> None:
    finding = found(synthetic.against_baseline(level=1.5, earlier=1))
    assert finding is not None
    assert finding.severity is Severity.NOTE
    assert found(synthetic.against_baseline(level=0.58, earlier=1)) is None


def test_a_run_that_was_stopped_early_is_compared_over_its_own_steps() -> None:
    first, *baseline = synthetic.against_baseline()
    short = {n: Series(n, s.steps[:30], s.values[:30]) for n, s in first.series.items()}
    assert found([replace(first, series=short), *baseline]) is None


def test_noise_alone_is_seen() -> None:
    noisy = synthetic.recipe(0, noise=0.2)
    finding = found([noisy, *(synthetic.recipe(i, noise=0.01) for i in range(1, 6))])
    assert finding is not None
    assert any("noise" in e.statistic for e in finding.evidence)


def test_another_axis_is_not_judged() -> None:
    first, *baseline = synthetic.against_baseline()
    diagnosis = judge(first, [RULE], baseline=[replace(run, axis="step") for run in baseline])
    assert diagnosis.not_judged[0].reason.startswith("no run of the baseline has train_loss or ")


def test_the_report_as_json(project: Path) -> None:
    document = json.loads(run("corrupted.csv", "--baseline", "good", *ONLY, "--format", "json").stdout)
    [finding] = document["runs"][0]["findings"]
    assert finding["severity"] == "error"
    assert {e["statistic"] for e in finding["evidence"]} >= {"val_loss level", "p", "baseline runs"}
    assert [fix["id"] for fix in finding["fixes"]][:2] == ["compare-configs", "check-labels"]
