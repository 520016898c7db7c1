"""Where a report goes, and what is passed over on request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from diagnose import cli, synthetic
from tests.written import write_csv


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="diagnose", env={"PRE_COMMIT": None, **env})


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(synthetic.overfit(), tmp_path / "ill.csv")
    write_csv(synthetic.healthy(), tmp_path / "fine.csv")
    (tmp_path / "prose.txt").write_text("Dear diary, today I trained a network.\n" * 30)
    (tmp_path / "short.csv").write_text("epoch,loss\n" + "".join(f"{i},{1 / i:.3f}\n" for i in range(1, 6)))


def test_a_file_is_replaced_whole_and_keeps_its_mode_and_its_link() -> None:
    Path("real.txt").write_text("old")
    Path("real.txt").chmod(0o640)
    Path("link.txt").symlink_to("real.txt")
    assert run("fine.csv", "--out", "link.txt").stdout == ""
    assert Path("link.txt").is_symlink()
    assert Path("real.txt").read_text().startswith("fine.csv: ")
    assert Path("real.txt").stat().st_mode & 0o777 == 0o640


def test_a_file_keeps_no_colours_and_all_of_unicode() -> None:
    Path("caf\N{LATIN SMALL LETTER E WITH ACUTE}.csv").write_text(Path("ill.csv").read_text())
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "TERM": "xterm"}
    command = [sys.executable, "-m", "diagnose", "caf\N{LATIN SMALL LETTER E WITH ACUTE}.csv", "--color", "always"]
    subprocess.run([*command, "--out", "report.txt"], env=env, check=False)
    text = Path("report.txt").read_text(encoding="utf-8")
    assert text.startswith("caf\N{LATIN SMALL LETTER E WITH ACUTE}.csv: ")
    assert "\N{BOX DRAWINGS LIGHT VERTICAL}" in text
    assert "\x1b" not in text


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="POSIX")
def test_what_is_no_file_is_written_to() -> None:
    command = [sys.executable, "-m", "diagnose", "fine.csv", "--format", "csv", "--out", "/dev/stdout"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("source,run,")


@pytest.mark.parametrize("path", ["nowhere/report.md", "."])
def test_a_file_that_cannot_be_written_is_one_line(path: str) -> None:
    result = run("fine.csv", "--out", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"diagnose: {path}: ")
    assert "name a file with --out" in result.stderr
    assert result.stderr.count("\n") == 1


def test_lenient_passes_over_what_is_no_log_or_cannot_be_judged() -> None:
    others = ("prose.txt", "short.csv", "--select", "overfitting")
    for form in ("text", "json", "github"):
        assert run("fine.csv", *others, "--format", form).exit_code == 2
        passed = run("fine.csv", *others, "--format", form, "--lenient")
        assert (passed.exit_code, passed.stderr) == (0, "")
        assert "prose.txt" not in passed.stdout
    assert run("ill.csv", *others, "--lenient").exit_code == 1
    assert run("ill.csv", *others, "--lenient", "--strict").exit_code == 2
    assert run("prose.txt", "--lenient").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["gone.csv"], "gone.csv: no such file"), (["fine.csv", "--select", "x"], "diagnose: no rule 'x'")],
)
def test_lenient_forgives_no_mistake_of_the_caller(arguments: list[str], message: str) -> None:
    result = run("--lenient", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)


def test_only_a_hook_says_how_to_commit_anyway() -> None:
    def said(*arguments: str, **env: Any) -> bool:
        return "SKIP=diagnose git commit" in run(*arguments, **env).stderr

    assert said("ill.csv", PRE_COMMIT="1")
    assert not said("ill.csv")
    assert not said("fine.csv", PRE_COMMIT="1")


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["fine.csv", "--out", "fine.csv"], "fine.csv"),
        (["fine.csv", "--out", "sub/../fine.csv"], "fine.csv"),
        (["fine.csv", "--out", "link.txt"], "fine.csv"),
        (["link.txt", "--out", "fine.csv"], "fine.csv"),
        (["hard.txt", "--out", "fine.csv"], "fine.csv"),
        ([".", "--out", "fine.csv"], "fine.csv"),
        (["*.csv", "--out", "fine.csv"], "fine.csv"),
        (["fine.csv", "--plot", "drawn.svg"], "drawn.svg"),
        (["ill.csv", "--baseline", "fine.csv", "--out", "fine.csv"], "fine.csv"),
        (["ill.csv", "--config", "own.json", "--out", "own.json"], "own.json"),
        (["ill.csv", "--out", "ill.yaml"], "ill.yaml"),
        (["ill.csv", "--watch", "--out", "ill.csv"], "ill.csv"),
        (["compare", "fine.csv", "ill.csv", "--out", "ill.csv"], "ill.csv"),
        (["compare", "fine.csv", "ill.csv", "--plot", "drawn.svg"], "drawn.svg"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_is_read_is_never_overwritten(arguments: list[str], target: str) -> None:
    Path("sub").mkdir()
    Path("link.txt").symlink_to("fine.csv")
    Path("hard.txt").hardlink_to("fine.csv")
    Path("own.json").write_text('{"optimizer": "adam"}')
    Path("ill.yaml").write_text("optimizer: adam")
    Path("drawn.svg").symlink_to("fine.csv")
    before = Path(target).read_bytes()
    result = run(*arguments)
    assert result.exit_code == 2
    assert "would be overwritten; name another file with --" in result.stderr
    assert result.stderr.count("\n") == 1
    assert Path(target).read_bytes() == before


def test_an_earlier_report_is_overwritten_also_beside_the_logs() -> None:
    Path("report.md").write_text("# The last report")
    assert run(".", "--out", "report.md").exit_code == 1
    assert "The last report" not in Path("report.md").read_text()


def test_two_outputs_have_two_files() -> None:
    result = run("fine.csv", "--out", "one.svg", "--plot", "./one.svg")
    assert result.exit_code == 2
    assert "give each a file of its own" in result.stderr
    assert not Path("one.svg").exists()
