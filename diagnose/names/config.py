"""A run's configuration, whoever wrote it, as one flat mapping of canonical names to plain values.

    load(Path("args.yaml"))            # the file behind `--config`: YAML, JSON, TOML, or a folder of MLflow params
    normalise({"optimizer": {"value": {"method": "sgd", "lr": "1e-2"}}})
    # {"optimizer": "sgd", "learning_rate": 0.01}

W&B's `{"key": {"value": ...}}`, the nested tables of Hydra, Lightning and mmengine, and the strings of MLflow come out
alike. What a name means is asked of `diagnose.names.hyperparameters`. PyYAML is imported where a YAML file is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from diagnose import files, limits
from diagnose.errors import ConfigError
from diagnose.names import hyperparameters, plain_yaml, roles

_MOST_ENTRIES = 20_000  # visited
_DEEPEST = 10  # levels of nesting
_LONGEST_NAME = 500  # characters; a longer one is a text
_LARGEST_INTEGER = 10**40  # a longer one is an identifier
_LONGEST = 2_000  # characters of a string; longer ones are texts, no hyperparameters

_SWITCHES = frozenset({"early_stopping", "normalize_inputs", "augmentation", "auto_augment"})
_OFF = frozenset({"none", "no", "off", "disabled"})
"""What a switch says instead of False. YAML itself reads `no` and `off` so."""

_NAMING = ("name", "type", "_target_", "class_path", "class_name", "method", "target", "algorithm")
"""Keys under which a table says which optimizer, scheduler ... it configures."""
_NAMED = frozenset({"optimizer", "scheduler", "activation", "initialization", "model", "dataset", "loss_function"})

_TRAINING = frozenset("trainer optimizer optim solver hyperparameters hparams hyp".split())  # noqa: SIM905
_ELSEWHERE = frozenset("predict inference generation generate teacher ema target".split())  # noqa: SIM905
"""Words in the names of folders, beside those of splits: hyperparameters of the training go before others of the same
name; those of something else than the training are none."""
_AMBIGUOUS = frozenset({"decay"})
"""`decay` is the learning rate's in Keras, the weights' in Darknet, the average's in an EMA: it keeps its own name."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def load(path: Path) -> dict[str, Any]:
    """Read the configuration of one run and normalise it.

    path: a YAML, JSON or TOML file, or a folder with one small file per name, as MLflow's `params/`.
    Raises ConfigError where it cannot be read or holds no names with values.
    """
    try:
        raw = _folder(path) if path.is_dir() else _parse(path, _text(path))
        if not isinstance(raw, Mapping):
            raise ConfigError("holds no names with values; write one per line, such as `optimizer: adam`")
        return normalise(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened ({(error.strerror or str(error)).lower()})") from error


def normalise(config: Mapping[Any, Any]) -> dict[str, Any]:
    """A configuration as the rules read it: flat, canonical names first of all, numbers as numbers.

    A value is a bool, int, float or str, or a list of them (one whose items are all equal becomes that item); what is
    not set (None) and what is no plain value is left out. Where two entries mean one thing, the less nested one gets
    the canonical name, then the one in a folder of the training; the other keeps its path, joined by `/`. Applying it
    again changes nothing.
    Raises ConfigError for a configuration of more than 20,000 entries.
    """
    entries = [("/".join(path), value) for path, value in _entries(config)]
    entries.sort(key=_precedence)  # stable: the order of the file where nothing else decides
    known: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in entries:
        (others if _means_something_else(name) else known).setdefault(name, value)
    named: dict[str, Any] = {}
    for name, value in hyperparameters.hyperparameters(known).items():
        off = name in _SWITCHES and isinstance(value, str) and value.casefold() in _OFF
        plain = False if off else _plain(_unwrap(value))  # a string may have been made of a part of the name
        if plain is not None:
            named[name] = plain
    if any(_stops_early(name, value) for name, value in entries):
        named.setdefault("early_stopping", True)
    return {**others, **named}


def _precedence(entry: tuple[str, Any]) -> tuple[int, bool]:
    """Less nested names first, and among them those in a folder of the training."""
    *folders, _ = re.split(r"[./]", entry[0])
    return len(folders), not any(w in _TRAINING or roles.SPLITS.get(w) == "train" for w in _words_of(folders))


def _means_something_else(name: str) -> bool:
    """Whether the last word of a path must not be read as a hyperparameter of the training."""
    *folders, leaf = re.split(r"[./]", name)
    elsewhere = any(w in _ELSEWHERE or roles.SPLITS.get(w) in ("val", "test") for w in _words_of(folders))
    return leaf.casefold() in _AMBIGUOUS or elsewhere


def _words_of(folders: Sequence[str]) -> Iterator[str]:
    return (word for folder in folders for word in roles.words(folder))


def _stops_early(name: str, value: Any) -> bool:
    """Whether the entry configures early stopping, as the callback of a framework may do anywhere."""
    said = f"{name} {value if isinstance(value, str) else ''}".casefold().replace("_", "")
    return "earlystopping" in said and bool(value) and str(value).casefold() not in _OFF


# --- walking ----------------------------------------------------------------------------------------------------------


def _entries(config: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, plain value) of everything that is set, in the order of the file."""
    return _walk(config, (), iter(range(_MOST_ENTRIES)))


def _walk(value: Any, path: tuple[str, ...], left: Iterator[int]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The entries at and below a path; `left` gives a number for each entry that may still be visited."""
    if next(left, None) is None:
        raise ConfigError(f"holds more than {_MOST_ENTRIES:,} entries; give the configuration of one run")
    value = _unwrap(value) if path else value
    inside = _inside(value)
    if inside is None:
        plain = _plain(value)
        if plain is not None and path:
            yield path, plain
        return
    if isinstance(value, Mapping) and len(path) >= _DEEPEST:
        return
    kind = _kind(path, value)
    if kind is not None:
        yield (*path[:-1], hyperparameters.hyperparameter(path[-1])), kind
    for name, inner in inside:
        yield from _walk(inner, (*path, name), left)


def _inside(value: Any) -> list[tuple[str, Any]] | None:
    """What a table, or a list of tables, holds, each with its name or place; None for anything else."""
    if isinstance(value, Mapping):
        named = ((str(key).strip(" ./"), inner) for key, inner in value.items())
        # `_wandb`, and what lies inside of a pickled object, are none of the user's
        return [(name, inner) for name, inner in named if 0 < len(name) <= _LONGEST_NAME and name[0] != "_"]
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return [(str(index), item) for index, item in enumerate(value[:100])]  # callbacks; a longer list is data
    return None


def _unwrap(value: Any) -> Any:
    """What stands in W&B's `{"desc": ..., "value": ...}`; anything else as it is, strings of Python literals read."""
    if isinstance(value, Mapping) and "value" in value and set(value) <= {"desc", "value"}:
        value = value["value"]
    if isinstance(value, str) and value.strip()[:1] in ("{", "[", "(") and len(value) <= _LONGEST:
        import ast

        try:
            return _unwrap(ast.literal_eval(value.strip()))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return value
    return value


def _kind(path: tuple[str, ...], table: Any) -> str | None:
    """Which optimizer, scheduler ... a table configures, where it stands under such a name and says so."""
    if not path or not isinstance(table, Mapping) or hyperparameters.hyperparameter(path[-1]) not in _NAMED:
        return None
    named = (table[key] for key in _NAMING if isinstance(table.get(key), str))
    return next((name for name in named if name), None)


def _plain(value: Any) -> Any:
    """The value as a bool, number, string or flat list of them; None for what is not set or no plain value."""
    if isinstance(value, str):
        return _read(value.strip())
    if isinstance(value, bool | int):
        return value if abs(value) < _LARGEST_INTEGER else None
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, list | tuple) and value and len(value) <= 100:
        parts = [_unwrap(item) for item in value]
        items = [_plain(part) for part in parts if not isinstance(part, list | tuple | Mapping)]
        if len(items) < len(value) or any(item is None for item in items):
            return None
        return items[0] if all(item == items[0] for item in items) else items
    return None


