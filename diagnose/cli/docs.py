"""`diagnose docs`: the manual as pages for a browser, built from the Markdown of this version and its rules.

    diagnose docs                     # builds it where it is not built yet, and opens it; Ctrl-C ends it
    diagnose docs --build site/       # writes the pages into a folder, for any web server

The pages load nothing from elsewhere, and their search works without a network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

import diagnose
from diagnose.console.terminal import complain
from diagnose.curves import Run
from diagnose.errors import SettingsError
from diagnose.rule import GROUPS, Case, Rule

SOURCES = ("manual", "../docs")
"""Where the Markdown lies, from the package: in an installation, and in a clone."""

MISSING = (
    "needs MkDocs: pip install mkdocs-material (from a clone: pip install '.[docs]'); the sources are in {}; "
    "`diagnose explain RULE` and `diagnose help COMMAND` need nothing"
)


def docs(
    build: Annotated[
        str | None,
        typer.Option("--build", metavar="FOLDER", help="Write the pages into this folder, and open nothing."),
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Draw what each rule finds; half a minute.")] = True,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    port: Annotated[int, typer.Option(help="Port of this machine; 0 for any that is free.")] = 0,
) -> None:
    """Open the manual in a browser: tutorials, a page for each rule, formats, settings, how good it is."""
    if build is not None:
        target = Path(build)
        if target.exists() and any(target.iterdir()):
            raise SettingsError(f"{build}: is not empty; name a new folder")
        write_site(target, pictures)
        typer.echo(f"{target / 'index.html'}")
        return
    with tempfile.TemporaryDirectory(prefix="diagnose-docs-") as folder:
        site = Path(folder) / "site"
        complain("diagnose", "building the manual, which takes half a minute")
        write_site(site, pictures)
        _serve(site, port, browser)


def _serve(site: Path, port: int, browser: bool) -> None:
    """Show the pages to this machine until Ctrl-C."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(site)))
    except OSError as error:
        raise SettingsError(f"--port {port}: cannot be used ({(error.strerror or str(error)).lower()})") from error
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    typer.echo(f"{address}  (Ctrl-C ends it)")
    if browser:
        import webbrowser

        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def sources() -> Path:
    """The folder of the Markdown."""
    package = Path(diagnose.__file__).parent
    for place in SOURCES:
        if (package / place / "mkdocs.yml").is_file():
            return (package / place).resolve()
    raise SettingsError("the sources of the manual are not in this installation; install it from a clone or an index")


def write_site(target: Path, pictures: bool) -> None:
    """Build the pages into a folder.

    pictures: whether to draw the cases of each rule.
    Raises SettingsError where MkDocs is not there, or says no.
    """
    source = sources()
    if find_spec("mkdocs") is None or find_spec("material") is None:
        raise SettingsError(f"docs: {MISSING.format(source)}")
    import yaml

    with tempfile.TemporaryDirectory(prefix="diagnose-docs-") as folder:
        work = Path(folder)
        shutil.copytree(source, work / "docs")
        config = yaml.safe_load((work / "docs" / "mkdocs.yml").read_text(encoding="utf-8"))
        for page in (work / "docs").glob("*.md"):
            _link(page)
        named = dict(write_rules(work / "docs" / "rules", pictures))
        config["nav"] = [
            {"Rules": [entry["Rules"], *_navigation(named)]} if "Rules" in entry else entry for entry in config["nav"]
        ]
        (work / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(work / "mkdocs.yml")]
        made = subprocess.run(
            [*command, "-d", str(target.resolve())],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        )
        if made.returncode:
            said = [line for line in (made.stderr + made.stdout).splitlines() if line.strip()]
            raise SettingsError(f"docs: MkDocs could not build the pages: {' '.join(said[-8:])}")


def _link(page: Path) -> None:
    """Let the table of rules lead to their pages, and nothing to what lies beside the Markdown in the repository."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", text)
    if page.name == "rules.md":
        text = re.sub(r"^\| `([a-z0-9-]+)` \|", r"| [`\1`](rules/\1.md) |", text, flags=re.MULTILINE)
    page.write_text(text, encoding="utf-8")


def _navigation(named: Mapping[str, str]) -> list[dict[str, Any]]:
    """The pages of the rules by group. named: id of a rule -> its group."""
    return [
        {group.capitalize(): [{rule: f"rules/{rule}.md"} for rule, own in named.items() if own == group]}
        for group in GROUPS
        if group in named.values()
    ]


def write_rules(folder: Path, pictures: bool) -> Iterator[tuple[str, str]]:
    """Write the page of each rule with its pictures; gives id and group of each, once it is written."""
    from diagnose.judging import manuals
    from diagnose.judging.installed import load_rules
    from diagnose.reports.rule_page import rule_page

    folder.mkdir()
    for rule in load_rules():
        page = rule_page(*manuals.of(rule.id), _pictures(rule, folder) if pictures else {})
        (folder / f"{rule.id}.md").write_text(page, encoding="utf-8")
        yield rule.id, rule.group


def _pictures(rule: Rule, folder: Path) -> dict[str, str]:
    """Draw the first case that the rule fires on and the first that it leaves alone: caption -> file. None without
    matplotlib, and of rules that are about several runs or a setting.
    """
    if find_spec("matplotlib") is None:
        return {}
    fires = next((case for case in rule.cases if case.expect is not None), None)
    silent = next((case for case in rule.cases if case.expect is None), None)
    found = {}
    for said, case in (("Found", fires), ("Left alone", silent)):
        name = f"{rule.id}-{said.split()[0].lower()}.svg"
        if case is not None and _draw(rule, case, folder / name):
            found[f"{said}: {case.title}"] = name
    return found


def _draw(rule: Rule, case: Case, path: Path) -> bool:
    """Draw a case with what the rule finds in it; False where there is no curve to show."""
    from diagnose.judging.engine import judge
    from diagnose.report import Report
    from diagnose.reports import panels, plot

    run = case.build()
    if not isinstance(run, Run):
        return False
    diagnosis = judge(run, [rule])
    if any(not finding.series for finding in diagnosis.findings) or not panels.of_run(diagnosis):
        return False
    plot.draw(Report((diagnosis,)), path)
    return True
