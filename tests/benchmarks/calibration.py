"""Fits the confidence of findings to findings with a known truth, and says how well it holds on those it never saw.

    python tests/benchmarks/calibration.py                                   tables alone
    python tests/benchmarks/calibration.py --write rules/confidence.csv      the table that the rules take theirs from
    python tests/benchmarks/calibration.py --plot calibration.png            reliability diagrams

Truth comes from the labels of the corpus, from logs that frameworks wrote for known faults, and from what a dense curve
of AlgoPerf tells mechanically; simulated pairs of curves and drawn runs count for little (`_fitting.WORTH`). Only
findings that are shown with the thresholds as they are enter the fit.

Every figure is given for what the rules hand over, for the fit at home, and for fits that never saw the finding's
group: its repository, framework, or submission with workload. What users are told is the figure for strangers' logs
(`_fitting.STRANGERS`), which is too low where thresholds were fitted. Calibration errors are over bins of equal counts;
beside them stands what chance alone would give, were every confidence true.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import _corpus
import numpy as np
from _fitting import (
    MADE,
    STRANGERS,
    Bin,
    Fit,
    brier,
    by_chance,
    calibration_error,
    equal_counts,
    equal_widths,
    fit,
    fold,
    left_out,
    log_loss,
    population,
    weights,
)
from _labelled import Labelled, Subject, labelled, of_corpus, of_curves, of_drawn, of_frameworks, of_pairs

from diagnose import calibration
from diagnose.curves import Array

BAR = 0.05
BINS = 5
WIDTHS = 10

JUDGES = ("handed over", "a constant", "fit, home", "groups left out", "as users are told")
"""What a confidence is by: the rule, the share of right findings elsewhere, the fit to all, fits that did not see the
finding's group, and those where its log were a stranger's."""


def subjects(arguments: argparse.Namespace) -> Iterator[Subject]:
    """All runs with a known truth."""
    yield from of_corpus(arguments.corpus)
    yield from of_pairs(arguments.corpus)
    yield from of_frameworks(arguments.frameworks)
    yield from of_curves(arguments.curves)
    yield from of_drawn(arguments.seeds)


def judges(rows: Sequence[Labelled]) -> dict[str, Array]:
    """The confidence of every finding by each of `JUDGES`, shape (n,); a constant is the share right elsewhere."""
    handed = np.clip([row.handed for row in rows], 1.0 - calibration.SUREST, calibration.SUREST)
    shown = np.array([row.shown and row.source not in MADE for row in rows])
    right, weight = np.array([row.right for row in rows]), weights(rows)
    folds = np.array([fold(row) for row in rows])
    shares = {name: np.average(right[keep], weights=weight[keep]) for name in set(folds)
              if (keep := shown & (folds != name)).any()}  # fmt: skip
    constant = np.minimum([shares[name] for name in folds], calibration.SUREST)
    fitted = fit(rows)
    found = (handed, constant, np.array([fitted.said(row) for row in rows]), *left_out(rows, fold))
    return dict(zip(JUDGES, found, strict=True))


def groups(rows: Sequence[Labelled]) -> dict[str, Array]:
    """Name -> mask of shape (n,): the findings whose calibration is told."""
    tests: dict[str, Callable[[Labelled], bool]] = {
        "all real": lambda row: row.shown and row.source not in MADE,
        "corpus": lambda row: row.shown and row.source == "corpus",
        "corpus, first": lambda row: row.shown and population(row) == "corpus, first",
        STRANGERS: lambda row: row.shown and population(row) == STRANGERS,
        "frameworks": lambda row: row.shown and row.source == "frameworks",
        "curves": lambda row: row.shown and row.source == "curves",
        "pairs": lambda row: row.shown and row.source == "pairs",
        "drawn": lambda row: row.shown and row.source == "drawn",
        "not shown, real": lambda row: not row.shown and row.source not in MADE,
    }
    return {name: np.array([test(row) for row in rows]) for name, test in tests.items()}


# --- tables -----------------------------------------------------------------------------------------------------------


def by_group(rows: Sequence[Labelled], confidences: Mapping[str, Array]) -> Iterator[str]:
    """Brier score, log loss and calibration error of each judge on each group of findings."""
    right, weight = np.array([row.right for row in rows], dtype=np.float64), weights(rows)
    yield f"{'':18}{'':>7}{'':>7}  {'':18}{'':>7}{'':>8}{'':>8}{'error of':>9}{'most':>7}"
    yield (
        f"{'findings':18}{'count':>7}{'right':>7}  {'confidence':18}{'mean':>7}{'Brier':>8}{'nats':>8}"
        f"{f'{BINS} bins':>9}{'off':>7}  by chance (95 %)"
    )
    for name, mask in groups(rows).items():
        if not mask.any():
            continue
        share = np.average(right[mask], weights=weight[mask])
        for judge, confidence in confidences.items():
            p, of, w = confidence[mask], right[mask], weight[mask]
            bins = equal_counts(p, of, w, BINS)
            median, high = by_chance(p, w, BINS)
            head = f"{name:18}{w.sum():7.0f}{share:7.3f}" if judge == JUDGES[0] else f"{'':32}"
            scores = f"{np.average(p, weights=w):7.3f}{brier(p, of, w):8.4f}{log_loss(p, of, w):8.4f}"
            most = max(abs(b.off) for b in bins if b.size)
            yield f"{head}  {judge:18}{scores}{calibration_error(bins):9.3f}{most:7.3f}  {median:.3f} ({high:.3f})"


def by_rule(rows: Sequence[Labelled], confidences: Mapping[str, Array]) -> Iterator[str]:
    """Count, share of right findings, mean confidence and Brier score of each rule, on the real findings shown."""
    real = groups(rows)["all real"]
    right, weight = np.array([row.right for row in rows], dtype=np.float64), weights(rows)
    names = np.array([row.rule for row in rows])
    short = ("handed", "home", "left out", "told")
    columns = [confidences[name] for name in (JUDGES[0], *JUDGES[2:])]
    head = "".join(f"{name:>9}" for name in short)
    yield f"{'':30}{'':16}{'mean confidence':>36}{'Brier score':>45}"
    yield f"{'rule':30}{'count':>8}{'right':>8}{head}{head}{'constant':>9}"
    for rule in sorted(set(names[real])):
        mask = real & (names == rule)
        of, w = right[mask], weight[mask]
        share = np.average(of, weights=w)
        means = "".join(f"{np.average(p[mask], weights=w):9.3f}" for p in columns)
        scores = "".join(f"{brier(p[mask], of, w):9.4f}" for p in columns)
        yield f"{rule:30}{w.sum():8.1f}{share:8.3f}{means}{scores}{share * (1.0 - share):9.4f}"


def reliability(rows: Sequence[Labelled], confidences: Mapping[str, Array]) -> Iterator[str]:
    """The bins of the real findings shown, before and after, and of those on strangers' logs as users are told."""
    right, weight = np.array([row.right for row in rows], dtype=np.float64), weights(rows)
    for name, judge in (
        ("all real", JUDGES[0]),
        ("all real", JUDGES[3]),
        (STRANGERS, JUDGES[0]),
        (STRANGERS, JUDGES[4]),
    ):
        mask = groups(rows)[name]
        for kind, binned, count in (("count", equal_counts, BINS), ("width", equal_widths, WIDTHS)):
            bins = binned(confidences[judge][mask], right[mask], weight[mask], count)
            yield f"{name}, {judge}, bins of equal {kind}"
            yield from (_bin_line(b) for b in bins if b.size)


