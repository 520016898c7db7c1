"""Rules across runs through the command line and the interface: which runs are held together, and what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import diagnose
from diagnose import cli, synthetic
from diagnose.curves import Run
from diagnose.judging import groups
from diagnose.judging.engine import judge_together
from diagnose.judging.installed import load_rules
from diagnose.names import differences
from diagnose.rule import Severity
from tests.written import write_csv

RATES = (1e-4, 1e-3, 1e-2)


def logs(runs: Sequence[Run], folder: Path) -> Path:
    """Each run as a log of Lightning, with its configuration beside it."""
    for number, run in enumerate(runs):
        log = write_csv(run, folder / f"version_{number}" / "metrics.csv")
        head, *rows = log.read_text().splitlines()
        log.write_text("\n".join([f"step,{head}", *(f"{i},{row}" for i, row in enumerate(rows))]) + "\n")
        log.with_name("hparams.yaml").write_text("".join(f"{k}: {v}\n" for k, v in run.config.items()) or "{}\n")
    return folder


def across(*sources: Any, **options: Any) -> dict[str, Any]:
    return {finding.rule: finding for finding in diagnose.diagnose(list(sources), **options).across}


def test_a_narrow_grid_with_its_best_at_the_edge_is_told_in_three_notes(tmp_path: Path) -> None:
    values = {"learning_rate": (1e-3, 2e-3, 4e-3), "weight_decay": (1e-5, 1e-4, 1e-3)}
    folder = logs(synthetic.search(best={"learning_rate": 1.0}, **values), tmp_path / "grid")
    found = across(folder)
    assert set(found) == {"learning-rate-search", "grid-search", "best-at-edge"}
    assert {f.severity for f in found.values()} == {Severity.NOTE}
    assert "0.001 to 0.004" in found["learning-rate-search"].summary
    assert "learning_rate 0.004, the largest" in found["best-at-edge"].summary
    assert all(len(f.runs) == 9 and f.recommendations for f in found.values())


def test_the_reports_name_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    logs(synthetic.seeds(level=0.8), Path("seeds"))
    call = CliRunner().invoke(cli.app, ["seeds", "--format", "json"], prog_name="diagnose")
    assert call.exit_code == 1  # one configuration: a warning
    document = json.loads(call.stdout)
    [finding] = document["across"]
    assert finding["rule"] == "outlier-run"
    assert finding["severity"] == "warning"
    [name] = finding["runs"]
    assert [run["source"] for run in document["runs"] if run["name"] == name] == ["seeds/version_5/metrics.csv"]
    assert {missing["rule"] for missing in document["across_not_judged"]} >= {"grid-search"}
    said = CliRunner().invoke(cli.app, ["seeds", "--verbose"], prog_name="diagnose").stdout
    assert "\nacross runs\n\nWARNING outlier-run, 1 run, " in said
    assert "  runs:       seeds/version_5/metrics.csv\n" in said


def test_thresholds_and_selection_reach_the_rules_across_runs(tmp_path: Path) -> None:
    folder = logs(synthetic.search(learning_rate=(1e-3, 2e-3, 4e-3)), tmp_path)
    assert set(across(folder, select=["learning-rate-search"])) == {"learning-rate-search"}
    assert across(folder, ignore=["learning-rate-search"]) == {}
    assert across(folder, thresholds={"learning-rate-search": {"factor": 3.0}}) == {}


def test_two_runs_and_one_say_nothing_together(tmp_path: Path) -> None:
    logs(synthetic.seeds(runs=2, level=0.8), tmp_path)
    report = diagnose.diagnose(tmp_path)
    assert (report.across, report.across_not_judged) == ((), ())


def test_runs_in_one_document_are_judged_together() -> None:
    runs = [replace(run, source="DataFrame", name=f"run {i}") for i, run in enumerate(synthetic.seeds(level=0.8))]
    [finding], _ = judge_together(runs)
    assert (finding.rule, finding.runs) == ("outlier-run", ("run 5",))


def test_a_search_is_meant_to_differ() -> None:
    runs = synthetic.search(learning_rate=(1e-4, 1e-3, 1e-2, 1e-1), best={"learning_rate": 1e-4})
    assert "outlier-run" not in {f.rule for f in judge_together(runs)[0]}


def test_a_rate_that_follows_the_batch_size_is_no_search() -> None:
    runs = [synthetic.recipe(i, learning_rate=1e-3 * 2.0**i, batch_size=32 * 2**i) for i in range(3)]
    assert "learning-rate-search" not in {f.rule for f in judge_together(runs)[0]}


@pytest.mark.parametrize("change", ["format", "axis", "dataset", "length", "start"])
def test_different_trainings_are_not_comparable(change: str) -> None:
    runs = synthetic.seeds(runs=4)
    if change in ("format", "axis"):
        runs = [replace(run, **{change: str(i)}) for i, run in enumerate(runs)]
    elif change == "dataset":
        runs = [replace(run, config={**run.config, "dataset": str(i)}) for i, run in enumerate(runs)]
    elif change == "length":
        runs = [synthetic.recipe(i, epochs=20 * 2**i) for i in range(4)]
    else:
        for i, run in enumerate(runs):
            scaled = {n: replace(s, values=s.values * 10.0**i) for n, s in run.series.items()}
            runs[i] = replace(run, series=scaled)
    assert groups.comparable(runs) == []
    findings, missing = judge_together(runs)
    assert findings == ()
    assert {m.reason for m in missing} == {"no 3 of the runs are comparable"}


def test_bookkeeping_is_no_setting() -> None:
    run = synthetic.recipe(run_name="a", output_dir="/x", seed_everything=3, dropout=0.1)
    assert set(differences.settings(run)) == {"optimizer", "learning_rate", "batch_size", "dropout"}


def test_the_samples_and_the_corpus_say_nothing_wrong_together(corpus: Path, samples: Path) -> None:
    assert diagnose.diagnose(samples).across == ()
    assert diagnose.diagnose(corpus / "runs", select=[r.id for r in load_rules() if r.min_points == 0]).across == ()
