"""`diagnose compare LOGS...`: runs held beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diagnose.cli.group import OK, WRONG
from diagnose.console import completion, options
from diagnose.console.output import check_apart, check_places, deliver
from diagnose.console.terminal import complain, page, progress_bar
from diagnose.reports import COMPARISONS, format_of, render_comparison

BY = ("epoch", "percent")


def compare(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="LOGS...", help="Two logs or more, or a directory of them.", autocompletion=completion.paths
        ),
    ],
    column: options.Column = None,
    by: Annotated[
        str | None,
        options.one_of(BY, "What to draw the curves over.  [default: the axis that the logs share, else the epochs]"),
    ] = None,
    form: Annotated[
        str | None,
        options.one_of(
            tuple(COMPARISONS),
            "For a terminal, or as a page for a browser.  [default: text, or as the file's name ends]",
            "--format",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the comparison there and not to stdout."),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Also draw the curves over each other: a .png, .svg or .pdf."),
    ] = None,
    plot_style: options.PlotStyle = "light",
    plain: options.Plain = False,
    width: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", callback=options.columns, help="Width of the comparison."),
    ] = None,
) -> None:
    """Hold runs beside each other: curves over each other, and what differs in findings, values and configuration."""
    form = form or format_of(out, COMPARISONS)
    check_places(form, out, plot)
    check_apart(paths, (), None, out=out, plot=plot)
    from diagnose import api
    from diagnose.reports import comparison
    from diagnose.reports.context import Context

    settings = api.load_settings(paths[0])
    with progress_bar() as progress:
        report = api.diagnose(paths, map=options.pairs(column), settings=settings, progress=progress)
    for source, message in report.errors:
        complain(source, message)
    compared = comparison.compare(report.diagnoses, by or "")
    sheet = page(plain, int(width) if width else None, "auto" if out is None else "never")
    deliver(render_comparison(compared, form, Context(page=sheet)), out)
    if plot:
        from diagnose.reports.plot import draw_comparison

        draw_comparison(compared, Path(plot), style=plot_style)
    raise typer.Exit(WRONG if report.errors else OK)
