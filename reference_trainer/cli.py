"""`diagnose reference ...`: trainings whose illness is known, or that have none.

Thin: the options are the fields of a `Recipe`; torch is imported by the commands that train.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from diagnose import extras, parallel
from diagnose.console import terminal
from diagnose.errors import SettingsError, unknown
from diagnose.integrations.captum.command import needs_bias
from reference_trainer.faults import BIASES, CURVES, Fault
from reference_trainer.recipe import CHOICES, Recipe

if TYPE_CHECKING:
    from reference_trainer.learner import Result
    from reference_trainer.logs import Log

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train small networks with a known illness, or none, and write their logs.",
)

NEEDED = ("torch", "sklearn", "matplotlib", "mlxtend", "skimage")
"""Libraries of the extra."""


@contextmanager
def needs_trainer() -> Iterator[None]:
    """Says which extra to install where a library of the trainer is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in NEEDED:
            raise
        raise SettingsError(extras.missing(f"the reference trainer needs {error.name}", "trainer")) from error


@app.command()
def parts() -> None:
    """List every optimizer, schedule, block, regularizer ...: what it is, and where it comes from."""
    with needs_trainer():
        from reference_trainer.parts import render

        page = terminal.page(False, None, "auto")
        terminal.write(render(page.width, color=page.color))


@app.command()
def faults() -> None:
    """List every fault: what it does, and the finding that it must cause."""
    page = terminal.page(False, None, "auto")
    from diagnose.reports.page import grid

    known = {**CURVES, **BIASES}
    cells = [pair for name, fault in known.items() for pair in ((name, fault.line), ("", f"finding: {fault.finding}"))]
    width = max(map(len, known))
    lines = grid(("fault", "what it does, and what must be found"), cells, (width, page.width - width - 2), page)
    terminal.write("".join(f"{line}\n" for line in lines))


def run(
    *,
    fault: str | None,
    out: Path | None,
    wandb: str | None,
    wandb_project: str,
    tensorboard: Path | None,
    throughput: bool,
    bias: bool,
    notes: bool,
    **given: Any,
) -> None:
    """Train one recipe and write its log; then: diagnose run.csv."""
    if notes:
        from reference_trainer.notes import render

        page = terminal.page(False, None, "auto")
        terminal.write(render(page.width, color=page.color))
        return
    recipe = _recipe(fault, given)
    with needs_trainer():
        from reference_trainer.train import train

    if bias:
        with needs_bias():
            import captum.attr  # noqa: F401

            from reference_trainer import attributions
        attributions.check_recipe(recipe)
    places = Places(out, wandb, wandb_project, tensorboard, throughput)
    began = time.perf_counter()
    with terminal.bar(recipe.epochs, f"{recipe.model} on {recipe.task}") as step:
        result = train(
            recipe,
            partial(_logs, places, recipe, fault),
            step and (lambda epoch, row: step(epoch, _measured(row))),
        )
    typer.echo(_summary(result, time.perf_counter() - began))
    for line in _written(places, fault):
        typer.echo(line)
    if bias:
        table = None if out is None else out.with_name(f"{out.stem}_focus.csv")
        attributions.report(result, table)
        if table is not None:
            typer.echo(f"\nwrote {table}; next: diagnose {table}{_must_give(fault, BIASES)}")
    elif fault in BIASES:
        typer.echo(f"no curve shows {fault}; what the network looks at does: --bias")


@dataclass(frozen=True)
class Places:
    """Where the log of a training goes: a CSV, W&B (`offline` or `online`), TensorBoard; None for not there.

    throughput: whether the CSV has that column, too.
    """

    out: Path | None
    wandb: str | None
    wandb_project: str
    tensorboard: Path | None
    throughput: bool


