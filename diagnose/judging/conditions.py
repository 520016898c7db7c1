"""What a rule compared on a run, out of the rule's own source.

    witness = witness_of(rule)                     # None where the source is not at hand
    found, conditions = witness.judge(given, thresholds)

A witness is the rule's check compiled once more from its own file, in which every comparison that decides something
also notes its two sides. It judges as the rule does, by the same statements; the rule itself stays as it is, and
judging costs nothing more where nobody asks why.

What a comparison is needed to be follows from where it stands: one that leads to `return None`, to `continue` or to
CannotJudge has to be false for a finding, one that leads to a finding has to be true, and any other is told as it is.
"""

from __future__ import annotations

import ast
import functools
import inspect
import io
import math
import operator
import re
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from diagnose.judging.needs import thresholds_of
from diagnose.rule import CannotJudge, Condition, Finding, Rule

_COMPARED, _DECIDED = "__compared__", "__decided__"
"""Names of the two hooks in the module of a witness."""

_OPERATORS: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}
"""Comparisons of amounts; any other is told by its source alone."""

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CALL = dict(_OPERATORS.values())


@dataclass(frozen=True, slots=True)
class _Site:
    """A comparison, or another decision, in the source of a rule.

    code, measured: the source of it, and of the side that is measured. line: from 1.
    symbol: of the comparison; "" for what is no comparison of amounts.
    wanted: what it has to be for a finding; None where either may lead to one.
    test: index of the whole test that it is a part of; -1 outside of one.
    thresholds: the names of the rule's thresholds on one side.
    flipped: whether that is the left side. scaled: whether it stands there times something that was measured.
    bare: whether that side is in the unit of the threshold.
    """

    code: str
    measured: str
    line: int
    symbol: str
    wanted: bool | None
    test: int
    thresholds: tuple[str, ...] = ()
    flipped: bool = False
    scaled: bool = False
    bare: bool = False


class _Note(NamedTuple):
    """What a site saw: both sides as numbers (NaN where they are none), and what came out."""

    value: float
    limit: float
    result: bool
    among: int = 1
    times: int = 1


