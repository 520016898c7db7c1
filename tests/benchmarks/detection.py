"""Compares the findings with the labels of the corpus and of the pairs of curves.

    python tests/benchmarks/detection.py
    python tests/benchmarks/detection.py --part later            only the logs that came after the first thresholds
    python tests/benchmarks/detection.py --plot sheets/           draws what labels and rules see differently
    python tests/benchmarks/detection.py --peers [--peers-python /path/to/venv/bin/python]

A label is found where the log's run has a finding of one of the label's rules (README of the corpus), a warning or an
error unless a note suffices. Labels without agreement are not scored. Intervals draw repositories, not logs.
`disputed.csv` names labels that are wrong, with the reason: a second line of the table leaves them out.
`calibration.py` holds the confidences against the same labels.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import _corpus
import _peers
import _sheets
from _corpus import Outcome
from _scores import Counts, Verdict, bootstrap
from _verdicts import (
    CURVE_LABELS,
    NOTE_SUFFICES,
    RULES,
    Result,
    counts_for,
    judge_corpus,
    judge_pairs,
    spikes_that_fall,
)
from _versus import ask_peers, judge_peer

from diagnose.curves import Run
from diagnose.judging.installed import load_rules
from diagnose.rule import Diagnosis

PRECISION_BAR, RECALL_BAR, LEAST_POSITIVES = 0.85, 0.80, 5
HEALTHY_BAR = 0.05
F1_BAR, MACRO_BAR, FALSE_ALARM_BAR = 0.97, 0.98, 2

HEAD = f"{'label':22}{'yes':>5}{'no':>5}{'hit':>5}{'miss':>5}{'false':>6}{'precision':>11}{'recall':>8}{'F1':>7}  95 %"


def row(name: str, verdicts: Sequence[Verdict], seed: int = 0) -> str:
    """One line of the table."""
    c = Counts.of(verdicts)
    low, high = bootstrap(verdicts, lambda counts: counts.f1, seed=seed)
    interval = f"{low:.2f} to {high:.2f}" if math.isfinite(low) else "-"
    cells = f"{c.positives:5}{c.fp + c.tn:5}{c.tp:5}{c.fn:5}{c.fp:6}{c.precision:11.2f}{c.recall:8.2f}{c.f1:7.2f}"
    return f"{name:22}{cells}  {interval:13}"


def macro_line(result: Result) -> str:
    """The mean F1 over the labels for which no note suffices; a label without any log that has it is left out."""
    scores = [Counts.of(found).f1 for label, found in result.verdicts.items() if label in RULES.keys() - NOTE_SUFFICES]
    known = [score for score in scores if math.isfinite(score)]
    return f"macro-F1 over {len(known)} labels: {sum(known) / max(len(known), 1):.3f}"


def table(result: Result, disputed: Mapping[tuple[str, str], str], *, bars: bool = True) -> list[str]:
    """The table over labels; a second line for a label of which some are disputed."""
    lines = [HEAD]
    for label in CURVE_LABELS:
        verdicts = result.verdicts.get(label, [])
        if not verdicts:
            continue
        lines.append(row(label, verdicts) + (_bars(label, verdicts) if bars else ""))
        kept = [v for v in verdicts if (v.id, label) not in disputed]
        if len(kept) < len(verdicts):
            name = f"  without {len(verdicts) - len(kept)} disputed"
            lines.append(row(name, kept) + (_bars(label, kept) if bars else ""))
    return lines


def _bars(label: str, verdicts: Sequence[Verdict]) -> str:
    """Whether the label meets its bars, where they hold for it."""
    c = Counts.of(verdicts)
    if label in ("healthy", "log_artifact") or c.positives < LEAST_POSITIVES:
        return "  no bar"
    low = [] if c.precision >= PRECISION_BAR else ["precision"]
    low += [] if c.recall >= RECALL_BAR else ["recall"]
    return f"  misses the bar: {', '.join(low)}" if low else "  meets the bars"


def _listed(items: Sequence[str]) -> str:
    return f" ({', '.join(items)})" if items else ""


def healthy_line(verdicts: Sequence[Verdict]) -> str:
    """How many agreed-healthy runs get an alarm."""
    healthy = [v for v in verdicts if v.label]
    alarmed = [v for v in healthy if not v.found]
    share = len(alarmed) / max(len(healthy), 1)
    return f"agreed-healthy runs with a warning or error: {len(alarmed)} of {len(healthy)}, {100 * share:.1f} %"


def pairs_line(name: str, verdicts: Sequence[Verdict]) -> str:
    """F1, macro-F1 and false alarms on the pairs."""
    c = Counts.of(verdicts)
    low, high = bootstrap(verdicts, lambda counts: counts.f1)
    return (
        f"{name:22}F1 {c.f1:.3f} ({low:.3f} to {high:.3f})  macro-F1 {c.macro_f1:.3f}  recall {c.recall:.3f}  "
        f"false alarms {c.fp} of {c.fp + c.tn}"
    )


def read_disputed(path: Path) -> dict[tuple[str, str], str]:
    """(id, label) -> reason."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        return {(row["id"], row["label"]): row["reason"] for row in csv.DictReader(stream)}


