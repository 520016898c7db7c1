"""The formats, in order of precedence; content decides, not the file name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from diagnose.readers.tables.document import Document

BINARY = ("tensorboard", "wandb_file", "mlflow_sqlite", "trackio", "numpy_array")
"""The formats that are no text, told by their first bytes, among which is always a zero."""

JSON = ("huggingface", "mmdet", "mllog", "jsonl", "json_history")
"""The formats in which something stands between braces or brackets."""

FORMATS = (
    *BINARY,
    "catboost",  # tables and JSON
    *JSON,
    # delimited text, told by its header
    "deepxde",
    "focus_csv",
    "yolo_results",
    "known_csv",
    # lines of text with named numbers in them; before the delimited text that any `;` or `|` could be
    "text_log",
    "generic_csv",
)
"""Modules of this package. Each has `NAME`, `recognise(document) -> bool`, which looks at the head only, and
`read(document) -> list[Table]`; they are imported when they are asked."""

FOLDERS = ("mlflow_store", "catboost", "dvclive")
"""Formats of a folder that is one run. Each has `NAME`, `recognise(folder) -> bool`, `read(folder) -> list[Table]`, and
`rest(folders, names)`: the folders and files in it that are not part of the run."""


def format_of_folder(folder: Path) -> ModuleType | None:
    """The format in which the folder is one run; None where it is none by itself."""
    modules = (import_module(f"diagnose.readers.formats.{name}") for name in FOLDERS)
    return next((module for module in modules if module.recognise(folder)), None)


def format_of(document: Document) -> ModuleType | None:
    """The first format that recognises the document; None where none does.

    Raises ReadError where the document is neither text nor in a binary format that is known.
    """
    if b"\0" in document.head_bytes[:64]:
        for name in BINARY:
            module = import_module(f"diagnose.readers.formats.{name}")
            if module.recognise(document):
                return module
    document.refuse_binary()
    passed = BINARY if any(mark in document.head_text for mark in "{[") else BINARY + JSON
    for name in (name for name in FORMATS if name not in passed):
        module = import_module(f"diagnose.readers.formats.{name}")
        if module.recognise(document):
            return module
    return None
