"""The tools that an agent can call, each a function of the workspace and of arguments that hold to its schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from diagnose.curves import Run, Series
from diagnose.errors import ReadError, UserError, unknown
from diagnose.integrations.mcp import answers
from diagnose.integrations.mcp.answers import CURVE, WAYS
from diagnose.integrations.mcp.workspace import Workspace
from diagnose.judging import manuals
from diagnose.names.kinds import KINDS
from diagnose.names.roles import ROLES
from diagnose.readers import Source, expand
from diagnose.report import Report
from diagnose.reports import brief, compare_json, comparison, rules_json
from diagnose.reports.budget import cut
from diagnose.reports.context import Context
from diagnose.rule import Diagnosis


class ToolError(UserError):
    """A call that cannot be answered; `str()` says why and what to do, in one line."""


class Tool(NamedTuple):
    """What an agent can call.

    run: the workspace and the arguments -> the answer. arguments: name -> JSON schema. required: those that must be
    there. network: whether it may ask a server, where the workspace allows it.
    """

    name: str
    title: str
    description: str
    run: Callable[[Workspace, Mapping[str, Any]], str]
    arguments: Mapping[str, Any]
    required: tuple[str, ...] = ()
    network: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a call's arguments."""
        return {
            "type": "object",
            "properties": dict(self.arguments),
            "required": list(self.required),
            "additionalProperties": False,
        }


