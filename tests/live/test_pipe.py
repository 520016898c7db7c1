"""`diagnose --live -`: what a training prints goes through, and findings are told beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diagnose import cli, synthetic
from diagnose.curves import Run
from diagnose.live.stalled import Rhythm
from tests.written import write_csv

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")


def lines_of(run: Run, tmp_path: Path) -> list[str]:
    return write_csv(run, tmp_path / "whole.csv").read_text().splitlines(keepends=True)


def live(printed: Sequence[str], *options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "diagnose", "--live", "-", "--plain", *options]
    return subprocess.run(
        command, input="".join(printed), capture_output=True, text=True, check=False, cwd=cwd,
        env={**os.environ, "DIAGNOSE_TRACEBACK": ""},
    )  # fmt: skip


def test_what_is_printed_goes_through_and_what_is_found_is_told_beside_it(tmp_path: Path) -> None:
    printed = lines_of(synthetic.overfit(), tmp_path)
    done = live(printed, "--select", "overfitting,loss-spike")
    assert done.stdout == "".join(printed)
    assert done.returncode == 1
    heads = [line for line in done.stderr.splitlines() if "overfitting, confidence" in line]
    assert 1 <= len(heads) <= 2
    assert done.stderr.splitlines()[-1] == "diagnose: <stdin>: 1 problem: overfitting (error)"


def test_of_a_healthy_run_nothing_is_told_but_the_verdict(tmp_path: Path) -> None:
    done = live(lines_of(synthetic.healthy(), tmp_path))
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["diagnose"]


def test_lines_pass_as_they_come(tmp_path: Path) -> None:
    """A training that waits for an answer is not held up by a line that is."""
    command = [sys.executable, "-m", "diagnose", "--live", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"epoch 0 loss 0.5\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"epoch 0 loss 0.5\n"
        for epoch in range(1, 12):
            child.stdin.write(f"epoch {epoch} loss {0.5 / epoch}\n".encode())
        child.stdin.write(b"epoch 12 loss nan\n")
        child.stdin.flush()
        assert child.stderr is not None
        assert b"ERROR non-finite" in child.stderr.readline()
        child.stdin.close()
        assert child.wait() == 1


def test_a_command_is_run_for_each_error(tmp_path: Path) -> None:
    command = 'echo "$DIAGNOSE_RULE $DIAGNOSE_SEVERITY" >> errors.txt; exit 3'
    printed = lines_of(synthetic.diverging(), tmp_path)
    done = live(printed, "--select", "divergence", "--on-error", command, cwd=tmp_path)
    assert (tmp_path / "errors.txt").read_text() == "divergence error\n"
    assert "--on-error: the command ended with 3" in done.stderr
    assert done.returncode == 1


def test_the_whole_report_goes_into_a_file(tmp_path: Path) -> None:
    live(lines_of(synthetic.overfit(), tmp_path), "--out", "report.html", cwd=tmp_path)
    assert "overfitting" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_no_log_is_passed_on_all_the_same() -> None:
    done = live(["hello\n", "world\n"])
    assert (done.stdout, done.returncode) == ("hello\nworld\n", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--live", "run.csv"],
            "it reads what is piped to it: python train.py | diagnose --live -",
        ),
        (["--live", "--watch", "-"], "the standard input cannot be read twice"),
        (["--live", "-", "--format", "sarif"], "Invalid value for --live: sarif comes at the end, into a file"),
        (["run.csv", "--notify", "desktop"], "there is nothing to tell without --watch or --live"),
        (["run.csv", "--on-error", "true"], "there is nothing to tell without --watch or --live"),
        (["--live", "-", "--notify", "pigeon:SECRET"], "notify: pigeon:...: not understood; valid: ntfy:TOPIC"),
    ],
)
def test_what_means_nothing_is_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli.app, arguments, prog_name="diagnose")
    said = result.stderr or str(result.exception)
    assert message in said
    assert "SECRET" not in said


def test_a_silent_log_is_a_finding_of_its_own() -> None:
    run = synthetic.healthy()
    rhythm = Rhythm(0.0)
    for second in range(10, 100, 10):
        assert rhythm.changed(float(second), run) == []
        assert rhythm.silent(second + 9.0, run) == []
    assert rhythm.silent(150.0, run) == []
    [news] = rhythm.silent(90.0 + 101.0, run)
    assert (news.kind, news.finding.rule) == ("new", "stalled")
    assert "Nothing was logged for 101 s; usually there is a line every 10 s." in news.finding.summary
    assert rhythm.silent(400.0, run) == []
    [back] = rhythm.changed(500.0, run)
    assert (back.kind, back.finding.rule) == ("gone", "stalled")
