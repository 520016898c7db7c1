"""Every log is read back by the readers of `diagnose` with the right roles, values and configuration."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diagnose
from diagnose import extras
from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import expand, read
from reference_trainer.logs import CsvLog, Log, LogError, Logs, TensorBoardLog, WandbLog
from reference_trainer.recipe import Recipe
from tests.conftest import ROOT

CONFIG = Recipe(model="cnn", optimizer="nesterov", epochs=12, learning_rate=1e-5, corrupt_at=(3, 5)).config()
EPOCHS = 12
ROWS = [
    {
        "epoch": epoch,
        "step": 40 * epoch,
        "train_loss": 2.0 / epoch,
        "val_loss": math.nan if epoch == 6 else 2.2 / epoch,
        "train_accuracy": 1.0 - 0.8 / epoch,
        "val_accuracy": 1.0 - 0.9 / epoch,
        "learning_rate": 1e-3,
        "grad_norm": math.inf if epoch == 4 else 1.5,
    }
    for epoch in range(1, EPOCHS + 1)
]
COLUMNS = tuple(ROWS[0])
ROLES = COLUMNS[2:]


@pytest.fixture(autouse=True)
def wandb_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb-home"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


def csv_log(folder: Path) -> Log:
    return CsvLog(folder / "run.csv", COLUMNS, CONFIG)


def wandb_log(folder: Path) -> Log:
    return WandbLog("offline", "reference", "cnn", CONFIG, folder)


def tensorboard_log(folder: Path) -> Log:
    return TensorBoardLog(folder, CONFIG)


LOGS: Mapping[str, Callable[[Path], Log]] = {"csv": csv_log, "wandb": wandb_log, "tensorboard": tensorboard_log}


def written(make: Callable[[Path], Log], folder: Path, rows: list[dict[str, float]] = ROWS) -> Run:
    """The run that is read back from a folder in which the rows were logged."""
    with make(folder) as log:
        for row in rows:
            log.write(row)
    return read_back(folder)


def read_back(folder: Path) -> Run:
    """The one run in a folder; that of W&B when the client's own process has written the end of it."""
    deadline = time.monotonic() + 30.0
    while True:
        (source,) = expand([str(folder)])
        late = time.monotonic() > deadline
        try:
            (run,) = read(source)
        except ReadError:
            if late:
                raise
        else:
            if late or not any("no exit record" in note for note in run.notes):
                return run
        time.sleep(0.01)


# --- every log --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOGS)
def test_what_was_logged_is_read_back(kind: str, tmp_path: Path) -> None:
    run = written(LOGS[kind], tmp_path / "deeper" / "log")
    assert {role: run.roles.get(role) for role in ROLES} == {role: role for role in ROLES}
    for name in ROLES:
        wanted = np.array([row[name] for row in ROWS])
        np.testing.assert_allclose(run.series[name].values, wanted, rtol=1e-6, equal_nan=True)
        axis = np.array([row[run.axis] for row in ROWS])
        assert np.array_equal(run.series[name].steps, axis)
    assert run.notes == ()


@pytest.mark.parametrize("kind", LOGS)
def test_the_configuration_is_read_back(kind: str, tmp_path: Path) -> None:
    config = written(LOGS[kind], tmp_path / "log").config
    assert CONFIG["optimizer"] == "sgd"
    wanted = {"optimizer": "sgd", "learning_rate": 1e-5, "epochs": 12, "batch_size": 32, "nesterov": True}
    assert {name: config.get(name) for name in wanted} == wanted
    assert config["corrupt_at"] == [3, 5]


@pytest.mark.parametrize("kind", LOGS)
def test_what_was_not_measured_is_no_point(kind: str, tmp_path: Path) -> None:
    rows = [row if row["epoch"] % 2 else {k: v for k, v in row.items() if not k.startswith("val_")} for row in ROWS]
    run = written(LOGS[kind], tmp_path / "log", rows)
    assert len(run.series["val_accuracy"]) == EPOCHS / 2
    assert len(run.series["train_loss"]) == EPOCHS


@pytest.mark.parametrize("kind", LOGS)
def test_a_training_that_fails_keeps_its_rows(kind: str, tmp_path: Path) -> None:
    def fail() -> None:
        with log:
            for row in ROWS:
                log.write(row)
            raise KeyboardInterrupt

    log = LOGS[kind](tmp_path / "log")
    with pytest.raises(KeyboardInterrupt):
        fail()
    log.close()  # once more is no error
    run = read_back(tmp_path / "log")
    assert len(run.series["train_loss"]) == EPOCHS
    assert any("exit code 1" in note for note in run.notes) == (kind == "wandb")


