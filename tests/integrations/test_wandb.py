"""`diagnose wandb`: the real client against a server on 127.0.0.1 that is good, slow, ill-tempered, old, or closed."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from diagnose import synthetic
from diagnose.cli import app
from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.integrations.wandb import _private, command, write_back
from diagnose.integrations.wandb import project as projects
from diagnose.integrations.wandb.server import Address, Server, parse
from diagnose.reports import FORMATS, render
from diagnose.reports import json as json_report
from diagnose.reports.context import Context
from diagnose.reports.page import Page
from tests.conftest import interruptible, wait_until
from tests.wandb_server import KEY, Fault, StubRun, WandbServer, flaky


def rows(run: Run) -> list[dict[str, Any]]:
    """The history of a run as a person logs it: one row per step, floats and an epoch."""
    series = list(run.series.values())
    return [
        {s.name: float(s.values[i]) for s in series if i < len(s)} | {"epoch": i} for i in range(max(map(len, series)))
    ]


ILL, FINE, SPIKY = rows(synthetic.overfit()), rows(synthetic.healthy()), rows(synthetic.spiky())


def project(count: int = 10, **changes: Any) -> list[StubRun]:
    """Runs of which every fifth overfits; half of the histories lie in parquet files, half are live."""
    return [
        StubRun(
            f"r{i:04}",
            ILL if i % 5 == 0 else FINE,
            name=f"sun-{i}",
            config={"learning_rate": 0.1, "seed": i},
            exported=None if i % 2 else 0,
            **changes,
        )
        for i in range(count)
    ]


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """A client that soon tries again, and soon gives up; its process reads this once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_X_GRAPHQL_RETRY_MAX", "2")
        patch.setenv("WANDB_X_GRAPHQL_RETRY_WAIT_MIN_SECONDS", "1")
        patch.setenv("WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS", "1")
        yield


@pytest.fixture
def serve() -> Iterator[Callable[..., WandbServer]]:
    """Begin a server; the environment leads the client there."""
    from contextlib import ExitStack

    with ExitStack() as opened:

        def begin(runs: list[StubRun], key: str | None = KEY, **options: Any) -> WandbServer:
            server = opened.enter_context(WandbServer(runs, **options))
            opened.enter_context(server.environment(key))
            return server

        yield begin


