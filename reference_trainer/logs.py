"""Where the rows of a training go: a CSV with its configuration beside it, W&B, TensorBoard, or several at once.

with CsvLog(Path("run.csv"), ("epoch", "step", "train_loss", "val_loss"), {"optimizer": "adam"}) as log:
    log.write({"epoch": 1, "step": 40, "train_loss": 0.5})  # val_loss was not measured: a blank cell
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, get_args

import yaml

from diagnose import extras
from diagnose.errors import SettingsError, unknown

Row = dict[str, float]
"""What was measured at one step, with `epoch` and `step` (optimizer steps so far, an int) among it; what was not
measured is left out."""

DIGITS = 7
"""Significant digits of a number in a CSV: what float32 holds."""

WandbMode = Literal["offline", "online", "disabled"]

WANDB_MODES: tuple[WandbMode, ...] = get_args(WandbMode)


class LogError(SettingsError):
    """A log that cannot be written; `str()` names the place, what was found and the next step, in one line."""


class Log(Protocol):
    """What takes rows. As a context manager it is closed at the end, with exit code 1 after an exception."""

    def write(self, row: Mapping[str, float]) -> None:
        """Take in what was measured at one step; rows come in the order of their steps. Raises LogError."""

    def close(self, exit_code: int = 0) -> None:
        """Write what is still held back. exit_code: 0 where the training came to its end; closing twice is no error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(0 if kind is None else 1)


class CsvLog(Log):
    """A CSV with one line per row, and the configuration beside it: `run.yaml` for `run.csv`.

    path: overwritten; its folder is made.
    columns: the header; a cell is blank where a row lacks it, and `nan`, `inf` or `-inf` where it is not finite.
    leave_out: columns that are not written.
    config: plain values by name.

    A line is on disk when `write` returns, so that a killed run keeps what it had. The same rows give the same bytes.
    Raises LogError where a file cannot be written, or a row has a name that is no column.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], config: Mapping[str, Any], *, leave_out: Collection[str] = ()
    ) -> None:
        beside = path.with_suffix(".yaml")
        if beside == path:
            raise LogError(f"{path}: this name is for the configuration beside the log; call the log {path.stem}.csv")
        self.path = path
        self.columns = tuple(columns)
        self._written = tuple(name for name in columns if name not in leave_out)
        text = _text(config)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise _unwritable(path, error) from error
        self._lines = csv.writer(self._stream, lineterminator="\n")
        self._add(self._written)
        _write(beside, text)

    def write(self, row: Mapping[str, float]) -> None:
        """Add one line. Raises LogError for a name that is no column, before anything is written."""
        for name in row:
            if name not in self.columns:
                raise LogError(f"{self.path}: {unknown('column', name, self.columns)}; name it when the log is made")
        self._add([_cell(row[name]) if name in row else "" for name in self._written])

    def close(self, exit_code: int = 0) -> None:
        """Close the file; what was written stays, whatever the exit code."""
        self._stream.close()

    def _add(self, cells: Sequence[str]) -> None:
        try:
            self._lines.writerow(cells)
            self._stream.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error


class WandbLog(Log):
    """A run of Weights & Biases, through the official client.

    mode: one of `WANDB_MODES`; `offline` writes a file that `diagnose` reads, and needs no account.
    project, name: of the run.
    config: plain values by name.
    directory: where the client's folder `wandb` is made; None for the working directory.

    Raises LogError where the client is not installed, the mode is unknown, or the client refuses.
    """

    def __init__(
        self, mode: str, project: str, name: str, config: Mapping[str, Any], directory: Path | None = None
    ) -> None:
        if mode not in WANDB_MODES:
            raise LogError(unknown("W&B mode", mode, WANDB_MODES))
        try:
            import wandb
        except ImportError as error:
            raise LogError(extras.missing("this log needs wandb", "wandb")) from error
        if directory is not None:
            _make_folder(directory)
        try:
            self._run = wandb.init(
                mode=mode,
                project=project,
                name=name,
                config=dict(config),
                dir=None if directory is None else str(directory),
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.errors.Error as error:
            reason = " ".join(str(error).split())
            raise LogError(f"wandb could not start the run ({reason}); mode offline needs no account") from error

    def write(self, row: Mapping[str, float]) -> None:
        """Log the row at its step."""
        self._run.log(dict(row), step=int(row["step"]))

    def close(self, exit_code: int = 0) -> None:
        """Finish the run; an exit code other than 0 marks it as crashed.

        Offline, the client's own process writes the last rows some milliseconds later; a program that ends waits.
        """
        self._run.finish(exit_code=exit_code)


class TensorBoardLog(Log):
    """TensorBoard events, one scalar per column, with the configuration beside them as `hparams.yaml`.

    directory: holds this run alone; it is made.

    Raises LogError where `tensorboard` is not installed, or the directory cannot be written or holds another run:
    events of two runs in one folder are drawn as one curve.
    """

    def __init__(self, directory: Path, config: Mapping[str, Any]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise LogError(extras.missing("this log needs tensorboard", "tensorboard")) from error
        _make_folder(directory)
        if any(directory.glob("*.tfevents.*")):
            raise LogError(f"{directory}: holds the events of another run; name a new directory, or empty it")
        _write(directory / "hparams.yaml", _text(config))
        self._writer = SummaryWriter(log_dir=str(directory))

    def write(self, row: Mapping[str, float]) -> None:
        """Add a scalar for everything in the row but the step, which is the x axis."""
        step = int(row["step"])
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, float(value), global_step=step)

    def close(self, exit_code: int = 0) -> None:
        """Write the events that are held back; TensorBoard has no place for the exit code."""
        self._writer.close()


class Logs(Log):
    """Several logs that all take the same rows; an error of one is raised after the others were closed."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self.logs = tuple(logs)

    def write(self, row: Mapping[str, float]) -> None:
        """Give the row to each log."""
        for log in self.logs:
            log.write(row)

    def close(self, exit_code: int = 0) -> None:
        """Close each log, whatever happens to the others."""
        with ExitStack() as stack:
            for log in reversed(self.logs):
                stack.callback(log.close, exit_code)


def _cell(value: float) -> str:
    """A number as text that says the same on every machine."""
    return str(value) if isinstance(value, int) else repr(float(f"{float(value):.{DIGITS}g}"))


def _text(config: Mapping[str, Any]) -> str:
    """Names and values as YAML, in their order."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> LogError:
    return LogError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()}); name another place")
