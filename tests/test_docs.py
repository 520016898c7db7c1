"""`diagnose docs`: pages of this version that lead to each other, load nothing from elsewhere, and are shown."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from diagnose.judging.installed import load_rules
from tests.conftest import ROOT


class Links(HTMLParser):
    """Everything that a page leads to or loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a" and (target := found.get("href")):
            self.targets.append(target)
        loads = found.get("src") or (found.get("href") if tag == "link" and found.get("rel") != "canonical" else None)
        if loads:
            self.loaded.append(loads)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "diagnose", "docs", "--build", str(target), "--no-pictures"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == f"{target / 'index.html'}\n"
    return target


def test_each_rule_has_a_page_that_the_table_leads_to(site: Path) -> None:
    table = (site / "rules" / "index.html").read_text(encoding="utf-8")
    for rule in load_rules():
        page = site / "rules" / rule.id / "index.html"
        assert "Why it matters" in page.read_text(encoding="utf-8"), rule.id
        assert f'href="{rule.id}/"' in table


def test_links_lead_to_pages_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        links = Links(page.read_text(encoding="utf-8"))
        assert [url for url in links.loaded if urlsplit(url).scheme in ("http", "https")] == []
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or not parts.path:
                continue
            other = (page.parent / unquote(parts.path)).resolve()
            assert (other / "index.html").exists() if other.is_dir() else other.exists(), f"{page}: {target}"


def test_the_search_finds_what_a_newcomer_asks_for(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    for words in ("--map", "exit code", "pre-commit", "TensorBoard", "early stopping", "--baseline"):
        assert words.lower() in index.lower(), words


def test_the_pages_are_shown_to_this_machine() -> None:
    command = [sys.executable, "-m", "diagnose", "docs", "--no-browser", "--no-pictures"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.match(r"(http://127\.0\.0\.1:\d+/) ", process.stdout.readline())
        assert found
        with urllib.request.urlopen(found[1]) as answer:
            assert b"The manual of diagnose" in answer.read()
        process.terminate()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    command = [sys.executable, "-m", "diagnose", "docs", "--build", str(tmp_path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 2
    assert made.stderr == f"diagnose: {tmp_path}: is not empty; name a new folder\n"
