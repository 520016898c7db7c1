"""`diagnose fix LOG`: a patch of the run's configuration that does what a finding advises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from diagnose.cli.group import FOUND, OK
from diagnose.console import completion, options
from diagnose.console.output import write_file
from diagnose.console.terminal import complain, write
from diagnose.errors import ConfigError, SettingsError

if TYPE_CHECKING:
    from diagnose.curves import Run
    from diagnose.rule import Change, Diagnosis, Finding, Recommendation


class Patch(NamedTuple):
    """A configuration before and after a change."""

    path: Path
    before: str
    after: str


def fix(
    path: Annotated[str, typer.Argument(metavar="LOG", help="The log of one run.", autocompletion=completion.paths)],
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The configuration to patch: YAML, JSON or TOML, or a script with the command line.  [default: the "
            "one beside the log]",
            autocompletion=completion.paths,
        ),
    ] = None,
    finding: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            callback=options.rule_id,
            help="The finding to mend.  [default: the first]",
            autocompletion=completion.rule_ids,
        ),
    ] = None,
    advice: Annotated[
        str | None,
        typer.Option(metavar="N", help="Which of its advice, from 1.  [default: the first that is a setting]"),
    ] = None,
    column: options.Column = None,
    in_place: Annotated[bool, typer.Option("--write", help="Also write the change into the configuration.")] = False,
) -> None:
    """Print a patch of the run's configuration that does what a finding advises; only the value itself changes.

    The patch goes to stdout, what it does and why to stderr. Nothing is written without --write, and then nothing but
    the configuration, at once.

    Example: diagnose fix run.csv --config config.yaml | patch config.yaml

    Exit codes: 0 a patch was printed; 1 there is none to make (no finding, no advice that is a setting, or a setting
    that the configuration does not have); 2 a wrong call, or a log or configuration that could not be read.
    """
    from diagnose import api
    from diagnose.judging.source import Wanted, outcome_of
    from diagnose.judging.why import runs_of
    from diagnose.names import edit
    from diagnose.names.config import normalise

    number = _number(advice)
    given = {} if config is None else normalise(edit.parsed(*edit.opened(Path(config))))
    settings = api.load_settings(path)
    wanted = Wanted.of(map=options.pairs(column), config=given, settings=settings).without_baseline()
    runs = runs_of(path, wanted)
    if len(runs) > 1:
        raise SettingsError(f"{path}: holds {len(runs)} runs; name the log of one")
    places = [Path(config)] if config is not None else _beside(runs[0])
    became = outcome_of(lambda: runs, replace(wanted, keep="whole"))
    if not became.diagnoses:
        raise SettingsError(f"{path}: {became.error}")
    chosen = _finding(became.diagnoses[0], finding, path)
    if not places and chosen is not None:
        raise SettingsError(f"{path}: no configuration lies beside it; name it with --config FILE")
    patch = None if chosen is None else _patched(chosen, places, number)
    if patch is None:
        raise typer.Exit(FOUND)
    write(_diff(patch))
    if in_place:
        write_file(str(patch.path), patch.after)
        complain(str(patch.path), "written")
    raise typer.Exit(OK)


def _number(advice: str | None) -> int:
    """The number of the advice, from 1; 0 for the first that is a setting."""
    if advice is None:
        return 0
    if not advice.isdecimal() or int(advice) < 1:
        raise typer.BadParameter(f"{advice!r} is no number from 1 on", param_hint="--advice")
    return int(advice)


def _beside(run: Run) -> list[Path]:
    """The configurations beside the log of a run, as the readers find them."""
    from diagnose.readers.runs import sidecar

    source = Path(run.source)
    return list(sidecar.files(source / run.name if source.is_dir() else source, run.format))


def _finding(diagnosis: Diagnosis, rule: str | None, path: str) -> Finding | None:
    """The finding to mend; None, which is told, where there is none."""
    found = [f for f in diagnosis.findings if rule is None or f.rule == rule]
    if not found:
        what = "nothing" if rule is None else f"no {rule}"
        where = "" if rule is None else f"; `diagnose why {path} {rule}` says why"
        complain(path, f"{what} was found, so there is nothing to patch{where}")
        return None
    return found[0]


def _patched(finding: Finding, places: Sequence[Path], number: int) -> Patch | None:
    """The patch for an advice, the first that can be made where none is named; None, which is told, without one."""
    offered = finding.recommendations
    if number > len(offered):
        raise typer.BadParameter(f"{finding.rule} has {len(offered)} pieces of advice", param_hint="--advice")
    no_settings, refused = [], []
    for rank, item in enumerate(offered, 1):
        if number and rank < number:
            continue
        if not _changes(item):
            no_settings.append(f"{rank} ({item.title})")
            continue
        try:
            patch = _changed(item, places)
        except ConfigError as error:
            refused.append(f"advice {rank} ({item.title}): {error}")
            if number:
                break
            continue
        _tell(finding.rule, no_settings, refused)
        if number not in (0, rank):
            complain(finding.rule, f"the first advice from there on that is a setting: --advice {rank} ({item.title})")
            return None
        complain(finding.rule, f"advice {rank} of {len(offered)}: {item.title} ({item.why})")
        return patch
    _tell(finding.rule, no_settings, refused)
    if not offered:
        complain(finding.rule, "has no advice")
    return None


def _tell(rule: str, no_settings: Sequence[str], refused: Sequence[str]) -> None:
    """Say in a line which advice has no value for a setting, and in one for each which setting cannot be changed."""
    from diagnose.reports.words import count

    if no_settings:
        others = len(no_settings) - 1
        more = f", nor {'does' if others == 1 else 'do'} {count(others, 'other')}" if others else ""
        complain(rule, f"advice {no_settings[0]} gives no value to set{more}")
    for reason in refused:
        complain(rule, reason)


def _changes(item: Recommendation) -> list[Change]:
    """The settings that an advice changes."""
    from diagnose.rule import Change

    return [change for change in item.changes if isinstance(change, Change) and change.old != change.new]


def _changed(item: Recommendation, places: Sequence[Path]) -> Patch:
    """The patch for an advice. Raises ConfigError, which names each configuration, where none can be changed."""
    from diagnose.names import edit

    refusals = []
    for place in places:
        before, kind = edit.opened(place)
        try:
            after = before
            for change in _changes(item):
                after = edit.changed(after, kind, change.name, change.new)
            return Patch(place, before, after)
        except edit.EditError as error:
            refusals.append(f"{place} {error}")
    raise ConfigError("; ".join(refusals))


def _diff(patch: Patch) -> str:
    """A unified diff, as `patch` and `git apply` take it."""
    import difflib

    name = patch.path.as_posix()
    sides = (name, name) if patch.path.is_absolute() else (f"a/{name}", f"b/{name}")
    before, after = (text.splitlines(keepends=True) for text in (patch.before, patch.after))
    lines = difflib.unified_diff(before, after, *sides)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
