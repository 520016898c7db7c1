"""The pictures of README and manual: `python -m tests.gallery` draws them anew into `docs/pictures/`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from PIL import Image

from diagnose import diagnose, synthetic
from diagnose.reports.plot import draw
from tests.conftest import ROOT
from tests.written import write_csv

PICTURES = ROOT / "docs" / "pictures"

SHOWN = {
    "overfitting": synthetic.overfit,
    "divergence": synthetic.diverging,
    "loss-spike": synthetic.spiky,
    "non-convergence": synthetic.stuck,
    "oscillation": synthetic.oscillating,
    "loss-accuracy-conflict": synthetic.imbalanced,
    "forgetting": synthetic.forgetting,
    "noisy-validation": synthetic.noisy_validation,
}
"""What a run is ill of -> what makes such a run."""


def what_it_finds() -> None:
    """Several runs in one picture, each named by its file."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, make in SHOWN.items():
            write_csv(make(seed=1), Path(f"{name}.csv"))
        draw(diagnose([f"{name}.csv" for name in SHOWN]), Path("runs.png"))
        _keep(Path("runs.png"), "what-it-finds.png")


def overfitting() -> None:
    """The sample as `--plot` draws it."""
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.png"
        draw(diagnose("samples/overfitting.csv"), path)
        _keep(path, "overfitting.png")


def _keep(picture: Path, name: str) -> None:
    """Put a picture into the folder, in as many colours as it has and no more bytes than it needs."""
    with Image.open(picture) as drawn:
        drawn.convert("RGB").quantize(64).save(PICTURES / name, optimize=True)


if __name__ == "__main__":
    what_it_finds()
    overfitting()
