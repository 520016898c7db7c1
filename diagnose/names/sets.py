"""Several validation sets of one run: `val_loss` is the loss on the first, `val_loss[german]` that on another.

name_in("val_loss", "german")                  # "val_loss[german]"
sets_of(run.roles)                             # ("german",)
of_set(run, "german").curve("val_loss")        # the loss on that set
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from diagnose.curves import Run

HELD_OUT = ("val_loss", "val_accuracy")
"""The roles that a set may have a curve for."""

_IN_SET = re.compile(r"(?P<role>\w+)\[(?P<set>[^\]]+)\]")


def name_in(role: str, name: str) -> str:
    """The role of a curve that was measured on another validation set than the first."""
    return f"{role}[{name}]"


def sets_of(roles: Iterable[str]) -> tuple[str, ...]:
    """The names of the validation sets beside the first, in their order."""
    found = (_IN_SET.fullmatch(role) for role in roles)
    return tuple(dict.fromkeys(match["set"] for match in found if match))


def curves_of(role: str, run: Run) -> dict[str, str]:
    """The role in every set -> its column, that of the first set before the others."""
    names = (role, *(name_in(role, name) for name in sets_of(run.roles)))
    return {name: run.roles[name] for name in names if name in run.roles}


def of_set(run: Run, name: str) -> Run:
    """The run as if it had been validated on this set alone."""
    others = {role: column for role, column in run.roles.items() if role not in HELD_OUT and "[" not in role}
    own = {role: run.roles[name_in(role, name)] for role in HELD_OUT if name_in(role, name) in run.roles}
    return replace(run, roles={**others, **own})


def said_of(text: str, name: str) -> str:
    """A sentence about the run's validation as one about this set."""
    return re.sub(rf"\b({'|'.join(HELD_OUT)})\b(?!\[)", lambda found: name_in(found[0], name), text)
