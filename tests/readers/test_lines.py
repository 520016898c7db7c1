"""The line of the file on which each step stands, as an editor counts; unknown where nobody could say."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.api import diagnose
from diagnose.curves import Run
from diagnose.judging import kept
from diagnose.readers import read
from diagnose.reports import places

LOSS = [2.0 * 0.9**i for i in range(12)]


def run_of(tmp_path: Path, text: str, name: str = "run.csv") -> Run:
    path = tmp_path / name
    path.write_text(text)
    (run,) = read(path)
    return run


def lines(run: Run) -> dict[float, float]:
    assert run.lines is not None
    return dict(zip(run.lines.steps.tolist(), run.lines.values.tolist(), strict=True))


def test_blank_lines_comments_and_a_preamble_are_counted(tmp_path: Path) -> None:
    rows = [f"{i},{loss:.4f}" for i, loss in enumerate(LOSS)]
    text = "\n".join(["# made by hand", "", "epoch,loss", *rows[:5], "", "# half", *rows[5:]]) + "\n"
    found = lines(run_of(tmp_path, text))
    for epoch, line in found.items():
        assert text.splitlines()[int(line) - 1].startswith(f"{epoch:g},")
    assert len(found) == 12


def test_a_cell_of_two_lines_moves_those_below_it(tmp_path: Path) -> None:
    remarks = ['"two\nlines"' if i == 3 else "x" for i in range(len(LOSS))]
    rows = [f"{i},{loss:.4f},{remarks[i]}" for i, loss in enumerate(LOSS)]
    text = "\n".join(["epoch,loss,remark", *rows]) + "\n"
    found = lines(run_of(tmp_path, text))
    assert (found[2.0], found[4.0]) == (4.0, 7.0)


def test_the_first_of_several_rows_of_a_step_counts(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss\n" + "".join(f"{i},{loss:.4f},\n{i},,{loss:.4f}\n" for i, loss in enumerate(LOSS))
    assert lines(run_of(tmp_path, text)) == {float(i): 2.0 + 2 * i for i in range(12)}


def test_of_several_trainings_the_judged_one_is_pointed_at(tmp_path: Path) -> None:
    rows = "".join(f"{i},{loss:.4f}\n" for i, loss in enumerate(LOSS))
    assert lines(run_of(tmp_path, f"epoch,loss\n{rows}{rows}")) == {float(i): 14.0 + i for i in range(12)}


def test_runs_below_each_other_have_their_own_lines(tmp_path: Path) -> None:
    text = "run,epoch,loss\n" + "".join(f"{run},{i},{loss:.4f}\n" for run in "ab" for i, loss in enumerate(LOSS))
    (tmp_path / "runs.csv").write_text(text)
    first, second = read(tmp_path / "runs.csv")
    assert (lines(first)[0.0], lines(second)[0.0]) == (2.0, 14.0)


def test_json_lines_and_console_output(tmp_path: Path) -> None:
    records = [json.dumps({"epoch": i, "loss": loss}) for i, loss in enumerate(LOSS)]
    found = lines(run_of(tmp_path, "\n".join([*records[:4], "", "oops", *records[4:]]), "log.jsonl"))
    assert (found[3.0], found[4.0]) == (4.0, 7.0)
    printed = "loading\n\n" + "".join(f"Epoch {i}: loss {loss:.4f}\nsaved\n" for i, loss in enumerate(LOSS))
    found = lines(run_of(tmp_path, printed, "train.log"))
    assert (found[0.0], found[5.0]) == (3.0, 13.0)


@pytest.mark.parametrize("name", ["history.json", "run.csv.gz", "train.log"])
def test_where_nobody_could_say_there_are_none(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    table = "epoch,loss\n" + "".join(f"{i},{loss:.4f}\n" for i, loss in enumerate(LOSS))
    bars = "".join(f"10%\rEpoch {i}: loss {loss:.4f}\n" for i, loss in enumerate(LOSS))
    content = {"history.json": json.dumps({"loss": LOSS}), "train.log": bars, "run.csv.gz": table}[name]
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    (run,) = read(path)
    assert run.lines is None


@given(st.integers(0, 40), st.integers(1, 7))
def test_a_thinned_run_points_at_the_same_lines(turn: int, every: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rows = [(every * i, 1.0 / (i + 1) if i < turn else 1.0 / (turn + 1) + 0.1 * (i - turn)) for i in range(60)]
        path = Path(folder, "run.csv")
        path.write_text("step,train_loss,val_loss\n" + "".join(f"{x},{1 / (x + 1):.5f},{y:.5f}\n" for x, y in rows))
        [diagnosis] = diagnose(path)
    thin = kept.judged(diagnosis)
    assert diagnosis.findings
    for finding in diagnosis.findings:
        assert places.lines(thin.run, finding) == places.lines(diagnosis.run, finding) is not None
