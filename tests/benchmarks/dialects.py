"""The share of drawn console logs that are read as a person reads them, by how their lines are laid out.

    python tests/benchmarks/dialects.py [--logs N] [--first SEED] [--show]

Prefix, separator, names, number form, layout and the messages between are drawn apart (`tests/readers/drawn_logs.py`).
A log is right where every curve in it has its role, all its points and their values.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

from diagnose.errors import ReadError
from diagnose.readers import read
from tests.readers.drawn_logs import LAYOUTS, Drawn, draw


def judged(log: Drawn, folder: Path) -> str:
    """What is wrong with how a log is read; "" where nothing is."""
    path = folder / "train.log"
    path.write_text(log.text)
    try:
        return log.misread(max(read(path), key=lambda run: run.points))
    except ReadError as error:
        return str(error)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", type=int, default=100, help="of each layout (100)")
    parser.add_argument("--first", type=int, default=1000, help="seed of the first (1000; the tests use 0 to 39)")
    parser.add_argument("--show", action="store_true", help="name those that are wrong")
    told = parser.parse_args()
    every = 0
    with TemporaryDirectory() as folder:
        for layout in LAYOUTS:
            wrong = {}
            for seed in range(told.first, told.first + told.logs):
                if said := judged(draw(layout, seed), Path(folder)):
                    wrong[seed] = said
            every += len(wrong)
            print(f"{layout:12} {told.logs - len(wrong):5d} of {told.logs}")
            if told.show:
                print("".join(f"    {seed}: {said}\n" for seed, said in wrong.items()), end="")
    count = told.logs * len(LAYOUTS)
    print(f"{'all':12} {count - every:5d} of {count}, {100 * (1 - every / count):.1f} %")


if __name__ == "__main__":
    main()
