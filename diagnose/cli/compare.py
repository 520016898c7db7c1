"""`diagnose compare LOGS...`: runs held beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import diagnose
from diagnose.cli.group import OK, WRONG
from diagnose.console import completion, options
from diagnose.console.output import check_places, format_of, write_file
from diagnose.console.terminal import complain, page, progress_bar, write
from diagnose.errors import SettingsError

FORMATS = ("text", "html")
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
            FORMATS,
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
    form = form or (format_of(out) if format_of(out) in FORMATS else "text")
    check_places(form, out, plot)
    from diagnose import api as audit
    from diagnose.reports import compare as text
    from diagnose.reports import comparison

    settings = audit.load_settings(paths[0])
    with progress_bar() as progress:
        report = audit.diagnose(paths, map=options.pairs(column), settings=settings, progress=progress)
    for source, message in report.errors:
        complain(source, message)
    runs, most = report.diagnoses, len(comparison.LETTERS)
    if len(runs) < 2:
        raise SettingsError(f"compare: {len(runs)} of 2 runs; name two logs or more, or a directory of them")
    if len(runs) > most:
        raise SettingsError(
            f"compare: {len(runs)} runs, and at most {most} go beside each other; diagnose PATHS has all"
        )
    try:
        compared = comparison.compare(runs, by or "")
    except comparison.CannotAlignError as error:
        raise SettingsError(f"compare: {error}") from error
    if form == "html":
        from diagnose.reports import html

        said = html.render_comparison(compared, version=diagnose.__version__)
    else:
        sheet = page(plain, int(width) if width else None, "auto" if out is None else "never")
        said = text.render(compared, page=sheet)
    if out is None:
        write(said)
    else:
        write_file(out, said)
    if plot:
        from diagnose.reports import plot as picture

        picture.draw_comparison(compared, Path(plot), style=plot_style)
    raise typer.Exit(WRONG if report.errors else OK)
