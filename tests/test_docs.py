"""`diagnose docs`: pages of this version that lead to each other, load nothing from elsewhere, and are found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from diagnose import extras
from diagnose.judging.installed import load_rules
from tests.conftest import ROOT

pytest.importorskip("material", reason="MkDocs with Material is not installed")


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
    command = [sys.executable, "-m", "diagnose", "docs", "--build", str(target)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == f"{target / 'index.html'}\n"
    return target


def test_each_rule_has_a_page_that_the_table_leads_to(site: Path) -> None:
    table = (site / "rules.html").read_text(encoding="utf-8")
    for rule in load_rules():
        text = (site / "rules" / f"{rule.id}.html").read_text(encoding="utf-8")
        assert "Why it matters" in text, rule.id
        assert "It speaks" in text
        assert "It is silent" in text
        assert f'href="rules/{rule.id}.html"' in table


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


@pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("chromedriver")), reason="no chromium, chromedriver")
@pytest.mark.parametrize(("width", "mobile"), [(1280, False), (390, True)])
def test_the_search_works_on_pages_that_are_opened_as_files(site: Path, width: int, mobile: bool) -> None:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.support.wait import WebDriverWait

    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get(f"{(site / 'index.html').as_uri()}?q=learning+rate+zero")
        found = "return [...document.querySelectorAll('.md-search-result__link')].map((a) => a.getAttribute('href'))"
        links = WebDriverWait(browser, 60).until(lambda b: b.execute_script(found))
        assert any("rules/learning-rate-zero.html" in link for link in links)
        browser.get((site / "rules" / "overfitting.html").as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script("return document.querySelectorAll('svg.curves path.curve').length") >= 4
    finally:
        browser.quit()


def test_the_pages_are_built_once_and_told_where_they_are(tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "diagnose", "docs", "overfitting", "--path"]
    told = [subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env) for _ in range(2)]
    assert told[0].stdout == told[1].stdout
    page = Path(told[0].stdout.strip())
    assert page.is_relative_to(tmp_path)
    assert "Why it matters" in page.read_text(encoding="utf-8")
    assert len(list((tmp_path / "diagnose" / "docs").iterdir())) == 1


def test_an_unknown_rule_has_no_page() -> None:
    command = [sys.executable, "-m", "diagnose", "docs", "overfiting"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 2
    assert "did you mean overfitting?" in made.stderr


def test_without_mkdocs_one_line_says_what_to_install() -> None:
    code = "import sys, importlib.util as u; f = u.find_spec; "
    code += "u.find_spec = lambda name, *a: None if name == 'mkdocs' else f(name, *a); "
    code += "from diagnose.cli import main; main(['docs'])"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (made.returncode, made.stdout, made.stderr.count("\n")) == (2, "", 1)
    assert extras.install("docs") in made.stderr


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    command = [sys.executable, "-m", "diagnose", "docs", "--build", str(tmp_path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 2
    assert made.stderr == f"diagnose: {tmp_path}: is not empty; name a new folder\n"