class Witness:
    """The check of one rule, compiled so that it notes its comparisons."""

    def __init__(self, rule: Rule, module: ModuleType) -> None:
        source = inspect.getsource(module)
        tree = ast.parse(source)
        marked = _Marked(_thresholds_in(tree, rule.check.__name__, tuple(thresholds_of(rule))))
        tree = ast.fix_missing_locations(marked.visit(tree))
        self._rule, self._sites, self._units = rule, marked.sites, _units(source, rule.check.__name__)
        self._seen: dict[int, _Note] = {}
        self._tests: dict[int, bool] = {}
        names = {
            "__name__": module.__name__,
            "__file__": module.__file__,
            _COMPARED: self._compared,
            _DECIDED: self._decided,
        }
        exec(compile(tree, module.__file__ or "<rule>", "exec"), names)
        self._check: Callable[..., Finding | None] = names[rule.check.__name__]  # type: ignore[assignment]

    def judge(
        self, given: Mapping[str, Any], thresholds: Mapping[str, Any]
    ) -> tuple[Finding | CannotJudge | None, tuple[Condition, ...]]:
        """What the check finds, or why it cannot judge, and its conditions in the order in which they were asked.

        given: the arguments of the check. thresholds: those that are not the rule's own.
        """
        self._seen.clear()
        self._tests.clear()
        found: Finding | CannotJudge | None
        try:
            found = self._check(**given, **thresholds)
        except CannotJudge as outcome:
            found = outcome
        values = {**thresholds_of(self._rule), **thresholds}
        last = -1 if isinstance(found, Finding) else next((i for i in reversed(self._tests) if self._ended(i)), -1)
        return found, tuple(self._condition(index, note, values, last) for index, note in self._seen.items())

    def _ended(self, test: int) -> bool:
        """Whether a whole test came out so that it leads to no finding."""
        wanted = self._sites[test].wanted
        return wanted is not None and self._tests[test] != wanted

    def _compared(self, index: int, left: Any, right: Any) -> Any:
        """The comparison at a site, noted; the last one counts where it is made several times."""
        site = self._sites[index]
        result = _CALL[site.symbol](left, right)
        self._note(index, _noted(left, right, site.symbol, result))
        return result

    def _note(self, index: int, note: _Note) -> None:
        """Keep what a site saw the last time, in the order of the last times."""
        before = self._seen.pop(index, None)
        self._seen[index] = note if before is None else note._replace(times=before.times + 1)

    def _decided(self, index: int, result: Any) -> Any:
        """What is no comparison of amounts, or a whole test, noted."""
        truth = bool(result)
        if self._sites[index].test == index:
            self._tests.pop(index, None)
            self._tests[index] = truth
        else:
            self._note(index, _Note(math.nan, math.nan, truth))
        return result

    def _condition(self, index: int, note: _Note, thresholds: Mapping[str, Any], last: int) -> Condition:
        site = self._sites[index]
        value, limit = (note.limit, note.value) if site.flipped else (note.value, note.limit)
        symbol = _MIRRORED[site.symbol] if site.flipped else site.symbol
        named = [name for name in site.thresholds if thresholds[name] == limit] or [*site.thresholds, ""]
        threshold = named[0]
        own = thresholds.get(threshold)
        known = isinstance(own, int | float) and not isinstance(own, bool)
        if site.scaled and known and own and limit / own > 0.0:
            value, limit = value / (limit / own), float(own)
        factor, unit = _scale(self._units.get(threshold, "")) if site.bare or site.scaled else (1.0, "")
        measures = self._rule.measures
        against = site.wanted is not None and note.result != site.wanted
        return Condition(
            code=site.code,
            line=site.line,
            measured=site.measured,
            words=measures.get(threshold) or measures.get(site.measured, ""),
            threshold=threshold,
            value=value * factor,
            limit=limit * factor,
            unit=unit,
            needed=symbol if site.wanted else _OPPOSITE.get(symbol, "") if site.wanted is False else "",
            result=note.result,
            held=None if site.wanted is None else note.result == site.wanted,
            ended=against and site.test in self._tests and self._ended(site.test),
            decisive=against and site.test == last,
            times=note.times,
            among=note.among,
        )


@functools.cache  # by the function: hashing a rule hashes its manual and its cases
def _module_of(check: Callable[..., Any]) -> ModuleType | None:
    """The module that defines a check by its name, where its source can be read."""
    module = sys.modules.get(getattr(check, "__module__", ""))
    if module is None or getattr(module, getattr(check, "__name__", ""), None) is not check:
        return None
    try:
        inspect.getsource(module)
    except (OSError, TypeError):
        return None
    return module


def witness_of(rule: Rule) -> Witness | None:
    """A witness of the rule, or None where its source is not at hand."""
    module = _module_of(rule.check)
    return None if module is None else Witness(rule, module)


def _noted(left: Any, right: Any, symbol: str, result: Any) -> _Note:
    """Both sides as numbers; of arrays, those of the place that comes nearest to being true."""
    try:
        one, other = np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float))
        apart = (one - other).ravel() * (1.0 if symbol[0] == ">" else -1.0)
        place = int(np.nanargmax(apart))
        return _Note(float(one.ravel()[place]), float(other.ravel()[place]), bool(np.any(result)), apart.size)
    except (TypeError, ValueError):
        return _Note(math.nan, math.nan, bool(np.any(result)))


# --- the source -------------------------------------------------------------------------------------------------------


