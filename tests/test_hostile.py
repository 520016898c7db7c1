"""What a stranger puts into a log, or beside it, costs neither hours nor memory, and never ends the program.

Each input is read in a process of its own that is killed after a time no answer needs, with a limit on its memory.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from diagnose import synthetic
from diagnose.reports import FORMATS
from tests import limited
from tests.conftest import ROOT, typed
from tests.readers.test_tensorboard import curve, event, field, tensor, write
from tests.written import write_csv

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")

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


# --- time and memory in proportion ------------------------------------------------------------------------------------


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def table(cell: str, rows: int = 30) -> str:
    """A table with one column of losses, and one of odd cells."""
    return "epoch,loss,odd\n" + "".join(f"{i},{2 / (i + 1):.5f},{cell}\n" for i in range(rows))


@pytest.mark.parametrize(
    "cell",
    [
        *("1" * 100_000 + "!", "1" * 50_000 + " " * 50_000 + "!", "1" * 5000 + "/" + "2" * 5000, "%" * 3000),
        *("[" * 5000, "(" * 3000 + "1" + ")" * 3000, "tensor(" * 10_000, "1e" * 40_000),
    ],
    ids=["unit", "blanks", "progress", "percent", "brackets", "wrappers", "tensors", "exponents"],
)
def test_an_odd_cell_is_text(cell: str, tmp_path: Path) -> None:
    assert judged(written(tmp_path, "run.csv", table(cell)))["roles"] == {"train_loss": "loss"}


def text_log(line: str, lines: int = 60) -> str:
    """A console log with an odd line between those that say where the training is."""
    return "".join(f"Epoch {i}: loss {2 / (i + 1):.5f}\n{line}\n" for i in range(lines))


@pytest.mark.parametrize(
    "line",
    [
        *("1/1" + " " * 19_000 + "!", "x 1" + ",111" * 4900, "1" * 19_000, "1.1" * 6000, "a 1 " * 4900),
        *("loss: 1 " * 2400, "Acc 1 " * 3000, "\b" * 19_000, "tensor(1," * 2000, "12%|" * 4000),
    ],
    ids=["keras", "thousands", "digits", "dots", "pairs", "losses", "accs", "backspaces", "tensors", "bars"],
)
def test_an_odd_line_is_passed_over(line: str, tmp_path: Path) -> None:
    answer(written(tmp_path, "run.log", text_log(line)))


def test_as_many_equal_names_as_there_may_be(tmp_path: Path) -> None:
    names = ["epoch", *["loss"] * 9000]
    rows = [",".join([str(i), *["0.5"] * 9000]) for i in range(8)]
    answer(written(tmp_path, "run.csv", "\n".join([",".join(names), *rows]) + "\n"))
    wide = ",".join(["a"] * 60_000) + "\n" + (",".join(["1"] * 60_000) + "\n") * 2
    assert "60,000 columns, more than 10,000 (limits.columns)" in answer(written(tmp_path, "wide.csv", wide)).stderr
    wider = ",".join(["loss"] * 60_000) + "\n" + (",".join(["1"] * 60_000) + "\n") * 9
    said = "its first line is longer than 262,144 bytes, as no training log's is"
    assert said in answer(written(tmp_path, "wider.csv", wider)).stderr


def test_many_losses_that_stop(tmp_path: Path) -> None:
    losses = [f"loss_{i}" for i in range(3000)]
    rows = [",".join([str(i), *["1" if i < 10 else ""] * 3000, "0.5"]) for i in range(30)]
    answer(written(tmp_path, "run.csv", "\n".join([",".join(["epoch", *losses, "acc"]), *rows]) + "\n"))


def test_many_losses_of_both_splits(tmp_path: Path) -> None:
    names = [f"{split}/part{i}_loss" for i in range(2000) for split in ("train", "val")]
    rows = [",".join(["1"] * len(names)) for _ in range(8)]
    answer(written(tmp_path, "run.csv", "\n".join([",".join(names).replace("val/part", "val/p"), *rows]) + "\n"))


def test_lists_of_as_many_lengths_as_there_are(tmp_path: Path) -> None:
    lists = {f"m{i}_loss": [1.0] * (5 + i % 1500) for i in range(2500)} | {"steps": list(range(1504))}
    answer(written(tmp_path, "run.json", json.dumps(lists)))


def test_a_new_key_in_every_line_leaves_the_curve(tmp_path: Path) -> None:
    lines = [json.dumps({"loss": 2 / (i + 1), f"k{i}": i, f"w{i}": "a"}) for i in range(14_000)]
    run = judged(written(tmp_path, "run.jsonl", "\n".join(lines) + "\n"))
    assert run["points"] == 14_000
    assert "14,000 names with fewer than 5 values are left out" in run["notes"]


def test_a_new_tag_in_every_event_is_refused(tmp_path: Path) -> None:
    metrics = tmp_path / "mlruns" / "0" / "a1" / "metrics"
    metrics.mkdir(parents=True)
    (metrics.parent / "meta.yaml").write_text("run_id: a1\nlifecycle_stage: active\n")
    for i in range(3000):
        (metrics / f"m{i}").write_text(f"170000000{i:04} 1.0 {i}\n")
    assert "3,000 rows with 3,000 different names are no training log" in answer(metrics.parent).stderr


def test_a_tensor_of_many_dimensions_is_no_scalar(tmp_path: Path) -> None:
    largest = field(1, (1 << 63) - 1)
    shape = field(2, b"".join(field(2, largest) for _ in range(60_000)))
    odd = [event(1.7e9 + i, i, tensor("loss", field(1, 1) + shape + field(5, b"\0\0\0\0"))) for i in range(2)]
    path = write(tmp_path / "events.out.tfevents.1.host", *odd, *curve("val_loss", 20))
    assert judged(path)["roles"] == {"val_loss": "val_loss"}


def test_resumes_one_after_the_other(tmp_path: Path) -> None:
    rows = "".join(f"{i % 50 + i // 100},{2 / (i + 1):.5f}\n" for i in range(60_000))
    answer(written(tmp_path, "run.csv", "step,loss\n" + rows))


def test_a_list_of_millions_is_refused(tmp_path: Path) -> None:
    text = '{"loss": [' + "0," * 12_000_000 + "0]}"
    said = "the JSON holds more than 10,000,000 values (limits.json-values)"
    assert said in answer(written(tmp_path, "run.json", text)).stderr


def test_a_printed_dict_with_an_open_quote_is_broken(tmp_path: Path) -> None:
    assert answer(written(tmp_path, "run.log", "{'loss': [1.0, " + "'" + "\\'" * 200_000)).code == 2


def test_a_name_that_is_a_text_is_none(tmp_path: Path) -> None:
    for place, name in enumerate(("acc " * 50_000, "a/" * 100_000, "loss_1." * 30_000)):
        lines = [json.dumps({name: i, "x": 1}) for i in range(20)]
        answer(written(tmp_path, f"run{place}.jsonl", "\n".join(lines) + "\n"))


def test_a_view_is_no_table(tmp_path: Path) -> None:
    tables = (
        "CREATE TABLE experiments(experiment_id, lifecycle_stage); CREATE TABLE tags(run_uuid, key, value);"
        "CREATE TABLE params(run_uuid, key, value);"
        "CREATE TABLE runs(run_uuid, name, status, lifecycle_stage, experiment_id, start_time);"
    )
    endless = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT 'loss', 1.0, i, 'a', i, 0 FROM r"
    product = "SELECT 'loss', 1.0, 1, 'a', 1, 0 FROM tags a, tags b, tags c, tags d, tags e"
    for place, view in enumerate((endless, product)):
        path = tmp_path / f"{place}.db"
        with closing(sqlite3.connect(path)) as base:
            base.executescript(
                f"{tables} CREATE VIEW metrics(key, value, timestamp, run_uuid, step, is_nan) AS {view};"
            )
            base.executemany("INSERT INTO tags VALUES (?, ?, ?)", [("a", "b", "c")] * 1000)
            base.commit()
        assert "only tables are read" in answer(path).stderr


def test_a_database_that_takes_too_many_steps_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as base:
        base.executescript(
            "CREATE TABLE experiments(experiment_id, lifecycle_stage); CREATE TABLE tags(run_uuid, key, value);"
            "CREATE TABLE params(run_uuid, key, value);"
            "CREATE TABLE runs(run_uuid, name, status, lifecycle_stage, experiment_id, start_time);"
            "CREATE TABLE metrics(key, value, timestamp, run_uuid, step, is_nan);"
            "INSERT INTO runs VALUES ('a', 'a', 'FINISHED', 'active', 0, 0);"
        )
        rows = [("loss", 1 / (i + 1), i, "a", i, 0) for i in range(60_000)]
        base.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        base.commit()
    assert answer(path).code in (0, 1)
    settings(tmp_path, query_steps=500_000)
    assert "more than 500,000 steps (limits.query-steps) to read" in answer(path, folder=tmp_path).stderr


# --- numbers and names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e308, -1e308, 1e150, 5e-324, 1e-310, 1e-200])
@pytest.mark.parametrize("shape", ["falls", "rises", "alternates", "ends", "steps"])
def test_numbers_near_the_ends_of_the_range_are_judged(size: float, shape: str, tmp_path: Path) -> None:
    rows = []
    for i in range(40):
        sign = {
            "falls": 1 - i / 40,
            "rises": i / 40,
            "alternates": (-1) ** i,
            "ends": float(i > 35),
            "steps": 1 / (i + 1),
        }
        rows.append(f"{i * (size if shape == 'steps' and size > 1 else 1)},{size * sign[shape]!r},{2 / (i + 1)},0.5")
    text = "step,loss,val_loss,accuracy\n" + "\n".join(rows) + "\n"
    path = written(tmp_path, "run.csv", text)
    for run in json.loads(typed(str(path), "--format", "json").stdout)["runs"]:
        assert all(0.0 <= finding["confidence"] <= 1.0 for finding in run["findings"])
        assert not [missing for missing in run["not_judged"] if "Warning" in missing["reason"]]
    for form in ("text", "html", "junit", "markdown", "csv", "github", "sarif"):
        said = typed(str(path), "--format", form)
        assert said.returncode in (0, 1, 2)
        assert "fault" not in said.stderr


def test_a_run_that_cannot_be_shown_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diagnose.reports import glance, summary

    write_csv(synthetic.overfit(), tmp_path / "ill.csv")
    write_csv(synthetic.healthy(), tmp_path / "odd.csv")
    whole = summary.what

    def what(diagnosis: Any) -> str:
        if diagnosis.run.name == "odd":
            raise ZeroDivisionError("nothing to divide by")
        return whole(diagnosis)

    for module in (summary, glance):
        monkeypatch.setattr(module, "what", what)
    said = typed(str(tmp_path), "--plain")
    assert said.returncode == 2
    assert "ill.csv: overfitting since" in said.stdout
    (line,) = said.stderr.splitlines()
    assert line.startswith(
        f"{tmp_path}/odd.csv: could not be shown as text for a fault in diagnose (ZeroDivisionError: "
    )


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_odd_file_names_are_shown_in_every_format(tmp_path: Path) -> None:
    from xml.dom import minidom

    from diagnose import diagnose
    from diagnose.reports.plot import draw

    for name in (
        b"\xff\xfe.csv",
        "a\uffff.csv".encode(),
        b"new\nline.csv",
        b"<b>&\"'.csv",
        b"$x^{$.csv",
        b"\x1b[31m.csv",
    ):
        (tmp_path / os.fsdecode(name)).write_bytes((ROOT / "samples" / "overfitting.csv").read_bytes())
    for form in FORMATS:
        assert typed(str(tmp_path), "--format", form).returncode == 1
    report = diagnose(tmp_path)
    assert len(report.to_frame().to_csv(index=False)) > 100
    draw(report, tmp_path / "all.svg")
    minidom.parse(str(tmp_path / "all.svg"))


def test_the_table_of_hostile_inputs_says_which_were_not_answered(tmp_path: Path) -> None:
    write_csv(synthetic.overfit(), tmp_path / "ill.csv")
    (tmp_path / "ill.yaml").write_text("[" * 25_000)
    (tmp_path / "notes.txt").write_text("Dear diary, today I trained a network.\n" * 30)
    script = ROOT / "tests" / "benchmarks" / "hostile.py"
    done = limited.run([sys.executable, script, tmp_path, "--limit", "100"], seconds=300)
    lines = done.stdout.splitlines()
    assert all("exit" in line for line in lines[:2])
    assert "ill.csv" in lines[0]
    assert "notes.txt" in lines[1]
    assert lines[2].startswith("2 inputs: ")
    assert done.code == int(not lines[3].startswith("0 miss the bar"))
