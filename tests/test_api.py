"""The Python interface: `import diagnose; diagnose.diagnose(...)`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import diagnose
from diagnose import cli, synthetic
from diagnose.errors import ReadError, SettingsError
from diagnose.settings import Settings
from tests.written import write_csv


@pytest.fixture
def ill(tmp_path: Path) -> Path:
    return write_csv(synthetic.overfit(), tmp_path / "ill.csv")


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    return write_csv(synthetic.healthy(), tmp_path / "fine.csv")


def test_a_path_a_frame_and_the_command_line_say_the_same(ill: Path) -> None:
    of_path = diagnose.diagnose(ill)
    of_text = diagnose.diagnose(str(ill))
    of_frame = diagnose.diagnose(pd.read_csv(ill))
    assert of_path.findings == of_text.findings == of_frame.findings
    result = CliRunner().invoke(cli.app, [str(ill), "--format", "json"], prog_name="diagnose")
    [run] = json.loads(result.stdout)["runs"]
    assert [f["summary"] for f in run["findings"]] == [f.summary for f in of_path.findings]


def test_the_frame_has_one_row_per_finding(ill: Path, fine: Path) -> None:
    report = diagnose.diagnose([ill, fine], select=["overfitting"])
    frame = report.to_frame()
    assert len(frame) == len(report.findings)
    row = frame.iloc[0]
    assert (row["source"], row["run"], row["rule"], row["severity"]) == (str(ill), "ill", "overfitting", "error")
    assert row["first_step"] < row["last_step"]
    assert row["fix"].startswith("stop at epoch")


def test_a_report_without_findings_has_an_empty_frame_with_columns(fine: Path) -> None:
    frame = diagnose.diagnose(fine, select=["overfitting"]).to_frame()
    assert frame.empty
    assert "rule" in frame.columns


def test_a_report_can_be_walked_and_printed(ill: Path, fine: Path) -> None:
    report = diagnose.diagnose([ill, fine, "gone.csv"])
    assert [d.run.name for d in report] == ["ill", "fine"]
    assert len(report) == 2
    assert "2 runs" in str(report)
    assert str(report).endswith("gone.csv: no such file\n")


def test_a_report_knows_what_is_worst_and_whether_it_fails(ill: Path, fine: Path) -> None:
    report = diagnose.diagnose([fine, ill], select=["overfitting"])
    assert [d.run.name for d in report.worst_first] == ["ill", "fine"]
    assert report.fails(("error",))
    assert not report.fails(("note", "warning"))
    assert replace(report, diagnoses=(), across=report.findings).fails(("error",))
    assert not diagnose.Report().fails(("note", "warning", "error"))


def test_one_unreadable_source_raises_and_of_many_it_is_collected(tmp_path: Path, ill: Path) -> None:
    with pytest.raises(ReadError, match=r"gone\.csv: no such file"):
        diagnose.diagnose(str(tmp_path / "gone.csv"))
    report = diagnose.diagnose([tmp_path / "gone.csv", ill])
    assert [error.message.partition(";")[0] for error in report.errors] == ["no such file"]
    assert len(report) == 1


def test_a_frame_that_is_no_log_raises() -> None:
    with pytest.raises(ReadError, match="DataFrame: "):
        diagnose.diagnose(pd.DataFrame({"name": ["a", "b"], "city": ["x", "y"]}))


def test_an_open_file(ill: Path) -> None:
    with ill.open("rb") as stream:
        assert [f.rule for f in diagnose.diagnose(stream, select=["overfitting"]).findings] == ["overfitting"]


def test_a_directory_without_a_log_raises(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing")
    with pytest.raises(ReadError, match="no training log"):
        diagnose.diagnose(tmp_path)


def test_options(ill: Path) -> None:
    assert diagnose.diagnose(ill, select=["loss-spike"]).findings == ()
    assert diagnose.diagnose(ill, select="overfitting").findings[0].rule == "overfitting"
    assert "overfitting" not in diagnose.diagnose(ill, ignore=["overfitting"]).diagnoses[0].judged
    high = {"overfitting": {"gl_warning": 1000, "lost_warning": 1000}}
    assert diagnose.diagnose(ill, select=["overfitting"], thresholds=high).findings == ()
    by_map = diagnose.diagnose(ill, map={"val_loss": "train_loss", "train_loss": "val_loss"})
    assert by_map.diagnoses[0].run.roles["val_loss"] == "train_loss"


def test_arguments_go_before_settings(ill: Path) -> None:
    settings = Settings(ignore=("overfitting",), select=("overfitting", "loss-spike"))
    assert diagnose.diagnose(ill, settings=settings).diagnoses[0].judged == ("loss-spike",)
    assert diagnose.diagnose(ill, settings=settings, ignore=()).findings[0].rule == "overfitting"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": ["overfit"]}, "no rule 'overfit'; did you mean overfitting"),
        ({"ignore": ["overfit"]}, "no rule 'overfit'; did you mean overfitting"),
        ({"map": {"trainloss": "a"}}, "no role 'trainloss'; did you mean train_loss"),
        ({"thresholds": {"overfitting": {"gl": 3}}}, "no threshold of overfitting 'gl'"),
        ({"select": []}, "no rule is left"),
    ],
)
def test_a_wrong_option_raises(ill: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        diagnose.diagnose(ill, **options)  # type: ignore[arg-type]


def test_runs_of_one_name_are_numbered(tmp_path: Path) -> None:
    logs = [write_csv(synthetic.healthy(), tmp_path / name / "metrics.csv") for name in "ab"]
    assert [d.run.name for d in diagnose.diagnose(logs)] == ["metrics (1)", "metrics (2)"]


def test_a_source_named_twice_is_judged_once(ill: Path) -> None:
    assert len(diagnose.diagnose([ill, str(ill)])) == 1


def test_progress_is_told_before_each_source(ill: Path, fine: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    diagnose.diagnose([ill, fine], progress=lambda *step: seen.append(step))
    assert seen == [(0, 2, str(ill)), (1, 2, str(fine))]
