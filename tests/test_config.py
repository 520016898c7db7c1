"""A configuration comes out alike, whichever tool wrote it, and an unreadable one is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.errors import ConfigError
from diagnose.names import hyperparameters
from diagnose.names.config import load, normalise
from tests.manifest import of_manifest


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


WANDB = """\
wandb_version: 1
_wandb:
  desc: null
  value: {cli_version: 0.14.0, t: {1: [1, 40]}}
epochs: {desc: null, value: 10}
optimizer:
  desc: null
  value: {bs: 4, lr: 1.0e-05, method: sgd_torch}
"""
HUGGINGFACE = """\
learning_rate: 5e-05
per_device_train_batch_size: 8
per_device_eval_batch_size: 16
num_train_epochs: 3
optim: adamw_torch
load_best_model_at_end: false
evaluation_strategy: no
warmup_ratio: 0.1
label_names:
"""
ULTRALYTICS = """\
epochs: 600
patience: 100
batch: 32
optimizer: auto
lr0: 0.01
momentum: 0.937
weight_decay: 0.0005
warmup_epochs: 3.0
dropout: 0.0
mixup: 0.0
auto_augment: randaugment
augment: false
mosaic: 1.0
"""
LIGHTNING = """\
params: !!python/object:argparse.Namespace
  lr: 0.0001
  max_epoch: 100
  optimizer: Adam
net: !!python/object:torch.nn.modules.conv.Conv2d
  _modules: !!python/object/apply:collections.OrderedDict
  - - - conv
      - stride: 3
  activation: !!python/name:torch.nn.modules.activation.ReLU ''
