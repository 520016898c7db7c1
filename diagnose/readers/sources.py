"""From what the user named to what can be read: files, directories, patterns and the standard input.

A file that was named is always a source, so that its error is told. In a directory only what looks like a log is one;
the rest is passed over in silence.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from diagnose import limits
from diagnose.errors import LimitError, ReadError
from diagnose.readers.formats import csv_set
from diagnose.readers.registry import format_of, format_of_folder
from diagnose.readers.source import STDIN, Source
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.names import printable

_PASSED_FOLDERS = frozenset(["__pycache__", "node_modules", "site-packages", "venv", "env"])
_PASSED_SUFFIXES = frozenset(
    """py pyc pyi ipynb sh bash ps1 bat c cc cpp cu h hpp rs go js ts java r m jl lua pl rb sql md rst tex bib html htm
    css xml svg yaml yml toml ini cfg conf lock png jpg jpeg gif bmp tif tiff webp pdf eps mp3 mp4 wav flac avi mov zip
    tar tgz bz2 xz zst 7z rar whl egg pt pth ckpt safetensors bin onnx pb h5 hdf5 keras tflite npz pkl pickle joblib
    mat parquet arrow feather xls xlsx doc docx ppt pptx so dll exe o a patch diff""".split()  # noqa: SIM905
)
_PASSED_NAMES = frozenset(
    """license licence readme makefile dockerfile requirements.txt constraints.txt package.json package-lock.json
    config.json tokenizer.json tokenizer_config.json special_tokens_map.json vocab.json vocab.txt merges.txt
    generation_config.json wandb-metadata.json wandb-summary.json added_tokens.json preprocessor_config.json""".split()  # noqa: SIM905
)
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_DEBUG_LOG = re.compile(r"debug-(internal|cli.*)\.log|(core|symon)-debug-.*\.log")  # of the W&B client itself
_LOG_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".log", ".wandb"})
_DEEP = re.compile(r"(?:(?<=/)|\A)\*\*(?:/+|\Z)")
_MOST_NAMES = 10_000  # entries of a directory among which a similar name is looked for


def expand(sources: Sequence[str], *, sure: int | None = None) -> list[Source]:
    """The sources behind what the user named, in that order and each once; directories in the order of their names.

    sure: sources in one directory up to which the heads of their files are looked at, and those that are no log left
        out; of more, whoever reads them finds out. None for any number.
    """
    found: dict[object, Source] = {}
    for argument in sources:
        for source in _expand(argument, sure):
            found.setdefault(source.paths or source.address or source.label, source)
    return list(found.values())


def no_log(folder: str) -> str:
    """The error for a directory in which nothing could be read."""
    if "://" in folder:
        return "no training log among its files"
    files = sum(len(names) for _, _, names in os.walk(folder))
    return f"no training log among its {files} files" if files != 1 else "its only file is no training log"


def _expand(argument: str, sure: int | None) -> Iterator[Source]:
    label = printable(argument)
    path = Path(argument)
    if argument == STDIN:
        yield Source(STDIN)
    elif "://" in argument and not _exists(path):
        from diagnose.readers import remote

        yield from remote.expand(argument, passed=_passed)
    elif not _exists(path):
        yield from _of_pattern(argument, sure) if glob.has_magic(argument) else [Source(label, error=_missing(path))]
    elif not path.is_dir():
        yield Source(label, (path,))
    elif not os.access(path, os.R_OK | os.X_OK):
        yield Source(label, error="the directory cannot be opened (permission denied)")
    else:
        try:
            inside = list(_in_folder(path, argument))
            if sure is None or len(inside) <= sure:
                inside = [source for source in inside if not source.unsure or _is_log(source.paths[0])]
        except LimitError as error:
            inside = [Source(label, error=str(error))]
        yield from inside or [Source(label, error="the directory is empty" if _is_empty(path) else no_log(argument))]


def _of_pattern(pattern: str, sure: int | None) -> Iterator[Source]:
    """The sources behind a pattern that the shell did not expand."""
    try:
        matches = sorted(match for match in _matches(pattern, _Counter()) if _holds_bytes(Path(match)))
    except LimitError as error:
        yield Source(printable(pattern), error=str(error))
        return
    for match in matches:
        yield from _expand(match, sure)
    if not matches:
        yield Source(printable(pattern), error="no file matches the pattern")


def _matches(pattern: str, counter: _Counter) -> Iterator[str]:
    """What a pattern stands for; `**` for all folders below, but not through links, which may lead in a circle."""
    deep = _DEEP.search(pattern)
    if deep is None:
        for match in glob.iglob(pattern):  # noqa: PTH207 - may be absolute
            counter.count(1)
            yield match
        return
    before, after = pattern[: deep.start()], pattern[deep.end() :]
    for top in glob.iglob(before) if before else ["."]:  # noqa: PTH207
        for parent, folders, _ in os.walk(top):
            counter.count(1)
            folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
            below = glob.escape(parent.removeprefix("./") if parent != "." else "")
            yield from _matches(os.path.join(below, after or "*"), counter)  # noqa: PTH118 - `below` may be empty


class _Counter:
    """How many entries of folders were looked at."""

    def __init__(self) -> None:
        self.left = limits.current().files

    def count(self, entries: int) -> None:
        """Take some off. Raises LimitError where there are too many."""
        self.left -= entries
        if self.left < 0:
            raise LimitError(f"more than {limits.said('files', 'entries')}; name a folder further down")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _holds_bytes(path: Path) -> bool:
    """Whether there is a regular file or a folder: no pipe or device, which a pattern matches too."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None


