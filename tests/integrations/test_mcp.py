"""The server for coding agents, spoken with by the official client over the standard streams."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diagnose import synthetic
from diagnose.reports.brief import AUDIT, RUN
from diagnose.reports.budget import tokens
from tests.conftest import ROOT
from tests.reports.test_brief import INJECTION
from tests.wandb_server import StubRun, WandbServer
from tests.written import write_csv

mcp = pytest.importorskip("mcp", reason="needs the extra mcp")

NAMES = ["find_logs", "diagnose_run", "explain_rule", "compare_runs", "audit_project", "curve", "suggest_fix"]


class Answer(NamedTuple):
    """What a tool said. failed: whether it is an error."""

    text: str
    failed: bool

    @property
    def content(self) -> Any:
        assert not self.failed, self.text
        return json.loads(self.text)


def talk(
    folder: Path,
    *calls: tuple[str, Mapping[str, Any]],
    options: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> tuple[list[Any], list[Answer]]:
    """The tools of a server for a folder, and its answers to the calls."""

    async def session() -> tuple[list[Any], list[Answer]]:
        command = mcp.StdioServerParameters(
            command=sys.executable,
            args=["-m", "diagnose", "mcp", *options],
            env={"PYTHONPATH": str(ROOT), **(env or {})},
            cwd=folder,
        )
        async with mcp.Client(command) as client:
            tools = (await client.list_tools()).tools
            said = [await client.call_tool(name, dict(arguments)) for name, arguments in calls]
        return tools, [Answer(result.content[0].text, result.is_error) for result in said]

    return asyncio.run(session())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two runs that differ, a broken log, and a secret beside it."""
    served = tmp_path / "served"
    write_csv(synthetic.overfit(), served / "ill.csv")
    write_csv(synthetic.healthy(), served / "more" / "healthy.csv")
    (served / "broken.csv").write_text("a,b\nx,y\n")
    write_csv(synthetic.overfit(), tmp_path / "secret.csv")
    return served


def test_every_tool_is_listed_as_one_that_only_reads_and_answers(folder: Path) -> None:
    tools, answers = talk(
        folder,
        ("find_logs", {}),
        ("diagnose_run", {"path": "ill.csv"}),
        ("explain_rule", {"rule": "overfitting"}),
        ("compare_runs", {"paths": ["ill.csv", "more"]}),
        ("audit_project", {}),
        ("curve", {"path": "ill.csv", "column": "val_loss"}),
        ("suggest_fix", {"path": str(folder / "ill.csv")}),
    )
    assert [tool.name for tool in tools] == NAMES
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
        assert not tool.annotations.open_world_hint
        assert tool.description
    logs, run, page, compared, audit, curve, fixes = (answer.content for answer in answers)
    assert {each["path"] for each in logs["logs"]} == {"ill.csv", "more/healthy.csv"}
    assert run["runs"][0]["findings"][0]["rule"] == "overfitting"
    assert page["thresholds"]["gl_warning"] == 5.0
    assert [row["run"] for row in compared["rows"]] == ["A", "B"]
    assert sum(audit["verdicts"].values()) == 2
    assert curve["points_in_all"] == 100
    assert fixes["findings"][0]["fixes"][0]["changes"] == [{"do": "stop", "axis": "epoch", "at": 30}]


def test_a_curve_keeps_its_extremes_in_64_points(tmp_path: Path) -> None:
    values = [1.0 / (i + 1) for i in range(5000)]
    values[1234], values[4321] = 77.0, -5.0
    rows = "".join(f"{i},{'nan' if i % 50 == 7 else v}\n" for i, v in enumerate(values))
    (tmp_path / "run.csv").write_text(f"step,loss\n{rows}")
    _, answers = talk(tmp_path, ("curve", {"path": "run.csv"}), ("curve", {"path": "run.csv", "points": 9}))
    for answer, most in zip(answers, (64, 9), strict=True):
        points = answer.content["points"]
        assert len(points) <= most
        assert points[0][0] == 0
        assert points[-1][0] == 4999
        assert {77, -5} <= {value for _, value in points}
    assert answers[0].content["not_finite"] == 100
    assert any(value is None for _, value in answers[0].content["points"])


def test_what_cannot_be_answered_is_an_error_in_one_clear_line(folder: Path) -> None:
    calls = {
        ("diagnose_run", "broken.csv"): "broken.csv: this is no training log",
        ("diagnose_run", "gone.csv"): "gone.csv: no such file or folder; find_logs",
        ("suggest_fix", "more/gone"): "no such file",
        ("diagnose_run", ""): "",
    }
    others: list[tuple[str, dict[str, Any], str]] = [
        ("diagnose_run", {}, "'path' is a required property"),
        ("diagnose_run", {"path": 3}, "path: 3 is not of type 'string'"),
        ("diagnose_run", {"path": "ill.csv", "verbose": True}, "'verbose' was unexpected"),
        ("diagnose_run", {"path": "ill.csv", "rules": ["overfit"]}, "did you mean overfitting?"),
        ("diagnose_run", {"path": "ill.csv", "columns": {"val_loss": "nope"}}, "nope"),
        ("explain_rule", {"rule": "overfit"}, "no rule 'overfit'; did you mean overfitting?"),
        ("curve", {"path": "ill.csv", "points": 65}, "points: 65 is greater than the maximum of 64"),
        ("curve", {"path": "ill.csv", "column": "nope"}, "no curve nope; there are train_loss"),
        ("curve", {"path": "."}, "name one of the 2 runs there: "),
        ("compare_runs", {"paths": ["ill.csv"]}, "name two logs or more"),
        ("audit_project", {"project": "a/b"}, "--network"),
        ("suggest_fix", {"path": "ill.csv", "rules": ["plateau"]}, "no finding of this run 'plateau'"),
        ("nonsense", {}, "no tool 'nonsense'"),
    ]
    others += [(name, {"path": path}, said) for (name, path), said in calls.items() if path]
    _, answers = talk(folder, *((name, arguments) for name, arguments, _ in others))
    for (name, arguments, said), answer in zip(others, answers, strict=True):
        assert answer.failed, (name, arguments)
        assert said in answer.text
        assert "\n" not in answer.text
        assert tokens(answer.text) < 250


