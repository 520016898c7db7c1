"""One value of a configuration file changed in place: only its own characters, so that comments and layout stay.

    text, kind = opened(Path("config.yaml"))
    changed(text, kind, "learning_rate", 0.01)           # the new text; EditError where that is not certain

Which entry a hyperparameter is read from is not guessed here: an entry is the right one where the configuration, read
once more after the change (see `diagnose.names.config`), says the new value and nothing else has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from diagnose import files, limits
from diagnose.errors import ConfigError
from diagnose.names import plain_yaml
from diagnose.names.config import normalise

Value = float | int | str | bool

KINDS = ("yaml", "json", "toml", "command")

_SCRIPTS = frozenset((".sh", ".bash", ".zsh", ".ps1", ".bat", ".cmd", ".slurm", ".sbatch", ".job", ".txt", ".args"))
_CODE = frozenset((".py", ".ipynb", ".r", ".jl", ".lua", ".c", ".cpp", ".rs"))

_FLAG = re.compile(
    r"(?<!\S)--?([A-Za-z][\w.-]*)(?:=|[ \t]+)"
    r"(\"[^\"\n]*\"|'[^'\n]*'|[^\s;|&\\<>\"'-][^\s;|&\\<>\"']*|-[\d.]\S*)"
)
_ASSIGNED = re.compile(r"(?<!\S)([A-Za-z_][\w.]*)=(\"[^\"\n]*\"|'[^'\n]*'|[^\s;|&\\<>\"']+)")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_SETTING = re.compile(r"(\s*([\w.\"'-]+)\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s#\[{,]+)")

ADDED: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (
        "per_device_train_batch_size",
        "",
        {
            "gradient_clip": "max_grad_norm",
            "weight_decay": "weight_decay",
            "label_smoothing": "label_smoothing_factor",
            "learning_rate": "learning_rate",
        },
    ),
    ("max_epochs", "trainer", {"gradient_clip": "gradient_clip_val"}),
)
"""(a key that only one framework has, the table that it stands in or "" for any, hyperparameter -> the framework's key
for it beside that): the Trainer of transformers, and Lightning's."""


class EditError(ConfigError):
    """A change that cannot be made with certainty; `str()` says why."""


class Entry(NamedTuple):
    """A plain value in a text.

    path: the keys that lead to it. key: where that of its own begins. start, end: of its characters.
    """

    path: tuple[str, ...]
    value: Any
    key: int
    start: int
    end: int


def opened(path: Path) -> tuple[str, str]:
    """The text of a configuration, line ends as they are, and which of `KINDS` it is. Raises ConfigError."""
    try:
        text = files.content(path, limits.current().config_bytes).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no UTF-8 text; give a YAML, JSON or TOML file, or a script") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened ({(error.strerror or str(error)).lower()})") from None
    kind = _kind(path, text)
    try:
        normalise(parsed(text, kind))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return text, kind


def _kind(path: Path, text: str) -> str:
    suffix = path.suffix.casefold()
    if suffix in _CODE:
        raise ConfigError(f"{path}: is a program; give the configuration or the command line that it is started with")
    if suffix in _SCRIPTS or text.startswith("#!") or path.name == "Makefile":
        return "command"
    if suffix == ".toml":
        return "toml"
    return "json" if suffix == ".json" or text.lstrip("\ufeff \t\r\n").startswith("{") else "yaml"


def parsed(text: str, kind: str) -> Mapping[str, Any]:
    """The values in a text. Raises ConfigError where it is none of its kind."""
    try:
        raw = _raw(text.removeprefix("\ufeff"), kind)
    except RecursionError:
        raise ConfigError("is nested too deeply; give the configuration of one run") from None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"is no {kind.upper()} ({' '.join(str(error).split())}); correct it there") from None
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError("holds no names with values")
    return raw


def _raw(text: str, kind: str) -> Any:
    if kind == "toml":
        import tomllib

        return tomllib.loads(text)
    if kind == "json":
        return json.loads(text)
    if kind == "yaml":
        return plain_yaml.load(text)
    return {"/".join(entry.path): entry.value for entry in reversed(list(_of_command(text)))}


