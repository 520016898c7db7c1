"""Attribution bias: a class is told by something else than what its images show.

Why it matters
    A model can be accurate for the wrong reason: a watermark, a border, a background that goes with one class in these
    data. No curve shows it, since the validation images carry the same mark; the model fails on images without it.

Statistics
    fall       share of a class's images that the model loses when a region of them comes from images of other classes,
               or is filled from around it, the mean of the two [5]
    transfer   share of other classes' images that it takes for the class when the region comes from the class's images
    effect     the smaller of the two, held against that of the other classes' best region of the same kind and size:
               what is left of the thing in a region has an effect in every class. Of a place, the quarter of the
               classes that give most is left out of the transfer: a part of the thing makes its look-alikes this class
    apart      whether the region can be told from the thing. An aspect of the whole image cannot, unless the
               background of the class, beyond that of others, does half as much; a background cannot where it is not
               known what the thing is. An effect that is not apart is a note that asks, and no fault
    p          that both are no more than that reference: binomial tests, joined [6], times all pairs of region and
               class that were tried
    Focus      share of the positive relevance of a class that lies on the images of that class, in mosaics of two of
               its images and two of others [1]; chance is 0.5. Median over the mosaics, 95 % bootstrap interval.
    exchanged  in tables of schema 1: Focus after the part of the image that carries most of the class's log-odds has
               changed places with the same part of the other images [2]. Evidence in the thing shown stays for the most
               part; a mark goes along, and Focus falls below 0.5. Its p is of a rank-sum test [3] that it is not lower
               than that of the model's other classes, times the number of classes
    moved      likewise: share of the class's log-odds that went along
    stolen     share of the relevance that an image of another class took; chance is 0.25

Limits
    It reads what `diagnose bias` records, and curves `focus/CLASS` and `fall/CLASS` logged during training. A mark over
    the thing itself is seen as far as it does more than the thing there does in other classes. A class may be told by
    its colour, its texture or its background because that is what it is; so these are notes, for a person to answer. A
    mark that is nothing but the colour of the thing, and the backgrounds of all classes without `--masks`, are no more
    than notes either. Tables recorded before `apart` was are judged as if every region were. Focus of a method whose
    relevance does not depend on the class (Integrated Gradients, SmoothGrad [1]), or that is off chance for a model
    with random weights [4], is not judged.

References
    [1] Arias-Duart et al., Focus! Rating XAI Methods and Finding Biases (2022)
    [2] Arias-Duart et al., Assessing Biases through Visual Contexts (2023), which exchanges whole contexts
    [3] Mann and Whitney, On a Test of Whether One of Two Random Variables Is Stochastically Larger (1947)
    [4] Adebayo et al., Sanity Checks for Saliency Maps (2018)
    [5] Chang et al., Explaining Image Classifiers by Counterfactual Generation (2019)
    [6] Fisher, Statistical Methods for Research Workers (1925)
    Lecture notes: "Bias detection: through XAI attribution".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

_CHANCE = 0.5
"""Focus of relevance that does not depend on the class: two of four images are of the target."""


@dataclass(frozen=True, slots=True)
class _Class:
    """One class: its Focus, plain and after the exchange, with their intervals, and the p of the latter."""

    name: str
    plain: float
    interval: tuple[float, float]
    exchanged: float = float("nan")
    exchanged_interval: tuple[float, float] = (float("nan"), float("nan"))
    p: float = 1.0

    @property
    def shared(self) -> bool:
        """Whether more relevance lies on other images than on its own, beyond doubt."""
        return self.interval[1] < _CHANCE

    @property
    def depth(self) -> float:
        """How far below chance, by the lower of the two."""
        return _CHANCE - min(self.plain if self.shared else _CHANCE, float(np.nan_to_num(self.exchanged, nan=_CHANCE)))


@dataclass(frozen=True, slots=True)
class _Effect:
    """The counterfactual effect of a region on a class; p is corrected."""

    name: str
    region: str
    fall: float
    transfer: float
    reference: float
    p: float
    images: int
    apart: bool = True

    @property
    def excess(self) -> float:
        """Above what the other classes' regions do."""
        return min(self.fall, self.transfer) - self.reference


