"""`diagnose init`: settings that load, in a file that keeps what it held."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from diagnose import cli, settings
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import thresholds_of
from diagnose.names.roles import ROLES


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pyproject.toml"


def init() -> Result:
    return CliRunner().invoke(cli.app, ["init"], prog_name="diagnose")


def load(path: Path) -> settings.Settings:
    rules = {rule.id: thresholds_of(rule) for rule in load_rules()}
    return settings.load(path, rules=rules, groups={rule.id: rule.group for rule in load_rules()}, roles=ROLES)


def test_it_creates_a_file_that_loads_and_sets_nothing(project: Path) -> None:
    result = init()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "pyproject.toml: [tool.diagnose] is there; take away the marks of what you want\n"
    assert load(project) == settings.Settings(root=project.parent)


def test_every_example_is_a_valid_setting_and_every_setting_has_one(project: Path) -> None:
    init()
    head, _, *examples = project.read_text().splitlines()
    project.write_text("\n".join([head, *(line.removeprefix("#").strip() for line in examples)]))
    assert load(project).thresholds
    table = tomllib.loads(project.read_text())["tool"]["diagnose"]
    assert sorted(table) == sorted(settings._KEYS)


def test_it_keeps_what_the_file_held_and_its_mode(project: Path) -> None:
    before = b'[project]\r\nname = "x"  # \xc3\xa9\r\n\r\n\r\n'
    project.write_bytes(before)
    project.chmod(0o600)
    assert init().exit_code == 0
    after = project.read_bytes()
    assert after.startswith(before.rstrip() + b"\r\n\r\n[tool.diagnose]\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")
    assert project.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[tool.diagnose]\n", "holds [tool.diagnose] already"),
        ("[tool.diagnose.map]\ntrain_loss = 'a'\n", "holds [tool.diagnose] already"),
        ("[project\n", "Expected ']'"),
        ("tool = { a = 1 }\n", "[tool.diagnose] cannot be put behind what it holds"),
    ],
)
def test_what_it_cannot_follow_stays_as_it_is(project: Path, content: str, message: str) -> None:
    project.write_text(content)
    result = init()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"diagnose: {project}: {message}")
    assert result.stderr.count("\n") == 1
    assert project.read_text() == content


def test_a_diagnose_toml_goes_before(project: Path) -> None:
    (project.parent / "diagnose.toml").touch()
    assert init().exit_code == 2
    assert not project.exists()


@given(st.dictionaries(st.sampled_from(["project", "build-system", "tool"]), st.just({"x": {"y": 1}})))
def test_it_follows_any_tables(tables: dict[str, object]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pyproject.toml")
        path.write_text("".join(f"[{name}.x]\ny = 1\n" for name in tables))
        found, text = settings.begin(Path(folder))
        assert found == path
        parsed = tomllib.loads(text)
        assert parsed["tool"].pop("diagnose") == {}
        assert {name: table for name, table in parsed.items() if table} == tables
