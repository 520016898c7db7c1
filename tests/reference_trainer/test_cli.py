"""`diagnose reference ...` as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from diagnose import extras
from reference_trainer.faults import CURVES
from reference_trainer.parts import FIELDS
from reference_trainer.recipe import CHOICES, NAMES
from tests.conftest import ROOT, Done, typed

DIAGNOSE = Path(sys.executable).with_name("diagnose")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def reference(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`diagnose reference ARGUMENTS`."""
    command = [str(DIAGNOSE), "reference", *arguments]
    environment = {**os.environ, "COLUMNS": "100", **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def inside(*arguments: str) -> Done:
    """The same without a process of its own."""
    return typed("reference", *arguments)


def test_a_run_is_written_and_diagnosed() -> None:
    done = reference("run", "--model", "mlp", "--optimizer", "adam", "--epochs", "12", "--out", "logs/run.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert "next: diagnose logs/run.csv" in done.stdout
    header, *rows = Path("logs/run.csv").read_text().splitlines()
    assert header.startswith(
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,grad_norm,update_ratio"
    )
    assert len(rows) == 12
    config = yaml.safe_load(Path("logs/run.yaml").read_text())
    assert (config["model"], config["optimizer"], config["epochs"]) == ("mlp", "adam", 12)
    told = subprocess.run([DIAGNOSE, "logs/run.csv"], capture_output=True, text=True, check=False)
    assert told.returncode == 0
    assert told.stdout.startswith("logs/run.csv: healthy\n")
    assert "epochs 1-12" in told.stdout


def test_the_same_seed_gives_the_same_log_bit_for_bit() -> None:
    for name, seed, call in (("a.csv", "5", reference), ("b.csv", "5", reference), ("c.csv", "6", inside)):
        assert call("run", "--model", "mlp", "--epochs", "3", "--seed", seed, "--out", name).returncode == 0
    first, again, other = (Path(name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert first == again
    assert first != other


def test_a_fault_says_what_must_be_found() -> None:
    done = inside("run", "--fault", "learning-rate-far-too-high", "--out", "run.csv")
    assert "must give non-convergence" in done.stdout
    told = typed("run.csv")
    assert told.returncode == 1
    assert "non-convergence" in told.stdout


def test_throughput_is_logged_where_it_is_asked_for() -> None:
    inside("run", "--model", "linear", "--epochs", "2", "--throughput", "--out", "run.csv")
    assert "examples_per_second" in Path("run.csv").read_text().splitlines()[0]


def test_tensorboard_and_wandb_beside_the_csv(tmp_path: Path) -> None:
    keys = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")
    env = {key: str(tmp_path / key.lower()) for key in keys} | {"WANDB_ERROR_REPORTING": "false"}
    for folder in env.values():
        if folder != "false":
            Path(folder).mkdir()
    done = reference(
        *("run", "--fault", "wrong-loss", "--out", "run.csv", "--wandb", "offline", "--tensorboard", "tb/"), env=env
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "wandb_dir").glob("wandb/offline-run-*/*.wandb"))
    for log in ("run.csv", "tb", str(tmp_path / "wandb_dir")):
        told = typed(log)
        assert told.returncode == 1, told.stderr
        assert "loss-accuracy-conflict" in told.stdout


def test_nothing_written_is_said() -> None:
    assert "name a log with --out run.csv" in inside("run", "--model", "linear", "--epochs", "1").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--model", "unet", "--task", "digits"), "unet learns segmentation, not digits"),
        (("run", "--optimizer", "adm"), "no optimizer 'adm'; did you mean adam?"),
        (("run", "--fault", "dead-relu"), "no fault 'dead-relu'; did you mean dead-relus?"),
        (("run", "--model", "lstm", "--augmentation", "cutmix"), "augmentation cutmix is for images"),
        (("run", "--epochs", "0"), "epochs is 0; it must be at least 1"),
        (("run", "--dropout", "1.5"), "dropout is 1.5; it is a share and must be below 1"),
        (("run", "--model", "linear", "--epochs", "1", "--out", "/proc/none/run.csv"), "cannot be written"),
        (("run", "--model", "linear", "--wandb", "onlin"), "no W&B mode 'onlin'; did you mean online?"),
        (("check", "--only", "dead-relu"), "no fault or recipe 'dead-relu'; did you mean dead-relus?"),
        (("check", "--jobs", "many"), "'many' is no number of processes"),
    ],
)
def test_refusals_are_one_line_and_exit_2(arguments: tuple[str, ...], said: str) -> None:
    done = inside(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["run", "parts", "check"])
def test_a_missing_torch_names_the_extra(command: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    done = reference(command, env={"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert extras.install("trainer") in done.stderr


def test_faults_and_parts_are_listed() -> None:
    faults = inside("faults").stdout
    assert all(name in faults and fault.finding in faults for name, fault in CURVES.items())
    parts = inside("parts").stdout
    assert all(name in parts for field in FIELDS for name in CHOICES[field] if name != "default")
    assert max(map(len, parts.splitlines())) <= 100


def test_every_field_of_a_recipe_is_an_option_with_its_choices() -> None:
    text = " ".join(inside("run", "--help").stdout.split())
    assert [name for name in NAMES if f"--{name.replace('_', '-')}" not in text] == []
    assert "mini-batch, stochastic" in text


def test_check_measures_and_prints_the_tables() -> None:
    call = ("check", "--seeds", "2", "--only", "linear regression", "--only", "wrong-loss", "--out", "check.csv")
    done = inside(*call)
    assert done.returncode == 0
    assert "| linear regression | 2 of 2 |" in done.stdout
    assert "below their bar: none" in done.stdout
    assert inside(*call).stdout == done.stdout
    assert len(Path("check.csv").read_text().splitlines()) == 5