def _missing(path: Path) -> str:
    """What to say of a path that is not there, with the nearest name in its directory."""
    try:
        names = [entry.name for _, entry in zip(range(_MOST_NAMES), os.scandir(path.parent), strict=False)]
    except (OSError, ValueError):
        return "no such file"
    lower = {name.lower(): name for name in sorted(names, reverse=True)}
    near = get_close_matches(path.name.lower(), lower, n=1)
    return f"no such file; did you mean {printable(lower[near[0]])}?" if near else "no such file"


def _in_folder(folder: Path, argument: str) -> Iterator[Source]:
    """What may be a log below a directory, folder by folder."""
    from diagnose.readers.formats import tensorboard

    parts: set[Path] = set()  # folders whose event files belong to the run of the folder above them
    counter = _Counter()
    for parent, folders, names in os.walk(folder):
        counter.count(len(names) + 1)
        yield from _run_folders(Path(parent), folders, names, argument)
        folders[:] = sorted(_without_checkpoints(folders, "trainer_state.json" in names))
        if _of_wandb_run(names):
            folders[:] = []  # its output and summary: what they say stands in the binary log too
            names = [name for name in names if _is_wandb_file(name)]
        if Path(parent) not in parts:
            events, within = tensorboard.group(Path(parent), sorted(names), folders)
            parts |= {Path(parent, name) for name in within}
            if events:
                label = str(events[0]) if len(events) == 1 else parent
                yield Source(printable(label), events, folder=argument)
        files = [
            Path(parent, name) for name in sorted(names) if not _passed(name) and not tensorboard.is_event_file(name)
        ]
        sets = csv_set.group(path for path in files if not path.name.endswith((".json", ".jsonl")))
        first_of = {paths[0]: paths for paths in sets}
        members = {path for paths in sets for path in paths}
        for path in files:
            if path in first_of:
                label = f"{path.parent}{os.sep}{{{','.join(p.name for p in first_of[path])}}}"
                yield Source(printable(label), first_of[path], folder=argument)
            elif path not in members and (denied := _denied(path)):
                yield Source(printable(str(path)), error=denied)
            elif path not in members:
                yield Source(printable(str(path)), (path,), folder=argument, unsure=True)


def _run_folders(parent: Path, folders: list[str], names: list[str], argument: str) -> Iterator[Source]:
    """The folder where it is one run, and the MLflow runs in it; what is theirs is taken from `folders` and `names`."""
    from diagnose.readers.formats import mlflow_store

    module = format_of_folder(parent)
    if module is not None:
        named = parent == Path(argument)  # then its error is told
        yield Source(printable(str(parent)), (parent,), folder="" if named else argument)
        folders[:], names[:] = module.rest(folders, names)
        return
    runs, deleted = mlflow_store.active(parent / folder for folder in folders)
    notes = mlflow_store.left_out(deleted=deleted)
    for run in runs:
        yield Source(printable(str(run)), (run,), folder=argument, notes=notes)
    if deleted and not runs:
        yield Source(printable(str(parent)), error=f"no run to judge ({notes[0]})")
    if "meta.yaml" in names and mlflow_store.is_experiment(parent):
        folders[:], names[:] = [], []
    folders[:] = [folder for folder in folders if not mlflow_store.recognise(parent / folder)]


def _without_checkpoints(folders: list[str], has_state: bool) -> list[str]:
    """The folders to go into; of the checkpoints of one Hugging Face run only the last, whose log holds the others'."""
    kept = [f for f in folders if not f.startswith(".") and f.lower() not in _PASSED_FOLDERS]
    steps = {f: int(match[1]) for f in kept if (match := _CHECKPOINT.fullmatch(f))}
    last = "" if has_state else max(steps, key=lambda f: steps[f], default="")
    return [f for f in kept if f not in steps or f == last]


def _of_wandb_run(names: Sequence[str]) -> bool:
    return any(map(_is_wandb_file, names))


def _is_wandb_file(name: str) -> bool:
    return name.startswith("run-") and name.endswith(".wandb")


def _passed(name: str) -> bool:
    lower = name.lower().removesuffix(".gz")
    known = lower in _PASSED_NAMES or lower.rpartition(".")[2] in _PASSED_SUFFIXES
    return known or name.startswith(".") or _DEBUG_LOG.fullmatch(lower) is not None


def _denied(path: Path) -> str:
    """Why a file that is called as a log is cannot be opened, where its permissions say so; else ""."""
    if path.suffix.lower() not in _LOG_SUFFIXES or os.access(path, os.R_OK) or not _exists(path):
        return ""
    return "cannot be opened (permission denied)"


def _is_log(path: Path) -> bool:
    """Whether a file's head has one of the formats; what is beyond a limit may be one."""
    try:
        return format_of(Document.open(path)) is not None
    except LimitError:
        return True
    except ReadError:
        return False
