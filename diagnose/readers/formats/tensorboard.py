"""TensorBoard event files: one file, or the files of a folder and of the folders that belong to it.

A folder is a run. Its event files follow one another in time; a file whose curves start anew begins another training,
which becomes a run of its own. Keras writes a run into `train/` and `validation/`, torch's `add_scalars` into
`Loss_train/` and `Loss_val/`, the `hparams` of torch go into a folder named by the time: these are parts of the run of
the folder above them, with the folder before the tag in the names of their columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from diagnose.errors import ReadError
from diagnose.names import roles
from diagnose.readers.formats import event_file
from diagnose.readers.formats.event_file import Scalars
from diagnose.readers.tables import points
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "tensorboard"

_FORMAT = "tensorboard"
_FIRST_RECORD = b"brain.Event:"  # a few bytes into every event file
_HPARAMS_FOLDER = re.compile(r"\d{9,}\.\d+")  # seconds since 1970: torch's add_hparams
_PEEK = 100  # records of a file that are looked at for its first tag
_SLACK = 60.0  # seconds; the writers of one training are begun within them


def recognise(document: Document) -> bool:
    """Whether the first record is that of an event file."""
    return _FIRST_RECORD in document.head_bytes[:64]


def read(document: Document) -> list[Table]:
    """Read one event file, a run of its own. Raises ReadError where it holds no scalar."""
    return [_table([event_file.read(document)], "" if document.path is None else _name(document.path.parent))]


def read_folder(paths: Sequence[Path]) -> list[Table]:
    """Read the event files of one folder and of its parts: a table per training, in the order of time.

    paths: as `group` gives them. Raises ReadError where none holds a scalar.
    """
    parents = {path.parent for path in paths}
    home = min(parents, key=lambda parent: len(parent.parts))
    if any(home not in (parent, *parent.parents) for parent in parents):
        home = home.parent
    by_folder: dict[str, list[Scalars]] = {}
    for path in paths:
        folder = "" if path.parent == home or _HPARAMS_FOLDER.fullmatch(path.parent.name) else path.parent.name
        with suppress(ReadError):  # an empty file: the run was stopped before it wrote
            by_folder.setdefault(folder, []).append(event_file.read(Document.open(path)))
    trainings = [group for group in _trainings(by_folder) if any(scalars.tags for scalars in group)]
    if not trainings:
        raise ReadError("the TensorBoard event files hold no scalar, so nothing here is a curve")
    name = _name(home)
    if len(trainings) == 1:
        return [_table(trainings[0], name)]
    note = f"one of {len(trainings)} trainings in the folder, told apart by where their steps start"
    tables = [_table(group, f"{name} {_time(group)}") for group in trainings]
    return [replace(table, notes=(note, *table.notes)) for table in tables]


def _name(folder: Path) -> str:
    """What a run is called: by its folder, or the one above where the folder only names the split."""
    whole = folder.resolve()
    return whole.parent.name if _split(whole.name) and whole.parent.name else whole.name


# --- which files belong together --------------------------------------------------------------------------------------


def is_event_file(name: str) -> bool:
    """Whether a file is called as TensorBoard's own writers call theirs."""
    return ".tfevents." in name and not name.endswith(".profile-empty")


def group(folder: Path, names: Iterable[str], folders: Iterable[str]) -> tuple[tuple[Path, ...], frozenset[str]]:
    """The event files of the run that a folder holds, and which of its folders are parts of it.

    names, folders: what the folder holds, sorted.
    """
    own = [folder / name for name in names if is_event_file(name)]
    parts: dict[str, list[Path]] = {}
    for name in folders:
        files = _event_files(folder / name)
        if files and (_split(name) or (own and _HPARAMS_FOLDER.fullmatch(name)) or _key(name, _first_tag(files[0]))):
            parts[name] = files
    if not own and not any(_split(name) or _key(name, _first_tag(files[0])) for name, files in parts.items()):
        return (), frozenset()
    return (*own, *(path for files in parts.values() for path in files)), frozenset(parts)


def _event_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if is_event_file(path.name) and path.is_file())
    except OSError:
        return []


def _split(folder: str) -> str:
    """The split that a folder is named by, "" where its name says anything else too."""
    return roles.parse(folder).only_split


def _key(folder: str, tag: str) -> str:
    """What torch's `add_scalars(tag, {key: ...})` calls a curve in a folder of its own; "" where it is no such folder.

    The folder is named by the tag, with `_` for `/`, and the key.
    """
    before = tag.replace("/", "_") + "_"
    return folder.removeprefix(before) if tag and folder.startswith(before) else ""


