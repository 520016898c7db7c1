"""`diagnose docs`: the manual as pages for a browser.

diagnose docs                     # builds it where it is not built yet, and opens it
diagnose docs overfitting         # opens the page of a rule
diagnose docs --path              # prints where the pages are, and opens nothing
diagnose docs --build site/       # writes the pages into a folder, for a web server
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diagnose.console import completion, options
from diagnose.console.terminal import complain
from diagnose.errors import SettingsError


def docs(
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="RULE",
            callback=options.rule_id,
            help="Open the page of this rule.",
            autocompletion=completion.rule_ids,
        ),
    ] = None,
    path: Annotated[
        bool, typer.Option("--path", "--no-browser", help="Print where the pages are, and open nothing.")
    ] = False,
    build: Annotated[
        str | None,
        typer.Option("--build", metavar="FOLDER", help="Write the pages into this folder, and open nothing."),
    ] = None,
) -> None:
    """Open the manual in a browser: tutorials, a page for each rule, formats, settings, how good it is."""
    from diagnose.cli import site

    if build is None:
        start = site.cached()
    else:
        target = Path(build)
        if target.exists() and any(target.iterdir()):
            raise SettingsError(f"{build}: is not empty; name a new folder")
        site.write(target)
        start = target / "index.html"
    page = start if rule is None else start.parent / "rules" / f"{rule}.html"
    typer.echo(page)
    if path or build:
        return
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        complain("diagnose", f"no browser could be started; open {page} in one")
