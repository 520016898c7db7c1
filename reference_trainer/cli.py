"""`diagnose reference ...`: trainings whose illness is known, or that have none.

Thin: the options are the fields of a `Recipe`; torch is imported by the commands that train.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from diagnose import fan_out
from diagnose.reports.text import Page
from diagnose.settings import SettingsError, unknown
from reference_trainer.faults import FAULTS
from reference_trainer.recipe import CHOICES, Recipe

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train small networks with a known illness, or none, and write their logs.",
)

EXTRA = "pip install 'training-diagnose[trainer]'"

WIDEST = 100
"""Columns from which on a wider terminal makes lines no easier to read."""


@contextmanager
def _torch() -> Iterator[None]:
    """Says which extra to install where a library of the trainer is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("torch", "sklearn", "yaml"):
            raise
        raise SettingsError(f"the reference trainer needs {error.name}, which is not installed; {EXTRA}") from error


def _page() -> Page:
    """What stdout is."""
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Page(width=min(shutil.get_terminal_size((80, 24)).columns, WIDEST), color=color)


@app.command()
def parts() -> None:
    """List every optimizer, schedule, block, regularizer ...: what it is, and where it comes from."""
    with _torch():
        from reference_trainer.parts import render

        page = _page()
        typer.echo(render(page.width, color=page.color), nl=False, color=True)


@app.command()
def faults() -> None:
    """List every fault: what it does, and the finding that it must cause."""
    page = _page()
    from diagnose.reports.text import grid

    cells = [pair for name, fault in FAULTS.items() for pair in ((name, fault.line), ("", f"finding: {fault.finding}"))]
    width = max(map(len, FAULTS))
    for line in grid(("fault", "what it does, and what must be found"), cells, (width, page.width - width - 2), page):
        typer.echo(line, color=True)


def run(
    *,
    fault: str | None,
    out: Path | None,
    wandb: str | None,
    wandb_project: str,
    tensorboard: Path | None,
    throughput: bool,
    **given: Any,
) -> None:
    """Train one recipe and write its log; then: diagnose run.csv."""
    chosen = {name: value for name, value in given.items() if value not in (None, [], ())}
    if "corrupt_at" in chosen:
        chosen["corrupt_at"] = tuple(chosen["corrupt_at"])
    if fault is not None and fault not in FAULTS:
        raise SettingsError(unknown("fault", fault, FAULTS))
    recipe = Recipe(**chosen) if fault is None else FAULTS[fault].recipe(**chosen)
    with _torch():
        from reference_trainer.logs import CsvLog, Log, Logs, TensorBoardLog, WandbLog
        from reference_trainer.train import THROUGHPUT, train, unlogged

    config = recipe.config() | ({} if fault is None else {"fault": fault})
    name = fault or f"{recipe.model}-{recipe.optimizer}"

    def open_log(columns: tuple[str, ...]) -> Log:
        logs: list[Log] = []
        if out is not None:
            left = [column for column in unlogged(recipe) if not (throughput and column == THROUGHPUT)]
            logs.append(CsvLog(out, columns, config, leave_out=left))
        if wandb is not None:
            logs.append(WandbLog(wandb, wandb_project, name, config))
        if tensorboard is not None:
            logs.append(TensorBoardLog(tensorboard, config))
        return Logs(logs)

    began = time.perf_counter()
    with _bar(recipe.epochs, f"{recipe.model} on {recipe.task}") as progress:
        result = train(recipe, open_log, progress)
    seconds = time.perf_counter() - began
    last = {key: value for row in result.rows for key, value in row.items()}
    shown = [
        f"{key} {value:.4g}" for key, value in last.items() if re.match(r"(train|val|sample|generator|disc)_?\w*$", key)
    ]
    typer.echo(f"{recipe.model} on {recipe.task}: {last['epoch']:g} epochs in {seconds:.1f} s; {', '.join(shown)}")
    wrote = [str(place) for place in (out, out and out.with_suffix(".yaml"), tensorboard) if place is not None]
    if wrote:
        typer.echo(f"wrote {', '.join(wrote)}")
    if out is None and wandb is None and tensorboard is None:
        typer.echo("nothing was written; name a log with --out run.csv, --wandb offline or --tensorboard tb/")
    elif out is not None:
        typer.echo(f"next: diagnose {out}" + (f"   ({fault} must give {FAULTS[fault].finding})" if fault else ""))


