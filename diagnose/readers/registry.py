"""The formats, in order of precedence; content decides, not the file name."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from diagnose.readers.document import Document

FORMATS = (
    # JSON, told by its first character
    "huggingface",
    "mmdet",
    "jsonl",
    "json_history",
    # delimited text, told by its header
    "yolo_results",
    "wandb_export",
    "stable_baselines",
    "ultralytics",
    "lightning",
    "keras_csv",
    # lines of text with named numbers in them; before the delimited text that any `;` or `|` could be
    "text_log",
    "generic_csv",
)
"""Modules of this package. Each has `NAME`, `recognise(document) -> bool`, which looks at the head only, and
`read(document) -> list[Table]`; they are imported when they are asked."""


def format_of(document: Document) -> ModuleType | None:
    """The first format that recognises the document; None where none does."""
    for name in FORMATS:
        module = import_module(f"diagnose.readers.{name}")
        if module.recognise(document):
            return module
    return None
