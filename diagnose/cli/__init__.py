"""The command line. `diagnose PATH...` needs no command name; the named commands stand beside it.

Thin: it reads options, hands the work to `diagnose.audit`, and prints what `diagnose.reports` makes of the answer.
Heavy modules are imported in the commands that need them, so that `--version` and completion answer at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

import diagnose
from diagnose.cli import compare, completion, options, output
from diagnose.cli.group import DEFAULT, FOUND, OK, WRONG, Commands, ReadLogs
from diagnose.settings import FAIL_ON, unknown
from diagnose.terminal import complain, page, progress_bar, write

if TYPE_CHECKING:
    from diagnose.audit import Report
    from diagnose.rule import Rule

COMMANDS = ("rules", "explain", "compare")
FORMATS = ("text", "json", "html")

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
def check(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS",
            help="Logs, or directories that hold some; - is stdin. A file named like a command: ./rules",
            autocompletion=completion.paths,
            show_default=False,
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="ROLE=COLUMN", help="Which column plays a role: train_loss=my_loss. Repeatable."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULES", help="Only these rules, separated by commas.", autocompletion=completion.rule_ids
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="RULES", help="Not these rules.", autocompletion=completion.rule_ids),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Hyperparameters of the runs: a YAML, JSON or TOML file."),
    ] = None,
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
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(FAIL_ON),
            callback=options.choice(FAIL_ON),
            help="The severity from which on the exit code is 1.  [default: warning]",
            autocompletion=completion.among(FAIL_ON),
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            callback=options.choice(FORMATS),
            help="For a person, for a program, or as a page for a browser.",
            autocompletion=completion.among(FORMATS),
        ),
    ] = "text",
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the report there and not to stdout.", autocompletion=completion.paths),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE",
            help="Also draw the curves with the findings in them: a .png, .svg or .pdf.",
            autocompletion=completion.paths,
        ),
    ] = None,
    plot_style: Annotated[
        str,
        typer.Option(
            metavar="|".join(options.PLOT_STYLES),
            callback=options.choice(options.PLOT_STYLES),
            help="Colours of --plot.",
            autocompletion=completion.among(options.PLOT_STYLES),
        ),
    ] = "light",
    color: Annotated[
        str,
        typer.Option(
            metavar="|".join(options.COLORS),
            callback=options.choice(options.COLORS),
            help="Colours; auto: on a terminal, unless NO_COLOR is set.",
            autocompletion=completion.among(options.COLORS),
        ),
    ] = "auto",
    plain: Annotated[
        bool, typer.Option("--plain", help="No pictures and no tables: words, for a screen reader.")
    ] = False,
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
    from diagnose import audit

    output.check(form, out, plot)
    settings = audit.load_settings(paths[0])
    with progress_bar() as progress:
        report = audit.diagnose(
            paths,
            map=options.pairs(column),
            select=options.split(select),
            ignore=options.split(ignore),
            config=config,
            baseline=baseline or None,
            jobs=jobs,
            settings=settings,
            progress=progress,
        )
    output.write(report, form, out, lambda: page(plain, int(width) if width else None, color))
    if plot:
        output.draw(report, plot, plot_style)
    for source, message in report.errors:
        complain(source, message + _command_hint(source))
    raise typer.Exit(_exit_code(report, fail_on or settings.fail_on or "warning"))


app.command()(compare.compare)


@app.command()
def rules(
    plain: Annotated[bool, typer.Option("--plain", help="No table: one sentence per rule.")] = False,
) -> None:
    """List the rules: what each finds and what it needs."""
    from diagnose.engine import load_rules
    from diagnose.reports import manual

    rows = [(rule, _needs(rule)) for rule in load_rules()]
    write(manual.table(rows, page=page(plain, None, "auto")))


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Id of a rule.", autocompletion=completion.rule_ids)],
    plain: Annotated[bool, typer.Option("--plain", help="No tables: words, for a screen reader.")] = False,
) -> None:
    """Print the manual page of a rule: statistics, limits, thresholds, fixes, and the trials of the fixes."""
    from diagnose import trials
    from diagnose.engine import load_fixes, load_rules, load_trials, thresholds_of
    from diagnose.reports import manual

    known = {r.id: r for r in load_rules()}
    if rule not in known:
        raise typer.BadParameter(unknown("rule", rule, known), param_hint="RULE")
    found, catalogue = known[rule], load_fixes()
    tried = load_trials()
    fixes = [catalogue[name] for name in trials.order(tried, found.id, "", found.fixes) if name in catalogue]
    sheet = page(plain, None, "auto")
    write(manual.manual(found, thresholds_of(found), fixes, _needs(found), tried, page=sheet))


def _needs(rule: Rule) -> str:
    """What a rule needs, in words: `train_loss, val_loss; optional: learning_rate`."""
    from diagnose.engine import needs

    named = [n for n in needs(rule) if n.kind not in ("step", "axis", "last_step", "config")]
    words = {"runs": "several runs", "baseline": "--baseline"}
    required = ", ".join(words.get(n.kind, n.name) for n in named if not n.optional)
    optional = ", ".join(n.name for n in named if n.optional)
    if not required:
        return f"any of {optional}"
    return f"{required}; optional: {optional}" if optional else required


def _exit_code(report: Report, fail_on: str) -> int:
    if report.errors:
        return WRONG
    severities = FAIL_ON[FAIL_ON.index(fail_on) : -1]  # `never` leaves none
    findings = (*report.findings, *report.across)
    return FOUND if any(finding.severity in severities for finding in findings) else OK


def _command_hint(source: str) -> str:
    """A hint where a source that does not exist looks like a mistyped command."""
    from difflib import get_close_matches

    near = [] if os.path.lexists(source) else get_close_matches(source, COMMANDS, n=1, cutoff=0.75)
    return f"; did you mean the command `diagnose {near[0]}`?" if near else ""
