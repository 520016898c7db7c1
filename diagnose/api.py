"""Judges one source or many: reads each, applies the rules, and gathers what was said in a `Report`.

    report = diagnose("run.csv")                    # or several sources, a directory, a pandas DataFrame
    for finding in report.findings:
        print(finding.rule, finding.summary)

Unlike the command line, the function reads no settings file unless it is handed the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnose import limits, reports
from diagnose import report as plain
from diagnose import settings as project
from diagnose.errors import ReadError, SettingsError, unknown
from diagnose.judging.installed import load_rules
from diagnose.judging.many import Progress, audit, baseline_runs
from diagnose.judging.needs import thresholds_of
from diagnose.judging.source import Wanted
from diagnose.names.roles import AXES, ROLES
from diagnose.readers.formats.python_values import is_values
from diagnose.reports.context import Context
from diagnose.reports.page import PLAIN_PAGE, Detail
from diagnose.settings import Settings

if TYPE_CHECKING:
    from diagnose.parallel import Cluster

BACKENDS = ("processes", "dask")
"""Where many logs are judged: in processes of this machine, or by the workers of a cluster."""


class Report(plain.Report):
    """What `diagnose` answers: the plain value, which also prints itself and shows itself in a notebook."""

    def text(self, *, verbose: bool = False) -> str:
        """The report for a person, as the command prints it. verbose: all of it, as `--verbose`."""
        page = replace(PLAIN_PAGE, detail=Detail.FULL if verbose else Detail.GLANCE)
        said = reports.render(self, "text", Context(page=page))
        return said + "".join(f"{source}: {message}\n" for source, message in self.errors)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """What a notebook shows of the report."""
        from diagnose.reports import notebook

        return notebook.render(self, Context())


def diagnose(  # noqa: PLR0913 - each has a default that fits, and one is named at a time
    sources: Any,
    *,
    map: Mapping[str, str] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    baseline: Any = None,
    jobs: int | str = 1,
    backend: str = "processes",
    scheduler: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge one source, or a sequence of them.

    sources: a path of a log or of a directory that holds some, "-" for the standard input, an open file, a pandas
        DataFrame, the curves themselves (`history.history`, or a list with a mapping per epoch), or a list or tuple of
        these.
    map: role -> column name, over what the names of the columns say.
    select, ignore: ids of the rules to apply and to leave out; None for all, and for none.
    thresholds: rule id -> threshold -> value.
    config: hyperparameters of the runs, over those that came with the logs: a mapping, or a YAML, JSON or TOML file.
    baseline: earlier runs of the same thing to hold each run against: sources like `sources`. None takes that of the
        settings. A run that is itself among them is held against the others.
    jobs: processes to read and judge in; "auto" for as many as there are cores. They are spawned: a script that asks
        for them guards its entry with `if __name__ == "__main__"`.
    backend: "processes" of this machine, or "dask" for the workers of the cluster at `scheduler`, an address such as
        tcp://10.0.0.1:8786. They need this package, and the files under the same paths.
    settings: those of a project (see `load_settings`); the other arguments go before them. None reads no file.
    progress: called before each source.

    Raises SettingsError (a ValueError) for an unknown rule, role or threshold, an unreadable config, a baseline
    without a run, a wrong number of jobs, or a cluster that does not answer. Raises ReadError where a single source was
    given and nothing could be read; of several, the unreadable ones are in `Report.errors`.
    """
    single = not isinstance(sources, list | tuple) or is_values(sources)
    settings = settings or Settings()
    wanted = Wanted.of(map=map, select=select, ignore=ignore, thresholds=thresholds, config=config, settings=settings)
    where = _where(jobs, backend, scheduler)
    with limits.held(settings.limited()):
        earlier = baseline_runs(settings.baseline_paths() if baseline is None else baseline, wanted)
        every = select is None and settings.select is None
        wanted = replace(wanted, baseline=earlier) if earlier or not every else wanted.without_baseline()
        judged = audit([sources] if single else list(sources), wanted, where, progress)
    report = Report(**vars(judged))
    if single and not report.diagnoses and report.errors:
        raise ReadError("; ".join(f"{source}: {message}" for source, message in report.errors))
    return report


def load_settings(source: str | None = None) -> Settings:
    """The settings of the project around the working directory, else around `source`; see `diagnose.settings`.

    Raises SettingsError where the file holds something that means nothing.
    """
    path = project.find(source)
    if path is None:
        return Settings()
    rules = load_rules()
    return project.load(
        path,
        rules={rule.id: thresholds_of(rule) for rule in rules},
        groups={rule.id: rule.group for rule in rules},
        roles=(*ROLES, *AXES),
    )


def _where(jobs: int | str, backend: str, scheduler: str | None) -> int | Cluster:
    """The number of processes here, or the cluster. Raises SettingsError for what is neither."""
    if backend not in BACKENDS:
        raise SettingsError(f"--backend: {unknown('value', backend, BACKENDS)}")
    if backend == "processes" and scheduler is not None:
        raise SettingsError("--scheduler is the address of a cluster; say --backend dask with it")
    if backend == "processes" and str(jobs) == "1":
        return 1
    from diagnose import parallel  # its import costs a tenth of the time that a short log takes

    if backend == "dask":
        if str(jobs) != "1":
            raise SettingsError("--jobs are processes of this machine; with --backend dask the cluster has its own")
        return parallel.Cluster(scheduler, most_chunk=parallel.MOST_CHUNK)
    return parallel.workers(jobs)
