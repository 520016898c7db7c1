"""Cold start: whole processes of `diagnose` on a CSV of 200 rows against `python -c "import pandas"`.

    python tests/benchmarks/cold_start.py
    python tests/benchmarks/cold_start.py --profile     which imports and which calls take the time

The two are run in turns, and the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from operator import itemgetter
from pathlib import Path

import _measure

from diagnose import synthetic
from diagnose.curves import Run

BAR = 0.5
"""At most this many times the import of pandas."""


def write_csv(run: Run, path: Path) -> None:
    """Write a synthetic run as the CSV a training script would leave, one row per epoch."""
    names = list(run.series)
    steps = run.series[names[0]].steps
    rows = zip(steps, *(run.series[name].values for name in names), strict=True)
    lines = [",".join(("epoch", *names)), *(",".join((f"{row[0]:g}", *(f"{v:.6g}" for v in row[1:]))) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def imports(path: Path, most: int) -> list[str]:
    """The modules whose own code took longest to import, and the import that costs most with all below it."""
    code = "import sys; sys.argv[0] = 'diagnose'; from diagnose.cli import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", code, str(path)]
    errors = subprocess.run(command, capture_output=True, text=True, check=False, env=_measure.environment()).stderr
    rows: list[tuple[int, int, str]] = []
    for line in errors.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        total, _, name = rest.partition("|")
        if line.startswith("import time:") and own.strip().isdigit():
            rows.append((int(own), int(total), name.strip()))
    title = f"{'own ms':>8} {'with its imports':>17}  module"
    ranked = [sorted(rows, key=order, reverse=True)[:most] for order in (itemgetter(0), itemgetter(1))]
    lines = [f"{len(rows)} modules, {sum(row[0] for row in rows) / 1e3:.0f} ms under -X importtime"]
    for what, found in zip(("by their own time", "with what they import"), ranked, strict=True):
        lines += ["", what, title, *(f"{own / 1e3:8.1f} {total / 1e3:17.1f}  {name}" for own, total, name in found)]
    return lines


def calls(path: Path, most: int) -> list[str]:
    """The functions that take longest, by cProfile, with what they call."""
    code = (
        "import cProfile, io, pstats, sys\n"
        "profile = cProfile.Profile()\n"
        "def work():\n"
        "    from diagnose.cli import main\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "profile.runcall(work)\n"
        "out = io.StringIO()\n"
        f"pstats.Stats(profile, stream=out).sort_stats('tottime').print_stats({most})\n"
        "sys.stderr.write(out.getvalue())\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=_measure.environment()
    ).stderr.splitlines()


def main(argv: list[str] | None = None) -> int:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=200, help="rows of the CSV (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="also list imports and calls by their time")
    parser.add_argument("--most", type=int, default=25, help="lines of each list of --profile (default: %(default)s)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "run.csv"
        write_csv(synthetic.healthy(epochs=arguments.rows), path)
        commands = [
            [*_measure.diagnose_command(), str(path)],
            [sys.executable, "-c", "import pandas"],
            [sys.executable, "-c", "pass"],
        ]
        for command in commands:  # once each for the disk's cache and the bytecode
            _measure.cost(command, folder)
        costs = _measure.alternating(commands, arguments.times, folder, accept=(0, 1))
        ours, pandas, bare = (_measure.median([c.seconds for c in found]) for found in costs)
        fastest = [min(c.seconds for c in found) for found in costs]
        print(f"median of {arguments.times} processes, in turns, a CSV of {arguments.rows} rows")
        print(f"  diagnose run.csv          {1e3 * ours:7.0f} ms   fastest {1e3 * fastest[0]:5.0f} ms")
        print(f'  python -c "import pandas" {1e3 * pandas:7.0f} ms   fastest {1e3 * fastest[1]:5.0f} ms')
        print(f'  python -c "pass"          {1e3 * bare:7.0f} ms   fastest {1e3 * fastest[2]:5.0f} ms')
        print(f"ratio {ours / pandas:.2f} (of the fastest {fastest[0] / fastest[1]:.2f}); bar {BAR:g}")
        if arguments.profile:
            print("", *imports(path, arguments.most), sep="\n")
            print("", *calls(path, arguments.most), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
