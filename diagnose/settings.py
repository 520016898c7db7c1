"""Settings of a project: `[tool.diagnose]` in pyproject.toml, or diagnose.toml with the same keys and no prefix.

    [tool.diagnose]
    select = ["overfitting", "loss-spike"]         # only these rules
    ignore = ["non-convergence"]                   # not these
    fail-on = "error"                              # note, warning, error or never
    map = { train_loss = "my_loss" }               # role -> column
    baseline = ["runs/good"]                       # earlier runs, relative to this file
    per-file-ignores = { "warmup/*" = ["loss-spike"] }
    limits = { unpacked-bytes = 2_000_000_000 }    # see diagnose/limits.py

    [tool.diagnose.rules.overfitting]
    gl_warning = 10.0                              # thresholds, as `diagnose explain overfitting` lists them

The file is the nearest one upward from the working directory; where there is none, upward from the first source. In
one directory diagnose.toml goes before pyproject.toml. A pyproject.toml without `[tool.diagnose]` is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diagnose import files, limits
from diagnose.errors import SettingsError, unknown
from diagnose.limits import Limits

FAIL_ON = ("note", "warning", "error", "never")
"""Values of `fail-on`: the lowest severity that makes the exit code 1."""

_KEYS = ("select", "ignore", "fail-on", "map", "baseline", "per-file-ignores", "limits", "rules")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a project wants judged, and how.

    select: ids of the rules to apply; None for all. The name of a group stands for its rules, here as below.
    ignore: ids of the rules to leave out.
    fail_on: one of `FAIL_ON`; None where the file does not say.
    map: role -> column name.
    baseline: paths or patterns of earlier runs, relative to `root`.
    per_file_ignores: glob, relative to `root` -> ids of the rules to leave out for the sources it matches.
    thresholds: rule id -> threshold -> value.
    limits: limit, as `diagnose.limits.NAMES` has it -> value.
    root: directory of the settings file; None where there is none.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    fail_on: str | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    baseline: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    root: Path | None = None

    def baseline_paths(self) -> list[str]:
        """The baseline as paths that hold from the working directory."""
        root = self.root or Path()
        return [str(root / path) for path in self.baseline]

    def limited(self) -> Limits:
        """The limits of `diagnose.limits`, with those that the settings change."""
        return limits.changed(self.limits)

    def ignored_for(self, source: str) -> frozenset[str]:
        """Ids of the rules that `per_file_ignores` leaves out for a source; `*` in a glob also crosses `/`."""
        if not self.per_file_ignores:
            return frozenset()
        from fnmatch import fnmatchcase

        path = Path(source).absolute()
        names = [path.name]
        if self.root is not None and path.is_relative_to(self.root):
            names.append(path.relative_to(self.root).as_posix())
        return frozenset(
            rule
            for pattern, rules in self.per_file_ignores.items()
            if any(fnmatchcase(name, pattern) for name in names)
            for rule in rules
        )


def check_rules(names: Iterable[str], groups: Mapping[str, str]) -> tuple[str, ...]:
    """The ids as a tuple, with those of a group in the place of its name. Raises SettingsError for another name.

    groups: id of every rule -> its group (see `diagnose.rule.GROUPS`).
    """
    found: list[str] = []
    for name in names:
        members = [rule for rule, group in groups.items() if name in (rule, group)]
        if not members:
            raise SettingsError(unknown("rule", name, (*groups, *dict.fromkeys(groups.values()))))
        found += members
    return tuple(found)


def check_thresholds(
    values: Mapping[str, Mapping[str, Any]], rules: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The thresholds with each value in the type of its default. Raises SettingsError for what no rule has."""
    return {
        _known("rule", rule, rules): {
            _known(f"threshold of {rule}", name, rules[rule]): _like(value, rules[rule][name], f"rules.{rule}.{name}")
            for name, value in of_rule.items()
        }
        for rule, of_rule in values.items()
    }


def find(source: str | None = None) -> Path | None:
    """The settings file that applies; None where there is none. Raises SettingsError where one is no TOML.

    source: the first source, whose directories are searched after those above the working directory.
    """
    starts = [Path.cwd()]
    if source is not None and Path(source).exists():
        starts.append(Path(source).absolute())
    for start in starts:
        for folder in (start, *start.parents):
            for name in ("diagnose.toml", "pyproject.toml"):
                path = folder / name
                if path.is_file() and (name == "diagnose.toml" or _table(path)):
                    return path
    return None


def begin(folder: Path) -> tuple[Path, str]:
    """The pyproject.toml of a directory, and its text with a commented `[tool.diagnose]` behind what it holds.

    Raises SettingsError where there are settings already, or where the file holds no TOML that a table can follow.
    """
    path = folder / "pyproject.toml"
    other = folder / "diagnose.toml"
    if other.exists():
        raise SettingsError(f"{other}: holds the settings already, and goes before pyproject.toml")
    text = ""
    if path.exists():
        tool = _parsed(path).get("tool", {})
        if isinstance(tool, dict) and "diagnose" in tool:
            raise SettingsError(f"{path}: holds [tool.diagnose] already")
        text = files.content(path, limits.current().config_bytes).decode("utf-8")
    end = "\r\n" if "\r\n" in text else "\n"
    before = text.rstrip() + 2 * end if text.strip() else ""
    written = before + end.join(template()) + end
    import tomllib

    try:
        tomllib.loads(written)
    except ValueError as error:
        raise SettingsError(f"{path}: [tool.diagnose] cannot be put behind what it holds ({error})") from error
    return path, written


