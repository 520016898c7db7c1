"""Records to columns: what was logged, what was not, and what is no metric."""

from __future__ import annotations

import json
import math
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.errors import ReadError
from diagnose.names.roles import is_metric_name
from diagnose.readers import tables
from diagnose.readers.tables.records import table_from_records
from diagnose.readers.tables.table import Table


def points(table: Table, name: str) -> list[tuple[int, float]]:
    """(row, value) of the logged cells of one column."""
    column = table.columns[name]
    return [(int(i), float(column.values[i])) for i in np.flatnonzero(column.logged)]


def test_sparse_keys_become_sparse_columns():
    table = table_from_records([{"step": 1, "loss": 2.0}, {"step": 2}, {"step": 3, "loss": 1.0, "acc": 0.5}], "x")
    assert table.rows == 3
    assert list(table.columns) == ["step", "loss", "acc"]
    assert points(table, "loss") == [(0, 2.0), (2, 1.0)]
    assert points(table, "acc") == [(2, 0.5)]


def test_null_is_not_logged_and_nan_is():
    table = table_from_records([{"a": None, "b": 1}, {"a": "NaN", "b": "Infinity"}, {"a": math.nan, "b": "-inf"}], "x")
    assert [row for row, _ in points(table, "a")] == [1, 2]
    assert all(math.isnan(value) for _, value in points(table, "a"))
    assert points(table, "b") == [(0, 1.0), (1, math.inf), (2, -math.inf)]


def test_nested_records_lists_and_media():
    record = {
        "val": {"loss": 0.5, "bbox": {"AP": 0.25}},
        "coco": [0.1, 0.2],
        "empty": [],
        "long": list(range(1000)),
        "gradients": {"_type": "histogram", "values": [1, 2], "bins": [0, 1, 2]},
        "best": True,
    }
    table = table_from_records([record], "x")
    assert list(table.columns) == ["val/loss", "val/bbox/AP", "coco[0]", "coco[1]", "best"]


def test_numbers_in_strings():
    records = [{"acc": "93.1%", "loss": "0.53", "split": "train", "n": "N/A"}, {"acc": "94%", "loss": "4e-2", "n": 3}]
    table = table_from_records(records, "x")
    assert points(table, "acc") == [(0, 93.1), (1, 94.0)]
    assert table.columns["acc"].percent
    assert not table.columns["loss"].percent
    assert points(table, "loss") == [(0, 0.53), (1, 0.04)]
    assert points(table, "n") == [(1, 3.0)]
    assert table.text == {"split": ["train", ""]}


def test_an_axis_and_roles_that_are_not_there_are_dropped():
    table = table_from_records([{"loss": 1}], "x", axis="step", roles={"train_loss": "loss", "val_loss": "val_loss"})
    assert table.axis is None
    assert table.roles == {"train_loss": "loss"}


def test_terminal_escapes_in_keys_are_written_out():
    table = table_from_records([{"\x1b[31mloss": 1}], "x")
    assert list(table.columns) == ["\\x1b[31mloss"]


def test_records_without_a_number_are_refused():
    with pytest.raises(ReadError, match="no number"):
        table_from_records([{"prompt": "a", "completion": "b"}], "x")


def test_a_new_key_in_every_record_is_refused():
    with pytest.raises(ReadError, match="different names"):
        table_from_records(({f"key{i}": i} for i in range(20_000)), "x")


@pytest.mark.parametrize("name", ["loss", "val_acc", "eval/f1", "test_mIoU", "perplexity", "D loss", "reward"])
def test_metric_names(name: str):
    assert is_metric_name(name)


@pytest.mark.parametrize("name", ["loss_weight", "lr", "epoch", "memory", "best_loss", "batch_size"])
def test_other_names(name: str):
    assert not is_metric_name(name)


CELLS = st.none() | st.floats() | st.integers(-(2**53), 2**53)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from(["loss", "val_loss", "acc", "lr", "grad norm", "a/b", "ü"]), CELLS), min_size=2
)


@given(RECORDS)
def test_json_lines_are_read_back_exactly(records: list[dict[str, Any]]):
    written = [(key, row, value) for row, record in enumerate(records) for key, value in record.items()]
    expected = {(key, row): float(value) for key, row, value in written if value is not None}
    text = "".join(json.dumps(record) + "\n" for record in records)
    if not expected:
        with pytest.raises(ReadError):
            tables(BytesIO(text.encode()))
        return
    (table,) = tables(BytesIO(text.encode()))
    assert table.rows == len(records)
    read = {(key, row): value for key in table.columns for row, value in points(table, key)}
    assert read.keys() == expected.keys()
    for cell, value in expected.items():
        assert read[cell] == value or (math.isnan(read[cell]) and math.isnan(value))