"""
MMENGINE = json.dumps(
    {
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-4}},
        "train_dataloader": {"batch_size": 2},
        "val_dataloader": {"batch_size": 1},
    }
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("config.yaml", WANDB, {"optimizer": "sgd_torch", "learning_rate": 1e-5, "batch_size": 4, "epochs": 10}),
        (
            "params.yaml",
            HUGGINGFACE,
            {
                "optimizer": "adamw_torch",
                "learning_rate": 5e-5,
                "batch_size": 8,
                "eval_batch_size": 16,
                "epochs": 3,
                "save_best": False,
                "warmup_ratio": 0.1,
            },
        ),
        (
            "args.yaml",
            ULTRALYTICS,
            {
                "optimizer": "auto",
                "learning_rate": 0.01,
                "batch_size": 32,
                "patience": 100,
                "momentum": 0.937,
                "weight_decay": 0.0005,
                "auto_augment": "randaugment",
                "mosaic": 1.0,
            },
        ),
        (
            "hparams.yaml",
            LIGHTNING,
            {
                "optimizer": "Adam",
                "learning_rate": 1e-4,
                "epochs": 100,
                "activation": "torch.nn.modules.activation.ReLU",
            },
        ),
        (
            "mm.json",
            MMENGINE,
            {"optimizer": "SGD", "learning_rate": 0.02, "batch_size": 2, "val_dataloader/batch_size": 1},
        ),
        ("c.toml", '[train]\nlr = "1e-3"\nbatch_size = 64\n', {"learning_rate": 1e-3, "batch_size": 64}),
        ("noname", "lr: 1e-3\n", {"learning_rate": 1e-3}),
        ("marked.yaml", "\ufefflr: 1e-3\n", {"learning_rate": 1e-3}),
    ],
)
def test_reads(tmp_path: Path, name: str, text: str, expected: dict[str, Any]) -> None:
    found = load(written(tmp_path, name, text))
    assert expected.items() <= found.items()
    assert "cli_version" not in " ".join(found)
    assert "stride" not in found


def test_reads_mlflow_params(tmp_path: Path) -> None:
    texts = {"lr": "0.001", "optimizer_name": "Adam", "amsgrad": "False", "fused": "None", "betas": "(0.9, 0.999)"}
    for name, text in texts.items():
        written(tmp_path, f"params/{name}", text)
    assert load(tmp_path / "params") == {
        "amsgrad": False,
        "betas": [0.9, 0.999],
        "learning_rate": 0.001,
        "optimizer": "Adam",
    }


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.yaml", "a: [1,\n b", "is no YAML (line "),
        ("a.yaml", "a: 1\n---\nb: 2\n", "is no YAML (line 2"),
        ("a.yaml", "a: \x00", "is no YAML ("),
        ("a.json", '{"a": 1', "is no JSON ("),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.toml", "lr 0.1", "is no TOML ("),
        ("a.yaml", "- 1\n- 2\n", "holds no names with values"),
        ("a.yaml", "", "holds no names with values"),
        ("a.py", "optimizer = dict(type='SGD')", "holds no names with values"),
        ("a.yaml", "x: y\n" * 300_000, "is larger than a configuration"),
    ],
)
def test_an_unreadable_one_is_one_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, name, text))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert reason in message
    assert "\n" not in message


def test_other_unreadable_ones(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="is no UTF-8 text"):
        load(tmp_path / "binary.yaml")
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)


def test_aliases_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    first = "a0: &a0 [" + ", ".join(["{x: 1}"] * 10) + "]\n"
    rest = "".join(f"a{i}: &a{i} [" + ", ".join([f"{{y: *a{i - 1}}}"] * 10) + "]\n" for i in range(1, 9))
    with pytest.raises(ConfigError, match="more than 100,000 nodes"):
        load(written(tmp_path, "bomb.yaml", first + rest))
    assert load(written(tmp_path, "loop.yaml", "a: &a {b: *a}\nlr: 1\n")) == {"learning_rate": 1}


def test_no_code_runs(tmp_path: Path) -> None:
    target = tmp_path / "made"
    load(written(tmp_path, "a.yaml", f"x: !!python/object/apply:os.mkdir ['{target}']\nlr: 1\n"))
    assert not target.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lr": "1e-3"}, {"learning_rate": 0.001}),
        ({"lr": "0x10"}, {"learning_rate": "0x10"}),
        ({"epochs": "5"}, {"epochs": 5}),
        ({"fp16": True}, {"precision": "fp16"}),
        ({"lr": None, "wd": "None", "momentum": float("nan")}, {}),
        ({"kernel_size": [3, 3]}, {"kernel_size": 3}),
        ({"kernel_size": "(5, 5)"}, {"kernel_size": 5}),
        ({"kernel_size": [11, 5, 3]}, {"kernel_size": [11, 5, 3]}),
        ({"augment": "None"}, {}),
        ({"data_augmentation": "none"}, {"augmentation": False}),
        ({"aa": "rand-m9"}, {"auto_augment": "rand-m9"}),
        ({"data_gen": {"batch": 1200}, "train": {"batch_size": 50}}, {"batch_size": 50, "data_gen/batch": 1200}),
        ({"ema": {"decay": 0.999}, "decay": 1e-6}, {"ema/decay": 0.999, "decay": 1e-6}),
        ({"scheduler": {"type": "plateau", "patience": 5}}, {"scheduler": "plateau", "scheduler/patience": 5}),
        (
            {"opt": {"_target_": "torch.optim.Adam", "lr": 1e-3}},
            {"optimizer": "torch.optim.Adam", "learning_rate": 1e-3},
        ),
        ({"callbacks": [{"class_path": "EarlyStopping", "patience": 3}]}, {"early_stopping": True, "patience": 3}),
        ({"early_stopping": False}, {"early_stopping": False}),
        ({"early_stopping_patience": 0}, {"patience": 0}),
    ],
)
def test_normalises(given: dict[str, Any], expected: dict[str, Any]) -> None:
    found = normalise(given)
    assert expected.items() <= found.items()
    assert not found.keys() - expected.keys() - {"opt/_target_", "scheduler/type", "callbacks/0/class_path", "aa"}


def test_every_alias_has_one_meaning() -> None:
    table = hyperparameters._SETTINGS | hyperparameters._METHODS
    meanings = {(alias.replace("_", ""), name) for name, known in table.items() for alias in known.split()}
    assert len({alias for alias, _ in meanings}) == len(meanings)
    assert not hyperparameters._SETTINGS.keys() & hyperparameters._METHODS.keys()
    assert {name: hyperparameters.hyperparameter(name) for name in table} == {name: name for name in table}


NAMES = (
    "lr learning_rate optimizer val train decay batch_size bs name value desc fp16 patience scheduler augment "
    "precision early_stopping a.b x/y _hidden"
)
KEYS = st.one_of(st.sampled_from(NAMES.split()), st.text(max_size=8))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["1e-3", "none", "[1, 1]"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_twice_is_once(raw: dict[str, Any]) -> None:
    once = normalise(raw)
    assert normalise(once) == once
    assert all(isinstance(value, bool | int | float | str | list) for value in once.values())


def test_real_configs_are_read(corpus: Path) -> None:
    places = ("*/files/config.yaml", "dvclive/params.yaml", "mlruns/*/*/params")
    found = [
        path for log in of_manifest(corpus) for place in places for path in (corpus / "runs" / log["id"]).glob(place)
    ]
    assert found
    for path in found:
        assert "learning_rate" in load(path), path