def check(
    focus: Mapping[str, Series] | None = None,
    exchanged: Mapping[str, Series] | None = None,
    moved: Mapping[str, Series] | None = None,
    stolen: Mapping[str, Series] | None = None,
    focus_random: Mapping[str, Series] | None = None,
    fall: Mapping[str, Series] | None = None,
    transfer: Mapping[str, Series] | None = None,
    reference: Mapping[str, Series] | None = None,
    p_value: Mapping[str, Series] | None = None,
    images: Mapping[str, Series] | None = None,
    apart: Mapping[str, Series] | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    near_chance: float = 0.1,  # of Focus; class-agnostic methods lie within 0.07 of 0.5 on the reference task
    minded: float = 0.15,  # of a class's images, lost and gained beyond the reference: what a practitioner minds
    chance: float = 0.05,  # that an effect is none, all that was tried together; tests/benchmarks/bias_marks.py
    grave: float = 0.5,  # of a class's images lost: most of them are told by the region
    p_most: float = 0.01,  # of Focus in tables of schema 1, all classes together
    last: float = 0.34,  # of the epochs of a training that logs Focus; the model that is kept is the last one
) -> Finding | None:
    """Judge recorded effects; or Focus by class: by mosaic in a recorded check, by epoch in the log of a training."""
    if fall and transfer:
        searched = "effects" in (config or {})
        recorded_effects = (fall, transfer, reference or {}, p_value or {}, images or {})
        effects = _effects(recorded_effects, apart or {}, recorded=searched)
        steps = np.concatenate([series.steps for series in (focus or fall).values()])
        finding = _of_effects(effects, (float(steps.min()), float(steps.max())), minded, chance, grave)
        if finding is not None:
            return finding
    if not focus:
        raise CannotJudge("the log has no focus")
    recorded = "mosaics" in (config or {})
    plain = _values(focus, 1.0 if recorded else last)
    if len(plain) < 2:
        raise CannotJudge("Focus of fewer than two classes has a number")
    method = str((config or {}).get("attribution_method", "the attribution method"))
    try:
        _check_fit(plain, _values(focus_random or {}, 1.0), method, near_chance)
    except CannotJudge:
        if fall:
            return None  # the effects were judged, and need no relevance
        raise
    classes = _classes(plain, _values(exchanged or {}, 1.0 if recorded else last))
    found = [one for one in classes if one.shared or (one.exchanged < _CHANCE and (_sure(one) or one.p <= p_most))]
    if not found:
        return None
    worst = max(found, key=lambda one: one.depth)
    steps = np.concatenate([series.steps for series in focus.values()])
    return Finding(
        severity=Severity.ERROR if recorded and (worst.shared or _sure(worst)) else Severity.WARNING,
        confidence=statistics.confidence(1.0 + 20.0 * worst.depth),
        summary=_summary(worst, classes, moved or {}, stolen or {}, [one.name for one in found if one is not worst]),
        meaning=_meaning(worst, moved or {}),
        steps=(float(steps.min()), float(steps.max())),
        marks=_lowest(focus[worst.name] if worst.shared or not exchanged else exchanged[worst.name])
        if recorded
        else (),
        series=(),
        cause="shared" if worst.shared else "place",
        evidence=_evidence(worst, classes, p_most),
    )


def _effects(
    families: tuple[Mapping[str, Series], ...], apart: Mapping[str, Series], *, recorded: bool
) -> list[_Effect]:
    """The effects whose numbers are all there; of a training that logs them, the last ones.

    families: fall, transfer, reference, p and images. apart: 1 or 0; 1 where it is missing. recorded: whether a search
        was recorded, which names the region behind the class.
    """
    found = []
    for key in families[0]:
        parts = [family[key].finite().values for family in families if key in family]
        if len(parts) == 5 and all(values.size for values in parts):
            lost, gained, others, p, count = (float(values[-1]) for values in parts)
            name, _, region = key.rpartition("/") if recorded else (key, "", "one region")
            told = apart[key].finite().values if key in apart else np.ones(1)
            found.append(_Effect(name, region, lost, gained, others, p, int(count), bool(np.all(told[-1:] > 0.5))))
    if not found:
        raise CannotJudge("the recorded effects have no numbers; run `diagnose bias` again")
    return found


