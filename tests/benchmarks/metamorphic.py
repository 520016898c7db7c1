"""Logs said in another way: how many verdicts hang on the order of columns, the unit of the loss, the format ...

    python tests/benchmarks/metamorphic.py                       the corpus
    python tests/benchmarks/metamorphic.py ../shared/framework_runs --words

Each log is read into its table, which is written as CSV, and then in every other way of `tests/metamorphic.py`. Prints
for each way of how many logs it means anything, and of how many it changes the verdict; with --words also which, and
from what to what.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from _corpus import BESIDE  # noqa: E402

from diagnose.readers import expand  # noqa: E402
from tests.metamorphic import Verdict, changes, table_of  # noqa: E402


def _difference(before: Verdict, after: Verdict) -> str:
    """What went and what came."""
    gone = [f"-{rule} {severity}" for rule, severity in before if (rule, severity) not in after]
    return ", ".join(gone + [f"+{rule} {severity}" for rule, severity in after if (rule, severity) not in before])


def main(argv: list[str] | None = None) -> int:
    """Print the counts; exits with 1 where a verdict changes for more than the unit of its loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=[str(BESIDE / "runs")], help="logs, or folders with some")
    parser.add_argument("--words", action="store_true", help="also say which verdicts change")
    options = parser.parse_args(argv)
    asked: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    logs = 0
    with tempfile.TemporaryDirectory() as folder:
        for source in expand(options.paths):
            log = table_of(source)
            found = {} if log is None else changes(log, Path(folder))
            logs += bool(found)
            for relation, (before, after) in found.items():
                asked[relation] += 1
                changed[relation] += after != before
                if after != before and options.words:
                    print(f"{source.label}: {relation}: {_difference(before, after)}")
    for relation, count in asked.items():
        print(f"{relation:24} {changed[relation]:4} of {count} verdicts changed")
    wrong = sum(count for relation, count in changed.items() if not relation.startswith("loss times"))
    print(f"{logs} logs; {wrong} verdicts changed but for the unit of the loss")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
