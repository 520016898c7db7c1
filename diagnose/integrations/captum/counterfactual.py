"""What a region of the image is worth to a class: its counterfactual effect.

effects = search(model, pixels, labels, usable)          # one per class and kind of region, the best first

Every image that the model gets right is shown again with a region of it taken out. Two things are counted by class:

fall        share of the class's images that it loses when the region comes from images of other classes, or is filled
            from around it, the mean of the two; an aspect of the whole image cannot be filled
transfer    share of the images of other classes that it gains when the region comes from its own

An exchange may break an image whatever it brings: what is lost with the region of other images of the same class, and
gained with that of third classes, is taken off. The effect is the smaller of the two: an answer that goes along with
the region, both ways. What belongs to the thing goes on around the region, and filling it in brings much of it back; of
a mark it leaves nothing. What is left of the thing in a region has an effect in every class; so the effect of a class
is held against that of the other classes' best region of the same kind and size, and a class is found that stands apart
from them. (Of the background, against that of the things, where they do less.) Places so large that the thing is
exchanged with them are not judged; they lead to smaller windows, which are cut down as long as there is an effect.

What stands apart may still be what the class is. A part of the thing makes those classes this one that resemble it in
the rest; a mark makes all of them: the classes that give most are left out of the transfer. The colour of the image, or
its texture, may be the thing's; it is `apart` from the thing where the background of this class, and not that of the
others, does half as much. And what is around the thing is only known where the masks are the user's, or where the model
goes by what was segmented, and not by the rest: in a picture of grass every part of it is grass.

The measure is our own. On counterfactual exchange: Chang et al., Explaining Image Classifiers by Counterfactual
Generation (2019); on backgrounds, Xiao et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition
(2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from diagnose.integrations.captum import regions as where
from diagnose.integrations.captum.pixels import Pixels
from diagnose.integrations.captum.regions import Region

Labels = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
Step = Callable[[int, str], None]
_Grounds = dict[int, tuple["Effect", tuple[float, float]]]

SEARCHED = 16
"""Images of a class on which windows are cut down; what is left is tried on all."""

STARTS = 2
"""Windows of a half, for each class, from which smaller ones are sought."""

CONFIRMED = 3
"""How often a region that stands apart is tried, each time with other donors; the mean counts."""

WORTH_CONFIRMING = 0.08
"""Effect above the reference from which on a region is tried again."""

THING_DOES, OVER_GROUND = 0.3, 2.0
"""Effect of what was segmented from which on it is the thing, and over that of the background; of the middle class."""

WORTH_CUTTING = 0.08
"""Effect of a window below which no smaller one is sought in it: one in twelve images."""


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What the exchange of a region did to a class.

    lost, removed, gained: how many of `own` images of the class were lost by the exchange, and by filling the region
        in, and how many of `others` images of other classes were gained. An aspect cannot be filled in: `removed` is
        `lost` then.
    spoiled, chance: shares that are lost with the region of the class's own images, and gained with that of third ones.
    reference: the effect of the classes that it stands apart from, or of other places of the class.
    apart: whether the region can be told from the thing; else the class may be just that.
    trials: how many pairs of region and class were tried in all, for the correction.
    p: that lost and gained are no more than the reference; not corrected.
    """

    target: int
    region: Region
    lost: int
    removed: int
    own: int
    gained: int
    others: int
    spoiled: float = 0.0
    chance: float = 0.0
    reference: float = 0.0
    apart: bool = True
    trials: int = 1
    p: float = 1.0

    @property
    def fall(self) -> float:
        """The mean over the two ways of taking the region out; from 0 to 1."""
        lost = max(self.lost / max(self.own, 1) - self.spoiled, 0.0)
        return lost if self.region.fill is None else (lost + self.removed / max(self.own, 1)) / 2

    @property
    def transfer(self) -> float:
        """From 0 to 1."""
        return max(self.gained / max(self.others, 1) - self.chance, 0.0)

    @property
    def size(self) -> float:
        """The smaller of the two."""
        return min(self.fall, self.transfer)

    @property
    def excess(self) -> float:
        """Above the reference."""
        return self.size - self.reference

    @property
    def corrected(self) -> float:
        """p times all that was tried [Bonferroni]."""
        return min(1.0, self.p * self.trials)


