"""Many sources in several processes: the same report, in the same order, whatever happens to one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diagnose
from diagnose import parallel, reports, synthetic
from diagnose.curves import Run, Series
from diagnose.errors import ReadError, SettingsError
from diagnose.judging import kept, many
from diagnose.judging.engine import judge
from diagnose.measure import downsample
from diagnose.reports.context import Context
from diagnose.settings import Settings
from tests.conftest import interruptible, wait_until
from tests.written import write_csv

ROOT = Path(__file__).parents[1]


def tree(folder: Path, runs: int) -> Path:
    for seed in range(runs):
        build = synthetic.overfit if seed % 3 else synthetic.healthy
        write_csv(build(seed=seed), folder / f"{seed:03}.csv")
    return folder


def document(report: diagnose.Report) -> str:
    return reports.render(report, "json", Context())


def test_several_processes_say_what_one_says(tmp_path: Path) -> None:
    folder = tree(tmp_path / "logs", 12)
    (folder / "005b.csv").write_text("a,b\nx,y\n")
    named = [*sorted(folder.iterdir()), "gone.csv"]
    one, two = diagnose.diagnose(named), diagnose.diagnose(named, jobs=2)
    assert document(one) == document(two)
    assert str(one) == str(two)
    assert len(one.errors) == 2


def test_baseline_thresholds_and_map_reach_the_processes(tmp_path: Path) -> None:
    folder = tree(tmp_path / "logs", 4)
    options = {
        "baseline": [str(folder)],
        "thresholds": {"overfitting": {"gl_warning": 1e9, "lost_warning": 1e9}},
        "map": {"train_loss": "val_loss", "val_loss": "train_loss"},
    }
    assert document(diagnose.diagnose(folder, **options)) == document(diagnose.diagnose(folder, jobs=2, **options))


def test_frames_are_judged_beside_files(tmp_path: Path) -> None:
    import pandas as pd

    paths = sorted(tree(tmp_path, 3).iterdir())
    mixed = [paths[0], pd.read_csv(paths[1]), paths[2]]
    assert [d.run.source for d in diagnose.diagnose(mixed, jobs=2)] == [str(paths[0]), "DataFrame", str(paths[2])]


@pytest.mark.parametrize("jobs", [0, -1, "many", "1.5", True, 10_000])
def test_a_wrong_number_of_jobs_is_told(tmp_path: Path, jobs: object) -> None:
    with pytest.raises(SettingsError, match="is no number of processes"):
        diagnose.diagnose(tree(tmp_path, 1), jobs=jobs)  # type: ignore[arg-type]


def test_jobs_auto_on_the_command_line(tmp_path: Path) -> None:
    folder = tree(tmp_path / "logs", 6)
    call = [sys.executable, "-m", "diagnose", str(folder), "--jobs", "auto", "--format", "json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert [run["name"] for run in json.loads(done.stdout)["runs"]] == [f"{seed:03}" for seed in range(6)]


def _double(item: int) -> int:
    if item == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def _broken() -> None:
    os._exit(3)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_item_that_kills_its_process_is_lost_alone() -> None:
    answers = list(parallel.in_order(_double, range(20), parallel.Processes(2)))
    assert isinstance(answers[7], parallel.Lost)
    assert [a for i, a in enumerate(answers) if i != 7] == [2 * i for i in range(20) if i != 7]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_item_that_kills_its_process_is_lost_alone_where_answers_come_as_they_are() -> None:
    answers = dict(parallel.as_it_comes(_double, range(20), parallel.Processes(2, most_chunk=1)))
    assert isinstance(answers.pop(7), parallel.Lost)
    assert answers == {i: 2 * i for i in range(20) if i != 7}


def test_one_job_is_done_in_this_process() -> None:
    prepared: list[str] = []
    answers = parallel.in_order(
        lambda item: (item, os.getpid()), "ab", parallel.Processes(1, prepared.append, ("once",))
    )
    assert next(answers) == ("a", os.getpid())
    assert list(answers) == [("b", os.getpid())]
    assert prepared == ["once"]


def test_threads_give_what_is_there_first_or_in_order() -> None:
    told = threading.Event()

    def slow(item: int) -> int:
        if item == 0:
            assert told.wait(60.0)
        return item

    found = parallel.as_it_comes(slow, range(8), parallel.Threads(2))
    first = [item for item, _ in (next(found) for _ in range(7))]
    told.set()
    assert first == list(range(1, 8))
    assert list(found) == [(0, 0)]
    assert list(parallel.in_order(slow, range(8), parallel.Threads(2))) == list(range(8))


@pytest.mark.parametrize("where", [parallel.Processes(1), parallel.Processes(2), parallel.Threads(2)], ids=str)
def test_what_the_work_raises_is_raised(where: parallel.Where) -> None:
    with pytest.raises(ZeroDivisionError):
        list(parallel.in_order(_inverse, [1, 0, 2], where))
    assert list(parallel.in_order(_inverse, [], where)) == []


def _inverse(item: int) -> float:
    return 1.0 / item


def test_an_item_that_kills_the_workers_of_a_cluster_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
    ):
        there = parallel.Cluster(cluster.scheduler_address)
        monkeypatch.setattr(parallel, "PATIENCE", 2.0)
        with pytest.raises(SettingsError, match="has no workers; start some: `dask worker tcp://"):
            list(parallel.in_order(_double, [1], there))
        cluster.scale(2)
        monkeypatch.setattr(parallel, "PATIENCE", 120.0)
        (answer,) = parallel.in_order(_double, [7], there)
        assert isinstance(answer, parallel.Lost)
        assert list(parallel.in_order(_double, range(6), there)) == [0, 2, 4, 6, 8, 10]
        assert dict(parallel.as_it_comes(_double, range(6), there)) == {i: 2 * i for i in range(6)}


def test_of_very_many_runs_the_worst_are_shown_and_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree(tmp_path / "logs", 7)
    (folder / "006").mkdir()
    (folder / "003.csv").rename(folder / "006" / "002.csv")
    all_of_them = diagnose.diagnose(folder)
    assert "are shown" not in str(all_of_them)
    monkeypatch.setattr(many, "DRAWN", 3)
    monkeypatch.setattr(many, "WHOLE", 2)
    monkeypatch.setattr("diagnose.report.CHUNK", 2)
    monkeypatch.setattr("diagnose.reports.text.MOST_SHOWN", 3)
    packed = diagnose.diagnose(folder)
    assert document(packed) == document(all_of_them)
    assert [d.run.name for d in packed.worst_first] == [d.run.name for d in all_of_them.worst_first]
    assert packed.diagnoses[-1].run.name == all_of_them.diagnoses[-1].run.name
    said = packed.text(verbose=True)
    assert said.startswith(str(all_of_them).split("\n")[0][:6])
    assert "The worst 3 of 7 runs are shown; all are in --format csv, json and jsonl." in said
    assert said.count("ERROR overfitting") == 3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a real scheduler, and its two workers, which work in a folder of their own."""
    pytest.importorskip("distributed")
    file, elsewhere = tmp_path / "scheduler.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    start = [sys.executable, "-m", "dask"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    quiet = {"env": env, "cwd": elsewhere, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [*start, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    running = [subprocess.Popen(command, **quiet)]  # type: ignore[call-overload]
    try:
        wait_until(lambda: file.exists() and file.read_text())
        address = json.loads(file.read_text())["address"]
        for _ in range(2):
            worker = [*start, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            running.append(subprocess.Popen(worker, **quiet))  # type: ignore[call-overload]
        yield address, running[1:]
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_a_cluster_says_what_this_machine_says_though_a_worker_is_killed(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, workers = cluster
    tree(tmp_path / "logs", 300)
    (tmp_path / "logs" / "005b.csv").write_text("a,b\nx,y\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parallel, "PATIENCE", 120.0)
    named = [f"logs/{path.name}" for path in sorted(Path("logs").iterdir())]
    settings = Settings(root=tmp_path, per_file_ignores={"logs/001.csv": ("overfitting",)})
    options = {"settings": settings, "baseline": ["logs/002.csv", "logs/004.csv"]}

    def kill(done: int, total: int, name: str) -> None:
        if done == 20:
            workers[0].kill()

    there = diagnose.diagnose(named, backend="dask", scheduler=address, progress=kill, **options)
    assert workers[0].poll() is not None
    assert document(there) == document(diagnose.diagnose(named, **options))
    assert len(there) == 300
    assert len(there.errors) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "spark"}, "no value 'spark'; valid: processes, dask"),
        ({"backend": "dask"}, "--scheduler tcp://HOST:8786"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "say --backend dask"),
        ({"backend": "dask", "scheduler": "tcp://127.0.0.1:1", "jobs": 2}, "--jobs are processes of this machine"),
    ],
)
def test_a_wrong_cluster_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        diagnose.diagnose("samples/overfitting.csv", **options)


