"""The real frameworks, seconds each: `pip install -e '.[test-live]'`, then `pytest -m live tests/live`."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from diagnose.live import history as kept
from tests.conftest import ROOT
from tests.live import trainings
from tests.live.test_loop import told

pytestmark = pytest.mark.live

MODULES = {"ignite": "ignite", "transformers": "transformers"}
ALL = {**trainings.NETWORKS, **trainings.BOOSTINGS}


def train(name: str, fault: str, **options: Any) -> trainings.Trained:
    pytest.importorskip(MODULES.get(name, name))
    return ALL[name](fault, **options)


@pytest.mark.parametrize("name", ALL)
def test_a_sound_run_is_left_alone(name: str, caplog: pytest.LogCaptureFixture) -> None:
    trained = train(name, "sound", on_error="stop")
    assert told(caplog) == []
    assert trained.epochs == trainings.EPOCHS
    assert [finding for finding in trained.report.findings if finding.severity != "note"] == []


@pytest.mark.parametrize("name", trainings.NETWORKS)
def test_nan_is_told_in_its_epoch_and_stops(name: str, caplog: pytest.LogCaptureFixture) -> None:
    trained = train(name, "nan", on_error="stop")
    assert trainings.NAN_FROM <= trained.epochs <= trainings.NAN_FROM + 1.5
    assert "non-finite" in {finding.rule for finding in trained.report.findings}
    assert sum("ERROR non-finite" in line for line in told(caplog)) == 1


@pytest.mark.parametrize("fault", ["rate", "overfit"])
@pytest.mark.parametrize("name", ALL)
def test_a_fault_is_told_and_nothing_stops(name: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    trained = train(name, fault)
    loud = {finding.rule for finding in trained.report.findings if finding.severity != "note"}
    assert loud & trainings.SAYS[fault]
    assert {finding.rule for finding in trained.watch.findings} == loud
    assert told(caplog)
    if name != "lightgbm":  # it ends by itself where no leaf can be split
        assert trained.epochs == trainings.EPOCHS


@pytest.mark.parametrize("name", ALL)
def test_frozen_weights_are_told_early_and_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    trained = train(name, "frozen", on_error="stop")
    assert trained.epochs <= 0.3 * trainings.EPOCHS
    assert sum("ERROR non-convergence" in line for line in told(caplog)) == 1


@pytest.mark.parametrize("name", ALL)
def test_an_exception_of_ours_never_reaches_the_training(
    name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(kept.History, "add", broken)
    trained = train(name, "overfit")
    assert trained.epochs == trainings.EPOCHS
    assert sum("a fault in diagnose (RuntimeError: broken)" in line for line in told(caplog)) == 1


@pytest.mark.parametrize("name", ALL)
def test_the_watch_of_a_callback_pickles(name: str) -> None:
    trained = train(name, "overfit")
    again = pickle.loads(pickle.dumps(trained.watch))
    assert again.finish().findings == trained.watch.finish().findings


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_runs_on_any_backend(backend: str, tmp_path: Path) -> None:
    """Its backend is chosen once in a process; W&B gets what its own callback would have written."""
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    code = (
        "import wandb, diagnose, pathlib\n"
        "from tests.live import trainings\n"
        f"run = wandb.init(mode='offline', dir={str(tmp_path)!r})\n"
        "trained = trainings.keras('overfit', log_freq='batch')\n"
        "folder = pathlib.Path(run.dir).parent\n"
        "run.finish()\n"
        "(file,) = folder.glob('*.wandb')\n"
        "run = diagnose.diagnose(str(file)).diagnoses[0].run\n"
        "print(run.axis, sorted(name for name in run.series if '/' in name))\n"
        "print(sorted(finding.rule for finding in trained.watch.findings))\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend, "WANDB_SILENT": "true", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    names, rules = done.stdout.splitlines()[-2:]
    assert names.startswith("epoch ")  # `epoch/epoch` is the axis of what is logged by the epoch
    for name in ("epoch/loss", "epoch/val_loss", "epoch/learning_rate", "batch/loss", "batch/accuracy"):
        assert f"'{name}'" in names
    assert "'diagnose/overfitting'" in names
    assert "overfitting" in rules


def test_lightning_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    _goes_on("lightning", tmp_path)


def test_the_hugging_face_trainer_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    _goes_on("transformers", tmp_path)


def _goes_on(name: str, tmp_path: Path) -> None:
    """A training that is broken off and goes on is one run."""
    pytest.importorskip(name)
    resumed = importlib.import_module("tests.live.resumed")
    points = getattr(resumed, name)(tmp_path)
    assert points == resumed.EPOCHS


@pytest.mark.parametrize("name", ["lightning", "transformers", "accelerate", "ignite"])
def test_two_processes_stop_together(name: str, tmp_path: Path) -> None:
    """The weights of one rank alone become NaN, or the decision falls on rank 0 alone; both stop, and none hangs."""
    pytest.importorskip(MODULES.get(name, name))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"),
        *("--rdzv-endpoint=localhost:0", str(Path(__file__).with_name("two_ranks.py")), name, str(tmp_path)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    steps = sorted(int(path.read_text()) for path in tmp_path.glob("rank*.txt"))
    assert len(steps) == 2
    assert steps[0] == steps[1] < 120
