"""Every command that README and manual print is run, or its options are held against the real ones."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from diagnose import cli, synthetic
from tests.conftest import ROOT
from tests.test_manual import PAGES
from tests.written import write_csv

BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)

NOT_RUN = {
    "wandb": "needs a project on a server; tests/integrations/wandb runs it against one",
    "reference": "trains for minutes; tests/reference_trainer runs it",
    "rehearse": "trains; tests/reference_trainer/test_rehearse.py runs it",
    "bias": "needs a network and images; tests/integrations/captum runs it",
    "docs": "opens a browser; tests/test_docs.py runs it",
    "serve": "goes on until Ctrl-C; tests/test_serve.py runs it",
    "mcp": "speaks to a program; tests/integrations/test_mcp.py runs it",
    "--install-completion": "changes the shell of who runs it",
}
"""First word -> why it is not run here; its options are checked all the same."""

NEEDS_MORE = ("--watch", "s3://", "--live", "mlflow.db", "lightning_logs/", "wandb/", "runs/", "bias")


def commands() -> list[str]:
    """The commands of all pages, each once, without the comments behind them."""
    lines = (
        line.partition(" #")[0].strip()
        for page in PAGES
        for block in BLOCK.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
    )
    return sorted({line for line in lines if re.search(r"(^|\| )diagnose ", line)})


def words_of(command: str) -> list[str]:
    """The arguments of `diagnose` in a command."""
    return shlex.split(command.partition("diagnose ")[2])


def kept_back(command: str) -> bool:
    words = words_of(command)
    endless = any(mark in command for mark in NEEDS_MORE) and "--idle-timeout" not in command
    return words[0] in NOT_RUN or endless


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the commands speak of."""
    overfit, healthy = synthetic.overfit(), synthetic.healthy()
    for name in ("run", "results", "a", "before"):
        write_csv(overfit, tmp_path / f"{name}.csv")
    for name in ("b", "after", "logs/one", "logs/two", "earlier_runs/one", "samples/overfitting", "runs/x", "runs/y"):
        write_csv(healthy, tmp_path / f"{name}.csv")
    write_csv(overfit, tmp_path / "logs" / "ill.csv")
    shutil.copy(ROOT / "samples" / "trainer_state.json", tmp_path)
    shutil.copy(ROOT / "samples" / "focus.csv", tmp_path)
    (tmp_path / "config.yaml").write_text("learning_rate: 0.001\noptimizer: adam\ndropout: 0.1\nweight_decay: 0.0\n")
    (tmp_path / "metrics.jsonl").write_text("".join(f'{{"step": {i}, "loss": {1 / (i + 1)}}}\n' for i in range(30)))
    (tmp_path / "odd.csv").write_text("epoch,my_loss\n" + "".join(f"{i},{1 / (i + 1)}\n" for i in range(30)))
    shutil.copy(tmp_path / "odd.csv", tmp_path / "run_odd.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [command for command in commands() if not kept_back(command)])
def test_a_printed_command_runs(command: str, folder: Path) -> None:
    if "my_loss" in command:
        shutil.copy(folder / "odd.csv", folder / "run.csv")
    code, said, complaints = called(command, folder)
    assert code in (0, 1), complaints
    assert said or "--out" in command or "--plot" in command


def called(command: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command: in this process where no shell is needed."""
    if command.startswith("diagnose ") and not set(command) & set("|*'&;>"):
        result = CliRunner().invoke(cli.app, words_of(command), prog_name="diagnose")
        return result.exit_code, result.stdout, result.stderr
    env = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    made = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False, cwd=folder)
    return made.returncode, made.stdout, made.stderr


@pytest.mark.parametrize("command", [command for command in commands() if kept_back(command)])
def test_a_command_that_is_not_run_has_options_that_exist(command: str) -> None:
    words = words_of(command)
    group: Any = typer.main.get_command(cli.app)
    context = type(group).context_class(group)
    known = group.commands["PATHS"]
    while words and (found := getattr(known if known is not group.commands["PATHS"] else group, "get_command", None)):
        chosen = found(context, words[0])
        if chosen is None:
            break
        known, words = chosen, words[1:]
    options = {name for parameter in known.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--install-completion", "--help"}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert asked <= options, f"{command}: {sorted(asked - options)}"
