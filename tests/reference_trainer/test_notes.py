"""No line of the lecture notes is without a part, a rule, a fix, a fault, a page, or a word on why there is none."""

from __future__ import annotations

import pytest

from diagnose.judging.installed import load_fixes, load_rules
from reference_trainer.faults import BIASES, CURVES
from reference_trainer.notes import KINDS, Line, lines, plain, render
from reference_trainer.parts import catalogue
from tests.conftest import ROOT, typed

NOTES = ROOT.parent / "shared" / "lecture_notes.txt"

LINES = lines()


def known() -> dict[str, set[str]]:
    """Kind -> the names that there are; a part with and without its title."""
    parts = {
        name for title, found in catalogue().items() for part in found for name in (part.name, f"{title}/{part.name}")
    }
    return {
        "part": parts,
        "rule": {rule.id for rule in load_rules()},
        "fix": set(load_fixes()),
        "fault": {*CURVES, *BIASES},
        "command": {"diagnose wandb"},
        "page": {path.name for path in ROOT.glob("*.md")},
    }


@pytest.mark.skipif(not NOTES.exists(), reason="the lecture notes are not beside the repository (../shared)")
def test_every_line_of_the_notes_is_there_in_its_order() -> None:
    told = [plain(line) for line in NOTES.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(told) == len(LINES)
    assert [
        line.words for line, own in zip(LINES, told, strict=True) if not own.startswith(line.words.removesuffix(" ..."))
    ] == []


def test_no_line_is_without_what_implements_it_or_a_word_why() -> None:
    assert [line.words for line in LINES if not line.said] == []
    assert [line for line in LINES if not line.references and len(line.remark.split()) < 4] == []


def test_what_implements_a_line_exists() -> None:
    there = known()
    assert tuple(there) == KINDS
    named = [(line.words, *reference) for line in LINES for reference in line.references]
    assert [each for each in named if each[2] not in there.get(each[1], ())] == []


def test_every_item_of_the_hyperparameter_list_has_a_rule_or_a_word_why() -> None:
    words = [line.words for line in LINES]
    items = LINES[words.index("Incomplete Hyperparameter list") + 1 : words.index("In Summary: Which one works?")]
    assert len(items) > 20
    missing = [line for line in items if not line.remark and "rule" not in dict(line.references)]
    assert [line.words for line in missing] == [
        "Dilated convolution"
    ]  # "set in the normal convolution", whose rule follows


def test_they_are_printed_within_the_width() -> None:
    text = render(60)
    assert max(map(len, text.splitlines())) <= 60
    flat = " ".join(text.split())
    assert all(" ".join(Line.said.fget(line).split()) in flat for line in LINES)  # type: ignore[attr-defined]
    told = typed("reference", "run", "--notes")
    assert (told.returncode, told.stderr) == (0, "")
    assert "part dropconnect" in told.stdout
