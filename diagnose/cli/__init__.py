"""The command line. `diagnose PATH...` needs no command name; the named commands stand beside it.

Thin: it reads options, hands the work to `diagnose.api`, and prints what `diagnose.reports` makes of the answer.
Heavy modules are imported in the commands that need them, so that `--version` and completion answer at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import diagnose
from diagnose import files
from diagnose.cli import compare, docs, fix, serve, why
from diagnose.cli.group import DEFAULT, FOUND, OK, WRONG, Commands, ReadLogs
from diagnose.console import completion, options
from diagnose.console.output import check_apart, check_places, deliver, write_file
from diagnose.console.terminal import complain, file_page, page, progress_bar, write
from diagnose.errors import unknown
from diagnose.reports import FORMATS, format_of, rendered

COMMANDS = ("rules", "explain", "schema", "init", "compare", "docs", "why", "fix", "serve", "help", "version")
SCHEMAS = ("report", "brief", "comparison", "rules")
ANYWAY = (
    "to commit these logs as they are: SKIP=diagnose git commit; to accept a finding for good: per-file-ignores in "
    "[tool.diagnose], which `diagnose init` begins"
)
"""What a hook says under the findings that block a commit."""


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Read training logs and say what is wrong with the runs, how that is known, and what to change.",
    epilog="Exit codes: 0 nothing at or above --fail-on; 1 something is; 2 a wrong call, or a source that could not "
    "be read or not be judged at all.",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script `diagnose`; `arguments` instead of those of the process."""
    app(arguments, prog_name="diagnose")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"diagnose {diagnose.__version__}")
        raise typer.Exit


