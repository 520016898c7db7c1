"""Learned augmentation: a policy of augmentation that was learned on other data.

Why it matters
    AutoAugment and its kin search their policy on a reference set of photographs. On other images it may change what
    decides the label - colours of tissue, the way a digit is turned - and nothing in the loss will say so.

Statistics
    learned policy  1 where the config names AutoAugment, Fast AutoAugment, DeepAugment or one of their policies

Limits
    On photographs like those of CIFAR-10 or ImageNet the policies do help [1]: a note. RandAugment, TrivialAugment and
    AugMix draw at random instead of having learned, and are left alone, as policies of unknown name are.

References
    [1] Cubuk et al., AutoAugment: Learning Augmentation Policies from Data (2019)
    [2] Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space (2020)
    Lecture notes: "Data Augmentation: Auto/DeepAugment (Learn from ????, Danger!)".
"""

from __future__ import annotations

import re
from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting

_LEARNED = re.compile(r"(fast|faster)?autoaugment.*|deepaugment.*|(original|v0)r?|imagenet|cifar10|svhn")
"""Policies as papers, torchvision and timm call them, without separators."""


def check(auto_augment: str | bool, last_step: float, axis: str) -> Finding | None:
    """Judge the name of a policy; a bare True means AutoAugment, which the key is called after."""
    name = "autoaugment" if auto_augment is True else str(auto_augment)
    policy = re.split(r"[.]|-(?=m|std|inc)", name.casefold())  # timm appends its strength: v0-mstd0.5
    if not any(_LEARNED.fullmatch(re.sub(r"[^a-z0-9]", "", part)) for part in policy):
        return None
    return of_setting(
        f"Images are augmented by a policy learned elsewhere ({name}) up to {axis} {last_step:g}.",
        "It may contain changes that alter the label on these data; look at twenty augmented examples.",
        last_step,
        Evidence("learned policy", 1.0, 0.0),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="learned-augmentation",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("plain-augmentation", "inspect-data"),
    precedence=1,
    cases=(
        Case("AutoAugment", _configured(auto_augment="autoaugment"), Severity.NOTE),
        Case("a policy of timm", _configured(auto_augment="v0-mstd0.5"), Severity.NOTE),
        Case("switched on", _configured(auto_augment=True), Severity.NOTE),
        Case("RandAugment", _configured(auto_augment="randaugment")),
        Case("RandAugment as timm spells it", _configured(auto_augment="rand-m9-mstd0.5-inc1")),
        Case("switched off", _configured(auto_augment=False)),
    ),
)
