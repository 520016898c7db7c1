"""The bars of the bias check: planted marks found, clean networks spared, the order of the methods, and its cost.

python tests/benchmarks/bias.py [--seeds 20] [--first-seed 400] [--order-seeds 5] [--only rates|order|cost]

rates   each kind of mark, and none, on seeds of their own; the marked class is the seed's last digit. Beside the check,
        with and without the effects of regions, stands the recall of the class once the mark is taken off its images:
        how much the network really goes by it.
order   median Focus of each method on clean networks, plain, and for random weights.
cost    200 mosaics of 64 x 64 with GradCAM on the reference CNN, against Captum's attributions of the same mosaics.

`bias_marks.py` does the same for marks and images of many kinds, half of which no design has seen.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import nn

from diagnose.integrations.captum import METHODS, Scores, focus
from diagnose.integrations.captum.methods import find_layer
from diagnose.integrations.captum.mosaics import compose
from diagnose.integrations.captum.page import judged
from diagnose.measure.statistics import wilson
from diagnose.rule import Severity
from reference_trainer.data import TASKS, Data
from reference_trainer.faults import BIASES, UNBIASED
from reference_trainer.models import build
from reference_trainer.recipe import Recipe
from reference_trainer.train import train

CLEAN = "clean"


def recipe(kind: str, seed: int) -> Recipe:
    """What is trained."""
    chosen = {"seed": seed, "artefact_class": seed % 10}
    return Recipe(**{**UNBIASED, **chosen}) if kind == CLEAN else BIASES[kind].recipe(**chosen)


def trained(kind: str, seed: int) -> tuple[nn.Module, Data]:
    made = recipe(kind, seed)
    return train(made).model, TASKS[made.task](made)


def verdict(scores: Scores, marked: str) -> tuple[bool, bool, bool]:
    """Whether anything was found, whether the marked class is named first, and whether nothing could be judged."""
    [diagnosis] = judged(scores)
    found = [one for one in diagnosis.findings if one.severity is not Severity.NOTE]
    return bool(found), any(one.summary.startswith(f"Class {marked}:") for one in found), bool(diagnosis.not_judged)


@torch.no_grad()
def recall_without(kind: str, seed: int, model: nn.Module) -> float:
    """Recall of the marked class on its images without the mark."""
    made = recipe(kind, seed)
    plain = TASKS[made.task](replace(made, artefact="none", normalize_inputs=False))
    marked = TASKS[made.task](replace(made, normalize_inputs=False))
    x = (plain.val_x - marked.x.mean()) / marked.x.std()
    mine = plain.val_y == made.artefact_class
    return float((model(x[mine]).argmax(dim=1) == made.artefact_class).float().mean())


def rates(seeds: range) -> bool:
    """Prints the rates, seed by seed and in all; True where all bars are met."""
    kinds = (CLEAN, *BIASES)
    hits, plain_hits = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    recalls: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        said = []
        for kind in kinds:
            model, data = trained(kind, seed)
            scores = focus(model, (data.val_x, data.val_y), seed=seed)
            full, alone = (verdict(some, str(seed % 10)) for some in (scores, replace(scores, effects=())))
            hits[kind] += full[0] if kind == CLEAN else full[1]
            plain_hits[kind] += alone[0] if kind == CLEAN else alone[1]
            recalls[kind].append(recall_without(kind, seed, model))
            said.append(f"{kind} {'not judged' if full[2] else 'right' if full[1] else 'found' if full[0] else '-'}")
        print(f"seed {seed}: {', '.join(said)}", flush=True)
    print(f"\n{'kind':22}  found, right class  with plain Focus alone  recall without the mark")
    for kind in kinds:
        low, high = (100.0 * end for end in wilson(hits[kind], len(seeds)))
        share = f"{hits[kind]} of {len(seeds)} ({low:.0f}-{high:.0f} %)"
        without = f"{statistics.median(recalls[kind]):.2f} (most {max(recalls[kind]):.2f})"
        print(f"{kind:22}  {share:18}  {f'{plain_hits[kind]} of {len(seeds)}':22}  {without}", flush=True)
    return hits[CLEAN] <= 0.05 * len(seeds) and all(hits[kind] >= 0.95 * len(seeds) for kind in BIASES)


def order(seeds: range) -> bool:
    """Prints Focus by method; True where GradCAM and LRP lie above SmoothGrad and Integrated Gradients."""
    found: dict[str, list[float]] = defaultdict(list)
    blank: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        model, data = trained(CLEAN, seed)
        scores = focus(model, (data.val_x, data.val_y), methods=tuple(METHODS), mosaics=200, effects=False, seed=seed)
        for method in METHODS:
            found[method].append(float(np.nanmedian(list(scores.medians(method).values()))))
            blank[method].append(scores.sanity(method))
    print(f"\n{'method':22}  Focus (lowest to highest of {len(seeds)} seeds)  random weights")
    middle = {method: statistics.median(values) for method, values in found.items()}
    for method, values in sorted(found.items(), key=lambda item: -middle[item[0]]):
        spread = f"({min(values):.2f} to {max(values):.2f})"
        print(f"{method:22}  {middle[method]:.2f} {spread:34}  {statistics.median(blank[method]):.2f}", flush=True)
    low = min(middle["gradcam"], middle["lrp"])
    return low > max(middle["smoothgrad"], middle["integrated-gradients"])


def cost(repeats: int = 7) -> bool:
    """Prints the time of a check over that of Captum alone; True where Focus alone takes at most twice as long."""
    made = Recipe(**UNBIASED)
    model = build(made, (3, 32, 32), 10).eval()
    random = torch.Generator().manual_seed(0)
    images = torch.randn(400, 3, 32, 32, generator=random)
    with torch.no_grad():
        model.classifier.bias -= model(images).mean(dim=0)  # so that a network that was not trained answers every class
        labels = model(images).argmax(dim=1)
    options = {"mosaics": 200, "all_images": True}
    scores = focus(model, (images, labels), **options)
    squares = compose(images, scores.mosaics)
    targets = torch.tensor([mosaic.target for mosaic in scores.mosaics])
    layer = model.get_submodule(find_layer(model)[0])

    def bare() -> None:
        for some, classes in zip(squares.split(32), targets.split(32), strict=True):
            LayerGradCam(model, layer).attribute(some, target=classes)

    def alone() -> None:
        focus(model, (images, labels), effects=False, sanity=False, **options)

    def full() -> None:
        focus(model, (images, labels), **options)

    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for name, call in (("Captum alone", bare), ("Focus", alone), ("Focus, effects, sanity", full)):
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    unit = statistics.median(seconds["Captum alone"])
    print(f"\n200 mosaics of {squares.shape[-1]} x {squares.shape[-2]}, GradCAM, {torch.get_num_threads()} thread(s)")
    for name, values in seconds.items():
        print(f"{name:25} {statistics.median(values):6.3f} s  {statistics.median(values) / unit:5.2f}", flush=True)
    return statistics.median(seconds["Focus"]) <= 2.0 * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=400)
    parser.add_argument("--order-seeds", type=int, default=5)
    parser.add_argument("--only", choices=("rates", "order", "cost"))
    chosen = parser.parse_args()
    first = chosen.first_seed
    parts = {
        "rates": lambda: rates(range(first, first + chosen.seeds)),
        "order": lambda: order(range(first, first + chosen.order_seeds)),
        "cost": cost,
    }
    passed = [part() for name, part in parts.items() if chosen.only in (None, name)]
    print(f"\nbars: {'all met' if all(passed) else 'missed'}")


if __name__ == "__main__":
    main()
