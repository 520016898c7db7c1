"""Where news goes: trackers that are active, and messages over the loopback."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import diagnose
from diagnose import synthetic
from diagnose.live import notify
from tests.live.test_loop import logged, told


class Inbox:
    """An HTTP server on the loopback, and the bodies that were posted to it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.paths: list[str] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inbox.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                inbox.paths.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    pytest.importorskip("apprise")
    found = Inbox()
    yield found
    found.close()


def test_a_webhook_is_told_once_of_each_finding(inbox: Inbox) -> None:
    watch = logged(synthetic.overfit(), select=["overfitting"], notify=[f"webhook:{inbox.address}/hook"])
    watch.finish()
    titles = [json.loads(body)["title"] for body in inbox.bodies]
    assert sorted(titles) == ["diagnose: overfitting (error)", "diagnose: overfitting (warning)"]
    assert "val_loss was best at epoch" in inbox.bodies[0]


def test_ntfy_is_told(inbox: Inbox) -> None:
    logged(synthetic.diverging(), select=["divergence"], notify=[f"ntfy:{inbox.address}/my-runs"]).finish()
    assert any("divergence (error)" in body for body in inbox.bodies)


def test_a_message_that_cannot_be_sent_names_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("apprise")
    logged(
        synthetic.overfit(), select=["overfitting"], notify="webhook:http://127.0.0.1:9/SECRET", log_to=None
    ).finish()
    lines = [line for line in told(caplog) if "could not be sent" in line]
    assert lines == ["diagnose: 2 messages could not be sent"]
    assert not any("SECRET" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "address", ["slack:SECRET", "nonsense", "discord:ftp://SECRET", "webhook:SECRET", "x://SECRET"]
)
def test_an_address_that_means_nothing_is_refused_without_its_secret(address: str) -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ValueError, match="notify: ") as refused:
        diagnose.watch(notify=[address])
    assert "SECRET" not in str(refused.value)


def test_messages_are_limited(monkeypatch: pytest.MonkeyPatch, inbox: Inbox) -> None:
    monkeypatch.setattr(notify, "MOST", 3)
    notifier = notify.Notifier([f"webhook:{inbox.address}"])
    sent = [notifier.send("head", "body", key=(str(i % 5),)) for i in range(10)]
    notifier.finish()
    assert sum(sent) == len(inbox.bodies) == 3
    assert sent[:3] == [True, True, True]


def test_an_active_wandb_run_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with wandb.init(mode="offline", dir=str(tmp_path)) as run:
        watch = diagnose.watch(every=1, select=["divergence"])
        alerts: list[str] = []
        monkeypatch.setattr(run, "alert", lambda title, text, level: alerts.append(f"{title} {level}"))
        for row in (dict(r) for r in _rows()):
            run.log({"loss": row["train_loss"]})
            watch.log(row)
        report = watch.finish()
        folder = Path(run.dir).parent
    assert [f.rule for f in report.findings] == ["divergence"]
    assert alerts[-1] == "divergence (error) ERROR"
    (file,) = folder.glob("*.wandb")
    [read] = diagnose.diagnose(str(file)).diagnoses
    assert read.run.series["diagnose/divergence"].values[-1] == 2.0
    assert read.run.points == len(_rows())  # no row of ours between those of the caller


def _rows() -> list[dict[str, float]]:
    from tests.live.test_loop import rows

    return rows(synthetic.diverging())


def test_a_tensorboard_writer_is_written_to(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        logged(synthetic.diverging(), select=["divergence"], log_to=writer).finish()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.value for event in events.Scalars("diagnose/divergence")][-1] == 2.0
    assert events.Tags()["tensors"] == ["diagnose/divergence/text_summary"]


def test_an_active_mlflow_run_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its functions are stood in for: the library takes longer to install than all else."""
    said: list[tuple[Any, ...]] = []
    module = ModuleType("mlflow")
    vars(module).update(
        active_run=lambda: SimpleNamespace(info=None),
        log_metric=lambda name, value, step: said.append((name, value)),
        set_tag=lambda name, text: said.append((name, text.split(",")[0].split(": ", 1)[1])),
    )
    monkeypatch.setitem(os.sys.modules, "mlflow", module)  # type: ignore[attr-defined]
    logged(synthetic.diverging(), select=["divergence"]).finish()
    assert said[-2:] == [("diagnose/divergence", 2), ("diagnose.divergence", "ERROR divergence")] or said[-2:] == [
        ("diagnose/divergence", 2),
        ("diagnose.divergence", "now ERROR divergence"),
    ]


def test_a_tracker_that_fails_leaves_the_training_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def add_scalar(self, *_: Any) -> None:
            raise OSError("disk full")

    watch = logged(synthetic.diverging(), log_to=Broken())
    assert [f.rule for f in watch.finish().findings if f.rule == "divergence"]
    assert sum("a fault in diagnose (OSError: disk full)" in line for line in told(caplog)) == 1
