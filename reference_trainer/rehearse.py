"""`diagnose rehearse RUN`: the run's finding caused on the nearest reference task, and its advice taken there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from diagnose.console import options, terminal
from diagnose.reports.words import place
from diagnose.rule import Severity
from reference_trainer.cli import needs_trainer


def rehearse(
    source: Annotated[str, typer.Argument(metavar="RUN", help="The log of your run.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="PICTURE", help="Before and after: a .png, .svg or .pdf.")] = Path(
        "rehearsal.png"
    ),
    finding: Annotated[
        str | None, typer.Option(metavar="RULE", help="Which finding.  [default: the first that can be rehearsed]")
    ] = None,
    fault: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which fault, where several give the finding.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Hyperparameters of the run: a YAML, JSON or TOML file.")
    ] = None,
    plain: options.Plain = False,
) -> None:
    """Cause the finding of a run on the nearest reference task, take the advice there, and show before and after."""
    began = time.perf_counter()
    with needs_trainer():
        import matplotlib  # noqa: F401
        import torch  # noqa: F401

    from diagnose import api as audit
    from diagnose.reports import plot
    from reference_trainer import before_after, rehearsal

    plot.check(out, "--out")
    report = audit.diagnose(source, config=config)
    ill = max(
        report.diagnoses,
        key=lambda found: rehearsal.rehearsable(found.findings, finding, found.kind.name) is not None,
    )
    can = rehearsal.rehearsable(ill.findings, None, ill.kind.name)
    if finding is None and not can and ill.worst in (None, Severity.NOTE):
        terminal.write(f"{place(source)}: no problem was found, so there is nothing to rehearse\n")
        return
    with terminal.bar(1 + rehearsal.FIXES, "rehearsing") as step:
        shown = rehearsal.rehearse(ill, finding, fault, step)
    name = f"{source} [{ill.run.name}]" if len(report.diagnoses) > 1 else source
    terminal.write(before_after.render(shown, name, terminal.page(plain, None, "auto")))
    before_after.draw(shown, out)
    terminal.write(f"\nwrote {place(str(out))}; {time.perf_counter() - began:.0f} s\n")
