"""`diagnose serve`: logs are taken and judged, strangers are refused, nothing is left behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from diagnose import synthetic
from diagnose.cli.serve.desk import Sent
from diagnose.cli.serve.server import parts
from tests.conftest import ROOT, wait_until
from tests.written import write_csv

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
EVIL = '<img src=x onerror="window.evil=1">'


@dataclass
class Serving:
    """A running command."""

    process: subprocess.Popen[str]
    address: str
    temporary: Path

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def ask(
        self, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, whole: bool = False
    ) -> tuple[int, str, Mapping[str, str]]:
        """Status, text and headers of an answer. whole: the path has the token already."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        where = path if whole else urlsplit(self.address).path + path
        connection.request("POST" if body is not None else "GET", where, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.headers)

    def send(self, files: Sequence[tuple[str, bytes]], field: str = "logs") -> tuple[int, str]:
        """Hand files in as a form does; the status, and the number of the lot or the page."""
        mark = secrets.token_hex(8)
        parts = b"".join(
            f'--{mark}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, content in files
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        status, text, found = self.ask("logs", body=parts + f"--{mark}--\r\n".encode(), headers=headers)
        return status, found["Location"].rpartition("=")[2] if status == 303 else text


def started(tmp_path: Path, *arguments: str) -> Serving:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "diagnose", "serve", "--no-browser", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    found = re.match(r"(http://127\.0\.0\.1:\d+/[\w-]+/) ", process.stdout.readline())
    assert found
    return Serving(process, found[1], temporary)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    found = started(tmp_path)
    yield found
    found.process.kill()
    found.process.communicate()


def overfitting() -> bytes:
    return (ROOT / "samples" / "overfitting.csv").read_bytes()


def test_a_log_that_is_sent_is_judged_and_has_every_format(serving: Serving) -> None:
    status, number = serving.send([("run.csv", overfitting())])
    assert status == 303
    assert "run.csv" in serving.ask("")[1]
    assert "overfitting" in serving.ask(f"report/{number}")[1]
    document = json.loads(serving.ask(f"report/{number}.json")[1])
    assert document["runs"][0]["source"] == "run.csv"
    assert serving.ask(f"report/{number}.text")[1].startswith("run.csv: overfitting since epoch 31")


def test_several_logs_are_compared_and_a_config_beside_one_counts(serving: Serving) -> None:
    config = b"learning_rate: 0.001\noptimizer: adam\n"
    status, number = serving.send([("a/run.csv", overfitting()), ("a/run.yaml", config), ("b.csv", overfitting())])
    assert status == 303
    document = json.loads(serving.ask(f"report/{number}.json")[1])
    assert {run["source"] for run in document["runs"]} == {"a/run.csv", "b.csv"}
    assert document["errors"] == []
    assert "optimizer" in json.dumps(document)
    assert "b.csv" in serving.ask(f"compare/{number}")[1]


def test_a_text_that_is_pasted_is_judged(serving: Serving) -> None:
    status, number = serving.send([("", (ROOT / "samples" / "console.log").read_bytes())], field="pasted")
    assert status == 303
    assert serving.ask(f"report/{number}.text")[1].startswith("pasted.txt: overfitting")


def test_what_is_no_log_is_one_line_and_the_others_are_judged(serving: Serving) -> None:
    _, number = serving.send([("run.csv", overfitting()), ("cat.png", b"\x89PNG\r\n\x1a\n\0\0")])
    document = json.loads(serving.ask(f"report/{number}.json")[1])
    assert [run["source"] for run in document["runs"]] == ["run.csv"]
    assert [error["source"] for error in document["errors"]] == ["cat.png"]
    assert "1 source not read" in serving.ask("")[1]
    assert serving.send([])[0] == 400


def test_names_lead_nowhere_else_and_stay_words(serving: Serving) -> None:
    names = ("../../../escaped.csv", "/etc/escaped.csv", "..\\escaped.csv", "", f"{EVIL}.csv", "a" * 400 + ".csv")
    for name in names[:3] + names[4:]:
        status, number = serving.send([(name.replace('"', "%22"), overfitting())])
        assert status == 303, name
        assert "overfitting" in serving.ask(f"report/{number}.text")[1]
    assert EVIL not in serving.ask("")[1]
    inside = [path for path in serving.temporary.rglob("*") if path.is_file()]
    assert len(inside) == 5
    assert not list(serving.temporary.parent.glob("escaped*"))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/wrong/", {}, 404),
        ("/wrong/report/1", {}, 404),
        (None, {"Host": "evil.example"}, 403),
        (None, {"Origin": "http://evil.example"}, 403),
        (None, {"Origin": "null"}, 403),
    ],
)
def test_who_is_not_the_page_is_refused(
    serving: Serving, path: str | None, headers: Mapping[str, str], status: int
) -> None:
    where = path if path is not None else urlsplit(serving.address).path
    assert serving.ask(where, headers=headers, whole=True)[0] == status
    assert serving.ask(f"{where}logs", body=b"x", headers=headers, whole=True)[0] == status


