from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diagnose.curves import Array, Series
from diagnose.reports.curve import ASCII, BRAILLE, Glyphs, describe, draw


def series(values: object, steps: object = None) -> Series:
    y = np.asarray(values, dtype=np.float64)
    return Series("y", np.arange(y.size, dtype=np.float64) if steps is None else np.asarray(steps, np.float64), y)


def rows(*args: object, **options: object) -> list[str]:
    picture = draw(*args, **{"glyphs": ASCII, "width": 40, **options})  # type: ignore[arg-type]
    assert picture is not None
    return list(picture.rows)


def test_a_falling_line_falls() -> None:
    assert rows(series(np.linspace(6.0, 0.0, 200)), height=4, width=22) == [
        "6 |***",
        "  |  ********",
        "3 |         *******",
        "0 |               ***",
        "  +------------------",
        "   0         step 199",
    ]


def test_a_single_spike_among_a_million_points_is_seen() -> None:
    values = np.ones(1_000_000)
    values[700_000] = 50.0
    drawn = rows(series(values), marks=[700_000.0], width=76)
    assert drawn[0].lstrip().startswith("50 |")
    assert drawn[0].index("*") == drawn[-2].index("^")
    assert "700000" in drawn[-1]


def test_a_few_points_are_joined() -> None:
    drawn = rows(series([0.0, 1.0], steps=[0.0, 10.0]), height=4)
    body = [line[6:] for line in drawn[:4]]
    assert all(any(line[i : i + 1] == "*" for line in body) for i in range(30))


def test_nothing_joins_the_points_across_a_nan() -> None:
    drawn = rows(series([1.0, 1.0, np.nan, 1.0, 1.0]))
    assert "x" in drawn[-2]
    assert " " in drawn[3].split("|")[1].strip()


def test_a_nan_tail_is_marked_to_its_end() -> None:
    drawn = rows(series([2.0, 1.0, np.nan, np.nan, np.nan]))
    assert "xxxxx" in drawn[-2]
    assert drawn[-2].rstrip().endswith("x")


def test_a_finding_without_marks_is_underlined() -> None:
    drawn = rows(series(np.arange(100.0)), steps=(50.0, 99.0))
    assert drawn[-2].strip().startswith("^---")
    assert drawn[-2].strip().endswith("---^")


def test_more_than_three_decades_are_logarithmic() -> None:
    wide = draw(series(np.logspace(0, 6, 100)), labels=("loss", ""), glyphs=ASCII)
    assert wide is not None
    assert "log scale" in wide.legend
    assert "1000 |" in wide.rows[3]
    narrow = draw(series(np.linspace(1.0, 900.0, 100)), labels=("loss", ""), glyphs=ASCII)
    assert narrow is not None
    assert "log scale" not in narrow.legend


def test_a_second_curve_of_another_kind_has_a_scale_at_the_right() -> None:
    picture = draw(
        series(np.linspace(3.0, 1.0, 50)),
        series(np.linspace(0.25, 0.75, 50)),
        labels=("train_loss", "val_accuracy"),
        shared_scale=False,
        glyphs=ASCII,
    )
    assert picture is not None
    assert picture.legend == "*** train_loss (left)   ... val_accuracy (right)"
    assert picture.rows[0].endswith(" 0.75")
    assert picture.rows[6].endswith(" 0.25")


def test_a_second_curve_without_finite_values_is_left_out() -> None:
    picture = draw(series([3.0, 2.0, 1.0]), series([np.nan] * 3), labels=("train_loss", "val_loss"))
    assert picture is not None
    assert "val_loss" not in picture.legend


def test_there_is_no_picture_of_nothing() -> None:
    assert draw(series([np.nan, np.inf])) is None
    assert draw(series([1.0, 2.0]), width=12) is None


def test_the_words_say_what_the_picture_shows() -> None:
    words = describe(series([3.0, 1.0, np.nan, 2.0]), "epoch")
    assert words == (
        "starts at 3 at epoch 0, lowest 1 at epoch 1, highest 3 at epoch 0, ends at 2 at epoch 3; "
        "1 of 4 values are not finite"
    )


@given(
    values=hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(width=64)),
    other=st.booleans(),
    shared=st.booleans(),
    glyphs=st.sampled_from([ASCII, BRAILLE]),
    width=st.integers(40, 100),
    marks=st.lists(st.floats(-1e6, 1e6), max_size=3),
)
@pytest.mark.filterwarnings("error")
def test_any_curve_can_be_drawn(
    values: Array, other: bool, shared: bool, glyphs: Glyphs, width: int, marks: list[float]
) -> None:
    second = series(values[::-1].copy()) if other else None
    picture = draw(series(values), second, marks=marks, shared_scale=shared, glyphs=glyphs, width=width)
    if picture is None:
        return
    assert len(picture.rows) in (9, 10)
    assert max(map(len, picture.rows)) <= width
    assert all(row.isascii() for row in picture.rows) or glyphs is BRAILLE
