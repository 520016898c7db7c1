"""Every part that a recipe can name, with one line and its source: what `diagnose reference parts` prints."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from diagnose.reports.page import Page

TITLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "gradient descent": (("optimizers", "DESCENTS"),),
    "optimizers": (("optimizers", "OPTIMIZERS"),),
    "schedules": (("schedules", "SCHEDULES"),),
    "activations": (("activations", "ACTIVATIONS"),),
    "initialization": (("initializers", "INITIALIZERS"),),
    "regularization": (("regularizers", "REGULARIZERS"),),
    "dropout": (("regularizers", "DROPOUTS"),),
    "convolutions": (("convolutions", "CONVOLUTIONS"), ("convolutions", "MORE_CONVOLUTIONS")),
    "pooling": (("convolutions", "POOLINGS"),),
    "normalization": (("normalizations", "NORMALIZATIONS"),),
    "heads": (("heads", "HEADS"),),
    "blocks": (("blocks", "BLOCKS"),),
    "attention": (("attentions", "ATTENTIONS"),),
    "positions": (("attentions", "POSITIONS"),),
    "models": (("models", "MODELS"),),
    "augmentation": (("augmentations", "AUGMENTATIONS"),),
    "self-training": (("self_training", "SELF_TRAINING"),),
    "tasks": (("data", "TASKS"),),
    "artefacts": (("artefacts", "ARTEFACTS"),),
    "losses": (("losses", "LOSSES"),),
    "metrics": (("losses", "METRICS"),),
    "monitors": (("monitors", "MONITORS"),),
    "manifold": (("manifold", "MANIFOLD"),),
}
"""Title -> the dicts, by module and name, whose parts stand under it."""

FIELDS: Mapping[str, tuple[str, str]] = {
    "task": ("data", "TASKS"),
    "model": ("models", "MODELS"),
    "descent": ("optimizers", "DESCENTS"),
    "optimizer": ("optimizers", "OPTIMIZERS"),
    "scheduler": ("schedules", "SCHEDULES"),
    "activation": ("activations", "ACTIVATIONS"),
    "initialization": ("initializers", "INITIALIZERS"),
    "normalization": ("normalizations", "NORMALIZATIONS"),
    "block": ("blocks", "BLOCKS"),
    "convolution": ("convolutions", "CONVOLUTIONS"),
    "pooling": ("convolutions", "POOLINGS"),
    "head": ("heads", "HEADS"),
    "attention": ("attentions", "ATTENTIONS"),
    "positions": ("attentions", "POSITIONS"),
    "dropout_kind": ("regularizers", "DROPOUTS"),
    "augmentation": ("augmentations", "AUGMENTATIONS"),
    "self_training": ("self_training", "SELF_TRAINING"),
    "artefact": ("artefacts", "ARTEFACTS"),
    "loss_function": ("losses", "LOSSES"),
    "metric": ("losses", "METRICS"),
}
"""Field of a recipe -> the dict that holds what its names stand for."""

SETTINGS = ("padding", "frozen", "precision", "stop_on", "device", "policy_task")
"""Fields whose names are settings of a part, and no parts themselves."""


@dataclass(frozen=True)
class Part:
    """A part: the name that a recipe calls it by, what it is in one sentence, and where it comes from."""

    name: str
    line: str
    source: str


def parts_of(module: str, attribute: str) -> dict[str, Any]:
    """The dict of an axis: name -> function or class."""
    found: dict[str, Any] = getattr(import_module(f"reference_trainer.{module}"), attribute)
    return found


def catalogue() -> dict[str, list[Part]]:
    """Title -> its parts, in the order of the lecture notes' subjects."""
    return {
        title: [_part(name, value) for where in dicts for name, value in parts_of(*where).items()]
        for title, dicts in TITLES.items()
    }


def render(width: int = 80, *, picture: bool = True, color: bool = False) -> str:
    """The catalogue as text: under each title a table of names, what each is, and its source.

    width: columns. picture: False writes a sentence per part, for a screen reader. color: with ANSI colours.
    """
    page = Page(width=width, picture=picture, color=color)
    found = catalogue()
    names = max(len(part.name) for parts in found.values() for part in parts)
    lines: list[str] = []
    for title, parts in found.items():
        lines += ["", page.paint(title, "strong")] if lines else [page.paint(title, "strong")]
        for part in parts:
            lines += _row(part, names, page) if picture else [f"{part.name}: {part.line} Source: {part.source}"]
    return "".join(f"{line}\n" for line in lines)


def _row(part: Part, names: int, page: Page) -> list[str]:
    """The name, and beside it the sentence and below that the source."""
    room = max(page.width - names - 4, 12)
    line = textwrap.wrap(part.line, room, break_on_hyphens=False) or [""]
    source = [page.paint(text, "faint") for text in textwrap.wrap(f"[{part.source}]", room, break_on_hyphens=False)]
    head = [f"  {part.name:{names}}", *[" " * (names + 2)] * (len(line) + len(source) - 1)]
    return [f"{start}  {text}".rstrip() for start, text in zip(head, [*line, *source], strict=True)]


def _part(name: str, value: Any) -> Part:
    """The part whose docstring is that of a function or class; what a docstring lacks is empty."""
    doc = inspect.cleandoc(value.__doc__ or "")
    sources = re.findall(r"^Source: *(.+(?:\n(?!Source:).+)*)", doc, flags=re.MULTILINE)
    return Part(name, doc.partition("\n")[0], " ".join(" ".join(sources).split()))