def run(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, ["wandb", *arguments], input=stdin)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("team/project", Address("project", "team")),
        ("project", Address("project")),
        ("team/project/ab12", Address("project", "team", run="ab12")),
        ("team/project/runs/ab12", Address("project", "team", run="ab12")),
        ("team/project/sweeps/s1", Address("project", "team", sweep="s1")),
        ("https://wandb.ai/team/project", Address("project", "team")),
        ("https://wandb.ai/team/project/workspace?nw=x", Address("project", "team")),
        ("https://wandb.example.com/wandb/team/project/runs/ab12/overview", Address("project", "team", run="ab12")),
        ("https://wandb.ai/team/project/sweeps/s1", Address("project", "team", sweep="s1")),
    ],
)
def test_what_a_user_pastes_is_an_address(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize("text", ["", "a/b/c/d/e", "https://wandb.ai/", "team/project/runs/"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ReadError, match="names no project"):
        parse(text)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_an_audit_names_the_ill_runs_worst_first(serve: Callable[..., WandbServer]) -> None:
    serve([*project(10), StubRun("spiky", SPIKY, name="moon", state="crashed"), StubRun("empty", name="void")])
    result = run("team/project")
    assert result.exit_code == 1, result.output
    out = result.stdout
    assert out.startswith("team/project: 12 runs: 2 with errors, 1 with warnings, 1 not judged, 8 healthy\n")
    assert out.index("sun-0") < out.index("sun-5") < out.index("moon") < out.index("void") < out.index("sun-1 ")
    assert "loss-spike (crashed)" in out
    assert "not judged: the run logged no" in out
    assert re.search(r"overfitting +2 +0 +0\n", out)
    assert "one run in full: diagnose wandb team/project/r0000" in out


def test_one_run_is_told_in_full_with_its_configuration(serve: Callable[..., WandbServer]) -> None:
    serve(project(3))
    result = run("team/project/r0000", "--verbose")
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("team/project/r0000: overfitting since ")
    assert "verdict:    2 problems: overfitting (error)" in result.stdout
    assert "measured:" in result.stdout
    table = Server().read(next(iter(Server().runs(parse("team/project/r0000")))))
    assert table.config["learning_rate"] == 0.1
    assert table.config["wandb"] == {"run_id": "r0000", "project": "project"}
    assert table.rows == len(ILL)


def test_nan_null_and_missing_stay_apart(serve: Callable[..., WandbServer]) -> None:
    live = [{"loss": 1.0 - i / 50, "acc": i / 50} if i < 20 else {"loss": "NaN"} for i in range(30)]
    exported = [
        {"loss": 1.0 - i / 50 if i < 20 else float("nan"), "acc": i / 50 if i < 20 else None} for i in range(30)
    ]
    serve([StubRun("live", live, exported=0), StubRun("file", exported)])
    server = Server()
    for listed in server.runs(parse("team/project")):
        columns = server.read(listed).columns
        assert list(columns["loss"].logged) == [True] * 30, listed.id
        assert [v != v for v in columns["loss"].values] == [False] * 20 + [True] * 10
        assert list(columns["acc"].logged) == [True] * 20 + [False] * 10
    result = run("team/project", "--format", "json")
    found = json.loads(result.stdout)
    assert [r["findings"][0]["rule"] for r in found["runs"]] == ["non-finite"] * 2
    assert [line["verdict"] for line in found["audit"]["runs"]] == ["error"] * 2


def test_sparse_steps_take_no_more_requests(serve: Callable[..., WandbServer]) -> None:
    sparse = [{**row, "_step": 1000 * i} for i, row in enumerate(FINE)]
    server = serve([StubRun("sparse", sparse, summary={"_step": 1000 * (len(FINE) - 1)}, exported=0)])
    listed = next(iter(Server().runs(parse("team/project"))))
    assert Server().read(listed).rows == len(FINE)
    assert server.operations["HistoryPage"] <= 2


def test_an_old_server_gives_a_sample_and_that_is_said(serve: Callable[..., WandbServer]) -> None:
    many = [{"loss": 1.0 / (1 + i), "acc": 0.5} for i in range(11_000)]
    serve([StubRun("old", many), StubRun("short", FINE)], parquet=False)
    tables = {listed.id: Server().read(listed) for listed in Server().runs(parse("team/project"))}
    assert any("a sample of" in note and "gives no whole history" in note for note in tables["old"].notes)
    assert tables["short"].notes == ()
    assert tables["short"].rows == len(FINE)


def test_a_sample_is_read_where_it_is_asked_for(serve: Callable[..., WandbServer]) -> None:
    server = serve(project(1))
    result = run("team/project/r0000", "--samples", "50")
    assert "read from a sample of 50 of 100 rows, as was asked" in " ".join(result.stdout.split())
    assert server.operations["RunParquetHistory"] == 0


def test_filters_become_a_query(serve: Callable[..., WandbServer]) -> None:
    old = StubRun("old", ILL, created="2020-01-01T00:00:00Z")
    serve([*project(4), old, StubRun("busy", ILL, state="running"), StubRun("swept", FINE, sweep="s1")])

    def names(*options: str) -> set[str]:
        result = run("team/project", "--format", "json", "--no-cache", *options)
        return {line["id"] for line in json.loads(result.stdout)["audit"]["runs"]}

    assert names("--filter", "state=running") == {"busy"}
    assert "old" not in names("--since", "2026-11-01")
    assert names("--sweep", "s1") == {"swept"}
    assert names("--filter", "config.seed=2", "--filter", "state=finished") == {"r0002"}
    assert names("--filter", '{"$or": [{"name": "busy"}, {"name": "old"}]}') == {"busy", "old"}
    assert names("--filter", "state=pending") == set()


def test_the_runs_of_a_sweep_are_compared(serve: Callable[..., WandbServer]) -> None:
    odd = [{**row, "train_loss": 3.0 * row["train_loss"] + 1.0} for row in FINE]
    swept = [StubRun(f"s{i}", odd if i == 7 else FINE, config={"seed": i}, sweep="best") for i in range(8)]
    serve([*swept, *project(3)])
    result = run("team/project")
    assert "sweep best: 8 runs" in result.stdout
    audit = projects.audited(parse("team/project"))
    assert set(audit.sweeps) == {"", "best"}


# --- a server that is not well ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [("429", "500"), ("drop", "half"), ("garbage",)])
def test_every_run_ends_judged_or_named(
    serve: Callable[..., WandbServer], tmp_path: Path, kinds: tuple[Fault, ...]
) -> None:
    serve(project(40), fault=flaky(0.1, kinds=kinds))
    audit = projects.audited(parse("team/project"), jobs=8, cache=tmp_path / "cache.sqlite")
    assert sorted(entry.listed.id for entry in audit.entries) == [f"r{i:04}" for i in range(40)]
    named = {error.source for error in audit.report.errors}
    for entry in audit.entries:
        ill = int(entry.listed.id[1:]) % 5 == 0
        if entry.verdict == projects.FAILED:
            assert entry.listed.path in named
            assert entry.error
        else:
            assert entry.verdict == ("error" if ill else "healthy")
    assert sum(entry.verdict != projects.FAILED for entry in audit.entries) >= 30
    assert len(audit.report.diagnoses) == sum(len(entry.diagnoses) for entry in audit.entries)


def test_a_run_that_cannot_be_had_never_stops_the_rest(
    serve: Callable[..., WandbServer],
) -> None:
    server = serve(project(6))
    server.fault = lambda operation, number: (
        "500" if operation == "HistoryPage" and server.requests[-1][1].get("run") == "r0004" else None
    )
    result = run("team/project", "--jobs", "1")
    assert result.exit_code == 2
    assert "6 runs: 1 not read, 2 with errors, 3 healthy" in " ".join(result.stdout.split())
    assert result.stderr.startswith("team/project/r0004: ")
    assert result.stderr.count("\n") == 1


def test_an_answer_that_does_not_come_is_asked_for_again(tmp_path: Path) -> None:
    seen: list[str] = []

    def fault(operation: str, number: int) -> Fault | None:
        seen.append(operation)
        return "slow" if operation == "RunParquetHistory" and seen.count(operation) == 1 else None

    with WandbServer(project(3), fault=fault) as server:
        bounds = {"WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "1", "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "1"}
        command = [sys.executable, "-m", "diagnose", "wandb", "team/project", "--no-cache"]
        environment = {**os.environ, **server.variables(tmp_path), **bounds}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout.startswith("team/project: 3 runs: 1 with errors, 2 healthy\n"), result.stderr
    assert seen.count("RunParquetHistory") >= 4


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("team/nope", {}, "no project team/nope on http://"),
        ("team/project/nope", {}, "no run nope in team/project on http://"),
        ("team/project", {"forbidden": True}, "no permission (HTTP 403): check the key"),
        ("team/project", {"key": None}, "W&B knows no key, or not this one: `wandb login`, or set WANDB_API_KEY"),
    ],
)
def test_what_cannot_be_reached_is_said_in_one_line(
    serve: Callable[..., WandbServer], target: str, options: dict[str, Any], said: str
) -> None:
    serve(project(1), **options)
    result = run(target)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert KEY not in result.output