@torch.no_grad()
def search(
    model: nn.Module,
    pixels: Pixels,
    labels: Labels,
    usable: Labels,
    extra: Sequence[Region] = (),
    *,
    known: bool = False,
    seed: int = 0,
    batch: int = 64,
    progress: Step | None = None,
) -> list[Effect]:
    """The effect of the best region of each kind on each class, the largest above its reference first.

    model: in evaluation mode, images to scores of shape (n, classes). usable: numbers of the images it gets right.
    extra: regions beside those that are tried of every image, such as the background.
    known: whether the background and the thing among them are so for certain.
    """
    trial = _Trial(model, pixels, labels, usable, np.random.default_rng(seed), batch, progress)
    height, width = pixels.shape[1:]
    tried = [trial.everywhere(region) for region in (*where.fixed(height, width), *extra)]
    whole = [effect for effects in tried for effect in effects]
    small, cuts = _windows(trial, whole, height, width)
    count = len(whole) + cuts
    grounds = _grounds(whole) if known or _goes_by_things(whole) else None
    found = []
    for kind in dict.fromkeys(effect.region.kind for effect in (*whole, *small) if effect.region.judged):
        of_kind = [effect for effect in (*whole, *small) if effect.region.kind == kind]
        ranked = _referred(of_kind, whole, len(np.unique(labels[usable])))
        if kind == where.BACKGROUND:
            ranked = _against_the_thing(ranked, whole, known=grounds is not None)
        again = [trial.again(one, grounds) if one.excess >= WORTH_CONFIRMING else one for one in ranked]
        found += [_with_p(replace(effect, trials=count)) for effect in again]
    return sorted(found, key=lambda effect: -effect.excess)


def work(classes: int, images: int) -> int:
    """Images that a search puts through the model, about, for a progress bar."""
    return 70 * images + 150 * classes * SEARCHED


