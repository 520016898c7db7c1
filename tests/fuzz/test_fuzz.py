"""The everyday share of the fuzzing: the fuzzer itself, and logs that hypothesis makes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("resource", reason="limits of POSIX")

from tests import limited
from tests.fuzz import fuzz, mutations

CELLS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from([number.decode() for number in mutations.NUMBERS if len(number) < 40]),
    st.text(max_size=8),
)
NAMES = st.one_of(
    st.sampled_from(
        ["epoch", "step", "loss", "train_loss", "val_loss", "accuracy", "val_accuracy", "lr", "run", "split"]
    ),
    st.text(min_size=1, max_size=12),
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A delimited log: mostly a table of numbers, with odd cells, short and long rows, and another header within."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    names = draw(st.lists(NAMES, min_size=1, max_size=6))
    lines = [delimiter.join(names)] if draw(st.booleans()) else []
    smooth = st.floats(-10, 10, allow_nan=False).map(lambda value: f"{value:.4f}")
    for row in range(draw(st.integers(0, 30))):
        odd = draw(st.integers(0, 9)) == 0
        width = len(names) + (draw(st.integers(-2, 2)) if odd else 0)
        cells = [draw(CELLS if odd else smooth) for _ in range(max(width, 0))]
        lines.append(delimiter.join([str(row), *cells[1:]]))
        if draw(st.integers(0, 40)) == 0:
            lines.append(delimiter.join(draw(st.permutations(names))))
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines) + draw(st.sampled_from(["\n", ""]))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(10**400), 10**400) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=30,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """JSON, or JSON lines, with lists of numbers here and there."""
    import json

    if draw(st.booleans()):
        return json.dumps(
            draw(st.dictionaries(NAMES, JSON | st.lists(st.floats(), min_size=5, max_size=12), max_size=6))
        )
    return "\n".join(
        json.dumps(draw(st.dictionaries(NAMES, JSON, max_size=5))) for _ in range(draw(st.integers(1, 12)))
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.one_of(tables(), documents(), st.text(max_size=300)))
def test_a_structured_log_is_judged_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert fuzz.judge(path) in ("verdict", "refused")


def test_the_same_seed_makes_the_same_inputs() -> None:
    found = [("a.csv", b"epoch,loss\n0,1\n1,0.5\n"), ("b.csv", b"step;loss\n0;2\n")]
    first, second = ([next(each) for _ in range(60)] for each in (fuzz.inputs(found, 3), fuzz.inputs(found, 3)))
    other = fuzz.inputs(found, 4)
    assert first == second != [next(other) for _ in range(60)]
    assert len({data for *_, data in first}) > 30
    assert all(len(data) <= mutations.MOST_BYTES for *_, data in first)


@pytest.mark.parametrize("mutation", dict.fromkeys(mutations.MUTATIONS), ids=lambda mutation: mutation.__name__)
def test_every_mutation_takes_any_bytes(mutation: mutations.Mutation) -> None:
    for seed in range(30):
        for data in (b"", b"\n", b"epoch,loss\n0,1.5\n", bytes(range(256))):
            assert isinstance(mutation(data, [data, b"1"], random.Random(seed)), bytes)


def test_some_mutated_logs_do_no_harm() -> None:
    done = limited.run([sys.executable, fuzz.__file__, "--inputs", "60", "--seed", "11"], seconds=300, space=8e9)
    assert done.code == 0, done.stdout
    assert "60 inputs: " in done.stdout


def test_what_does_harm_is_counted_and_named(tmp_path: Path) -> None:
    """A child that says nothing in time, one that is over, and one that says what was wrong."""
    child = fuzz.Child(3_000_000_000)
    path = tmp_path / "run.csv"
    path.write_text("epoch,loss\n0,1\n")
    assert child.judge(path, 60.0) == "refused"
    child.process.send_signal(signal.SIGSTOP)
    assert child.judge(path, 0.5) == "hang"
    assert child.over
    other = fuzz.Child(3_000_000_000)
    other.process.kill()
    other.process.wait()
    with pytest.raises((BrokenPipeError, subprocess.SubprocessError)):
        other.judge(path, 5.0)
