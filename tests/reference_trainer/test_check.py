"""The check over seeds: resumable, in several processes, honest about what was lost."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from reference_trainer import check
from reference_trainer.check import CheckError, Outcome, Trial
from reference_trainer.ledger import LedgerError

QUICK = ("learning-rate-far-too-high", "linear regression")
"""A fault and a healthy recipe of a fifth of a second each."""


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """What was trained, in this process."""
    done: list[Trial] = []
    plain = check.run

    def counted(trial: Trial) -> Outcome:
        done.append(trial)
        return plain(trial)

    monkeypatch.setattr(check, "run", counted)
    return done


def test_what_is_there_is_not_run_again(tmp_path: Path, runs: list[Trial]) -> None:
    path = tmp_path / "deep" / "check.csv"
    first = check.measure(check.trials(range(1), QUICK), path, 1)
    assert [outcome.passed for outcome in first] == [True, True]
    told: list[tuple[int, int]] = []
    both = check.measure(check.trials(range(2), QUICK), path, 1, lambda done, total, name: told.append((done, total)))
    assert len(runs) == 4
    assert len(both) == 4
    assert told[-1] == (4, 4)
    assert {outcome.trial for outcome in check.read(path)} == set(check.trials(range(2), QUICK))


def test_a_killed_check_goes_on_where_it_was(tmp_path: Path, runs: list[Trial]) -> None:
    path = tmp_path / "check.csv"
    check.measure(check.trials(range(2), QUICK), path, 1)
    path.write_text(path.read_text()[:-9])  # the last row was cut off
    runs.clear()
    assert len(check.measure(check.trials(range(2), QUICK), path, 1)) == 4
    assert len(runs) == 1
    assert len(path.read_text().splitlines()) == 5


def test_a_changed_recipe_is_run_again(tmp_path: Path, runs: list[Trial]) -> None:
    path = tmp_path / "check.csv"
    (trial,) = check.trials([0], QUICK[1:])
    check.measure([trial], path, 1)
    path.write_text(path.read_text().replace(trial.digest, "00000000"))
    check.measure([trial], path, 1)
    assert len(runs) == 2
    assert check.read(path)[-1].digest == trial.digest


def test_several_processes_give_the_same(tmp_path: Path) -> None:
    wanted = check.trials(range(2), QUICK)
    alone = check.measure(wanted, tmp_path / "one.csv", 1)
    together = check.measure(wanted, tmp_path / "two.csv", 2)
    assert [(o.trial, o.findings) for o in alone] == [(o.trial, o.findings) for o in together]


def test_rates_bars_and_tables() -> None:
    seen = [Outcome(Trial("fault", "dead-relus", seed), "", ("non-convergence:error",), 1.0) for seed in range(19)]
    lost = Outcome(Trial("fault", "dead-relus", 19), "", None, math.nan)
    alarm = Outcome(Trial("healthy", "cnn", 0), "", ("plateau:note", "loss-spike:warning"), 1.0)
    note = Outcome(Trial("healthy", "cnn", 1), "", ("plateau:note",), 1.0)
    assert check.missed([*seen, lost]) == []
    assert check.missed([*seen[1:], lost, lost]) == ["dead-relus"]
    assert check.missed([alarm, note]) == ["cnn"]
    text = check.table([*seen, lost, alarm, note])
    assert "| `dead-relus` |" in text
    assert "| `non-convergence` | 19 of 20 |" in text
    assert "| cnn | 1 of 2 |" in text


def test_refusals_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="did you mean dead-relus"):
        check.trials([0], ["dead-relu"])
    other = tmp_path / "other.csv"
    other.write_text("epoch,loss\n1,2\n")
    with pytest.raises(LedgerError, match="has other columns"):
        check.measure(check.trials([0], QUICK), other, 1)
    with pytest.raises(LedgerError, match="cannot be written"):
        check.measure(check.trials([0], QUICK), Path("/proc/none/check.csv"), 1)