def balanced(labels: Labels, own: Labels, random: np.random.Generator, givers: Labels | None = None) -> Labels:
    """A donor of another class for each of the own images, the other classes taking turns.

    labels: of all images. own, givers: numbers of images; None for the own ones.
    """
    givers = own if givers is None else givers
    of_class = {int(label): random.permutation(givers[labels[givers] == label]) for label in np.unique(labels[givers])}
    donors = np.empty_like(own)
    used = dict.fromkeys(of_class, 0)
    for label in np.unique(labels[own]):
        mine = np.flatnonzero(labels[own] == label)
        others = [other for other in of_class if other != label]
        turns = np.concatenate([random.permutation(others) for _ in range(-(-len(mine) // len(others)))])
        for place, other in zip(mine, turns, strict=False):
            donors[place] = of_class[other][used[other] % len(of_class[other])]
            used[other] += 1
    return donors


def _windows(trial: _Trial, whole: Sequence[Effect], height: int, width: int) -> tuple[list[Effect], int]:
    """The best window of each level of area for each class, tried on all images; and how many were tried at all."""
    found, count = [], 0
    starts = [effect for effect in whole if effect.region.kind == "window 1/2"]
    for target in dict.fromkeys(effect.target for effect in starts):
        mine = sorted((effect for effect in starts if effect.target == target), key=lambda effect: -effect.size)
        paths = [
            one
            for start in mine[:STARTS]
            if start.size >= WORTH_CUTTING and start.region.box is not None
            for one in trial.cut(target, start.region.box)
        ]
        count += len(paths)
        for level in where.LEVELS:
            fitting = [(size, box) for size, box in paths if level / 2.0 <= where.area(box, height, width) <= level]
            if fitting:
                box = max(fitting)[1]
                region = where.window(box, height, width, f"window of {100.0 * level:.2g} % of the image")
                found.append(trial.of_class(target, region))
    return found, count


def _referred(effects: Sequence[Effect], whole: Sequence[Effect], classes: int) -> list[Effect]:
    """The best effect of each class among regions of one kind, with its reference.

    A class without a region of the kind has no effect: none was found that was worth to be made smaller.
    Boxes that wander take of every class what it is told by, so the class must stand apart by the fall as well.
    """
    best: dict[int, Effect] = {}
    for effect in effects:
        if effect.target not in best or effect.size > best[effect.target].size:
            best[effect.target] = effect
    ranked = sorted(best.values(), key=lambda effect: -effect.size)
    if classes == 2:
        references = [_elsewhere(effect, effects, whole) for effect in ranked]
    else:
        sizes = [effect.size for effect in ranked]
        references = _of_others(sizes + [0.0] * (classes - len(sizes)))[: len(sizes)]
        if all(effect.region.give is not None for effect in ranked):
            falls = _of_others([effect.fall for effect in ranked])
            references = [
                max(reference, effect.size - max(effect.fall - fall, 0.0))
                for effect, reference, fall in zip(ranked, references, falls, strict=True)
            ]
    return [replace(effect, reference=reference) for effect, reference in zip(ranked, references, strict=True)]


def _goes_by_things(whole: Sequence[Effect]) -> bool:
    """Whether most classes are told by what was segmented, and not by the rest.

    Of a texture, each part does what its area is worth.
    """
    thing, ground = (
        float(np.median([effect.size for effect in whole if effect.region.kind == kind] or [0.0]))
        for kind in (where.THE_THING, where.BACKGROUND)
    )
    return thing >= max(THING_DOES, OVER_GROUND * ground)


def _grounds(whole: Sequence[Effect]) -> _Grounds:
    """Of each class the effect of its background, with the fall and the transfer that are usual in the others."""
    found = [effect for effect in whole if effect.region.kind == where.BACKGROUND]
    falls = _of_others([one.fall for one in found])
    transfers = _of_others([one.transfer for one in found])
    return {one.target: (one, (fall, transfer)) for one, fall, transfer in zip(found, falls, transfers, strict=True)}


def _against_the_thing(backgrounds: Sequence[Effect], whole: Sequence[Effect], *, known: bool) -> list[Effect]:
    """The effects of the background, held against the most that the thing itself does in any class, if that is less.

    Where every class goes by its background, none stands apart, but no thing does anything. Where it is not `known`
    what the thing is, a background that does no more than the class's own thing is not told from it.
    """
    most = max((effect.size for effect in whole if effect.region.kind == where.THE_THING), default=1.0)
    things = (effect for effect in whole if effect.region.kind == where.THE_THING and not known)
    own = {effect.target: effect.size for effect in things}
    return [
        replace(effect, reference=max(min(effect.reference, most), own.get(effect.target, 0.0)))
        for effect in backgrounds
    ]


def _of_others(sizes: Sequence[float]) -> list[float]:
    """What each class's effect is held against: the second largest of the other classes', where there are three.

    So two classes with a mark do not hide one another.
    """
    found = []
    for place in range(len(sizes)):
        others = sorted([*sizes[:place], *sizes[place + 1 :]], reverse=True)
        found.append(others[1] if len(others) > 2 else max(others, default=0.0))
    return found


def _elsewhere(effect: Effect, effects: Sequence[Effect], whole: Sequence[Effect]) -> float:
    """The largest effect of the same class at places of the same kind that do not touch; 0 where there are none.

    That of what lies in no one place is held against the thing's. Of two classes, what the one loses the other gains,
    and neither stands apart from the other.
    """
    mask = effect.region.mask
    if mask is None:
        things = (one for one in whole if one.region.kind == where.THE_THING and one.target == effect.target)
        return max((one.size for one in things), default=0.0)
    apart = [
        other.size
        for other in effects
        if other.target == effect.target
        and other.region.mask is not None
        and not bool((mask & other.region.mask).any())
    ]
    return max(apart, default=0.0)


def _with_p(effect: Effect) -> Effect:
    """The effect with the chance that both counts are no more than its reference.

    Two binomial tests, joined [Fisher, Statistical Methods for Research Workers (1925)]. The reference is itself a
    share of as many images, and one success more is granted to it.
    """
    from scipy.stats import binom, chi2

    level = (effect.reference * effect.own + 1.0) / (effect.own + 2.0)
    lost = binom.sf(round(effect.fall * effect.own) - 1, effect.own, level)
    gained = binom.sf(round(effect.transfer * effect.others) - 1, effect.others, level)
    statistic = -2.0 * float(np.log(max(lost, 1e-300)) + np.log(max(gained, 1e-300)))
    return replace(effect, p=float(chi2.sf(statistic, 4)))


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A model and the images that it gets right."""

    model: nn.Module
    pixels: Pixels
    labels: Labels
    usable: Labels
    random: np.random.Generator
    batch: int
    progress: Step | None

    def everywhere(self, region: Region) -> list[Effect]:
        """The effect of one region on every class: each image once with a donor of another class."""
        own = self.usable
        donors = balanced(self.labels, own, self.random)
        taken = self._answers(region.mix, own, donors, region.name)
        given = taken if region.give is None else self._answers(region.give, own, donors, region.name)
        filled = taken if region.fill is None else self._answers(region.fill, own, donors, region.name)
        mine, theirs = self.labels[own], self.labels[donors]
        return [
            Effect(
                int(label),
                region,
                lost=int((taken[mine == label] != label).sum()),
                removed=int((filled[mine == label] != label).sum()),
                own=int((mine == label).sum()),
                gained=int((given[theirs == label] == label).sum()),
                others=int((theirs == label).sum()),
            )
            for label in np.unique(mine)
        ]

    def of_class(self, target: int, region: Region, most: int | None = None) -> Effect:
        """The effect of one region on one class, by at most so many of its images."""
        mine = self.usable[self.labels[self.usable] == target]
        rest = self.usable[self.labels[self.usable] != target]
        mine = mine if most is None else mine[:most]
        takers = self._spread(rest, len(mine))
        donors = self._spread(rest, len(mine))
        lost = self._answers(region.mix, mine, donors, region.name) != target
        gained = self._answers(region.give or region.mix, takers, self.random.permutation(mine), region.name) == target
        filled = lost if region.fill is None else self._answers(region.fill, mine, mine, region.name) != target
        return Effect(target, region, int(lost.sum()), int(filled.sum()), len(lost), int(gained.sum()), len(gained))

    def again(self, effect: Effect, grounds: _Grounds | None) -> Effect:
        """The effect as the mean over `CONFIRMED` rounds, of which it was the first, and what the exchange breaks.

        grounds: of the backgrounds, where it is known what they are.
        """
        rounds = [effect, *(self.of_class(effect.target, effect.region) for _ in range(CONFIRMED - 1))]

        def mean(count: Callable[[Effect], int]) -> int:
            return round(sum(map(count, rounds)) / CONFIRMED)

        found = replace(
            effect,
            lost=mean(lambda one: one.lost),
            removed=mean(lambda one: one.removed),
            gained=mean(lambda one: one.gained * effect.others // one.others),
            spoiled=self._spoiled(effect),
            chance=self._chance(effect),
        )
        if effect.region.fill is not None:
            return replace(found, gained=min(found.gained, round(self._from_all(effect) * effect.others)))
        own = (grounds or {}).get(effect.target)
        return replace(found, apart=own is not None and self._in_ground(found, *own))

    def _from_all(self, effect: Effect) -> float:
        """The share of other images that are gained, without the quarter of the classes that give most."""
        rest = self.usable[self.labels[self.usable] != effect.target]
        mine = self.usable[self.labels[self.usable] == effect.target]
        takers = np.tile(rest, CONFIRMED)
        donors = self.random.permutation(np.resize(mine, len(takers)))
        mix = effect.region.give or effect.region.mix
        gained = self._answers(mix, takers, donors, effect.region.name) == effect.target
        shares = sorted(float(gained[self.labels[takers] == other].mean()) for other in np.unique(self.labels[rest]))
        return float(np.mean(shares[: len(shares) - round(len(shares) / 4)]))

    def _in_ground(self, effect: Effect, ground: Effect, usual: tuple[float, float]) -> bool:
        """Whether the background does half as much as an aspect of the whole, beyond what is usual; it does of itself.

        By fall or by transfer: a thing that keeps its part of a mark hides what the rest of it does.
        """
        if not effect.region.of_whole:
            return True
        rounds = [ground, *(self.of_class(effect.target, ground.region) for _ in range(CONFIRMED - 1))]
        lost = sum(one.lost for one in rounds) / sum(one.own for one in rounds) - self._spoiled(ground)
        gained = sum(one.gained for one in rounds) / sum(one.others for one in rounds) - self._chance(ground)
        return lost - usual[0] >= effect.fall / 2.0 or gained - usual[1] >= effect.transfer / 2.0

    def _spoiled(self, effect: Effect) -> float:
        """The share of the class that is lost with the region of other images of the class.

        0 where the place differs between images: what lies in it is taken out by any other image.
        """
        if effect.region.give is not None:
            return 0.0
        mine = self.usable[self.labels[self.usable] == effect.target]
        donors = np.roll(self.random.permutation(mine), 1)
        return float((self._answers(effect.region.mix, mine, donors, effect.region.name) != effect.target).mean())

    def _chance(self, effect: Effect) -> float:
        """The share of other images that are gained with the region of third classes, or of their own without such."""
        rest = self.usable[self.labels[self.usable] != effect.target]
        takers = self._spread(rest, effect.own)
        if len(np.unique(self.labels[rest])) > 1:
            donors = balanced(self.labels, takers, self.random, rest)
        else:
            donors = np.roll(takers, 1)
        mix = effect.region.give or effect.region.mix
        return float((self._answers(mix, takers, donors, effect.region.name) == effect.target).mean())

    def cut(self, target: int, box: where.Box) -> Iterator[tuple[float, where.Box]]:
        """Ever smaller windows within the box, each with its effect on the class, those that were tried on the way."""
        height, width = self.pixels.shape[1:]
        while where.area(box, height, width) > where.LEVELS[-1]:
            tried = []
            for smaller in where.trimmed(box):
                region = where.window(smaller, height, width, "cut", judged=False)
                tried.append((self.of_class(target, region, SEARCHED).size, smaller))
            yield from tried
            if not tried or max(tried)[0] < WORTH_CUTTING:
                return
            box = max(tried)[1]

    def _spread(self, numbers: Labels, count: int) -> Labels:
        """So many of the images, classes taking turns."""
        order = self.random.permutation(numbers)
        turn = np.empty(len(order), dtype=np.int64)
        for label in np.unique(self.labels[order]):
            at = np.flatnonzero(self.labels[order] == label)
            turn[at] = np.arange(len(at))
        order = order[np.argsort(turn, kind="stable")]
        return np.resize(order, count)

    def _answers(self, mix: where.Mix, own: Labels, donors: Labels, said: str) -> Labels:
        """The classes that the model answers to the mixed images."""
        found = []
        for start in range(0, len(own), self.batch):
            i, j = (torch.from_numpy(part[start : start + self.batch]) for part in (own, donors))
            mixed = mix(self.pixels[i], self.pixels[j], i, j)
            found.append(self.model(mixed).argmax(dim=1).cpu().numpy())
            if self.progress is not None:
                self.progress(len(i), said)
        answers: Labels = np.concatenate(found)
        return answers
