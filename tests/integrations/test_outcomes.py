"""What became of a run, written as JSON and read back: nothing is lost, whatever fields the values come to have."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Array, Run, Series
from diagnose.integrations.wandb import outcomes
from diagnose.judging.source import Outcome, Wanted, outcome_of
from diagnose.report import Report
from diagnose.reports import json as contract
from diagnose.reports.context import Context
from diagnose.rule import Action, Change, Diagnosis, Evidence, Finding, NotJudged, Recommendation
from diagnose.trials import Tally


def back(outcome: Outcome) -> Outcome:
    """The outcome as it comes back from a file."""
    document, beside = (json.loads(json.dumps(part)) for part in outcomes.written(outcome))
    return outcomes.read(document, beside)


def same(one: Any, two: Any) -> bool:
    """Whether two values are alike in every field; 1 is not 1.0, and NaN is NaN."""
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=True)
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(two, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, Mapping):
        return list(one) == list(two) and all(same(one[name], two[name]) for name in one)
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    return bool(one == two) or (one != one and two != two)


VALUES = iter(range(1_000_000, 0, -1))
"""Numbers of which no two fields have the same; falling, so that fewer trials are resolved than were made."""

FLOATS = (0.25, math.inf, -math.inf, -0.0, 3.0, 1e-300)


def filled(hint: Any) -> Any:
    """A value of a type, with every field set to something that is not its default, and no two alike."""
    origin, arguments, number = typing.get_origin(hint), typing.get_args(hint), next(VALUES)
    if origin in (typing.Union, types.UnionType):
        return filled(next(part for part in arguments if part is not types.NoneType))
    if origin is tuple and arguments[-1] is not Ellipsis:
        return tuple(filled(part) for part in arguments)
    if origin in (tuple, list):
        item = arguments[0]
        union = typing.get_origin(item) in (typing.Union, types.UnionType)
        return origin([filled(kind) for kind in (typing.get_args(item) if union else (item, item))])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {f"key {number}": filled(arguments[1]), "\udcff": filled(arguments[1])}
    if hint == Array:
        return np.array([number, np.nan, np.inf])
    if hint is Any:
        return [number, True, None, 0.5, "word", {"nested": [1, 1.0]}]
    if dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
        hints = typing.get_type_hints(hint)
        names = [f.name for f in dataclasses.fields(hint)] if dataclasses.is_dataclass(hint) else hint._fields
        return hint(**{name: filled(hints[name]) for name in names})
    if issubclass(hint, Enum):
        return list(hint)[-1]
    known = {str: f"text {number} \u00e9 \udcff", int: number, bool: True, float: FLOATS[number % len(FLOATS)]}
    return known[hint]


def values_in(value: Any) -> Iterator[Any]:
    """The value and all that it holds."""
    yield value
    if dataclasses.is_dataclass(value):
        parts = [getattr(value, f.name) for f in dataclasses.fields(value)]
    else:
        parts = list(value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ())
    for part in parts:
        yield from values_in(part)


@pytest.fixture
def full() -> Outcome:
    """An outcome in which every field of every value is set."""
    found: Outcome = filled(Outcome)
    return found


def test_every_field_of_every_value_comes_back(full: Outcome) -> None:
    kinds = {type(value) for value in values_in(full)}
    assert {Diagnosis, Run, Series, Finding, Evidence, Recommendation, Tally, NotJudged, Outcome} <= kinds
    assert {Change, Action} <= kinds
    for value in values_in(full):
        for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
            assert not same(getattr(value, field.name), field.default), (type(value), field.name)
    assert same(back(full), full)


def test_one_field_alone_comes_back(full: Outcome) -> None:
    """What stands at its default may be what the document says, or not."""
    for name in Outcome._fields:
        plain = Outcome([], [])._replace(**{name: getattr(full, name)})
        assert same(back(plain), plain)
    for field in dataclasses.fields(Finding):
        bare = Finding(full.diagnoses[0].findings[0].severity, 0.5, "", "", (1.0, 2.0), ())
        finding = dataclasses.replace(bare, **{field.name: getattr(full.diagnoses[0].findings[0], field.name)})
        run = Run("", {})
        plain = Outcome([Diagnosis(run, (finding, bare), (), ())], [])
        assert same(back(plain), plain), field.name


@pytest.mark.parametrize(
    "value", [31, 31.0, np.float64(0.1), np.float32(0.5), np.int64(7), math.nan, True], ids=lambda v: repr(v)
)
def test_a_number_stays_what_it_is(value: Any) -> None:
    finding = Finding(filled(Finding).severity, value, "", "", (value, 2.0), (), (Evidence("a", value, value),))
    [diagnosis] = back(Outcome([Diagnosis(Run("", {}), (finding,), (), ())], [])).diagnoses
    plain = value.item() if isinstance(value, np.generic) else value
    for number in (diagnosis.findings[0].confidence, diagnosis.findings[0].steps[0]):
        assert same(number, plain)
    assert same(diagnosis.findings[0].evidence[0], Evidence("a", plain, plain))


def test_a_judged_run_comes_back_and_its_document_is_the_report() -> None:
    wanted = dataclasses.replace(Wanted.of().without_baseline(), keep="drawn", compare=True)
    for made in (synthetic.overfit, synthetic.spiky, synthetic.healthy):
        outcome = outcome_of(lambda made=made: [made()], wanted)
        document, beside = outcomes.written(outcome)
        assert document["runs"] == contract.document(Report(tuple(outcome.diagnoses)), Context())["runs"]
        assert same(back(outcome), outcome)
        [rest] = beside["diagnoses"]
        assert not {"judged", "milestone", "not_judged"} & set(rest)  # of which the document says everything


def test_a_type_that_json_cannot_hold_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"set\[str\] cannot be remembered"):
        outcomes._form(set[str])


def test_what_may_be_absent_is_so_within_a_sequence() -> None:
    form = outcomes._form(tuple[Evidence | None, ...])
    value = (None, Evidence("a", 1.0), None)
    beside = json.loads(json.dumps(form.beside(value, [None, {"statistic": "a", "value": 1.0}, None])))
    assert form.read([None, {"statistic": "a", "value": 1.0}, None], beside) == value
