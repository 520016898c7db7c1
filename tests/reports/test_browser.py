"""Pages in a browser: headless Chromium opens the files, clicks, drags and types, and looks at what is there."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diagnose.api import diagnose
from diagnose.report import Report
from diagnose.reports import comparison, html
from diagnose.reports.context import Context
from diagnose.reports.html import compare
from diagnose.rule import Diagnosis
from tests.conftest import ROOT

pytest.importorskip("selenium", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver: apt-get install chromium chromium-driver"
)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)

EVIL = '<img src=x onerror="window.evil=1"><script>window.evil=1</script>'

# The smallest contrast of any text with what lies behind it, with the text: [ratio, needed, words] of those too low.
CONTRAST = """
const parse = (c) => c.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const c = parse(getComputedStyle(node).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c;
  }
  return [255, 255, 255];
};
const low = [];
for (const node of document.querySelectorAll("body *:not(script):not(style)")) {
  const words = [...node.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
  if (!words || !node.getClientRects().length) continue;
  const style = getComputedStyle(node);
  const color = parse(node instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(color), light(ground(node))].sort((x, y) => y - x);
  const size = parseFloat(style.fontSize);
  const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
  if ((a + 0.05) / (b + 0.05) < needed) low.push([(a + 0.05) / (b + 0.05), needed, words]);
}
return low;
"""


CURVES = [path.name for path in sorted((ROOT / "samples").iterdir(), key=lambda path: (path.is_dir(), path.name))]
CURVES = [name for name in CURVES if name not in ("focus.csv", "README.md")]
"""The samples that are logs of trainings, in the order of the directory."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes the page of sample logs once; of all of them without a name."""
    folder = tmp_path_factory.mktemp("pages")

    def write(*names: str) -> Path:
        path = folder / f"{'-'.join(names).replace('/', '_') or 'audit'}.html"
        if not path.exists():
            report = diagnose([str(ROOT / "samples" / name) for name in names or CURVES])
            path.write_text(html.render(report, Context()))
        return path

    return write


@pytest.fixture
def see(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page at a width, in light or dark; afterwards the console must be empty."""

    def open_page(path: Path, *, width: int = 1280, dark: bool = False) -> Any:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": scheme})
        browser.get("about:blank")
        browser.get(path.as_uri())
        return browser

    yield open_page
    assert browser.get_log("browser") == []


def all_of(node: Any, selector: str) -> list[Any]:
    return node.find_elements(By.CSS_SELECTOR, selector)


def one(node: Any, selector: str) -> Any:
    return all_of(node, selector)[0]


def axis(figure: Any) -> list[str]:
    """The numbers under a picture."""
    return [text.text for text in all_of(figure, "svg.curves > text")][:-1]


def shown(page: Any) -> list[str]:
    """The runs that the table shows."""
    return [row.text for row in all_of(page, "#runs .open") if row.is_displayed()]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("overfitting.csv", "overfitting"),
        ("spike_history.json", "loss-spike"),
        ("lightning_logs/version_14/metrics.csv", "non-finite"),
        ("healthy.csv", "No problem"),
        ("stuck.csv", "non-convergence"),
    ],
)
def test_findings_are_seen_beside_their_curves(see: Any, written: Any, name: str, says: str) -> None:
    page = see(written(name))
    assert says in one(page, "main").text
    assert all_of(page, "figure.chart")
    for figure in all_of(page, "figure.chart"):
        assert one(figure, "svg.curves").is_displayed()
        assert all(path.get_attribute("d") for path in all_of(figure, "svg.curves path.curve"))
    assert all_of(page, ".finding")
    for finding in all_of(page, ".finding"):
        if figures := all_of(finding, "figure"):
            words, picture = one(finding, ".words").rect, figures[0].rect
            assert picture["x"] >= words["x"] + words["width"]


def test_dragging_zooms_and_the_button_shows_all(see: Any, written: Any) -> None:
    page = see(written("overfitting.csv"))
    figure = one(page, "figure.chart")
    whole = axis(figure)
    screen = one(figure, ".screen")
    drag = ActionChains(page).move_to_element(screen).click_and_hold().move_by_offset(120, 10)
    drag.release().perform()
    assert axis(figure) != whole
    assert float(axis(figure)[0]) > float(whole[0])
    one(figure, "button.reset").click()
    assert axis(figure) == whole
    assert not one(figure, "button.reset").is_enabled()


def test_the_wheel_scrolls_the_page_until_the_picture_is_clicked(see: Any, written: Any) -> None:
    page = see(written("overfitting.csv"))
    figure = one(page, "figure.chart")
    whole, screen = axis(figure), one(figure, ".screen")
    origin = webdriver.common.actions.wheel_input.ScrollOrigin.from_element(screen)
    ActionChains(page).scroll_from_origin(origin, 0, -10).perform()
    assert axis(figure) == whole
    screen.click()
    ActionChains(page).scroll_from_origin(origin, 0, -10).scroll_from_origin(origin, 0, -10).perform()
    assert axis(figure) != whole


def test_hovering_tells_the_values(see: Any, written: Any) -> None:
    page = see(written("overfitting.csv"))
    figure = one(page, "figure.chart")
    ActionChains(page).move_to_element(one(figure, "svg.curves circle.ring")).perform()
    assert one(figure, ".tip").text.splitlines() == ["epoch 31", "train_loss 0.06679", "val_loss 0.46042"]
    ActionChains(page).move_to_element(one(page, "h1")).perform()
    assert not one(figure, ".tip").is_displayed()


def test_the_keyboard_reads_values_zooms_and_resets(see: Any, written: Any) -> None:
    page = see(written("overfitting.csv"))
    figure = one(page, "figure.chart")
    whole, screen = axis(figure), one(figure, ".screen")
    screen.send_keys(Keys.END)
    screen.send_keys(Keys.ARROW_LEFT)
    assert one(figure, "[aria-live]").get_attribute("textContent").startswith("epoch 59: train_loss ")
    screen.send_keys("++")
    assert axis(figure) != whole
    screen.send_keys(Keys.ESCAPE)
    assert axis(figure) == whole


def test_curves_can_be_switched_off_and_the_scale_to_log(see: Any, written: Any) -> None:
    page = see(written("overfitting.csv"))
    figure = one(page, "figure.chart")
    key = one(figure, "button.key")
    assert key.text == "train_loss"
    assert len(all_of(figure, "svg.curves path.curve")) == 2
    key.click()
    assert key.get_attribute("aria-pressed") == "false"
    assert len(all_of(figure, "svg.curves path.curve")) == 1
    key.send_keys(Keys.SPACE)
    assert len(all_of(figure, "svg.curves path.curve")) == 2
    one(figure, "button.log").click()
    assert one(figure, "svg.curves text.name").text == "loss (log)"


def test_what_is_not_finite_is_marked(see: Any, written: Any) -> None:
    figure = one(see(written("lightning_logs/version_14/metrics.csv")), "figure.chart")
    assert len(all_of(figure, "rect.lost")) == 1
    assert all_of(figure, "path.cross")


def test_the_table_sorts(see: Any, written: Any) -> None:
    page = see(written())
    assert shown(page)[0] == "overfitting.csv"
    run, *_, points = all_of(page, "#runs .sort")
    points.click()
    counts = [int(row.find_elements(By.TAG_NAME, "td")[-1].text) for row in all_of(page, "#runs > tbody > tr")]
    assert counts == sorted(counts)
    points.click()
    assert shown(page)[0] == "lightning_logs/version_14/metrics.csv"
    assert one(page, "th[aria-sort]").get_attribute("aria-sort") == "descending"
    run.click()
    assert shown(page) == sorted(shown(page))


def test_the_table_filters_by_words_verdict_and_rule(see: Any, written: Any) -> None:
    page = see(written())
    search = one(page, "#search")
    search.send_keys("frozen")
    assert shown(page) == ["stuck.csv"]
    assert one(page, "#shown").text == "1 of 8 runs"
    one(page, "#clear").click()
    assert len(shown(page)) == 8
    one(page, ".total[data-verdict=nothing-found]").click()
    assert shown(page) == ["trainer_state.json"]
    one(page, ".total[data-verdict=nothing-found]").click()
    one(page, ".by-rule[data-rule=overfitting]").click()
    assert shown(page) == ["overfitting.csv", "console.log"]
    search.send_keys("console")
    assert shown(page) == ["console.log"]


def test_a_row_opens_its_run_in_full(see: Any, written: Any) -> None:
    page = see(written())
    button = next(row for row in all_of(page, "#runs .open") if row.text == "spike_history.json")
    button.send_keys(Keys.ENTER)
    WebDriverWait(page, 10).until(lambda _: all_of(page, "tr.full svg.curves"))
    full = one(page, "tr.full")
    assert "One spike: at epoch 8" in full.text
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert not full.is_displayed()


def test_a_link_to_a_run_opens_it(see: Any, written: Any) -> None:
    page = see(written())
    page.execute_script("location.hash = '#run-1'")
    WebDriverWait(page, 10).until(lambda _: all_of(page, "tr.full article"))
    assert "stuck.csv" in one(page, "tr.full").text


def test_nothing_in_a_log_is_executed(see: Any, tmp_path: Path, ill: Diagnosis) -> None:
    series = {EVIL: ill.run.series["loss"], "val_loss": ill.run.series["val_loss"]}
    roles = {"train_loss": EVIL, "val_loss": "val_loss"}
    run = replace(ill.run, series=series, roles=roles, config={EVIL: EVIL}, source=EVIL, notes=(EVIL,))
    finding = replace(ill.findings[0], series=("val_loss", EVIL), summary=EVIL)
    evil = replace(ill, run=run, findings=(finding,))
    for number, found in enumerate(([evil], [evil, replace(evil, run=replace(evil.run, name="b"))])):
        path = tmp_path / f"{number}.html"
        path.write_text(html.render(Report(tuple(found)), Context()))
        page = see(path)
        if len(found) > 1:
            one(page, "#runs .open").click()
            WebDriverWait(page, 10).until(lambda page: all_of(page, "tr.full svg.curves"))
        assert EVIL in one(page, "main").text
        assert page.execute_script("return window.evil") is None
        assert all_of(page, "main img") == []


@pytest.fixture
def comparison_page(tmp_path: Path) -> Path:
    logs = [str(ROOT / "samples" / name) for name in ("overfitting.csv", "healthy.csv", "console.log")]
    path = tmp_path / "comparison.html"
    path.write_text(compare.render(comparison.compare(diagnose(logs).diagnoses), Context()))
    return path


def test_a_run_of_a_comparison_is_switched_off_in_every_panel(see: Any, comparison_page: Path) -> None:
    page = see(comparison_page)
    keys = all_of(page, "button.key")
    assert [key.text[0] for key in keys] == ["A", "B", "C"]
    assert len(all_of(page, ".screen path.curve")) == 12
    keys[1].click()
    assert len(all_of(page, ".screen path.curve")) == 8
    ActionChains(page).move_to_element(one(page, ".screen")).perform()
    assert len(one(page, ".tip").text.splitlines()) == 9


def test_a_comparison_fits_a_phone(see: Any, comparison_page: Path) -> None:
    page = see(comparison_page, width=390, dark=True)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    assert page.execute_script(CONTRAST) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("names", [(), ("overfitting.csv",)], ids=["audit", "run"])
def test_every_text_has_the_contrast_of_wcag_aa(see: Any, written: Any, names: tuple[str, ...], dark: bool) -> None:
    page = see(written(*names), dark=dark)
    if not names:
        one(page, "#runs .open").click()
        WebDriverWait(page, 10).until(lambda _: all_of(page, "tr.full svg.curves"))
    assert page.execute_script(CONTRAST) == []


@pytest.mark.parametrize("names", [(), ("overfitting.csv",), ("lightning_logs/version_14/metrics.csv",)])
def test_a_phone_needs_no_sideways_scrolling(see: Any, written: Any, names: tuple[str, ...]) -> None:
    page = see(written(*names), width=390)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390


def test_paper_is_white_and_has_no_controls(see: Any, written: Any) -> None:
    page = see(written("overfitting.csv"), dark=True)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not any(tool.is_displayed() for tool in all_of(page, ".tools"))
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