def template() -> list[str]:
    """The lines of a `[tool.diagnose]` that sets nothing: the example at the head of this module, as comments."""
    import inspect  # its import costs a part of what `--version` takes

    page = inspect.cleandoc(__doc__ or "").splitlines()
    table, *example = [line.strip() for line in page if line.startswith("    ") or not line][1:]
    said = "# Examples: take away the mark of those that you want. `diagnose rules` lists the rules."
    while not example[-1]:
        example.pop()
    return [table, said, *(f"# {line}".rstrip() for line in example)]


def load(
    path: Path, *, rules: Mapping[str, Mapping[str, Any]], groups: Mapping[str, str], roles: Collection[str]
) -> Settings:
    """Read a settings file.

    rules: id of every rule -> its thresholds and their defaults.
    groups: id of every rule -> its group.
    roles: the canonical names that `map` may use.
    Raises SettingsError for an unknown key, rule, threshold or role and for a value of the wrong type.
    """
    prefix = "" if path.name == "diagnose.toml" else "tool.diagnose."
    table = _table(path)
    try:
        return _settings(table, path.parent, rules, groups, roles)
    except SettingsError as error:
        raise SettingsError(f"{path}: {prefix}{error}") from None


def _settings(
    table: Mapping[str, Any],
    root: Path,
    rules: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, str],
    roles: Collection[str],
) -> Settings:
    for key in table:
        if key not in _KEYS:
            raise SettingsError(f"{key}: {unknown('setting', key, _KEYS)}")
    fail_on = table.get("fail-on")
    if fail_on is not None and fail_on not in FAIL_ON:
        raise SettingsError(f"fail-on: {unknown('level', str(fail_on), FAIL_ON)}")
    mapping = _mapping(table, "map")
    for role, column in mapping.items():
        if role not in roles:
            raise SettingsError(f"map.{role}: {unknown('role', role, roles)}")
        if not isinstance(column, str):
            raise SettingsError(f"map.{role}: must be the name of a column, not {column!r}")
    of_rules = _mapping(table, "rules")
    for rule, values in of_rules.items():
        if not isinstance(values, dict):
            raise SettingsError(f"rules.{rule}: must be a table of thresholds, not {values!r}")
    try:
        thresholds = check_thresholds(of_rules, rules)
    except SettingsError as error:
        raise SettingsError(f"rules: {error}") from None
    return Settings(
        select=_rules(table["select"], "select", groups) if "select" in table else None,
        ignore=_rules(table.get("ignore", []), "ignore", groups),
        fail_on=fail_on,
        map=mapping,
        baseline=_baseline(_paths(table.get("baseline", []), "baseline"), root),
        per_file_ignores={
            glob: _rules(ids, f"per-file-ignores.{glob!r}", groups)
            for glob, ids in _mapping(table, "per-file-ignores").items()
        },
        thresholds=thresholds,
        limits=_limits(table),
        root=root,
    )


def _paths(value: Any, key: str) -> tuple[str, ...]:
    """One path, or a list of them."""
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SettingsError(f"{key}: must be a path or a list of paths, not {value!r}")
    return tuple(paths)


def _baseline(paths: tuple[str, ...], root: Path) -> tuple[str, ...]:
    """The paths. Raises SettingsError for one that takes in the folders above the settings, such as `/**`."""
    here = root.resolve()
    for path in paths:
        fixed = (root / _fixed(path)).resolve()
        if fixed != here and here.is_relative_to(fixed):
            raise SettingsError(f"baseline: {path!r} takes in the folders above this file; name a folder of runs")
    return paths


def _fixed(pattern: str) -> Path:
    """The path up to the first part that is a pattern."""
    from glob import has_magic
    from itertools import takewhile

    return Path(*takewhile(lambda part: not has_magic(part), Path(pattern).parts))


def _limits(table: Mapping[str, Any]) -> dict[str, float]:
    """The limits that are changed. Raises SettingsError for an unknown one, or what is no positive number."""
    found = _mapping(table, "limits")
    for name, value in found.items():
        if name not in limits.NAMES:
            raise SettingsError(f"limits.{name}: {unknown('limit', name, limits.NAMES)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise SettingsError(f"limits.{name}: must be a positive number, not {value!r}")
    return found


def _table(path: Path) -> dict[str, Any]:
    """The table of settings in a file; empty where pyproject.toml has none."""
    try:
        data = files.content(path, limits.current().config_bytes)
        if path.name == "pyproject.toml" and b"diagnose" not in data:
            return {}
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    parsed = _parsed(path, data)
    if path.name == "pyproject.toml":
        parsed = parsed.get("tool", {}).get("diagnose", {})
    if not isinstance(parsed, dict):
        raise SettingsError(f"{path}: tool.diagnose must be a table, not {parsed!r}")
    return parsed


def _parsed(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """A file as TOML; `data` where it was read already."""
    import tomllib

    try:
        content = files.content(path, limits.current().config_bytes) if data is None else data
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise SettingsError(f"{path}: is nested too deeply") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # no UTF-8, or no TOML
        raise SettingsError(f"{path}: {error}") from error


def _mapping(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise SettingsError(f"{key}: must be a table, not {value!r}")
    return value


def _rules(value: Any, key: str, groups: Mapping[str, str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SettingsError(f"{key}: must be a list of rule ids, not {value!r}")
    try:
        return check_rules(value, groups)
    except SettingsError as error:
        raise SettingsError(f"{key}: {error}") from None


def _known(what: str, name: str, valid: Collection[str]) -> str:
    if name not in valid:
        raise SettingsError(unknown(what, name, valid))
    return name


def _like(value: Any, default: Any, where: str) -> Any:
    """The value in the type of the default: an integer serves as a float, a list as a tuple."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(_like(item, default[0], where) if default else item for item in value)
    if default is None or type(value) is type(default):
        return value
    raise SettingsError(
        f"{where}: must be of type {type(default).__name__} like its default {default!r}, not {value!r}"
    )
