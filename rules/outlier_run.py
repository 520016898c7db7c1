"""Outlier run: one run ends far from its siblings, which end close together.

Why it matters
    Runs of one configuration that differ by their seed alone should end alike. One that does not had another cause: a
    crash that was resumed, a broken node, other data, or a configuration on the edge of stability.

Statistics
    alike   median distance of a run's curve from the usual one of its siblings, in shares of the level of a loss and
            points of an accuracy; most siblings must be alike before one can differ
    excess  mean level over the second half of the steps that all cover, or the best level, over that of the siblings
    p       of that excess under the moderated t prediction from the siblings [1], times the number of comparisons
    diverged  a loss that is not finite at its end, where the siblings' are

Limits
    Where the configs are known, only runs with the same one are siblings: a search is meant to differ. Without configs
    at least 5 runs are needed and the finding is a note, since the difference may be meant. A run that is better than
    its siblings is told too: its log may be of other data.

References
    [1] Smyth, Linear Models and Empirical Bayes Methods for Assessing Differential Expression (2004)
    [2] Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks (2021)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Run
from diagnose.measure import between_runs
from diagnose.names import differences
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


class _Odd(NamedTuple):
    """A run apart from its siblings: by how much, in which curve, and how unlikely that is."""

    run: Run
    role: str
    excess: float
    p: float


def check(
    runs: Sequence[Run],
    *,
    alike: float = 0.1,  # of the level of a loss, or of an accuracy of 1; curves that a person calls the same
    most_alike: float = 0.75,  # of the runs; below, there is no usual run to differ from
    fewest: int = 4,  # siblings of one configuration
    fewest_unknown: int = 5,  # siblings whose configs are unknown
    least: float = 0.1,  # of the level of a loss, or of an accuracy of 1: a difference one sees
    spread: float = 0.02,  # the usual spread between seeds, in the same units [2]
    p_most: float = 0.003,  # nominal; the tests measure the real rate, which for seeds that spread by 5 % is higher
) -> Finding | None:
    """Judge the curves of comparable runs."""
    known = all(run.config for run in runs)
    groups = _same_config(runs) if known else [list(runs)]
    size = fewest if known else fewest_unknown
    groups = [group for group in groups if len(group) >= size]
    if not groups:
        raise CannotJudge(f"fewer than {size} runs of {'one configuration' if known else 'one kind'}")
    found = [odd for group in groups for odd in _odd_ones(group, alike, most_alike, least, spread, p_most)]
    if not found:
        return None
    first = max(found, key=lambda odd: abs(odd.excess))
    group = next(group for group in groups if first.run in group)
    worse = "worse" if first.excess > 0.0 else "better"
    ends = (
        "is not finite at its end"
        if math.isinf(first.excess)
        else f"lies {100.0 * abs(first.excess):.3g} % {worse} than usual"
    )
    names = list({odd.run.name: None for odd in found})
    subject = "One run" if len(names) == 1 else f"{len(names)} runs"
    return Finding(
        severity=Severity.WARNING if known and first.excess > 0.0 else Severity.NOTE,
        confidence=0.95 if known else 0.9,
        summary=f"{subject} of {len(group)} comparable ones differ{'s' if len(names) == 1 else ''}: "
        f"the {first.role} {'of the first ' if len(names) > 1 else ''}{ends}, while the others lie together.",
        meaning=(
            "Chance between seeds does not explain it; something else was different: data, code, hardware, a resumed "
            "checkpoint, or a configuration on the edge of stability."
            if known
            else "Runs so alike have one recipe; this one had another, or something went wrong in it."
        ),
        steps=(0.0, first.run.last_step),
        series=(first.role,),
        evidence=(
            Evidence("excess", 100.0 * first.excess, 100.0 * least, "percent"),
            Evidence("p", first.p, p_most),
        ),
        runs=tuple(names),
    )


def _same_config(runs: Sequence[Run]) -> list[list[Run]]:
    groups: dict[tuple[tuple[str, object], ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(differences.settings(run).items())), []).append(run)
    return list(groups.values())


def _odd_ones(
    runs: Sequence[Run], alike: float, most_alike: float, least: float, spread: float, p_most: float
) -> list[_Odd]:
    """The runs apart, each with the curve in which it is farthest; the most unlikely first."""
    odd: dict[str, _Odd] = {}
    for role in ("train_loss", "val_loss", "val_accuracy"):
        if not all(run.curve(role) is not None for run in runs):
            continue
        broken = [run for run in runs if not _finite_end(run, role)]
        rest = [run for run in runs if run not in broken]
        found = _apart(rest, len(runs), role, alike, most_alike, least, spread, p_most)
        if found is None:
            continue
        for one in (*(_Odd(run, role, math.inf, 0.0) for run in broken), *found):
            before = odd.get(one.run.name)
            if before is None or abs(one.excess) > abs(before.excess):
                odd[one.run.name] = one
    if len(odd) > (1.0 - most_alike) * len(runs):
        return []
    return sorted(odd.values(), key=lambda one: one.p)


def _finite_end(run: Run, role: str) -> bool:
    curve = run.curve(role)
    return curve is not None and len(curve) > 0 and math.isfinite(float(curve.values[-1]))


def _apart(
    runs: Sequence[Run],
    of: int,
    role: str,
    alike: float,
    most_alike: float,
    least: float,
    spread: float,
    p_most: float,
) -> list[_Odd] | None:
    """The runs apart in one curve, or None where the runs are not alike enough for one to differ."""
    binned = between_runs.binned([curve for run in runs if (curve := run.curve(role)) is not None])
    if binned is None:
        return None
    bins = between_runs.worse_by(role) * binned[1] / between_runs.scale(role, binned[1])
    noise = between_runs.noise(bins)
    away = np.median(np.abs(bins - np.median(bins, axis=0)), axis=1)
    core = away <= alike + noise
    if int(core.sum()) < max(3, most_alike * of):
        return None
    half, width = bins[:, bins.shape[1] // 2 :], max(2, bins.shape[1] // 8)
    found = []
    for levels, points in ((half.mean(axis=1), half.shape[1]), (between_runs.smoothed(bins, width).min(axis=1), width)):
        prior = math.hypot(spread, noise / math.sqrt(points))
        within = core.astype(float)
        usual = (levels[core].sum() - within * levels) / (core.sum() - within)  # mean of the others, for each run
        for index in map(int, np.flatnonzero(np.abs(levels - usual) >= 0.99 * least)):
            run, others = runs[index], core.copy()
            others[index] = False
            excess, _, p = between_runs.departure(float(levels[index]), levels[others], prior)
            p = 2.0 * min(p, 1.0 - p) * 3 * 2 * len(runs)  # two-sided, three curves, two levels, so many runs
            if p <= p_most and abs(excess) >= least:
                found.append(_Odd(run, role, excess, p))
    return found


_seeds = partial(partial, synthetic.seeds)


def _broken(seed: int = 0, noise: float = 0.02) -> list[Run]:
    """Seeds of one recipe, the last of which becomes NaN."""
    *usual, last = synthetic.seeds(seed, noise)
    nan = synthetic.non_finite(seed, noise)
    return [*usual, Run(last.name, nan.series, nan.roles, last.config, last.source, last.format, last.axis)]


def _without_configs(runs: Sequence[Run]) -> list[Run]:
    return [Run(r.name, r.series, r.roles, {}, r.source, r.format, r.axis) for r in runs]


def _unknown(seed: int = 0, noise: float = 0.02, level: float = 0.75) -> list[Run]:
    """Runs without configs, the last of which settles elsewhere."""
    return _without_configs(synthetic.seeds(seed, noise, level=level))


RULE = Rule(
    id="outlier-run",
    group="comparison",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("compare-configs", "inspect-data", "repeat-seeds"),
    cases=(
        Case("one seed settles 40 % higher", _seeds(level=0.7), Severity.WARNING),
        Case("one seed becomes NaN", _broken, Severity.WARNING),
        Case("one run without a config settles 50 % higher", _unknown, Severity.NOTE),
        Case("seeds of one recipe", synthetic.seeds),
        Case("seeds that spread by 5 %", _seeds(spread=0.05)),
        Case("runs without configs, all alike", partial(_unknown, level=0.5)),
        Case(
            "a search whose largest rate is bad",
            partial(synthetic.search, learning_rate=(1e-4, 1e-3, 1e-2, 1e-1), best={"learning_rate": 1e-4}),
        ),
        Case("logs of different projects", synthetic.unrelated),
    ),
)