def _recipe(fault: str | None, given: Mapping[str, Any]) -> Recipe:
    """The recipe that the options say, with the fault. Raises SettingsError."""
    chosen = {name: value for name, value in given.items() if value not in (None, [], ())}
    if "initial_bias" in chosen:
        chosen["bias"] = chosen.pop("initial_bias")
    if "corrupt_at" in chosen:
        chosen["corrupt_at"] = tuple(chosen["corrupt_at"])
    if fault is None:
        return Recipe(**chosen)
    known = {**CURVES, **BIASES}
    if fault not in known:
        raise SettingsError(unknown("fault", fault, known))
    return known[fault].recipe(**chosen)


def _logs(places: Places, recipe: Recipe, fault: str | None, columns: tuple[str, ...]) -> Log:
    """All logs that are asked for, of these columns. Raises LogError."""
    from reference_trainer.learner import THROUGHPUT
    from reference_trainer.logs import CsvLog, Logs, TensorBoardLog, WandbLog
    from reference_trainer.train import unlogged

    config = recipe.config() | ({} if fault is None else {"fault": fault})
    logs: list[Log] = []
    if places.out is not None:
        left = [column for column in unlogged(recipe) if not (places.throughput and column == THROUGHPUT)]
        logs.append(CsvLog(places.out, columns, config, leave_out=left))
    if places.wandb is not None:
        name = fault or f"{recipe.model}-{recipe.optimizer}"
        logs.append(WandbLog(places.wandb, places.wandb_project, name, config))
    if places.tensorboard is not None:
        logs.append(TensorBoardLog(places.tensorboard, config))
    return Logs(logs)


def _summary(result: Result, seconds: float) -> str:
    """What was trained for how long, and the last figures."""
    last = {key: value for row in result.rows for key, value in row.items()}
    shown = [
        f"{key} {value:.4g}" for key, value in last.items() if re.match(r"(train|val|sample|generator|disc)_?\w*$", key)
    ]
    recipe = result.recipe
    return f"{recipe.model} on {recipe.task}: {last['epoch']:g} epochs in {seconds:.1f} s; {', '.join(shown)}"


def _written(places: Places, fault: str | None) -> list[str]:
    """Where the log is, and what to do with it, in lines."""
    out = places.out
    if out is None and places.wandb is None and places.tensorboard is None:
        return ["nothing was written; name a log with --out run.csv, --wandb offline or --tensorboard tb/"]
    wrote = [str(place) for place in (out, out and out.with_suffix(".yaml"), places.tensorboard) if place is not None]
    lines = [f"wrote {', '.join(wrote)}"] if wrote else []
    if out is not None:
        lines.append(f"next: diagnose {out}{_must_give(fault, CURVES)}")
    return lines


def _must_give(fault: str | None, faults: Mapping[str, Fault]) -> str:
    """The finding that the fault must cause, where it is one of these."""
    return f"   ({fault} must give {faults[fault].finding})" if fault is not None and fault in faults else ""


@app.command()
def trials(
    seeds: Annotated[int, typer.Option(min=1, max=999, help="Runs of each fault on each task, to be published.")] = 20,
    ranking_seeds: Annotated[
        int, typer.Option(min=1, max=999, help="Runs with other seeds, by which the fixes are ranked.")
    ] = 10,
    only: Annotated[list[str] | None, typer.Option(metavar="FAULT", help="Only this fault. Repeatable.")] = None,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="Processes; auto: one per core.")] = "auto",
    backend: Annotated[
        str, typer.Option(metavar="loky|dask", help="loky: processes here; dask: the workers of --scheduler.")
    ] = "loky",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler, such as tcp://10.0.0.1:8786.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Every training; what is there already is not run again.")] = Path(
        "reference_trials.csv"
    ),
    table: Annotated[
        Path | None, typer.Option(help="Write the table that `diagnose` ranks its fixes by: rules/trials.csv.")
    ] = None,
) -> None:
    """Try every fix: train with each fault, take each advice, train again, and count what it resolved.

    Prints how often the first advice, and one of the first three, resolves each fault; exits with 1 where that is
    below its bar over all faults.
    """
    with needs_trainer():
        import sklearn  # noqa: F401
        import torch  # noqa: F401

    from diagnose import trials as evidence
    from reference_trainer import outcomes
    from reference_trainer import trials as trying

    if backend not in ("loky", "dask"):
        raise SettingsError(unknown("backend", backend, ("loky", "dask")))
    processes = parallel.workers(jobs)
    wanted = trying.trials({"ranking": ranking_seeds, "published": seeds}, only or ())
    with terminal.bar(len(wanted), "trying") as step:
        trainings = trying.measure(
            wanted,
            out,
            processes,
            backend=backend,
            scheduler=scheduler,
            progress=step and (lambda done, total, name: step(done, name)),
        )
    rows = outcomes.table(trainings)
    if table is not None:
        try:
            evidence.write(rows, table)
        except OSError as error:
            raise SettingsError(f"{table}: cannot be written ({error.strerror}); name another with --table") from error
    scores = outcomes.scores(trainings, rows)
    typer.echo(outcomes.summary(scores), nl=False)
    raise typer.Exit(0 if outcomes.passed(scores) else 1)


