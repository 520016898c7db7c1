"""From tables to runs: axes, restarts, layouts, values, refusals; and the main roles of the real logs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import expand, read
from diagnose.readers.runs.assemble import runs
from diagnose.readers.tables.table import Column, Table

Cells = Sequence[float | None]


def table(columns: Mapping[str, Cells], **rest: object) -> Table:
    """A table of lists, None where nothing was logged."""
    made = {
        name: Column(
            np.array([0.0 if cell is None else cell for cell in cells], dtype=np.float64),
            np.array([cell is not None for cell in cells]),
        )
        for name, cells in columns.items()
    }
    return Table(format="test", columns=made, rows=len(next(iter(columns.values()))), **rest)  # type: ignore[arg-type]


def one(columns: Mapping[str, Cells], **rest: object) -> Run:
    found = runs(table(columns, **rest), source="logs/run.csv")
    assert len(found) == 1
    return found[0]


FALLING = [1 / (1 + i) for i in range(10)]


# --- axes


def test_epochs_are_the_axis() -> None:
    run = one({"epoch": range(10), "loss": FALLING})
    assert (run.axis, run.roles) == ("epoch", {"train_loss": "loss"})
    assert "epoch" not in run.series
    assert run.series["loss"].steps.tolist() == list(range(10))


def test_without_an_axis_the_row_is_the_axis() -> None:
    assert one({"loss": FALLING}).axis == "row"


def test_the_finer_axis_is_taken_where_points_would_collapse() -> None:
    run = one({"epoch": [i // 5 for i in range(10)], "step": range(0, 100, 10), "loss": FALLING})
    assert (run.axis, len(run.series["loss"])) == ("step", 10)


def test_fractions_of_epochs_give_way_to_steps() -> None:
    assert one({"epoch": [i / 7 for i in range(10)], "step": range(0, 100, 10), "loss": FALLING}).axis == "step"


@pytest.mark.parametrize("base", [0, 1])
def test_a_batch_that_restarts_with_the_epoch_is_counted_through(base: int) -> None:
    rows = [(e, b) for e in range(1, 4) for b in range(base, 5 + base)]
    run = one(
        {"Epoch": [e for e, _ in rows], "Batch": [b for _, b in rows], "loss": [1.0 / (1 + i) for i in range(15)]}
    )
    assert run.axis == "step"
    assert np.array_equal(np.diff(run.series["loss"].steps), np.ones(14))
    assert not any("training" in note for note in run.notes)


def test_a_batch_that_restarts_is_counted_through_without_epochs_too() -> None:
    run = one({"batch": [i % 5 for i in range(15)], "loss": [1.0 / (1 + i) for i in range(15)]})
    assert run.series["loss"].steps.tolist() == list(range(15))


def test_many_rows_of_one_epoch_are_spread_over_it() -> None:
    run = one({"epoch": [i // 10 for i in range(50)], "loss": np.linspace(2, 1, 50).tolist()})
    assert (run.axis, len(run.series["loss"])) == ("epoch", 50)
    assert run.series["loss"].steps[-1] == pytest.approx(4.9)


def test_train_and_validation_rows_share_a_step() -> None:
    run = one(
        {
            "epoch": [i // 2 for i in range(20)],
            "step": [10 * (i // 2) for i in range(20)],
            "train_loss": [x for v in FALLING for x in (v, None)],
            "val_loss": [x for v in FALLING for x in (None, v + 1)],
            "test_loss": [None] * 19 + [0.5],
        }
    )
    assert run.series["train_loss"].steps.tolist() == run.series["val_loss"].steps.tolist()
    assert run.roles == {"train_loss": "train_loss", "val_loss": "val_loss"}
    assert not run.notes


def test_an_axis_may_be_named() -> None:
    found = runs(table({"when": range(10, 20), "loss": FALLING}), source="x", overrides={"epoch": "When"})
    assert (found[0].axis, found[0].series["loss"].steps[0]) == ("epoch", 10)


# --- several trainings, resumes, repetition


def test_the_last_of_several_trainings_is_judged() -> None:
    run = one({"epoch": [*range(10), *range(10)], "loss": [*FALLING, *(2 * x for x in FALLING)]})
    assert run.series["loss"].values.tolist() == [2 * x for x in FALLING]
    assert run.notes == (
        "epoch goes back to its start at row 11: 2 trainings in one file, judged from the last restart, row 11",
    )


def test_a_stub_at_the_end_is_not_judged() -> None:
    run = one({"epoch": [*range(60), *range(5)], "loss": [*np.linspace(2, 1, 60), *([9.0] * 5)]})
    assert len(run.series["loss"]) == 60
    assert "rows 1 to 60" in run.notes[0]


def test_a_resume_replaces_what_followed_the_checkpoint() -> None:
    run = one({"epoch": [*range(20), *range(12, 30)], "loss": [*([1.0] * 20), *([0.5] * 18)]})
    assert run.series["loss"].steps.tolist() == list(range(30))
    assert run.series["loss"].values.tolist() == [1.0] * 12 + [0.5] * 18
    assert "row 21 to 12, as after a resume" in run.notes[0]


def test_lines_written_by_several_processes_are_one_point() -> None:
    run = one({"step": [i // 2 * 10 for i in range(20)], "loss": [x for v in FALLING for x in (v, v + 1e-4)]})
    assert len(run.series["loss"]) == 10
    assert run.series["loss"].values[0] == FALLING[0] + 1e-4
    assert run.notes == ("step repeats in 10 points of loss: the last value of each step is used",)


# --- layouts


def test_a_column_of_splits_makes_a_curve_per_split() -> None:
    run = one(
        {"epoch": [i // 2 for i in range(20)], "loss": [float(i) for i in range(20)]},
        text={"set": ["train", "val"] * 10},
    )
    assert run.roles == {"train_loss": "train/loss", "val_loss": "val/loss"}
    assert run.series["val/loss"].values.tolist() == [float(i) for i in range(1, 20, 2)]


def test_a_column_of_metrics_makes_a_curve_per_metric() -> None:
    run = one(
        {"step": [i // 2 for i in range(20)], "value": [float(i) for i in range(20)]},
        text={"metric": ["train_loss", "val_loss"] * 10},
    )
    assert run.roles == {"train_loss": "train_loss", "val_loss": "val_loss"}


def test_a_column_of_run_names_makes_runs() -> None:
    found = runs(
        table(
            {"epoch": [*range(10), *range(10)], "loss": [*FALLING, *FALLING]}, text={"model": ["a"] * 10 + ["b"] * 10}
        ),
        source="x",
    )
    assert [run.name for run in found] == ["a", "b"]
    assert found[1].notes == ("one of 2 runs in the file, by the column model",)


def test_a_numbered_fold_makes_runs() -> None:
    columns = {"fold": [i // 10 for i in range(20)], "epoch": [*range(10), *range(10)], "loss": [*FALLING, *FALLING]}
    assert [run.name for run in runs(table(columns), source="x")] == ["fold 0", "fold 1"]


def test_an_export_of_several_wandb_runs() -> None:
    short: list[float | None] = [*FALLING[:6], None, None, None, None]
    columns: dict[str, Cells] = {"Step": range(10)}
    for name, cells in (("val-lr0.1", FALLING), ("relu", short)):
        columns |= {f"{name} - train/loss{end}": cells for end in ("", "__MIN", "__MAX")}
    first, second = runs(table(columns), source="x")
    assert (first.name, first.roles) == ("val-lr0.1", {"train_loss": "val-lr0.1 - train/loss"})
    assert list(first.series) == ["val-lr0.1 - train/loss"]
    assert second.series["relu - train/loss"].blank_from is None


# --- values


def test_percent_becomes_a_fraction() -> None:
    run = one({"epoch": range(10), "loss": FALLING, "acc": [10.0 * i for i in range(10)], "val_acc": [0.09] * 10})
    assert run.series["acc"].values.max() == pytest.approx(0.9)
    assert run.series["val_acc"].values.max() == pytest.approx(0.09)
    assert run.notes == ("acc: read as percent, shown as a fraction",)


def test_a_percentage_below_one_is_told_by_its_family() -> None:
    run = one(
        {
            "epoch": range(10),
            "loss": FALLING,
            "acc@1": [0.1 * i for i in range(10)],
            "acc@5": [0.5 * i for i in range(10)],
        }
    )
    assert run.series["acc@1"].values.max() == pytest.approx(0.009)


def test_a_logged_nan_stays_and_a_blank_is_no_point() -> None:
    run = one({"epoch": range(10), "loss": [*FALLING[:5], np.nan, None, np.inf, 0.1, 0.1]})
    assert len(run.series["loss"]) == 9
    assert np.isnan(run.series["loss"].values[5])


def test_an_undefined_map_is_not_logged() -> None:
    run = one({"epoch": range(10), "loss": FALLING, "val/mAP": [-1.0, -1.0, *([0.3] * 8)]})
    assert run.series["val/mAP"].steps[0] == 2


def test_a_loss_that_goes_blank_while_its_row_goes_on() -> None:
    run = one({"epoch": range(10), "loss": [*FALLING[:5], *([None] * 5)], "accuracy": FALLING, "lr": FALLING})
    assert run.series["loss"].blank_from == 5


def test_a_blank_tail_beside_rows_of_another_cadence_is_innocent() -> None:
    run = one(
        {
            "step": range(20),
            "train_loss": [x for v in FALLING[:7] for x in (v, None)] + [None] * 6,
            "val_loss": [x for v in FALLING for x in (None, v)],
        }
    )
    assert run.series["train_loss"].blank_from is None


def test_one_nameless_curve_is_a_loss_unless_its_file_says_otherwise() -> None:
    assert one({"history": FALLING}).roles == {"train_loss": "history"}
    columns = {"Wall time": [1e9 + i for i in range(10)], "Step": range(10), "Value": FALLING}
    found = runs(table(columns), source="run-.-tag-epoch_val_accuracy.csv")
    assert found[0].roles == {"val_accuracy": "Value"}


def test_the_configuration_has_canonical_names() -> None:
    assert one({"loss": FALLING}, config={"lr": 0.1}).config == {"learning_rate": 0.1}


# --- refusals


@pytest.mark.parametrize(
    ("columns", "text", "message"),
    [
        ({}, {}, "no numeric column"),
        ({"epoch": range(4), "loss": FALLING[:4]}, {}, "only 4 points of loss; a curve needs at least 5"),
        ({"epoch": range(9), "lr": FALLING[:9]}, {}, "no loss among epoch, lr; name it with --map train_loss=COLUMN"),
        (
            {"seed": [1] * 6, "batch_size": [64] * 6, "weight_decay": [0.1] * 6, "final_val_loss": FALLING[:6]},
            {},
            "one row per run",
        ),
        (
            {"loss": FALLING[:6]},
            {"Name": list("abcdef"), "State": ["ok"] * 6, "Created": ["x"] * 6, "Sweep": [""] * 6},
            "one row",
        ),
    ],
)
def test_what_is_no_log_is_refused(columns: Mapping[str, Cells], text: Mapping[str, list[str]], message: str) -> None:
    rows = len(next(iter(columns.values()), ()))
    made = Table("test", table(columns).columns if columns else {}, rows, text)
    with pytest.raises(ReadError, match=message):
        runs(made, source="x")


def test_a_wrong_override_names_the_nearest_column() -> None:
    with pytest.raises(ValueError, match="did you mean my_loss"):
        runs(table({"my_loss": FALLING}), source="x", overrides={"train_loss": "myloss"})


# --- properties

_CELL = st.none() | st.floats(allow_infinity=True, allow_nan=True, width=32)


@settings(deadline=None)
@given(st.data())
def test_no_point_is_invented_and_steps_never_fall(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 40))
    cells = st.lists(_CELL, min_size=rows, max_size=rows)
    axis = st.lists(st.integers(0, 12) | st.none(), min_size=rows, max_size=rows)
    columns = {
        "epoch": data.draw(axis),
        "step": data.draw(axis),
        "loss": data.draw(cells),
        "val_loss": data.draw(cells),
    }
    try:
        found = runs(table(columns), source="x")
    except ReadError:
        return
    for run in found:
        for name, series in run.series.items():
            logged = [float(cell) for cell in columns[name] if cell is not None]
            assert len(series) <= len(logged)
            assert np.isin(series.values[~np.isnan(series.values)], logged).all()
            assert not np.isnan(series.values).any() or np.isnan(logged).any()
            assert (np.diff(series.steps) >= 0).all()


@given(st.lists(_CELL, min_size=6, max_size=40))
def test_over_a_rising_axis_every_cell_is_a_point(cells: list[float | None]) -> None:
    logged = [cell for cell in cells if cell is not None]
    if len(logged) < 5:
        return
    series = one({"epoch": range(len(cells)), "loss": cells}).series["loss"]
    assert np.array_equal(series.values, np.array(logged, dtype=np.float64), equal_nan=True)


# --- the corpus

_LATER = {"tfevents", "wandb-run", "mlflow-run", "dvclive"}
_BETTER = {"r146", "r147", "r171", "r256", "r257"}
"""Text logs in which the manifest names a column that the log does not have, or the last batch for the epoch's mean."""