def _bin_line(found: Bin) -> str:
    note = "" if abs(found.off) <= BAR else f"  off by more than {BAR}"
    return f"  {found.size:7.0f} findings  confidence {found.confidence:.3f}  right {found.right:.3f}{note}"


def table_lines(fitted: Fit) -> Iterator[str]:
    """What is fitted."""
    table = fitted.table
    yield f"{'rule':30}{'labelled':>9}{'right':>8}{'offset':>8}  told as"
    for rule, row in sorted(table.items()):
        told = "a number" if row.measured else "a word"
        yield f"{rule:30}{row.labelled:9.1f}{row.right:8.3f}{row.offset:8.3f}  {told}"
    one = table[calibration.ANY]
    yield f"logit above that of {STRANGERS}: {', '.join(f'{k} {v:.2f}' for k, v in fitted.populations.items())}"
    yield f"slopes: {one.certainty:.3f} of the rule's certainty, {one.effect:.3f} of the distance from the threshold"


def plot(rows: Sequence[Labelled], confidences: Mapping[str, Array], path: Path) -> None:
    """Reliability diagrams: share of right findings over confidence, with 95 % intervals, by source and judge."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = ("all real", "corpus", STRANGERS, "curves")
    figure, grid = pyplot.subplots(1, len(shown), figsize=(4.2 * len(shown), 4.2), squeeze=False)
    for axes, name in zip(grid.flat, shown, strict=True):
        _panel(axes, name, rows, confidences)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _panel(axes: Any, name: str, rows: Sequence[Labelled], confidences: Mapping[str, Array]) -> None:
    mask = groups(rows)[name]
    right, weight = np.array([row.right for row in rows], dtype=np.float64), weights(rows)
    for judge, style in ((JUDGES[0], "o:"), (JUDGES[3], "s-"), (JUDGES[4], "^--")):
        bins = [b for b in equal_counts(confidences[judge][mask], right[mask], weight[mask], BINS) if b.size]
        error = [1.96 * np.sqrt(b.right * (1.0 - b.right) / b.size) for b in bins]
        axes.errorbar([b.confidence for b in bins], [b.right for b in bins], error, fmt=style, label=judge)
    axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    axes.set(xlim=(0.6, 1.01), ylim=(0.6, 1.01), title=name, xlabel="confidence", ylabel="share that is right")
    axes.legend(fontsize=7)


def main(argv: list[str] | None = None) -> int:
    """Print the tables; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _corpus.add_corpus(parser)
    beside = _corpus.BESIDE.parent
    parser.add_argument("--frameworks", type=Path, default=beside / "framework_runs", help="(default: %(default)s)")
    parser.add_argument(
        "--curves", type=Path, default=beside / "curves" / "algoperf.parquet", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, default=2, help="drawn runs per kind, noise and length (default: %(default)s)"
    )
    parser.add_argument("--write", type=Path, metavar="CSV", help="write the table of the rules' calibration")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the reliability diagrams")
    arguments = parser.parse_args(argv)
    _corpus.require(arguments.corpus, "manifest.csv", "labels.csv", "runs", "overfit_histories.parquet")
    for path in (arguments.frameworks, arguments.curves):
        if not path.exists():
            sys.exit(f"{path}: not there; it is kept beside the repository: say where with --frameworks, --curves")

    rows = labelled(list(subjects(arguments)))
    confidences, fitted = judges(rows), fit(rows)
    print(*by_group(rows, confidences), "", *by_rule(rows, confidences), "", sep="\n")
    print(*reliability(rows, confidences), "", *table_lines(fitted), sep="\n")
    if arguments.write:
        calibration.write(fitted.table, arguments.write)
    if arguments.plot:
        plot(rows, confidences, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