def changed(text: str, kind: str, name: str, new: Value) -> str:
    """The text with a hyperparameter set to `new`. Raises EditError where it is not certain how.

    name: canonical.
    """
    before = normalise(parsed(text, kind))
    if name not in before:
        return _added(text, kind, name, new, before)
    if before[name] == new:
        raise EditError(f"has {name} = {new} already")
    if isinstance(new, str) and name != "optimizer":
        raise EditError(f"needs another {name}, and what your program calls {new} is not known; set it there by hand")
    entries = [entry for entry in _entries(text, kind) if _same(entry.value, before[name])]
    for entry in entries:
        spelled = _like(new, entry.value)
        made = text[: entry.start] + _written(spelled, text[entry.start : entry.end], kind) + text[entry.end :]
        if _says(made, text, kind, {**before, name: spelled}):
            return made
    raise EditError(f"does not set {name} by a value of its own; change it by hand")


def _same(value: Any, meant: Any) -> bool:
    """Whether a value as it is written is the one that was read."""
    return bool(value == meant) or normalise({"x": value}).get("x") == meant


def _says(made: str, text: str, kind: str, meant: Mapping[str, Any]) -> bool:
    """Whether a new text is read as is meant, and differs from the old one in a single entry.

    An entry may be read under two names: `optimizer` and, as it stands there, `optim/name`.
    """
    raw = parsed(text, kind)
    try:
        after = parsed(made, kind)
        now, old = normalise(after), normalise(raw)
    except ConfigError:
        return False
    new = next(value for name, value in meant.items() if name not in old or old[name] != value)
    if now.keys() != meant.keys() or any(now[name] != meant[name] and now[name] != new for name in now):
        return False
    flat, before = dict(_flat(after)), dict(_flat(raw))
    return sum(flat.get(path) != before.get(path) for path in flat.keys() | before.keys()) == 1


