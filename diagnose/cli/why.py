"""`diagnose why LOG [RULE]`: why a rule has a finding on a run, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from diagnose.cli.group import OK
from diagnose.console import completion, options
from diagnose.console.terminal import page, write


def why(
    path: Annotated[str, typer.Argument(metavar="LOG", help="A log; - is stdin.", autocompletion=completion.paths)],
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="RULE",
            callback=options.rule_id,
            help="Id of a rule; without one, a line for each.",
            autocompletion=completion.rule_ids,
        ),
    ] = None,
    column: options.Column = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Hyperparameters of the run: a YAML, JSON or TOML file.")
    ] = None,
    setting: options.Setting = None,
    kind: options.KindOfRun = None,
    form: options.Form = "text",
    width: Annotated[
        str | None, typer.Option(metavar="COLUMNS", callback=options.columns, help="Width of the answer.")
    ] = None,
) -> None:
    """Say why a rule has a finding on a run, or none: what it compared, with what, and how far off each is.

    The comparisons are those that the rule itself makes. For a rule that could not judge: what is missing, and what
    may be meant by another name. For one that was not told: what silenced it.

    Example: diagnose why run.csv overfitting

    Exit codes: 0 an answer, whatever it is; 2 a wrong call, or a log that could not be read.
    """
    from diagnose import api, limits
    from diagnose.judging.installed import known_rules
    from diagnose.judging.many import baseline_runs
    from diagnose.judging.source import Wanted
    from diagnose.judging.why import reasons, runs_of
    from diagnose.reports import why as said
    from diagnose.reports.phrases import labels_of

    settings = api.load_settings(path)
    wanted = Wanted.of(
        map=options.pairs(column), config=options.hyperparameters(setting, kind, config), settings=settings
    )
    with limits.held(settings.limited()):
        wanted = replace(wanted, baseline=baseline_runs(settings.baseline_paths(), wanted))
        wanted = wanted if wanted.baseline else wanted.without_baseline()
        runs = runs_of(path, wanted)
        names = [rule] if rule is not None else list(known_rules())
        for run, label in zip(runs, labels_of(runs), strict=True):
            found = reasons(run, wanted, names)
            if form == "json":
                write(said.in_json(found, label))
            else:
                sheet = page(plain=True, width=int(width) if width else None, color="auto")
                write((said.in_words if rule is not None else said.in_lines)(found, label, sheet))
    raise typer.Exit(OK)
