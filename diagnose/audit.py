"""Judges one source or many: reads each, applies the rules, and gathers what was said in a `Report`.

    report = diagnose("run.csv")                    # or several sources, a directory, a pandas DataFrame
    for finding in report.findings:
        print(finding.rule, finding.summary)

Unlike the command line, the function reads no settings file unless it is handed the settings.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from diagnose import config as configuration
from diagnose import settings as project
from diagnose.curves import Run
from diagnose.engine import judge, load_rules, thresholds_of
from diagnose.readers import ReadError, Source, expand, no_log, read
from diagnose.roles import AXES, ROLES
from diagnose.rule import Diagnosis, Finding, Rule
from diagnose.settings import Settings, SettingsError

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, str], None]
"""Called before each source with the number done, the number of all, and the source's name."""


class SourceError(NamedTuple):
    """A source that could not be read, or not be judged at all, and why in one line."""

    source: str
    message: str


@dataclass(frozen=True)
class Report:
    """What `diagnose` says about one source or many.

    diagnoses: one per run, in the order of the sources.
    errors: the sources that could not be read or not be judged at all.
    """

    diagnoses: tuple[Diagnosis, ...] = ()
    errors: tuple[SourceError, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all runs, run after run, worst first within each."""
        return tuple(finding for diagnosis in self.diagnoses for finding in diagnosis.findings)

    def __iter__(self) -> Iterator[Diagnosis]:
        return iter(self.diagnoses)

    def __len__(self) -> int:
        return len(self.diagnoses)

    def __str__(self) -> str:
        from diagnose.reports import text

        return text.render(self.diagnoses) + "".join(f"{source}: {message}\n" for source, message in self.errors)

    def to_frame(self) -> pd.DataFrame:
        """One row per finding: source, run, rule, severity, confidence, first_step, last_step, summary, fix.

        The steps are in the unit of the run's axis; `fix` is the first recommendation, "" where there is none.
        """
        import pandas as pd

        rows = [
            {
                "source": diagnosis.run.source,
                "run": diagnosis.run.name,
                "rule": finding.rule,
                "severity": finding.severity.value,
                "confidence": finding.confidence,
                "first_step": finding.steps[0],
                "last_step": finding.steps[1],
                "summary": finding.summary,
                "fix": finding.recommendations[0].title if finding.recommendations else "",
            }
            for diagnosis in self.diagnoses
            for finding in diagnosis.findings
        ]
        columns = ("source", "run", "rule", "severity", "confidence", "first_step", "last_step", "summary", "fix")
        return pd.DataFrame(rows, columns=list(columns))


def diagnose(
    sources: Any,
    *,
    map: Mapping[str, str] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge one source, or a sequence of them.

    sources: a path of a log or of a directory that holds some, "-" for the standard input, an open file, a pandas
        DataFrame, or a list or tuple of these.
    map: role -> column name, over what the names of the columns say.
    select, ignore: ids of the rules to apply and to leave out; None for all, and for none.
    thresholds: rule id -> threshold -> value.
    config: hyperparameters of the runs, over those that came with the logs: a mapping, or a YAML, JSON or TOML file.
    settings: those of a project (see `load_settings`); the other arguments go before them. None reads no file.
    progress: called before each source.

    Raises SettingsError (a ValueError) for an unknown rule, role or threshold, or an unreadable config. Raises
    ReadError where a single source was given and nothing could be read; of several, the unreadable ones are in
    `Report.errors`.
    """
    single = not isinstance(sources, list | tuple)
    settings = settings or Settings()
    wanted = _Wanted(
        rules=_rules(
            settings.select if select is None else _ids(select), settings.ignore if ignore is None else _ids(ignore)
        ),
        thresholds=_thresholds(settings.thresholds, thresholds or {}),
        map=_checked_map(map or {}),
        config=_config(config),
        settings=settings,
    )
    report = _audit([sources] if single else list(sources), wanted, progress)
    if single and not report.diagnoses and report.errors:
        raise ReadError("; ".join(f"{source}: {message}" for source, message in report.errors))
    return report


def load_settings(source: str | None = None) -> Settings:
    """The settings of the project around the working directory, else around `source`; see `diagnose.settings`.

    Raises SettingsError where the file holds something that means nothing.
    """
    path = project.find(source)
    if path is None:
        return Settings()
    return project.load(path, rules={r.id: thresholds_of(r) for r in load_rules()}, roles=(*ROLES, *AXES))


@dataclass(frozen=True)
class _Wanted:
    """What the caller and the settings ask for, checked."""

    rules: tuple[Rule, ...]
    thresholds: Mapping[str, Mapping[str, Any]]
    map: Mapping[str, str]
    config: Mapping[str, Any]
    settings: Settings


def _config(given: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """The hyperparameters of a mapping or a file, by canonical name. Raises SettingsError where there are none."""
    try:
        if given is None or isinstance(given, Mapping):
            return configuration.normalise(given or {})
        return configuration.load(Path(given))
    except configuration.ConfigError as error:
        raise SettingsError(str(error)) from error


def _ids(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _rules(select: tuple[str, ...] | None, ignore: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules to apply, in their own order."""
    known = {rule.id: rule for rule in load_rules()}
    chosen = set(known if select is None else project.check_rules(select, known))
    chosen -= set(project.check_rules(ignore, known))
    if not chosen:
        raise SettingsError("no rule is left to apply; select more, or ignore fewer")
    return tuple(rule for name, rule in known.items() if name in chosen)


def _thresholds(
    settings: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    checked = project.check_thresholds(given, {rule.id: thresholds_of(rule) for rule in load_rules()})
    return {rule: {**settings.get(rule, {}), **checked.get(rule, {})} for rule in {**settings, **checked}}


def _checked_map(given: Mapping[str, str]) -> Mapping[str, str]:
    for role in given:
        if role not in (*ROLES, *AXES):
            raise SettingsError(project.unknown("role", role, (*ROLES, *AXES)))
    return given


def _audit(sources: Sequence[Any], wanted: _Wanted, progress: Progress | None) -> Report:
    """Read and judge every source; one that fails leaves the others alone."""
    items = [item for source in sources for item in (expand([str(source)]) if _is_path(source) else [source])]
    items = list({_key(item): item for item in items}.values())
    diagnoses: list[Diagnosis] = []
    errors: list[SourceError] = []
    folders: dict[str, bool] = {}
    for done, item in enumerate(items):
        label = _label(item)
        if progress is not None:
            progress(done, len(items), label)
        folder = item.folder if isinstance(item, Source) else ""
        folders.setdefault(folder, False)
        try:
            found = [_judge(run, wanted) for run in _read(item, wanted)]
        except ReadError as error:
            if not folder:
                errors.append(SourceError(label, str(error)))
            continue
        except Exception as error:
            errors.append(SourceError(label, _unexpected(error)))
            folders[folder] = True
            continue
        folders[folder] = True
        diagnoses += found
        if found and all(d.not_judged and not d.judged for d in found):
            errors.append(SourceError(label, _not_judged(found[0])))
    errors += [SourceError(folder, no_log(folder)) for folder, useful in folders.items() if folder and not useful]
    return Report(_with_unique_names(diagnoses), tuple(errors))


def _is_path(source: Any) -> bool:
    return isinstance(source, str | Path)


def _key(item: Any) -> object:
    """What makes a source the same as another: its files, or itself."""
    return (item.paths or item.label) if isinstance(item, Source) else id(item)


def _label(item: Any) -> str:
    if isinstance(item, Source):
        return item.label
    return str(getattr(item, "name", "")) if hasattr(item, "read") else type(item).__name__


def _read(item: Any, wanted: _Wanted) -> list[Run]:
    """The runs of a source. A column that only the project's settings name may be absent: they are for many logs."""
    of_project = {role: column for role, column in wanted.settings.map.items() if role not in wanted.map}
    try:
        return read(item, overrides={**of_project, **wanted.map})
    except ValueError as error:
        if not wanted.map and not of_project:
            raise
        if not of_project or not (isinstance(item, Source) and item.paths):  # a stream cannot be read twice
            raise ReadError(str(error)) from error
        note = f"the map of the settings was not applied: {error}"
    return [replace(run, notes=(*run.notes, note)) for run in _read(item, replace(wanted, settings=Settings()))]


def _judge(run: Run, wanted: _Wanted) -> Diagnosis:
    left_out = wanted.settings.ignored_for(run.source)
    if wanted.config:
        run = replace(run, config={**run.config, **wanted.config})
    return judge(run, [rule for rule in wanted.rules if rule.id not in left_out], thresholds=wanted.thresholds)


def _not_judged(diagnosis: Diagnosis) -> str:
    """Why no rule could judge a run: the main of the reasons, and what to do where a column may be unrecognised."""
    reasons = {missing.reason for missing in diagnosis.not_judged}
    for role in ROLES:
        if f"the log has no {role}" in reasons:
            return f"no rule could judge it: the log has no {role}; if a column holds it: --map {role}=COLUMN"
    return f"no rule could judge it: {min(reasons, key=len)}"


def _unexpected(error: Exception) -> str:
    """What to say of a fault of ours; with DIAGNOSE_TRACEBACK set, the traceback goes to stderr."""
    if os.environ.get("DIAGNOSE_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    return (
        f"could not be judged for a fault in diagnose ({type(error).__name__}: {error}); please report this with the "
        "log; DIAGNOSE_TRACEBACK=1 shows where it happened"
    )


def _with_unique_names(diagnoses: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The diagnoses with a number behind each name that several runs have."""
    many = {name for name, times in Counter(d.run.name for d in diagnoses).items() if times > 1}
    seen: Counter[str] = Counter()
    unique = []
    for diagnosis in diagnoses:
        name = diagnosis.run.name
        seen[name] += 1
        if name in many:
            diagnosis = replace(diagnosis, run=replace(diagnosis.run, name=f"{name} ({seen[name]})"))
        unique.append(diagnosis)
    return tuple(unique)
