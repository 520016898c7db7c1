"""What became of a run as JSON, and back: what the report for other programs says of it, and beside that the rest.

document, beside = written(outcome)                      # plain dicts, lists, strings, numbers and None
read(document, beside)                                   # the outcome again

`document` is what `--format json` gives. `beside` has the shape of the outcome, field by field, without the fields of
which the document says exactly what they are; an audit needs more than those: the curves that a finding draws, the
configuration, what the runs are compared by. So a field is kept however new it is, whether the report tells it or not,
and nothing but the values of this program is ever made. Numbers stay what they are, NaN among them; curves are base64
of 64-bit floats.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from diagnose.curves import Array, Run
from diagnose.judging.source import Outcome
from diagnose.report import Report
from diagnose.reports import json as contract
from diagnose.reports.context import Context
from diagnose.rule import Diagnosis, Finding, NotJudged, Recommendation
from diagnose.trials import Tally

ABSENT: Any = object()
"""What stands beside a value of which the document says everything."""

HERE: Any = object()
"""In place of the key of a value whose fields the document has among those of the value that holds it."""

_TOLD_AS: Mapping[tuple[Any, str], Any] = {
    (Outcome, "diagnoses"): "runs",
    (Diagnosis, "run"): HERE,
    (Run, "logged"): "points",
    (Finding, "recommendations"): "fixes",
    (Recommendation, "tally"): HERE,
}
"""Where the document has another name for a field."""

_COMMON = (NotJudged, Recommendation, Tally)
"""What many runs have in common, and is made once for all of them: half of what is read."""

_PLAIN = (str, int, float, bool, types.NoneType, Any)


def written(outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document of the report, and what must stand beside it."""
    document = contract.document(Report(tuple(outcome.diagnoses)), Context())
    beside: dict[str, Any] = _form(Outcome).beside(outcome, document)
    return document, beside


def read(document: Any, beside: Any) -> Outcome:
    """The outcome out of its two parts, as JSON gave them back. Raises whatever parts that are damaged lead to."""
    found: Outcome = _form(Outcome).read(document, beside)
    return found


class _Form(NamedTuple):
    """How values of one type are written.

    beside: value and what the document says of it (None: nothing) -> what must stand beside it, or ABSENT.
    read: what the document says, and what stands beside it -> the value.
    has_fields: whether a value has fields, so that a part of it may stand in the document and the rest beside it.
    """

    beside: Callable[[Any, Any], Any]
    read: Callable[[Any, Any], Any]
    has_fields: bool = False


@functools.cache
def _form(hint: Any) -> _Form:
    """How to write what a type hint allows. Raises TypeError where it allows what JSON cannot hold."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _simple(_number)
    if origin in (typing.Union, types.UnionType):
        if all(part in _PLAIN for part in arguments):
            return _form(Any)
        parts = tuple(part for part in arguments if part is not types.NoneType)
        inner = _form(parts[0]) if len(parts) == 1 else _choice(parts)
        return _optional(inner) if len(parts) < len(arguments) else inner
    if origin in (tuple, list):
        return _sequence(origin, arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(_form(arguments[1]))
    if hint == Array:
        return _simple(_coded, _array)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _simple(lambda value: value.value, hint)
    if dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
        return _value(hint)
    raise TypeError(f"{hint} cannot be remembered")


def _simple(to_json: Callable[[Any], Any], from_json: Callable[[Any], Any] | None = None) -> _Form:
    """What is one thing in JSON, too. from_json: None where it is the value itself."""

    def beside(value: Any, said: Any) -> Any:
        plain = to_json(value)
        return ABSENT if _same(plain, said) else plain

    if from_json is None:
        return _Form(beside, _as_it_is)
    return _Form(beside, lambda said, beside: from_json(_as_it_is(said, beside)))


def _as_it_is(said: Any, beside: Any) -> Any:
    """What stands beside, else what the document says."""
    return said if beside is ABSENT else beside


def _value(kind: Any) -> _Form:
    """A dataclass or a named tuple: a dict by field."""
    hints = typing.get_type_hints(kind)
    fields = [(name, _TOLD_AS.get((kind, name), name), _form(hints[name])) for name in _names(kind)]
    keys = [key for _, key, _ in fields]
    simple = all(form.read is _as_it_is for _, _, form in fields)
    made = functools.lru_cache(maxsize=4096, typed=True)(kind) if kind in _COMMON else kind

    def beside(value: Any, said: Any) -> Any:
        known = said if isinstance(said, dict) else {}
        found = {}
        for name, key, form in fields:
            part = form.beside(getattr(value, name), known if key is HERE else known.get(key))
            if part is not ABSENT:
                found[name] = part
        return found if found or known is not said else ABSENT

    def read(said: Any, beside: Any) -> Any:
        known = said if isinstance(said, dict) else {}
        if beside is ABSENT and simple:
            return made(*map(known.get, keys))
        rest = {} if beside is ABSENT else beside
        return made(
            *[
                rest.get(name, known.get(key))
                if form.read is _as_it_is
                else form.read(known if key is HERE else known.get(key), rest.get(name, ABSENT))
                for name, key, form in fields
            ]
        )

    return _Form(beside, read, has_fields=True)


def _names(kind: Any) -> tuple[str, ...]:
    """The fields in the order in which a value is made of them."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(kind._fields)


