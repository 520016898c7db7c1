"""Every part that a recipe can name is there, under one title, with one sentence and its source."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from reference_trainer.parts import FIELDS, SETTINGS, TITLES, Part, _part, _row, catalogue, parts_of, render
from reference_trainer.recipe import CHOICES

DICTS = [where for dicts in TITLES.values() for where in dicts]


@pytest.mark.parametrize("where", DICTS, ids=".".join)
def test_every_part_has_a_line_and_a_source(where: tuple[str, str]) -> None:
    found = [_part(name, value) for name, value in parts_of(*where).items()]
    assert found
    wrong = [
        part
        for part in found
        if not re.fullmatch(r"\S.*\.", part.line) or not re.fullmatch(r"\S.*\.", part.source) or "\n" in part.line
    ]
    assert not wrong, "no sentence, or no line `Source: ....`"


@pytest.mark.parametrize("field", CHOICES)
def test_what_a_recipe_may_name_is_what_there_is(field: str) -> None:
    if field in SETTINGS:
        assert field not in FIELDS
        return
    there = tuple(parts_of(*FIELDS[field]))
    if field in ("loss_function", "metric"):  # `default` is decided by the task, which has some that no recipe names
        assert CHOICES[field][0] == "default"
        assert set(CHOICES[field][1:]) <= set(there)
    else:
        assert there == CHOICES[field]


def test_every_dict_of_a_field_is_in_the_catalogue_and_no_dict_is_there_twice() -> None:
    assert set(FIELDS.values()) <= set(DICTS)
    assert len(set(DICTS)) == len(DICTS)


@pytest.mark.parametrize("module", sorted({module for module, _ in DICTS}))
def test_no_part_of_a_module_is_left_out(module: str) -> None:
    there = {value for where in DICTS for value in parts_of(*where).values()}
    for name, value in vars(import_module(f"reference_trainer.{module}")).items():
        if name.isupper() and isinstance(value, dict) and all(map(callable, value.values())):
            assert set(value.values()) <= there, name


def test_the_catalogue_is_in_the_order_of_the_titles() -> None:
    found = catalogue()
    assert list(found) == list(TITLES)
    assert [part.name for part in found["pooling"]] == list(CHOICES["pooling"])
    assert {"plain", "transposed"} <= {part.name for part in found["convolutions"]}


@pytest.mark.parametrize("width", [40, 80, 100])
def test_the_table_holds_everything_within_its_width(width: int) -> None:
    text = render(width)
    assert max(map(len, text.splitlines())) <= width
    flat = re.sub(r"\s+", "", text)
    for title, parts in catalogue().items():
        assert f"\n{title}\n" in f"\n{text}"
        for part in parts:
            assert re.sub(r"\s+", "", f"{part.line}[{part.source}]") in flat


def test_color_and_sentences_only_say_the_same_otherwise() -> None:
    plain = render(80)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", render(80, color=True)) == plain
    spoken = render(80, picture=False)
    for parts in catalogue().values():
        for part in parts:
            assert f"\n{part.name}: {part.line} Source: {part.source}\n" in spoken


# --- docstrings -------------------------------------------------------------------------------------------------------


def test_a_source_runs_to_the_blank_line() -> None:
    def part() -> None:
        """Drops units.

        p: share.

        Source: Hinton et al., Improving Neural Networks by
            Preventing Co-adaptation (2012).

        Raises nothing.
        """

    assert _part("dropout", part) == Part(
        "dropout", "Drops units.", "Hinton et al., Improving Neural Networks by Preventing Co-adaptation (2012)."
    )


def test_two_sources_are_both_told() -> None:
    def part() -> None:
        """Drops.

        Source: PyTorch, torch.nn.Dropout.
        Source: Hinton et al. (2012).
        """

    assert _part("dropout", part).source == "PyTorch, torch.nn.Dropout. Hinton et al. (2012)."


def test_a_part_without_a_docstring_has_not_that_of_its_base() -> None:
    class Base:
        """Something else.

        Source: Elsewhere.
        """

    class Bare(Base):
        pass

    assert _part("bare", Bare) == Part("bare", "", "")


def test_a_row_on_a_page_that_is_too_narrow_is_still_told() -> None:
    from diagnose.reports.page import Page

    assert _row(Part("name", "A sentence.", "A book."), 4, Page(width=10)) == [
        "  name  A sentence.",
        "        [A book.]",
    ]
