"""The benchmarks run and compute the right numbers on small, made-up inputs. No time is judged here."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.calibration import features
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.rule import Change, Diagnosis, Finding, Recommendation, Severity

FOLDER = Path(__file__).parent / "benchmarks"

sys.path.insert(0, str(FOLDER))  # the scripts import each other as they do when they are run

import _corpus  # noqa: E402
import _drawn  # noqa: E402
import _fitting  # noqa: E402
import _kinds  # noqa: E402
import _labelled  # noqa: E402
import _noise  # noqa: E402
import _peers  # noqa: E402
import _planted  # noqa: E402
import _power  # noqa: E402
import _scores  # noqa: E402
import _verdicts  # noqa: E402
import _versus  # noqa: E402
import advice  # noqa: E402
import agents  # noqa: E402
import benches  # noqa: E402
import binary_logs  # noqa: E402
import calibration  # noqa: E402
import cold_start  # noqa: E402
import detection  # noqa: E402
import hook  # noqa: E402
import large_csv  # noqa: E402
import metamorphic  # noqa: E402
import pages  # noqa: E402
import power  # noqa: E402
import prefixes  # noqa: E402
import reading  # noqa: E402
import seeded_rates  # noqa: E402
import throughput  # noqa: E402

sys.path.remove(str(FOLDER))

MANIFEST = (
    "id,repo,commit,path,format,framework,task,n_points,series,"
    "train_loss_col,val_loss_col,train_acc_col,val_acc_col,notes"
)


def verdicts(*outcomes: tuple[bool, bool]) -> list[_scores.Verdict]:
    return [_scores.Verdict(f"r{i}", label, found) for i, (label, found) in enumerate(outcomes)]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A corpus of one overfit run, one healthy run, one event file, one file that is no curve, and two pairs."""
    import pandas as pd

    corpus = tmp_path / "corpus"
    for name, run in (("r1", synthetic.overfit()), ("r2", synthetic.healthy())):
        (corpus / "runs" / name).mkdir(parents=True)
        cold_start.write_csv(run, corpus / "runs" / name / "log.csv")
    (corpus / "runs" / "r3").mkdir()
    (corpus / "runs" / "r3" / "events.out.tfevents.1.x").write_bytes(b'\x18\0\0\0\0\0\0\0\xa3\x7fK"\t\0\0garbage')
    (corpus / "not_curves" / "n1").mkdir(parents=True)
    (corpus / "not_curves" / "n1" / "log.csv").write_text("epoch,loss\n0,1.0\n")
    columns = "train_loss,val_loss,train_accuracy,val_accuracy"
    (corpus / "manifest.csv").write_text(
        f"{MANIFEST}\n"
        f"r1,a/a,0,logs/log.csv,custom-csv,x,y,100,s,{columns},\n"
        f"r2,b/b,0,logs/log.csv,custom-csv,x,y,60,s,{columns.replace('val_loss', 'learning_rate')},\n"
        "r3,c/c,0,events.out.tfevents.1.x,tfevents,x,y,60,s,,,,,\n"
    )
    (corpus / "labels.csv").write_text("id,overfitting,healthy,unstable\nr1,yes,no,\nr2,yes,yes,no\nr3,no,no,no\n")
    frames = []
    for name, run, label in (("p1", synthetic.overfit(), True), ("p2", synthetic.healthy(), False)):
        values = {key: run.series[key].values for key in ("train_loss", "val_loss")}
        frames.append(pd.DataFrame({"run": name, "overfit": label, "epoch": range(run.points), **values}))
    pd.concat(frames).to_parquet(corpus / "overfit_histories.parquet")
    return corpus


# --- scores -----------------------------------------------------------------------------------------------------------


def test_counts_and_scores() -> None:
    counts = _scores.Counts.of(verdicts(*[(True, True)] * 3, (True, False), (False, True), *[(False, False)] * 5))
    assert counts == _scores.Counts(tp=3, fp=1, fn=1, tn=5)
    assert counts.precision == counts.recall == counts.f1 == 0.75
    assert counts.macro_f1 == pytest.approx((0.75 + 10 / 12) / 2)


def test_scores_without_positives_are_undefined() -> None:
    counts = _scores.Counts.of(verdicts((False, False)))
    assert all(math.isnan(score) for score in (counts.precision, counts.recall, counts.f1))


