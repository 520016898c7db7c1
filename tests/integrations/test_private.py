"""What the integrations use of a library beside its public interface stands in one module, with the versions tried."""

from __future__ import annotations

import re
from importlib.metadata import requires, version

import pytest

from diagnose.integrations.captum import _private as captum
from diagnose.integrations.wandb import _private as wandb
from tests.conftest import ROOT

TRIED = {"captum": captum.TRIED, "wandb": wandb.TRIED}


@pytest.mark.parametrize("library", TRIED)
def test_the_oldest_version_that_an_extra_allows_was_tried_and_so_was_this_one(library: str) -> None:
    wanted = [name for name in requires("training-diagnose") or () if re.match(rf"{library}\b", name)]
    oldest = {found[1] for name in wanted if (found := re.search(r">=([\d.]+)", name))}
    assert len(oldest) == 1, wanted
    assert any(tried.startswith(oldest.pop()) for tried in TRIED[library])
    assert version(library) in TRIED[library]


@pytest.mark.parametrize(
    ("library", "marks"),
    [
        ("captum", r"captum\.(?:\w+\.)*_\w|captum\._"),
        ("wandb", r"wandb\.(?:\w+\.)*_\w|\b(?:run|scan|api|client)\._\w|wandb\.(?:apis|proto|sdk)\b"),
    ],
)
def test_nothing_private_is_used_elsewhere(library: str, marks: str) -> None:
    folder = ROOT / "diagnose" / "integrations" / library
    used = {
        path.name: found
        for path in folder.glob("*.py")
        if (found := re.findall(marks, path.read_text().replace(f"diagnose.integrations.{library}", "ours")))
    }
    assert list(used) == ["_private.py"], used