def _of_effects(
    effects: list[_Effect], steps: tuple[float, float], minded: float, chance: float, grave: float
) -> Finding | None:
    """The finding of the class that goes by one region most, and in few words that of the others."""
    found = [one for one in effects if one.excess >= minded and one.p <= chance]
    found = [one for one in found if one.apart] or found
    if not found:
        return None
    worst = max(found, key=lambda one: (one.excess, one.fall))
    also = list(dict.fromkeys(one.name for one in found if one.name != worst.name))
    more = [one.region for one in found if one.name == worst.name and one is not worst]
    low, high = statistics.wilson(round(worst.fall * worst.images), worst.images)
    said = (
        f"Class {worst.name}: of {worst.images} images that it gets right, the model loses {100.0 * worst.fall:.0f} % "
        f"({100.0 * low:.0f} to {100.0 * high:.0f}) when {worst.region} comes from other images, and takes "
        f"{100.0 * worst.transfer:.0f} % of other images for {worst.name} when they are given its own (regions like it "
        f"in other classes {100.0 * worst.reference:.0f} %)"
    )
    if not worst.apart:
        said = f"The answer {worst.name} follows {worst.region}: is that what tells the classes apart? {said}"
    if more:
        said += f"; also by {', '.join(more[:2])}"
    if also:
        said += f"; likewise {', '.join(also[:4])}"
    return Finding(
        severity=_severity(worst, grave),
        confidence=statistics.confidence(1.0 + 10.0 * (worst.excess - minded)),
        summary=f"{said}.",
        meaning=_meant(worst),
        steps=steps,
        series=(),
        cause="region" if worst.apart else "question",
        evidence=(
            Evidence("fall", worst.fall),
            Evidence("transfer", worst.transfer),
            Evidence("effect above the reference", worst.excess, minded),
            Evidence("corrected p", worst.p, chance),
        ),
    )


def _severity(effect: _Effect, grave: float) -> Severity:
    if not effect.apart:
        return Severity.NOTE
    return Severity.ERROR if effect.fall >= grave else Severity.WARNING


def _meant(effect: _Effect) -> str:
    if not effect.apart:
        return (
            f"If {effect.region} is what {effect.name} is, the model is right. If it only goes with the class in these "
            f"data, about {100.0 * effect.fall:.0f} in 100 images without it are likely to be missed; masks of the "
            "things (`--masks`) settle it for what lies around them."
        )
    return (
        f"The model tells {effect.name} by {effect.region} and not by the thing alone: a mark, a border or a "
        f"background that goes with the class in these data. Without it, about {100.0 * effect.fall:.0f} in 100 of "
        "its images are likely to be missed."
    )


def _values(family: Mapping[str, Series], last: float) -> dict[str, Array]:
    """The finite values of each class, those of the last share of the points."""
    found = {name: series.finite().values for name, series in family.items()}
    return {name: values[-max(1, round(last * values.size)) :] for name, values in found.items() if values.size}


def _check_fit(plain: Mapping[str, Array], random: Mapping[str, Array], method: str, near: float) -> None:
    """Raises CannotJudge where the method's relevance says nothing about this model."""
    if random:
        blank = float(np.median(np.concatenate(list(random.values()))))
        if abs(blank - _CHANCE) > near:
            raise CannotJudge(f"{method} gives a model with random weights a Focus of {blank:.2f}, and chance is 0.5")
    overall = float(np.median([np.median(values) for values in plain.values()]))
    if abs(overall - _CHANCE) < near:
        raise CannotJudge(
            f"the relevance of {method} does not depend on the class here: Focus is {overall:.2f}, and chance is 0.5"
        )


def _classes(plain: Mapping[str, Array], exchanged: Mapping[str, Array]) -> list[_Class]:
    made = []
    for name, values in plain.items():
        one = _Class(name, statistics.median(values), statistics.bootstrap_median(values))
        if name in exchanged:
            mine = exchanged[name]
            rest = [others for other, others in exchanged.items() if other != name]
            p = statistics.rank_sum(mine, np.concatenate(rest)) if rest else 1.0
            interval = statistics.bootstrap_median(mine)
            after = statistics.median(mine)
            one = _Class(name, one.plain, one.interval, after, interval, min(1.0, p * len(exchanged)))
        made.append(one)
    return made


def _sure(one: _Class) -> bool:
    return one.exchanged_interval[1] < _CHANCE


def _summary(
    worst: _Class,
    classes: list[_Class],
    moved: Mapping[str, Series],
    stolen: Mapping[str, Series],
    also: list[str],
) -> str:
    low, high = worst.interval if worst.shared else worst.exchanged_interval
    level = worst.plain if worst.shared else worst.exchanged
    rest = [one.plain if worst.shared else one.exchanged for one in classes if one.name != worst.name]
    others = f"of the other classes {np.nanmedian(rest):.2f}"
    if worst.shared:
        said = f"Class {worst.name}: Focus is {level:.2f} ({low:.2f} to {high:.2f}), below chance 0.5 ({others})"
    else:
        place, share = _moved(moved, worst.name)
        went = f"; {100.0 * share:.0f} % of its log-odds go along" if np.isfinite(share) else ""
        said = (
            f"Class {worst.name}: Focus falls from {worst.plain:.2f} to {level:.2f} ({low:.2f} to {high:.2f}; chance "
            f"0.5, {others}) when {place} is exchanged with other images{went}"
        )
    thieves = _thieves(stolen, worst.name)
    if thieves:
        named = " and ".join(f"{name} ({100.0 * share:.0f} %)" for name, share in thieves)
        said += f"; of the others, images of {named} take most relevance (chance 25 %)"
    return said + (f"; likewise {', '.join(also[:4])}." if also else ".")


