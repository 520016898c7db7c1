"""What kind of training a run is, from its curves, its columns and its config.

A loss has to fall where a network is held to known answers. Where it learns by a reward, or where two networks play
against each other, the losses may do anything in healthy training; and which curves a verdict rests on differs from
kind to kind. `kind_of(run)` says which it is and what tells it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from diagnose.curves import Run
from diagnose.names import columns, roles, traits

SUPERVISED = ("classification", "regression", "language-model", "detection", "segmentation", "supervised")
"""Kinds in which a network is held to known answers; the last where nothing says more."""

KINDS = (*SUPERVISED, "boosting", "reinforcement", "preference", "adversarial", "variational", "contrastive", "unknown")
"""All kinds; `kind` in a config is one of them."""

PARADIGMS = {"reinforcement": "reward", "adversarial": "discriminator_loss"}
"""Kind that rules may not be for -> role of the curve that only the logs of such trainings have."""


class Kind(NamedTuple):
    """A kind of training, one of `KINDS`, and what tells it, as words to follow "because"."""

    name: str
    reason: str


UNKNOWN = Kind("unknown", "no column says what is learned")

_NAMES: Mapping[str, str] = {
    "boosting": r"(m|binary_|multi_)?logloss|merror|(binary|multi)_error|training_s_.*|valid(ation)?_\d+_.*",
    "preference": r"rewards?_(chosen|rejected|margins?|accuracies)|(chosen|rejected)_rewards?|logps_(chosen|rejected)"
    r"|(dpo|kto|orpo|simpo|cpo)(_.*)?",
    "reinforcement": r"(rlhf|ppo|grpo|rloo|a2c|a3c|ddpg|td3|dqn)(_.*)?|approx_?kl(_.*)?|clip_?frac(tion)?(_.*)?",
    "variational": r"n?elbo|kld(_loss)?|kl(_div|_divergence)?(_loss)?|recon(s|struction)?(_.*)?",
    "contrastive": r"(.*_)?(contrastive|infonce|info_nce|nt_?xent|simclr|triplet|byol|simsiam|moco|dino|barlow(_twins)?"
    r"|vicreg|swav|mocov?\d?|supcon|clip_loss)(_.*)?",
    "detection": r".*(box_loss|bbox|rpn|giou|obj_loss|map_?50|dfl_loss).*",
    "segmentation": r".*(iou|dice|jaccard).*",
    "language-model": r".*(perplexity|ppl|bpc|bits_per_(char|byte)|num_tokens|tokens_(seen|per_second)|bleu|rouge).*",
}
"""Kind -> an expression for the words of a column's name, joined by `_`, that only its logs hold; the surest first."""

_SEVERAL = {"variational": 2, "boosting": 2}
"""How many different names it takes, where one alone may be a part of another training; else one."""

_ERRORS = frozenset({"mse", "rmse", "mae", "mape", "correlation"})
"""Kinds of quantities that measure how far a number is off."""

_GENERATORS = frozenset({"generator", "gen", "netg"})
_CRITICS = frozenset({"critic", "discriminator", "disc", "netd"})

_METHODS = ("method", "algorithm", "algo", "trainer", "objective", "model")
"""Keys of a config that may name the method of a training."""

_BOOSTING = ("xgboost", "lightgbm", "catboost")
_OF_XGBOOST = re.compile(r"[\w.]+-(rmsle|rmse|mae|mape|mphe|m?logloss|m?error|auc|aucpr|ndcg|map)(@[\d.]+)?")
"""A set and a metric as XGBoost joins them."""

_TREES = frozenset({"num_leaves", "n_estimators", "max_leaves", "boosting_type", "num_boost_round", "min_child_weight"})


@lru_cache(maxsize=16)  # asked for by the judge and by each fix that is for some kinds; a run is told by identity
def kind_of(run: Run) -> Kind:
    """The kind of a run, by what is surest first: what the user says (`kind` in the config), the curves that only such
    trainings have, the names of columns, the quantities beside the losses.
    """
    said = run.config.get("kind")
    if said in KINDS:
        return Kind(str(said), "it was said so")
    return (
        _of_names(run, ("preference",))
        or _of_roles(run)
        or _of_opponents(run)
        or _of_trees(run)
        or _of_names(run, tuple(name for name in _NAMES if name != "preference"))
        or _of_probes(run)
        or _of_config(run.config)
        or _of_quantities(run)
        or UNKNOWN
    )


