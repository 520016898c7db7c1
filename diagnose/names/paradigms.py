"""What a training learns by, where its curves tell it: by a reward, or against a second network.

A loss has to fall where a network is held to known answers. Where it learns by a reward, or where two networks play
against each other, the losses may do anything in healthy training.
"""

from __future__ import annotations

from diagnose.curves import Run

PARADIGMS = {"reinforcement": "reward", "adversarial": "discriminator_loss"}
"""Paradigm of learning -> role of the curve that only the logs of such trainings have."""


def paradigms(run: Run) -> tuple[str, ...]:
    """The paradigms that the run's curves tell of, in the order of `PARADIGMS`; none for a supervised training."""
    return tuple(paradigm for paradigm, role in PARADIGMS.items() if run.curve(role) is not None)
