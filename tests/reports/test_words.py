from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.reports.words import number, one_line, span, visible


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (100000.0, "100000"),
        (1e9, "1000000000"),
        (0.00001, "1e-05"),
        (0.000123456, "0.0001235"),
        (0.5, "0.5"),
        (38.2149, "38.21"),
        (12345.678, "12346"),
        (1.23456e20, "1.235e+20"),
        (-2.5, "-2.5"),
        (99.9999, "100"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_four_digits_and_counts_all_of_theirs(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_number_reads_back_as_nearly_itself(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=1e-3, abs=1e-300)


def test_steps_are_named_by_the_axis() -> None:
    assert span((31.0, 99.0), "epoch") == "epochs 31-99"
    assert span((120000.0, 120000.0), "step") == "step 120000"


@given(st.text())
def test_visible_text_is_on_one_line_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
    assert "\x1b" not in shown


def test_ordinary_names_are_left_alone() -> None:
    assert visible("val/loss (\N{GREEK SMALL LETTER SIGMA})") == "val/loss (\N{GREEK SMALL LETTER SIGMA})"
    assert one_line("a\n  b\tc") == "a b c"
