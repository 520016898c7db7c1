"""What coding agents are answered: every tool of `diagnose mcp` on every log of the corpus, and how large that is.

    python tests/benchmarks/agents.py --corpus ../shared/corpus

Calls the tools as the server does, without the protocol between. Prints for each the calls, the errors, and the largest
answer in tokens (see `diagnose.reports.budget`) and in characters; then `--format brief` for each log and for all.
Exits with 1 where an answer is over its limit, or is no JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import _corpus

from diagnose import diagnose
from diagnose.errors import UserError
from diagnose.integrations.mcp import tools
from diagnose.integrations.mcp.workspace import Workspace
from diagnose.judging.installed import load_rules
from diagnose.reports import render
from diagnose.reports.brief import AUDIT, RUN
from diagnose.reports.budget import tokens
from diagnose.reports.context import Context

LIMITS = {"find_logs": AUDIT, "audit_project": AUDIT, "brief of all": AUDIT}
"""Tokens of an answer, where they are not those of a run."""


def calls(logs: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is called: each tool for each log that it can be called for."""
    yield "find_logs", {}
    yield "audit_project", {}
    yield from (("explain_rule", {"rule": rule.id}) for rule in load_rules())
    for before, log in zip([*logs[-1:], *logs], logs, strict=False):
        yield from ((name, {"path": log}) for name in ("diagnose_run", "curve", "suggest_fix"))
        yield "compare_runs", {"paths": [before, log]}
    for first in range(0, len(logs), 26):
        yield "compare_runs", {"paths": logs[first : first + 26]}


def main(argv: list[str] | None = None) -> int:
    """Print a line per tool, and the lines of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _corpus.add_corpus(parser)
    root = parser.parse_args(argv).corpus.resolve() / "runs"
    logs = [str(log.door.relative_to(root)) for log in _corpus.logs(root.parent)]
    os.chdir(root)
    workspace = Workspace(root)
    said: dict[str, list[str]] = {}
    failed: dict[str, list[str]] = {}
    for name, arguments in calls(logs):
        tool = next(tool for tool in tools.TOOLS if tool.name == name)
        try:
            said.setdefault(name, []).append(tool.run(workspace, arguments))
        except UserError as error:
            failed.setdefault(name, []).append(str(error))
    reports = [diagnose([log]) for log in logs]
    said["brief of one"] = [render(report, "brief", Context()) for report in reports if len(report) <= 1]
    said["brief of all"] = [render(diagnose(logs), "brief", Context())]
    over = 0
    for name, answers in said.items():
        largest = max(answers, key=tokens)
        limit = LIMITS.get(name, RUN)
        over += sum(tokens(answer) > limit or not json.loads(answer) for answer in answers)
        print(
            f"{name:14} {len(answers):4} answers, {len(failed.get(name, ())):3} errors; largest {tokens(largest):4} "
            f"tokens of {limit}, {max(map(len, answers)):5} characters"
        )
    errors = [error for told in failed.values() for error in told]
    broken = sum(len(error.splitlines()) > 1 for error in errors)
    print(f"longest error {max(map(tokens, errors), default=0)} tokens; {broken} of several lines")
    print(f"{over} answers are over their limit")
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
