"""The command that a message names for an extra works where this was installed from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diagnose import extras


def recorded(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any] | None) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if found is None else json.dumps(found)

    monkeypatch.setattr(extras, "distribution", lambda name: Distribution())


def test_from_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(monkeypatch, None)
    assert extras.install("plot") == "pip install 'training-diagnose[plot]'"
    assert extras.install() == "pip install training-diagnose"


def test_from_a_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    recorded(monkeypatch, {"url": clone.as_uri(), "dir_info": {}})
    assert extras.install("plot") == f"pip install '{clone}[plot]'"
    recorded(monkeypatch, {"url": clone.as_uri(), "dir_info": {"editable": True}})
    assert extras.install("plot") == f"pip install -e '{clone}[plot]'"


def test_from_a_clone_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorded(monkeypatch, {"url": (tmp_path / "gone").as_uri(), "dir_info": {}})
    assert extras.install("plot") == "pip install 'training-diagnose[plot]'"


def test_from_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(monkeypatch, {"url": "https://host/d.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}})
    assert extras.install("plot") == "pip install 'training-diagnose[plot] @ git+https://host/d.git'"