def test_processes_that_cannot_start_are_told_once() -> None:
    with pytest.raises(parallel.CannotStartError):
        list(parallel.in_order(_double, range(20), parallel.Processes(2, _broken)))


def test_a_script_without_a_guard_gets_one_line(tmp_path: Path) -> None:
    folder = tree(tmp_path / "logs", 3)
    script = tmp_path / "script.py"
    script.write_text(
        f"import diagnose\ntry:\n    diagnose.diagnose({str(folder)!r}, jobs=2)\n"
        "except ValueError as error:\n    print('TOLD', error)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert "TOLD jobs: no process can be started" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    folder = tree(tmp_path / "logs", 8)
    for place in range(8):
        os.mkfifo(folder / f"pipe{place}.csv")  # reading blocks until someone writes
    pipes = sorted(map(str, folder.glob("pipe*")))
    child = interruptible(*pipes, "--jobs", "2", stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    ends = [_other_end(pipe) for pipe in pipes[:2]]
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, "diagnose: interrupted\n")
    wait_until(lambda: not _is_there(child.pid))
    for end in ends:
        os.close(end)


def _other_end(pipe: str) -> int:
    """The end to write to of a pipe, once a process reads it, which then waits for as long as this end is open."""
    found: list[int] = []

    def opened() -> bool:
        with suppress(OSError):  # nobody reads it yet
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    wait_until(opened)
    return found[0]


def _is_there(group: int) -> bool:
    """Whether a group has processes."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# --- what is kept of many runs


def test_a_thinned_run_still_tells_its_extent() -> None:
    whole = judge(synthetic.overfit(epochs=3000))
    thin = kept.judged(whole)
    assert thin.run.points == 3000
    assert thin.run.last_step == whole.run.last_step
    assert thin.findings == whole.findings
    drawn = thin.run.series["val_loss"]
    assert len(drawn) <= kept.DRAWN_POINTS + 2
    assert drawn.values.max() == whole.run.series["val_loss"].values.max()
    assert drawn.values.min() == whole.run.series["val_loss"].values.min()
    assert sum(len(s) for s in kept.judged(whole, drawn=False).run.series.values()) == 2 * len(whole.run.series)


def test_a_nan_survives_thinning() -> None:
    run = synthetic.non_finite(epochs=2000)
    thin = kept.judged(judge(run))
    assert np.isnan(thin.run.series["train_loss"].values[-1])
    means = downsample.means(run, ("train_loss",), 32)
    assert np.isnan(means.series["train_loss"].values[-1])
    assert list(means.series) == ["train_loss"]


def test_means_keep_the_mean() -> None:
    steps = np.arange(1000.0)
    run = Run("r", {"a": Series("a", steps, steps**2)}, {"train_loss": "a"})
    thin = downsample.means(run, ("train_loss",), 50).series["a"]
    assert len(thin) == 50
    assert thin.values.mean() == pytest.approx((steps**2).mean())
    assert thin.steps.mean() == pytest.approx(steps.mean())


def test_of_many_runs_the_table_and_the_findings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree(tmp_path / "logs", 8)
    whole = diagnose.diagnose(folder)
    monkeypatch.setattr(many, "WHOLE", 4)
    drawn = diagnose.diagnose(folder)
    assert document(drawn) == document(whole)
    assert str(drawn) == str(whole)
    monkeypatch.setattr(many, "DRAWN", 4)
    bare = diagnose.diagnose(folder)
    assert document(bare) == document(whole)
    assert "epochs" in bare.text(verbose=True)
    assert len(bare.text(verbose=True)) < len(drawn.text(verbose=True))


def test_a_directory_without_logs_is_refused_by_several_processes_too(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing")
    with pytest.raises(ReadError, match="no training log"):
        diagnose.diagnose(tmp_path, jobs=2)