@pytest.mark.parametrize("kind", LOGS)
def test_nothing_is_printed(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(LOGS[kind], tmp_path / "log")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", LOGS)
def test_a_place_that_is_a_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(LogError, match=r"taken.*: cannot be written \(.+\); name another place$") as caught:
        LOGS[kind](tmp_path / "taken" / "log")
    assert "\n" not in str(caught.value)


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_the_csv_is_judged_with_its_configuration(tmp_path: Path) -> None:
    with csv_log(tmp_path) as log:
        for row in ROWS:
            log.write(row)
    report = diagnose.diagnose(tmp_path / "run.csv")
    (diagnosis,) = report.diagnoses
    assert diagnosis.run.config["optimizer"] == "sgd"
    assert set(ROLES) <= set(diagnosis.run.roles)


def test_each_line_is_on_disk_when_it_is_written(tmp_path: Path) -> None:
    log = csv_log(tmp_path)
    for count, row in enumerate(ROWS, 1):
        log.write(row)
        assert (tmp_path / "run.csv").read_bytes().count(b"\n") == 1 + count
    assert (tmp_path / "run.yaml").is_file()
    log.close()


def test_the_text_of_a_row(tmp_path: Path) -> None:
    with CsvLog(tmp_path / "run.csv", ("epoch", "step", "a", "b", "c", "d", "e"), {}) as log:
        log.write({"epoch": 0.5, "step": 123456789, "a": math.nan, "b": -math.inf, "d": 1 / 3, "e": np.float32(0.1)})
    assert (tmp_path / "run.csv").read_text() == ("epoch,step,a,b,c,d,e\n0.5,123456789,nan,-inf,,0.3333333,0.1\n")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for folder in ("one", "two"):
        with csv_log(tmp_path / folder) as log:
            for row in ROWS:
                log.write(dict(reversed(row.items())))
        texts.append([(tmp_path / folder / name).read_bytes() for name in ("run.csv", "run.yaml")])
    assert texts[0] == texts[1]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_keeps_seven_digits(value: float) -> None:
    from reference_trainer.logs import _cell

    assert float(_cell(value)) == pytest.approx(value, rel=5e-7, abs=0.0)
    assert len(_cell(value).lstrip("-").replace(".", "").partition("e")[0].strip("0")) <= 7
    assert _cell(float(_cell(value))) == _cell(value)


def test_an_older_log_of_the_name_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_text("epoch,loss\n" * 100)
    (tmp_path / "run.yaml").write_text("optimizer: lion\nbeta: 3\n")
    assert written(csv_log, tmp_path).config["optimizer"] == "sgd"
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + EPOCHS


def test_a_name_that_is_no_column_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with csv_log(tmp_path) as log, pytest.raises(LogError, match=r"no column 'val_los'; did you mean val_loss\?"):
        log.write({"epoch": 1, "step": 1, "val_los": 0.5})
    assert (tmp_path / "run.csv").read_text().count("\n") == 1


def test_a_log_that_would_overwrite_its_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"call the log run\.csv"):
        CsvLog(tmp_path / "run.yaml", COLUMNS, {})
    assert not list(tmp_path.iterdir())


def test_a_configuration_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="represent"):
        CsvLog(tmp_path / "run.csv", COLUMNS, {"model": object()})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.csv").symlink_to("/dev/full")
    with pytest.raises(LogError, match=r"run\.csv: cannot be written \(no space left on device\)"):
        csv_log(tmp_path)


# --- W&B and TensorBoard ----------------------------------------------------------------------------------------------


def test_wandb_that_is_disabled_writes_nothing(tmp_path: Path) -> None:
    with WandbLog("disabled", "reference", "cnn", CONFIG, tmp_path) as log:
        log.write(ROWS[0])
    assert not list(tmp_path.rglob("*.wandb"))


def test_wandb_knows_the_run_by_its_name(tmp_path: Path) -> None:
    assert written(wandb_log, tmp_path / "log").name == "cnn"


def test_an_unknown_mode_of_wandb(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no W&B mode 'ofline'; did you mean offline"):
        WandbLog("ofline", "reference", "cnn", CONFIG, tmp_path)


def test_what_the_client_refuses_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def refuse(**_: Any) -> None:
        raise wandb.errors.UsageError("No API key\n  configured.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(LogError, match=r"\(No API key configured\.\); mode offline needs no account$"):
        WandbLog("online", "reference", "cnn", CONFIG, tmp_path)


@pytest.mark.parametrize(("kind", "package"), [("wandb", "wandb"), ("tensorboard", "tensorboard")])
def test_a_package_that_is_missing_is_named_with_its_extra(kind: str, package: str, tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
from pathlib import Path
from tests.reference_trainer.test_logs import LOGS
LOGS[{kind!r}](Path({str(tmp_path)!r}) / "log")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"LogError: {extras.missing(f'this log needs {package}', kind)}" in done.stderr
    assert not (tmp_path / "log").exists()


def test_a_directory_with_the_events_of_another_run_is_refused(tmp_path: Path) -> None:
    written(tensorboard_log, tmp_path)
    with pytest.raises(LogError, match="holds the events of another run; name a new directory"):
        tensorboard_log(tmp_path)


# --- several ----------------------------------------------------------------------------------------------------------


class Kept(Log):
    """Rows and the exit code in memory."""

    def __init__(self, broken: bool = False) -> None:
        self.rows: list[dict[str, float]] = []
        self.exit_code: int | None = None
        self.broken = broken

    def write(self, row: Mapping[str, float]) -> None:
        self.rows.append(dict(row))

    def close(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        if self.broken:
            raise LogError("full")


def test_several_logs_take_the_same_rows() -> None:
    one, two = Kept(), Kept()
    with Logs([one, two]) as log:
        for row in ROWS:
            log.write(row)
    assert one.rows == two.rows == ROWS
    assert (one.exit_code, two.exit_code) == (0, 0)


def test_a_failed_training_closes_all_logs_with_its_code() -> None:
    one, two, three = Kept(), Kept(broken=True), Kept()
    with pytest.raises(LogError, match="full"), Logs([one, two, three]):
        raise ZeroDivisionError
    assert [log.exit_code for log in (one, two, three)] == [1, 1, 1]
