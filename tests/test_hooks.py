"""The hooks of pre-commit in a real git repository: what they look at, what they block, and what they leave alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from diagnose import synthetic
from tests.conftest import ROOT
from tests.written import write_csv

HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
}

ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))},
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "PRE_COMMIT_COLOR": "never",
}


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=ENV, check=True, capture_output=True)


def pre_commit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pre_commit", *arguments]
    env = {**ENV, "PRE_COMMIT_HOME": str(folder.parent / "home")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with logs of all kinds, not yet committed."""
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q")
    write_csv(synthetic.healthy(), folder / "runs" / "fine" / "metrics.csv")
    (folder / "results.json").write_text('{"accuracy": 0.9}')
    (folder / "train.txt").write_text("images/1.png\nimages/2.png\n" * 20)
    (folder / "data.jsonl").write_text('{"prompt": "a", "answer": "b"}\n' * 20)
    (folder / "short.log").write_text("epoch 1 loss 0.5\n")
    return folder


def add_ill(folder: Path, name: str = "metrics.csv") -> None:
    write_csv(synthetic.overfit(), folder / "runs" / "ill" / name)


def local(folder: Path, *arguments: str) -> None:
    """Configure the hooks as they are, but by the command that is installed here, and stage everything."""
    args = {"args": list(arguments)} if arguments else {}
    hooks = [{**hook, "language": "system", **args} for hook in HOOKS.values()]
    config = {"repos": [{"repo": "local", "hooks": hooks}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(folder, "add", "-A")


def commit(folder: Path) -> subprocess.CompletedProcess[str]:
    assert pre_commit(folder, "install").returncode == 0
    return subprocess.run(
        ["git", "commit", "-qm", "logs"],
        cwd=folder,
        env={**ENV, "PRE_COMMIT_HOME": str(folder.parent / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_healthy_log_passes_and_other_files_are_left_alone(repository: Path) -> None:
    local(repository)
    done = commit(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"diagnose training logs\.*Passed", done.stderr)


def test_an_ill_log_blocks_the_commit_and_says_what_to_do(repository: Path) -> None:
    add_ill(repository)
    local(repository)
    done = commit(repository)
    assert done.returncode == 1
    for words in (
        *("diagnose training logs...", "ERROR, confidence", "try first:", "runs/ill/metrics.csv: overfitting since"),
        *("SKIP=diagnose git commit", "per-file-ignores"),
    ):
        assert words in done.stderr
    assert "train.txt" not in done.stderr


def test_strict_blocks_what_is_no_log(repository: Path) -> None:
    local(repository, "--strict")
    done = commit(repository)
    assert done.returncode == 1
    assert "exit code: 2" in done.stderr
    for name in ("data.jsonl", "results.json", "short.log", "train.txt"):
        assert f"{name}: " in done.stderr
    assert "SKIP=" not in done.stderr


def test_the_project_s_settings_hold_in_the_hook(repository: Path) -> None:
    add_ill(repository)
    (repository / "pyproject.toml").write_text('[tool.diagnose]\nfail-on = "never"\n')
    local(repository)
    assert commit(repository).returncode == 0


def test_binary_logs_have_a_hook_of_their_own(repository: Path) -> None:
    files = re.compile(HOOKS["diagnose-binary"]["files"])
    for name in ("wandb/run-20250101_000000-ab12cd34/run-ab12cd34.wandb", "tb/events.out.tfevents.1700000000.host.1.0"):
        assert files.search(name)
    assert not files.search("wandb/settings")
    event = repository / "tb" / "events.out.tfevents.1700000000.host.1.0"
    event.parent.mkdir()
    event.write_bytes(b"\x18\0\0\0\0\0\0\0\xa3\x7fK\x22\t\0\0garbage")
    local(repository)
    assert commit(repository).returncode == 0
    local(repository, "--strict")
    (repository / "note").touch()
    assert "tfevents" in pre_commit(repository, "run", "diagnose-binary", "--all-files").stdout


def test_the_names_of_real_logs_are_looked_at(corpus: Path) -> None:
    import csv

    patterns = [re.compile(hook["files"]) for hook in HOOKS.values()]
    with (corpus / "manifest.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if Path(row["path"]).suffix]
    seen = [row["path"] for row in rows if any(pattern.search(row["path"]) for pattern in patterns)]
    assert len(seen) >= 0.9 * len(rows)


@pytest.mark.parametrize("name", ["model.py", "README.md", "config.json", "data/items.csv", "catalogs.csv", "train.py"])
def test_other_names_are_not(name: str) -> None:
    assert not any(re.search(hook["files"], name) for hook in HOOKS.values())


@pytest.mark.parametrize("arguments", [(), ("--strict", "--"), ("--strict",)])
def test_a_file_named_like_an_option_is_a_file(repository: Path, arguments: tuple[str, ...]) -> None:
    """Without the -- that the hooks bring, the commit is blocked; nothing is ever written."""
    outside = repository.parent / "metrics.csv"
    for folder in ("--out=..", "--plot=.."):
        write_csv(synthetic.healthy(), repository / folder / "metrics.csv")
    for name in ("results.json", "train.txt", "data.jsonl", "short.log"):
        (repository / name).unlink()
    local(repository, *arguments)
    done = commit(repository)
    assert not outside.exists()
    assert done.returncode == (1 if arguments == ("--strict",) else 0), done.stderr
    if done.returncode:
        assert "would be taken for an option; put -- before the files" in done.stderr


@pytest.mark.slow
def test_try_repo_installs_the_hook_and_runs_it(repository: Path) -> None:
    """As a user gets it: cloned from this repository into an environment of its own."""
    source = repository.parent / "diagnose"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "shared"))
    git(source, "init", "-q")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "all")
    git(repository, "add", "-A")
    healthy = pre_commit(repository, "try-repo", str(source), "diagnose", "--all-files")
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    assert re.search(r"diagnose training logs\.*Passed", healthy.stdout)
    add_ill(repository)
    git(repository, "add", "-A")
    ill = pre_commit(repository, "try-repo", str(source), "diagnose", "--all-files")
    assert ill.returncode == 1
    assert "overfitting since" in ill.stdout
    assert "SKIP=diagnose git commit" in ill.stdout
