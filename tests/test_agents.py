"""What lies in the repository for agents, editors and GitHub: every command is one, every pattern matches, and no input
or log can change what a script does.
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
from typing import Any

import pytest
import yaml

from diagnose import synthetic
from diagnose.cli import SCHEMAS
from diagnose.judging.installed import load_rules
from diagnose.reports import FORMATS
from diagnose.reports.budget import tokens
from tests.conftest import ROOT, typed
from tests.written import write_csv

MANUAL, SKILL, LLMS = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/agents.md", "SKILL.md", "llms.txt"))
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
TASKS: dict[str, Any] = json.loads((ROOT / "docs/examples/vscode/tasks.json").read_text(encoding="utf-8"))
HOSTILE = ["::error::pwned.csv", "a,b:c%0A.csv", "$(touch pwned).csv", "`touch pwned`.csv", "; touch pwned; #.csv"]
"""Names of files that are commands to a shell or to GitHub's runner."""


# --- texts


@pytest.mark.parametrize("text", [MANUAL, SKILL, LLMS], ids=["docs/agents.md", "SKILL.md", "llms.txt"])
def test_every_option_and_format_that_is_named_is_there(text: str) -> None:
    known = typed("--help").stdout + "".join(typed(name, "--help").stdout for name in ("explain", "rules", "compare"))
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--scope", "--network", "--corpus"}  # of others
    assert sorted(option for option in options if option not in known) == []
    assert set(re.findall(r"--format (\w+)", text)) <= set(FORMATS)
    assert set(re.findall(r"diagnose schema (\w+)", text)) <= {*SCHEMAS}


def test_files_named_in_links_exist() -> None:
    for where, text in ((ROOT / "docs", MANUAL), (ROOT, SKILL), (ROOT, LLMS)):
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        assert [target for target in targets if not (where / target).exists()] == []


def test_the_skill_has_the_head_that_agents_look_for_and_is_short() -> None:
    _, head, body = SKILL.split("---\n", 2)
    parsed = yaml.safe_load(head)
    assert parsed.keys() == {"name", "description"}
    assert re.fullmatch(r"[a-z-]{1,64}", parsed["name"])
    assert len(parsed["description"]) <= 1024
    assert tokens(body) < 1500


def test_the_brief_example_is_what_the_command_says(samples: Path) -> None:
    example = json.loads(re.search(r"```json\n(\{\"brief.*?)```", MANUAL, re.DOTALL)[1])  # type: ignore[index]
    said = json.loads(typed(str(samples / "overfitting.csv"), "--format", "brief").stdout)
    assert example.keys() == said.keys()
    (told,), (shown,) = said["runs"], example["runs"]
    assert shown["findings"] == told["findings"][:1]
    assert {name: told[name] for name in ("verdict", "kind", "milestone", "read")}.items() <= shown.items()


def test_every_setting_of_a_client_is_parsed_and_starts_the_server() -> None:
    blocks = [json.loads(each) for each in re.findall(r"```json\n(\{\"(?:mcpS|s)ervers.*?)```", MANUAL, re.DOTALL)]
    servers = [next(iter(block.values()))["diagnose"] for block in blocks]
    servers += [
        tomllib.loads(each)["mcp_servers"]["diagnose"] for each in re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    ]
    assert len(servers) == 5
    for server in servers:
        assert (Path(server["command"]).name, server["args"][0]) == ("diagnose", "mcp")


def test_every_tool_is_in_the_manual() -> None:
    tools = pytest.importorskip("diagnose.integrations.mcp.tools")
    listed = dict(re.findall(r"^\| `(\w+)\(([\w, ]*)\)`", MANUAL, re.MULTILINE))
    assert listed == {tool.name: ", ".join(tool.arguments) for tool in tools.TOOLS}


# --- VS Code


def matched(line: str) -> dict[str, str] | None:
    """What the first problem matcher that fits makes of a line of the output."""
    for matcher in TASKS["tasks"][0]["problemMatcher"]:
        pattern = matcher["pattern"]
        found = re.match(pattern["regexp"], line)
        if found:
            parts = ("severity", "code", "file", "line", "endLine", "message")
            return {part: found[pattern[part]] for part in parts if part in pattern}
    return None


def test_the_problem_matcher_reads_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(synthetic.overfit(), tmp_path / "logs" / "ill run.csv")
    (tmp_path / "logs" / "run.json").write_text(json.dumps({"loss": [1.0, 0.5, float("nan")] * 5}))
    monkeypatch.chdir(tmp_path)
    (task,) = TASKS["tasks"]
    done = typed(*task["args"], "gone.csv")
    *problems, _ = done.stdout.splitlines()
    assert len(problems) >= 3
    found = [matched(line) for line in problems]
    assert None not in found
    known = {rule.id for rule in load_rules()}
    for each in found:
        assert each is not None
        assert each["severity"] in ("error", "warning", "notice")
        assert each["code"] in known or each["code"] == "not judged"
        assert "%0A" not in each["message"]
        assert each["file"] == "gone.csv" or (tmp_path / each["file"]).is_file()
    (overfitting,) = (each for each in found if each and each["code"] == "overfitting")
    assert overfitting["file"] == "logs/ill run.csv"
    assert int(overfitting["line"]) == 32
    assert overfitting["message"].startswith("val_loss was best at epoch 30")


def test_the_problem_matcher_takes_the_count_for_no_problem() -> None:
    assert matched("diagnose: 3 runs: 1 with errors, 2 healthy") is None


# --- GitHub Actions


