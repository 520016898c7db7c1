"""What a stranger puts into a log, or beside it, costs neither hours nor memory, and never ends the program.

Each input is read in a process of its own that is killed after a time no answer needs, with a limit on its memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diagnose import synthetic
from tests import limited
from tests.written import write_csv

MOST = 500 * limited.MB
"""Resident memory of an answer, in bytes."""


def answer(source: Path, *options: str, folder: Path | None = None) -> limited.Ended:
    """What `diagnose` answers: a verdict, or one line."""
    ended = limited.diagnose(source, *options, folder=folder)
    assert limited.fate(ended, most_bytes=MOST) in ("verdict", "refused"), (ended.code, ended.stderr[-2000:])
    return ended


def judged(source: Path) -> dict[str, Any]:
    """The one run in a source, as programs read it."""
    ended = answer(source, "--format", "json")
    assert ended.stderr == ""
    (run,) = json.loads(ended.stdout)["runs"]
    return dict(run)


# --- a configuration beside a log -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 25_000, "nested deeper than 64 levels (limits.config-depth)"),
        ("{a: " * 25_000, "nested deeper than 64 levels"),
        ("".join(f"{' ' * i}- a:\n" for i in range(0, 1200, 2)), "nested deeper than 64 levels"),
        ("x: [" + ", ".join("a" * 1 for _ in range(150_000)) + "]", "more than 100,000 nodes (limits.config-nodes)"),
        ("x: 1\n" * 250_000, "larger than a configuration, 1,000,000 bytes (limits.config-bytes)"),
        (
            "k0: &k0 {a: 1, b: 2, c: 3}\n"
            + "".join(f"k{i}: &k{i} {{<<: [{', '.join([f'*k{i - 1}'] * 9)}]}}\n" for i in range(1, 9)),
            "more than 100,000 nodes",
        ),
        ("a: !!map [1]", "is no YAML (line 1: expected a mapping node"),
        ("a: \x01", "is no YAML"),
    ],
    ids=["brackets", "maps", "blocks", "nodes", "bytes", "merge", "tag", "control"],
)
def test_a_broken_configuration_beside_a_log_is_a_note(text: str, said: str, tmp_path: Path) -> None:
    write_csv(synthetic.healthy(), tmp_path / "run.csv")
    (tmp_path / "run.yaml").write_text(text)
    run = judged(tmp_path / "run.csv")
    (note,) = [note for note in run["notes"] if "run.yaml" in note]
    assert said in note
    assert note.endswith("hyperparameters are unknown")


@pytest.mark.parametrize(
    "text",
    [
        "!!bool x",
        '!!int ""',
        '!!float ""',
        "!!timestamp x",
        "1" + ":1" * 100_000,
        "9" * 400,
        "&a [*a]",
        "'" + "{" * 99 + "}" * 99 + "'",
    ],
    ids=["bool", "int", "float", "timestamp", "base-60", "integer", "itself", "literal"],
)
def test_a_value_that_is_none_leaves_the_others(text: str, tmp_path: Path) -> None:
    write_csv(synthetic.healthy(), tmp_path / "run.csv")
    (tmp_path / "run.yaml").write_text(f"batch_size: {text}\nlr: 0.25\n")
    assert not [note for note in judged(tmp_path / "run.csv")["notes"] if "run.yaml" in note]
    assert answer(tmp_path / "run.csv", "--config", str(tmp_path / "run.yaml")).code in (0, 1)
