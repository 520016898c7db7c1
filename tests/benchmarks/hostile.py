"""Hostile and odd inputs: whether each is answered, how soon, and in how much memory.

    python tests/benchmarks/hostile.py ../shared/hostile

For each input in a folder `diagnose INPUT` and `diagnose INPUT --format html`, each in a process of its own that is
killed after `--limit` seconds. An input is a file, but a configuration that lies beside one is part of it. The bar is
`SECONDS` and `BYTES`, with a verdict or one line that says why there is none. Exits with 1 where one input misses it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import limited

SECONDS = 2.0
"""Wall time of an answer, start of the interpreter included."""

BYTES = 500 * limited.MB
"""Resident memory of an answer."""

GOOD = ("verdict", "refused")


def inputs(folder: Path) -> Iterator[Path]:
    """The inputs in a folder, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        beside = path.suffix == ".yaml" and path.with_suffix(".csv").exists()
        if path.is_file() and not beside and path.name != "README.md":
            yield path


def answered(path: Path, limit: float) -> tuple[str, limited.Ended]:
    """How the input fared in the worse of both reports, and how that report ended."""
    with tempfile.TemporaryDirectory() as work:
        kinds: list[list[str]] = [[], ["--format", "html", "--out", str(Path(work, "page.html"))]]
        ended = [limited.diagnose(path, *options, seconds=limit) for options in kinds]
    fates = [limited.fate(each, most_bytes=BYTES, most_seconds=SECONDS) for each in ended]
    worst = next((i for i, fate in enumerate(fates) if fate not in GOOD), 0)
    return fates[worst], ended[worst]


def main(argv: list[str] | None = None) -> int:
    """Print a line per input, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the inputs")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds before a process is killed")
    options = parser.parse_args(argv)
    counts: Counter[str] = Counter()
    for path in inputs(options.folder):
        fate, ended = answered(path, options.limit)
        counts[fate] += 1
        said = (ended.stderr or ended.stdout).strip().splitlines()
        name = str(path.relative_to(options.folder))
        figures = f"{ended.seconds:6.2f} s {ended.peak / limited.MB:6.0f} MB  exit {ended.code:4}"
        what = (said[0] if said else "").replace(str(path), "...")
        print(f"{fate:8} {figures}  {name[:44]:44} {what[:110]}", flush=True)
    missed = sum(number for fate, number in counts.items() if fate not in GOOD)
    print(f"{counts.total()} inputs: {', '.join(f'{number} {fate}' for fate, number in sorted(counts.items()))}")
    print(f"{missed} miss the bar of {SECONDS:g} s, {BYTES / limited.MB:g} MB and a clear answer")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
