"""Settings as the command line finds and applies them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from diagnose import cli, synthetic
from diagnose.errors import SettingsError
from diagnose.settings import Settings, find, load
from tests.written import write_csv

RULES: dict[str, dict[str, Any]] = {
    "overfitting": {"gl_warning": 5.0, "patience": 3, "strict": False, "levels": (1.0, 2.0), "cap": None},
    "loss-spike": {},
}
ROLES = ("train_loss", "val_loss")


def parsed(tmp_path: Path, text: str, name: str = "diagnose.toml") -> Settings:
    path = tmp_path / name
    path.write_text(text)
    return load(path, rules=RULES, groups=dict.fromkeys(RULES, "curve"), roles=ROLES)


def test_all_settings_are_read(tmp_path: Path) -> None:
    settings = parsed(
        tmp_path,
        """
        select = ["overfitting", "loss-spike"]
        ignore = ["loss-spike"]
        fail-on = "error"
        map = { train_loss = "my_loss" }
        per-file-ignores = { "warmup/*" = ["overfitting"] }
        [rules.overfitting]
        gl_warning = 7
        patience = 4
        strict = true
        levels = [1, 2.5]
        cap = 9
        """,
    )
    assert settings.select == ("overfitting", "loss-spike")
    assert settings.ignore == ("loss-spike",)
    assert settings.fail_on == "error"
    assert settings.map == {"train_loss": "my_loss"}
    assert settings.thresholds == {
        "overfitting": {"gl_warning": 7.0, "patience": 4, "strict": True, "levels": (1.0, 2.5), "cap": 9}
    }
    assert isinstance(settings.thresholds["overfitting"]["gl_warning"], float)
    assert settings.root == tmp_path


def test_pyproject_has_the_same_keys_with_a_prefix(tmp_path: Path) -> None:
    text = '[tool.diagnose]\nignore = ["loss-spike"]\n[tool.diagnose.rules.overfitting]\npatience = 9\n'
    settings = parsed(tmp_path, text, "pyproject.toml")
    assert settings.ignore == ("loss-spike",)
    assert settings.thresholds == {"overfitting": {"patience": 9}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('selct = ["overfitting"]', "selct: no setting 'selct'; did you mean select?"),
        ('fail_on = "error"', "fail_on: no setting 'fail_on'; did you mean fail-on?"),
        ('select = ["overfit"]', "select: no rule 'overfit'; did you mean overfitting?"),
        ('select = "overfitting"', "select: must be a list of rule ids, not 'overfitting'"),
        ("ignore = [1]", "ignore: must be a list of rule ids, not [1]"),
        ('fail-on = "errors"', "fail-on: no level 'errors'; did you mean error?"),
        ("fail-on = 1", "fail-on: no level '1'; valid: note, warning, error, never"),
        ('map = { trainloss = "a" }', "map.trainloss: no role 'trainloss'; did you mean train_loss?"),
        ("map = { train_loss = 3 }", "map.train_loss: must be the name of a column, not 3"),
        ('map = "a"', "map: must be a table, not 'a'"),
        ('per-file-ignores = { "a*" = ["x"] }', "per-file-ignores.'a*': no rule 'x'; valid: overfitting, loss-spike"),
        (
            "[rules.learning-rate-schedule]\nwarmup_most = 0.2",
            "rules: no rule 'learning-rate-schedule' any more; it is now learning-rate-zero, long-warmup",
        ),
        ("[rules.overfit]\na = 1", "rules: no rule 'overfit'; did you mean overfitting?"),
        ("[rules.overfitting]\ngl_warn = 1", "no threshold of overfitting 'gl_warn'; did you mean gl_warning?"),
        (
            '[rules.overfitting]\ngl_warning = "5"',
            "rules.overfitting.gl_warning: must be of type float like its default",
        ),
        ("[rules.overfitting]\npatience = 3.5", "rules.overfitting.patience: must be of type int like its default 3"),
        ("[rules.overfitting]\npatience = true", "rules.overfitting.patience: must be of type int like its default 3"),
        ("[rules]\noverfitting = 1", "rules.overfitting: must be a table of thresholds, not 1"),
        ("select = [", "Invalid value"),
    ],
)
def test_what_means_nothing_is_refused_with_the_nearest_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parsed(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'diagnose.toml'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pyproject_error_names_the_key_with_its_prefix(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"pyproject\.toml: tool\.diagnose\.selct: no setting 'selct'"):
        parsed(tmp_path, "[tool.diagnose]\nselct = []\n", "pyproject.toml")


def test_the_nearest_file_above_the_working_directory_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    outer = tmp_path / "diagnose.toml"
    outer.touch()
    assert find() == outer
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'no settings of diagnose here'\n")
    assert find() == outer
    nearer = tmp_path / "a" / "pyproject.toml"
    nearer.write_text("[tool.diagnose]\nignore = []\n")
    assert find() == nearer
    (tmp_path / "a" / "diagnose.toml").touch()
    assert find() == tmp_path / "a" / "diagnose.toml"


def test_without_one_there_the_directories_of_the_source_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, logs = tmp_path / "work", tmp_path / "project" / "logs"
    work.mkdir()
    logs.mkdir(parents=True)
    settings = tmp_path / "project" / "diagnose.toml"
    settings.touch()
    log = write_csv(synthetic.healthy(), logs / "run.csv")
    monkeypatch.chdir(work)
    assert find() is None
    assert find(str(log)) == settings
    assert find(str(logs)) == settings
    assert find("-") is None


# --- as applied


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], prog_name="diagnose", env={"TERM": "xterm"})


def names(result: Result) -> list[set[str]]:
    runs = json.loads(result.stdout)["runs"]
    return [{*r["judged"], *(n["rule"] for n in r["not_judged"])} for r in runs]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_csv(synthetic.overfit(), tmp_path / "ill.csv")
    return tmp_path / "diagnose.toml"


def test_select_and_the_option_that_overrides_it(project: Path) -> None:
    project.write_text('select = ["loss-spike"]\n')
    assert names(run("ill.csv", "--format", "json")) == [{"loss-spike"}]
    assert names(run("ill.csv", "--format", "json", "--select", "overfitting")) == [{"overfitting"}]


def test_the_name_of_a_group_stands_for_its_rules(project: Path) -> None:
    project.write_text('select = ["curve"]\nignore = ["metric"]\n')
    assert {"overfitting", "loss-spike"} <= names(run("ill.csv", "--format", "json"))[0]
    assert (
        run("ill.csv", "--ignore", "curve").stderr
        == "diagnose: no rule is left to apply; select more, or ignore fewer\n"
    )
    project.write_text('select = ["curves"]\n')
    assert "did you mean curve?" in run("ill.csv").stderr


def test_ignore_makes_an_ill_run_pass(project: Path) -> None:
    project.write_text('select = ["overfitting", "loss-spike"]\nignore = ["overfitting"]\n')
    assert run("ill.csv").exit_code == 0
    assert run("ill.csv", "--ignore", "loss-spike").exit_code == 1


def test_fail_on_and_the_option_that_overrides_it(project: Path) -> None:
    project.write_text('fail-on = "never"\n')
    assert run("ill.csv").exit_code == 0
    assert run("ill.csv", "--fail-on", "error").exit_code == 1


def test_per_file_ignores(project: Path, tmp_path: Path) -> None:
    write_csv(synthetic.overfit(), tmp_path / "warmup" / "deep" / "ill.csv")
    only = 'select = ["overfitting", "loss-spike"]\n'
    project.write_text(only + 'per-file-ignores = { "warmup/*" = ["overfitting"] }\n')
    assert run("ill.csv").exit_code == 1
    assert run("warmup/deep/ill.csv").exit_code == 0
    project.write_text(only + 'per-file-ignores = { "ill.csv" = ["overfitting"] }\n')
    assert run("warmup").exit_code == 0


def test_thresholds(project: Path) -> None:
    project.write_text('select = ["overfitting"]\n' + "[rules.overfitting]\ngl_warning = 1e6\nlost_warning = 1e6\n")
    assert run("ill.csv").exit_code == 0


def test_a_column_of_the_map_may_be_absent_from_some_logs(project: Path, tmp_path: Path) -> None:
    text = (tmp_path / "ill.csv").read_text()
    (tmp_path / "odd.csv").write_text(text.replace("val_loss", "beta"))
    project.write_text('map = { val_loss = "beta" }\n')
    result = run("ill.csv", "odd.csv")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "2 with errors" in result.stdout
    assert "the map of the settings was not applied: no column 'beta'" in " ".join(run("ill.csv").stdout.split())


def test_an_error_in_the_settings_is_exit_2_and_one_line(project: Path) -> None:
    project.write_text("colour = true\n")
    result = run("ill.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"diagnose: {project}: colour: no setting 'colour'")
    assert result.stderr.count("\n") == 1