def test_bootstrap_is_seeded_and_contains_the_score() -> None:
    mixed = verdicts(*[(True, True)] * 8, *[(True, False)] * 2, (False, True), *[(False, False)] * 20)
    low, high = _scores.bootstrap(mixed, lambda c: c.f1, seed=1)
    assert (low, high) == _scores.bootstrap(mixed, lambda c: c.f1, seed=1)
    assert low < _scores.Counts.of(mixed).f1 < high


def test_bootstrap_draws_clusters_whole() -> None:
    one = [_scores.Verdict(f"r{i}", True, i < 5, "one/repo") for i in range(10)]
    low, high = _scores.bootstrap(one, lambda c: c.recall)
    assert low == high == 0.5


def test_bootstrap_of_nothing() -> None:
    assert all(map(math.isnan, _scores.bootstrap([], lambda c: c.f1)))


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found", "text_log", "same"),
    [
        ("train/loss", "  train/Loss", False, True),
        ("loss", "Train Loss", True, True),
        ("loss", "Train Loss", False, False),
        ("train_loss", "val_loss", True, False),
        ("Val Loss", "eval_loss", True, True),
        ("acc", "loss", True, False),
    ],
)
def test_same_name(wanted: str, found: str, text_log: bool, same: bool) -> None:
    assert reading.same_name(wanted, found, text_log=text_log) is same


def test_wrong_roles() -> None:
    run = synthetic.healthy()
    log = _corpus.Log("r", "a/a", "custom-csv", Path("x"), {"train_loss": "train_loss", "val_loss": "test_loss"})
    assert reading.wrong_roles(run, log) == ["val_loss: manifest 'test_loss', found 'val_loss'"]


def test_a_column_with_the_same_values_is_the_same() -> None:
    run = synthetic.healthy()
    twin = Run("twin", {**run.series, "loss": run.series["train_loss"]}, run.roles)
    assert reading.same_column(twin, "loss", "train_loss")


def test_a_rewards_column_may_be_the_manifests_accuracy() -> None:
    run = Run("policy", {"r": Series("r", np.arange(3.0), np.arange(3.0))}, {"reward": "r"})
    assert reading.wrong_roles(run, _corpus.Log("r", "a/a", "monitor-csv", Path("x"), {"train_accuracy": "r"})) == []


def test_door_is_the_named_file_or_the_innermost_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    for name in ("train.csv", "val.csv"):
        (tmp_path / "a" / "b" / name).write_text("1\n")
    assert _corpus.door(tmp_path, "logs/train.csv + logs/val.csv") == tmp_path / "a" / "b"
    assert _corpus.door(tmp_path / "a" / "b", "logs/val.csv") == tmp_path / "a" / "b" / "val.csv"


