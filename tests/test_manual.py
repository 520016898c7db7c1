"""README and manual cannot drift: what they print is what the commands print, their tables are those of the code, their
commands run, their links lead somewhere.

`python -m tests.test_manual` writes outputs and tables anew.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from diagnose import limits, synthetic
from diagnose.judging.cases import judged
from diagnose.judging.installed import load_rules, load_trials
from diagnose.names.kinds import KINDS
from diagnose.readers import registry, tables
from diagnose.rule import GROUPS
from reference_trainer import check, outcomes
from tests.conftest import ROOT
from tests.wandb_server import StubRun, WandbServer
from tests.written import write_csv

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
CONSOLE = re.compile(r"```console\n\$ (?P<command>diagnose [^\n]*)\n(?P<output>.*?)```", re.DOTALL)
GENERATED = re.compile(r"<!-- (?P<what>[a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)


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
    """The rules by group."""
    parts = []
    for group, about in GROUPS.items():
        rows = "".join(f"| `{r.id}` | {lowered(r.title)} |\n" for r in load_rules() if r.group == group)
        parts.append(f"## {group.capitalize()}: {about}\n\n| rule | finds |\n|---|---|\n{rows}")
    return "\n".join(parts)


def rules() -> str:
    """The names of the rules by group."""
    named = {group: [f"`{rule.id}`" for rule in load_rules() if rule.group == group] for group in GROUPS}
    return "".join(f"- **{group}**: {', '.join(rules)}\n" for group, rules in named.items())


def kinds() -> str:
    """The table of the kinds of training: what a sound verdict rests on, and which rules do not speak."""
    rows = ""
    for kind in KINDS:
        rests_on = ", ".join(f"`{rule.id}`" for rule in load_rules() if kind in rule.essential_for)
        silent = ", ".join(f"`{rule.id}`" for rule in load_rules() if kind in rule.not_for)
        rows += f"| {kind} | {rests_on or 'no rule: it is never called healthy'} | {silent or 'none'} |\n"
    return f"| kind of training | healthy rests on | rules that are not for it |\n|---|---|---|\n{rows}"


def limits_table() -> str:
    """The table of limits, from the docstring of `diagnose.limits`."""
    rows = re.findall(r"^`(\w+)`\s+(\S+)\s+(.*)$", limits.__doc__ or "", re.MULTILINE)
    lines = "".join(f"| `{name.replace('_', '-')}` | {default} | {what} |\n" for name, default, what in rows)
    return f"| limit | default | of what |\n|---|---|---|\n{lines}"


def checked() -> str:
    """The tables of `diagnose reference check`, from its latest results."""
    return check.table(check.read(ROOT / "tests" / "reference_trainer" / "reference_check.csv"))


def formats() -> str:
    """The formats in the order in which they are tried, each by the first line of its module."""
    names = dict.fromkeys((*registry.FORMATS, *registry.FOLDERS))
    modules = [import_module(f"diagnose.readers.formats.{name}") for name in names]
    rows = "".join(f"| `{module.NAME}` | {(module.__doc__ or '').splitlines()[0]} |\n" for module in modules)
    return f"| format | what it is |\n|---|---|\n{rows}"


MADE: Mapping[str, Callable[[], str]] = {
    "rules": rules,
    "table of rules": table,
    "kinds": kinds,
    "formats": formats,
    "limits": limits_table,
    "check": checked,
    "trials": lambda: outcomes.by_fault(load_trials()),
}
"""What stands between two marks of a page -> what makes it."""


def renewed(text: str) -> str:
    """The page with what commands print, and with its tables, as they are now."""
    text = CONSOLE.sub(lambda m: f"```console\n$ {m['command']}\n{output(m['command'])}```", text)
    return GENERATED.sub(lambda m: f"<!-- {m['what']} -->\n\n{MADE[m['what']]().strip()}\n\n<!-- end -->", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_printed_is_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == renewed(text), "look at what changed, then: python -m tests.test_manual"


def test_every_table_stands_somewhere() -> None:
    marks = {mark["what"] for page in PAGES for mark in GENERATED.finditer(page.read_text(encoding="utf-8"))}
    assert marks == set(MADE)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 12_000


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{target}#{anchor}"


def test_settings_of_the_manual_are_valid(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "settings.md").read_text(), re.DOTALL)
    assert block
    assert tomllib.loads(block[1])
    (tmp_path / "pyproject.toml").write_text(block[1])
    log = tmp_path / "run.csv"
    log.write_text("epoch,loss\n" + "".join(f"{i},{1 / (i + 1)}\n" for i in range(20)))
    script = Path(sys.executable).with_name("diagnose")
    result = subprocess.run([script, log.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr


PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_of_python_run(page: Path, tmp_path: Path) -> None:
    write_csv(synthetic.overfit(), tmp_path / "run.csv")
    write_csv(synthetic.overfit(), tmp_path / "samples" / "overfitting.csv")
    for block in PYTHON.findall(page.read_text(encoding="utf-8")):
        if block.startswith(("# needs:", '    """')):  # a model of the reader's, or the rule that the next test runs
            compile(textwrap.dedent(block), str(page), "exec")
            continue
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_the_rule_of_the_contributors_page_gets_its_cases_right(tmp_path: Path) -> None:
    [block] = PYTHON.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    path = tmp_path / "tiny_dropout.py"
    path.write_text(textwrap.dedent(block), encoding="utf-8")
    rule = runpy.run_path(str(path))["RULE"]
    for case in rule.cases:
        findings, _ = judged(rule, case.build())
        assert [finding.severity for finding in findings] == ([case.expect] if case.expect else [])


def blocks_of_yaml() -> dict[str, Any]:
    """The YAML blocks of the page on machines by the file that their first line names."""
    found = re.findall(r"```yaml\n# (\S+)\n(.*?)```", (ROOT / "docs" / "machines.md").read_text(), re.DOTALL)
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


def test_the_hooks_of_the_manual_are_those_of_the_manifest() -> None:
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
    for page in PAGES:
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