class _Marked(ast.NodeTransformer):
    """Puts the hooks into a module; `sites` are the places, in the order of the source.

    thresholds: function -> name in it -> the threshold of the rule that goes by it there; "" for names of attributes.
    """

    def __init__(self, thresholds: Mapping[str, Mapping[str, str]]) -> None:
        self.sites: list[_Site] = []
        self._thresholds = thresholds
        self._names: Mapping[str, str] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        outer, self._names = self._names, self._thresholds.get(node.name, self._names)
        node.body = [self.visit(statement) for statement in node.body]
        self._names = outer
        return node

    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self._test(node.test, _leads(node.body[-1]))
        node.body = [self.visit(statement) for statement in node.body]
        node.orelse = [self.visit(statement) for statement in node.orelse]
        return node

    def visit_Return(self, node: ast.Return) -> ast.Return:
        if isinstance(node.value, ast.IfExp):
            chosen = node.value
            nothing = _is_nothing(chosen.body), _is_nothing(chosen.orelse)
            chosen.test = self._test(chosen.test, not nothing[0] if any(nothing) else None)
            chosen.body, chosen.orelse = self.visit(chosen.body), self.visit(chosen.orelse)
            return node
        self.generic_visit(node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """A comparison outside of a test counts where it is with a threshold."""
        threshold = any(self._thresholds_in(side) for side in (node.left, *node.comparators))
        if threshold and len(node.ops) == 1 and type(node.ops[0]) in _OPERATORS:
            return self._comparison(node, None, -1)
        self.generic_visit(node)
        return node

    def _test(self, test: ast.expr, wanted: bool | None) -> ast.expr:
        """A whole test with its parts."""
        index = self._site(test, "", wanted, len(self.sites))
        return _hook(_DECIDED, index, self._part(test, wanted, index))

    def _part(self, node: ast.expr, wanted: bool | None, test: int) -> ast.expr:
        if isinstance(node, ast.BoolOp):
            node.values = [self._part(value, wanted, test) for value in node.values]
            return node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node.operand = self._part(node.operand, None if wanted is None else not wanted, test)
            return node
        if isinstance(node, ast.Compare) and all(type(op) in _OPERATORS for op in node.ops):
            if len(node.ops) == 1:
                return self._comparison(node, wanted, test)
            if all(isinstance(middle, ast.Name | ast.Attribute | ast.Constant) for middle in node.comparators[:-1]):
                return self._part(_apart(node), wanted, test)
        index = self._site(node, "", wanted, test)
        return _hook(_DECIDED, index, self.visit(node))

    def _comparison(self, node: ast.Compare, wanted: bool | None, test: int) -> ast.expr:
        right = self._thresholds_in(node.comparators[0])
        left = () if right else self._thresholds_in(node.left)
        limit, measured = (node.left, node.comparators[0]) if left else (node.comparators[0], node.left)
        index = self._site(
            node,
            _OPERATORS[type(node.ops[0])][0],
            wanted,
            test,
            measured=ast.unparse(measured),
            thresholds=left or right,
            flipped=bool(left),
            scaled=bool(left or right) and self._scaled(limit),
            bare=bool(left or right) and self._bare(limit),
        )
        return _hook(_COMPARED, index, self.visit(node.left), self.visit(node.comparators[0]))

    def _site(self, node: ast.expr, symbol: str, wanted: bool | None, test: int, **more: Any) -> int:
        code = ast.unparse(node)
        self.sites.append(_Site(code, more.pop("measured", code), node.lineno, symbol, wanted, test, **more))
        return len(self.sites) - 1

    def _thresholds_in(self, side: ast.expr) -> tuple[str, ...]:
        """The thresholds that a side is made of."""
        found = {}
        for node in ast.walk(side):
            if isinstance(node, ast.Name) and node.id in self._names:
                found[self._names[node.id]] = True
            if isinstance(node, ast.Attribute) and node.attr in self._thresholds[""]:
                found[node.attr] = True
        return tuple(found)

    def _bare(self, limit: ast.expr) -> bool:
        """Whether a side is a threshold, or some of it, or the larger or smaller of it and another amount."""
        if isinstance(limit, ast.IfExp):
            return self._bare(limit.body) and self._bare(limit.orelse)
        if isinstance(limit, ast.UnaryOp):
            return self._bare(limit.operand)
        if isinstance(limit, ast.Call) and isinstance(limit.func, ast.Name) and limit.func.id in ("max", "min"):
            return any(map(self._bare, limit.args))
        if isinstance(limit, ast.BinOp) and isinstance(limit.op, ast.Mult):
            sides = (limit.left, limit.right)
            return any(isinstance(side, ast.Constant) for side in sides) and any(map(self._bare, sides))
        return isinstance(limit, ast.Name | ast.Attribute) and bool(self._thresholds_in(limit))

    def _scaled(self, limit: ast.expr) -> bool:
        """Whether a threshold stands times something measured: 0.3 of a rise, and not half of 5 percent."""
        factors = [limit.left, limit.right] if isinstance(limit, ast.BinOp) and isinstance(limit.op, ast.Mult) else []
        bare = [factor for factor in factors if isinstance(factor, ast.Name | ast.Attribute)]
        rest = [factor for factor in factors if not self._thresholds_in(factor)]
        return any(map(self._thresholds_in, bare)) and bool(rest) and not isinstance(rest[0], ast.Constant)


def _leads(last: ast.stmt) -> bool | None:
    """What a test has to be for a finding, by the last statement of what it leads to."""
    if isinstance(last, ast.Raise | ast.Continue) or (isinstance(last, ast.Return) and _is_nothing(last.value)):
        return False
    return True if isinstance(last, ast.Return) and _makes_finding(last.value) else None


def _is_nothing(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _makes_finding(value: ast.expr | None) -> bool:
    """Whether a finding is returned, or the values (a class of the rule's own) that one is made of."""
    name = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    return name[:1].isupper() or name == "_finding"


def _apart(chain: ast.Compare) -> ast.expr:
    """`a < b <= c` as `a < b and b <= c`."""
    sides = [chain.left, *chain.comparators]
    pairs = [ast.Compare(sides[i], [op], [sides[i + 1]]) for i, op in enumerate(chain.ops)]
    return ast.copy_location(ast.BoolOp(ast.And(), [ast.copy_location(pair, chain) for pair in pairs]), chain)


def _hook(name: str, index: int, *values: ast.expr) -> ast.expr:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(index), *values], [])
    return ast.copy_location(call, values[0])