def _moved(moved: Mapping[str, Series], name: str) -> tuple[str, float]:
    """The place that was exchanged, and the mean share of the log-odds that went along."""
    for key, series in moved.items():
        target, _, place = key.rpartition("/")
        if target == name:
            return place or "its place", float(series.finite().values.mean())
    return "its place", float("nan")


def _thieves(stolen: Mapping[str, Series], name: str) -> list[tuple[str, float]]:
    """The two classes whose images take most of the relevance, with the mean share that one takes."""
    found = [
        (key.removeprefix(f"{name}/"), float(series.finite().values.mean()))
        for key, series in stolen.items()
        if key.startswith(f"{name}/") and len(series.finite())
    ]
    return sorted(found, key=lambda pair: -pair[1])[:2]


def _meaning(worst: _Class, moved: Mapping[str, Series]) -> str:
    if worst.shared:
        return (
            f"What the model looks for in {worst.name} is found as much in images of other classes: a background or a "
            "mark that they share."
        )
    place, _ = _moved(moved, worst.name)
    return (
        f"The model tells {worst.name} by what lies in {place} more than by the rest of the image: a mark, a border or "
        "a background that goes with the class in these data. It is likely to fail on images without it."
    )


def _lowest(series: Series) -> tuple[float, ...]:
    """The mosaics of the lowest Focus."""
    finite = series.finite()
    return tuple(sorted(float(step) for step in finite.steps[np.argsort(finite.values, kind="stable")[:5]]))


def _evidence(worst: _Class, classes: list[_Class], p_most: float) -> tuple[Evidence, ...]:
    rest = [one for one in classes if one.name != worst.name]
    found = [
        Evidence("Focus", worst.plain, _CHANCE),
        Evidence("Focus of the other classes", float(np.median([one.plain for one in rest]))),
    ]
    if np.isfinite(worst.exchanged):
        found += [
            Evidence("exchanged Focus", worst.exchanged, _CHANCE),
            Evidence("upper end of its interval", worst.exchanged_interval[1], _CHANCE),
            Evidence("exchanged Focus of the other classes", float(np.nanmedian([one.exchanged for one in rest]))),
            Evidence("p against the other classes", worst.p, p_most),
        ]
    return tuple(found)


_mosaics = partial(partial, synthetic.mosaics)
_effects_of = partial(partial, synthetic.effects)

RULE = Rule(
    id="attribution-bias",
    group="bias",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("inspect-examples", "mask-artefact", "collect-counter-examples", "cutout", "balance-data"),
    cases=(
        Case("a region that most of a class hangs on", _effects_of(0.9, transfer=0.95, p_value=1e-9), Severity.ERROR),
        Case("a region that some of a class hangs on", _effects_of(0.3, transfer=0.4, p_value=1e-5), Severity.WARNING),
        Case(
            "a colour that may be what the class is",
            _effects_of(0.9, transfer=0.95, p_value=1e-9, apart=0.0),
            Severity.NOTE,
        ),
        Case("an effect that chance may have made", _effects_of(0.3, transfer=0.4, p_value=0.2)),
        Case("a region that carries the thing in every class", _effects_of(0.5, transfer=0.5, reference=0.45)),
        Case("a region that is missed and gives nothing", _effects_of(0.9, transfer=0.08, p_value=1e-9)),
        Case("a mark in one place", _mosaics(exchanged={"3": 0.35}), Severity.ERROR),
        Case("a mark that holds about half of the evidence", _mosaics(exchanged={"3": 0.47}), Severity.WARNING),
        Case("a background shared with other classes", _mosaics(plain={"3": 0.4}), Severity.ERROR),
        Case("a class that other classes resemble", _mosaics(plain={"3": 0.62}, exchanged={"3": 0.55})),
        Case("every class by what it shows", synthetic.mosaics),
        Case("relevance that does not depend on the class", _mosaics(level=0.52)),
        Case("a method with high Focus for random weights", _mosaics(exchanged={"3": 0.35}, random=0.7)),
        Case("Focus logged during a training", synthetic.focus_curves, Severity.WARNING),
        Case("Focus logged during a training, every class sound", partial(synthetic.focus_curves, end=0.8)),
    ),
)
