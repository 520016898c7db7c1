"""Curves that are handed over as Python values: `history.history` of Keras, or a list of what was logged each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diagnose.readers.formats import json_history
from diagnose.readers.tables.table import Table

FORMAT = "python-values"


def is_values(source: Any) -> bool:
    """Whether a source is a mapping of curves, or a sequence of mappings of numbers: the curves themselves."""
    if isinstance(source, Mapping):
        return True
    return isinstance(source, list | tuple) and bool(source) and all(map(_is_record, source))


def from_values(source: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Table]:
    """The tables of the runs in the values. Raises ReadError where they hold no curve."""
    return json_history.of_value(_plain(source), FORMAT)


def _is_record(item: Any) -> bool:
    """Whether an item is what one call logged; a mapping of curves is a run of its own."""
    return isinstance(item, Mapping) and not any(isinstance(_plain(value), list) for value in item.values())


def _plain(value: Any) -> Any:
    """A value as JSON has it: NumPy arrays, tensors and their scalars become lists and numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.tolist() if hasattr(value, "tolist") else value
