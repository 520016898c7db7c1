"""`diagnose fix`: patches of real configurations, through the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import Result

from diagnose import synthetic
from diagnose.names import edit
from tests.test_cli import run
from tests.written import write_csv

YAML = """\
# my training
optim:
  name: adam   # the usual
  lr: 0.5      # tuned in March
model: 'resnet18'
"""
JSON = '{\n\t"optimizer": {"type": "adam", "lr": 0.5},\n\t"note": "lr 0.5"\n}'
TOML = 'note = "0.5"\n[train]   # all\nlr = 0.5  # high\n\n[model]\nname = "resnet18"\n'
SHELL = "#!/bin/sh\n# python train.py --lr 3\npython train.py --optimizer adamw --lr=0.5 \\\n    --data /data/x\n"

FILES = {"c.yaml": YAML, "c.json": JSON, "c.toml": TOML, "train.sh": SHELL}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_csv(synthetic.diverging(), tmp_path / "run.csv")
    return tmp_path


def fixed(*arguments: str | Path) -> Result:
    return run("fix", *arguments, "--finding", "divergence")


@pytest.mark.parametrize("name", FILES)
def test_a_patch_changes_the_one_value_and_nothing_else(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(FILES[name].encode())
    result = fixed("run.csv", "--config", name)
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == FILES[name].encode()  # nothing is written without --write
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"--- a/{name}", f"+++ b/{name}"]
    assert [sum(line.startswith(sign) for line in lines[2:]) for sign in "+-"] == [1, 1]
    assert "advice 1 of" in result.stderr
    assert fixed("run.csv", "--config", name, "--write").exit_code == 0
    after = path.read_text(encoding="utf-8")
    assert after != FILES[name]
    new, old = (next(line for line in lines[2:] if line.startswith(sign))[1:] for sign in "+-")
    assert after == FILES[name].replace(old, new)
    assert not list(folder.glob(".diagnose-*"))


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program patch")
def test_the_program_patch_takes_it_even_without_a_last_line_end(folder: Path) -> None:
    path = folder / "c.json"
    path.write_text(JSON, encoding="utf-8")
    said = fixed("run.csv", "--config", "c.json").stdout
    subprocess.run(["patch", "-p1"], input=said, text=True, cwd=folder, check=True, capture_output=True)
    assert json.loads(path.read_text())["optimizer"]["lr"] < 0.5


def test_the_configuration_beside_the_log_is_found(folder: Path) -> None:
    (folder / "run.yaml").write_text("lr: 0.5\r\n", encoding="utf-8", newline="")
    result = fixed("run.csv", "--write")
    assert result.exit_code == 0
    assert (folder / "run.yaml").read_bytes() == b"lr: 0.05\r\n"
    (folder / "run.yaml").unlink()
    result = fixed("run.csv")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--config FILE" in result.stderr


def test_advice_that_is_no_setting_is_told_and_the_first_that_is_one_offered(folder: Path) -> None:
    write_csv(synthetic.overfit(), folder / "ill.csv")
    (folder / "ill.yaml").write_text("optimizer: {name: adam, weight_decay: 0.001}\ndropout: 0.1\n", encoding="utf-8")
    result = run("fix", "ill.csv", "--finding", "overfitting")
    assert result.exit_code == 0
    assert "is no setting of the configuration" in result.stderr
    assert "weight_decay: 0.01" in result.stdout
    assert "adamw" in result.stdout
    result = run("fix", "ill.csv", "--finding", "overfitting", "--advice", "1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--advice " in result.stderr


def test_without_a_finding_or_the_key_there_is_no_patch_and_the_code_is_1(folder: Path) -> None:
    write_csv(synthetic.healthy(), folder / "fine.csv")
    (folder / "c.yaml").write_text("seed: 3\n", encoding="utf-8")
    for call in (("fine.csv", "--finding", "overfitting"), ("run.csv", "--finding", "divergence")):
        result = run("fix", *call, "--config", "c.yaml", "--write")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr
    assert (folder / "c.yaml").read_text(encoding="utf-8") == "seed: 3\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.yaml", "lr: [0.5\n"),
        ("c.json", "{"),
        ("c.toml", "lr 0.5"),
        ("train.py", "lr = 0.5"),
        ("c.yaml", "- 1\n"),
        ("c.yaml", "\x00"),
    ],
)
def test_what_cannot_be_parsed_is_refused_in_one_line(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    result = fixed("run.csv", "--config", name, "--write")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert name in result.stderr
    assert (folder / name).read_text(encoding="utf-8") == content


def test_a_value_that_others_share_is_not_changed(folder: Path) -> None:
    (folder / "c.yaml").write_text("lr: &rate 0.5\nother: *rate\n", encoding="utf-8")
    result = fixed("run.csv", "--config", "c.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    (folder / "two.sh").write_text("train --lr 0.5\ntrain --lr 0.1\n", encoding="utf-8")
    assert fixed("run.csv", "--config", "two.sh").exit_code in (1, 2)


def test_a_key_is_added_where_the_framework_of_the_configuration_has_it() -> None:
    text = "args:\n  per_device_train_batch_size: 8  # fits\n  lr: 0.1\n"
    made = edit.changed(text, "yaml", "gradient_clip", 1.5)
    assert made == text.replace("# fits\n", "# fits\n  max_grad_norm: 1.5\n")
    with pytest.raises(edit.EditError, match="where your program expects it is not known"):
        edit.changed("lr: 0.1\n", "yaml", "gradient_clip", 1.5)


NAMES = st.text("abcdefghij0123456789", min_size=1, max_size=6).map(lambda name: f"x{name}")
SCALARS = st.integers(-99, 99) | st.booleans() | NAMES | st.floats(-9, 9, allow_nan=False, width=16)
TABLES = st.dictionaries(NAMES, SCALARS | st.dictionaries(NAMES, SCALARS, max_size=3), max_size=5)
PARSERS: dict[str, Any] = {"yaml": yaml.safe_load, "json": json.loads, "toml": tomllib.loads}


def written(tree: dict[str, Any], kind: str) -> str:
    if kind == "json":
        return json.dumps(tree, indent=3)
    if kind == "yaml":
        return yaml.safe_dump(tree, sort_keys=False).replace("\n", "  # kept\n", 1)
    lines = [f"{key} = {json.dumps(value)}  # kept" for key, value in tree.items() if not isinstance(value, dict)]
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += [f"[{key}]", *(f"{name} = {json.dumps(inner)}" for name, inner in value.items())]
    return "\n".join(lines)


@given(tree=TABLES, kind=st.sampled_from(list(PARSERS)), nested=st.booleans(), rate=st.sampled_from([1e-05, 0.25, 2.0]))
@settings(deadline=None)
def test_a_patched_configuration_is_the_same_tree_but_for_the_key(
    tree: dict[str, Any], kind: str, nested: bool, rate: float
) -> None:
    full = {**tree, "optim": {"lr": 0.5}} if nested else {"lr": 0.5, **tree}
    text = written(full, kind)
    before = PARSERS[kind](text)
    after = PARSERS[kind](edit.changed(text, kind, "learning_rate", rate))
    (after["optim"] if nested else after)["lr"] = (before["optim"] if nested else before)["lr"]
    assert after == before
    assert repr(after) == repr(before)