def _first_tag(path: Path) -> str:
    try:
        tags = event_file.read(Document.open(path), most=_PEEK).tags
    except ReadError:
        return ""
    return tags[0] if tags else ""


def _trainings(by_folder: Mapping[str, Sequence[Scalars]]) -> list[list[Scalars]]:
    """The files of each training, its tags with the folder before them.

    The first folder with scalars, that of the training split where there is one, tells how many trainings there are;
    the files of the others belong to the training that was last begun before them.
    """
    filled = [folder for folder, files in by_folder.items() if any(scalars.tags for scalars in files)]
    if not filled:
        return []
    main = min(filled, key=lambda folder: (bool(folder), _split(folder) != "train"))
    made: list[list[Scalars]] = []
    for scalars in sorted(by_folder[main], key=lambda s: s.started):
        if made and not _starts_anew(scalars, made[-1]):
            made[-1].append(scalars)
        else:
            made.append([scalars])
    starts = np.array([training[0].started for training in made])
    trainings = [[_named(scalars, main) for scalars in training] for training in made]
    for folder, files in by_folder.items():
        for scalars in files if folder != main else ():
            before = int(np.searchsorted(starts, scalars.started + _SLACK, side="right")) - 1
            trainings[max(before, 0)].append(_named(scalars, folder))
    return trainings


def _starts_anew(scalars: Scalars, before: Sequence[Scalars]) -> bool:
    """Whether the longest curve that both hold starts in `scalars` at or before the step at which it once started."""
    longest: tuple[int, bool] = (0, False)
    for earlier in before:
        for index, tag in enumerate(earlier.tags):
            if tag in scalars.tags:
                old = earlier.step[earlier.points_of(index)]
                new = scalars.step[scalars.points_of(scalars.tags.index(tag))]
                longest = max(longest, (old.size, bool(new[0] <= old[0])))
    return longest[1]


def _named(scalars: Scalars, folder: str) -> Scalars:
    """The scalars with the folder in the names of their tags."""
    if not folder:
        return scalars
    keys = {tag: _key(folder, tag) for tag in scalars.tags}
    return replace(scalars, tags=tuple(f"{tag}/{key}" if key else f"{folder}/{tag}" for tag, key in keys.items()))


def _time(group: Sequence[Scalars]) -> str:
    """When a training was begun, to tell it from the others."""
    try:
        return datetime.fromtimestamp(group[0].started, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{group[0].started:g}"


# --- the table --------------------------------------------------------------------------------------------------------


def _table(files: Sequence[Scalars], name: str) -> Table:
    """One table of the files of a training: a row for all that was written at one step, in the order of time."""
    merged = _merged(files)
    notes = tuple(dict.fromkeys(note for scalars in files for note in scalars.notes))
    if not merged.tags:
        raise ReadError("; ".join(("the TensorBoard event file holds no scalar, so nothing here is a curve", *notes)))
    found = points.Points(
        merged.tags, merged.tag, merged.step, merged.value, np.arange(merged.step.size, dtype=np.int64), merged.wall
    )
    return points.table(found, _FORMAT, by_epoch=_is_by_epoch, fixed=True, name=name, config=merged.config, notes=notes)


def _merged(files: Sequence[Scalars]) -> Scalars:
    """The points of all files in the order of time."""
    tags = {tag: None for scalars in files for tag in scalars.tags}
    place = {tag: index for index, tag in enumerate(tags)}
    tag = np.concatenate([np.array([place[t] for t in s.tags], dtype=np.intp)[s.tag] for s in files])
    step, wall, value = (np.concatenate([getattr(s, name) for s in files]) for name in ("step", "wall", "value"))
    if len(files) > 1:  # a clock that was set back changes nothing within a file
        order = np.argsort(np.concatenate([np.maximum.accumulate(s.wall) for s in files]), kind="stable")
        tag, step, wall, value = tag[order], step[order], wall[order], value[order]
    config = {key: setting for scalars in files for key, setting in scalars.config.items()}
    return Scalars(tuple(tags), tag, step, wall, value, config, files[0].started)


def _is_by_epoch(tag: str) -> bool:
    """Whether a curve is Keras' `epoch_loss` or another of its kind."""
    return tag.rpartition("/")[2].startswith("epoch_")