def test_reading_prints_its_figures(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reading.main(["--corpus", str(tiny)]) == 0
    out = capsys.readouterr().out
    assert "custom-csv                          2            2            2            1            1" in out
    assert "50.0 % misses the bar" in out
    assert "r2 custom-csv: val_loss: manifest 'learning_rate', found 'val_loss'" in out
    assert "1 of 1 refused" in out


# --- detection --------------------------------------------------------------------------------------------------------


def test_detection_prints_its_figures(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disputed = tmp_path / "disputed.csv"
    disputed.write_text('id,label,reason\nr2,overfitting,"it is healthy, look"\n')
    sheets = tmp_path / "sheets"
    pytest.importorskip("matplotlib")
    arguments = ["--corpus", str(tiny), "--disputed", str(disputed), "--plot", str(sheets)]
    assert detection.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    table = {line[:22].strip(): line.split() for line in lines if line[:22].strip() in ("overfitting", "healthy")}
    assert table["overfitting"][1:6] == ["2", "0", "1", "1", "0"]  # yes, no, hit, miss, false
    assert table["healthy"][1:6] == ["1", "1", "1", "0", "0"]
    assert any("without 1 disputed" in line and "1.00" in line for line in lines)
    assert any(line.startswith("diagnose") and "F1 1.000" in line and "false alarms 0 of 1" in line for line in lines)
    assert any("tfevents: 1 (r3)" in line for line in lines)
    assert any("overfitting r2 custom-csv missed" in line and "it is healthy, look" in line for line in lines)
    assert [path.name for path in sheets.iterdir()] == ["overfitting-1.png"]


def finding(rule: str, severity: Severity = Severity.WARNING, **more: object) -> Finding:
    values = {"summary": "1.", "meaning": ".", "steps": (0.0, 9.0), "series": ("train_loss",)} | more
    return Finding(severity=severity, confidence=0.9, rule=rule, **values)  # type: ignore[arg-type]


def test_a_note_counts_only_where_it_suffices() -> None:
    assert _verdicts.counts_for(finding("slow-convergence", Severity.NOTE), "still_improving")
    assert not _verdicts.counts_for(finding("overfitting", Severity.NOTE), "overfitting")
    assert _verdicts.counts_for(finding("overfitting"), "generalization_gap")
    assert not _verdicts.counts_for(finding("a-rule-of-a-plugin"), "overfitting")


def test_alarms_leave_out_notes_harmless_rules_and_hyperparameters() -> None:
    findings = [finding("overfitting"), finding("plateau"), finding("batch-size"), finding("loss-spike", Severity.NOTE)]
    rules = frozenset(["overfitting", "plateau", "loss-spike"])
    assert [f.rule for f in _verdicts.alarms(findings, rules)] == ["overfitting"]


def test_spikes_that_fall_are_counted() -> None:
    steps = np.arange(20.0)
    values = np.where(steps < 10, 2.0, 1.0)
    values[15] = 3.0
    rate = np.where(steps < 10, 0.1, 0.01)
    run = Run(
        "steps",
        {"train_loss": Series("train_loss", steps, values), "learning_rate": Series("learning_rate", steps, rate)},
        {"train_loss": "train_loss", "learning_rate": "learning_rate"},
    )
    diagnosis = Diagnosis(run, (finding("loss-spike", marks=(10.0, 15.0)),), (), ("loss-spike",))
    log = _corpus.Log("r1", "a/a", "custom-csv", Path("x"), {})
    counted = _verdicts.spikes_that_fall([_corpus.Outcome(log, (diagnosis,))])
    assert counted == (2, ["r1 at 10"], ["r1 at 10"])


def test_of_a_chart_with_several_runs_the_manifests_is_scored() -> None:
    steps = np.arange(9.0)
    runs = [Run(name, {f"{name} - loss": Series("l", steps, steps)}) for name in ("a", "b")]
    log = _corpus.Log("r", "a/a", "wandb-ui-csv", Path("x"), {"train_loss": "b - loss"})
    found = _corpus.Outcome(log, tuple(Diagnosis(run, (), (), ()) for run in runs))
    assert [d.run.name for d in _corpus.of_manifest(found)] == ["b"]


# --- peers ------------------------------------------------------------------------------------------------------------


def test_a_peer_is_asked_where_it_is_installed_and_left_out_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds = "from types import SimpleNamespace as Found\n\ndef detect_anomalies(rows, **names):\n"
    (tmp_path / "runwise.py").write_text(f"{finds}    return [Found(type='overfit', severity=str(len(rows)))]\n")
    (tmp_path / "runwise-9.1.dist-info").mkdir()
    (tmp_path / "runwise-9.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: runwise\nVersion: 9.1\n")
    (tmp_path / "runmedic.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = synthetic.healthy()
    versions, answers = _versus.ask_peers(sys.executable, {"healthy": run})
    assert versions["runwise"] == "9.1"
    assert answers["runwise"]["healthy"]["found"] == [["overfit", str(run.points)]]
    assert "runmedic" not in versions
    assert set(versions) == set(answers) <= set(_peers.TOOLS)


def test_a_peers_findings_become_verdicts() -> None:
    answers = {
        "a": {"found": [["TP-OVERFIT", "WARN"]], "error": ""},
        "b": {"found": [["TP-PASS", "PASS"]], "error": ""},
    }
    labels = {
        "a": {"overfitting": True, "healthy": False, "unstable": True},
        "b": {"overfitting": True, "healthy": True},
    }
    found = _versus.judge_peer("trainproof", answers, labels, {}).verdicts
    assert [(v.label, v.found) for v in found["overfitting"]] == [(True, True), (True, False)]
    assert [(v.label, v.found) for v in found["healthy"]] == [(False, False), (True, True)]
    assert "unstable" not in found


def test_curves_for_peers_keep_nan_apart_from_not_logged(tmp_path: Path) -> None:
    train = Series("loss", np.arange(3.0), np.array([1.0, np.nan, 0.5]))
    val = Series("val", np.array([2.0]), np.array([0.75]))
    path = tmp_path / "metrics.csv"
    _versus.write_curves(Run("r", {"loss": train, "val": val}, {"train_loss": "loss", "val_loss": "val"}), path)
    assert path.read_text().split() == ["step,train_loss,val_loss", "0,1.0,", "1,nan,", "2,0.5,0.75"]


# --- drawn runs and the oracle ----------------------------------------------------------------------------------------


def test_the_oracle_of_white_noise() -> None:
    effect, sigma = 0.3 * np.linspace(0.0, 1.0, 40) ** 2, 0.05
    z = _noise.visibility(_noise.NOISES["white"], effect, np.full(40, sigma))
    assert z == pytest.approx(np.linalg.norm(effect) / sigma)


@pytest.mark.parametrize("name", ["ar-0.5", "ar-0.8", "ar-0.9"])
def test_the_oracle_of_correlated_noise_is_that_of_the_dense_covariance(name: str) -> None:
    noise, rng = _noise.NOISES[name], np.random.default_rng(0)
    effect, deviation = rng.standard_normal(30), rng.uniform(0.5, 2.0, 30)
    apart = np.abs(np.subtract.outer(np.arange(30), np.arange(30)))
    covariance = deviation * deviation[:, None] * noise.phi**apart
    z = math.sqrt(effect @ np.linalg.solve(covariance, effect))
    assert _noise.visibility(noise, effect, deviation) == pytest.approx(z)


def test_the_oracle_of_heavy_tails_uses_the_fisher_information() -> None:
    from scipy.integrate import trapezoid
    from scipy.stats import t

    x = np.linspace(-200.0, 200.0, 400_001)
    density = t.pdf(x, 3, scale=math.sqrt(1.0 / 3.0))  # of standard deviation 1
    score = np.gradient(np.log(density), x)
    assert _noise.information(_noise.NOISES["student-3"]) == pytest.approx(trapezoid(score**2 * density, x), rel=1e-4)
    assert _noise.information(_noise.NOISES["white"]) == 1.0


def test_the_oracles_statistic_has_its_z_as_mean_and_deviation_one() -> None:
    noise, rng = _noise.NOISES["ar-0.8"], np.random.default_rng(0)
    effect, deviation = np.linspace(0.0, 3.0, 20), np.ones(20)
    weights = np.linalg.solve(0.8 ** np.abs(np.subtract.outer(np.arange(20), np.arange(20))), effect)
    z = _noise.visibility(noise, effect, deviation)
    seen = [weights @ (effect + _noise.drawn(noise, deviation, rng)) / z for _ in range(2000)]
    assert np.mean(seen) == pytest.approx(z, abs=0.1)
    assert np.std(seen) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("noise", _noise.NOISES.values(), ids=_noise.NOISES)
def test_noise_is_of_its_law(noise: _noise.Noise) -> None:
    curve = np.linspace(3.0, 1.0, 100_000)
    deviation = _noise.deviations(noise, curve, 1.0)
    standard = _noise.drawn(noise, deviation, np.random.default_rng(0)) / deviation
    assert standard.std() == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(standard[1:], standard[:-1])[0, 1] == pytest.approx(noise.phi, abs=0.02)
    fall = {"proportional": 1 / 3, "fading": 0.1, "doubling": 2.0}
    assert deviation[-1] / deviation[0] == pytest.approx(fall.get(noise.along, 1.0))


@pytest.mark.parametrize("kind", _kinds.KINDS)
def test_a_drawn_run_is_its_truth_and_noise(kind: str) -> None:
    drawn = _drawn.draw(kind, _noise.NOISES["white"], 1000, seed=1)
    again = _drawn.draw(kind, _noise.NOISES["white"], 1000, seed=1)
    values = drawn.run.series[drawn.role].values
    assert np.array_equal(values, again.run.series[drawn.role].values)
    effect = drawn.size * drawn.level * drawn.template
    sigma = 0.0 if math.isinf(drawn.z) else drawn.noise.scale * drawn.healthy.min()
    assert np.std(values - drawn.healthy - effect) == pytest.approx(sigma, rel=0.1)
    if sigma:
        assert drawn.z == pytest.approx(np.linalg.norm(effect) / sigma)
    assert drawn.minded is (kind in _kinds.ILL)
    assert not drawn.template[: drawn.onset].any()


@pytest.mark.parametrize("kind", _kinds.KINDS)
@pytest.mark.parametrize("points", [5, 6, 8])
def test_short_runs_can_be_drawn(kind: str, points: int) -> None:
    for seed in range(10):
        drawn = _drawn.draw(kind, _noise.NOISES["fading"], points, seed)
        assert {len(series) for series in drawn.run.series.values()} == {points}
        assert all(np.isfinite(series.values).all() for series in drawn.run.series.values())
        assert math.isinf(drawn.z) or (drawn.z > 0.0) is drawn.minded


def test_z_is_spread_over_its_span_where_the_noise_may_be_as_high() -> None:
    z = [_drawn.draw("overfitting", _noise.NOISES["white"], 30, seed).z for seed in range(100)]
    assert 2.0 <= min(z) < 4.0
    assert 15.0 < max(z) <= 30.0


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A file of curves: a healthy run, one that overfits, one with a jump, and one too short."""
    import pandas as pd

    fall = 1.0 + 2.0 * np.exp(-np.linspace(0.0, 6.0, 60)) + 0.004 * np.random.default_rng(0).standard_normal(60)
    jump = np.where(np.arange(60) == 40, 1.5, 1.0)
    frames = []
    for name, train, val in (
        ("a/clean", fall, 1.1 * fall),
        ("a/overfits", fall, fall + np.linspace(0.0, 1.0, 60)),
        ("a/jumps", jump * fall, fall),
        ("a/short", fall[:6], fall[:6]),
    ):
        columns = {"train_loss": train, "val_loss": val, "train_metric": 1.0 / train, "val_metric": 1.0 / val}
        frames.append(pd.DataFrame({"run": name, "step": 10 * np.arange(train.size), **columns, "metric": "accuracy"}))
    pd.concat(frames).to_parquet(tmp_path / "curves.parquet")
    return tmp_path / "curves.parquet"


def test_clean_curves_are_told_mechanically(real: Path) -> None:
    (only,) = _planted.clean(str(real))
    assert only.name == "a/clean"
    assert only.noises["train_loss"] == pytest.approx(0.004, rel=0.5)


def test_a_planted_effect_has_the_size_that_is_measured(real: Path) -> None:
    (clean,) = _planted.clean(str(real))
    assert _planted.healthy(clean).size == 0.0
    thin = _planted.thinned(clean, 15)
    assert thin.steps.size == 15
    assert (thin.steps[0], thin.steps[-1]) == (clean.steps[0], clean.steps[-1])
    planted = _planted.plant("overfitting", thin, seed=3)
    values = planted.run.series["val_loss"].values
    assert planted.size == pytest.approx(_planted.rise(values))
    assert np.array_equal(values[: planted.onset + 1], planted.healthy[: planted.onset + 1])
    rise = planted.size * planted.level * planted.template
    assert planted.z == pytest.approx(np.linalg.norm(rise) / clean.noises["val_loss"])


# --- power and prefixes -----------------------------------------------------------------------------------------------


def test_power_prints_hits_and_alarms(real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out, picture = tmp_path / "power.csv", tmp_path / "power.png"
    command = ["--seeds", "2", "--points", "5", "30", "--only", "loss-spike", "--curves", str(real)]
    assert power.main([*command, "--out", str(out), "--plot", str(picture)]) == 0
    said = capsys.readouterr().out
    assert power.main(command) == 0
    assert capsys.readouterr().out == said
    assert "drawn: alarms on healthy runs" in said
    assert "planted: hits by number of points" in said
    assert any(line.startswith("  z >= 5") and line.split()[3] == "n/j" for line in said.splitlines())
    rows = list(csv.DictReader(out.open()))
    assert sum(int(row["runs"]) for row in rows if row["kind"] == "loss-spike" and row["source"] == "drawn") == 32
    assert sum(int(row["runs"]) for row in rows if row["kind"] == "decay" and row["rule"] == "any") == 32
    assert picture.stat().st_size > 0


def test_a_spike_is_hit_where_it_is() -> None:
    drawn = _drawn.draw("loss-spike", _noise.NOISES["white"], 30, seed=0)
    place = float(drawn.onset)
    for mark, hit in ((place, True), (place + 1.0, True), (place + 5.0, False)):
        diagnosis = Diagnosis(drawn.run, (finding("loss-spike", marks=(mark,)),), (), ("loss-spike",))
        assert bool(_power.hits(diagnosis, drawn)) is hit


def test_the_bins_of_z_hold_everything() -> None:
    assert _power.bin_of(0.0) == (0.0, 2.0)
    assert _power.bin_of(8.0) == (8.0, 12.0)
    assert _power.bin_of(math.inf) == (30.0, math.inf)


def test_prefixes_have_every_length_and_then_a_tenth_more() -> None:
    assert prefixes.lengths(4) == [4]
    assert prefixes.lengths(62) == [*range(5, 61), 62]
    assert prefixes.lengths(100)[-6:] == [66, 72, 79, 86, 94, 100]


def test_a_prefix_is_the_log_as_it_stood() -> None:
    run = synthetic.healthy(epochs=20)
    late = Series("val_accuracy", run.series["val_accuracy"].steps, run.series["val_accuracy"].values, blank_from=15.0)
    cut = prefixes.until(Run("r", {**run.series, "val_accuracy": late}, run.roles), 7.0)
    assert {len(series) for series in cut.series.values()} == {8}
    assert cut.series["val_accuracy"].blank_from is None


def test_first_alarms_and_the_length_from_which_a_rule_stays() -> None:
    spoken = [(5, ()), (6, ("a",)), (7, ()), (8, ("a", "b")), (9, ("b",))]
    assert prefixes.first_alarms(spoken) == {"any": 6, "a": 6, "b": 8}
    assert prefixes.settled_at(spoken) == 8
    assert prefixes.settled_at([*spoken, (10, ())]) is None


def test_prefixes_print_alarms_and_delays(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prefixes.main(["--seeds", "1", "--points", "12", "--only", "overfitting", "--corpus", str(tiny)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("drawn, 40 runs") for line in lines)
    assert any(line.startswith("corpus, 1 runs") for line in lines)
    delays = {line[:20].strip(): line.split() for line in lines if line.startswith("corpus overfitting")}
    assert delays["corpus overfitting"][2:4] == ["2", "50.0"]  # the second is labelled so, and healthy


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        agents,
        reading,
        benches,
        cold_start,
        large_csv,
        metamorphic,
        binary_logs,
        detection,
        throughput,
        seeded_rates,
        hook,
        pages,
        power,
        prefixes,
    ],
)
def test_help(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as outcome:
        script.main(["--help"])
    assert outcome.value.code == 0
    assert f"python tests/benchmarks/{script.__name__}.py" in capsys.readouterr().out


def test_an_absent_corpus_is_said_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, FOLDER / "reading.py", "--corpus", tmp_path / "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere: not there" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_cold_start_prints_a_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    assert cold_start.main(["--times", "1", "--rows", "30"]) == 0
    assert "ratio" in capsys.readouterr().out


def test_the_answers_to_agents_are_measured(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny)
    assert agents.main(["--corpus", str(tiny)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[:7]} == {tool.name for tool in agents.tools.TOOLS}
    assert lines[-1] == "0 answers are over their limit"


def test_large_csv_prints_ratios_and_linearity(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    assert large_csv.main(["--rows", "3000", "--times", "1", "--linearity"]) == 0
    out = capsys.readouterr().out
    assert "ratio of wall time" in out
    assert "overfitting" in out


def test_large_csv_has_twelve_columns_of_seventeen_digits(tmp_path: Path) -> None:
    large_csv.write(tmp_path / "log.csv", 10)
    head, first, *rest = (tmp_path / "log.csv").read_text().splitlines()
    assert len(head.split(",")) == len(first.split(",")) == 12
    assert len(rest) == 9
    assert float(first.split(",")[1]) == large_csv.curves(10)["train_loss"][0]


def test_pages_prints_times_ratios_and_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.main(["--points", "300", "--runs", "3", "--times", "1"]) == 0
    said = capsys.readouterr().out
    assert "ratio" in said
    assert said.count("MB; bar 1.5 MB") == 2


def test_throughput_judges_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert throughput.main(["--runs", "4"]) == 0
    assert "4 judged, 0 errors" in capsys.readouterr().out


def test_the_hook_is_timed_with_and_without_pre_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert hook.main(["--logs", "2", "--times", "1"]) == 0
    assert capsys.readouterr().out.count("with pre-commit and git") == 2


def test_benches_are_counted_as_sound_without_their_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert benches.main(["--seeds", "1", "--only", "inputs-not-normalized", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert out.count("1 of 1") == 3
    assert "sound without their fault: 3 of 3 runs; 0 of 3 benches" in out


def test_a_bench_that_is_ill_by_itself_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck = {"digits, linear": {"task": "digits", "model": "linear", "learning_rate": 0.0}}
    monkeypatch.setitem(benches.BENCHES, "inputs-not-normalized", stuck)
    assert benches.main(["--seeds", "1", "--only", "inputs-not-normalized", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "0 of 1  learning-rate-zero 1, non-convergence 1" in out


def test_seeded_rates_of_one_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert seeded_rates.main(["--seeds", "2", "--rules", "overfitting"]) == 0
    out = capsys.readouterr().out
    assert any(line.split()[:4] == ["overfitting", "100.0", "100.0", "100.0"] for line in out.splitlines())
    assert "1 of 1 curve rules" in out


def test_seeded_rates_name_an_unknown_rule() -> None:
    with pytest.raises(SystemExit, match="no curve rule is called overfit"):
        seeded_rates.main(["--rules", "overfit"])


def test_peers_answer_is_json_even_without_any_tool() -> None:
    done = subprocess.run([sys.executable, _peers.__file__], input="", capture_output=True, text=True, check=True)
    assert isinstance(json.loads(done.stdout.splitlines()[0]), dict)


# --- calibration ------------------------------------------------------------------------------------------------------


def known(
    right: bool, *, rule: str = "a", source: str = "corpus", group: str = "g", later: bool = True, weight: float = 1.0
) -> _labelled.Labelled:
    seen = features(0.9, 2.0, 1.0)
    return _labelled.Labelled(source, group, "r", rule, True, True, 0.9, seen, right, weight, later)


def test_the_fit_gives_strangers_their_own_share_and_draws_rules_together() -> None:
    rows = [known(i % 5 > 0, group=f"g{i}") for i in range(100)]
    rows += [known(i % 50 > 0, group=f"h{i}", later=False) for i in range(100)]
    rows += [known(False, rule="b", group="lonely")]
    fitted = _fitting.fit(rows)
    assert fitted.told(rows[0]) == pytest.approx(0.8, abs=0.03)
    assert fitted.told(rows[150]) == fitted.told(rows[0])  # whose log it is of
    assert fitted.said(rows[150]) == pytest.approx(0.98, abs=0.02)
    assert 0.4 < fitted.told(rows[-1]) < 0.8  # a single finding was wrong
    assert fitted.table["a"].labelled == 200.0
    assert fitted.table["b"].right == 0.0


def test_made_curves_count_for_little_and_towards_no_label() -> None:
    rows = [known(True, source="drawn") for _ in range(100)]
    assert _fitting.weights(rows).sum() == pytest.approx(5.0)
    assert _fitting.fit([*rows, known(True)]).table["a"].labelled == 1.0


def test_a_finding_is_judged_by_a_fit_that_did_not_see_its_group() -> None:
    rows = [known(True, group=f"g{i}") for i in range(40)] + [known(False, group="odd") for _ in range(40)]
    at_home = _fitting.fit(rows).said(rows[-1])
    said, told = _fitting.left_out(rows, _fitting.fold)
    assert said[-1] == told[-1]
    assert said[-1] > 0.9 > at_home


def test_bins_of_equal_counts_and_of_equal_widths() -> None:
    confidence = np.array([0.9, 0.95, 0.1, 0.15])
    right = np.array([1.0, 1.0, 0.0, 1.0])
    low, high = _fitting.equal_counts(confidence, right, np.ones(4), 2)
    assert (low.size, low.confidence, low.right) == (2.0, pytest.approx(0.125), 0.5)
    assert _fitting.calibration_error([low, high]) == pytest.approx(0.5 * (0.375 + 0.075))
    wide = _fitting.equal_widths(confidence, right, np.ones(4), 10)
    assert [b.size for b in wide] == [0.0, 2.0, *[0.0] * 7, 2.0]


def test_scores_of_probabilities() -> None:
    p, right = np.array([0.8, 0.8]), np.array([1.0, 0.0])
    assert _fitting.brier(p, right, np.ones(2)) == pytest.approx(0.5 * (0.04 + 0.64))
    assert _fitting.log_loss(p, right, np.ones(2)) == pytest.approx(-0.5 * (math.log(0.8) + math.log(0.2)))


def test_the_mechanical_truth_of_a_dense_curve() -> None:
    fall = 1.0 + np.exp(-np.arange(60.0) / 8.0)
    rise = fall + np.maximum(np.arange(60.0) - 40.0, 0.0) / 20.0
    assert _labelled.mechanical(fall, fall) == {"clean"}
    assert _labelled.mechanical(fall, rise) == {"overfitting"}
    assert _labelled.mechanical(rise, rise) == {"divergence"}
    assert _labelled.mechanical(fall + np.where(np.arange(60) == 30, 1.0, 0.0), fall) == {"jumps"}


def test_looser_settings_are_told_by_the_evidence_of_the_findings() -> None:
    rules = [rule for rule in _labelled.bare_rules() if rule.id == "overfitting"]
    shown = list(judge(synthetic.overfit(), rules, fixes={}, trials=()).findings)
    loosened = _labelled.loosened(rules, shown)["overfitting"]
    assert loosened.settings == {"gl_warning": 2.5, "sure": _labelled.LOOSELY_SURE}
    assert loosened.threshold == 2.5


def test_calibration_prints_its_figures_and_writes_the_table(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pandas as pd

    from diagnose.calibration import ANY, read

    pytest.importorskip("matplotlib")
    frameworks = tmp_path / "frameworks"
    frameworks.mkdir()
    cold_start.write_csv(synthetic.overfit(), frameworks / "ill.csv")
    (frameworks / "verdicts.csv").write_text("path,framework,fault,practitioner\nill.csv,x,overfit,overfitting\n")
    run = synthetic.overfit()
    rows = {"run": "c1", "step": np.arange(float(run.points)), "workload": "w", "submission": "s", "metric": "wer"}
    losses = {role: run.series[role].values for role in ("train_loss", "val_loss")}
    metrics = {"train_metric": np.nan, "val_metric": np.nan}
    pd.DataFrame({**rows, **losses, **metrics}).to_parquet(tmp_path / "curves.parquet")
    table, picture = tmp_path / "confidence.csv", tmp_path / "calibration.png"
    arguments = ["--corpus", str(tiny), "--frameworks", str(frameworks), "--curves", str(tmp_path / "curves.parquet")]
    assert calibration.main([*arguments, "--seeds", "1", "--write", str(table), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    for name in ("corpus, first", "frameworks", "curves", "pairs", "drawn", "as users are told", "slopes:"):
        assert name in out
    assert {ANY, "overfitting"} <= set(read(table))
    assert picture.stat().st_size > 0


# --- advice -----------------------------------------------------------------------------------------------------------


def recommended(fix: str, *changes: Change) -> Recommendation:
    return Recommendation(fix, fix, "", "", changes=changes)


@pytest.mark.parametrize(
    ("fault", "framework", "given", "verdict"),
    [
        ("nan", "plain", recommended("inspect-batch"), "undoes"),
        ("nan", "plain", recommended("locate-non-finite"), "tells"),
        ("nan", "plain", recommended("stable-precision"), "wrong"),
        ("nan", "plain", None, "wrong"),
        ("lrhigh", "plain", recommended("typical-learning-rate", Change("learning_rate", 0.1, 3.0)), "undoes"),
        ("lrhigh", "plain", recommended("typical-learning-rate", Change("learning_rate", 0.1, 0.01)), "wrong"),
        ("frozen", "keras", recommended("check-frozen-weights"), "undoes"),
        ("frozen", "xgboost", recommended("check-frozen-weights"), "wrong"),
    ],
)
def test_an_advice_is_right_for_a_fault_or_a_test_or_wrong(
    fault: str, framework: str, given: Recommendation | None, verdict: str
) -> None:
    assert advice.judged(given, framework, fault) == verdict


def test_first_advice_is_scored_by_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path,framework,fault,practitioner", "a.csv,keras,nan,non-finite", "b.csv,plain,nan,non-finite"]
    (tmp_path / "verdicts.csv").write_text("\n".join([*rows, "c.csv,keras,sound,healthy"]) + "\n")
    losses = [2.3 * 0.9**epoch for epoch in range(12)]
    for name in ("a.csv", "b.csv"):
        lines = [f"{epoch},{loss if epoch < 9 else 'nan'}" for epoch, loss in enumerate(losses)]
        (tmp_path / name).write_text("epoch,loss\n" + "\n".join(lines) + "\n")
    assert advice.main([str(tmp_path), "--wrong"]) == 0
    assert "nan                            1/1" in capsys.readouterr().out  # the other framework is held out
    with pytest.raises(SystemExit, match=r"verdicts.csv: not there"):
        advice.main([str(tmp_path / "nowhere")])
