"""The configuration that lies beside a log: Lightning's `hparams.yaml`, the YAML files of Ultralytics and YOLOv5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = {
    "lightning-csv": ("hparams.yaml",),
    "ultralytics-csv": ("args.yaml", "opt.yaml", "hyp.yaml"),
    "yolo-results-txt": ("opt.yaml", "hyp.yaml"),
}
"""Format -> the files that hold hyperparameters, the later ones completing the earlier."""

_LARGEST = 1_000_000  # bytes; a configuration is smaller, and YAML is slow to read


def config(path: Path, format: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the files beside the log at `path` say, flat, and a note for each that could not be read."""
    found: dict[str, Any] = {}
    notes = []
    for name in FILES.get(format, ()):
        try:
            text = _text(path.parent / name)
            found = _flat(_yaml(text)) | found if text else found
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:120]
            notes.append(f"{name} could not be read ({reason}): hyperparameters are unknown")
    return found, tuple(notes)


def _text(path: Path) -> str:
    """The file's text; "" where there is none."""
    if not path.is_file():
        return ""
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is larger than a configuration")
    return path.read_text(encoding="utf-8", errors="replace")


def _yaml(text: str) -> Any:
    """The YAML value, where objects of Python (`!!python/object`) stand as None. Raises ValueError where it is none."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Builds plain values only."""

    def plain(loader: Any, suffix: str, node: Any) -> Any:
        return node.value if isinstance(node, yaml.ScalarNode) else None

    Loader.add_multi_constructor("", plain)
    try:
        return yaml.load(text, Loader=Loader)  # a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _flat(value: Any, prefix: str = "", depth: int = 4) -> dict[str, Any]:
    """Scalars by name; nested names are joined by `/`, but for YOLOv5's `hyp`, whose names stand for themselves."""
    flat: dict[str, Any] = {}
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        name = f"{prefix}{key}"
        if isinstance(inner, Mapping) and depth:  # the depth bounds what YAML's references can unfold to
            flat |= _flat(inner, "" if name == "hyp" else f"{name}/", depth - 1)
        elif isinstance(inner, bool | int | float | str):
            flat[name] = inner
    return flat
