"""`diagnose wandb TARGET`: one run on a W&B server in full, or an audit of every run of a project or a sweep."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from diagnose.api import load_settings
from diagnose.console import options, terminal
from diagnose.console.output import deliver
from diagnose.errors import ReadError, SettingsError, unknown
from diagnose.integrations.wandb import cache, write_back
from diagnose.integrations.wandb.overview import SHOWN, Line, Overview, document, sentences, table
from diagnose.integrations.wandb.project import Audit, Entry, audited
from diagnose.integrations.wandb.server import Address, Server, parse
from diagnose.judging.installed import load_rules
from diagnose.judging.source import Wanted
from diagnose.reports import FORMATS, format_of, render
from diagnose.reports.context import Context
from diagnose.reports.page import PLAIN_PAGE, Page

JOBS = 16
"""Runs read at a time: the waiting is the server's, and more are seldom answered faster."""

_UNITS = {"h": 1.0, "d": 24.0, "w": 168.0}  # hours


def wandb(  # noqa: PLR0913 - its options are its signature
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="entity/project, entity/project/RUN, or the address of their page.")
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE",
            help="Only runs with this: state=finished, tags=baseline, config.lr=0.1; or a query of W&B as JSON. "
            "Repeatable.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs begun since: 12h, 30d, 6w, or 2026-11-01.")
    ] = None,
    sweep: Annotated[str | None, typer.Option(metavar="ID", help="Only the runs of this sweep.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=10, help="Rows to be content with per run.  [default: the whole history]")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=128, help="Runs read at a time.")] = JOBS,
    backend: Annotated[
        str, typer.Option(metavar="threading|dask", help="threading: here; dask: the workers of --scheduler.")
    ] = "threading",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler, such as tcp://10.0.0.1:8786.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Read every run again, and remember nothing.")] = False,
    select: options.Select = None,
    ignore: options.Ignore = None,
    column: options.Column = None,
    form: Annotated[
        str | None,
        options.one_of(tuple(FORMATS), "For a person, or a program.  [default: as --out ends]", "--format"),
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the report into a file.")] = None,
    every: Annotated[bool, typer.Option("--all", help="List every run, not the worst alone.")] = False,
    writing: Annotated[
        str | None,
        typer.Option(
            "--write-back", metavar="LIST", help=f"Write to the runs, after asking: {', '.join(write_back.PLACES)}."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what --write-back would write.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Write back without asking.")] = False,
    fail_on: options.FailOn = None,
    plain: options.Plain = False,
    verbose: options.Verbose = False,
) -> None:
    """Audit the runs of a Weights & Biases project, or judge one run of it; the key is found as the client finds it."""
    places = _places(writing)
    form = form or format_of(out)
    if backend not in ("threading", "dask"):
        raise SettingsError(f"--backend: {unknown('value', backend, ('threading', 'dask'))}")
    if dry_run and not places:
        raise SettingsError("--dry-run shows what --write-back would write; name that, too")
    settings = load_settings()
    wanted = Wanted.of(
        map=options.pairs(column), select=options.split(select), ignore=options.split(ignore), settings=settings
    )
    failing = options.severities(fail_on or settings.fail_on or "warning")
    filters = _filters(where, since)
    try:
        address = parse(target)
        server = Server()
        if sweep:
            address = replace(address, sweep=sweep, run="")
        audit = _audit(server, address, wanted, filters, samples, jobs, backend, scheduler, no_cache)
    except ReadError as error:
        terminal.complain(target, str(error))
        raise typer.Exit(2) from None
    overview = _overview(audit)
    one = bool(address.run)
    sheet = terminal.page(plain, None, "auto") if out is None else PLAIN_PAGE
    sheet = replace(sheet, detail=options.detail(verbose, brief=False))
    context = _context(audit, overview, sheet, failing, one=one)
    most = None if every or out is not None else SHOWN
    deliver(_rendered(audit, overview, form, context, most, one=one), out)
    for note in audit.notes:
        terminal.complain("diagnose", note)
    for source, message in audit.report.errors:
        terminal.complain(source, message)
    failed = False
    if places:
        failed = _write_back(server, audit, overview, places, jobs, dry_run=dry_run, yes=yes)
    if audit.left:
        raise typer.Exit(130)
    raise typer.Exit(2 if audit.report.errors or failed else int(audit.report.fails(failing)))


def _audit(
    server: Server,
    address: Address,
    wanted: Wanted,
    filters: dict[str, Any],
    samples: int | None,
    jobs: int,
    backend: str,
    scheduler: str | None,
    no_cache: bool,
) -> Audit:
    with ExitStack() as opened:
        step: Any = None

        def progress(done: int, total: int, ill: int) -> None:
            nonlocal step
            if step is None:  # how many there are, shows when they are listed
                step = opened.enter_context(terminal.bar(total, "reading runs")) or (lambda done, said: None)
            step(done, f"{ill} ill")

        return audited(
            address,
            wanted,
            filters=filters,
            samples=samples,
            jobs=jobs,
            backend=backend,
            scheduler=scheduler,
            cache=None if no_cache or address.run else cache.default_path(),
            progress=progress,
            server=server,
        )


def _places(value: str | None) -> tuple[str, ...]:
    """What is to be written back. Raises SettingsError for a place that there is not."""
    found = tuple(options.split([value] if value else None) or ())
    for name in found:
        if name not in write_back.PLACES:
            raise SettingsError(f"--write-back: {unknown('place', name, write_back.PLACES)}")
    return found


def _filters(where: Sequence[str] | None, since: str | None) -> dict[str, Any]:
    """The options as one query of W&B. Raises SettingsError for what is none."""
    parts: list[dict[str, Any]] = []
    for text_ in where or ():
        if text_.lstrip().startswith("{"):
            try:
                parts.append(json.loads(text_))
            except ValueError as error:
                raise SettingsError(f"--filter: {text_!r} is no JSON ({error})") from error
            continue
        key, equals, value = (part.strip() for part in text_.partition("="))
        if not (key and equals):
            raise SettingsError(f"--filter: {text_!r} is not of the form KEY=VALUE, such as state=finished")
        key = f"{key}.value" if key.startswith("config.") and not key.endswith(".value") else key
        parts.append({key: _value(value)})
    if since is not None:
        parts.append({"createdAt": {"$gte": _moment(since)}})
    return {} if not parts else parts[0] if len(parts) == 1 else {"$and": parts}


def _value(text_: str) -> Any:
    """A number, true or false where the text is one, else the text."""
    try:
        return json.loads(text_)
    except ValueError:
        return text_


def _moment(since: str) -> str:
    """The time that `30d` or `2026-11-01` means, as W&B writes it. Raises SettingsError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", since.strip())
    if found is not None:
        moment = datetime.now(UTC) - timedelta(hours=float(found[1]) * _UNITS[found[2]])
    else:
        try:
            moment = datetime.fromisoformat(since.strip())
        except ValueError as error:
            raise SettingsError(f"--since: {since!r} is no time; say 12h, 30d, 6w or 2026-11-01") from error
    return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _overview(audit: Audit) -> Overview:
    """The audit as the report wants it."""
    return Overview(
        project=audit.project,
        url=audit.url,
        lines=[_line(entry, audit) for entry in audit.entries],
        sweeps=audit.sweeps,
        at=audit.before.at if audit.before else None,
        verdicts=audit.before.verdicts if audit.before else {},
        left=audit.left,
    )


def _line(entry: Entry, audit: Audit) -> Line:
    run = entry.listed
    diagnoses = [audit.report.diagnoses[place] for place in entry.diagnoses]
    worst = max(diagnoses, key=lambda d: -1 if d.worst is None else d.worst.rank, default=None)
    return Line(run.id, run.name, run.state, run.sweep, run.url, entry.verdict, worst, entry.error, entry.remembered)


def _context(audit: Audit, overview: Overview, sheet: Page, failing: tuple[str, ...], *, one: bool) -> Context:
    """What the formats may say beside the report. one: whether a single run was asked for."""
    sources = {f"{audit.project}/{line.id}": line for line in overview.lines}
    return Context(
        page=sheet,
        rules=load_rules(),
        failing=failing,
        names={source: f"{line.name} ({line.id})" for source, line in sources.items() if line.name != line.id},
        links={source: line.url for source, line in sources.items()},
        preface=() if one else tuple(sentences(overview)),
        extra={"audit": document(overview)},
    )


def _rendered(audit: Audit, overview: Overview, form: str, context: Context, most: int | None, *, one: bool) -> str:
    """The report. most: runs in the table of a project, where it is for a terminal; None for all."""
    if form == "text" and not one:
        return table(overview, context.page, most)
    said = render(audit.report, form, context)
    if form == "text":
        said += "".join(f"{line.name}: {line.error}\n" for line in overview.lines if line.verdict == "not-judged")
    return said


def _write_back(
    server: Server,
    audit: Audit,
    overview: Overview,
    places: tuple[str, ...],
    jobs: int,
    *,
    dry_run: bool,
    yes: bool,
) -> bool:
    """Show what is to be written, ask, write; whether a run could not be written to."""
    write_back.check(places)
    paths = {entry.listed.id: entry.listed.path for entry in audit.entries}
    lines = [line for line in overview.lines if line.diagnosis is not None]

    def plan(line: Line) -> str:
        made, tags = write_back.planned(server.api, paths[line.id], line, places)
        return write_back.describe(line, made, tags) if made else ""

    def write(line: Line) -> str:
        write_back.apply(server.api, paths[line.id], line, places)
        return ""

    def each(work: Callable[[Line], str], lines: Sequence[Line]) -> list[tuple[Line, str]]:
        """What the work says of each run; runs at which the server fails are named and left out."""
        answers = _in_threads(work, lines, jobs)
        for line, answer in answers:
            if isinstance(answer, Exception):
                terminal.complain(paths[line.id], f"not written to: {server.said(answer)}")
        return [(line, answer) for line, answer in answers if isinstance(answer, str)]

    plans = each(plan, lines)
    failed = len(plans) < len(lines)
    todo = [(line, said) for line, said in plans if said]
    if not todo:
        terminal.write("\nwrite back: nothing to write, the runs say so already\n")
        return failed
    shown = "".join(f"  {said}\n" for _, said in todo)
    terminal.write(f"\nwrite back to {len(todo)} of {len(lines)} runs{' (dry run)' if dry_run else ''}:\n{shown}")
    if dry_run or not (yes or _agreed(f"write to {len(todo)} runs of {audit.project}?")):
        return failed
    written = each(write, [line for line, _ in todo])
    terminal.write("written\n")
    return failed or len(written) < len(todo)


def _in_threads(work: Callable[[Line], str], lines: Sequence[Line], jobs: int) -> list[tuple[Line, str | Exception]]:
    """Each line with what came of it: an answer, or the error that it raised."""

    def tried(line: Line) -> str | Exception:
        try:
            return work(line)
        except Exception as error:
            return error

    with ThreadPoolExecutor(jobs) as pool:
        return list(zip(lines, pool.map(tried, lines), strict=True))


def _agreed(question: str) -> bool:
    """The user's answer. Raises SettingsError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise SettingsError("--write-back asks first, and there is nobody to ask: add --yes, or see --dry-run")
    return typer.confirm(question)
