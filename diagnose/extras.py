"""What to type where a library is missing: from the place that this was installed from, a clone or an index alike."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "training-diagnose"
"""Our distribution, as an index knows it."""


def install(extra: str = "") -> str:
    """`pip install '/home/me/clone[plot]'`: the command that adds an extra, or that installs everything anew."""
    origin, editable = _origin()
    wanted = f"[{extra}]" if extra else ""
    if "://" in origin:
        wanted = f"{NAME}{wanted} @ {origin}"
    else:
        wanted = f"{origin}{wanted}"
    return f"pip install {'-e ' if editable else ''}{shlex.quote(wanted)}"


def missing(what: str, extra: str) -> str:
    """`--plot needs matplotlib, which is not installed: pip install ...`; what: who needs what."""
    return f"{what}, which is not installed: {install(extra)}"


def _origin() -> tuple[str, bool]:
    """A folder, an address, or our name on an index; and whether it is installed to be edited [PEP 610]."""
    try:
        recorded = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        recorded = None
    found: dict[str, Any] = json.loads(recorded) if recorded else {}
    url = str(found.get("url", ""))
    if "vcs_info" in found:
        return f"{found['vcs_info']['vcs']}+{url}", False
    parts = urlsplit(url)
    if parts.scheme != "file":
        return url or NAME, False
    path = Path(unquote(parts.path))
    return (str(path), bool(found.get("dir_info", {}).get("editable"))) if path.exists() else (NAME, False)