@app.command()
def check(
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each fault and each healthy recipe.")] = 20,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this fault or recipe. Repeatable.")
    ] = None,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="Processes; auto: one per core.")] = "auto",
    out: Annotated[Path, typer.Option(help="Results; what is there already is not run again.")] = Path(
        "reference_check.csv"
    ),
) -> None:
    """Measure over seeds whether every fault gives its finding and every healthy recipe no warning and no error.

    Prints the tables of the README; exits with 1 where one of the rates is below its bar.
    """
    with _torch():
        import sklearn  # noqa: F401
        import torch  # noqa: F401

    from reference_trainer import check as checking

    if jobs != "auto" and not (jobs.isdecimal() and int(jobs) > 0):
        raise SettingsError(f"--jobs is {jobs!r}; give a number of processes or auto")
    wanted = checking.trials(range(first_seed, first_seed + seeds), only or ())
    with _bar(len(wanted), "checking") as progress:

        def report(done: int, total: int, name: str) -> None:
            if progress is not None:
                progress(done, {"": name})

        outcomes = checking.measure(wanted, out, fan_out.cores() if jobs == "auto" else int(jobs), report)
    typer.echo(checking.table(outcomes), nl=False)
    low = checking.missed(outcomes)
    typer.echo(f"\n{len(outcomes)} runs; below their bar: {', '.join(low) if low else 'none'}")
    raise typer.Exit(1 if low else 0)


@contextmanager
def _bar(total: int, title: str) -> Iterator[Callable[[int, Mapping[str, Any]], None] | None]:
    """A progress bar on stderr, with what was measured last; None where stderr is no terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[said]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, said="")

        def step(done: int, row: Mapping[str, Any]) -> None:
            shown = [key for key in row if re.fullmatch(r"(train|val)_[a-z0-9]+|\w+_loss|", key)][:4]
            said = "  ".join(f"{key} {row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in shown)
            bar.update(task, completed=done, said=said)

        yield step


def _options() -> inspect.Signature:
    """The signature of `run`: its own options, then one for each field of a recipe."""
    texts = _documented(Recipe.__doc__ or "")
    hints = get_type_hints(Recipe)
    own = {
        "fault": (str | None, typer.Option(metavar="NAME", help="One of `diagnose reference faults`.")),
        "out": (Path | None, typer.Option(metavar="RUN.CSV", help="The log; its config goes beside it, to run.yaml.")),
        "wandb": (str | None, typer.Option(metavar="offline|online", help="Log to Weights & Biases.")),
        "wandb_project": (str, typer.Option(help="The project there.")),
        "tensorboard": (Path | None, typer.Option(metavar="FOLDER", help="Log to TensorBoard.")),
        "throughput": (bool, typer.Option("--throughput", help="Examples per second in the CSV, too.")),
    }
    defaults = {"wandb_project": "reference-trainer", "throughput": False}
    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=Annotated[kind, option]
        )
        for name, (kind, option) in own.items()
    ]
    for field in fields(Recipe):
        default = field.default if field.default is not MISSING else None
        said = re.sub(r"; None for (.*?)\.$", r"; without it: \1.", texts.get(field.name, ""))
        said = said[:1].upper() + said[1:]
        if field.name in CHOICES:
            said = f"{said} {', '.join(CHOICES[field.name])}".strip()
        kind: Any = list[int] | None if field.name == "corrupt_at" else hints[field.name] | None
        told = "" if default in (None, "", (), False, True) else f"  [default: {default}]"
        flag = f"--{field.name.replace('_', '-')}"
        names = (f"{flag}/--no-{flag[2:]}",) if hints[field.name] is bool else (flag,)
        metavar = {"str": "NAME", "int": "N", "float": "X"}.get(str(field.type).partition(" ")[0])
        option = typer.Option(*names, help=said + told, show_default=False, metavar=metavar)
        parameters.append(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
            )
        )
    return inspect.Signature(parameters)


def _documented(doc: str) -> dict[str, str]:
    """Field -> what the docstring says of it, where it names one field or several before a colon."""
    found: dict[str, str] = {}
    for names, text in re.findall(r"^    ([a-z_0-9, ]+): (.+(?:\n        .+)*)", doc, flags=re.MULTILINE):
        for name in names.split(","):
            found[name.strip()] = " ".join(text.split())
    return found


_SIGNATURE = _options()
run.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
run.__annotations__ = {name: parameter.annotation for name, parameter in _SIGNATURE.parameters.items()}
app.registered_commands.insert(0, typer.models.CommandInfo(name="run", callback=run))
