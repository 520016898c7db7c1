"""The recorded table of a bias check: told by its header, a run per method, a column per class."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from diagnose.errors import ReadError
from diagnose.readers import read

HEADER = "mosaic,target,method,weights,focus,other_1,stolen_1,other_2,stolen_2,exchanged,moved,place\n"


def table(*rows: str) -> io.BytesIO:
    return io.BytesIO((HEADER + "".join(f"{row}\n" for row in rows)).encode())


ROWS = (
    "1,cat,gradcam,trained,0.9,dog,0.06,cow,0.04,0.4,0.5,the frame",
    "2,cat,gradcam,trained,0.8,dog,0.2,dog,,0.5,0.7,the frame",
    "3,dog,gradcam,trained,,cat,,cow,,0.7,0.1,the upper left corner",
    "4,dog,gradcam,trained,0.7,cat,0.1,cow,0.2,0.6,0.1,the upper left corner",
    "5,cow,gradcam,trained,0.6,cat,0.1,dog,0.3,0.6,0.1,the frame",
    "6,cow,gradcam,trained,0.7,cat,0.1,dog,0.2,0.6,0.1,the frame",
    "1,cat,gradcam,random,0.5,dog,0.3,cow,0.2,,,",
)


def test_each_class_has_its_mosaics() -> None:
    [run] = read(table(*ROWS))
    assert (run.format, run.name, run.axis, run.points) == ("focus-csv", "gradcam", "mosaic", 5)
    focus = run.family("focus")
    assert list(focus) == ["cat", "dog", "cow"]
    assert focus["cat"].steps.tolist() == [1.0, 2.0]
    assert focus["dog"].values.tolist() == [0.7]  # a blank cell is a mosaic without positive relevance
    assert list(run.family("moved")) == ["cat/the frame", "dog/the upper left corner", "cow/the frame"]
    assert run.family("exchanged")["cat"].values.tolist() == [0.4, 0.5]
    assert run.family("focus_random")["cat"].values.tolist() == [0.5]
    assert run.family("stolen")["cat/dog"].values.tolist() == [0.06, 0.2]
    assert run.config["mosaics"] == 6


def test_each_method_is_a_run() -> None:
    runs = read(table(*ROWS, *(row.replace("gradcam", "lrp") for row in ROWS)))
    assert [run.name for run in runs] == ["gradcam", "lrp"]


def test_classes_that_are_numbers_keep_their_names() -> None:
    rows = [row.replace("cat", "0").replace("dog", "1").replace("cow", "12") for row in ROWS]
    [run] = read(table(*rows))
    assert list(run.family("focus")) == ["0", "1", "12"]


def test_effects_go_with_the_first_method() -> None:
    head = "schema,mosaic,target,method,weights,focus,other_1,stolen_1,other_2,stolen_2"
    head += ",region,fall,transfer,reference,p_value,images,area\n"
    rows = ["2,1,cat,counterfactual,trained,,,,,,the frame,0.6,0.7,0.1,1e-9,36,0.2"]
    for method in ("gradcam", "lrp"):
        rows += [f"2,{n},{name},{method},trained,0.9,,,,,,,,,,," for n, name in enumerate(["cat", "dog"] * 3, start=1)]
    first, second = read(io.BytesIO((head + "\n".join(rows) + "\n").encode()))
    assert (first.name, second.name) == ("gradcam", "lrp")
    assert first.family("fall")["cat/the frame"].values.tolist() == [0.6]
    assert first.family("p_value")["cat/the frame"].values.tolist() == [1e-9]
    assert first.config["effects"] == 1
    assert second.family("fall") == {}
    assert second.config["mosaics"] == 6


def test_a_check_without_the_exchange_is_read() -> None:
    [run] = read(table(*(",".join([*row.split(",")[:9], "", "", ""]) for row in ROWS[:6])))
    assert run.family("exchanged") == {}
    assert len(run.family("focus")) == 3


def test_a_table_without_numbers_is_refused_in_one_line() -> None:
    with pytest.raises(ReadError, match="focus"):
        read(table(*(f"{n},cat,gradcam,trained,high,dog,,cow,,,," for n in range(6))))


def test_classes_with_commas_and_spaces_survive_the_writing(tmp_path: Path) -> None:
    pytest.importorskip("captum", reason="Captum is not installed")
    from diagnose.integrations.captum import focus
    from tests.integrations.blobs import images, network

    scores = focus(network(), images(), classes=("red, dark", "a b", 'quo"ted'), mosaics=30, sanity=False)
    scores.write(tmp_path / "focus.csv")
    [run] = read(tmp_path / "focus.csv")
    assert list(run.family("focus")) == ["red, dark", "a b", 'quo"ted']
    for name, value in scores.medians().items():
        assert np.median(run.family("focus")[name].values) == pytest.approx(value, rel=1e-5)