def _thresholds_in(tree: ast.Module, check: str, thresholds: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Function -> name in it -> threshold, as the check hands its thresholds on to the functions of its module."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: dict[str, dict[str, str]] = {name: {} for name in functions}
    found[check] = found[""] = {name: name for name in thresholds}
    for _ in range(4):  # as deep as a rule's functions call each other
        for name, function in functions.items():
            for to, parameter, given in _handed_on(function, functions):
                if given in found[name]:
                    found[to].setdefault(parameter, found[name][given])
    return found


def _handed_on(function: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef]) -> Iterator[tuple[str, str, str]]:
    """(called function, its parameter, the name that is handed over) of each call within a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            parameters = [*functions[node.func.id].args.posonlyargs, *functions[node.func.id].args.args]
            given = [(p.arg, value) for p, value in zip(parameters, node.args, strict=False)]
            given += [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg]
            yield from ((node.func.id, name, value.id) for name, value in given if isinstance(value, ast.Name))


def _units(source: str, check: str) -> dict[str, str]:
    """Threshold -> its unit: the beginning of the comment beside it in the signature of the check."""
    function = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == check)
    lines = {parameter.lineno: parameter.arg for parameter in function.args.kwonlyargs}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        lines[token.start[0]]: token.string.lstrip("# ").partition(";")[0]
        for token in tokens
        if token.type == tokenize.COMMENT and token.start[0] in lines
    }


def _scale(unit: str) -> tuple[float, str]:
    """(factor, unit as it is said): a share `of the improvement` is told in percent of it."""
    unit = unit.partition(",")[0].partition(":")[0].strip()
    if unit.startswith("of "):
        return 100.0, f"% {unit}"
    if unit == "percent":
        return 1.0, "%"
    return 1.0, unit if _UNITS.search(unit) else ""


_UNITS = re.compile(
    r"^times |^(local )?standard (deviations|errors)|^orders of magnitude"
    r"|^(examples|pixels|inputs|points|epochs|steps)$"
)
"""Comments beside thresholds that begin with a unit."""
