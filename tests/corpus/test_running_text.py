"""Running text and token lists: nothing is lost, places are true, the form is told early."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.corpus.running_text import cut_text, cut_words, form_of
from nertool.documents.reader import PEEK

LABELS = {"B-LOC", "I-LOC", "B-PER", "O"}


def stream(*lines: str) -> Iterator[str]:
    """Lines that must suffice: whoever asks for one more has read too far."""
    yield from (f"{line}\n" for line in lines)
    raise AssertionError("read too far")


@given(st.text())
def test_cutting_leaves_out_white_space_and_nothing_else(line: str) -> None:
    assert "".join(cut_words(line).tokens) == "".join(char for char in line if not char.isspace())


@given(st.text() | st.text(alphabet="ab1.,:@#-'/ \t\u00a0é"))
def test_offsets_are_the_places_of_the_tokens_in_their_order(line: str) -> None:
    words = cut_words(line)
    assert [line[start:end] for start, end in words.offsets] == words.tokens
    edges = [edge for offset in words.offsets for edge in offset]
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("Anna left.", ["Anna", "left", "."]),
        ("see https://a.example/x?y=1 now", ["see", "https://a.example/x?y=1", "now"]),
        ("@anna likes #oslo!", ["@anna", "likes", "#oslo", "!"]),
        ("1,000.50 at 10:30, ok", ["1,000.50", "at", "10:30", ",", "ok"]),
        ("Rock'n'Roll in Baden-Baden (AT&T)", ["Rock'n'Roll", "in", "Baden-Baden", "(", "AT&T", ")"]),
        ("„Zürich“ – schön…", ["„", "Zürich", "“", "–", "schön", "…"]),
        (" \t ", []),
    ],
)
def test_words_numbers_addresses_and_signs_are_tokens(line: str, tokens: list[str]) -> None:
    assert cut_words(line).tokens == tokens


@given(st.text(), st.data())
def test_places_of_a_piece_are_places_in_the_whole(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    words = cut_text(text, start, len(text))
    assert [text[begin:end] for begin, end in words.offsets] == words.tokens
    assert all(begin >= start for begin, _ in words.offsets)


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("tokens", ["anna", ""]),
        ("tokens", ["", "", "anna", "left", ""]),
        ("tokens", ["anna B-PER"]),
        ("tokens", ["anna NE B-PER"]),
        ("tokens", ["anna", "left O"]),
        ("text", ["anna left"]),
        ("text", ["", "anna left oslo ."]),
        ("text", ["Headline", "anna left oslo ."]),
        ("text", ["{ braces } are text"]),
        ("jsonl", ['{"text": "anna left"}']),
        ("jsonl", ["", '{"tokens":["a"]}']),
        ("tokens", ["anna"] * PEEK),
    ],
)
def test_the_form_is_told_from_as_few_lines_as_can_tell(form: str, lines: list[str]) -> None:
    assert form_of(islice(stream(*lines), PEEK), LABELS) == form


def test_no_lines_are_tokens() -> None:
    assert form_of(iter([]), LABELS) == "tokens"
