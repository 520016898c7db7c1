"""The pages of the manual: built from the Markdown of this version and its rules, by MkDocs.

They load nothing from elsewhere, and open as files: their search works without a network and without a server.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diagnose
from diagnose import extras
from diagnose.curves import Run
from diagnose.errors import SettingsError
from diagnose.judging import manuals
from diagnose.judging.cases import judged
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import compares_runs, needs
from diagnose.reports import rule_cases
from diagnose.reports.rule_cases import Shown
from diagnose.reports.rule_page import rule_page
from diagnose.rule import GROUPS, Rule

SOURCES = ("manual", "../docs")
"""Where the Markdown lies, from the package: in an installation, and in a clone."""

WITHOUT = "`diagnose explain RULE` and `diagnose help COMMAND` need nothing"
"""What there is where MkDocs is not."""


def cached() -> Path:
    """The start page of this version's manual in the user's cache, where it is built if it is not there.

    Raises as `write`.
    """
    _require()
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("diagnose", appauthor=False)) / "docs"
    site = folder / _fingerprint()
    if not (site / "index.html").is_file():
        try:
            shutil.rmtree(folder, ignore_errors=True)  # those of another version
            folder.mkdir(parents=True)
            with tempfile.TemporaryDirectory(dir=folder) as made:
                write(Path(made) / "site")
                (Path(made) / "site").rename(site)
        except OSError as error:
            raise SettingsError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return site / "index.html"


def _fingerprint() -> str:
    """What the pages are made of, as a name: their sources, and the packages of the rules and of this code."""
    digest = hashlib.sha256()
    rules = {Path(inspect.getfile(rule.check)).parent for rule in load_rules()}
    for folder in (sources(), *sorted(rules), Path(__file__).parent, Path(rule_cases.__file__).parent):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def sources() -> Path:
    """The folder of the Markdown."""
    package = Path(diagnose.__file__).parent
    for place in SOURCES:
        if (package / place / "mkdocs.yml").is_file():
            return (package / place).resolve()
    raise SettingsError("the sources of the manual are not in this installation; install it from a clone or an index")


def write(target: Path) -> None:
    """Build the pages into a folder.

    Raises SettingsError where MkDocs is not there, or says no.
    """
    source = sources()
    _require()
    import yaml

    with tempfile.TemporaryDirectory(prefix="diagnose-docs-") as folder:
        work = Path(folder)
        shutil.copytree(source, work / "docs")
        config = yaml.safe_load((work / "docs" / "mkdocs.yml").read_text(encoding="utf-8"))
        for page in (work / "docs").glob("*.md"):
            _link(page)
        named = dict(write_rules(work / "docs" / "rules"))
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


def _require() -> None:
    if find_spec("mkdocs") is None or find_spec("material") is None:
        needed = extras.missing("docs needs MkDocs and its theme Material", "docs")
        raise SettingsError(f"{needed}; the sources are in {sources()}; {WITHOUT}")


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


def write_rules(folder: Path) -> Iterator[tuple[str, str]]:
    """Write the page of each rule; gives id and group of each, once it is written."""
    folder.mkdir()
    for rule in load_rules():
        page = rule_page(manuals.of(rule.id), list(_cases(rule)))
        (folder / f"{rule.id}.md").write_text(page, encoding="utf-8")
        yield rule.id, rule.group


def _cases(rule: Rule) -> Iterator[Shown]:
    """The first case that the rule fires on, and the first that it leaves alone, judged."""
    curves = compares_runs(rule) or any(need.curve for need in needs(rule))
    for heading, fires in (("It speaks", True), ("It is silent", False)):
        case = next((case for case in rule.cases if (case.expect is not None) is fires), None)
        if case is not None:
            built = case.build()
            runs = (built,) if isinstance(built, Run) else tuple(built)
            yield Shown(heading, case.title, runs, tuple(judged(rule, built)[0]), curves)