def paradigms(run: Run, kind: Kind) -> tuple[str, ...]:
    """The kinds of `PARADIGMS` that a run is of: the one that the user says, or all that its columns tell of.

    kind: of the run.
    """
    if run.config.get("kind") in KINDS:
        return tuple(name for name in PARADIGMS if name == kind.name)
    return tuple(name for name, role in PARADIGMS.items() if name == kind.name or run.curve(role) is not None)


def unread(run: Run) -> list[str]:
    """The columns that play no role, those that measure how good a model is before the others, in the log's order."""
    if "focus" in run.roles:  # its reader knows every column
        return []
    used = {*run.roles.values(), run.axis, *columns.judged_together(run)}
    left = {column: roles.parse(column) for column in run.series if column not in used}
    left = {column: facets for column, facets in left.items() if not facets.counts and facets.quantity != "time"}
    return sorted(left, key=lambda column: not left[column].is_metric)


def _of_roles(run: Run) -> Kind | None:
    """The kind by a curve that plays a role in no other."""
    named = {"reward": "reinforcement", "val_reward": "reinforcement", "discriminator_loss": "adversarial"}
    found = next((role for role in named if run.curve(role) is not None), None)
    return None if found is None else Kind(named[found], f"the log has {run.roles[found]}")


def _of_opponents(run: Run) -> Kind | None:
    """Adversarial, by the losses of a generator and of a critic."""
    words = {column: set(re.findall(r"[a-z]+", column.lower())) for column in run.series}
    made = next((column for column, said in words.items() if said & _GENERATORS), None)
    told = next((column for column, said in words.items() if said & _CRITICS), None)
    return None if made is None or told is None else Kind("adversarial", f"the log has {told} and {made}")


def _of_trees(run: Run) -> Kind | None:
    """Boosting, by the reader that knew the log, XGBoost's names of columns, or hyperparameters of trees."""
    if any(name in run.format for name in _BOOSTING):
        return Kind("boosting", f"the log is one of {run.format}")
    evaluated = [column for column in run.series if _OF_XGBOOST.fullmatch(column)]
    if len(evaluated) > 1 and not any(roles.parse(column).kind == "loss" for column in run.series):
        return Kind("boosting", f"the log has {evaluated[0]} and {evaluated[1]}")
    known = next((name for name in run.config if name in _TREES), None)
    return None if known is None else Kind("boosting", f"the config has {known}")


def _of_names(run: Run, kinds: tuple[str, ...]) -> Kind | None:
    """The kind by names of columns."""
    for kind in kinds:
        found = [column for column in run.series if _is_of(column, kind)]
        if len(found) >= _SEVERAL.get(kind, 1):
            return Kind(kind, f"the log has {' and '.join(found[: _SEVERAL.get(kind, 1)])}")
    return None


@lru_cache(maxsize=8192)  # logs of one program have their columns in common
def _is_of(name: str, kind: str) -> bool:
    """Whether a column, or a method, is called what only logs of this kind have."""
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower()))
    return re.fullmatch(rf"(?:.*_)?(?:{_NAMES[kind]})", words) is not None


def _of_probes(run: Run) -> Kind | None:
    """Contrastive, where the features are tried by what is fitted to them and no other accuracy is measured."""
    scores = {column: facets for column in run.series if (facets := roles.parse(column)).quantity == "accuracy"}
    probes = [column for column, facets in scores.items() if facets.kind == "probe"]
    return Kind("contrastive", f"the log has {probes[0]}") if probes and len(probes) == len(scores) else None


def _of_config(config: Mapping[str, Any]) -> Kind | None:
    """The kind of a method that is named, classification by a number of classes, a language model by the name of a
    decoder.
    """
    for name in _METHODS:
        for kind in ("preference", "reinforcement", "contrastive"):
            if _is_of(str(config.get(name, "")), kind):
                return Kind(kind, f"the config has {name} = {config[name]}")
    classes, model = config.get("num_classes"), str(config.get("model", ""))
    if isinstance(classes, int) and classes > 1:
        return Kind("classification", f"the config has {classes} classes")
    return Kind("language-model", f"the model is {model}") if model and traits.is_decoder(model) else None


def _of_quantities(run: Run) -> Kind | None:
    """The kind by what is measured beside the losses, or by a loss alone."""
    for column in run.series:
        if roles.parse(column).kind in _ERRORS:
            return Kind("regression", f"the log has {column}")
    for role in ("train_accuracy", "val_accuracy"):
        if run.curve(role) is not None:
            return Kind("classification", f"the log has {run.roles[role]}")
    found = next((role for role in ("train_loss", "val_loss") if run.curve(role) is not None), None)
    return None if found is None else Kind("supervised", f"the log has {run.roles[found]}")
