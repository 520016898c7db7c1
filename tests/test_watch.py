"""`--watch`: processes that follow files while these grow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from diagnose import cli, synthetic
from diagnose.cli.watch import told_at
from diagnose.console.options import severities
from diagnose.readers import expand, read
from tests.conftest import interruptible
from tests.readers.test_wandb_file import EXIT, history, log_of, run_record
from tests.written import write_csv

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

BACKSTOP = "30"
"""Seconds without a change after which a watch ends that should have been ended otherwise."""


class Watch:
    """A process that watches, and all that it has written to stdout so far."""

    def __init__(self, *arguments: str | Path) -> None:
        self.child = interruptible(
            *("--watch", "--plain", "--select", "overfitting,loss-spike"),
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "DIAGNOSE_TRACEBACK": ""},
        )
        self.said = ""

    def until(self, words: str, stream: IO[str] | None = None) -> None:
        """Wait for a line with these words."""
        for line in stream or self.child.stdout or ():
            self.said += line
            if words in line:
                return
        pytest.fail(f"{words!r} never came; it said {self.said!r}")

    def watching(self) -> None:
        self.until("watching", self.child.stderr)

    def interrupt(self) -> tuple[int, str]:
        """The same after Ctrl-C."""
        self.child.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """The exit code, and the rest of stderr."""
        assert self.child.stdout is not None
        assert self.child.stderr is not None
        self.said += self.child.stdout.read()
        errors = self.child.stderr.read()
        return self.child.wait(), errors


@contextmanager
def watch(*arguments: str | Path) -> Iterator[Watch]:
    process = Watch(*arguments)
    try:
        yield process
    finally:
        process.child.kill()
        process.child.communicate()


@pytest.fixture
def ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a log that overfits: a warning from epoch 40 on, an error from 63 on."""
    monkeypatch.chdir(tmp_path)
    return write_csv(synthetic.overfit(), tmp_path / "whole.csv").read_text().splitlines(keepends=True)


def grow(path: Path, lines: list[str]) -> None:
    with path.open("a") as stream:
        stream.writelines(lines)


def test_each_finding_is_told_once_as_it_appears_and_again_where_it_is_worse(tmp_path: Path, ill: list[str]) -> None:
    log = Path("run.csv")
    with watch(log, "--idle-timeout", BACKSTOP) as process:
        process.watching()
        process.until("run.csv: no such file", process.child.stderr)
        grow(log, ill[:30])
        grow(log, ill[30:46])
        process.until("WARNING overfitting")
        grow(log, ill[46:50])
        grow(log, ill[50:90])
        process.until("ERROR overfitting")
        for line in ill[90:]:
            grow(log, [line])
        assert process.interrupt() == (1, "")
    assert process.said.count("WARNING overfitting") == process.said.count("ERROR overfitting") == 1
    assert process.said.splitlines()[-1] == "run.csv: 1 problem: overfitting (error)"
    assert "run.csv, at epoch 44:\n  WARNING overfitting since epoch " in process.said


def test_of_a_healthy_log_nothing_is_told_but_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = write_csv(synthetic.healthy(), tmp_path / "whole").read_text().splitlines(keepends=True)
    log = Path("run.csv")
    grow(log, lines[:20])
    with watch(log, "--idle-timeout", "1") as process:
        process.watching()
        grow(log, lines[20:])
        assert process.end() == (0, "")
    assert process.said.splitlines()[1:] == ["run.csv: nothing found by 2 rules; not asked: non-convergence"]


@pytest.mark.parametrize(
    ("rows", "code", "last"),
    [(101, 1, "1 problem: overfitting (error)"), (30, 0, "nothing found by 2 rules; not asked: non-convergence")],
)
def test_an_interrupt_ends_it_with_what_was_found_so_far(ill: list[str], rows: int, code: int, last: str) -> None:
    Path("run.csv").write_text("".join(ill[:rows]))
    Path("mark.csv").write_text("".join(ill))
    with watch("run.csv", "mark.csv", "--idle-timeout", BACKSTOP) as process:
        process.until("mark.csv, at epoch")  # the first look is done
        Path("mark.csv").write_text("".join(ill[:31]))
        assert process.interrupt() == (code, "diagnose: watching run.csv, mark.csv; Ctrl-C ends it\n")
    assert f"run.csv: {last}" in process.said.splitlines()


def test_a_wandb_run_ends_the_watch_with_its_exit_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = synthetic.overfit()
    values = zip(run.series["train_loss"].values, run.series["val_loss"].values, strict=True)
    records = [run_record(), *(history(i, loss=float(a), val_loss=float(b)) for i, (a, b) in enumerate(values))]
    log = Path("run-abcd1234.wandb")
    log.write_bytes(log_of(*records))
    with watch(log, "--idle-timeout", BACKSTOP) as process:
        process.until("ERROR overfitting")
        assert process.child.poll() is None
        log.write_bytes(log_of(*records, EXIT))
        assert process.end()[0] == 1
    assert process.said.count("ERROR overfitting") == 1


