"""`diagnose.watch` in a loop of one's own: what is told and when, and what never happens to the training."""

from __future__ import annotations

import json
import logging
import math
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diagnose
from diagnose import synthetic
from diagnose.curves import Run
from diagnose.errors import SettingsError
from diagnose.live import Watch
from diagnose.live import history as kept
from tests.live import trainings
from tests.written import write_csv


def rows(run: Run) -> list[dict[str, float]]:
    """What was logged at each epoch."""
    epochs = run.series["train_loss"].steps
    return [
        {"epoch": float(epoch), **{name: float(series.values[i]) for name, series in run.series.items()}}
        for i, epoch in enumerate(epochs)
    ]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "diagnose"]


def logged(run: Run, **options: Any) -> Watch:
    watch = diagnose.watch(every=1, **options)
    for row in rows(run):
        watch.log(row)
    return watch


@pytest.mark.parametrize("fault", trainings.FAULTS)
def test_a_fault_is_told_and_a_sound_run_is_left_alone(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    trained = trainings.plain(fault)
    rules = {finding.rule for finding in trained.report.findings if finding.severity != "note"}
    if fault == "sound":
        assert told(caplog) == []
        assert rules == set()
    else:
        assert rules & trainings.SAYS[fault]
        assert {finding.rule for finding in trained.watch.findings} == rules


def test_nan_is_told_in_its_step(caplog: pytest.LogCaptureFixture) -> None:
    watch = diagnose.watch()
    for step in range(3):
        watch.log(step=step, train_loss=math.nan if step == 2 else 1.0)
    assert "step 2: ERROR non-finite" in told(caplog)[0]
    assert len(told(caplog)) == 1


def test_a_run_that_does_not_learn_is_told_within_a_fifth_and_once(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    watch = diagnose.watch(total=100, every=1)
    first = None
    for epoch in range(100):
        watch.log(epoch=epoch, train_loss=2.3 + 0.003 * rng.standard_normal())
        if first is None and watch.findings:
            first = epoch
    assert first is not None
    assert first <= 20
    assert sum("non-convergence" in line for line in told(caplog)) == 1


def test_what_becomes_worse_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    logged(synthetic.overfit(), select=["overfitting"])
    heads = [line.split(",")[0] for line in told(caplog)]
    assert [head.split(": ", 2)[2] for head in heads] == ["WARNING overfitting", "now ERROR overfitting"]


def test_what_no_longer_holds_is_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    watch = diagnose.watch(every=1, select=["non-convergence"])
    for epoch in range(80):
        watch.log(epoch=epoch, train_loss=2.3 - 0.05 * max(0, epoch - 30) + 0.001 * (epoch % 3))
    lines = told(caplog)
    assert "ERROR non-convergence" in lines[0]
    assert "non-convergence no longer holds; it is taken back" in lines[1]
    assert watch.findings == ()
    assert len(lines) == 2


@pytest.mark.parametrize("build", [synthetic.healthy, synthetic.overfit, synthetic.diverging, synthetic.non_finite])
def test_the_last_verdict_is_that_of_the_file(build: Any, tmp_path: Path) -> None:
    run = build()
    watch = logged(run)
    report = watch.finish()
    of_file = diagnose.diagnose(str(write_csv(run, tmp_path / "run.csv")))
    assert [(f.rule, f.severity, f.summary) for f in report.findings] == [
        (f.rule, f.severity, f.summary) for f in of_file.findings
    ]
    loud = {finding.rule for finding in report.findings if finding.severity != "note"}
    assert {finding.rule for finding in watch.findings} == loud


def test_a_late_first_look_sees_what_has_held() -> None:
    """As fast a loop as this leaves no time to look; the log says when a finding appeared."""
    run = synthetic.overfit()
    watch = diagnose.watch(every=len(rows(run)), select=["overfitting"])
    for row in rows(run):
        watch.log(row)
    assert [finding.rule for finding in watch.findings] == ["overfitting"]


def test_it_stops_only_where_asked(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    run = synthetic.diverging()
    assert not logged(run).should_stop
    assert logged(run, on_error="stop").should_stop
    assert not logged(run, on_error=lambda finding: seen.append(finding.rule)).should_stop
    assert "divergence" in seen
    assert logged(run, on_error=lambda finding: True).should_stop


@pytest.mark.parametrize("whole", [False, True])
def test_a_resumed_run_is_one_run(whole: bool, caplog: pytest.LogCaptureFixture) -> None:
    every = rows(synthetic.overfit())
    watch = diagnose.watch(every=1, select=["overfitting"])
    for row in every[:70]:
        watch.log(row)
    before = len(told(caplog))
    state = json.loads(json.dumps(watch.state_dict()))
    later = pickle.loads(pickle.dumps(watch)) if whole else diagnose.watch(every=1, select=["overfitting"])
    if not whole:
        later.load_state_dict(state)
    for row in every[70:]:
        later.log(row)
    report = later.finish()
    assert report.diagnoses[0].run.points == len(every)
    assert [line for line in told(caplog)[before:] if "WARNING" in line] == []  # it was told before
    assert report.findings == logged(synthetic.overfit(), select=["overfitting"]).finish().findings


def test_a_state_from_elsewhere_is_told_and_the_training_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    watch = diagnose.watch()
    watch.load_state_dict({"version": 99})
    watch.log(step=0, loss=1.0)
    assert "a fault in diagnose (ValueError" in told(caplog)[0]


def test_an_exception_of_ours_is_told_once_and_never_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(kept.History, "add", broken)
    watch = diagnose.watch(every=1)
    for row in rows(synthetic.healthy())[:20]:
        watch.log(row)
    report = watch.finish()
    assert report.findings == ()
    assert [line.split(";")[0] for line in told(caplog)] == ["diagnose: a fault in diagnose (RuntimeError: broken)"]


def test_tensors_are_copied_and_cut_off_their_graph() -> None:
    torch = pytest.importorskip("torch")
    watch = diagnose.watch()
    total = torch.zeros((), requires_grad=True)
    running = torch.zeros(())
    for step in range(8):
        running += 1.0
        watch.log(step=torch.tensor(step), train_loss=(total + 8.0 - running), lr=np.float32(0.1), picture=object())
    run = watch.finish().diagnoses[0].run
    assert run.series["train_loss"].values.tolist() == [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert set(run.series) == {"train_loss", "lr"}


def test_what_is_on_an_accelerator_is_read_in_batches() -> None:
    """A tensor of the device `meta` has no value: one that is read at each step would raise."""
    torch = pytest.importorskip("torch")

    class Remote(torch.Tensor):
        reads = 0

        @property
        def device(self) -> Any:
            return torch.device("cuda")

        def __float__(self) -> float:
            type(self).reads += 1
            return 0.0

    watch = diagnose.watch()
    for step in range(60):
        watch.log(step=step, train_loss=torch.tensor(1.0 - step / 100).as_subclass(Remote))
    assert Remote.reads == 0
    assert watch.finish().diagnoses[0].run.points == 60


def test_another_rank_tells_its_own_nan_and_judges_nothing(caplog: pytest.LogCaptureFixture) -> None:
    watch = diagnose.watch(on_error="stop")
    watch.rank = 3
    for row in rows(synthetic.diverging()):
        watch.log(row)
    assert not watch.should_stop
    watch.log(epoch=500, train_loss=math.inf)
    assert told(caplog) == ["diagnose: rank 3, epoch 500: train_loss is inf"]
    assert watch.should_stop
    assert len(watch.finish().diagnoses) == 0


def test_the_report_is_written_and_no_thread_is_left(tmp_path: Path) -> None:
    before = threading.active_count()
    logged(synthetic.overfit(), report=tmp_path / "run.html").finish()
    assert "overfitting" in (tmp_path / "run.html").read_text(encoding="utf-8")
    assert threading.active_count() == before


def test_of_nothing_there_is_a_report_without_a_diagnosis() -> None:
    report = diagnose.watch().finish()
    assert report.diagnoses == ()
    assert report.errors[0].source == "live"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"select": ["overfit"]}, SettingsError, "no rule 'overfit'; did you mean overfitting?"),
        ({"on_error": "halt"}, ValueError, "on_error: 'halt' is neither 'warn', 'stop' nor a function"),
        ({"every": 0}, ValueError, "every: 0 is neither 'auto' nor a number of rows"),
        ({"log_to": 3}, TypeError, "log_to: a int is no run of W&B"),
        ({"notify": ["carrier pigeon"]}, SettingsError, "notify: carrier pigeon:...: not understood"),
    ],
)
def test_what_means_nothing_is_refused_before_the_training(options: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message.replace("?", r"\?").replace("&", ".")):
        diagnose.watch(**options)