def test_nothing_outside_the_folder_is_read(folder: Path) -> None:
    outside = folder.parent / "secret.csv"
    (folder / "link.csv").symlink_to(outside)
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)
    (folder / "more" / "within.csv").symlink_to(folder / "ill.csv")
    (folder / "ill.yaml").symlink_to(folder.parent / "secret.yaml")
    (folder.parent / "secret.yaml").write_text("optimizer: sesame\nlearning_rate: 0.1\n")
    refused = [
        "../secret.csv",
        str(outside),
        "link.csv",
        "linked/secret.csv",
        "more/../../secret.csv",
        "https://localhost/run.csv",
        "file:///etc/passwd",
        "/dev/stdin",
        "-",
        "l*/*.csv",
        "~/run.csv",
        "a\0b",
        "x" * 5000,
    ]
    calls = [("diagnose_run", {"path": path}) for path in refused]
    _, answers = talk(
        folder,
        *calls,
        ("find_logs", {}),
        ("audit_project", {}),
        ("suggest_fix", {"path": "ill.csv"}),
        ("diagnose_run", {"path": "more/within.csv"}),
    )
    for path, answer in zip(refused, answers, strict=False):
        assert answer.failed, path
        assert "\n" not in answer.text
    logs, audit, fixes, within = answers[len(refused) :]
    assert {each["path"] for each in logs.content["logs"]} == {"ill.csv", "more/healthy.csv", "more/within.csv"}
    assert sum(audit.content["verdicts"].values()) == 3
    assert "sesame" not in fixes.text
    assert within.content["verdicts"] == {"error": 1}


def test_names_and_contents_of_logs_stay_data(tmp_path: Path) -> None:
    name = INJECTION.replace("/", "_")
    rows = "".join(f"{i},{1 / (i + 1)},{0.5 + 0.02 * max(0, i - 20)}\n" for i in range(60))
    quoted = INJECTION.replace('"', '""')
    for i in range(40):
        path = tmp_path / f"{i} {name[:80]}" / "metrics.csv"
        path.parent.mkdir()
        path.write_text(f'epoch,"train_loss {quoted}","val_loss {quoted}"\n{rows}')
    path = str(path.relative_to(tmp_path))
    _, answers = talk(
        tmp_path,
        ("find_logs", {}),
        ("audit_project", {}),
        ("diagnose_run", {"path": path}),
        ("compare_runs", {"paths": [path, str(Path(path).parent)]}),
        ("compare_runs", {"paths": [each.name for each in sorted(tmp_path.iterdir())][:20]}),
        ("curve", {"path": path}),
        ("suggest_fix", {"path": path}),
        ("explain_rule", {"rule": INJECTION}),
        ("diagnose_run", {"path": INJECTION}),
    )
    for answer, most in zip(answers, (AUDIT, AUDIT, *(RUN,) * 7), strict=True):
        assert tokens(answer.text) <= most
        assert "\x1b" not in answer.text
        assert "\u202e" not in answer.text
        if not answer.failed:
            assert answer.content.get("verdict") is None
    assert answers[1].content["verdicts"].get("healthy") is None
    assert len(answers[1].content["runs"]) < 40
    assert "runs (" in answers[1].content["left_out"][0]["what"]


def test_a_project_on_a_server_is_audited_where_the_network_is_allowed(folder: Path) -> None:
    rows = [{"loss": 1.0 / (i + 1), "val_loss": 0.5 + 0.02 * max(0, i - 20), "epoch": i} for i in range(60)]
    with WandbServer([StubRun("first", rows, name="first", state="finished")]) as server:
        env = server.variables(str(folder))
        tools, (answer,) = talk(folder, ("audit_project", {"project": "team/project"}), options=("--network",), env=env)
    assert [tool.name for tool in tools if tool.annotations.open_world_hint] == ["audit_project"]
    assert sum(answer.content["verdicts"].values()) == 1


def test_nothing_but_the_protocol_comes_out(folder: Path) -> None:
    """A log that makes libraries warn, and a call that fails: each line of the output is a message."""
    (folder / "odd.csv").write_text("epoch,loss\n" + "".join(f"{i},{10.0 ** min(i * 7, 308)}\n" for i in range(60)))
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    messages = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        *(
            {"id": i, "method": "tools/call", "params": {"name": "diagnose_run", "arguments": {"path": path}}}
            for i, path in enumerate(("odd.csv", "gone.csv", "ill.csv"), 2)
        ),
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages)
    server = subprocess.Popen(
        [sys.executable, "-m", "diagnose", "mcp", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(lines)
    server.stdin.flush()
    said = [json.loads(server.stdout.readline()) for _ in range(4)]
    server.stdin.close()
    assert server.stdout.read() == ""
    assert server.wait(60) == 0
    assert sorted(each["id"] for each in said) == [1, 2, 3, 4]


def test_a_folder_that_is_not_there_is_answered_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "diagnose", "mcp", "gone"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "diagnose: gone: no such file or directory; name a folder to serve\n"
