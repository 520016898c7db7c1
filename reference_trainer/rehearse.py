"""`diagnose rehearse RUN`: the run's finding caused on the nearest reference task, and its advice taken there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from diagnose import terminal
from reference_trainer.cli import needs_trainer


def rehearse(
    source: Annotated[str, typer.Argument(metavar="RUN", help="The log of your run.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="PICTURE", help="Before and after: a .png, .svg or .pdf.")] = Path(
        "rehearsal.png"
    ),
    fault: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which fault, where several give the finding.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Hyperparameters of the run: a YAML, JSON or TOML file.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No pictures: words, for a screen reader.")] = False,
) -> None:
    """Cause the finding of a run on the nearest reference task, take the advice there, and show before and after."""
    began = time.perf_counter()
    with needs_trainer():
        import matplotlib  # noqa: F401
        import torch  # noqa: F401

    from diagnose import audit
    from reference_trainer import before_after, rehearsal

    report = audit.diagnose(source, config=config)
    ill = next((found for found in report.diagnoses if rehearsal.rehearsable(found.findings)), None)
    if ill is None:
        named = [finding.rule for found in report.diagnoses for finding in found.findings]
        if not named:
            typer.echo(f"{source}: nothing was found, so there is nothing to rehearse")
            return
        ill = report.diagnoses[0]
    with terminal.bar(1 + rehearsal.FIXES, "rehearsing") as step:
        shown = rehearsal.rehearse(ill, fault, step)
    sheet = terminal.page(plain, None, "auto")
    terminal.write(before_after.render(shown, source, sheet))
    before_after.draw(shown, out)
    typer.echo(f"\nwrote {out}; {time.perf_counter() - began:.0f} s")
