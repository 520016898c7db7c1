"""Missing early stopping: the run went its full length although its best validation lay well before the end.

Why it matters
    Without early stopping, or a checkpoint kept at the best validation, what is left at the end is not the best network
    that was trained, and the epochs after the best were spent for nothing.

Statistics
    share  of the run that came after the lowest val_loss (running median)
    tau    Mann-Kendall trend of val_loss since its best, whose p-value must be small [2]
    GL     generalization loss at the end, 100 * (val_loss / best val_loss - 1), in percent [1]

Limits
    Needs a config that names the number of epochs: a bare log cannot tell what was configured. One that mentions early
    stopping, a patience or a best checkpoint is not judged, whether they acted or not, and neither is a run that ended
    before its number of epochs or was best at its start. How bad the end is, `overfitting` says. Losses that are not
    positive are not judged.

References
    [1] Prechelt, Early Stopping - But When? (1998)
    [2] Mann, Nonparametric Tests Against Trend (1945)
    Lecture notes: "Early Stopping: Overfitting is the end of the road; using validation loss/accuracy as the guide";
    "Incomplete hyperparameter list: early stopping policy".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import shapes
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    val_loss: Array,
    axis: str,
    epochs: int | float,
    early_stopping: bool | str | None = None,
    patience: int | float | None = None,
    save_best: bool | str | None = None,
    *,
    gl_least: float = 5.0,  # percent; the most patient criterion tried in [1]
    share_least: float = 0.3,  # of the run; a third of the epochs is worth saving, and longer than any usual patience
    trend_p: float = 0.01,  # nominal, of the rise since the best
    jitter: float = 2.0,  # standard deviations of val_loss that the loss must have risen by
    completed: float = 0.9,  # of the epochs; a run that ended before was stopped by someone
) -> Finding | None:
    """Judge a validation loss of shape (n,)."""
    if early_stopping or save_best or (patience or 0) > 0:
        raise CannotJudge("the config keeps the best checkpoint or stops early")
    if val_loss.min() <= 0.0:
        raise CannotJudge("val_loss is not positive: its rise has no scale")
    if axis == "epoch" and step[-1] < completed * epochs - 1.0:
        return None
    climb = shapes.climb(val_loss)
    if climb is None or climb.best == 0:
        return None
    best, end = float(step[climb.best]), float(step[-1])
    share = (end - best) / max(end - float(step[0]), 1e-12)
    if climb.gl < gl_least or climb.rise < jitter * climb.noise or climb.trend.p_rising > trend_p:
        return None
    if share < share_least:
        return None
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"No early stopping is configured for the {epochs:g} epochs; val_loss was best at {axis} {best:g}, "
            f"{100.0 * share:.0f} % of the run before its end."
        ),
        meaning=f"The last network is {climb.gl:.3g} % worse by val_loss than one that was there and is not kept.",
        steps=(best, end),
        marks=(best,),
        series=("val_loss",),
        evidence=(
            Evidence("share", 100.0 * share, 100.0 * share_least, "percent"),
            Evidence("GL", climb.gl, gl_least, "percent"),
        ),
    )


RULE = Rule(
    id="missing-early-stopping",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("early-stopping",),
    explained_by=("overfitting", "overconfidence"),
    precedence=1,
    measures={
        "gl_least": "how far val_loss ends above its best level (generalization loss, GL)",
        "share_least": "the part of the run after the best epoch (share)",
        "trend_p": "how likely so steady a rise is by chance (Mann-Kendall p)",
        "jitter": "how far val_loss has risen, in its noise",
        "completed": "how much of the planned epochs were run",
    },
    cases=(
        Case("best at 30 % of 100", lambda: synthetic.configured(synthetic.overfit(), epochs=100), Severity.NOTE),
        Case("a patience", lambda: synthetic.configured(synthetic.overfit(), epochs=100, patience=20)),
        Case("the best is kept", lambda: synthetic.configured(synthetic.overfit(), epochs=100, save_best=True)),
        Case("stopped by hand", lambda: synthetic.configured(synthetic.overfit(), epochs=1000)),
        Case("healthy", partial(synthetic.configured, epochs=60)),
        Case("no config", synthetic.overfit),
    ),
)