def find_logs(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """The logs below a folder, the newest first."""
    folder = workspace.path(given.get("folder", "."))
    with workspace.reading():
        sources = expand([folder])
    found = sorted((_listed(source) for source in sources), key=lambda each: each["modified"], reverse=True)
    return answers.logs(folder, found)


def _listed(source: Source) -> dict[str, Any]:
    """A log as it is listed: the path to call it by, its size and when it was written, or why it is unreadable."""
    path = source.paths[0].parent if len(source.paths) > 1 else Path(source.label)
    told = {"path": cut(str(path), brief.SOURCE, end=True)}
    try:
        stats = [each.stat() for each in source.paths]
    except OSError as error:
        return {**told, "modified": "", "error": cut(error.strerror or str(error), brief.COLUMN)}
    if not stats:
        return {**told, "modified": "", "error": cut(source.error, brief.SENTENCE)}
    modified = datetime.fromtimestamp(max(stat.st_mtime for stat in stats), UTC).isoformat(timespec="minutes")
    return {**told, "modified": modified, "kb": answers.short(sum(stat.st_size for stat in stats) / 1000)}


def diagnose_run(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """The verdict on one log."""
    report = _report(workspace, [given["path"]], given)
    return brief.answer(report, WAYS, most=brief.RUN)


def explain_rule(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """The manual page of a rule."""
    return answers.rule(rules_json.manual(manuals.of(given["rule"]), Context())["rule"])


def compare_runs(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """Runs beside each other."""
    report = _report(workspace, given["paths"], {})
    return answers.comparison(compare_json.document(comparison.compare(report.diagnoses), Context()))


def audit_project(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """The verdicts on all logs below a folder, or on the runs of a project on a W&B server."""
    if "project" not in given:
        return brief.answer(_report(workspace, [given.get("folder", ".")], given), WAYS, most=brief.AUDIT)
    if not workspace.network:
        raise ToolError("project: the server was started without --network; audit a folder, or ask the user for it")
    if "://" in given["project"]:
        raise ToolError("project: name it as entity/project; addresses are not read")
    from diagnose.integrations.wandb.project import audited
    from diagnose.integrations.wandb.server import parse

    return brief.answer(audited(parse(given["project"])).report, brief.SHELL_OF_SERVER, most=brief.AUDIT)


def curve(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """The points of a curve."""
    run = _run(workspace, given).run
    role, series = _series(run, given.get("column") or _main(run))
    return answers.curve(run, role, series, given.get("points", CURVE))


def suggest_fix(workspace: Workspace, given: Mapping[str, Any]) -> str:
    """What to do first about each finding."""
    diagnosis = _run(workspace, {name: value for name, value in given.items() if name != "rules"})
    for rule in given.get("rules", ()):
        if rule not in (found := [f.rule for f in diagnosis.findings]):
            raise ToolError(f"rules: {unknown('finding of this run', rule, found) if found else 'the run has none'}")
    return answers.advice(diagnosis, given.get("rules", ()))


def _report(workspace: Workspace, paths: Sequence[str], given: Mapping[str, Any]) -> Report:
    """The report on these paths. Raises ToolError where nothing of them could be judged at all."""
    kind = {"kind": given["kind"]} if "kind" in given else None
    named = [workspace.path(path) for path in paths]
    report = workspace.diagnosed(named, select=given.get("rules"), map=given.get("columns"), config=kind)
    if not report.diagnoses and len(report.errors) == 1:
        raise ReadError(f"{cut(report.errors[0].source, brief.SOURCE, end=True)}: {report.errors[0].message}")
    return report


def _run(workspace: Workspace, given: Mapping[str, Any]) -> Diagnosis:
    """The run that is meant of those in a log. Raises ToolError where it does not say which."""
    runs = {d.run.name: d for d in _report(workspace, [given["path"]], given)}
    if "run" in given and given["run"] in runs:
        return runs[given["run"]]
    if len(runs) != 1 or "run" in given:
        names = ", ".join(cut(name, brief.COLUMN, end=True) for name in list(runs)[: brief.FEW])
        raise ToolError(f"run: name one of the {len(runs)} runs there: {names}{', ...' * (len(runs) > brief.FEW)}")
    return next(iter(runs.values()))


def _main(run: Run) -> str:
    """The role of the curve that shows a run at a glance."""
    return next((role for role in ("val_loss", *ROLES) if run.curve(role) is not None), "")


def _series(run: Run, asked: str) -> tuple[str, Series]:
    """The role and the curve that a role or a column names. Raises ToolError where the run has no such curve."""
    column = run.roles.get(asked, asked)
    if column not in run.series:
        known = [cut(name, brief.COLUMN) for name in [*run.roles, *run.series][: 2 * brief.FEW]]
        raise ToolError(f"column: no curve {cut(asked, brief.COLUMN)}; there are {', '.join(dict.fromkeys(known))}")
    role = next((role for role, name in run.roles.items() if name == column), "")
    return role, run.series[column]


_PATH = {"type": "string", "description": "A log: a file, or a folder that is one run, within the folder served."}
_FOLDER = {"type": "string", "description": "A folder within the folder served. Default: all of it."}
_RULES = {"type": "array", "items": {"type": "string"}, "description": "Only these rules, by their ids."}
_COLUMNS = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": 'Role -> column that was not recognised: {"val_loss": "my_loss"}.',
}
_KIND = {"enum": list(KINDS), "description": "The kind of training, where columns and config do not tell."}
_RUN = {"type": "string", "description": "The name of the run, where the log holds several."}

TOOLS: Sequence[Tool] = (
    Tool(
        "find_logs",
        "Find training logs",
        "List the training logs below a folder, the newest first, whatever their format (CSV, JSON, W&B, TensorBoard, "
        "MLflow, console output and more). Call it first where no path is known.",
        find_logs,
        {"folder": _FOLDER},
    ),
    Tool(
        "diagnose_run",
        "Diagnose a training run",
        "Say what is wrong with the run in a training log (overfitting, divergence, NaN, spikes, a rate that is too "
        "high and 50 other rules), since when, how sure that is, and what to try first; or that nothing is; or what "
        "could not be judged and why.",
        diagnose_run,
        {"path": _PATH, "rules": _RULES, "columns": _COLUMNS, "kind": _KIND},
        ("path",),
    ),
    Tool(
        "explain_rule",
        "Explain a rule",
        "The manual page of a rule: why it matters, what it measures, its limits, thresholds, causes and fixes.",
        explain_rule,
        {"rule": {"type": "string", "description": "Its id, such as overfitting."}},
        ("rule",),
    ),
    Tool(
        "compare_runs",
        "Compare runs",
        "Hold 2 to 26 runs beside each other: verdicts, best and last values, what differs in their configurations.",
        compare_runs,
        {
            "paths": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": "Logs, or a folder of them, within the folder served.",
            }
        },
        ("paths",),
    ),
    Tool(
        "audit_project",
        "Audit many runs",
        "Judge every log below a folder: how many have which problem, and the worst of them with what to do first.",
        audit_project,
        {
            "folder": _FOLDER,
            "rules": _RULES,
            "project": {
                "type": "string",
                "description": "entity/project on a W&B server instead; needs a server started with --network.",
            },
        },
        network=True,
    ),
    Tool(
        "curve",
        "Read a curve",
        f"The points of one curve of a run, at most {CURVE}, the extremes and both ends among them.",
        curve,
        {
            "path": _PATH,
            "column": {
                "type": "string",
                "description": "A role (train_loss, val_loss, learning_rate, grad_norm ...) or a column. "
                "Default: the validation loss, else the first role there is.",
            },
            "points": {"type": "integer", "minimum": 4, "maximum": CURVE},
            "run": _RUN,
        },
        ("path",),
    ),
    Tool(
        "suggest_fix",
        "Suggest what to change",
        "The first fixes for each finding of a run, as data: which hyperparameter to set to what, what else to do, "
        "why, and in how many trials on reference trainings it helped. Nothing is changed.",
        suggest_fix,
        {"path": _PATH, "rules": _RULES, "run": _RUN},
        ("path",),
    ),
)
"""In the order in which they are listed."""
