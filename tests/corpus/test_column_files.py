"""Column files: what is read as a sentence, what is refused and where, what is written."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.corpus.column_files import Sentence, read_labels, read_sentences, write_columns
from nertool.corpus.files import numbered_lines
from nertool.errors import InvalidData

WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
SENTENCES = st.lists(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=5), max_size=5)


def made(folder: Path, content: str | bytes) -> Path:
    path = folder / "made.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_blank_line_ends_a_sentence_and_sentences_know_their_first_line(tmp_path: Path) -> None:
    path = made(tmp_path, "Anna B-PER\nleft O\n\nOslo B-LOC\n\n")
    assert list(read_sentences(path)) == [
        Sentence(["Anna", "left"], ["B-PER", "O"], 1),
        Sentence(["Oslo"], ["B-LOC"], 4),
    ]


@pytest.mark.parametrize("between", ["\n\n\n", "\n \n", "\n   \n\n", "\n\t\n", "\n\u00a0\n", "\r\n\r\n"])
def test_however_blank_the_lines_between_no_empty_sentence_comes_of_them(tmp_path: Path, between: str) -> None:
    path = made(tmp_path, f"\n \na O{between}b O\n\n\n")
    sentences = list(read_sentences(path))
    assert [sentence.tokens for sentence in sentences] == [["a"], ["b"]]
    lines = path.read_text(encoding="utf-8").split("\n")
    assert [lines[sentence.line - 1].rstrip() for sentence in sentences] == ["a O", "b O"]


@pytest.mark.parametrize("content", ["", "\n\n", " \n\t\n"])
def test_a_file_without_tokens_holds_no_sentence(tmp_path: Path, content: str) -> None:
    assert list(read_sentences(made(tmp_path, content))) == []


def test_a_last_line_without_line_feed_counts(tmp_path: Path) -> None:
    assert list(read_sentences(made(tmp_path, "a O\nb B-X"))) == [Sentence(["a", "b"], ["O", "B-X"], 1)]


@pytest.mark.parametrize(
    "line", ["Oslo NNP I-NP B-LOC", "Oslo  B-LOC", "Oslo B-LOC  ", "Oslo B-LOC\r", "Oslo x\u00a0y B-LOC"]
)
def test_the_tag_is_the_last_field_and_the_token_the_first(tmp_path: Path, line: str) -> None:
    assert list(read_sentences(made(tmp_path, f"{line}\n"))) == [Sentence(["Oslo"], ["B-LOC"], 1)]


def test_only_a_plain_space_separates_token_and_tag(tmp_path: Path) -> None:
    path = made(tmp_path, "New\u00a0York B-LOC\n\u200b O\n")
    assert next(read_sentences(path)).tokens == ["New\u00a0York", "\u200b"]


@pytest.mark.parametrize("line", ["Oslo", "Oslo ", " B-LOC", "Oslo\tB-LOC"])
def test_a_line_without_token_or_tag_is_named(tmp_path: Path, line: str) -> None:
    path = made(tmp_path, f"a O\n\nb O\n{line}\nc O\n")
    with pytest.raises(InvalidData, match=r"made\.txt:4: no tag") as error:
        list(read_sentences(path))
    assert error.value.hint


def test_sentences_before_a_bad_line_are_still_had(tmp_path: Path) -> None:
    sentences = read_sentences(made(tmp_path, "a O\n\nb\n"))
    assert next(sentences).tokens == ["a"]
    with pytest.raises(InvalidData):
        next(sentences)


@pytest.mark.parametrize("before", [0, 1, 5000])
def test_a_line_that_is_not_utf8_is_named_wherever_it_stands(tmp_path: Path, before: int) -> None:
    path = made(tmp_path, "grün O\n".encode() * before + "grün O\n".encode("latin-1") + b"a O\n")
    with pytest.raises(InvalidData, match=rf"made\.txt: not UTF-8 in line {before + 1}:") as error:
        list(numbered_lines(path))
    assert "iconv" in error.value.hint


def test_lines_are_numbered_from_one_and_keep_everything_but_the_kind_of_line_end(tmp_path: Path) -> None:
    path = made(tmp_path, "a O \r\n\x85\u2028b O\n\nc")
    assert list(numbered_lines(path)) == [(1, "a O \n"), (2, "\x85\u2028b O\n"), (3, "\n"), (4, "c")]


@given(SENTENCES)
def test_what_is_written_is_read_back(sentences: list[list[tuple[str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "written.txt"
        with path.open("w", encoding="utf-8", newline="\n") as target:
            for pairs in sentences:
                write_columns(target, zip(*pairs, strict=True))
        assert [list(zip(s.tokens, s.tags, strict=True)) for s in read_sentences(path)] == sentences


def test_columns_are_joined_by_one_space_and_end_in_a_blank_line() -> None:
    target = io.StringIO()
    write_columns(target, [["Anna", "left"], ["B-PER", "O"], ["B-PER", "B-LOC"]])
    assert target.getvalue() == "Anna B-PER B-PER\nleft O B-LOC\n\n"


def test_columns_of_unequal_length_are_not_cut_in_silence() -> None:
    with pytest.raises(ValueError, match="shorter"):
        write_columns(io.StringIO(), [["Anna", "left"], ["B-PER"]])


@pytest.mark.parametrize("content", ["O\nB-PER\nB-LOC\n", "O\nB-PER\nB-LOC", "O \r\nB-PER\r\nB-LOC\r\n"])
def test_labels_keep_the_order_of_their_file(tmp_path: Path, content: str) -> None:
    assert read_labels(made(tmp_path, content)) == ["O", "B-PER", "B-LOC"]


def test_a_label_may_hold_the_joiners_of_its_script(tmp_path: Path) -> None:
    assert read_labels(made(tmp_path, "O\nB-نام\u200cخاص\nB-क्\u200dष\n")) == ["O", "B-نام\u200cخاص", "B-क्\u200dष"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("O\n\nB-PER\n", r"made\.txt:2: a blank line"),
        ("O\n  \n", r"made\.txt:2: a blank line"),
        ("O\nB-PER\nO\n", r"made\.txt:3: 'O' stands there twice"),
        ("", r"made\.txt is empty"),
        ("O\nB-\x1b[m\n", r"made\.txt:2: 'B-\\x1b\[m' holds a control character"),
        ("\ufeffO\nB-PER\n", r"made\.txt:1: '\\ufeffO' holds a control character or an invisible one"),
        (b"O\nB-\xff\n", r"made\.txt: not UTF-8 in line 2"),
    ],
)
def test_labels_that_give_no_clear_ids_are_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        read_labels(made(tmp_path, content))
