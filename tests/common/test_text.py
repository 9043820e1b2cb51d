"""Text of people: bounded, visible, storable; and the schema says the same as the check."""

from __future__ import annotations

import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from common.text import Line, Paragraph

LINE: TypeAdapter[str] = TypeAdapter(Annotated[str, Line(20)])
PARAGRAPH: TypeAdapter[str] = TypeAdapter(Annotated[str, Paragraph(20)])


@pytest.mark.parametrize(
    "text", ["Ayşe", "Association Lumière", "منظمة", "ডেল্টার আলো", "O'Neill & Co", "x" * 20]
)
def test_names_of_people_and_places_are_lines(text: str) -> None:
    assert LINE.validate_python(text) == text


def test_blanks_around_a_line_are_dropped() -> None:
    assert LINE.validate_python("  a  b ") == "a  b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x" * 21,
        "nul\x00",
        "bell\x07",
        "two\nlines",
        "tab\tbed",
        "\x7f",
        "\x85",
        "a\u2028b",
    ],
)
def test_a_line_holds_no_control_character_and_is_not_blank(text: str) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(text)


@pytest.mark.parametrize("value", [7, None, True, b"bytes", ["a"]])
def test_only_text_is_text(value: object) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(value)


def test_a_paragraph_runs_over_lines_with_one_kind_of_line_end() -> None:
    assert PARAGRAPH.validate_python("a\r\nb\rc\nd\te") == "a\nb\nc\nd\te"


@pytest.mark.parametrize("text", ["", "\n", "nul\x00", "esc\x1b", "x" * 21])
def test_a_paragraph_holds_no_other_control_character(text: str) -> None:
    with pytest.raises(ValidationError):
        PARAGRAPH.validate_python(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=25))
def test_the_schema_of_a_line_says_what_the_check_does(text: str) -> None:
    schema = LINE.json_schema()
    by_schema = (
        schema["minLength"] <= len(text) <= schema["maxLength"]
        and re.search(schema["pattern"], text) is not None
    )
    try:
        LINE.validate_python(text)
    except ValidationError:
        # blanks around it do not count for the check: it may be kinder than the schema, not harsher
        assert not by_schema


def test_the_character_to_remove_is_named() -> None:
    with pytest.raises(ValidationError, match=r"U\+0007 at position 2"):
        LINE.validate_python("a\x07")
