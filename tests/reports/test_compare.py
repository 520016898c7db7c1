"""Runs beside each other: one axis for all, and the table of what differs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.reports import compare, comparison, plot, render_comparison
from diagnose.reports.comparison import CannotCompareError, Comparison
from diagnose.reports.context import Context
from diagnose.reports.page import Page
from tests.reports.test_html import EVIL, Outline, islands
from tests.reports.test_plot import words
from tests.test_cli import run as call
from tests.written import write_csv


def run(name: str, steps: Sequence[float], loss: Sequence[float], **rest: object) -> Run:
    x = np.asarray(steps, dtype=np.float64)
    series = {"train_loss": Series("train_loss", x, np.asarray(loss, dtype=np.float64))}
    made = Run(name, series, {"train_loss": "train_loss"}, source=f"{name}.csv", axis="epoch")
    return replace(made, **rest)  # type: ignore[arg-type]


def with_epochs(made: Run, epochs: Sequence[float]) -> Run:
    curve = Series("epoch", made.series["train_loss"].steps, np.asarray(epochs, dtype=np.float64))
    return replace(made, series={**made.series, "epoch": curve}, roles={**made.roles, "epoch": "epoch"}, axis="step")


def compared(*runs: Run, by: str = "") -> Comparison:
    return comparison.compare([judge(made) for made in runs], by)


def rows(found: Comparison, section: str) -> dict[str, tuple[str, ...]]:
    return {row.title: row.cells for title, table in found.sections for row in table if title == section}


def steps(found: Comparison, role: str = "train_loss") -> list[list[float]]:
    [panel] = [panel for name, panel in found.panels if name == role]
    return [curve.series.steps.tolist() for curve in panel.curves]


# --- alignment


def test_runs_that_count_the_same_keep_their_axis() -> None:
    found = compared(run("a", range(5), range(5, 0, -1)), run("b", range(0, 10, 2), range(5, 0, -1)))
    assert (found.axis, found.note) == ("epoch", "")
    assert steps(found) == [[0, 1, 2, 3, 4], [0, 2, 4, 6, 8]]


def test_steps_meet_epochs_where_the_log_knows_both() -> None:
    coarse = run("a", range(1, 6), range(5, 0, -1))
    fine = with_epochs(run("b", range(0, 500, 100), range(5, 0, -1)), [0.0, 0.5, 1.0, 1.5, 2.0])
    found = compared(coarse, fine)
    assert (found.axis, found.note) == ("epoch", "the runs count differently (epoch, step)")
    assert steps(found)[1] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_without_epochs_runs_are_drawn_over_their_share() -> None:
    found = compared(run("a", [10, 20, 30], [3, 2, 1]), run("b", [0, 500, 2000], [3, 2, 1], axis="step"))
    assert found.axis == "percent of the run"
    assert found.note == "the runs count differently (epoch, step), and b holds no epochs"
    assert steps(found) == [[0, 50, 100], [0, 25, 100]]


def test_the_axis_can_be_chosen() -> None:
    a, b = run("a", [10, 20, 30], [3, 2, 1]), run("b", [0, 20, 40], [3, 2, 1])
    assert steps(compared(a, b, by="percent")) == [[0, 50, 100], [0, 50, 100]]
    with pytest.raises(CannotCompareError, match="b: its log holds no epochs; compare by percent"):
        compared(a, replace(b, axis="step"), by="epoch")


# --- the table


def test_best_and_last_values_say_where_and_which_run_is_best() -> None:
    a, b = run("a", range(4), [3.0, 1.0, 2.0, 2.5]), run("b", range(4), [3.0, 2.0, 1.5, 1.25])
    found = compared(a, b)
    assert rows(found, "values")["train_loss, best"] == ("1 at 1", "1.25 at 3")
    assert rows(found, "values")["train_loss, last"] == ("2.5", "1.25")
    best = {row.title: row.best for _, table in found.sections for row in table}
    assert best["train_loss, best"] == {0}
    assert best["train_loss, last"] == {1}


def test_an_accuracy_is_best_where_it_is_highest_and_equals_are_not_marked() -> None:
    curve = Series("acc", np.arange(3.0), np.array([0.5, 0.9, 0.8]))
    made = [Run(name, {"acc": curve}, {"val_accuracy": "acc"}, axis="epoch") for name in "ab"]
    found = compared(*made)
    assert rows(found, "values")["val_accuracy, best"] == ("0.9 at 1", "0.9 at 1")
    assert all(row.best == frozenset() for _, table in found.sections for row in table)


def test_a_run_that_ends_in_nan_says_so() -> None:
    found = compared(run("a", range(4), [3.0, 1.0, 2.0, np.nan]), run("b", range(4), [np.nan] * 4))
    assert rows(found, "values")["train_loss, last"] == ("2, then not finite", "-")


def test_settings_that_differ_are_listed_and_bookkeeping_is_not() -> None:
    configs = (
        {"optimizer": "adam", "learning_rate": 0.1, "batch_size": 64, "seed": 1},
        {"optimizer": "sgd", "learning_rate": 0.1, "seed": 2},
    )
    a, b = (run(name, range(4), range(4, 0, -1), config=config) for name, config in zip("ab", configs, strict=True))
    assert rows(compared(a, b), "config") == {"optimizer": ("adam", "sgd"), "batch_size": ("64", "-")}


def test_findings_are_set_against_each_other_worst_first() -> None:
    found = rows(compared(synthetic.overfit(), synthetic.healthy()), "findings")
    assert found["overfitting"] == ("error", "-")
    assert next(iter(found)) == "overfitting"


# --- on the page


def test_two_runs_are_a_line_and_dots_and_three_are_letters() -> None:
    falling = [run(name, range(40), np.linspace(4 + k, k + 1, 40)) for k, name in enumerate("abc")]
    two = compare.render(compared(*falling[:2]), Context(page=Page(ascii=True)))
    assert "train_loss   *** A   ... B" in two
    three = compare.render(compared(*falling), Context())
    assert {"A", "B", "C"} <= set(three.split("train_loss\n")[1].split("epoch 39")[0])


def test_a_narrow_page_breaks_the_table_into_blocks() -> None:
    runs = [run(f"r{k}", range(9), np.linspace(4 + k, k + 1, 9)) for k in range(8)]
    said = compare.render(compared(*runs), Context(page=Page(width=60)))
    assert max(map(len, said.splitlines())) <= 80
    heads = [line.split() for line in said.splitlines() if line.split() and set(line.split()) <= set("ABCDEFGH")]
    assert list(itertools.chain.from_iterable(heads)) == list("ABCDEFGH")


def test_plain_words_carry_everything() -> None:
    said = compare.render(compared(synthetic.overfit(), synthetic.healthy()), Context(page=Page(picture=False)))
    assert "findings, overfitting: A error, B none" in said
    assert "A val_loss starts at" in said
    assert not any(ord(c) > 127 for c in said)


# --- the command


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    made = {"a.csv": synthetic.overfit(), "b.csv": synthetic.healthy()}
    return [write_csv(made[name], tmp_path / name).relative_to(tmp_path) for name in made]


def test_the_command_compares_and_judges_nothing(logs: list[Path]) -> None:
    result = call("compare", *logs)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("A  a.csv: ")
    assert "\nval_loss   ⠤⠤⠤ A   ··· B\n" in result.stdout


def test_a_directory_is_compared_and_written_into_a_file(logs: list[Path]) -> None:
    result = call("compare", ".", "--out", "said.txt", "--plain")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "B  b.csv: " in Path("said.txt").read_text()


def test_the_picture_has_the_letters_of_the_runs(logs: list[Path]) -> None:
    assert call("compare", *logs, "--plot", "both.svg").exit_code == 0
    assert {"A", "B", "val_loss", "A: a.csv; B: b.csv"} <= set(words(Path("both.svg")))
    assert call("compare", *logs, "--plot", "both.tiff").exit_code == 2


def test_the_page_has_every_curve_and_the_table(logs: list[Path]) -> None:
    result = call("compare", *logs, "--format", "html", "--out", "both.html")
    assert result.exit_code == 0
    page = Path("both.html").read_text()
    [chart] = islands(page, "chart-data")
    assert [panel["title"] for panel in chart["panels"]][:2] == ["train_loss", "val_loss"]
    assert [curve["name"] for curve in chart["panels"][0]["curves"]] == ["A a.csv", "B b.csv"]
    assert "overfitting error -" in " ".join(Outline(page).text.split())


def test_names_stay_text_on_the_page_and_in_the_picture(tmp_path: Path) -> None:
    found = compared(run(EVIL, range(5), range(5, 0, -1)), run("b", range(5), range(5, 0, -1)))
    page = render_comparison(found, "html", Context())
    assert EVIL not in page
    assert EVIL in Outline(page).text
    plot.draw_comparison(found, tmp_path / "both.svg")
    assert any(EVIL in text for text in words(tmp_path / "both.svg"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a.csv",), "compare: 1 of 2 runs; name two logs or more, or a directory of them"),
        (("a.csv", "b.csv", "--by", "epochs"), "did you mean epoch?"),
    ],
)
def test_a_wrong_call_is_one_line(logs: list[Path], arguments: tuple[str, ...], says: str) -> None:
    result = call("compare", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_log_that_cannot_be_read_is_named_and_the_others_are_compared(logs: list[Path]) -> None:
    result = call("compare", *logs, "gone.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("gone.csv: no such file")
    assert "val_loss, best" in result.stdout


def test_too_many_runs_are_told_where_to_go() -> None:
    assert len(comparison.LETTERS) == 26
    runs = [run(f"r{k}", range(5), range(5, 0, -1)) for k in range(26)]
    assert len(compared(*runs).panels[0][1].curves) == 26