def disagreements(result: Result, disputed: Mapping[tuple[str, str], str], formats: Mapping[str, str]) -> list[str]:
    """Every disagreement with what was found, or why nothing was."""
    lines = []
    for label, verdicts in result.verdicts.items():
        for v in verdicts:
            if v.label == v.found:
                continue
            kind = ("alarm" if v.label else "silent") if label == "healthy" else ("missed" if v.label else "false")
            reason = disputed.get((v.id, label))
            note = f" [disputed: {reason}]" if reason else ""
            lines.append(f"  {label} {v.id} {formats.get(v.id, '')} {kind}: {result.words[label, v.id]}{note}")
    return lines


def plot(result: Result, diagnoses: Mapping[str, Diagnosis], folder: Path, prefix: str = "") -> list[Path]:
    """One series of sheets per label with every disagreement."""
    paths = []
    for label, verdicts in result.verdicts.items():
        panels = []
        for v in (v for v in verdicts if v.label != v.found and v.id in diagnoses):
            diagnosis = diagnoses[v.id]
            relevant = [f for f in diagnosis.findings if label not in RULES or counts_for(f, label)]
            title = f"{v.id}  {label}: label {'yes' if v.label else 'no'}, found {'yes' if v.found else 'no'}"
            panels.append(_sheets.Panel(diagnosis.run, title, result.words[label, v.id], relevant))
        paths += _sheets.draw(panels, folder, prefix + label)
    return paths


