"""Trials of fixes: what counts as resolved, resuming after a kill, workers of dask, and the table that is shipped."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diagnose import trials as evidence
from diagnose.judging.installed import load_trials
from reference_trainer import ledger, outcomes, trials
from reference_trainer.benches import BENCHES
from reference_trainer.ledger import LedgerError
from reference_trainer.outcomes import Outcome
from reference_trainer.recipe import Recipe
from reference_trainer.trials import Training, Trial, TrialsError
from tests.conftest import ROOT, typed, wait_until

DIAGNOSE = Path(sys.executable).with_name("diagnose")

QUICK = "learning-rate-zero"
"""A fault whose trials take half a second each."""

SURE = "metric-that-cannot-move"
"""A quick fault whose first advice resolves every trial: what is checked cannot move, and then can."""

FAULT = "dead-relus"
"""Its finding is non-convergence."""

LABEL = "non-convergence:error:dead-units"


def made(
    findings: str = "",
    *,
    fix: str = "",
    best: float = 0.9,
    seed: int = 5000,
    comparable: bool = True,
    seconds: float = 1.0,
) -> Training:
    trial = Trial(FAULT, "digits, mlp", seed)
    offered = ("initialize-weights", "overfit-one-batch") if not fix else ()
    found = tuple(findings.split())
    return Training(trial, fix, "0" * 8, found, offered, "accuracy", best, comparable, seconds, "2026-01-02")


def outcome(before: Training, after: Training, *others: Training) -> Outcome:
    """Of one advice; others: trainings with the fault and other seeds, whose spread is the noise."""
    (found,) = outcomes.outcomes([before, after, *others])
    return found


# --- resolved ---------------------------------------------------------------------------------------------------------


def test_a_finding_that_is_gone_is_resolved() -> None:
    found = outcome(made(LABEL, best=0.1), made(fix="warmup", best=0.97, seconds=2.0))
    assert found.resolved
    assert found.cause == "dead-units"
    assert found.gain == pytest.approx(0.87)
    assert found.cost == 2.0


@pytest.mark.parametrize(
    ("after", "resolved"),
    [
        (LABEL, False),
        ("overfitting:note:", True),
        ("overfitting:warning:", False),
        ("plateau:warning:", True),  # it was there before
        ("non-convergence:error:", False),  # the same rule for another cause is a new error
        ("non-convergence:not-judged:", False),  # too short to tell
        ("non-convergence:not-judged: plateau:warning:", False),
    ],
)
def test_what_is_left_or_new_decides(after: str, resolved: bool) -> None:
    assert outcome(made(f"{LABEL} plateau:warning:"), made(after, fix="warmup")).resolved is resolved


def test_a_note_with_another_cause_is_another_finding() -> None:
    before = made("learning-rate-zero:note:schedule-ends-early " + LABEL)
    assert before.cause_of("learning-rate-zero") == "schedule-ends-early"
    assert before.alarms == {"non-convergence:dead-units"}


def test_the_metric_may_be_worse_by_what_seeds_differ_by_and_no_more() -> None:
    others = [made(LABEL, seed=5001 + i, best=best) for i, best in enumerate((0.85, 0.95, 0.90, 0.90))]
    sd = 0.0353553  # of the five
    for drop, resolved in ((2.2 * sd, True), (2.5 * sd, False)):
        assert outcome(made(LABEL), made(fix="warmup", best=0.9 - drop), *others).resolved is resolved


def test_the_noise_is_that_of_one_set_of_seeds() -> None:
    far = [made(LABEL, seed=1001 + i, best=best) for i, best in enumerate((0.1, 0.9))]
    assert not outcome(made(LABEL), made(fix="warmup", best=0.89), *far).resolved


def test_a_metric_that_measures_something_else_is_not_compared() -> None:
    found = outcome(made(LABEL), made(fix="warmup", best=0.2, comparable=False))
    assert found.resolved
    assert math.isnan(found.gain)


def test_nothing_finite_before_is_worth_nothing() -> None:
    assert outcome(made(LABEL, best=math.nan), made(fix="warmup", best=0.4)).gain == 0.4
    assert not outcome(made(LABEL), made(fix="warmup", best=math.nan)).resolved


def test_a_fault_that_was_not_seen_tries_nothing() -> None:
    assert outcomes.outcomes([made("overfitting:error:"), made(fix="warmup")]) == []


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_counts_runs_trials_and_resolved() -> None:
    lines = []
    for seed in range(5000, 5004):
        lines.append(made(LABEL, seed=seed, best=0.1))
        if seed < 5003:
            lines.append(
                made("" if seed < 5002 else LABEL, fix="initialize-weights", seed=seed, best=0.5 + seed % 10 / 10)
            )
    rows = outcomes.table(lines)
    (row,) = rows  # overfit-one-batch changes no recipe
    assert (row.rule, row.cause, row.fix, row.fault, row.task) == (
        *("non-convergence", "dead-units", "initialize-weights", FAULT, "digits, mlp"),
    )
    assert (row.seeds, row.runs, row.trials, row.resolved) == ("published", 4, 3, 2)
    assert row.gain == pytest.approx(50.0)
    assert row.gain_low < 50.0 < row.gain_high
    assert (row.cost, row.date) == (1.0, "2026-01-02")


def test_ranking_and_published_seeds_are_different_and_kept_apart() -> None:
    wanted = trials.trials({"ranking": 3, "published": 5}, [FAULT])
    seeds = {purpose: {t.seed for t in wanted if trials.purpose_of(t.seed) == purpose} for purpose in trials.FIRST_SEED}
    assert (len(seeds["ranking"]), len(seeds["published"])) == (3, 5)
    assert not seeds["ranking"] & seeds["published"]
    rows = outcomes.table([made(LABEL, seed=1000), made(LABEL, seed=5000), made(fix="initialize-weights", seed=1000)])
    assert {(row.seeds, row.trials) for row in rows} == {("ranking", 1), ("published", 0)}


def test_scores_follow_the_ranking_and_count_the_published() -> None:
    lines = [line for seed in (1000, 1001, 1002, 1003, 5000, 5001) for line in (
        made(LABEL, seed=seed, best=0.1),
        made("" if seed != 5001 else LABEL, fix="initialize-weights", seed=seed),
    )]  # fmt: skip
    (score,) = outcomes.scores(lines, outcomes.table(lines))
    assert (score.fault, score.runs, score.seen, score.first, score.three) == (FAULT, 2, 2, 1, 1)
    assert score.advice == ("initialize-weights",)
    assert not outcomes.passed([score])
    assert "1 of 2" in outcomes.summary([score])


# --- running ----------------------------------------------------------------------------------------------------------


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Trial]]:
    """The trials that are run, in this process."""
    done: list[Trial] = []
    plain = trials.run

    def run(trial: Trial) -> list[Training]:
        done.append(trial)
        return plain(trial)

    monkeypatch.setattr(trials, "run", run)
    yield done


def few(count: int) -> list[Trial]:
    return [Trial(QUICK, task, 5000 + i) for i in range(count) for task in ("digits, linear",)]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "ledger.csv"
    with counted(monkeypatch) as done:
        first = trials.measure(few(3), path, 1)
        whole = path.read_text()
        path.write_text(whole[: whole.rindex("\n", 0, -20) + 9])  # the last trial's last line was cut off
        again = trials.measure(few(4), path, 1)
    assert [trial.seed for trial in done] == [5000, 5001, 5002, 5002, 5003]
    assert len(again) == len(first) // 3 * 4
    read = trials.read(path)
    assert {(t.trial, t.fix) for t in read} == {(t.trial, t.fix) for t in again}
    assert len(read) == len(again)
    assert {row.trials for row in outcomes.table(read)} == {4}


def test_the_settings_of_a_project_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "diagnose.toml").write_text('ignore = ["learning-rate-zero"]\n')
    monkeypatch.chdir(tmp_path)
    assert trials.run(few(1)[0])[-1].cause_of("learning-rate-zero") == "rate-zero"


def test_a_changed_recipe_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.csv"
    trials.measure(few(1), path, 1)
    path.write_text(path.read_text().replace(few(1)[0].build().digest, "0" * 8))
    with counted(monkeypatch) as done:
        trials.measure(few(1), path, 1)
    assert len(done) == 1
    assert {row.trials for row in outcomes.table(trials.read(path))} == {1}


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(LedgerError, match="name another file with --out"):
        trials.read(path)
    with pytest.raises(LedgerError, match="cannot be written"), ledger.appending(tmp_path, ("a",)):
        pass
    path.write_text(",".join(trials.COLUMNS) + "\na,b\n")
    with pytest.raises(LedgerError, match="no training"):
        trials.read(path)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LedgerError, match="cannot be read"):
        trials.read(tmp_path / "bytes.csv")


def test_an_unknown_fault_is_named_with_the_nearest() -> None:
    with pytest.raises(TrialsError, match="did you mean dead-relus"):
        trials.trials({"published": 1}, ["dead-relu"])


def test_trials_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [DIAGNOSE, "reference", "trials", "--only", SURE, "--seeds", "1", "--ranking-seeds", "1", "--jobs", "2"]
    command += ["--table", "table.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"| `{SURE}` | `frozen-metric` | 3 of 3 | `check-metric` | 3 of 3" in done.stdout
    rows = evidence.read(tmp_path / "table.csv")
    assert {(row.fix, row.seeds) for row in rows} == {
        (fix, seeds) for fix in ("check-metric", "class-weights", "inspect-data") for seeds in ("ranking", "published")
    }
    monkeypatch.chdir(tmp_path)
    again = typed(*map(str, command[1:]), "--table", "no/such/table.csv")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "cannot be written" in again.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--backend", "spark"], "no backend 'spark'; valid: loky, dask"),
        (["--backend", "dask"], "--scheduler tcp://HOST:8786"),
        (["--jobs", "many"], "no number of processes"),
        (["--only", "dead-relu"], "did you mean dead-relus"),
    ],
)
def test_a_wrong_call_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = typed("reference", "trials", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_worker_that_is_killed_is_one_line_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.csv"
    trials.measure(few(2), path, 1)
    monkeypatch.setattr(trials, "run", _die)
    with pytest.raises(TrialsError, match="a worker was killed"):
        trials.measure(few(4), path, 2)
    assert {training.trial.seed for training in trials.read(path)} == {5000, 5001}


def _die(trial: Trial) -> list[Training]:
    os._exit(9)


# --- dask -------------------------------------------------------------------------------------------------------------


def test_a_dask_worker_that_is_killed_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """A real scheduler and two real workers, one of which is killed while it works."""
    port = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = [sys.executable, "-m", "dask"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    file = ["--scheduler-file", str(port)]
    running = [
        subprocess.Popen([*start, "scheduler", "--port", "0", "--no-dashboard", *file], env=env, cwd=tmp_path, **quiet)  # type: ignore[call-overload]
    ]
    try:
        wait_until(port.exists)
        import json

        address = json.loads(port.read_text())["address"]
        for _ in range(2):
            worker = [*start, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            running.append(subprocess.Popen(worker, env=env, cwd=tmp_path, **quiet))  # type: ignore[call-overload]
        ledger_path = tmp_path / "ledger.csv"
        wanted = ["--only", SURE, "--seeds", "2", "--ranking-seeds", "1", "--out", str(ledger_path)]
        command = [DIAGNOSE, "reference", "trials", "--backend", "dask", "--scheduler", address, *wanted]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        done = subprocess.Popen(command, text=True, env=env, cwd=tmp_path, **pipes)  # type: ignore[call-overload]
        wait_until(lambda: ledger_path.exists() and ledger_path.read_text().count("\n") > 4)
        running[1].kill()
        _, said = done.communicate(timeout=300)
        assert done.returncode == 0, said
    finally:
        for process in running:
            process.kill()
            process.wait()
    lines = ledger.lines(ledger_path, trials.COLUMNS)
    keys = [tuple(line[:4]) for line in lines]
    assert len(keys) == len(set(keys))
    assert len(keys) == 3 * len(BENCHES[SURE]) * 4  # before, and three advices
    assert {row.trials for row in outcomes.table(trials.read(ledger_path))} == {1, 2}


# --- the shipped table ------------------------------------------------------------------------------------------------

SLICE = (
    ("inputs-not-normalized", "few digits, mlp"),
    ("metric-that-cannot-move", "few digits, mlp"),
)
"""Faults and benches whose trials are quick."""


@pytest.mark.parametrize(("fault", "task"), SLICE)
def test_a_slice_of_the_shipped_table_comes_again(fault: str, task: str, tmp_path: Path) -> None:
    """All published seeds, and in every row the same counts but for what another machine's rounding turns."""
    wanted = [trial for trial in trials.trials({"published": 20}, [fault]) if trial.task == task]
    assert len(wanted) == 20
    found = trials.measure(wanted, tmp_path / "ledger.csv", 1)
    again = {(row.cause, row.fix): row for row in outcomes.table(found)}
    shipped = {
        (row.cause, row.fix): row
        for row in load_trials()
        if (row.fault, row.task, row.seeds) == (fault, task, "published")
    }
    # A fix that no longer means anything to these runs is not tried again, and a new one is not in the table yet.
    shared = again.keys() & shipped.keys()
    assert shared
    for key, row in ((key, again[key]) for key in shared):
        assert (row.runs, row.trials) == pytest.approx((shipped[key].runs, shipped[key].trials), abs=1)
        assert row.resolved == pytest.approx(shipped[key].resolved, abs=2), key
        if math.isfinite(row.gain):
            assert row.gain == pytest.approx(shipped[key].gain, abs=2.0), key


def test_benches_are_recipes() -> None:
    for fault, benches in BENCHES.items():
        recipes = [Trial(fault, task, 0).build() for task in benches]
        assert len({recipe.digest for recipe in recipes}) == len(benches) >= 3
        assert all(isinstance(recipe, Recipe) for recipe in recipes)
