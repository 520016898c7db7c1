"""What a stranger puts into a log, or beside it, costs neither hours nor memory, and never ends the program.

Each input is read in a process of its own that is killed after a time no answer needs, with a limit on its memory.
"""

from __future__ import annotations

import gzip
import json
import os
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


# --- how a file is opened ---------------------------------------------------------------------------------------------


def settings(folder: Path, **limits: float) -> None:
    """Set limits in the settings of a folder."""
    lines = [f"{name.replace('_', '-')} = {value}" for name, value in limits.items()]
    (folder / "diagnose.toml").write_text("[limits]\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gzip file of 2 MB that unpacks to 2 GB of a log."""
    path = tmp_path_factory.mktemp("bomb") / "run.csv.gz"
    rows = b"1,0.500\n" * (1 << 17)
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(b"epoch,loss\n")
        for _ in range(2000):
            stream.write(rows)
    return path


def test_a_gzip_bomb_is_refused_by_its_ratio(bomb: Path) -> None:
    ended = answer(bomb)
    assert ended.stderr == (
        f"{bomb}: the gzip file unpacks to more than its size times 200 (limits.unpacked-ratio); unpack it first\n"
    )


def test_a_bomb_in_a_folder_is_named_and_the_others_are_judged(bomb: Path, tmp_path: Path) -> None:
    (tmp_path / "run.csv.gz").symlink_to(bomb)
    write_csv(synthetic.overfit(), tmp_path / "ill.csv")
    ended = answer(tmp_path, "--format", "json")
    assert len(json.loads(ended.stdout)["runs"]) == 1
    assert "run.csv.gz: the gzip file unpacks to more than" in ended.stderr


def test_a_large_gzip_file_is_refused_by_its_size(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * 7919 % 1009 / 1009:.4f}\n" for i in range(40_000))
    with gzip.open(tmp_path / "run.csv.gz", "wt") as stream:
        stream.write("epoch,loss\n" + rows)
    assert answer(tmp_path / "run.csv.gz").code in (0, 1)
    settings(tmp_path, unpacked_bytes=400_000)
    said = "the gzip file unpacks to more than 400,000 bytes (limits.unpacked-bytes)"
    assert said in answer(tmp_path / "run.csv.gz", folder=tmp_path).stderr


def test_a_folder_is_recognised_by_the_heads_of_packed_files(tmp_path: Path) -> None:
    for place in range(40):
        packed = gzip.compress(b"\0" * 15_000_000)
        (tmp_path / f"data{place}.gz").write_bytes(packed)
    assert answer(tmp_path).stderr.endswith("no training log among its 40 files\n")


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")


@needs_pipes
def test_pipes_devices_and_links_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    inside = tmp_path / "logs"
    write_csv(synthetic.healthy(), inside / "run" / "fine.csv")
    (inside / "run" / "fine.yaml").symlink_to("/dev/zero")
    store = inside / "mlruns" / "0" / "a1"
    (store / "metrics").mkdir(parents=True)
    (inside / "dvclive" / "plots" / "metrics").mkdir(parents=True)
    for path in (
        *(inside / "pipe.csv", inside / "events.out.tfevents.1.host", inside / "train" / "events.out.tfevents.1.host"),
        *(inside / "w" / "run-1.wandb", store / "meta.yaml", store / "metrics" / "loss", inside / "train.txt.gz"),
        *(inside / "dvclive" / "params.yaml", inside / "dvclive" / "plots" / "metrics" / "loss.tsv"),
        inside / "dvclive.json",
    ):
        path.parent.mkdir(exist_ok=True, parents=True)
        os.mkfifo(path)
    for name in ("zero.csv", "null.log", "random.json"):
        (inside / name).symlink_to(f"/dev/{name.split('.')[0]}")
    (inside / "again").symlink_to(inside)
    (inside / "loop.csv").symlink_to("loop.csv")
    (inside / "more").symlink_to(inside)
    for source in (inside, tmp_path / "**" / "*.csv"):
        ended = limited.diagnose(source, "--format", "json", folder=tmp_path)
        assert not ended.late
        assert [run["name"] for run in json.loads(ended.stdout)["runs"]] == ["fine"]
        assert ended.peak < MOST


@needs_pipes
def test_a_pipe_that_is_named_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.csv")
    settings(tmp_path, pipe_seconds=0.2)
    ended = answer(tmp_path / "run.csv", folder=tmp_path)
    assert ended.stderr.endswith("cannot be opened (nobody wrote to the pipe for 0.2 seconds)\n")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="POSIX")
@pytest.mark.parametrize("name", ["/dev/zero", "link.csv"])
def test_a_device_is_no_log(name: str, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("/dev/zero")
    assert "it is a device, and no regular file" in answer(tmp_path / name).stderr


def test_a_configuration_that_is_a_device_is_none(tmp_path: Path) -> None:
    write_csv(synthetic.healthy(), tmp_path / "run.csv")
    (tmp_path / "pyproject.toml").symlink_to("/dev/zero")
    assert "is a device" in answer(tmp_path / "run.csv", "--config", "/dev/zero").stderr
    assert answer(tmp_path / "run.csv", folder=tmp_path).code == 0


def test_a_baseline_of_everything_is_refused(tmp_path: Path) -> None:
    write_csv(synthetic.healthy(), tmp_path / "run.csv")
    for pattern in ("/**", "/", "../**/*.csv"):
        (tmp_path / "diagnose.toml").write_text(f'baseline = ["{pattern}"]\n')
        ended = answer(tmp_path / "run.csv", folder=tmp_path)
        assert "takes in the folders above this file; name a folder of runs" in ended.stderr


def test_a_folder_without_end_is_refused(tmp_path: Path) -> None:
    for place in range(60):
        (tmp_path / f"{place}.txt").touch()
    settings(tmp_path, files=50)
    for source in (tmp_path, tmp_path / "**"):
        ended = answer(source, folder=tmp_path)
        assert ended.stderr.endswith("more than 50 entries (limits.files); name a folder further down\n")


@pytest.mark.parametrize(("limit", "said"), [("file = 1", "did you mean files?"), ("files = 0", "a positive number")])
def test_a_limit_that_is_none_is_refused(limit: str, said: str, tmp_path: Path) -> None:
    write_csv(synthetic.healthy(), tmp_path / "run.csv")
    (tmp_path / "diagnose.toml").write_text(f"[limits]\n{limit}\n")
    assert said in answer(tmp_path / "run.csv", folder=tmp_path).stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_log_without_permission_in_a_folder_is_named(tmp_path: Path) -> None:
    write_csv(synthetic.healthy(), tmp_path / "run.csv")
    write_csv(synthetic.healthy(), tmp_path / "fine.csv")
    (tmp_path / "run.csv").chmod(0)
    ended = answer(tmp_path)
    assert ended.stderr.endswith("run.csv: cannot be opened (permission denied)\n")