def test_no_input_is_part_of_a_script() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert step.get("shell", "bash") == "bash"
    named = set(re.findall(r"inputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert named == ACTION["inputs"].keys()
    listed = re.search(r"Its inputs are (.*?); its outputs (.*?)\.\n", MANUAL, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`([\w-]+)`", listed[1]) == list(ACTION["inputs"])
    assert re.findall(r"`([\w-]+)`", listed[2]) == list(ACTION["outputs"])


class Ran:
    """The last step of the action, run in a folder as the runner does, with these inputs."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "diagnose")
        runner = folder.parent / "runner"
        (runner / "diagnose").mkdir(parents=True, exist_ok=True)
        if not (runner / "diagnose" / "bin").exists():
            (runner / "diagnose" / "bin").symlink_to(Path(sys.executable).parent)
        given = {name: inputs.get(name, spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        wanted = {
            name: given[re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)[1]]  # type: ignore[index]
            for name, value in step["env"].items()
        }
        for name in ("output", "summary"):
            (runner / name).write_text("")
        env = {**os.environ, **wanted, "RUNNER_TEMP": str(runner), "PYTHONPATH": str(ROOT)}
        env |= {"GITHUB_OUTPUT": str(runner / "output"), "GITHUB_STEP_SUMMARY": str(runner / "summary")}
        script = runner / "script.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        self.code, self.said, self.stderr = done.returncode, done.stdout, done.stderr
        self.outputs = dict(line.split("=", 1) for line in (runner / "output").read_text().splitlines())
        self.summary = (runner / "summary").read_text()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write_csv(synthetic.overfit(), tmp_path / "work" / "logs" / "ill.csv")
    write_csv(synthetic.healthy(), tmp_path / "work" / "more logs" / "fine.csv")
    return tmp_path / "work"


def test_the_action_annotates_sums_up_and_gives_the_verdict(work: Path) -> None:
    ran = Ran(work, paths="logs/\nmore logs/*.csv\n")
    assert (ran.code, ran.stderr) == (1, "")
    assert ran.outputs == {"verdict": "error", "exit-code": "1"}
    assert "::error title=overfitting,file=logs/ill.csv,line=32" in ran.said
    assert ran.summary.startswith("## diagnose: 2 runs")
    assert Ran(work, paths="more logs").outputs["exit-code"] == "0"
    never = Ran(work, paths="logs", **{"fail-on": "never"})
    assert (never.code, never.outputs["verdict"]) == (0, "error")


def test_the_action_hands_on_what_it_is_given(work: Path) -> None:
    (work / "config.yaml").write_text("dropout: 0.9\n")
    ran = Ran(work, paths="logs", select="dropout-rate,plateau", config="config.yaml", ignore="plateau")
    assert ran.outputs["verdict"] == "note"
    assert "dropout-rate" in ran.summary
    against = Ran(work, paths="logs", baseline="more logs\nlogs", select="baseline-regression,overfitting")
    assert against.outputs["verdict"] == "error"


WRONG = [({"paths": "gone"}, "gone: no such file"), ({"paths": "logs", "fail-on": "no"}, "'no'"), ({}, "name at least")]


@pytest.mark.parametrize(("inputs", "said"), WRONG)
def test_the_action_says_what_was_called_wrongly(inputs: dict[str, str], said: str, work: Path) -> None:
    ran = Ran(work, **{"paths": "", **inputs})
    assert (ran.code, ran.outputs) == (2, {"verdict": "failed", "exit-code": "2"})
    assert said in ran.said


def test_no_name_and_no_input_is_a_command(work: Path) -> None:
    for name in HOSTILE:
        write_csv(synthetic.overfit(), work / name)
        (work / f"{name}.log").write_text("no log\n" * 5)
    named = "\n".join([*HOSTILE, *(f"{name}.log" for name in HOSTILE)])
    one = HOSTILE[2]
    wrong = {"paths": "logs", "select": one, "config": one}
    for inputs in ({"paths": named}, wrong, {"paths": "logs", "baseline": named}):
        ran = Ran(work, **inputs)
        commands = [line for line in outside(ran.said) if line.startswith("::")]
        assert all(re.match(r"::(error|warning|notice) title=[\w -]+,file=", line) for line in commands)
        assert ran.outputs.keys() == {"verdict", "exit-code"}
    assert not list(work.rglob("pwned"))


def outside(said: str) -> list[str]:
    """The lines that the runner looks for commands in."""
    lines = said.splitlines()
    (begin,) = (i for i, line in enumerate(lines) if line.startswith("::stop-commands::"))
    token = lines[begin].removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    end = lines.index(f"::{token}::")
    return [*lines[:begin], *lines[end + 1 :]]


def test_the_commands_of_the_texts_are_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run.csv", "a.csv", "b.csv", "logs/run.csv"):
        write_csv(synthetic.overfit(), tmp_path / name)
    lines = re.findall(r"^diagnose ([^#\n]+)", MANUAL, re.MULTILINE)
    lines += re.findall(r"`diagnose ([^`]+)`", MANUAL + SKILL + LLMS)
    for placeholder, instead in {"PATH": "run.csv", "RULE": "overfitting", "A B": "a.csv b.csv"}.items():
        lines = [line.strip().replace(placeholder, instead) for line in lines]
    filled = sorted(set(lines))
    tried = [line for line in filled if not re.match(r"mcp|--live|run.csv --watch", line)]
    assert len(tried) >= 6
    for line in tried:
        assert typed(*shlex.split(line)).returncode in (0, 1), line