def _read(text: str) -> Any:
    """The number or truth value that a string spells, as MLflow and YAML's `1e-3` have them; else the string."""
    if text in ("", "None", "null") or len(text) > _LONGEST:
        return None
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    if len(text) > 40 or not _NUMBER.fullmatch(text):  # longer digits are an identifier
        return text
    number = float(text)
    if text.lstrip("+-").isdecimal():
        return int(text)
    return number if abs(number) < float("inf") else text


# --- files ------------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    """The file's text. Raises ConfigError where it is no text or too large."""
    most = limits.current().config_bytes
    with files.opened(path) as stream:
        data = files.beginning(stream, most + 1)
    if len(data) > most:
        raise ConfigError(
            f"is larger than a configuration, {limits.said('config_bytes', 'bytes')}; give that of one run"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("is no UTF-8 text; give a YAML, JSON or TOML file") from None


def _folder(path: Path) -> dict[str, Any]:
    """One entry per file, its name the key and its text the value."""
    if path.resolve().name != "params":
        raise ConfigError("is a folder; give the configuration file, or MLflow's folder `params` of one run")
    inside = sorted(p for p in path.iterdir() if p.is_file() and p.stat().st_size <= _LONGEST)[:1000]
    return {p.name: files.text(p, _LONGEST) for p in inside}


def _parse(path: Path, text: str) -> Any:
    """The value in a file: TOML and JSON by their suffix or first character, anything else as YAML."""
    suffix = path.suffix.casefold()
    try:
        if suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        if suffix == ".json" or text.lstrip().startswith("{"):
            return json.loads(text)
    except RecursionError:
        raise ConfigError("is nested too deeply; give the configuration of one run") from None
    except ValueError as error:
        if suffix in (".toml", ".json"):
            reason = " ".join(str(error).split())
            raise ConfigError(f"is no {suffix[1:].upper()} ({reason}); correct it there") from None
    return plain_yaml.load(text)
