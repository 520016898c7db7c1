"""A W&B binary log and TensorBoard event files, read whole, against the libraries that wrote them.

    python tests/benchmarks/binary_logs.py --peers-python PATH [--steps 100000] [--scalars 500000]

PATH is an interpreter in which `wandb` (from 0.29, for `wandb leet inspect`) and `tensorboard` are installed; it writes
the logs too, by the real writers. Every reading is a process of its own, imports included; the processes take turns.

    .wandb        100,000 steps x 5 metrics    diagnose.readers.read against `wandb leet inspect --json`
    simple_value  500,000 scalars, as torch    diagnose.readers.read against EventAccumulator with all points
    tensors       500,000 scalars, as Keras    the same
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import _measure

WANDB_BAR = 0.6
"""Of the time of `wandb leet inspect --json`."""

TENSORBOARD_BAR = 0.5
"""Of the time of EventAccumulator."""

READ = "import sys; from diagnose.readers import read; print(len(read(sys.argv[1])))"

ACCUMULATE = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
log = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
log.Reload()
tags = log.Tags()
print(sum(len(log.Scalars(tag)) for tag in tags["scalars"]) + sum(len(log.Tensors(tag)) for tag in tags["tensors"]))
"""

WRITE_WANDB = """
import os, sys
os.environ.update(WANDB_MODE="offline", WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
import wandb
run = wandb.init(project="benchmark", dir=sys.argv[1], settings=wandb.Settings(x_disable_stats=True))
for step in range(int(sys.argv[2])):
    loss = 1 / (step + 1.5)
    metrics = {"train/loss": loss, "train/accuracy": 1 - loss, "val/loss": 2 * loss}
    run.log({**metrics, "lr": 1e-3 + loss, "epoch": step / 9})
run.finish()
"""

WRITE_EVENTS = """
import sys
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.event_file_writer import EventFileWriter
folder, count, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
writer = EventFileWriter(folder, max_queue_size=1000)
tags = ("train/loss", "val/loss", "train/accuracy", "val/accuracy", "lr")
for point in range(count):
    step, tag = divmod(point, len(tags))
    number = 1 / (step + 1.5)
    if kind == "tensors":
        tensor = TensorProto(dtype=1, tensor_shape=TensorShapeProto(), float_val=[number])
        value = Summary.Value(tag=tags[tag], tensor=tensor, metadata=metadata)
    else:
        value = Summary.Value(tag=tags[tag], simple_value=number)
    writer.add_event(Event(wall_time=1.7e9 + point, step=step, summary=Summary(value=[value])))
writer.close()
"""


def write(python: str, script: str, *arguments: str) -> None:
    """Let the peers' interpreter write a log. Exits with its words where it cannot."""
    done = subprocess.run([python, "-c", script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{python}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")


def compare(name: str, ours: Sequence[str], theirs: Sequence[str], bar: float, times: int, folder: Path) -> str:
    """One line: the median times, their ratio against the bar, and the memory of both."""
    mine, other = _measure.alternating([ours, theirs], times, folder)
    seconds, against = (_measure.median([cost.seconds for cost in costs]) for costs in (mine, other))
    memory, taken = (max(cost.peak for cost in costs) / _measure.MB for costs in (mine, other))
    verdict = "meets" if seconds <= bar * against else "misses"
    return (
        f"{name:14}{seconds:7.2f} s {memory:6.0f} MB   peer {against:6.2f} s {taken:6.0f} MB   "
        f"ratio {seconds / against:.2f} {verdict} the bar of {bar}"
    )


def main(argv: list[str] | None = None) -> int:
    """Print the ratios; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter with wandb and tensorboard")
    parser.add_argument("--steps", type=int, default=100_000, help="of the W&B log (default: %(default)s)")
    parser.add_argument("--scalars", type=int, default=500_000, help="of the event files (default: %(default)s)")
    parser.add_argument("--times", type=int, default=3, help="rounds (default: %(default)s)")
    arguments = parser.parse_args(argv)
    python = arguments.peers_python
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(python, WRITE_WANDB, name, str(arguments.steps))
        (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
        ours = [sys.executable, "-c", READ]
        theirs = [str(Path(python).with_name("wandb")), "leet", "inspect", "--json", str(log)]
        print(compare(".wandb", [*ours, str(log)], theirs, WANDB_BAR, arguments.times, folder))
        for kind in ("simple_value", "tensors"):
            write(python, WRITE_EVENTS, str(folder / kind), str(arguments.scalars), kind)
            (events,) = (folder / kind).iterdir()
            theirs = [python, "-c", ACCUMULATE, str(events)]
            print(compare(kind, [*ours, str(events)], theirs, TENSORBOARD_BAR, arguments.times, folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
