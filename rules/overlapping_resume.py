"""Overlapping resume: the log goes back, and the same steps were trained a second time.

Why it matters
    What lies between the last checkpoint and the point where the run broke off is paid for twice; plots and means over
    the log count it twice; and examples that were seen come again unless the sampler went back, too.

Statistics
    again   steps between the one that was reached and the one to which the log went back, summed over the resumes, in
            percent of the run

Limits
    Writers that take turns go back by a step or two, and a log that starts anew is another training: neither is a
    resume. The later values are judged. Whether the state came back with the weights tells `resume-jump`.

References
    Eisenman et al., Check-N-Run: a Checkpointing System for Training Deep Learning Recommendation Models (2022)
    Lecture notes: "For less footprint, less epochs".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    resumes: Sequence[tuple[float, float]],
    axis: str,
    last_step: float,
    train_loss: Series | None = None,
    val_loss: Series | None = None,
    *,
    again_note: float = 0.05,  # of the steps of the run; a twentieth of what it cost
) -> Finding | None:
    """Judge the places at which the log goes back."""
    curves = {name: curve for name, curve in (("train_loss", train_loss), ("val_loss", val_loss)) if curve is not None}
    first = min(float(curve.steps[0]) for curve in curves.values())
    twice = sum(reached - back for reached, back in resumes)
    share = twice / max(last_step - first, 1e-300)
    if share < again_note:
        return None
    reached, back = max(resumes, key=lambda resume: resume[0] - resume[1])
    times = "once" if len(resumes) == 1 else f"{len(resumes)} times"
    return Finding(
        severity=Severity.NOTE,
        confidence=0.95,
        summary=(
            f"The log goes back {times}, at most from {axis} {reached:g} to {back:g}: {100 * share:.3g} % of the run "
            f"was trained twice."
        ),
        meaning="The run was resumed from a checkpoint far behind; the later values are judged, the earlier ones lost.",
        steps=(back, reached),
        marks=tuple(sorted(place for _, place in resumes))[:24],
        series=tuple(curves),
        evidence=(Evidence("again", 100.0 * share, 100.0 * again_note, "percent of the run"),),
    )


RULE = Rule(
    id="overlapping-resume",
    group="machine",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("save-more-often", "restore-state"),
    precedence=1,
    measures={
        "again_note": "the share of steps that were trained twice (share)",
    },
    cases=(
        Case("a fifth of the run a second time", synthetic.gone_back, Severity.NOTE),
        Case("healthy run", synthetic.healthy),
        Case("one epoch again", partial(synthetic.gone_back, back=1.0)),
    ),
)
