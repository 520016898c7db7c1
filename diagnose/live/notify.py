"""Sends news to where somebody reads it, through Apprise: ntfy, Slack, Discord, a webhook, the desktop, and 130 more.

    send = Notifier(["ntfy:my-runs", "slack:https://hooks.slack.com/services/T0/B0/x", "desktop"])
    send(news)
    send.finish()

Addresses are secrets: no message names more of one than its kind. No more than `MOST` messages are sent in an hour, and
none twice. Each is sent by a thread of its own, so that a slow network holds up no training; `finish` waits for them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from diagnose import extras
from diagnose.errors import SettingsError
from diagnose.live.hearing import News
from diagnose.live.words import facts, lines, title

MOST = 12
"""Messages in an hour, over all runs."""

HOUR = 3600.0
"""Seconds."""

PATIENCE = 10.0
"""Seconds that `finish` waits for what is being sent."""

KINDS = ("ntfy:TOPIC", "slack:URL", "discord:URL", "webhook:URL", "desktop")
"""What an address may be; or any URL of Apprise."""

DESKTOPS = {"darwin": "macosx://", "win32": "windows://"}
"""By `sys.platform`; elsewhere the desktop is told through D-Bus."""


class Notifier:
    """addresses: see `KINDS`. Raises SettingsError for one that means nothing, and where Apprise is not installed."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._target: Any = _target(addresses) if addresses else None
        self._sent: deque[float] = deque()
        self._said: set[tuple[str, ...]] = set()
        self._threads: list[threading.Thread] = []
        self.failed = 0

    def __call__(self, news: News) -> bool:
        """Send one piece of news; whether it was new and within the limit."""
        return self.send(title(news), "\n".join(lines(news)), key=(facts(news)["run"], *title(news).split()))

    def send(self, head: str, body: str, *, key: tuple[str, ...]) -> bool:
        """Send a message; whether it was new, by its key, and within the limit."""
        now = time.monotonic()
        while self._sent and now - self._sent[0] > HOUR:
            self._sent.popleft()
        if self._target is None or key in self._said or len(self._sent) >= MOST:
            return False
        self._said.add(key)
        self._sent.append(now)
        thread = threading.Thread(target=self._deliver, args=(f"diagnose: {head}", body), daemon=True)
        thread.start()
        self._threads.append(thread)
        return True

    def finish(self) -> None:
        """Wait until everything is sent, `PATIENCE` at most."""
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._threads.clear()

    def _deliver(self, head: str, body: str) -> None:
        try:
            self.failed += not self._target.notify(title=head, body=body)
        except Exception:
            self.failed += 1


def _target(addresses: Sequence[str]) -> Any:
    """What Apprise sends to."""
    urls = [_url(address) for address in addresses]
    try:
        import apprise
    except ImportError:
        raise SettingsError(extras.missing("notify: needs Apprise", "notify")) from None
    target = apprise.Apprise()
    for address, url in zip(addresses, urls, strict=True):
        if not target.add(url):
            raise SettingsError(f"notify: {_kind(address)}: not understood; valid: {', '.join(KINDS)}, Apprise's URLs")
    return target


def _kind(address: str) -> str:
    """The part of an address that is no secret."""
    return f"{address.partition(':')[0][:20]}:..."


def _url(address: str) -> str:
    """The address as Apprise takes it. Raises SettingsError for one that means nothing."""
    kind, _, rest = address.partition(":")
    if address == "desktop":
        return DESKTOPS.get(sys.platform, "dbus://")
    if kind == "ntfy" and not rest.startswith("//"):
        parts = urlsplit(rest)
        secure = "" if parts.scheme == "http" else "s"
        return f"ntfy{secure}://{parts.netloc}{parts.path}" if parts.netloc else f"ntfys://{rest}"
    if kind in ("slack", "discord") and rest.startswith("https://"):
        return rest
    if kind == "webhook" and rest.startswith(("http://", "https://")):
        return "json" + rest.removeprefix("http")
    if "://" not in address:
        raise SettingsError(f"notify: {_kind(address)}: not understood; valid: {', '.join(KINDS)}, Apprise's URLs")
    return address
