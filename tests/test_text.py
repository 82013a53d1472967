"""Running text and token lists in, tagged lines out: nothing is lost, places are true, the form is told early."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.text import PEEK, Words, as_conll, as_jsonl, cut_words, read_words, token_sentences

LABELS = ["B-LOC", "I-LOC", "B-PER", "O"]


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
    assert words.text == line
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


def test_token_lines_become_sentences_at_blank_lines_however_many() -> None:
    lines = ["\n", "anna O x\n", "left\n", "\n", " \n", "bruno\tB-PER\r\n"]
    assert [words.tokens for words in token_sentences(lines)] == [["anna", "left"], ["bruno"]]
    assert all(words.text is None for words in token_sentences(lines))


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
        ("tokens", ["anna"] * PEEK),
    ],
)
def test_the_form_is_told_from_as_few_lines_as_can_tell(form: str, lines: list[str]) -> None:
    assert read_words(stream(*lines), "auto", LABELS)[0] == form


def test_lines_looked_at_to_tell_the_form_are_not_lost() -> None:
    form, sentences = read_words(iter(["Headline\n", "anna left oslo\n", "\n", "bruno saw it\n"]), "auto", LABELS)
    assert (form, [words.tokens[0] for words in sentences]) == ("text", ["Headline", "anna", "bruno"])
    form, sentences = read_words(iter(["anna\n", "left\n", "\n", "bruno\n"]), "auto", LABELS)
    assert (form, [words.tokens for words in sentences]) == ("tokens", [["anna", "left"], ["bruno"]])


def test_a_form_that_is_named_is_taken_without_a_look() -> None:
    assert [w.tokens for w in read_words(iter(["anna left\n"]), "tokens", LABELS)[1]] == [["anna"]]
    assert [w.tokens for w in read_words(iter(["anna\n"]), "text", LABELS)[1]] == [["anna"]]
    read_words(stream(), "text", LABELS)


@pytest.mark.parametrize("form", ["auto", "tokens", "text"])
def test_no_lines_are_no_sentences(form: str) -> None:
    assert list(read_words(iter([]), form, LABELS)[1]) == []


def test_conll_is_a_line_a_token_and_a_blank_line() -> None:
    assert as_conll(Words(["anna", "left"]), ["B-PER", "O"]) == "anna B-PER\nleft O\n\n"


def test_jsonl_places_are_characters_of_the_text() -> None:
    line = as_jsonl(cut_words("Anna, in  new  lisbon."), ["B-PER", "O", "O", "B-LOC", "I-LOC", "O"])
    assert line.endswith("}\n") and line.count("\n") == 1
    row = json.loads(line)
    assert row["tokens"] == ["Anna", ",", "in", "new", "lisbon", "."]
    assert row["entities"] == [
        {"label": "PER", "start": 0, "end": 4, "text": "Anna"},
        {"label": "LOC", "start": 10, "end": 21, "text": "new  lisbon"},
    ]


def test_jsonl_places_are_words_where_there_is_no_text() -> None:
    row = json.loads(as_jsonl(Words(["in", "new", "lisbon"]), ["O", "B-LOC", "I-LOC"]))
    assert "text" not in row
    assert row["entities"] == [{"label": "LOC", "start": 1, "end": 3, "text": "new lisbon"}]
    assert row["tags"] == ["O", "B-LOC", "I-LOC"]


@given(st.text(min_size=1), st.data())
def test_the_text_of_an_entity_stands_at_its_places(line: str, data: st.DataObject) -> None:
    words = cut_words(line)
    tags = [data.draw(st.sampled_from(LABELS)) for _ in words.tokens]
    row = json.loads(as_jsonl(words, tags))
    assert row["text"] == line
    for entity in row["entities"]:
        assert line[entity["start"] : entity["end"]] == entity["text"]
