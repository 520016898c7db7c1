"""Logs behind addresses: S3 by a moto server, the web by one of our own, and fsspec's memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from diagnose.api import diagnose
from diagnose.errors import ReadError
from diagnose.readers import expand
from diagnose.readers.remote import shown

SAMPLE = Path(__file__).parents[2] / "samples" / "overfitting.csv"


@pytest.fixture(scope="module")
def bucket() -> Iterator[pytest.MonkeyPatch]:
    """A bucket with a log, a copy of it in a folder, and what is no log; the environment leads there."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-never-shown")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        for key in ("logs/a/overfitting.csv", "logs/b/deep/run.csv"):
            client.upload_file(str(SAMPLE), "bucket", key)
        client.put_object(Bucket="bucket", Key="logs/b/notes.txt", Body=b"nothing to see")
        client.put_object(Bucket="bucket", Key="docs/readme.txt", Body=b"nothing to see")
        yield patch
    server.stop()


@pytest.mark.parametrize(
    ("address", "sources"),
    [
        ("s3://bucket/logs/a/overfitting.csv", ["s3://bucket/logs/a/overfitting.csv"]),
        ("s3://bucket/logs/**/*.csv", ["s3://bucket/logs/a/overfitting.csv", "s3://bucket/logs/b/deep/run.csv"]),
        ("s3://bucket/logs/", ["s3://bucket/logs/a/overfitting.csv", "s3://bucket/logs/b/deep/run.csv"]),
    ],
)
def test_logs_in_a_bucket_are_judged_as_files_are(bucket: pytest.MonkeyPatch, address: str, sources: list[str]) -> None:
    here, there = diagnose(SAMPLE), diagnose(address)
    assert [diagnosis.run.source for diagnosis in there] == sources
    for diagnosis in there:
        assert [f.rule for f in diagnosis.findings] == [f.rule for f in here.findings]
        assert diagnosis.run.format == here.diagnoses[0].run.format


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://bucket/logs/a/overfiting.csv", "no such file; did you mean overfitting.csv?"),
        ("s3://bucket/none/*.csv", "no file matches the pattern"),
        ("s3://nowhere/run.csv", "no such file"),
        ("s3://bucket/docs/", "no training log among its files"),
        ("foo://bucket/run.csv", "fsspec knows no protocol 'foo'"),
        ("gs://bucket/run.csv", "gs:// needs gcsfs, which is not installed: pip install gcsfs"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(bucket: pytest.MonkeyPatch, address: str, said: str) -> None:
    with pytest.raises(ReadError) as refusal:
        diagnose(address)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "a-secret" not in str(refusal.value)


def test_a_bucket_from_the_command_line_in_two_processes(bucket: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "diagnose", "s3://bucket/logs/**/*.csv", "--jobs", "2", "--plain"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith("2 runs: 2 with errors")
    assert result.stderr == ""


def test_the_web(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_bytes(SAMPLE.read_bytes())

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_address[1]}"
        report = diagnose(f"{place}/run.csv?token=secret")
        assert report.diagnoses[0].run.source == f"{place}/run.csv"
        assert report.findings[0].rule == "overfitting"
        with pytest.raises(ReadError, match="no such file"):
            diagnose(f"{place}/nope.csv")
        server.shutdown()


def test_passwords_and_signatures_are_not_shown() -> None:
    assert shown("https://ada:secret@host/run.csv?sig=abc") == "https://host/run.csv"
    assert shown("s3://bucket/a b.csv") == "s3://bucket/a b.csv"
    assert [source.label for source in expand(["ftp://u:p@127.0.0.1:1/run.csv"])] == ["ftp://127.0.0.1:1/run.csv"]