@app.command(DEFAULT, cls=ReadLogs, hidden=True)
def check(  # noqa: PLR0913 - its options are its signature
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS",
            help="Logs, or directories that hold some; - is stdin. A file named like a command: ./rules",
            autocompletion=completion.paths,
            show_default=False,
        ),
    ] = None,
    column: options.Column = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Hyperparameters of the runs: a YAML, JSON or TOML file."),
    ] = None,
    setting: options.Setting = None,
    kind: options.KindOfRun = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Earlier runs of the same thing to hold each run against. Repeatable.",
            autocompletion=completion.paths,
        ),
    ] = None,
    jobs: Annotated[
        str,
        typer.Option(metavar="N|auto", help="Processes to read and judge in; auto: one per core."),
    ] = "1",
    backend: Annotated[
        str,
        typer.Option(metavar="processes|dask", help="processes: here; dask: the workers of --scheduler."),
    ] = "processes",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler, such as tcp://10.0.0.1:8786.")
    ] = None,
    fail_on: options.FailOn = None,
    form: Annotated[
        str | None,
        options.one_of(
            tuple(FORMATS),
            "For a person, or for a program (`diagnose schema` describes json and jsonl).  [default: text, or as the "
            "file's name ends]",
            "--format",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the report into a file.", autocompletion=completion.paths),
    ] = None,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient/--strict",
            help="Pass over files that are no logs or cannot be judged, as a hook does, or exit with 2.",
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the logs as they grow, and tell each finding once.")
    ] = False,
    idle_timeout: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS", callback=options.seconds, help="End --watch when nothing has changed for so long."
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Pass the standard input on, and tell each finding on stderr as it comes.")
    ] = False,
    on_error: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Run it for each error that --watch or --live tells; see DIAGNOSE_RULE."),
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHERE",
            help="Send what --watch or --live tells to ntfy:TOPIC, slack:URL, discord:URL, webhook:URL or desktop. "
            "Repeatable.",
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE",
            help="Also draw the curves with the findings in them: a .png, .svg or .pdf.",
            autocompletion=completion.paths,
        ),
    ] = None,
    plot_style: options.PlotStyle = "light",
    color: Annotated[
        str,
        options.one_of(options.COLORS, "Colours; auto: on a terminal, unless NO_COLOR is set."),
    ] = "auto",
    plain: options.Plain = False,
    verbose: options.Verbose = False,
    brief: options.Brief = False,
    width: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS", callback=options.columns, help="Width of the report.  [default: the terminal's]"
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Read training logs and say what is wrong with the runs."""
    if not paths:
        raise typer.BadParameter("name at least one log; - is stdin", param_hint="PATHS")
    form = form or format_of(out)
    _refuse_beside_watch(watch, paths, form, out, idle_timeout)
    _refuse_beside_live(live, watch, paths, form, out, bool(on_error or notify))
    from diagnose import api
    from diagnose.judging.installed import load_rules
    from diagnose.reports.context import Context

    check_places(form, out, plot)
    settings = api.load_settings(paths[0])
    check_apart(paths, baseline or settings.baseline_paths(), config, out=out, plot=plot)
    failing = options.severities(fail_on or settings.fail_on or "warning")
    judge = partial(
        api.diagnose,
        map=options.pairs(column),
        select=options.split(select),
        ignore=options.split(ignore),
        config=options.hyperparameters(setting, kind, config),
        baseline=baseline or None,
        jobs=jobs,
        backend=backend,
        scheduler=scheduler,
        settings=settings,
    )
    columns = int(width) if width else None
    if watch or live:
        from diagnose.cli.following import Asked, followed

        asked = Asked(on_error, notify or (), failing, float(idle_timeout) if idle_timeout else None)
        report = followed(None if live else paths, judge, asked, page(plain, columns, color))
    else:
        with progress_bar() as progress:
            report = judge(paths, progress=progress)
    if lenient:
        report = replace(report, errors=tuple(error for error in report.errors if not os.path.lexists(error.source)))
    if out is not None or not (watch or live):  # what is watched was told as it came
        sheet = page(plain, columns, color) if out is None else file_page(plain, columns)
        sheet = replace(sheet, detail=options.detail(verbose, brief))
        said, report = rendered(report, form, Context(page=sheet, rules=load_rules(), failing=failing))
        deliver(said, out)
    if plot is not None:
        from diagnose.reports.plot import draw

        draw(report, Path(plot), style=plot_style)
    for source, message in report.errors:
        complain(source, message + _command_hint(source))
    code = WRONG if report.errors else FOUND if report.fails(failing) else OK
    if code == FOUND and os.environ.get("PRE_COMMIT"):
        complain("diagnose", ANYWAY)
    raise typer.Exit(code)


def _refuse_beside_watch(watch: bool, paths: Sequence[str], form: str, out: str | None, idle: str | None) -> None:
    """Refuse options that mean nothing together."""
    if watch and "-" in paths:
        raise typer.BadParameter("the standard input cannot be read twice; watch a file", param_hint="--watch")
    if watch and any(files.is_pipe(Path(path)) for path in paths):
        raise typer.BadParameter("a named pipe cannot be read twice; watch a file", param_hint="--watch")
    if watch and form != "text" and out is None:
        raise typer.BadParameter(f"{form} comes at the end, into a file: name it with --out", param_hint="--watch")
    if idle is not None and not watch:
        raise typer.BadParameter("there is nothing to wait for without --watch", param_hint="--idle-timeout")


def _refuse_beside_live(live: bool, watch: bool, paths: Sequence[str], form: str, out: str | None, tells: bool) -> None:
    """Refuse options that mean nothing together."""
    if tells and not (live or watch):
        raise typer.BadParameter("there is nothing to tell without --watch or --live", param_hint="--on-error")
    if live and (watch or list(paths) != ["-"]):
        raise typer.BadParameter(
            "it reads what is piped to it: python train.py | diagnose --live -", param_hint="--live"
        )
    if live and form != "text" and out is None:
        raise typer.BadParameter(f"{form} comes at the end, into a file: name it with --out", param_hint="--live")


for command in (compare.compare, why.why, fix.fix, docs.docs, serve.serve):
    app.command()(command)

RuleId = Annotated[
    str | None,
    typer.Argument(
        metavar="RULE",
        help="Id of a rule, or name of a group; without one, all are listed.",
        autocompletion=completion.rule_ids,
    ),
]


@app.command()
@app.command("explain")
def rules(rule: RuleId = None, form: options.Form = "text", plain: options.Plain = False) -> None:
    """List the rules by group: what each finds and needs; or print the manual page of one (also: explain RULE).

    A page has statistics, limits, thresholds, causes, fixes, and the trials of the fixes.
    """
    from diagnose.judging import manuals
    from diagnose.judging.installed import load_rules
    from diagnose.judging.needs import needs
    from diagnose.reports import json, manual, rules_json
    from diagnose.reports.context import Context
    from diagnose.rule import GROUPS

    if rule is not None and rule not in GROUPS:
        found = manuals.of(rule)
        in_words, in_json = partial(manual.manual, found), partial(rules_json.manual, found)
    else:
        listed = [(known, needs(known)) for known in load_rules() if rule in (None, known.group)]
        in_words, in_json = partial(manual.table, listed), partial(rules_json.table, listed)
    write(json.written(in_json(Context())) if form == "json" else in_words(page(plain, None, "auto")))


@app.command("help")
def help_of(
    ctx: typer.Context,
    command: Annotated[list[str] | None, typer.Argument(metavar="COMMAND", help="Name of a command.")] = None,
) -> None:
    """Print the help, or that of a command: `diagnose help reference run`."""
    place: Any = ctx.find_root()
    for word in command or ():
        group = place.command
        names = group.list_commands(place) if hasattr(group, "list_commands") else []
        if word not in names:
            raise typer.BadParameter(unknown("command", word, names), param_hint="COMMAND")
        place = type(place)(group.get_command(place, word), info_name=word, parent=place)
    typer.echo(place.get_help())


@app.command()
def version() -> None:
    """Print the version."""
    _version(wanted=True)


@app.command()
def schema(
    document: Annotated[
        str,
        typer.Argument(
            metavar="|".join(SCHEMAS),
            callback=options.choice(SCHEMAS),
            help="Of a report, of --format brief, of `compare`, or of `rules` and `explain`.",
            autocompletion=completion.among(SCHEMAS),
        ),
    ] = SCHEMAS[0],
) -> None:
    """Print the JSON schema of what --format json writes; a line of --format jsonl is its $defs/line."""
    from importlib.resources import files

    write((files("diagnose.reports") / f"{document}.schema.json").read_text(encoding="utf-8"))


@app.command()
def init() -> None:
    """Begin the settings of a project: a commented [tool.diagnose] in the pyproject.toml of this directory."""
    from diagnose import settings

    path, content = settings.begin(Path.cwd())
    write_file(str(path), content)
    typer.echo(f"{path.name}: [tool.diagnose] is there; take away the marks of what you want")


def _command_hint(source: str) -> str:
    """A hint where a source that does not exist looks like a mistyped command."""
    from difflib import get_close_matches

    near = [] if os.path.lexists(source) else get_close_matches(source, COMMANDS, n=1, cutoff=0.75)
    return f"; did you mean the command `diagnose {near[0]}`?" if near else ""