def test_bytes_and_names_arrive_as_they_are() -> None:
    content = bytes(range(256)) * 3 + b"\r\n--other\r\n\r\n\r"
    head = 'Content-Disposition: form-data; name="logs"; filename="größe.eml"\r\nContent-Type: message/rfc822'.encode()
    body = b"--mark\r\n" + head + b"\r\n\r\n" + content + b"\r\n--mark--\r\n"
    assert parts("multipart/form-data; boundary=mark", body) == [Sent("größe.eml", content)]


def test_a_port_that_is_none_is_a_wrong_call(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diagnose", "serve", "--no-browser", "--port", "99999"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "65535" in result.stderr
    assert "fault" not in result.stderr


def test_too_much_is_refused_before_it_is_read(serving: Serving) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60)
    connection.putrequest("POST", urlsplit(serving.address).path + "logs")
    connection.putheader("Content-Length", "900000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"diagnose serve PATH" in answer.read()) == (413, True)


def test_answers_are_kept_nowhere_and_framed_by_nobody(serving: Serving) -> None:
    headers = serving.ask("")[2]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Access-Control-Allow-Origin" not in headers
    assert "default-src &#x27;none&#x27;" in serving.ask("")[1]


def test_logs_that_grow_are_judged_anew(tmp_path: Path) -> None:
    lines = overfitting().splitlines(keepends=True)
    (tmp_path / "run.csv").write_bytes(b"".join(lines[:20]))
    serving = started(tmp_path, "run.csv")
    try:
        wait_until(lambda: json.loads(serving.ask("state")[1]) == {"0": 1})
        assert "overfitting since" not in serving.ask("report/0.text")[1]
        (tmp_path / "run.csv").write_bytes(b"".join(lines))
        wait_until(lambda: json.loads(serving.ask("state")[1]) == {"0": 2})
        assert "overfitting since epoch 31" in serving.ask("report/0.text")[1]
    finally:
        serving.process.kill()
        serving.process.communicate()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_behind(serving: Serving, end: signal.Signals) -> None:
    serving.send([("run.csv", overfitting())])
    assert list(serving.temporary.iterdir())
    serving.process.send_signal(end)
    assert serving.process.wait(timeout=60) == 0
    assert list(serving.temporary.iterdir()) == []


def test_a_port_that_is_taken_is_one_line(serving: Serving, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diagnose", "serve", "--no-browser", "--port", str(serving.port)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == f"diagnose: --port {serving.port}: cannot be used (address already in use)\n"


def browsing(*, scripts: bool = True) -> Any:
    """A browser without a window. scripts: whether it runs any."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"):
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs", {"profile.managed_default_content_settings.javascript": 1 if scripts else 2}
    )
    options.binary_location = CHROMIUM or ""
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver")
def test_in_a_browser_without_scripts(serving: Serving, tmp_path: Path) -> None:
    browser = browsing(scripts=False)
    try:
        (tmp_path / "größe.csv").write_bytes(overfitting())
        browser.get(serving.address)
        browser.find_element("id", "files").send_keys(str(tmp_path / "größe.csv"))
        browser.find_element("css selector", "#drop button").click()
        wait_until(lambda: "shown=1" in browser.current_url)
        assert "größe.csv: 1 run: 1 with errors" in browser.find_element("tag name", "nav").text
        browser.switch_to.frame("report")
        wait_until(lambda: "overfitting" in browser.find_element("tag name", "body").text)
    finally:
        browser.quit()


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver")
def test_in_a_browser(serving: Serving, tmp_path: Path) -> None:
    browser = browsing()
    try:
        browser.get(serving.address)
        write_csv(synthetic.overfit(), tmp_path / "chosen.csv")
        browser.find_element("id", "files").send_keys(str(tmp_path / "chosen.csv"))
        browser.find_element("css selector", "#drop button").click()
        wait_until(lambda: "shown=1" in browser.current_url)
        browser.switch_to.frame("report")
        wait_until(lambda: "overfitting" in browser.find_element("tag name", "body").text)
        browser.switch_to.default_content()
        browser.execute_script(
            """
            const data = new DataTransfer();
            data.items.add(new File([arguments[1]], arguments[0], {type: "text/csv"}));
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
            """,
            f"{EVIL}.csv",
            overfitting().decode(),
        )
        wait_until(lambda: "shown=2" in browser.current_url)
        assert browser.execute_script("return window.evil") is None
        assert "img src=x" in browser.find_element("tag name", "nav").text.replace("_", "=").replace(
            "img=src", "img src"
        )
        browser.find_element("css selector", "#drop button").click()
        wait_until(lambda: "Choose a log first" in browser.find_element("id", "state").text)
    finally:
        browser.quit()