def main(argv: list[str] | None = None) -> int:
    """Print all tables; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _corpus.add_corpus(parser)
    parser.add_argument("--part", choices=("all", "first", "later"), default="all", help="of the logs (%(default)s)")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw the disagreements as contact sheets into DIR")
    parser.add_argument("--peers", action="store_true", help=f"the same tables for {', '.join(_peers.TOOLS)}")
    parser.add_argument("--peers-python", default=sys.executable, help="the interpreter that has them (default: this)")
    parser.add_argument(
        "--disputed", type=Path, default=Path(__file__).with_name("disputed.csv"), help="labels known wrong"
    )
    arguments = parser.parse_args(argv)
    corpus: Path = arguments.corpus
    _corpus.require(corpus, "manifest.csv", "labels.csv", "runs", "overfit_histories.parquet")
    labels, disputed = _corpus.labels(corpus), read_disputed(arguments.disputed)

    wanted = {"all": (False, True), "first": (False,), "later": (True,)}[arguments.part]
    every = [_corpus.outcome(log) for log in _corpus.logs(corpus) if log.later in wanted]
    outcomes = [o for o in every if o.read]
    formats = {o.log.id: o.log.format for o in every}
    result = judge_corpus(outcomes, labels)
    _print_not_read(every)
    missing = sorted({rule for rules in RULES.values() for rule in rules} - {rule.id for rule in load_rules()})
    if missing:
        print(f"rules that are not installed, so never found: {', '.join(missing)}")
    print("\n".join(["", *table(result, disputed)]))
    print(macro_line(result))
    print(f"\n{healthy_line(result.verdicts.get('healthy', []))} (bar {100 * HEALTHY_BAR:g} %)")
    marks, down, decay = spikes_that_fall(outcomes)
    print(
        f"loss-spike: {marks} marks; {len(down)} on a downward step{_listed(down)}; {len(decay)} at a cut of the "
        f"learning rate{_listed(decay)}"
    )

    pairs = _corpus.pairs(corpus)
    pair_result, pair_diagnoses = judge_pairs(pairs)
    pair_verdicts = pair_result.verdicts["overfitting"]
    print(f"\npairs of curves (bars: F1 {F1_BAR}, macro-F1 {MACRO_BAR}, false alarms {FALSE_ALARM_BAR})")
    print(pairs_line("diagnose", pair_verdicts))

    print("\ndisagreements with the labels:", *disagreements(result, disputed, formats), sep="\n")
    print("\ndisagreements on the pairs:", *disagreements(pair_result, {}, {}), sep="\n")
    if arguments.peers:
        peers(arguments.peers_python, outcomes, labels, pairs, result, pair_verdicts)
    if arguments.plot:
        of_logs = {o.log.id: _corpus.of_manifest(o)[0] for o in outcomes}
        paths = plot(result, of_logs, arguments.plot) + plot(pair_result, pair_diagnoses, arguments.plot, "pairs-")
        print(f"\n{len(paths)} sheets in {arguments.plot}")
    return 0


def _print_not_read(every: Sequence[Outcome]) -> None:
    """The logs that are not scored, by format."""
    absent: dict[str, list[str]] = {}
    for found in every:
        if not found.read:
            absent.setdefault(found.log.format, []).append(found.log.id)
    total = sum(map(len, absent.values()))
    print(f"{len(every)} logs, {total} not read and not scored" + (":" if total else ""))
    for name, ids in sorted(absent.items()):
        print(f"  {name}: {len(ids)} ({', '.join(ids)})")


def peers(
    python: str,
    outcomes: Sequence[Outcome],
    labels: Mapping[str, Mapping[str, bool]],
    pairs: Sequence[tuple[Run, bool]],
    ours: Result,
    our_pairs: Sequence[Verdict],
) -> None:
    """Print the tables of the installed peers, on the same curves."""
    runs = {o.log.id: _corpus.of_manifest(o)[0].run for o in outcomes}
    clusters = {o.log.id: o.log.repo for o in outcomes}
    versions, answers = ask_peers(python, runs | {run.name: run for run, _ in pairs})
    absent = [tool for tool in _peers.TOOLS if tool not in versions]
    print(f"\npeers: {', '.join(f'{k} {v}' for k, v in versions.items()) or 'none installed'}")
    if absent:
        print(f"not installed, so not compared: {', '.join(absent)}; name their interpreter with --peers-python PATH")
    results = {"diagnose": ours}
    pair_labels = {run.name: {"overfitting": label} for run, label in pairs}
    lines = [pairs_line("diagnose", our_pairs)]
    for tool, found in answers.items():
        failed = [key for key, answer in found.items() if answer["error"]]
        results[tool] = mine = judge_peer(tool, found, labels, clusters)
        print(f"\n{tool} {versions[tool]}; {len(failed)} of {len(found)} answered with an error")
        print("\n".join(table(mine, {}, bars=False)))
        print(healthy_line(mine.verdicts.get("healthy", [])))
        lines.append(pairs_line(tool, judge_peer(tool, found, pair_labels, {}).verdicts.get("overfitting", [])))
    print(f"\nF1 by label{'':11}" + "".join(f"{name:>14}" for name in results))
    for label in CURVE_LABELS:
        scores = [Counts.of(judge.verdicts.get(label, [])).f1 for judge in results.values()]
        print(f"{label:22}" + "".join(f"{s:14.2f}" if math.isfinite(s) else f"{'-':>14}" for s in scores))
    print("\npairs of curves", *lines, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
