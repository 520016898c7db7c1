"""What an optimizer's name says about it, as the rules about hyperparameters need it.

known("torch.optim.AdamW")        # Kind("adaptive", decoupled=True)
known("paged_adamw_32bit")        # the same
known("auto")                     # None
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

Family = Literal["sgd", "adaptive", "adagrad", "sign", "layerwise", "self-scaled"]


class Kind(NamedTuple):
    """How an optimizer treats the learning rate and the weight decay.

    family: `sgd`; `adaptive` (Adam, RMSprop and their kin: steps of about the learning rate); `adagrad`; `sign` (Lion,
        signSGD); `layerwise` (LARS, LAMB, Muon: the rate is relative to a layer's weights); `self-scaled` (Adadelta,
        L-BFGS, Prodigy ...: the natural rate is 1).
    decoupled: weight decay acts on the weights and not, as an L2 penalty does, through the gradient.
    """

    family: Family
    decoupled: bool = False


_KINDS = {
    "sgd": Kind("sgd"),
    "nesterov": Kind("sgd"),
    "sgdw": Kind("sgd", decoupled=True),
    "adam": Kind("adaptive"),
    "amsgrad": Kind("adaptive"),
    "adamax": Kind("adaptive"),
    "nadam": Kind("adaptive"),
    "radam": Kind("adaptive"),
    "rmsprop": Kind("adaptive"),
    "adamw": Kind("adaptive", decoupled=True),
    "nadamw": Kind("adaptive", decoupled=True),
    "adamp": Kind("adaptive", decoupled=True),
    "adammini": Kind("adaptive", decoupled=True),
    "adan": Kind("adaptive", decoupled=True),
    "adabelief": Kind("adaptive", decoupled=True),
    "sophia": Kind("adaptive", decoupled=True),
    "fusedadam": Kind("adaptive", decoupled=True),  # Apex and DeepSpeed: adam_w_mode is their default
    "cpuadam": Kind("adaptive", decoupled=True),
    "adagrad": Kind("adagrad"),
    "lion": Kind("sign", decoupled=True),
    "signsgd": Kind("sign"),
    "signum": Kind("sign"),
    "lars": Kind("layerwise"),
    "lamb": Kind("layerwise", decoupled=True),
    "muon": Kind("layerwise", decoupled=True),
    "adadelta": Kind("self-scaled"),
    "adafactor": Kind("self-scaled", decoupled=True),
    "lbfgs": Kind("self-scaled"),
    "rprop": Kind("self-scaled"),
    "prodigy": Kind("self-scaled", decoupled=True),
    "dadapt": Kind("self-scaled"),
    "dadaptation": Kind("self-scaled"),
}
USUAL_RATES: Mapping[Family, float] = {"sgd": 0.1, "adaptive": 1e-3, "adagrad": 1e-2, "sign": 1e-4}
"""Learning rate that a search starts from, by family: the defaults of PyTorch and of the papers (He et al., 2016, for
SGD with momentum; Chen et al., 2023, for Lion)."""

NAMES = frozenset(_KINDS)
"""What the optimizers are called, in lower case."""

_LONGEST_FIRST = sorted(_KINDS, key=len, reverse=True)


@lru_cache(maxsize=256)
def known(name: str) -> Kind | None:
    """The kind of the optimizer that `name` names, whatever stands around it; None where none or several are named.

    A self-scaled one counts alone: `DAdaptAdam` is no Adam.
    """
    left = re.sub(r"[^a-z0-9]", "", name.partition("(")[0].casefold())
    found: list[Kind] = []
    for word in _LONGEST_FIRST:
        if word in left:
            found.append(_KINDS[word])
            left = left.replace(word, " ")
    found = [kind for kind in found if kind.family == "self-scaled"] or found
    return found[0] if len(set(found)) == 1 else None


def usual_rate(name: str) -> float | None:
    """The learning rate that a search starts from with the optimizer of that name; None where it has none."""
    kind = known(name)
    return None if kind is None else USUAL_RATES.get(kind.family)