@app.command()
def blind(
    split: Annotated[str, typer.Option(metavar="ranking|test", help="Which faults, models and data.")] = "ranking",
    seeds: Annotated[int, typer.Option(min=1, max=999, help="Runs of each fault in each model.")] = 1,
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="Processes; auto: one per core.")] = "auto",
    out: Annotated[Path, typer.Option(help="Every training; what is there already is not run again.")] = Path(
        "reference_blind.csv"
    ),
) -> None:
    """Take the advice on faults, models and data that nothing was built on, beside baselines that read no log.

    Prints how often the first advice, and one of the first three, brings back what the fault cost.
    """
    with needs_trainer():
        import mlxtend  # noqa: F401
        import skimage  # noqa: F401
        import torch  # noqa: F401

    from reference_trainer import blind as trial

    wanted = trial.cases(split, seeds)
    with terminal.bar(len(wanted), "trying") as step:
        lines = trial.measure(
            wanted, out, parallel.workers(jobs), step and (lambda done, total, name: step(done, name))
        )
    typer.echo(trial.summary(lines), nl=False)


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
    with needs_trainer():
        import sklearn  # noqa: F401
        import torch  # noqa: F401

    from reference_trainer import check as checking

    processes = parallel.workers(jobs)
    wanted = checking.trials(range(first_seed, first_seed + seeds), only or ())
    with terminal.bar(len(wanted), "checking") as step:
        outcomes = checking.measure(wanted, out, processes, step and (lambda done, total, name: step(done, name)))
    typer.echo(checking.table(outcomes), nl=False)
    low = checking.missed(outcomes)
    typer.echo(f"\n{len(outcomes)} runs; below their bar: {', '.join(low) if low else 'none'}")
    raise typer.Exit(1 if low else 0)


def _measured(row: Mapping[str, Any]) -> str:
    """The figures of a row that are worth a look while the training goes on."""
    shown = [key for key in row if re.fullmatch(r"(train|val)_[a-z0-9]+|\w+_loss", key)][:4]
    return "  ".join(f"{key} {row[key]:.4g}" for key in shown)


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
        "bias": (bool, typer.Option("--bias", help="Check what the trained network looks at; extra: bias.")),
        "notes": (bool, typer.Option("--notes", help="Train nothing; print what implements each line of the notes.")),
    }
    defaults = {"wandb_project": "reference-trainer", "throughput": False, "bias": False, "notes": False}
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
        name = "initial_bias" if field.name == "bias" else field.name  # --bias asks for the bias check
        flag = f"--{name.replace('_', '-')}"
        names = (f"{flag}/--no-{flag[2:]}",) if hints[field.name] is bool else (flag,)
        metavar = {"str": "NAME", "int": "N", "float": "X"}.get(str(field.type).partition(" ")[0])
        option = typer.Option(*names, help=said + told, show_default=False, metavar=metavar)
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])
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
