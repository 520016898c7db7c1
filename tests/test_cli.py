"""The command line as its user meets it: most calls in this process, those about streams and signals in their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner, Result

from diagnose import cli, synthetic
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import compares_runs, needs_baseline
from tests.conftest import interruptible, wait_until
from tests.written import write_csv

ONLY = ("--select", "overfitting,loss-spike")
"""Two rules, so that a new one does not change what these tests see."""

ENV = {"TERM": "xterm", "NO_COLOR": None, "COLUMNS": None, "DIAGNOSE_TRACEBACK": None}


def run(*arguments: str | Path, **options: Any) -> Result:
    env = {**ENV, **options.pop("env", {})}
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], prog_name="diagnose", env=env, **options)


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "diagnose", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture
def ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_csv(synthetic.overfit(), tmp_path / "ill.csv").relative_to(tmp_path)


@pytest.fixture
def fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_csv(synthetic.healthy(), tmp_path / "fine.csv").relative_to(tmp_path)


# --- exit codes and streams


def test_an_ill_run_exits_1_and_a_healthy_one_0(ill: Path, fine: Path) -> None:
    found = run(ill, *ONLY)
    assert (found.exit_code, found.stderr) == (1, "")
    assert found.stdout.startswith("ill.csv: overfitting since epoch ")
    assert found.stdout.startswith("ill.csv: overfitting since epoch 30\n  try first: stop at epoch 30")
    assert "try first:" in found.stdout
    healthy = run(fine, *ONLY)
    assert (healthy.exit_code, healthy.stderr) == (0, "")
    assert "nothing found by 2 rules, and not known to be healthy: non-convergence was not asked" in " ".join(
        healthy.stdout.split()
    )


@pytest.mark.parametrize(("level", "code"), [("note", 1), ("warning", 1), ("error", 1), ("never", 0)])
def test_fail_on_decides_about_an_error(ill: Path, level: str, code: int) -> None:
    assert run(ill, "--fail-on", level).exit_code == code


def test_fail_on_error_lets_a_warning_pass(tmp_path: Path) -> None:
    log = write_csv(synthetic.overfit(), tmp_path / "run.csv")
    (tmp_path / "diagnose.toml").write_text("[rules.overfitting]\ngl_error = 1e9\n")
    assert "WARNING, confidence" in run(log, *ONLY).stdout
    assert run(log, *ONLY).exit_code == 1
    assert run(log, *ONLY, "--fail-on", "error").exit_code == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("one_row.csv", b"epoch,loss\n1,2\n"),
        ("book.xlsx", b"PK\x03\x04" + bytes(200)),
        ("binary.dat", bytes(range(256)) * 40),
        ("prose.txt", b"Dear diary, today I trained a network.\n" * 30),
        ("no_numbers.csv", b"a,b\nx,y\nz,w\n"),
    ],
)
def test_what_is_no_log_gets_one_line_and_exit_2(tmp_path: Path, ill: Path, name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    result = run(name, ill)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{name}: ")
    assert result.stderr.count("\n") == 1
    assert "\n  ERROR, confidence" in result.stdout


def test_a_missing_file_and_an_empty_directory_are_named(tmp_path: Path, ill: Path) -> None:
    Path("hollow").mkdir()
    result = run("gone.csv", "hollow", ill)
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first.startswith("gone.csv: no such file")
    assert second.startswith("hollow: ")
    assert "\n  ERROR, confidence" in result.stdout


def test_a_log_no_rule_can_judge_is_exit_2(ill: Path) -> None:
    Path("loss.csv").write_text("epoch,loss\n" + "".join(f"{i},{9 - i / 9}\n" for i in range(30)))
    result = run("loss.csv", "--select", "overfitting")
    assert result.exit_code == 2
    assert result.stderr == (
        "loss.csv: no rule could judge it: the log has no val_loss; if a column holds it: --map val_loss=COLUMN\n"
    )


def test_a_directory_is_searched_for_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(synthetic.overfit(), tmp_path / "logs" / "a" / "metrics.csv")
    write_csv(synthetic.healthy(), tmp_path / "logs" / "b" / "metrics.csv")
    (tmp_path / "logs" / "notes.md").write_text("# notes")
    result = run("logs")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"2 runs in logs{os.sep}: 1 with errors, 1 healthy\n")
    assert result.stderr == ""


def test_a_name_with_terminal_codes_is_printed_harmlessly(ill: Path) -> None:
    evil = "a\x1b]0;b\x07\n.csv"
    shutil.copy(ill, evil)
    for arguments in ([evil], [evil, ill], [evil, "--format", "json"], [evil, "--map", "train_loss=\x1b[2J"]):
        result = run(*arguments)
        assert "\x1b" not in result.output
    assert run(evil + "x").stderr.startswith(r"a\x1b]0;b\x07\n.csvx: no such file")


# --- the two ways to call it


def test_options_stand_before_or_after_the_path(ill: Path) -> None:
    assert run("--fail-on", "never", ill).exit_code == 0
    assert run(ill, "--fail-on=never").exit_code == 0
    assert run("--fail-on", "never", "--", ill).exit_code == 0


def test_a_file_named_like_a_command_is_read_with_its_folder(ill: Path) -> None:
    ill.rename("rules")
    assert run("rules").stdout.startswith("curve ")
    assert "\n  ERROR, confidence" in run("./rules").stdout
    assert "\n  ERROR, confidence" in run("--", "rules").stdout


def test_without_arguments_it_shows_the_help_and_exits_2() -> None:
    result = run()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: diagnose [OPTIONS] PATHS... | COMMAND [ARGS]...")


@pytest.mark.parametrize("call", [["--help"], ["-h"], ["run.csv", "--help"]])
def test_the_help_shows_options_and_commands(call: list[str]) -> None:
    result = run(*call)
    assert result.exit_code == 0
    for word in ("PATHS", "--map", "--fail-on", "--install-completion", "rules", "explain", "Exit codes"):
        assert word in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("words", [["compare"], ["reference", "run"], []])
def test_help_of_a_command_is_what_the_command_says_of_itself(words: list[str]) -> None:
    assert run("help", *words).stdout == run(*words, "--help").stdout


def test_help_of_an_unknown_command_names_the_nearest() -> None:
    result = run("help", "compar")
    assert result.exit_code == 2
    assert "did you mean compare?" in result.stderr


def test_a_group_lists_its_rules() -> None:
    for command in ("rules", "explain"):
        listed = run(command, "gradient").stdout
        assert listed.startswith("gradient ")
        assert "vanishing-gradient" in listed
        assert "overfitting" not in listed


def test_version() -> None:
    assert run("--version").stdout == f"diagnose {cli.diagnose.__version__}\n"


def test_a_mistyped_command_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("rulse").stderr == "rulse: no such file; did you mean the command `diagnose rules`?\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-on", "warnin"], "Invalid value for '--fail-on': no value 'warnin'; did you mean warning?"),
        (["--format", "jsn"], "Invalid value for '--format': no value 'jsn'; did you mean json?"),
        (["--color", "x"], "Invalid value for '--color': no value 'x'; valid: auto, always, never"),
        (["--width", "ten"], "Invalid value for '--width': 'ten' is no number of columns from 40 on"),
        (["--width", "10"], "Invalid value for '--width': '10' is no number of columns from 40 on"),
        (["--select", "overfiting"], "no rule 'overfiting'; did you mean overfitting?"),
        (["--ignore", "loss-spik"], "no rule 'loss-spik'; did you mean loss-spike?"),
        (["--map", "loss"], "Invalid value for --map: 'loss' is not of the form ROLE=COLUMN, such as train_loss=loss"),
        (["--map", "trainloss=a"], "no role 'trainloss'; did you mean train_loss?"),
        (["--selct", "a"], "No such option: --selct"),
        (["--select", "loss-spike", "--ignore", "loss-spike"], "no rule is left to apply"),
    ],
)
def test_a_wrong_option_is_exit_2_with_the_nearest_valid_one(ill: Path, arguments: list[str], message: str) -> None:
    result = run(ill, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"diagnose: {message.replace('=loss', '=my_loss')}")
    assert result.stderr.count("\n") == 1


# --- what the options do


def test_select_and_ignore_take_lists_and_repeat(ill: Path) -> None:
    def judged(*options: str) -> list[str]:
        [document] = json.loads(run(ill, "--format", "json", *options).stdout)["runs"]
        return sorted([*document["judged"], *(n["rule"] for n in document["not_judged"])])

    every = sorted(rule.id for rule in load_rules() if not (compares_runs(rule) or needs_baseline(rule)))
    assert judged() == every
    assert judged("--select", "overfitting, loss-spike") == ["loss-spike", "overfitting"]
    assert judged("--select", "overfitting", "--select", "loss-spike") == ["loss-spike", "overfitting"]
    assert judged("--ignore", "overfitting") == [name for name in every if name != "overfitting"]


def test_map_names_a_column(tmp_path: Path, ill: Path) -> None:
    Path("odd.csv").write_text(ill.read_text().replace("train_loss", "alpha").replace("val_loss", "beta"))
    result = run("odd.csv", "--map", "train_loss=alpha", "--map", "val_loss=beta")
    assert "train_loss = alpha, val_loss = beta" in result.stdout
    assert "overfitting since epoch 30" in result.stdout


def test_a_mapped_column_that_is_not_there_is_an_error_of_the_source(ill: Path) -> None:
    result = run(ill, "--map", "val_loss=vall_loss")
    assert result.exit_code == 2
    assert result.stderr == "ill.csv: no column 'vall_loss' for val_loss; did you mean val_loss?\n"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (
            "val_accuracy=seconds",
            "seconds, named for val_accuracy, goes from 100 to 109, and an accuracy is a fraction",
        ),
        ("learning_rate=seconds", "seconds, named for learning_rate, goes from 100 to 109, and no learning rate is"),
        ("train_loss=epoch", "epoch, named for train_loss, counts the points of the log"),
    ],
)
def test_a_mapped_column_that_cannot_be_what_it_is_mapped_to_is_refused(ill: Path, named: str, said: str) -> None:
    Path("timed.csv").write_text("epoch,loss,seconds\n" + "".join(f"{i},{1 / (i + 1)},{100 + i}\n" for i in range(10)))
    result = run("timed.csv", "--map", named)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_mapped_column_whose_name_says_something_else_is_noted(ill: Path) -> None:
    Path("odd.csv").write_text(ill.read_text().replace("val_loss", "val_acc"))
    assert "val_acc is judged as val_loss" in " ".join(run("odd.csv", "--map", "val_loss=val_acc", "-v").stdout.split())


def test_json_is_one_document_and_errors_are_in_it_too(ill: Path, fine: Path) -> None:
    result = run(ill, fine, "gone.csv", "--format", "json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert [r["verdict"] for r in document["runs"]] == ["error", "healthy"]
    assert document["errors"][0]["source"] == "gone.csv"


def test_colours_are_for_terminals_unless_asked_for(ill: Path) -> None:
    assert "\x1b" not in run(ill).stdout
    assert "\x1b[1;31m" in run(ill, "--color", "always").stdout
    assert "\x1b" not in run(ill, "--color", "never").stdout


def test_plain_and_a_dumb_terminal_have_no_picture(ill: Path) -> None:
    assert "│" in run(ill).stdout
    for result in (run(ill, "--plain", "-v"), run(ill, "-v", env={"TERM": "dumb"})):
        assert "│" not in result.stdout
        assert "curve:" in result.stdout


@pytest.mark.parametrize("rows", ["1,2.3,2.2\n2,nan,nan\n", "1,2.3,2.2\n2,1.9,2\n3,1.8,inf\n4,nan,nan\n"])
def test_a_loss_that_is_not_finite_is_told_at_any_length(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "run.csv"
    path.write_text(f"epoch,loss,val_loss\n{rows}")
    result = run(path)
    assert result.exit_code == 1
    assert "non-finite" in result.stdout


def test_as_much_is_said_as_was_asked_for(ill: Path) -> None:
    glance, everything, line = run(ill), run(ill, "--verbose"), run(ill, "--brief")
    assert len(line.stdout.splitlines()) == 1
    assert line.stdout.startswith("ill.csv: error: overfitting since epoch 30: stop at epoch 30")
    assert len(glance.stdout.splitlines()) <= 16
    assert "evidence:" not in glance.stdout
    assert "evidence:" in everything.stdout
    assert run(ill, "--verbose", "--brief").stderr == (
        "diagnose: Invalid value for --brief: is the opposite of --verbose; give one of them\n"
    )


def test_width(ill: Path) -> None:
    assert max(map(len, run(ill).stdout.splitlines())) <= 80
    assert max(map(len, run(ill, "--width", "50").stdout.splitlines())) <= 50


def test_standard_input(ill: Path) -> None:
    result = run("-", *ONLY, input=ill.read_text())
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>: overfitting since epoch ")
    empty = run("-", input="")
    assert (empty.exit_code, empty.stderr) == (2, "<stdin>: the file is empty\n")


# --- the manual


def test_rules_lists_every_rule_in_80_columns() -> None:
    result = run("rules")
    assert result.exit_code == 0
    for rule in load_rules():
        assert f"\n{rule.id}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "overfitting: the validation loss" in run("rules", "--plain").stdout


@pytest.mark.parametrize("rule", [rule.id for rule in load_rules()])
def test_explain_prints_the_whole_page(rule: str) -> None:
    [found] = [r for r in load_rules() if r.id == rule]
    result = run("explain", rule)
    assert result.exit_code == 0
    assert result.stdout.startswith(found.doc.strip().splitlines()[0])
    assert all(fix in result.stdout for fix in found.fixes)


def test_explain_gives_thresholds_with_default_unit_and_origin() -> None:
    assert "gl_warning = 5.0   percent; the most patient criterion tried in [1]" in run("explain", "overfitting").stdout


def test_explain_of_an_unknown_rule_names_the_nearest() -> None:
    result = run("explain", "overfit")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "diagnose: no rule 'overfit'; did you mean overfitting?\n"


# --- completion


def complete(words: str, position: int) -> list[str]:
    env = {"_DIAGNOSE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    return run(env=env).stdout.split()


def test_completion_of_commands_paths_options_and_rules(ill: Path) -> None:
    Path("runs").mkdir()
    Path("runs", "a.csv").touch()
    assert complete("diagnose r", 1) == ["rules", "reference", "rehearse", "runs/", "runs/a.csv"]
    assert complete("diagnose ill.csv run", 2) == ["runs/", "runs/a.csv"]
    assert complete("diagnose runs/", 1) == ["runs/a.csv"]
    assert complete("diagnose --fa", 1) == ["--fail-on"]
    assert complete("diagnose ill.csv --fa", 2) == ["--fail-on"]
    assert complete("diagnose ill.csv --fail-on w", 3) == ["warning"]
    assert complete("diagnose explain overf", 2) == ["overfitting"]
    assert complete("diagnose --select overfitting,loss-s", 2) == ["overfitting,loss-spike"]


def test_the_completion_script_can_be_shown() -> None:
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "complete_bash" in process("--show-completion", "bash", env=env).stdout


# --- commands of other packages


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which a distribution offers the commands `greet`, `group` and `broken`."""
    site = tmp_path / "site"
    info = site / "extra-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[diagnose.commands]\ngreet = extra:greet\ngroup = extra:app\nbroken = missing_module:app\n"
    )
    (site / "extra.py").write_text(
        "import typer\n"
        "print('extra was imported')\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def one(): print('one')\n"
        "@app.command()\n"
        "def two(): print('two')\n"
        "def greet(name: str, loud: bool = False):\n"
        "    'Greet somebody.'\n"
        "    print('HELLO' if loud else 'hello', name)\n"
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def test_commands_come_from_entry_points_and_only_when_asked_for(plugins: dict[str, str], ill: Path) -> None:
    assert process("greet", "you", "--loud", env=plugins).stdout.endswith("HELLO you\n")
    assert process("group", "two", env=plugins).stdout.endswith("two\n")
    assert "Greet somebody." in process("--help", env=plugins).stdout
    assert "extra was imported" not in process(ill, env=plugins).stdout


def test_a_command_that_cannot_be_loaded_says_so(plugins: dict[str, str]) -> None:
    assert "cannot be loaded (ModuleNotFoundError" in " ".join(process("--help", env=plugins).stdout.split())
    result = process("broken", env=plugins)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "cannot be loaded (ModuleNotFoundError" in result.stderr


# --- faults, pipes and signals


def test_a_fault_of_ours_names_the_source_and_spares_the_others(
    ill: Path, fine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diagnose.judging import source as judging

    real = judging.read

    def read(source: Any, **options: Any) -> Any:
        if source.label == "fine.csv":
            raise RuntimeError("boom")
        return real(source, **options)

    monkeypatch.setattr(judging, "read", read)
    result = run(fine, ill)
    assert result.exit_code == 2
    assert result.stderr.startswith("fine.csv: could not be judged for a fault in diagnose (RuntimeError: boom)")
    assert result.stderr.count("\n") == 1
    assert "\n  ERROR, confidence" in result.stdout
    assert "Traceback" in run(fine, ill, env={"DIAGNOSE_TRACEBACK": "1"}).stderr


def test_a_fault_elsewhere_is_one_line_too(ill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("diagnose.reports.text.render", fail)
    result = run(ill)
    assert result.exit_code == 2
    assert result.stderr.startswith("diagnose: a fault in diagnose (ZeroDivisionError: oops); please report this")
    assert result.stderr.count("\n") == 1


def test_a_pipe_gets_no_colour_and_may_be_closed(ill: Path) -> None:
    for _ in range(6):
        shutil.copy(ill, f"copy{_}.csv")
    command = f"{sys.executable} -m diagnose . --plain --select overfitting | head -n 1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout == "7 runs: 7 with errors\n1\n"
    assert result.stderr == ""


def test_an_encoding_without_braille_gets_ascii(ill: Path) -> None:
    result = process(ill, env={**os.environ, "PYTHONIOENCODING": "ascii", "TERM": "xterm"})
    assert result.stdout.isascii()
    assert "***" in result.stdout


def on_terminal(*arguments: str | Path, stream: str, **env: str) -> str:
    """What a process writes to a stream that is a terminal."""
    pty = pytest.importorskip("pty", reason="terminals of POSIX")
    master, slave = pty.openpty()
    environment = {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **env}
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: slave}
    child = subprocess.Popen([sys.executable, "-m", "diagnose", *map(str, arguments)], env=environment, **streams)
    os.close(slave)
    written = b""
    try:
        while chunk := os.read(master, 65536):
            written += chunk
    except OSError:  # Linux says so when the last writer is gone
        pass
    os.close(master)
    child.wait()
    return written.decode()


def test_a_terminal_gets_colour_unless_no_color_is_set(ill: Path) -> None:
    assert "\x1b[1;31m" in on_terminal(ill, stream="stdout")
    assert "\x1b" not in on_terminal(ill, stream="stdout", NO_COLOR="1")
    assert "\x1b" not in on_terminal(ill, stream="stdout", TERM="dumb")


def test_many_sources_show_their_progress_on_a_terminal_only(ill: Path) -> None:
    for number in range(25):
        shutil.copy(ill, f"copy{number}.csv")
    assert "reading logs" in on_terminal(".", stream="stderr")
    assert on_terminal(ill, stream="stderr") == ""
    assert process(".").stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_is_one_line_and_130() -> None:
    child = interruptible("-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.write("epoch,loss\n" + 100_000 * "0,1\n")  # more than a pipe holds: written once it is being read
    child.stdin.flush()
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_SLEEPING)  # all is read, and it wants more
    child.send_signal(signal.SIGINT)
    child.wait(timeout=60)
    assert (child.returncode, child.stderr.read()) == (130, "diagnose: interrupted\n")
    child.stdin.close()
    child.stderr.close()


def test_no_corpus_file_ends_in_a_traceback(corpus: Path) -> None:
    files = [p for folder in ("runs", "not_curves") for p in sorted((corpus / folder).rglob("*")) if p.is_file()]
    result = run(*files, "--format", "json")
    assert result.exit_code == 2  # not_curves holds what must be refused
    assert "fault in diagnose" not in result.stderr
    document = json.loads(result.stdout, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))
    assert len(document["errors"]) == result.stderr.count("\n")


def test_a_configuration_file_gives_the_fixes_their_numbers(tmp_path: Path) -> None:
    log = tmp_path / "run.csv"
    rows = "".join(f"{i},{2.3 * 0.9**i if i < 20 else 5 + i:.4f}\n" for i in range(40))
    log.write_text("epoch,loss\n" + rows)
    (tmp_path / "config.yaml").write_text("optimizer: sgd\nlr: 0.2\n")
    result = run(str(log), "--config", str(tmp_path / "config.yaml"), "--width", "200")
    assert "learning_rate 0.2 -> 0.02" in result.stdout


def test_an_unreadable_configuration_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "run.csv"
    log.write_text("epoch,loss\n" + "".join(f"{i},{1 / (i + 1)}\n" for i in range(20)))
    result = run(str(log), "--config", str(tmp_path / "absent.yaml"))
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "absent.yaml" in result.stderr
