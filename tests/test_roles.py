"""What names mean, on the spellings that real logs use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.names import hyperparameters, roles
from tests.manifest import of_manifest


@pytest.mark.parametrize(
    ("name", "split", "quantity"),
    [
        ("val_loss", "val", "loss"),
        ("valid/loss", "val", "loss"),
        ("DEV_LOSS", "val", "loss"),
        ("validation/main/loss", "val", "loss"),
        ("eval_g0_loss", "val", "loss"),
        ("loss/val", "val", "loss"),
        ("Val Loss", "val", "loss"),
        ("valLoss", "val", "loss"),
        ("lm loss validation", "val", "loss"),
        ("training/label/loss", "train", "loss"),
        ("train_loss_local", "train", "loss"),
        ("eval/train_loss", "train", "loss"),
        ("trainloss", "train", "loss"),
        ("test_loss", "test", "loss"),
        ("loss/qf1_loss", "", "loss"),
        ("Gen Loss", "", "loss"),
        ("LossPi", "", "loss"),
        ("batch_loss", "", "loss"),
        ("train_mse", "train", "loss"),
        ("valid_ppl", "val", "loss"),
        ("metrics/mAP50-95(B)", "", "accuracy"),
        ("metrics/mAP_0.5:0.95", "", "accuracy"),
        ("main/accuracy", "", "accuracy"),
        ("DEV_F1", "val", "accuracy"),
        ("Acc@1", "", "accuracy"),
        ("val_mean_io_u", "val", "accuracy"),
        ("x_pred_categorical_accuracy", "", "accuracy"),
        ("test_coco_eval_bbox[0]", "test", "accuracy"),
        ("rollout/ep_rew_mean", "", "reward"),
        ("AverageEpRet", "", "reward"),
        ("x/lr0", "", "learning_rate"),
        ("lr/pg0", "", "learning_rate"),
        ("lr-Adam", "", "learning_rate"),
        ("loss/learning_rate", "", "learning_rate"),
        ("grad_norm_square", "", "grad_norm"),
        ("train_gnorm", "train", "grad_norm"),
        ("eval_samples_per_second", "val", "throughput"),
        ("time_per_epoch", "", "time"),
        ("trainer/global_step", "", "step"),
        ("time/total_timesteps", "", "step"),
        ("Epoch", "", "epoch"),
        ("", "", "index"),
        ("out_tensor([0.])", "", ""),
    ],
)
def test_a_name_is_read(name: str, split: str, quantity: str) -> None:
    facets = roles.parse(name)
    assert (facets.split, facets.quantity) == (split, quantity)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("val", "val"),
        ("Evaluate", "val"),
        ("heldout", "val"),
        ("train_metrics", "train"),
        ("test data", "test"),
        ("val_loss", ""),
        ("train_resnet", ""),
        ("epoch", ""),
        ("", ""),
    ],
)
def test_a_name_that_is_only_a_split(name: str, split: str) -> None:
    assert roles.parse(name).only_split == split


@pytest.mark.parametrize("name", ["epoch", "val_steps", "eval/iteration", "num_epochs", "globalStep"])
def test_the_last_word_is_a_counter(name: str) -> None:
    assert roles.parse(name).ends_in_counter


@pytest.mark.parametrize("name", ["", "loss", "step_size", "epoch_loss", "batch_size"])
def test_the_last_word_is_no_counter(name: str) -> None:
    assert not roles.parse(name).ends_in_counter


def test_names_that_are_read_already_give_the_same_roles() -> None:
    columns = ["epoch", "train/box_loss", "train/cls_loss", "val/box_loss", "metrics/mAP_0.5", "lr"]
    facets = roles.named(columns)
    found = roles.assign(columns)
    assert list(facets) == columns
    assert roles.assign(facets) == found
    assert roles.remarks(found, facets) == roles.remarks(found, columns)


@pytest.mark.parametrize(
    "name", ["best_val_loss", "train/loss__MIN", "reward_std", "max_val_acc", "loss_scale", "ent_coef"]
)
def test_what_is_about_a_quantity_is_not_its_curve(name: str) -> None:
    assert roles.assign(["epoch", name]) == {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "epoch,acc,loss,val_acc,val_loss",
            "train_loss=loss val_loss=val_loss train_accuracy=acc val_accuracy=val_acc",
        ),
        (
            "epoch,train_loss,valid_loss,accuracy,time",
            "train_loss=train_loss val_loss=valid_loss val_accuracy=accuracy",
        ),
        ("epoch,train_loss,test_loss,test_acc", "train_loss=train_loss val_loss=test_loss val_accuracy=test_acc"),
        ("step,loss,eval_a_loss,eval_b_loss", "train_loss=loss val_loss=eval_a_loss"),
        ("epoch,train_loss,eval_loss,eval_top1,eval_top5,lr", "val_accuracy=eval_top1 learning_rate=lr"),
        ("step,train/loss_step,train/loss_epoch,val/loss", "train_loss=train/loss_epoch val_loss=val/loss"),
        ("mean_loss,copper_loss,air_loss", "train_loss=mean_loss"),
        ("main/loss,TaskA/main/loss,main/accuracy,TaskA/main/accuracy", "train_loss=main/loss"),
        ("iteration,loss_cls,total_loss,bbox/AP50,bbox/AP", "train_loss=total_loss val_accuracy=bbox/AP"),
        ("losses/policy_loss,losses/value_loss,charts/episodic_return", "reward=charts/episodic_return"),
        ("rewards/a/mean,reward_std,reward", "reward=reward"),
        ("step,loss,lr,grad_2.0_norm/layer1,grad_2.0_norm_total", "grad_norm=grad_2.0_norm_total"),
        ("training/combined/loss,training/label/loss", "train_loss=training/label/loss"),
        ("training/combined/loss,training/a/loss,training/b/loss", "train_loss=training/combined/loss"),
        ("epoch,train_ppl,valid_ppl", "train_loss=train_ppl val_loss=valid_ppl"),
    ],
)
def test_the_best_column_is_chosen(header: str, expected: str) -> None:
    wanted = dict(pair.split("=") for pair in expected.split())
    assert wanted.items() <= roles.assign(header.split(",")).items()


def test_a_training_total_is_not_held_against_a_validation_part() -> None:
    found = roles.assign(["train/box_loss", "train/total_loss", "val/box_loss", "val/cls_loss"])
    assert found == {"train_loss": "train/box_loss", "val_loss": "val/box_loss"}
    assert roles.remarks(found, ["train/box_loss", "train/cls_loss", "val/box_loss"]) == [
        "train/box_loss is judged, one of 2 parts of the loss"
    ]


def test_a_loss_is_not_held_against_another_kind_of_error() -> None:
    assert "val_loss" not in roles.assign(["train_loss", "val_mape"])


def test_a_point_or_two_give_way_to_a_curve() -> None:
    stats = {"loss": roles.ColumnFacts(100), "train_loss": roles.ColumnFacts(1), "eval_loss": roles.ColumnFacts(1)}
    assert roles.assign(list(stats), stats=stats) == {"train_loss": "loss"}


def test_a_metric_apart_from_the_training_rows_belongs_to_validation() -> None:
    stats = {"loss": roles.ColumnFacts(100), "mIoU": roles.ColumnFacts(10, apart=True)}
    assert roles.assign(list(stats), stats=stats) == {"train_loss": "loss", "val_accuracy": "mIoU"}


def test_overrides_win_and_forgive_case() -> None:
    found = roles.assign(["epoch", "Foo", "loss"], overrides={"train_loss": "foo"})
    assert found["train_loss"] == "Foo"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"trainloss": "loss"}, "unknown role 'trainloss'; did you mean train_loss?"),
        ({"train_loss": "los"}, "no column 'los' for train_loss; did you mean loss?"),
        ({"train_loss": "loss", "val_loss": "loss"}, "column 'loss' is named for two roles"),
    ],
)
def test_a_wrong_override_names_the_nearest(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        roles.assign(["epoch", "loss"], overrides=overrides)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("per_device_train_batch_size", "batch_size"),
        ("num_train_epochs", "epochs"),
        ("optim/lr", "learning_rate"),
        ("args.learningRate", "learning_rate"),
        ("max_grad_norm", "gradient_clip"),
        ("hidden_dropout_prob", "dropout"),
        ("WeightDecay", "weight_decay"),
        ("n_layer", "n_layer"),
    ],
)
def test_hyperparameters_have_canonical_names(key: str, name: str) -> None:
    assert hyperparameters.hyperparameter(key) == name


def test_a_configuration_is_renamed_without_loss() -> None:
    config = {"lr": 0.1, "learning_rate": 0.2, "fp16": True, "bf16": False, "width": 3}
    assert hyperparameters.hyperparameters(config) == {
        "lr": 0.1,
        "learning_rate": 0.2,
        "precision": "fp16",
        "bf16": False,
        "width": 3,
    }


_PARTS = st.sampled_from(
    ["train", "val", "test", "loss", "acc", "box", "epoch", "step", "f1", "lr", "best", "mean", "q0"]
)
_NAMES = st.lists(_PARTS, min_size=1, max_size=4)


@given(st.lists(_NAMES, min_size=1, max_size=12))
def test_no_column_plays_two_roles(names: list[list[str]]) -> None:
    columns = list(dict.fromkeys("_".join(parts) for parts in names))
    found = roles.assign(columns)
    assert len(set(found.values())) == len(found)
    assert set(found.values()) <= set(columns)
    assert set(found) <= set(roles.ROLES)


@given(
    st.lists(_NAMES, min_size=1, max_size=8, unique_by=tuple),
    st.sampled_from(["_", " ", "-", "."]),
    st.sampled_from([str.upper, str.title, str.casefold]),
)
def test_case_and_separator_do_not_matter(names: list[list[str]], separator: str, case: object) -> None:
    plain = ["_".join(parts) for parts in names]
    spelled = [case(separator.join(parts)) for parts in names]  # type: ignore[operator]
    if len(set(spelled)) < len(spelled):
        return
    back = dict(zip(spelled, plain, strict=True))
    assert {role: back[column] for role, column in roles.assign(spelled).items()} == roles.assign(plain)


@given(st.text(max_size=40))
def test_any_text_is_a_name(name: str) -> None:
    facets = roles.parse(name)
    assert facets.split in ("", "train", "val", "test")
    assert isinstance(hyperparameters.hyperparameter(name), str)


def test_names_of_the_corpus(corpus: Path) -> None:
    """By names alone, without values: the formats that are read later count too."""
    wrong = []
    rows = of_manifest(corpus)
    for row in rows:
        columns = row["series"].split(";")
        found = roles.assign(columns)
        pairs = (
            (f"{a}_{b}", f"{a}_{c}_col") for a in ("train", "val") for b, c in (("loss", "loss"), ("accuracy", "acc"))
        )
        for role, field in pairs:
            rival = found.get("reward" if field == "train_acc_col" else "val_reward")
            if row[field] in columns and row[field] not in (found.get(role), rival if "acc" in field else None):
                wrong.append((row["id"], role, row[field], found.get(role)))
    assert len({identity for identity, *_ in wrong}) <= 0.07 * len(rows), wrong


@pytest.mark.parametrize(
    ("columns", "generator", "discriminator"),
    [
        (["Gen Loss", "Disc Loss"], "Gen Loss", "Disc Loss"),
        (["D_loss", "G_loss"], "G_loss", "D_loss"),
        (["netD loss", "netG loss"], "netG loss", "netD loss"),
        (["loss_D", "loss_G", "epoch"], "loss_G", "loss_D"),
        (["loss_d", "loss"], "loss", None),
        (["d_loss"], "d_loss", None),
    ],
)
def test_networks_that_play_against_each_other(columns: list[str], generator: str, discriminator: str | None) -> None:
    found = roles.assign(columns)
    assert found.get("train_loss") == generator
    assert found.get("discriminator_loss") == discriminator
