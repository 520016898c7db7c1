"""The server of `diagnose serve`: who knows the token, at this machine, from its own page.

GET  /TOKEN/                   the page
POST /TOKEN/logs               logs as a form sends them; leads to the page that shows them
GET  /TOKEN/state              the version of each lot, for the page to renew itself
GET  /TOKEN/report/N[.FORMAT]  a report as a page, or in any format of `--format`
GET  /TOKEN/compare/N          the runs of a lot beside each other
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from email import policy
from email.parser import BytesParser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from diagnose.cli.serve.desk import Desk, Lot, Sent
from diagnose.cli.serve.page import shell
from diagnose.errors import UserError
from diagnose.reports import FORMATS, comparison, rendered
from diagnose.reports.context import Context
from diagnose.reports.html import compare

MOST_BYTES = 200_000_000
"""Of what is handed in at once; it is held in memory. Larger logs are named on the command line."""

LOOPBACK = "127.0.0.1"

_REPORT = re.compile(r"(?P<view>report|compare)/(?P<number>\d{1,9})(?:\.(?P<form>[a-z]+))?")

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}


class Server(ThreadingHTTPServer):
    """Listens on the loopback address. Raises OSError where the port cannot be used."""

    daemon_threads = True

    def __init__(self, desk: Desk, port: int) -> None:
        self.desk, self.token = desk, secrets.token_urlsafe(24)
        super().__init__((LOOPBACK, port), Handler)

    @property
    def address(self) -> str:
        """The page, with the token that opens it."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/{self.token}/"


class RefusedError(Exception):
    """A request that is not answered; `str()` says why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = 60.0
    """Seconds without a byte after which a connection is dropped."""

    def do_GET(self) -> None:
        """Answer with a page, a report or the state."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take logs, and lead to their report."""
        self._answer(self._post)

    def _answer(self, work: Any) -> None:
        try:
            work(self._asked())
        except RefusedError as refused:
            self.close_connection = True
            self._send(f"{refused}\n", "text/plain", refused.status)
        except UserError as error:
            self._send(shell(self.server.desk.lots, None, problem=str(error)), status=HTTPStatus.BAD_REQUEST)

    def _asked(self) -> str:
        """The path behind the token. Raises RefusedError for who does not know it, or comes from another page."""
        port = self.server.server_address[1]
        hosts = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        if self.headers.get("Host", "") not in hosts:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this server answers at its own address only")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this server answers its own page only")
        token, slash, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()) or not slash:
            raise RefusedError(
                HTTPStatus.NOT_FOUND, "there is nothing here; the address that diagnose printed has a token"
            )
        return rest

    def _get(self, path: str) -> None:
        lots = self.server.desk.lots
        if path == "":
            shown = urlsplit(self.path).query.removeprefix("shown=")
            self._send(shell(lots, int(shown) if shown.isdecimal() and len(shown) < 10 else None))
        elif path == "state":
            self._send(json.dumps({number: lot.version for number, lot in lots.items()}), "application/json")
        elif found := _REPORT.fullmatch(path):
            lot = lots.get(int(found["number"]))
            if lot is None:
                raise RefusedError(HTTPStatus.NOT_FOUND, "this report is gone; hand the logs in once more")
            self._send_report(lot, found["view"], found["form"] or "html")
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")

    def _send_report(self, lot: Lot, view: str, form: str) -> None:
        if view == "compare":
            self._send(compare.render(comparison.compare(lot.report.diagnoses), Context()))
        elif form in FORMATS:
            said, _ = rendered(lot.report, form, Context())
            self._send(said, "text/html" if form == "html" else "text/plain")
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no format {form!r}; there are {', '.join(FORMATS)}")

    def _post(self, path: str) -> None:
        length = self.headers.get("Content-Length", "")
        if path != "logs" or not length.isdecimal():
            raise RefusedError(HTTPStatus.NOT_FOUND, "logs are sent by the form of the page")
        if int(length) > MOST_BYTES:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"more than {MOST_BYTES:,} bytes at once; name the logs instead: diagnose serve PATH",
            )
        number = self.server.desk.take(parts(self.headers.get("Content-Type", ""), self.rfile.read(int(length))))
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"./?shown={number}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, text: str, kind: str = "text/html", status: HTTPStatus = HTTPStatus.OK) -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the token."""


def parts(kind: str, body: bytes) -> list[Sent]:
    """The files of a form, and the text that was pasted. Raises UserError where it is no form.

    kind: its content type, with the boundary. body: as it was sent.
    """
    if not kind.startswith("multipart/form-data"):
        raise UserError("logs are sent by the form of the page")
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1", "replace")
    found = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    sent = []
    for part in found.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_filename() or ""
        if not isinstance(content, bytes) or not content.strip():
            continue
        field = part.get_param("name", header="content-disposition")
        if field == "pasted":
            sent.append(Sent("pasted.txt", content))
        elif name:
            sent.append(Sent(name, content))
    return sent
