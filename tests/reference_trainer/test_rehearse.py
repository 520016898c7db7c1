"""`diagnose rehearse RUN` as a user types it: before and after on the reference task, as text and as a picture."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from diagnose import synthetic
from diagnose.api import diagnose
from diagnose.errors import SettingsError
from diagnose.judging.engine import judge
from reference_trainer import rehearsal
from reference_trainer.faults import FAULTS
from tests.conftest import ROOT, typed

DIAGNOSE = Path(sys.executable).with_name("diagnose")
SAMPLES = ROOT / "samples"


def rehearse(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`diagnose rehearse ARGUMENTS`."""
    environment = {**os.environ, "COLUMNS": "90"}
    command = [str(DIAGNOSE), "rehearse", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def test_an_ill_run_is_rehearsed(tmp_path: Path) -> None:
    done = rehearse(str(SAMPLES / "overfitting.csv"), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "overfitting (error), rehearsed" in done.stdout
    assert "This is the reference task and not yours" in done.stdout
    assert "before:" in done.stdout
    assert "after:" in done.stdout
    assert "1. " in done.stdout
    assert "3. " in done.stdout
    assert "resolved." in done.stdout
    assert "In trials on runs like yours:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 90
    picture = tmp_path / "rehearsal.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000


def test_a_picture_may_be_a_drawing_and_words_may_do(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"optimizer": "Adam", "model": "mlp", "learning_rate": 0.0}))
    lines = [f"{epoch},2.30{epoch % 3},2.31,0.0" for epoch in range(1, 31)]
    (tmp_path / "run.csv").write_text("epoch,train_loss,val_loss,learning_rate\n" + "\n".join(lines))
    done = rehearse("run.csv", "--plain", "--out", "a.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "learning-rate-zero" in done.stdout
    assert "like yours: model mlp" in done.stdout
    assert "│" not in done.stdout
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_a_healthy_run_needs_no_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = typed("rehearse", str(SAMPLES / "healthy.csv"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing to rehearse" in done.stdout
    assert not (tmp_path / "rehearsal.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such.csv"], "no-such.csv: no such file"),
        ([str(ROOT / "README.md")], "this is no training log"),
        ([str(SAMPLES / "overfitting.csv"), "--fault", "label-nose"], "did you mean label-noise"),
        ([str(SAMPLES / "overfitting.csv"), "--fault", "dead-relus"], "too-few-samples"),
        ([str(SAMPLES / "overfitting.csv"), "--out", "a.txt"], "name a .png"),
        ([str(SAMPLES / "overfitting.csv"), "--finding", "overfiting"], "did you mean overfitting"),
        ([str(SAMPLES / "overfitting.csv"), "--finding", "overconfidence"], "overconfidence cannot be caused"),
    ],
)
def test_a_wrong_call_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = typed("rehearse", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "a fault in diagnose" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_finding_that_no_fault_gives_is_one_line() -> None:
    diagnosis = judge(synthetic.plateaued())
    kept = tuple(finding for finding in diagnosis.findings if rehearsal.rehearsable([finding]) is None)
    assert kept
    with pytest.raises(SettingsError, match="those that can"):
        rehearsal.rehearse(replace(diagnosis, findings=kept))


@pytest.mark.parametrize(
    ("config", "task"),
    [
        ({"model": "resnet50", "optimizer": "SGD"}, "digits, cnn"),
        ({"model": "MLP", "optimizer": "Adam"}, "digits, mlp"),
        ({"model": "linear regression", "optimizer": "SGD"}, "digits, mlp"),
    ],
)
def test_the_nearest_bench_is_most_like_the_run(config: dict[str, object], task: str) -> None:
    run = replace(synthetic.spiky(), config=config)
    finding = next(found for found in judge(run).findings if found.rule == "loss-spike")
    bench = rehearsal.nearest(run, finding, "corrupted-batches")
    assert bench.name in (task, "digits, linear")
    assert FAULTS[bench.fault].finding == finding.rule


@pytest.mark.parametrize(("kind", "regression"), [("classification", False), ("regression", True)])
def test_a_classifier_is_rehearsed_on_no_regression_and_the_other_way(kind: str, regression: bool) -> None:
    run = replace(synthetic.overfit(), config={"kind": kind, "model": "mlp", "optimizer": "adamw"})
    finding = next(found for found in judge(run).findings if found.rule == "overfitting")
    bench = rehearsal.nearest(run, finding)
    assert bench.name.startswith("diabetes") is regression
    assert bench.like[0] == kind


def test_what_no_training_of_a_kind_can_show_is_one_line() -> None:
    run = replace(synthetic.noisy_validation(), config={"kind": "classification"})
    finding = next(found for found in judge(run).findings if found.rule == "noisy-validation")
    assert rehearsal.rehearsable([finding], None, "classification") is None
    assert rehearsal.rehearsable([finding], None, "regression") is finding
    with pytest.raises(SettingsError, match="cannot be caused in a classification"):
        rehearsal.nearest(run, finding)


def test_the_cause_chooses_the_fault() -> None:
    run = replace(synthetic.spiky(), config={"resume_from_checkpoint": "last.ckpt"})
    finding = next(found for found in judge(run).findings if found.rule == "loss-spike")
    assert finding.cause == "resume"
    assert rehearsal.nearest(run, finding).fault == "resume-without-optimizer-state"


def test_a_cause_that_no_fault_has_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = typed("rehearse", str(SAMPLES / "spike_history.json"), "--plain")
    assert done.returncode == 0
    assert "Your log names the cause validation-alone, which no fault here has" in " ".join(done.stdout.split())
    assert "learning_rate 0.002 (yours 0.0001)" in done.stdout


@pytest.mark.parametrize(
    ("model", "kind"),
    [("ResNet50", "convolutional"), ("bert-base", "transformer"), ("BiLSTM", "recurrent"), ("my_net", None)],
)
def test_the_kind_of_a_network_is_in_its_name(model: str, kind: str | None) -> None:
    assert rehearsal.kind_of(model) == kind


def test_a_rehearsal_says_what_helped() -> None:
    diagnosis = diagnose(str(SAMPLES / "overfitting.csv")).diagnoses[0]
    shown = rehearsal.rehearse(diagnosis, "overfitting", "label-noise")
    assert shown.seen.rule == shown.finding.rule == "overfitting"
    assert any(tried.resolved for tried in shown.tries)
    for tried in shown.tries:
        assert tried.resolved == (not tried.why_not)
        assert (tried.training is None) == (tried.why_not.endswith("in this recipe"))