def _optional(inner: _Form) -> _Form:
    """None, or what has a form of its own."""

    def beside(value: Any, said: Any) -> Any:
        if value is None:
            return ABSENT if said is None else None
        return inner.beside(value, said)

    def read(said: Any, beside: Any) -> Any:
        if beside is None or (beside is ABSENT and said is None):
            return None
        return inner.read(said, beside)

    return _Form(beside, read)


def _choice(parts: tuple[Any, ...]) -> _Form:
    """One of several types: which of them, by its place, and the value."""
    forms = [_form(part) for part in parts]
    kinds = [typing.get_origin(part) or part for part in parts]

    def to_json(value: Any) -> list[Any]:
        place = kinds.index(type(value))
        return [place, _whole(forms[place], value)]

    return _simple(to_json, lambda plain: forms[plain[0]].read(None, plain[1]))


def _sequence(kind: type, arguments: tuple[Any, ...]) -> _Form:
    """A tuple or a list; where its items have fields, each stands beside what the document says of it."""
    if kind is tuple and arguments[-1] is not Ellipsis:
        forms = [_form(hint) for hint in arguments]
        return _simple(
            lambda value: [_whole(form, item) for form, item in zip(forms, value, strict=True)],
            lambda plain: tuple([form.read(None, item) for form, item in zip(forms, plain, strict=True)]),
        )
    item = _form(arguments[0])
    if not item.has_fields:
        return _simple(
            lambda value: [_whole(item, part) for part in value],
            lambda plain: kind([item.read(None, part) for part in plain]),
        )

    def beside(value: Any, said: Any) -> Any:
        known = said if isinstance(said, list) and len(said) == len(value) else None
        parts = [item.beside(part, one) for part, one in zip(value, known or [None] * len(value), strict=True)]
        if known is not None and all(part is ABSENT for part in parts):
            return ABSENT
        return [{} if part is ABSENT else part for part in parts]

    def read(said: Any, beside: Any) -> Any:
        if beside is ABSENT:
            return kind([item.read(one, ABSENT) for one in said])
        known = said if isinstance(said, list) and len(said) == len(beside) else [None] * len(beside)
        return kind([item.read(one, part) for one, part in zip(known, beside, strict=True)])

    return _Form(beside, read)


def _mapping(item: _Form) -> _Form:
    """Values by name."""
    return _simple(
        lambda value: {name: _whole(item, part) for name, part in value.items()},
        lambda plain: {name: item.read(None, part) for name, part in plain.items()},
    )


def _whole(form: _Form, value: Any) -> Any:
    """All of a value, of which the document says nothing."""
    found = form.beside(value, None)
    return None if found is ABSENT else found


def _same(plain: Any, said: Any) -> bool:
    """Whether two values of JSON are the same text: 1 is not 1.0, and NaN is NaN."""
    if type(plain) is not type(said):
        return False
    return bool(plain == said) if isinstance(plain, str) else repr(plain) == repr(said)


def _number(value: Any) -> Any:
    """A NumPy scalar as the number that it is; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _coded(values: Array) -> str:
    """The bytes of 64-bit floats, as ASCII."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")


@functools.lru_cache(maxsize=256)  # columns of one table have their steps in common, and so have many runs
def _array(text: str) -> Array:
    """`_coded` back; the array cannot be written to."""
    return np.frombuffer(base64.b64decode(text), dtype="<f8")