def test_no_server_at_all(monkeypatch: pytest.MonkeyPatch, serve: Callable[..., WandbServer]) -> None:
    serve([])
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    result = run("team/project")
    assert result.exit_code == 2
    assert "connection refused" in result.stderr
    assert KEY not in result.output


def test_the_key_is_found_in_netrc_and_never_shown(serve: Callable[..., WandbServer], tmp_path: Path) -> None:
    server = serve(project(2), key=None)
    netrc = Path(os.environ["NETRC"])
    netrc.write_text(f"machine {server.url.partition('://')[2]}\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    result = run("team/project", "--format", "json")
    assert result.exit_code == 1, result.output
    assert KEY not in result.output
    assert any(server.headers)
    kept = [path.read_bytes() for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("*") if path.is_file()]
    assert kept
    assert not any(KEY.encode() in content for content in kept)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "yesterday"), "--since: 'yesterday' is no time; say 12h, 30d, 6w or 2026-11-01"),
        (("--filter", "state"), "--filter: 'state' is not of the form KEY=VALUE"),
        (("--filter", "{"), "--filter: '{' is no JSON"),
        (("--write-back", "tag"), "--write-back: no place 'tag'; did you mean tags?"),
        (("--dry-run",), "--dry-run shows what --write-back would write"),
        (("--backend", "ray"), "--backend: no value 'ray'"),
        (("--format", "jsn"), "'--format': no value 'jsn'; did you mean json?"),
        (("--select", "overfit"), "no rule 'overfit'; did you mean overfitting?"),
        (("--map", "loss"), "'loss' is not of the form ROLE=COLUMN"),
    ],
)
def test_wrong_calls_are_one_line(options: tuple[str, ...], said: str) -> None:
    result = run("team/project", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


# --- the second audit -------------------------------------------------------------------------------------------------


def test_a_second_audit_asks_only_for_what_changed(serve: Callable[..., WandbServer]) -> None:
    runs = [*project(10), StubRun("busy", FINE, state="running"), StubRun("empty")]
    server = serve(runs)
    first = run("team/project")
    asked = server.operations["RunParquetHistory"]
    assert asked == 12
    server.runs["r0001"].history, server.runs["r0001"].heartbeat = ILL, "2026-11-21T00:00:00Z"
    server.runs["new"] = StubRun("new", ILL, name="comet")
    second = run("team/project")
    assert server.operations["RunParquetHistory"] == asked + 3  # the running, the changed and the new one
    assert "since the audit of" not in first.stdout
    said = " ".join(second.stdout.split())
    assert "10 of them are unchanged since they were judged" in said
    assert "1 new run, 1 of them ill (comet); newly ill: sun-1" in said
    assert run("team/project", "--no-cache").exit_code == 1
    assert server.operations["RunParquetHistory"] == asked + 3 + 13


def test_another_question_is_asked_anew(serve: Callable[..., WandbServer]) -> None:
    server = serve(project(5))
    run("team/project")
    result = run("team/project", "--select", "loss-spike")
    assert server.operations["RunParquetHistory"] == 10
    assert "5 with nothing found" in result.stdout  # what else a sound run rests on was not asked
    run("team/project")
    assert server.operations["RunParquetHistory"] == 10


def mixed() -> list[StubRun]:
    """Runs of every verdict, with names, notes and values that a report could stumble over."""
    nan = [{"loss": 1.0 - i / 50 if i < 20 else float("nan"), "acc": i / 50} for i in range(30)]
    odd = [{**row, "train_loss": 3.0 * row["train_loss"] + 1.0} for row in FINE]
    return [
        *project(6),
        StubRun(
            "spiky", SPIKY, name="<b>moon</b> \u00e9", state="crashed", config={"betas": [0.9, 0.999], "a": {"b": 1}}
        ),
        StubRun("nan", nan, tags=["x"]),
        StubRun("empty"),
        StubRun("words", [{"note": "a"}, {"note": "b"}]),
        *(StubRun(f"s{i}", odd if i == 7 else FINE, config={"seed": i}, sweep="best") for i in range(8)),
    ]


@pytest.mark.parametrize("many", [False, True], ids=["drawn", "extent"])
def test_remembered_runs_say_the_same_in_every_format(
    serve: Callable[..., WandbServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    if many:
        monkeypatch.setattr(projects, "DRAWN", 3)
    serve(mixed())
    first, second = (projects.audited(parse("team/project"), cache=tmp_path / "a.sqlite") for _ in range(2))
    assert not any(entry.remembered for entry in first.entries)
    assert all(entry.remembered for entry in second.entries)
    assert {entry.verdict for entry in first.entries} == {"error", "warning", "note", "healthy", "not-judged"}
    for form in FORMATS:
        page = Page(width=100, color=True)
        said = [render(audit.report, form, Context(page=page)) for audit in (first, second)]
        assert said[0] == said[1], form
    for picture in (True, False):
        page = Page(picture=picture)
        said = [render(a.report, "text", Context(page=page)) for a in (first, second)]
        assert said[0] == said[1]
    assert first.sweeps == second.sweeps
    assert first.report.errors == second.report.errors
    assert [replace(e, remembered=False) for e in second.entries] == list(first.entries)


def test_a_command_says_the_same_of_remembered_runs(serve: Callable[..., WandbServer]) -> None:
    serve(mixed())
    for form in ("html", "csv", "markdown", "sarif", "jsonl", "github", "junit"):
        fresh, kept, again = (run("team/project", "--format", form, *extra) for extra in (["--no-cache"], [], []))
        assert fresh.exit_code == kept.exit_code == again.exit_code == 1
        if form != "html":  # which tells how many were remembered
            assert fresh.stdout == kept.stdout == again.stdout


def test_what_is_kept_is_the_report_for_programs_and_no_pickle(
    serve: Callable[..., WandbServer], tmp_path: Path
) -> None:
    serve(mixed())
    path = tmp_path / "cache.sqlite"
    audit = projects.audited(parse("team/project"), cache=path)
    told = {run["source"]: run for run in json_report.document(audit.report, Context())["runs"]}
    with sqlite3.connect(path) as base:
        rows = base.execute("SELECT id, document, beside FROM runs").fetchall()
    kept = {name: [json.loads(zlib.decompress(part)) for part in parts] for name, *parts in rows}
    assert sorted(kept) == sorted(entry.listed.id for entry in audit.entries)
    for name, (document, _) in kept.items():
        assert document["schema_version"] == json_report.SCHEMA_VERSION
        for said in document["runs"]:
            assert said | {"name": ""} == told[f"team/project/{name}"] | {"name": ""}  # which is numbered in an audit


@pytest.mark.parametrize("damage", [b"no database", b"SQLite format 3\0 and then nothing"])
def test_a_broken_cache_is_begun_anew(serve: Callable[..., WandbServer], tmp_path: Path, damage: bytes) -> None:
    serve(project(2))
    path = tmp_path / "cache.sqlite"
    path.write_bytes(damage)
    for remembered in (0, 2):
        audit = projects.audited(parse("team/project"), cache=path)
        assert sum(entry.remembered for entry in audit.entries) == remembered


def test_a_cache_that_is_damaged_within_is_set_aside_and_said(
    serve: Callable[..., WandbServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(project(4))
    path = tmp_path / "audits.sqlite"
    monkeypatch.setattr("diagnose.integrations.wandb.cache.default_path", lambda: path)
    assert run("team/project").stderr == ""
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    again = run("team/project")
    assert again.exit_code == 1
    assert "4 runs: 1 with errors, 3 healthy" in " ".join(again.stdout.split())
    assert f"it is now {path}.damaged, and begun anew" in again.stderr
    assert again.stderr.count("\n") == 1
    third = run("team/project")
    assert (third.stderr, "4 of them are unchanged" in " ".join(third.stdout.split())) == ("", True)


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_the_cache_is_for_its_owner_alone(serve: Callable[..., WandbServer], tmp_path: Path) -> None:
    serve(project(2))
    path = tmp_path / "diagnose" / "audits.sqlite"
    projects.audited(parse("team/project"), cache=path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_kill_loses_no_run_that_was_judged(tmp_path: Path) -> None:
    with WandbServer(project(12), latency=0.1) as server:
        environment = {**os.environ, **server.variables(tmp_path)}
        command = [sys.executable, "-m", "diagnose", "wandb", "team/project", "--jobs", "1"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: server.operations["RunParquetHistory"] >= 6)
        process.kill()
        process.wait(timeout=30)
        again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert "12 runs: 3 with errors, 9 healthy" in again.stdout
        assert int(re.search(r"(\d+) of them are unchanged", " ".join(again.stdout.split()))[1]) >= 4  # type: ignore[index]


def test_a_list_that_breaks_off_is_gone_on_with(
    serve: Callable[..., WandbServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "BREATH", 0.01)
    monkeypatch.setattr("diagnose.integrations.wandb.server.PAGE_WHOLE", 5)
    server = serve(project(15))
    pages: list[int] = []

    def fault(operation: str, number: int) -> Fault | None:
        if operation == "Runs":
            pages.append(number)
        return "garbage" if operation == "Runs" and server.requests[-1][1].get("cursor") == "10" else None

    server.fault = fault
    audit = projects.audited(parse("team/project"))
    assert len(audit.entries) == 10
    (error,) = audit.report.errors
    assert error.source == "team/project"
    assert error.message.startswith("the list of runs breaks off after 10 (")
    asked = len(pages)
    server.fault = lambda operation, number: fault(operation, 0) if len(pages) < asked + 4 else None
    assert len(projects.audited(parse("team/project")).entries) == 15


def test_a_server_that_only_fails_is_given_up(
    serve: Callable[..., WandbServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "MOST_FAILED", 3)
    server = serve(project(20))
    server.fault = lambda operation, number: "garbage" if operation in ("RunParquetHistory", "HistoryPage") else None
    audit = projects.audited(parse("team/project"), jobs=1, cache=tmp_path / "cache.sqlite")
    assert len(audit.entries) == 3
    assert audit.left == 17
    assert "given up after 3 runs in a row" in audit.report.errors[-1].message
    server.fault = None
    assert len(projects.audited(parse("team/project"), cache=tmp_path / "cache.sqlite").entries) == 20


def test_a_download_that_never_ends_is_bounded(serve: Callable[..., WandbServer]) -> None:
    from diagnose import limits
    from diagnose.integrations.wandb.server import ServerError

    server = serve(project(2))
    server.fault = lambda operation, number: "slow" if operation == "parquet" else None
    ours = Server()
    listed = next(run for run in ours.runs(parse("team/project")) if run.id == "r0000")
    server.runs["r0000"].exported = None
    with (
        limits.held(limits.changed({"server-seconds": 0.5})),
        pytest.raises(ServerError, match=r"limits\.server-seconds"),
    ):
        ours.read(listed)


class Evil:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("column", ["document", "beside"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda old, path: None,
        lambda old, path: "text",
        lambda old, path: old[:-7],
        lambda old, path: zlib.compress(b"[1, 2"),
        lambda old, path: zlib.compress(b"17"),
        lambda old, path: zlib.compress(b'{"runs": [{"findings": 3}], "diagnoses": [{"run": 3}], "error": {}}'),
        lambda old, path: zlib.compress(pickle.dumps(Evil(path))),
        lambda old, path: pickle.dumps(Evil(path)),
    ],
    ids=["null", "text", "cut", "half", "number", "shape", "packed-pickle", "pickle"],
)
def test_a_damaged_row_is_read_again(
    serve: Callable[..., WandbServer], tmp_path: Path, column: str, damage: Callable[[bytes, Path], Any]
) -> None:
    serve([StubRun("a", ILL), StubRun("b", FINE)])
    path = tmp_path / "cache.sqlite"
    first = projects.audited(parse("team/project"), cache=path)
    with sqlite3.connect(path) as base:
        [(old,)] = base.execute(f"SELECT {column} FROM runs WHERE id='a'").fetchall()
        base.execute(f"UPDATE runs SET {column}=? WHERE id='a'", (damage(old, tmp_path / "owned"),))
    second = projects.audited(parse("team/project"), cache=path)
    assert not (tmp_path / "owned").exists()
    assert [entry.remembered for entry in second.entries] == [False, True]
    assert [entry.verdict for entry in second.entries] == [entry.verdict for entry in first.entries]
    assert all(entry.remembered for entry in projects.audited(parse("team/project"), cache=path).entries)


def test_a_cache_of_another_schema_is_begun_anew(serve: Callable[..., WandbServer], tmp_path: Path) -> None:
    serve(project(2))
    path = tmp_path / "cache.sqlite"
    with sqlite3.connect(path) as base:
        base.executescript("CREATE TABLE parts (digest TEXT); CREATE TABLE runs (place TEXT); PRAGMA user_version=1;")
    for remembered in (0, 2):
        audit = projects.audited(parse("team/project"), cache=path)
        assert sum(entry.remembered for entry in audit.entries) == remembered
    with sqlite3.connect(path) as base:
        assert {name for (name,) in base.execute("SELECT name FROM sqlite_master")} >= {"runs", "audits"}
        assert not base.execute("SELECT 1 FROM sqlite_master WHERE name='parts'").fetchall()


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    with WandbServer(project(60), latency=0.05) as server:
        environment = {**os.environ, **server.variables(tmp_path)}
        arguments = ("wandb", "team/project", "--jobs", "2")
        process = interruptible(*arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: server.operations["RunParquetHistory"] >= 12)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert re.search(r"interrupted: \d\d runs not reached; the next audit goes on with them", out)
        assert server.operations["RunParquetHistory"] < 50
        server.latency = 0.0
        command = [sys.executable, "-m", "diagnose", *arguments]
        again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "60 runs: 12 with errors, 48 healthy" in again.stdout
        assert "of them are unchanged since they were judged" in again.stdout


# --- writing back -----------------------------------------------------------------------------------------------------


EVERY = ("--write-back", "tags,summary,notes,alert")


def test_what_is_written_leaves_the_users_words_alone(serve: Callable[..., WandbServer]) -> None:
    server = serve(project(3, tags=["mine", "diagnose:loss-spike"], notes="My own words.", summary={"acc": 0.9}))
    config = dict(server.runs["r0000"].config)
    assert run("team/project", *EVERY, "--dry-run").exit_code == 1
    assert not server.mutations
    result = run("team/project", *EVERY, "--yes")
    assert result.stdout.endswith("written\n"), result.output
    ill, fine = server.runs["r0000"], server.runs["r0001"]
    assert set(ill.tags) == {"mine", "diagnose:overfitting", "diagnose:generalization-gap"}
    assert fine.tags == ["mine"]
    assert ill.notes is not None
    assert ill.notes.startswith("My own words.\n\n<!-- diagnose -->\n**diagnose ")
    assert ill.notes.count(write_back.BEGIN) == ill.notes.count(write_back.END) == 1
    assert "Try first: stop at step" in ill.notes
    assert fine.notes == "My own words."
    assert ill.summary["diagnose/verdict"] == "error"
    assert ill.summary["acc"] == 0.9
    assert fine.summary["diagnose/verdict"] == "healthy"
    assert ill.config == config
    alerts = [variables for operation, variables in server.mutations if operation == "NotifyScriptableRunAlert"]
    assert [(a["runName"], a["severity"]) for a in alerts] == [("r0000", "ERROR")]
    assert "overfitting" in alerts[0]["title"]

    writes = len(server.mutations)
    again = run("team/project", *EVERY, "--yes")
    assert "nothing to write, the runs say so already" in again.stdout
    assert len(server.mutations) == writes


def test_audits_at_once_send_one_alert(serve: Callable[..., WandbServer], monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    monkeypatch.setattr(write_back, "SETTLED", 1.0)
    server = serve([StubRun("a", ILL)], latency=0.05)
    audit = projects.audited(parse("team/project"))
    (line,) = command._overview(audit).lines
    threads = [
        threading.Thread(target=write_back.apply, args=(wandb.Api(), "team/project/a", line, ("summary", "alert")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [operation for operation, _ in server.mutations].count("NotifyScriptableRunAlert") == 1
    write_back.apply(wandb.Api(), "team/project/a", line, ("summary", "alert"))
    assert [operation for operation, _ in server.mutations].count("NotifyScriptableRunAlert") == 1


def test_a_section_of_the_notes_is_replaced_and_never_appended(serve: Callable[..., WandbServer]) -> None:
    server = serve([StubRun("a", ILL, notes="Before.")])
    run("team/project", "--write-back", "notes", "--yes")
    stub = server.runs["a"]
    stub.notes = f"{stub.notes}\n\nAfter."
    stub.history, stub.heartbeat = FINE, "2026-11-22T00:00:00Z"
    run("team/project", "--write-back", "notes", "--yes")
    assert stub.notes.startswith("Before.\n\n<!-- diagnose -->")
    assert stub.notes.endswith("<!-- /diagnose -->\n\nAfter.")
    assert ": healthy" in stub.notes
    assert stub.notes.count(write_back.BEGIN) == 1


def test_nothing_is_written_unless_it_was_asked(serve: Callable[..., WandbServer]) -> None:
    server = serve(project(2))
    result = run("team/project", "--write-back", "tags")
    assert result.exit_code == 2
    assert "add --yes, or see --dry-run" in result.stderr
    assert not server.mutations


def test_a_run_that_cannot_be_written_to_is_named(serve: Callable[..., WandbServer]) -> None:
    server = serve(project(6))
    seen = threading.Event()

    def fault(operation: str, number: int) -> Fault | None:
        if operation == "UpsertBucket" and not seen.is_set():
            seen.set()
            server.runs["r0000"].tags = ["gone"]
            server.forbidden = True
        return None

    server.fault = fault
    result = run("team/project", "--write-back", "tags", "--yes")
    assert result.exit_code == 2
    assert "not written to: no permission (HTTP 403)" in result.stderr


# --- a cluster --------------------------------------------------------------------------------------------------------


def test_the_workers_of_a_cluster_read_with_their_own_keys(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with WandbServer(project(10)) as server:
        environment = {**os.environ, **server.variables(tmp_path)}
        with (
            pytest.MonkeyPatch.context() as patch,
            distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as cluster,
        ):
            for name, value in environment.items():
                patch.setenv(name, value)
            cluster.scale(2)
            result = run("team/project", "--backend", "dask", "--scheduler", cluster.scheduler_address)
        assert "10 runs: 2 with errors, 8 healthy" in result.stdout, result.output
    assert run("team/project", "--backend", "dask").exit_code == 2


# --- pages and files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.html", "<!doctype html>"), ("a.json", "{"), ("a.md", "## diagnose: 7 runs"), ("a.csv", "source,run,")],
)
def test_an_audit_is_written_as_the_name_of_the_file_ends(
    serve: Callable[..., WandbServer], tmp_path: Path, name: str, begins: str
) -> None:
    server = serve([*project(6), StubRun("odd", ILL, name="<script>alert(1)</script>", sweep="s1"), StubRun("void")])
    result = run("team/project", "--out", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (1, "")
    said = (tmp_path / name).read_text()
    assert said.startswith(begins)
    if name == "a.html":
        assert "<script>alert" not in said
        # By name, and by the id that tells two apart.
        assert "&lt;script&gt;alert(1)&lt;/<wbr/>script&gt; (odd)" in said
        assert "team/project: 8 runs: 3 with errors, 1 not judged, 4 healthy" in said
        assert "void (void): not judged: the run logged no history" in said
        assert "sweep s1: 1 run, 1 ill" in said
        one = run("team/project/r0000", "--format", "html")
        assert f'<a href="{server.url}/team/project/runs/r0000"' in one.stdout


# --- a client of another version --------------------------------------------------------------------------------------


@pytest.fixture
def take_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type, str], None]]:
    """Hide a private part of the client from us, as in a version that calls it otherwise; the client finds it."""

    def take(owner: type, name: str) -> None:
        hidden = vars(owner)[name]
        monkeypatch.delattr(owner, name)
        found = {name: hidden.__get__}
        monkeypatch.setattr(owner, "__getattr__", lambda self, asked: found[asked](self, owner), raising=False)
        importlib.reload(_private)

    yield take
    monkeypatch.undo()
    importlib.reload(_private)


def test_rows_are_decoded_our_way_or_by_the_client(
    serve: Callable[..., WandbServer], take_away: Callable[[type, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wandb.apis.public.history import HistoryScan

    odd = [{"loss": 1.0 - i / 50, "acc": "NaN" if i % 2 else i, "text": "x", "nested": {"a": [i]}} for i in range(30)]
    serve([*project(4), StubRun("odd", odd, exported=0)])
    with monkeypatch.context() as patch:
        patch.setattr(HistoryScan, "_convert_history_row_to_dict", None)  # ours is used: the client's is never called
        ours = run("team/project", "--format", "json", "--no-cache")
    take_away(HistoryScan, "_convert_history_row_to_dict")
    theirs = run("team/project", "--format", "json", "--no-cache")
    assert ours.exit_code == 1, ours.output
    assert ours.stdout == theirs.stdout


def test_a_run_that_went_on_is_told_by_the_list_or_by_its_last_step(
    serve: Callable[..., WandbServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wandb.apis.public import runs

    server = serve([StubRun("a", FINE), StubRun("b", FINE), StubRun("void")])

    def remembered(name: str) -> list[str]:
        audit = projects.audited(parse("team/project"), cache=tmp_path / name)
        assert [entry.verdict for entry in audit.entries][1:] == ["healthy", "not-judged"]
        return [entry.listed.id for entry in audit.entries if entry.remembered]

    def asked() -> tuple[list[str], int]:
        before = server.operations["RunHistoryKeys"]
        beats = [listed.heartbeat for listed in Server().runs(parse("team/project"))]
        return beats, server.operations["RunHistoryKeys"] - before

    assert (remembered("list"), remembered("list")) == ([], ["a", "b", "void"])
    assert asked() == ([server.runs["a"].heartbeat] * 3, 0)
    for name in ("RUN_FRAGMENT", "LIGHTWEIGHT_RUN_FRAGMENT"):
        known = getattr(runs, name)
        monkeypatch.setattr(runs, name, re.sub(r" +(heartbeatAt|historyLineCount)\n", "", known))
    assert (remembered("step"), remembered("step")) == ([], ["a", "b", "void"])
    server.runs["a"].history = ILL + ILL
    assert remembered("step") == ["b", "void"]
    assert asked() == ([server.runs["a"].created] * 3, 3)


def test_an_alert_that_cannot_be_sent_is_told_before_anything_is_written(
    serve: Callable[..., WandbServer], take_away: Callable[[type, str], None]
) -> None:
    from wandb.apis.public.service_api import ServiceApi

    server = serve(project(2))
    take_away(ServiceApi, "execute_graphql")
    result = run("team/project", *EVERY, "--yes")
    assert result.exit_code == 2
    assert re.fullmatch(
        r"diagnose: --write-back alert: wandb \S+ gives no way to send one \(tried with .*\); leave it out\n",
        result.stderr,
    )
    assert not server.mutations
    assert run("team/project", "--write-back", "tags,summary,notes", "--yes").stdout.endswith("written\n")
    assert server.runs["r0000"].summary["diagnose/verdict"] == "error"


def test_an_error_without_a_status_is_told_by_its_words(
    serve: Callable[..., WandbServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(project(1), forbidden=True)
    with_status = run("team/project").stderr
    monkeypatch.setattr(_private, "http_status", lambda error: None)
    assert run("team/project").stderr == with_status