def _main_run(folder: Path) -> Run:
    files = [path for path in folder.rglob("*") if path.is_file()]
    sources = expand([str(folder)]) if len(files) > 1 else files
    return read(sources[0])[0]


def test_main_roles_of_the_corpus(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="") as stream:
        logs = [row for row in csv.DictReader(stream) if row["format"] not in _LATER and row["id"] not in _BETTER]
    wrong = []
    for row in logs:
        found = _main_run(corpus / "runs" / row["id"]).roles
        accuracy = found.get("train_accuracy") if found.get("reward") != row["train_acc_col"] else row["train_acc_col"]
        got = (found.get("train_loss"), found.get("val_loss"), accuracy, found.get("val_accuracy"))
        wanted = [row[f"{name}_col"] for name in ("train_loss", "val_loss", "train_acc", "val_acc")]
        wrong += [(row["id"], w, g) for w, g in zip(wanted, got, strict=True) if w and w != g]
    assert len({identity for identity, *_ in wrong}) <= 0.03 * len(logs), wrong


def test_a_diverged_run_of_the_corpus_goes_blank(corpus: Path) -> None:
    assert _main_run(corpus / "runs" / "r267").series["loss"].blank_from == 54
    blank = [
        folder.name
        for folder in sorted((corpus / "runs").glob("r2[0-4]*"))
        if len(list(folder.iterdir())) == 1 and next(folder.iterdir()).suffix in (".csv", ".json", ".txt")
        for series in _main_run(folder).series.values()
        if series.blank_from is not None
    ]
    assert not blank


def test_several_trainings_of_the_corpus_are_noted(corpus: Path) -> None:
    for name in ("r210", "r211", "r244"):
        assert any("trainings in one file" in note for note in _main_run(corpus / "runs" / name).notes)
    for name in ("r133", "r134"):
        assert any("one of 2 runs" in note for note in _main_run(corpus / "runs" / name).notes)


def test_tables_of_runs_are_refused(corpus: Path) -> None:
    for path in sorted((corpus / "not_curves").glob("*/*")):
        with pytest.raises(ReadError):
            read(path)
