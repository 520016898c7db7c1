"""`diagnose mcp`: the server for coding agents, on the standard streams."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from diagnose.console import completion
from diagnose.console.terminal import complain
from diagnose.errors import SettingsError
from diagnose.integrations.mcp.workspace import Workspace

EXTRA = "pip install 'training-diagnose[mcp]'"


def mcp(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="[FOLDER]", help="What may be read: nothing outside it is.", autocompletion=completion.paths
        ),
    ] = ".",
    network: Annotated[
        bool, typer.Option("--network", help="Let agents audit projects on the W&B server that your key is for.")
    ] = False,
) -> None:
    """Serve coding agents over the Model Context Protocol, on the standard streams, reading only below a folder."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise SettingsError(f"{folder}: {(error.strerror or str(error)).lower()}; name a folder to serve") from error
    try:
        from diagnose.integrations.mcp.server import serve
    except ModuleNotFoundError as error:
        raise SettingsError(f"this needs the SDK of the protocol ({error.name} is not installed): {EXTRA}") from error
    if sys.stdin.isatty():
        complain("diagnose", "an agent starts this and speaks with it; docs/agents.md says how; Ctrl-C ends it")
    serve(Workspace(Path.cwd().resolve(), network))
