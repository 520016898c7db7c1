"""The README cannot drift: its outputs are what the commands print, its table is that of the rules, its links exist.

`python -m tests.test_readme` writes both anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from diagnose import synthetic
from diagnose.judging.installed import load_rules, load_trials
from diagnose.names.kinds import KINDS
from diagnose.readers import tables
from reference_trainer import check, outcomes
from tests.conftest import ROOT
from tests.wandb_server import StubRun, WandbServer
from tests.written import write_csv

README = ROOT / "README.md"
CONSOLE = re.compile(r"```console\n\$ (?P<command>diagnose [^\n]*)\n(?P<output>.*?)```", re.DOTALL)
CHECKED = re.compile(r"\| fault \| what it does \|.*\n(?:\|[^\n]*\n)*\n\| healthy recipe \|.*\n(?:\|[^\n]*\n)*")
TRIED = re.compile(r"\| fault \| finding \| cause \|.*\n(?:\|[^\n]*\n)*")
KINDS_HEAD = "| kind of training | healthy rests on | rules that are not for it |\n"
KINDS_TABLE = re.compile(re.escape(KINDS_HEAD) + r"(?:\|[^\n]*\n)*")
TABLE = re.compile(r"\| rule \| finds \|\n\|---\|---\|\n(?:\|[^\n]*\n)*")


def output(command: str) -> str:
    """What a command of the README prints, run in the repository's root by the installed console script.

    One that asks a W&B server finds one with the samples, whose pages are shown as those of the public one.
    """
    script = Path(sys.executable).with_name("diagnose")
    arguments = shlex.split(command)[1:]
    if arguments[0] != "wandb":
        result = subprocess.run([script, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return result.stdout + result.stderr
    with TemporaryDirectory() as folder, WandbServer(sample_project()) as server:
        env = {**os.environ, **server.variables(folder)}
        result = subprocess.run([script, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return (result.stdout + result.stderr).replace(server.url, "https://wandb.ai")


def sample_project() -> list[StubRun]:
    """The samples as runs of a W&B project."""
    return [
        StubRun(
            path.stem[:8],
            [{name: float(c.values[i]) for name, c in table.columns.items() if c.logged[i]} for i in range(table.rows)],
            name=path.stem,
            state="crashed" if path.stem == "stuck" else "finished",
        )
        for path in (*sorted((ROOT / "samples").glob("[!f]*.csv")), ROOT / "samples/spike_history.json")
        for table in tables(path)
    ]


def lowered(title: str) -> str:
    """The title as it stands within a sentence; `SGD` stays `SGD`."""
    return title if title[1].isupper() else title[0].lower() + title[1:]


def table() -> str:
    """The table of rules in Markdown."""
    rows = "".join(f"| `{rule.id}` | {lowered(rule.title)} |\n" for rule in load_rules())
    return f"| rule | finds |\n|---|---|\n{rows}"


def kinds() -> str:
    """The table of the kinds of training in Markdown: what a sound verdict rests on, and which rules do not speak."""
    rows = ""
    for kind in KINDS:
        rests_on = ", ".join(f"`{rule.id}`" for rule in load_rules() if kind in rule.essential_for)
        silent = ", ".join(f"`{rule.id}`" for rule in load_rules() if kind in rule.not_for)
        rows += f"| {kind} | {rests_on or 'no rule: it is never called healthy'} | {silent or 'none'} |\n"
    return f"{KINDS_HEAD}|---|---|---|\n{rows}"


def checked() -> str:
    """The tables of `diagnose reference check`, from its latest results."""
    return check.table(check.read(ROOT / "tests" / "reference_trainer" / "reference_check.csv"))


def renewed(text: str) -> str:
    text = CONSOLE.sub(lambda m: f"```console\n$ {m['command']}\n{output(m['command'])}```", text)
    text = TRIED.sub(lambda _: outcomes.by_fault(load_trials()), text)
    text = KINDS_TABLE.sub(lambda _: kinds(), text)
    return CHECKED.sub(lambda _: checked(), TABLE.sub(lambda _: table(), text))


def test_outputs_and_table_are_those_of_the_code() -> None:
    text = README.read_text()
    assert CONSOLE.search(text)
    assert TABLE.search(text)
    assert CHECKED.search(text)
    assert TRIED.search(text)
    assert KINDS_TABLE.search(text)
    assert text == renewed(text), "run: python -m tests.test_readme"


def test_files_named_in_links_exist() -> None:
    named = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text())
    assert named
    assert [target for target in named if not (ROOT / target).exists()] == []


def test_settings_of_the_readme_are_valid(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    assert block
    assert tomllib.loads(block[1])
    (tmp_path / "pyproject.toml").write_text(block[1])
    log = tmp_path / "run.csv"
    log.write_text("epoch,loss\n" + "".join(f"{i},{1 / (i + 1)}\n" for i in range(20)))
    script = Path(sys.executable).with_name("diagnose")
    result = subprocess.run([script, log.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr


def blocks_of_yaml() -> dict[str, Any]:
    """The YAML blocks of the README by the file that their first line names."""
    found = re.findall(r"```yaml\n# (\S+)\n(.*?)```", README.read_text(), re.DOTALL)
    return {name: yaml.safe_load(text) for name, text in found}


def test_the_commands_of_the_pipelines_do_what_they_say(tmp_path: Path) -> None:
    blocks = blocks_of_yaml()
    steps = blocks[".github/workflows/logs.yml"]["jobs"]["diagnose"]["steps"]
    script = [*(step.get("run", "") for step in steps), *blocks[".gitlab-ci.yml"]["diagnose"]["script"]]
    commands = [command for command in script if command.startswith("diagnose ")]
    work = tmp_path / "work"
    for folder in (work, tmp_path / "main"):
        write_csv(synthetic.overfit(), folder / "logs" / "run.csv")
    env = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    codes = [
        subprocess.run(["bash", "-c", command], cwd=work, env=env, capture_output=True, check=False).returncode
        for command in commands
    ]
    assert codes == [0 if "--fail-on never" in command else 1 for command in commands]
    assert len(codes) == 5
    assert json.loads((work / steps[4]["with"]["sarif_file"]).read_text())["version"] == "2.1.0"
    artifacts = blocks[".gitlab-ci.yml"]["diagnose"]["artifacts"]
    assert (work / artifacts["reports"]["junit"]).read_text().startswith("<?xml")
    summary, [page] = (tmp_path / "summary").read_text(), artifacts["paths"]
    assert summary == (work / page).read_text()
    assert summary.startswith("## diagnose: 1 run")


def test_the_hooks_of_the_readme_are_those_of_the_manifest() -> None:
    [repo] = blocks_of_yaml()[".pre-commit-config.yaml"]["repos"]
    manifest = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in manifest]


def test_continuous_integration_calls_the_test_command_of_the_readme() -> None:
    dry = subprocess.run(
        ["bash", "-c", r"sed -n 's/^\(python3 -m venv .*\.\[test\].*\)$/\1/p' README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(dry.stdout.splitlines()) == 1
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
