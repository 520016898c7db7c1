"""Pages and comparisons as a whole, against files that a person has looked at.

`python -m tests.reports.test_approved_pages` writes them anew; look at the difference before it is committed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from diagnose.report import Report, SourceError
from diagnose.reports import compare, comparison, html, notebook
from diagnose.reports.context import Context
from diagnose.reports.page import Page
from diagnose.rule import Diagnosis
from tests.reports import conftest

FOLDER = Path(__file__).with_name("approved_pages")
BROKEN = (SourceError("notes.txt", "this is no training log"),)


def made(fixture: str) -> Diagnosis:
    """A hand-made diagnosis of the conftest."""
    build: Callable[[], Diagnosis] = getattr(conftest, fixture).__wrapped__
    return build()


def body(document: str) -> str:
    """What a page says, without its style and its scripts; one element a line, so that a difference is seen."""
    main = re.search(r"<main.*</main>", document, re.DOTALL)
    assert main
    return (
        re.sub(r"(</(?:p|li|tr|h\d|section|figure|header|svg|g|details|div)>|<path|<line|<rect)", r"\1\n", main[0])
        + "\n"
    )


def both(picture: bool) -> str:
    runs = [made("ill"), made("healthy")]
    return compare.render(comparison.compare(runs), Context(page=Page(picture=picture, ascii=True)))


def page(*fixtures: str, errors: tuple[SourceError, ...] = ()) -> str:
    return body(html.render(Report(tuple(map(made, fixtures)), errors), Context(version="1")))


CASES: dict[str, Callable[[], str]] = {
    "ill.html": lambda: page("ill"),
    "healthy.html": lambda: page("healthy"),
    "unjudged.html": lambda: page("unjudged"),
    "broken.html": lambda: page(errors=BROKEN),
    "notebook.html": lambda: notebook.render(Report((made("ill"),)), Context()) + "\n",
    "comparison.txt": lambda: both(picture=True),
    "comparison_plain.txt": lambda: both(picture=False),
}


@pytest.mark.parametrize("name", CASES)
def test_output_is_as_approved(name: str) -> None:
    assert CASES[name]() == (FOLDER / name).read_text(), "look at it, then: python -m tests.reports.test_approved_pages"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case, build in CASES.items():
        (FOLDER / case).write_text(build())
