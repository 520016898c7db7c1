"""What kind of training a log is of, and what its verdict claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from diagnose.cli import app

FALLING = np.round(2.0 * np.exp(-np.linspace(0.0, 3.0, 40)) + 0.2, 4)
RNG = np.random.default_rng(0)


def judged(folder: Path, *options: str, **columns: Any) -> dict[str, Any]:
    """The JSON report of one run whose log has these columns, a row per epoch."""
    lines = [",".join(("epoch", *columns))]
    lines += [",".join(map(str, (i, *row))) for i, row in enumerate(zip(*columns.values(), strict=True))]
    path = folder / "run.csv"
    path.write_text("\n".join(lines) + "\n")
    found = CliRunner().invoke(app, [str(path), "--format", "json", *options])
    run: dict[str, Any] = json.loads(found.stdout)["runs"][0]
    return run


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (("train_loss", "val_loss", "val_acc"), "classification"),
        (("train_loss", "val_loss"), "supervised"),
        (("train_mse", "val_mse"), "regression"),
        (("loss", "perplexity"), "language-model"),
        (("train/box_loss", "val/box_loss"), "detection"),
        (("train_loss", "val_loss", "val_miou"), "segmentation"),
        (("rollout/ep_rew_mean", "train/loss"), "reinforcement"),
        (("loss", "rewards/chosen", "rewards/rejected"), "preference"),
        (("d_loss", "g_loss"), "adversarial"),
        (("loss", "recon_loss", "kl_loss"), "variational"),
        (("contrastive_loss", "train_loss"), "contrastive"),
        (("byol_loss", "lr"), "contrastive"),
        (("train_loss", "knn_acc"), "contrastive"),
        (("loss", "train/infonce"), "contrastive"),
        (("loss", "rlhf/kl"), "reinforcement"),
        (("loss", "approx_kl"), "reinforcement"),
        (("dpo_loss", "lr"), "preference"),
        (("loss", "chosen_reward", "rejected_reward"), "preference"),
        (("elbo", "val_elbo"), "variational"),
        (("validation_0-logloss", "validation_1-logloss"), "boosting"),
        (("train-rmse", "val_a-rmse"), "boosting"),
        (("train_loss", "train-mae", "val-mae"), "regression"),
    ],
)
def test_the_columns_tell_the_kind(tmp_path: Path, columns: tuple[str, ...], kind: str) -> None:
    run = judged(tmp_path, **dict.fromkeys(columns, FALLING))
    assert run["run_kind"] == kind
    assert run["run_kind_reason"]


def test_the_config_names_the_method(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("method: byol\n")
    run = judged(tmp_path, "--config", str(tmp_path / "config.yaml"), train_loss=FALLING, lr=0.1 * FALLING)
    assert (run["run_kind"], run["run_kind_reason"]) == ("contrastive", "the config has method = byol")


def test_a_probe_is_no_training_accuracy(tmp_path: Path) -> None:
    roles = judged(tmp_path, train_loss=FALLING, knn_acc=0.9 - 0.3 * FALLING, linear_probe_acc=0.9 - 0.2 * FALLING)[
        "roles"
    ]
    assert "train_accuracy" not in roles
    assert roles["val_accuracy"] == "knn_acc"
    beside = judged(tmp_path, train_loss=FALLING, train_acc=0.9 - 0.3 * FALLING, val_knn_top1=0.6 - 0.2 * FALLING)[
        "roles"
    ]
    assert beside["train_accuracy"] == "train_acc"
    assert "val_accuracy" not in beside


@pytest.mark.parametrize("elbo", [-100.0 - 50.0 * FALLING, 30.0 - 20.0 * FALLING, 100.0 + 50.0 * FALLING])
def test_an_elbo_is_judged_as_a_loss(tmp_path: Path, elbo: Any) -> None:
    noise = RNG.standard_normal((2, 40))
    run = judged(tmp_path, train_elbo=elbo + 0.1 * noise[0], val_elbo=elbo - 1.0 + 0.1 * noise[1])
    assert not found(run) & {"divergence", "overfitting", "non-convergence"}
    assert (run["roles"]["train_loss"], run["roles"]["val_loss"]) == ("train_elbo", "val_elbo")
    assert any("sign turned" in note for note in run["notes"]) == (elbo[0] < elbo[-1])


def test_the_user_knows_better(tmp_path: Path) -> None:
    run = judged(tmp_path, "--kind", "regression", train_loss=FALLING, val_loss=FALLING + 0.1)
    assert (run["run_kind"], run["run_kind_reason"]) == ("regression", "it was said so")
    wrong = CliRunner().invoke(app, [str(tmp_path / "run.csv"), "--kind", "regresion"])
    assert wrong.exit_code == 2
    assert "regression" in wrong.stderr


def test_healthy_is_what_was_judged_whole(tmp_path: Path) -> None:
    noise = np.round(0.004 * RNG.standard_normal((2, 40)), 4)
    both = judged(tmp_path, train_loss=FALLING + noise[0], val_loss=FALLING + 0.1 + noise[1])
    assert both["verdict"] in ("healthy", "note")
    alone = judged(tmp_path, "--ignore", "slow-convergence,plateau", train_loss=FALLING + noise[0], gauge=FALLING)
    assert alone["verdict"] == "nothing-found"
    assert alone["not_read"] == ["gauge"]


def test_what_was_not_asked_was_not_judged(tmp_path: Path) -> None:
    assert judged(tmp_path, "--select", "overfitting", train_loss=FALLING, val_loss=FALLING + 0.1)["verdict"] == (
        "nothing-found"
    )
    said = CliRunner().invoke(app, [str(tmp_path / "run.csv"), "--select", "overfitting"]).stdout
    assert "nothing found by 1 rule, and not known to be healthy: non-convergence was not asked" in " ".join(
        said.split()
    )


def test_a_short_run_is_not_healthy(tmp_path: Path) -> None:
    run = judged(tmp_path, "--ignore", "slow-convergence", train_loss=FALLING[:5], val_loss=FALLING[:5] + 0.1)
    assert run["verdict"] in ("nothing-found", "not-judged")
    said = CliRunner().invoke(app, [str(tmp_path / "run.csv"), "--ignore", "slow-convergence"]).stdout
    assert "only 5 points of train_loss; needs 6" in " ".join(said.split())


# --- runs that no loss tells anything about


def found(run: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in run["findings"]}


def test_a_reward_that_collapsed(tmp_path: Path) -> None:
    reward = np.concatenate([np.linspace(10.0, 200.0, 30), np.full(30, 9.0)]) + RNG.standard_normal(60)
    run = judged(tmp_path, reward=np.round(reward, 3), policy_loss=np.round(RNG.standard_normal(60), 3))
    assert "collapse" in found(run)
    assert run["verdict"] == "error"


def test_a_reward_that_never_rose(tmp_path: Path) -> None:
    run = judged(tmp_path, reward=np.round(20.0 + RNG.standard_normal(80), 3))
    assert found(run) == {"reward-flat"}


def test_a_critic_is_no_loss_that_has_to_fall(tmp_path: Path) -> None:
    climbing = np.round(-20.0 + 0.4 * np.arange(60) + RNG.standard_normal(60), 3)
    run = judged(tmp_path, critic_loss=climbing, generator_loss=np.round(RNG.standard_normal(60), 3))
    assert run["run_kind"] == "adversarial"
    assert run["verdict"] in ("nothing-found", "note")


def test_an_accuracy_that_falls_beside_one_that_holds_is_overfitting(tmp_path: Path) -> None:
    epochs = np.arange(50)
    train = np.round(1.0 - 0.6 * np.exp(-epochs / 8.0), 4)
    val = np.round(np.where(epochs < 15, 0.5 + 0.28 * epochs / 15, 0.78 - 0.1 * (epochs - 15) / 35), 4)
    assert "overfitting" in found(judged(tmp_path, train_acc=train, val_acc=val))


def test_trees_are_given_the_advice_of_trees(tmp_path: Path) -> None:
    epochs = np.arange(120)
    train = np.round(0.69 * np.exp(-epochs / 30.0), 5)
    val = np.round(0.69 * np.exp(-epochs / 30.0) + 0.004 * epochs + 0.1, 5)
    run = judged(tmp_path, **{"train-logloss": train, "eval-logloss": val})
    [finding] = [finding for finding in run["findings"] if finding["rule"] == "overfitting"]
    offered = {fix["id"] for fix in finding["fixes"]}
    assert "shallower-trees" in offered
    assert not offered & {"dropout", "data-augmentation", "smaller-network"}


def test_a_discriminator_that_is_certain(tmp_path: Path) -> None:
    certain = np.round(1.3 * np.exp(-np.linspace(0.0, 9.0, 60)) + 0.0001, 6)
    run = judged(tmp_path, d_loss=certain, g_loss=np.round(10.0 - certain, 4))
    assert "discriminator-wins" in found(run)


def test_a_validation_that_is_the_training(tmp_path: Path) -> None:
    assert "validation-is-training" in found(judged(tmp_path, train_loss=FALLING, val_loss=FALLING))


def test_a_loss_of_zero_at_all_steps(tmp_path: Path) -> None:
    run = judged(tmp_path, loss=np.zeros(100), grad_norm=np.zeros(100))
    assert run["verdict"] == "error"


def test_a_throughput_that_fell(tmp_path: Path) -> None:
    speed = np.round(np.where(np.arange(40) < 20, 1000.0, 580.0) + 5.0 * RNG.standard_normal(40), 1)
    assert "throughput-drop" in found(judged(tmp_path, train_loss=FALLING, samples_per_second=speed))


def test_a_softmax_before_the_cross_entropy(tmp_path: Path) -> None:
    floor = float(np.log1p(9.0 / np.e))
    loss = np.round(floor + 0.8 * np.exp(-np.linspace(0.0, 6.0, 40)), 4)
    run = judged(tmp_path, "--set", "num_classes=10", train_loss=loss, train_acc=np.linspace(0.1, 0.98, 40))
    assert "softmax-twice" in found(run)


def test_columns_that_rules_read_without_a_role_are_not_told_as_unread(tmp_path: Path) -> None:
    losses = {"recon_loss": FALLING, "kl_loss": np.full(40, 1e-6)}
    run = judged(tmp_path, loss=FALLING, **losses, ppl=np.exp(FALLING), gauge=FALLING)
    assert run["not_read"] == ["gauge"]


def test_router_that_drops_tokens_is_not_called_healthy(tmp_path: Path) -> None:
    run = judged(tmp_path, loss=FALLING, dropped_tokens=np.full(40, 0.6))
    assert run["verdict"] not in ("healthy",)
    assert run["not_read"] == ["dropped_tokens"]


def test_a_setting_that_no_rule_reads_is_refused_with_the_nearest_that_one_does(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_text("epoch,loss\n1,2\n2,1\n3,0.5\n")
    call = CliRunner().invoke(app, [str(tmp_path / "run.csv"), "--set", "num_clases=10"])
    assert call.exit_code == 2
    assert "num_classes" in call.stderr


@pytest.mark.parametrize("given", ["num_classes", "=10", "num_classes="])
def test_a_setting_without_a_value_is_refused(tmp_path: Path, given: str) -> None:
    (tmp_path / "run.csv").write_text("epoch,loss\n1,2\n2,1\n3,0.5\n")
    call = CliRunner().invoke(app, [str(tmp_path / "run.csv"), "--set", given])
    assert call.exit_code == 2
    assert "NAME=VALUE" in " ".join(call.stderr.split())
