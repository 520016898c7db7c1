"""The table of rates beside the rules: whole, of rules that are there, and on their pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from diagnose import rates
from diagnose.errors import TableError
from diagnose.judging.installed import known_rules
from diagnose.judging.needs import needs, thresholds_of
from diagnose.reports.manual import Manual
from diagnose.reports.rule_page import rule_page
from tests.conftest import ROOT


def test_the_table_is_of_rules_that_are_there() -> None:
    rows = rates.read(ROOT / "rules" / rates.TABLE)
    assert {row.rule for row in rows} <= set(known_rules())
    assert {row.noise for row in rows} == {0.02, 0.05, 0.1}


def test_a_page_tells_the_rates_of_its_rule() -> None:
    rule = known_rules()["overfitting"]
    page = rule_page(Manual(rule, needs(rule), thresholds_of(rule), [], []), [])
    assert page.count("| 100 % |") == len(rates.of_rule(rule.check)) == 3


def test_a_table_that_is_read_is_the_one_that_was_written(tmp_path: Path) -> None:
    rows = (rates.Measured("a", 10, 0.02, 1.0, 0.0), rates.Measured("b", 10, 0.02, 0.95, 0.01))
    rates.write(reversed(rows), tmp_path / "rates.csv")
    assert rates.read(tmp_path / "rates.csv") == rows


@pytest.mark.parametrize("text", ["", "rule,noise\n", ",".join(rates.Measured._fields) + "\na,b,0.02,1,0\n"])
def test_what_is_no_such_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=r"seeded_rates\.py --write"):
        rates.read(path)
