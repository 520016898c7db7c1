"""Options that several commands share: what they accept, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diagnose.console import completion
from diagnose.console.terminal import MIN_WIDTH
from diagnose.errors import unknown
from diagnose.names import config as configuration
from diagnose.names.hyperparameters import HYPERPARAMETERS
from diagnose.names.kinds import KINDS
from diagnose.settings import FAIL_ON

if TYPE_CHECKING:
    from diagnose.reports.page import Detail

COLORS = ("auto", "always", "never")
PLOT_STYLES = ("light", "dark")


def choice(valid: tuple[str, ...]) -> Callable[[str | None], str | None]:
    """A callback that refuses other values and names the nearest valid one."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in valid:
            raise typer.BadParameter(unknown("value", value, valid))
        return value

    return check


def one_of(valid: tuple[str, ...], meaning: str, *flags: str) -> Any:
    """An option that takes one of these values, names them in the help, and completes them."""
    return typer.Option(
        *flags,
        metavar="|".join(valid),
        callback=choice(valid),
        help=meaning,
        autocompletion=completion.among(valid),
    )


def rule_id(value: str | None) -> str | None:
    """Refuse what is no rule, and name the nearest."""
    from diagnose.judging.installed import known_rules

    if value is not None and value not in known_rules():
        raise typer.BadParameter(unknown("rule", value, known_rules()))
    return value


def columns(value: str | None) -> str | None:
    """Refuse what is no width of a report."""
    if value is not None and not (value.isdecimal() and int(value) >= MIN_WIDTH):
        raise typer.BadParameter(f"{value!r} is no number of columns from {MIN_WIDTH} on")
    return value


def seconds(value: str | None) -> str | None:
    """Refuse what is no time to wait."""
    try:
        if value is None or 0.0 <= float(value) < float("inf"):
            return value
    except ValueError:
        pass
    raise typer.BadParameter(f"{value!r} is no number of seconds")


def split(values: list[str] | None) -> list[str] | None:
    """The items of repeated comma lists; None where the option was not given."""
    if not values:
        return None
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def pairs(values: list[str] | None) -> dict[str, str]:
    """ROLE=COLUMN as a mapping."""
    found = {}
    for value in values or []:
        role, equals, column = value.partition("=")
        if not role.strip() or not equals or not column.strip():
            raise typer.BadParameter(
                f"{value!r} is not of the form ROLE=COLUMN, such as train_loss=my_loss", param_hint="--map"
            )
        found[role.strip()] = column.strip()
    return found


def hyperparameters(values: list[str] | None, kind: str | None, file: str | None) -> str | dict[str, Any] | None:
    """The configuration of the runs: a file, or its content with NAME=VALUE and the kind of training over it.

    Raises ConfigError where the file cannot be read.
    """
    given = {}
    for value in values or []:
        name, _, setting = value.partition("=")
        if not name.strip() or not setting.strip():
            raise typer.BadParameter(
                f"{value!r} is not of the form NAME=VALUE, such as num_classes=10", param_hint="--set"
            )
        given[name.strip()] = setting.strip()
    if kind is not None:
        given["kind"] = kind
    if not given:
        return file
    known = configuration.normalise(given)
    for name in known.keys() - HYPERPARAMETERS - {"kind"}:
        raise typer.BadParameter(unknown("hyperparameter", name, sorted(HYPERPARAMETERS)), param_hint="--set")
    return {**(configuration.load(Path(file)) if file is not None else {}), **known}


def severities(fail_on: str) -> tuple[str, ...]:
    """The severities at or above a level of `--fail-on`; none for `never`."""
    return FAIL_ON[FAIL_ON.index(fail_on) : -1]


Column = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="ROLE=COLUMN", help="Which column plays a role: train_loss=my_loss. Repeatable."),
]
"""Parsed by `pairs`."""

Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter of the runs: num_classes=10. Repeatable."),
]
"""Parsed by `hyperparameters`, with `KindOfRun` and the file of `--config`."""

KindOfRun = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        callback=choice(KINDS),
        help=f"What the log's columns do not tell: {', '.join(KINDS[:-1])} or {KINDS[-1]}.",
        autocompletion=completion.among(KINDS),
    ),
]

Select = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULES",
        help="Only these rules or groups of rules, separated by commas.",
        autocompletion=completion.selected,
    ),
]
"""Parsed by `split`."""

Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="RULES", help="Not these rules or groups.", autocompletion=completion.selected),
]
"""Parsed by `split`."""

FailOn = Annotated[str | None, one_of(FAIL_ON, "The severity from which on the exit code is 1.  [default: warning]")]
"""Parsed by `severities`."""

Form = Annotated[str, one_of(("text", "json"), "For a person, or for a program.", "--format")]

PlotStyle = Annotated[str, one_of(PLOT_STYLES, "Colours of --plot.")]

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="All of it: causes, all advice, evidence, tips, what was not judged.")
]

Brief = Annotated[bool, typer.Option("--brief", help="One line for each run.")]


def detail(verbose: bool, brief: bool) -> Detail:
    """How much a report in words says of a run."""
    from diagnose.reports.page import Detail

    if verbose and brief:
        raise typer.BadParameter("is the opposite of --verbose; give one of them", param_hint="--brief")
    return Detail.FULL if verbose else Detail.LINE if brief else Detail.GLANCE


Plain = Annotated[bool, typer.Option("--plain", help="No pictures and no tables: words, for a screen reader.")]
