"""Pictures in files: what is written, what is said in them, and what happens where they cannot be made."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diagnose import extras, synthetic
from diagnose.console.options import PLOT_STYLES
from diagnose.curves import Run, Series
from diagnose.errors import SettingsError
from diagnose.judging.engine import judge
from diagnose.report import Report
from diagnose.reports import plot
from diagnose.rule import Diagnosis
from tests.test_cli import run as call
from tests.written import write_csv


def draw(diagnoses: Sequence[Diagnosis], path: Path, *, style: str = "light") -> None:
    plot.draw(Report(tuple(diagnoses)), path, style=style)


def words(path: Path) -> list[str]:
    """The texts of an SVG, which must be well formed."""
    return [
        "".join(node.itertext()) for node in ET.fromstring(path.read_text()).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_one_run_says_what_was_found_and_where(tmp_path: Path, ill: Diagnosis) -> None:
    draw([ill], path := tmp_path / "run.svg")
    said = words(path)
    assert "run.csv: 1 problem: overfitting (error)" in said
    assert "ERROR overfitting, epochs 17-40" in said
    assert "epoch 17" in said
    assert {"train_loss", "val_loss", "loss", "epoch"} <= set(said)


def test_the_same_report_gives_the_same_file(tmp_path: Path, ill: Diagnosis) -> None:
    for suffix in plot.SUFFIXES:
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        draw([ill], first)
        draw([ill], second)
        assert first.read_bytes() == second.read_bytes()


def test_the_learning_rate_and_the_gradient_norm_have_panels_of_their_own(tmp_path: Path) -> None:
    run = synthetic.overfit()
    steps = run.series["train_loss"].steps
    extra = {name: Series(name, steps, 1.0 / (steps + 1.0)) for name in ("learning_rate", "grad_norm")}
    run = replace(run, series={**run.series, **extra}, roles={**run.roles, **{name: name for name in extra}})
    draw([judge(run)], path := tmp_path / "run.svg")
    said = words(path)
    assert said.index("learning rate") < said.index("gradient norm")


def test_values_that_are_not_finite_are_marked(tmp_path: Path) -> None:
    draw([judge(synthetic.non_finite())], path := tmp_path / "run.svg")
    assert "not finite" in words(path)


def test_light_and_dark_differ_in_their_ground(tmp_path: Path, ill: Diagnosis) -> None:
    for style in PLOT_STYLES:
        draw([ill], tmp_path / f"{style}.svg", style=style)
    assert "#14181d" in (tmp_path / "dark.svg").read_text()
    assert "#14181d" not in (tmp_path / "light.svg").read_text()


@pytest.mark.parametrize("style", PLOT_STYLES)
def test_curves_of_one_panel_differ_in_colour_and_in_line_style(style: str) -> None:
    strokes = [plot.stroke(index, style) for index in range(26)]
    assert len({(str(s["color"]), str(s["linestyle"])) for s in strokes}) == len(strokes)
    for one, other in ((0, 1), (0, 2), (1, 2), (2, 3)):
        assert strokes[one]["color"] != strokes[other]["color"]
        assert strokes[one]["linestyle"] != strokes[other]["linestyle"]


def test_several_runs_share_a_grid_and_have_a_page_each_in_a_pdf(
    tmp_path: Path, ill: Diagnosis, healthy: Diagnosis, unjudged: Diagnosis
) -> None:
    draw([healthy, ill, unjudged], path := tmp_path / "runs.svg")
    said = words(path)
    assert said.index("run.csv") < said.index("odd.csv") < said.index("fine.csv")  # worst first
    assert "ERROR: overfitting" in said
    draw([healthy, ill, unjudged], tmp_path / "runs.pdf")
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "runs.pdf").read_bytes())) == 3


def test_of_many_runs_the_picture_says_how_many_it_leaves_out(
    tmp_path: Path, healthy: Diagnosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [replace(healthy, run=replace(healthy.run, source=f"{i}.csv")) for i in range(plot.MOST_CELLS + 2)]
    draw(many, path := tmp_path / "runs.svg")
    assert "2 runs more not drawn" in words(path)
    monkeypatch.setattr(plot, "MOST_PAGES", 2)
    draw(many[:4], tmp_path / "runs.pdf")
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "runs.pdf").read_bytes())) == 3  # the last one says it


def test_a_name_from_a_log_is_text(tmp_path: Path, ill: Diagnosis) -> None:
    run = ill.run
    odd = {"$x_1$": run.series["loss"], "_</text><script>": run.series["val_loss"]}
    finding = replace(ill.findings[0], series=("_</text><script>", "$x_1$"))
    run = replace(run, series={**run.series, **odd}, source="a&b<c>.csv")
    draw([replace(ill, run=run, findings=(finding,))], path := tmp_path / "run.svg")
    said = [text.strip() for text in words(path)]
    assert {"$x_1$", "_</text><script>"} <= set(said)
    assert any(text.startswith("a&b<c>.csv") for text in said)


@pytest.mark.parametrize("values", [np.full(9, np.nan), np.full(9, 3.0), np.r_[np.full(8, 1e308), -1e308], np.ones(1)])
def test_odd_curves_are_drawn(tmp_path: Path, values: np.ndarray) -> None:
    run = Run("odd", {"loss": Series("loss", np.arange(values.size, dtype=float), values)}, {"train_loss": "loss"})
    draw([judge(run)], path := tmp_path / "run.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_a_curve_says_so(tmp_path: Path, unjudged: Diagnosis) -> None:
    draw([replace(unjudged, run=Run("empty", {}))], path := tmp_path / "run.svg")
    assert "no curve to draw" in words(path)


# --- the command


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_csv(synthetic.overfit(), tmp_path / "ill.csv").relative_to(tmp_path)


def test_the_report_is_printed_as_ever_beside_the_picture(log: Path) -> None:
    plain, drawn = call(log), call(log, "--plot", "out.PNG", "--plot-style", "dark")
    assert (drawn.exit_code, drawn.stdout, drawn.stderr) == (plain.exit_code, plain.stdout, "")
    assert Path("out.PNG").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("out.gif", "is no name of a picture; name a .png, .svg or .pdf with --plot"),
        ("nowhere/out.png", "cannot be written; name another place with --plot"),
        ("folder.png", "is a directory; name another place with --plot"),
    ],
)
def test_a_picture_that_cannot_be_written_is_one_line(log: Path, path: str, says: str) -> None:
    Path("folder.png").mkdir()
    result = call(log, "--plot", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"diagnose: {path}: {says}\n"


def test_a_disk_that_takes_nothing_is_one_line(tmp_path: Path, ill: Diagnosis) -> None:
    path = tmp_path / "full.png"
    path.symlink_to("/dev/full")
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(SettingsError, match=r"full\.png: cannot be written \(No space left on device\)"):
        draw([ill], path)


def test_without_matplotlib_the_command_says_how_to_get_it(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = call(log, "--plot", "out.png")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"diagnose: {extras.missing('--plot needs matplotlib', 'plot')}")
    assert result.stderr.count("\n") == 1