def test_a_directory_is_watched_for_new_logs(ill: list[str]) -> None:
    Path("logs").mkdir()
    Path("logs", "notes.md").write_text("# notes")
    Path("whole.csv").unlink()
    with watch("logs", "--idle-timeout", BACKSTOP) as process:
        process.watching()
        Path("logs", "a.csv").write_text("".join(ill))
        process.until("a.csv, at epoch 99:")
        Path("logs", "b.csv").write_text("".join(ill))
        process.until("b.csv, at epoch 99:")
        code, errors = process.interrupt()
    assert code == 1
    assert errors in ("", "logs: its only file is no training log; waiting for it\n")  # where it looked before a.csv
    assert process.said.splitlines()[-2:] == [
        f"logs{os.sep}{name}.csv: 1 problem: overfitting (error)" for name in "ab"
    ]


def test_a_log_that_begins_anew_is_told_anew(ill: list[str]) -> None:
    with watch("whole.csv", "--idle-timeout", BACKSTOP) as process:
        process.until("ERROR overfitting")
        Path("whole.csv").write_text("".join(ill[:95]))
        process.until("ERROR overfitting")
        assert process.interrupt()[0] == 1


def test_what_never_becomes_a_log_is_an_error_at_the_end(ill: list[str]) -> None:
    Path("short.csv").write_text("epoch,loss\n0,1\n")
    with watch("short.csv", "nowhere/1", "--idle-timeout", "0") as process:
        code, errors = process.end()
    assert code == 2
    assert errors.splitlines()[-2:] == [
        "short.csv: there is one row only: no curve to judge",
        "nowhere/1: no such file",
    ]


def test_the_whole_report_goes_into_a_file_at_the_end(ill: list[str]) -> None:
    with watch("whole.csv", "--idle-timeout", "0", "--format", "json", "--out", "report.json") as process:
        assert process.end()[0] == 1
    assert json.loads(Path("report.json").read_text())["runs"][0]["verdict"] == "error"


def test_notes_are_told_only_where_they_fail() -> None:
    assert told_at(severities("note")) == ("note", "warning", "error")
    for level in ("warning", "error", "never"):
        assert told_at(severities(level)) == ("warning", "error")


@pytest.mark.parametrize("end", ["0.0", "0.05,0.04,0.9,0.8", ""])
def test_a_line_that_is_half_written_is_not_yet_there(tmp_path: Path, ill: list[str], end: str) -> None:
    path = tmp_path / "run.csv"
    path.write_text("".join(ill[:40]) + f"39,{end}")
    [source] = expand([str(path)])
    [growing] = read(replace(source, growing=True))
    assert growing.last_step == 38.0
    printed = tmp_path / "train.log"
    printed.write_text("".join(f"Epoch {i}: loss {1 / (i + 1):.4f}\n" for i in range(9)) + "Epoch 9: loss 9")
    [source] = expand([str(printed)])
    [growing], [whole] = read(replace(source, growing=True)), read(source)
    assert (growing.last_step, whole.last_step) == (8.0, 9.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch", "-"], "Invalid value for --watch: the standard input cannot be read twice"),
        (["--watch", "a.csv", "--format", "sarif"], "Invalid value for --watch: sarif comes at the end, into a file"),
        (["a.csv", "--idle-timeout", "3"], "Invalid value for --idle-timeout: there is nothing to wait for without"),
        (["--watch", "a.csv", "--idle-timeout", "-1"], "Invalid value for '--idle-timeout': '-1' is no number of"),
        (["--watch", "a.csv", "--idle-timeout", "inf"], "Invalid value for '--idle-timeout': 'inf' is no number of"),
    ],
)
def test_what_means_nothing_is_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli.app, arguments, prog_name="diagnose")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"diagnose: {message}")
    assert result.stderr.count("\n") == 1


def test_another_log_in_the_place_of_one_is_told_anew(ill: list[str]) -> None:
    """It may be longer than the one before, which a log that grows is too."""
    log = Path("run.csv")
    grow(log, ill)
    with watch(log, "--idle-timeout", BACKSTOP) as process:
        process.until("ERROR overfitting")
        other = write_csv(synthetic.overfit(epochs=150, seed=5), Path("other.csv"))
        assert other.stat().st_size > log.stat().st_size
        other.replace(log)
        process.until("ERROR overfitting")
        process.interrupt()
    assert process.said.count("ERROR overfitting") == 2


def test_a_pipe_is_not_watched(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.csv")
    result = CliRunner().invoke(cli.app, [str(tmp_path / "run.csv"), "--watch"], prog_name="diagnose")
    assert result.exit_code == 2
    assert "a named pipe cannot be read twice; watch a file" in result.stderr
