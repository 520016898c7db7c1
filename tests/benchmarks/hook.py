"""The pre-commit hook after its installation: seconds from the hook's start to its end, for 20 changed logs.

    python tests/benchmarks/hook.py [--logs 20]

`diagnose --lenient` on CSVs of 200 rows x 6 columns, first all healthy and then three of four ill; and `pre-commit run`
over the same files staged in a git repository, with the hook's own file patterns and the command that is installed
here, so that git and pre-commit are in the second figure.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import _measure
import yaml
from cold_start import write_csv
from throughput import six_columns

BAR = 1.0
"""Seconds for 20 logs."""

HOOKS = Path(__file__).resolve().parents[2] / ".pre-commit-hooks.yaml"


def repository(folder: Path, logs: int, ill: bool) -> list[str]:
    """A git repository with staged logs and the hooks configured; returns the paths of the logs."""
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    paths = [f"runs/{number:02}/metrics.csv" for number in range(logs)]
    for number, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True)
        write_csv(six_columns(number if ill else 4 * number), folder / path)
    script = Path(sys.executable).with_name("diagnose")
    hooks = [
        {**hook, "language": "system", "entry": hook["entry"].replace("diagnose", str(script), 1)}
        for hook in yaml.safe_load(HOOKS.read_text())
    ]
    config = {"repos": [{"repo": "local", "hooks": hooks}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    return paths


def said(costs: list[_measure.Cost]) -> str:
    """The median wall time, and the median CPU time."""
    return f"{_measure.median([c.seconds for c in costs]):.2f} s ({_measure.median([c.cpu for c in costs]):.2f} s CPU)"


def main(argv: list[str] | None = None) -> int:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=20, help="changed logs (default: %(default)s)")
    parser.add_argument("--times", type=int, default=5, help="runs of each kind (default: %(default)s)")
    arguments = parser.parse_args(argv)
    for kind in ("all healthy", "three of four ill"):
        with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as scratch, contextlib.chdir(work):
            paths = repository(Path(work), arguments.logs, ill=kind != "all healthy")
            commands = [
                [*_measure.diagnose_command(), "--lenient", *paths],
                [sys.executable, "-m", "pre_commit", "run"],
            ]
            for command in commands:  # once for the disk's cache and the bytecode
                _measure.cost(command, Path(scratch))
            costs = _measure.alternating(commands, arguments.times, Path(scratch), accept=(0, 1))
            hook, whole = map(said, costs)
            print(f"{arguments.logs} logs, {kind}: hook {hook}, with pre-commit and git {whole}; bar {BAR:g} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
