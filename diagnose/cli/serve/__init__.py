"""`diagnose serve`: a page of this machine that takes logs by drop, choice or paste, and shows their reports.

    diagnose serve                    # open the page, drop logs
    diagnose serve runs/              # the same, with these logs shown and renewed as they grow

Nothing leaves the machine: the server listens on the loopback address alone, and answers only who knows the token in
its address. What is dropped is kept in a folder of its own until the command ends.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from diagnose.console import completion
from diagnose.errors import SettingsError


def serve(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATHS", help="Logs to show and to follow.", autocompletion=completion.paths),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0 for any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open a page that takes logs by drop and shows their reports; nothing leaves this machine."""
    import tempfile

    from diagnose import api
    from diagnose.cli.serve.desk import Desk
    from diagnose.cli.serve.server import Server

    settings = api.load_settings(paths[0] if paths else None)
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    with tempfile.TemporaryDirectory(prefix="diagnose-serve-", ignore_cleanup_errors=True) as folder:
        desk = Desk(Path(folder), settings, tuple(paths or ()))
        try:
            server = Server(desk, port)
        except OSError as error:
            raise SettingsError(f"--port {port}: cannot be used ({(error.strerror or str(error)).lower()})") from error
        followed = threading.Thread(target=desk.follow, daemon=True)
        try:
            followed.start()
            typer.echo(f"{server.address}  (Ctrl-C ends it)")
            if browser:
                import webbrowser

                webbrowser.open(server.address)
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            desk.close()
            server.server_close()
            followed.join(timeout=10.0)


def _interrupt(*_: Any) -> None:
    """End on a signal as on Ctrl-C, so that nothing is left behind."""
    raise KeyboardInterrupt