def test_it_is_imported_without_heavy_libraries() -> None:
    code = (
        "import sys, diagnose; w = diagnose.watch()\nfor i in range(9): w.log(step=i, loss=1 / (i + 1))\nw.finish()\n"
        "print(sorted({'pandas', 'torch', 'wandb', 'apprise', 'keras', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_memory_is_bounded() -> None:
    """Thinned again and again, columns of any length stay within their bound; the ends and the spike are kept."""
    history = kept.History(most=256)
    for step in range(20_000):
        history.add([{"step": float(step), "train_loss": 50.0 if step == 7_777 else 1.0 + 0.01 * math.sin(step)}])
    assert max(len(curve.rows) for curve in history.curves.values()) <= 256
    values = history.table().columns["train_loss"].values
    assert values.max() == 50.0
    assert np.count_nonzero(values > 2.0) == 1


def test_thinning_keeps_noise_as_it_is() -> None:
    values = np.random.default_rng(0).standard_normal(2**15)
    places = kept.thinned(values)
    assert places.size == 2**14
    assert abs(values[places].std() - 1.0) < 0.02
    values[[100, 4001]] = [math.nan, math.inf]
    assert {100, 4001} <= set(kept.thinned(values).tolist())


def test_messages_go_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="diagnose"):
        logged(synthetic.overfit()).finish()
    assert told(caplog) == []
