"""The group of commands: what is no command is the path of a log, and other packages may add commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from diagnose.console.terminal import complain, complain_of

DEFAULT = "PATHS"
"""Name of the command that reads logs; never typed."""

OK, FOUND, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: nothing at or above --fail-on; something; a wrong call or an unreadable source; Ctrl-C."""


class Commands(TyperGroup):
    """The group of commands, which takes anything that is no command for the paths of logs."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and turn every failure into one line on stderr and an exit code."""
        if not extra.get("standalone_mode", True):
            return super().main(*args, **{**extra, "standalone_mode": False})
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.Abort:
            code = INTERRUPTED
        except Exception as error:
            if os.environ.get("DIAGNOSE_TRACEBACK"):
                raise
            complain_of(error)
            code = WRONG
        if code == INTERRUPTED:
            complain("diagnose", "interrupted")
        sys.exit(code if isinstance(code, int) else OK)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that name no other; without arguments, show the help."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(WRONG)
        if not ctx.resilient_parsing:
            _refuse_files(args)
        if args and not self._is_named(ctx, args[0]):
            args = [DEFAULT, *args]
        _take_as_typed(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def _is_named(self, ctx: Any, word: str) -> bool:
        if word.startswith("-"):
            own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
            return word.partition("=")[0] in own
        if word in self.commands:
            return word != DEFAULT
        return word in _plugins() and (_is_ours(word) or not os.path.lexists(word))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, from the entry-point group `diagnose.commands` where it is not ours."""
        if cmd_name not in self.commands and cmd_name in _plugins():
            self.commands[cmd_name] = _load_plugin(cmd_name)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands a user may type."""
        return [name for name in dict.fromkeys((*self.commands, *_plugins())) if name != DEFAULT]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Both ways to call: with paths, and with a command."""
        return ["[OPTIONS] PATHS...", "|", "COMMAND [ARGS]..."]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options of the default command, then the named commands."""
        paths, *options = self.commands[DEFAULT].params
        with formatter.section("Arguments"):
            formatter.write_dl([(f"{DEFAULT}...", getattr(paths, "help", ""))])
        records = [option.get_help_record(ctx) for option in (*options, *self.get_params(ctx))]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record is not None])
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The first word may be a command, a path, or an option of the default command."""
        default = self.commands[DEFAULT]
        found = [*super().shell_complete(ctx, incomplete)]
        if incomplete.startswith("-"):
            return [*found, *default.shell_complete(ctx, incomplete)]
        return [*found, *default.params[0].shell_complete(ctx, incomplete)]


class ReadLogs(TyperCommand):
    """The default command, whose help is that of the whole program."""

    def get_help(self, ctx: Any) -> str:
        """The help of the group."""
        return str(ctx.parent.command.get_help(ctx.parent))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse without Pydantic."""
        _take_as_typed(self.get_params(ctx))
        return super().parse_args(ctx, args)


def _refuse_files(args: Sequence[str]) -> None:
    """Raises BadParameter for a file that would be taken for an option.

    A hook hands over whatever names there are, and `--out=...` is one.
    """
    for word in args:
        if word == "--":
            return
        if len(word) > 1 and word.startswith("-") and os.path.lexists(word):
            raise typer.BadParameter(
                f"{word!r} is a file here and would be taken for an option; put -- before the files "
                "(in a hook at the end of args)",
                param_hint="PATHS",
            )


def _take_as_typed(parameters: Sequence[Any]) -> None:
    """Let text, lists of text and flags through as they are, callbacks applied.

    Typer would check them with Pydantic, whose import is a quarter of the time that a short log takes.
    """

    def process(parameter: Any, ctx: Any, value: Any) -> Any:
        return value if parameter.callback is None else parameter.callback(ctx, parameter, value)

    for parameter in parameters:
        parameter.process_value = partial(process, parameter)


def _plugins() -> Mapping[str, Any]:
    """Entry points of the group `diagnose.commands` by name; none is loaded."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="diagnose.commands")}


def _is_ours(name: str) -> bool:
    """Whether a command of that name comes with this distribution: it then goes before a file of its name, as the
    built-in ones do. `wandb` is a command, and `wandb/` the folder.
    """
    distribution = _plugins()[name].dist
    return distribution is not None and distribution.name == "training-diagnose"


def _load_plugin(name: str) -> Any:
    """The command behind an entry point, which is a typer.Typer or a function."""
    try:
        loaded = _plugins()[name].load()
    except Exception as error:
        reason = f"cannot be loaded ({type(error).__name__}: {error})"

        def loaded() -> None:
            raise typer.BadParameter(reason, param_hint=name)

        loaded.__doc__ = f"({reason})"
    plugin = loaded
    if not isinstance(loaded, typer.Typer):
        plugin = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
        plugin.command(name)(loaded)
    command = typer.main.get_command(plugin)
    command.name = name
    return command