def _flat(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if inside is None or not value:
        yield path, repr(value)
        return
    for key, inner in inside:
        yield from _flat(inner, (*path, key))


def _like(new: Value, old: Any) -> Value:
    """A name in the case, and within the module, of the old one."""
    if not isinstance(new, str) or not isinstance(old, str):
        return new
    folder, dot, last = old.rpartition(".")
    return folder + dot + (new.lower() if last.islower() else new)


def _written(new: Value, old: str, kind: str) -> str:
    """A value as the file would have it, in the quotes of the old one."""
    quote = old[:1] if old[:1] in ("'", '"') else ""
    if isinstance(new, bool):
        return str(new) if kind == "command" else str(new).lower()
    if isinstance(new, str):
        return quote + new + quote if kind in ("yaml", "command") or quote else json.dumps(new)
    whole = isinstance(new, float) and new.is_integer() and not re.search("[.eE]", old)
    said = str(int(new)) if whole else repr(new)
    if "e" in said and "." not in said and kind != "command":
        said = said.replace("e", ".0e")  # YAML 1.1 and TOML alike: `1e-05` is a string to PyYAML
    return quote + said + quote


def _added(text: str, kind: str, name: str, new: Value, before: Mapping[str, Any]) -> str:
    """The text with a key that was not there, below one that tells where its framework expects it."""
    for entry in _entries(text, kind):
        for marker, folder, keys in ADDED:
            within = not folder or entry.path[-2:-1] == (folder,)
            if entry.path[-1] != marker or not within or name not in keys:
                continue
            made = _with(text, kind, entry, keys[name], _written(new, "", kind))
            if _says(made, text, kind, {**before, name: new}):
                return made
    raise EditError(f"has no {name}, and where your program expects it is not known; set {name} = {new} there by hand")


def _with(text: str, kind: str, entry: Entry, key: str, value: str) -> str:
    """The text with a new entry behind another."""
    line = text.rfind("\n", 0, entry.key) + 1
    end = "\r\n" if "\r\n" in text else "\n"
    indent = end + text[line : entry.key]
    if kind == "command":
        return f"{text[: entry.end]} --{key} {value}{text[entry.end :]}"
    if kind == "json":
        between = " " if text[line : entry.key].strip() else indent
        return f'{text[: entry.end]},{between}"{key}": {value}{text[entry.end :]}'
    stop = text.find("\n", entry.end)
    stop = len(text) if stop < 0 else stop - (text[stop - 1] == "\r")
    return f"{text[:stop]}{indent}{key}{': ' if kind == 'yaml' else ' = '}{value}{text[stop:]}"


# --- where the values stand -------------------------------------------------------------------------------------------


def _entries(text: str, kind: str) -> list[Entry]:
    """The plain values of a text that was parsed, in order."""
    body = text.removeprefix("\ufeff")
    find = {"yaml": _of_yaml, "json": _of_json, "toml": _of_toml, "command": _of_command}[kind]
    moved = len(text) - len(body)
    return [Entry(e.path, e.value, e.key + moved, e.start + moved, e.end + moved) for e in find(body)]


def _of_yaml(text: str) -> Iterator[Entry]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Resolves plain values; nothing is imported or called."""

    yield from _of_node(yaml.compose(text, Loader=Loader), (), 0)


def _of_node(node: Any, path: tuple[str, ...], key: int) -> Iterator[Entry]:
    if node.id == "mapping":
        for name, inner in node.value:
            yield from _of_node(inner, (*path, str(name.value)), name.start_mark.index)
    elif node.id == "sequence":
        for index, inner in enumerate(node.value):
            yield from _of_node(inner, (*path, str(index)), inner.start_mark.index)
    else:
        value = plain_yaml.load(node.value) if not node.style else node.value
        yield Entry(path, value, key, node.start_mark.index, node.end_mark.index)


def _of_json(text: str) -> Iterator[Entry]:
    found: list[Entry] = []
    _json_value(text, _space(text, 0), (), 0, found)
    return iter(found)


def _space(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


_SCALARS = json.JSONDecoder()


def _json_value(text: str, place: int, path: tuple[str, ...], key: int, found: list[Entry]) -> int:
    """Note the entries of the value at a place; where it ends."""
    if text[place] not in "{[":
        value, end = _SCALARS.raw_decode(text, place)
        found.append(Entry(path, value, key, place, end))
        return end
    table = text[place] == "{"
    index, place = 0, _space(text, place + 1)
    while text[place] not in "}]":
        name, begin = str(index), place
        if table:
            name, place = _SCALARS.raw_decode(text, place)
            place = _space(text, _space(text, place) + 1)
        place = _space(text, _json_value(text, place, (*path, name), begin, found))
        place = _space(text, place + 1) if text[place] == "," else place
        index += 1
    return place + 1


def _of_toml(text: str) -> Iterator[Entry]:
    """The settings that have a line of their own; the check of what was made refuses what this takes wrongly."""
    import tomllib

    folder: tuple[str, ...] = ()
    place = 0
    for line in text.splitlines(keepends=True):
        if header := _HEADER.match(line.rstrip("\r\n")):
            folder = tuple(part.strip().strip("\"'") for part in header[1].split("."))
        elif setting := _SETTING.match(line):
            names = tuple(part.strip("\"'") for part in setting[2].split("."))
            try:
                value = tomllib.loads(f"x = {setting[3]}")["x"]
                start = place + setting.start(3)
                yield Entry((*folder, *names), value, place + setting.start(2), start, start + len(setting[3]))
            except ValueError:
                pass  # a value of several lines, or a part of a text
        place += len(line)


def _of_command(text: str) -> Iterator[Entry]:
    """Flags with a value, and assignments, outside of comments; one that stands there twice is none."""
    found: list[Entry] = []
    place = 0
    for line in text.splitlines(keepends=True):
        code = "" if line.lstrip().startswith("#") else re.split(r"(?<=\s)#", line)[0]
        for form in (_FLAG, _ASSIGNED):
            for hit in form.finditer(code):
                value = hit[2].strip("\"'")
                found.append(Entry((hit[1],), value, place + hit.start(), place + hit.start(2), place + hit.end(2)))
        place += len(line)
    names = [entry.path for entry in found]
    yield from (entry for entry in sorted(found, key=lambda entry: entry.start) if names.count(entry.path) == 1)
