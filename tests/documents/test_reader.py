"""Documents out of files of every form: the same words, other fields kept, bad records named."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from nertool.corpus.running_text import sentence_splitter
from nertool.documents.document import Document
from nertool.documents.reader import Reader
from nertool.errors import InvalidData, InvalidOption

TEXTS = ["Anna left Oslo.", "Clara, too"]
TOKENS = [["Anna", "left", "Oslo", "."], ["Clara", ",", "too"]]


def read(path: Path, **options: Any) -> list[Document]:
    return list(Reader(**options).read(str(path)))


def words(documents: list[Document]) -> list[list[str]]:
    return [[token for sentence in one.sentences for token in sentence.tokens] for one in documents]


def write(path: Path) -> Path:
    """The same two texts, in the form that the name tells."""
    rows = [{"text": text, "id": number} for number, text in enumerate(TEXTS)]
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    data = {
        "a.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "a.csv": 'text,id\nAnna left Oslo.,0\n"Clara, too",1\n',
        "a.txt": "".join(f"{text}\n\n" for text in TEXTS),
        "tokens": "".join("\n".join(tokens) + "\n\n" for tokens in TOKENS),
    }[name].encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet", "a.txt", "a.txt.gz", "tokens"])
def test_every_form_holds_the_same_words(name: str, tmp_path: Path) -> None:
    documents = read(write(tmp_path / name))
    assert words(documents) == TOKENS
    if name.startswith(("a.jsonl", "a.csv", "a.parquet")):
        assert [str(one.record["id"]) for one in documents] == ["0", "1"]
        assert [one.text for one in documents] == TEXTS


def test_standard_input_may_be_json_lines() -> None:
    data = b'{"body": "Anna left Oslo.", "n": 1}\n\n{"tokens": ["Clara", ",", "too"]}\n'
    documents = list(Reader(text_column="body", stdin=io.BytesIO(data)).read("-"))
    assert (words(documents), documents[0].record, documents[1].number) == (TOKENS, {"n": 1}, 3)
    with pytest.raises(InvalidOption, match="standard input has no columns"):
        list(Reader("csv").read("-"))
    with pytest.raises(InvalidOption, match="standard input is closed"):
        list(Reader().read("-"))


def test_token_lines_become_sentences_at_blank_lines_however_many() -> None:
    stdin = io.BytesIO(b"\nanna O x\nleft\n\n \nbruno\tB-PER\r\n")
    documents = list(Reader("tokens", stdin=stdin).read("-"))
    assert [(one.number, words([one])) for one in documents] == [(2, [["anna", "left"]]), (6, [["bruno"]])]


@pytest.mark.parametrize("form", ["auto", "tokens"])
def test_a_line_between_documents_is_no_part_of_a_sentence(form: str) -> None:
    stdin = io.BytesIO(b"-DOCSTART- -X- O\nanna -X- B-PER\nleft -X- O\n\n-DOCSTART- -X- O\n\nbruno -X- B-PER\n")
    documents = list(Reader(form, stdin=stdin).read("-"))
    assert [(one.number, *words([one])) for one in documents] == [
        (1, ["-DOCSTART-"]),
        (2, ["anna", "left"]),
        (5, ["-DOCSTART-"]),
        (7, ["bruno"]),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_of_csv_are_separated_by_what_the_header_has_most_of(delimiter: str, tmp_path: Path) -> None:
    header = delimiter.join(["id", "text", '"a, b; c; d"'])
    (tmp_path / "a.csv").write_text(header + delimiter.join(["\n1", '"Anna, left; Oslo"', "x\n"]))
    (document,) = read(tmp_path / "a.csv")
    assert document.text == "Anna, left; Oslo"
    assert document.record == {"id": "1", "a, b; c; d": "x"}


def test_a_document_is_a_whole_file_and_a_sentence_a_line_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Anna left.\n\nShe saw\nOslo.\n")
    (document,) = read(tmp_path / "a.txt", form="document")
    assert [sentence.tokens for sentence in document.sentences] == [
        ["Anna", "left", "."],
        ["She", "saw"],
        ["Oslo", "."],
    ]
    assert document.text == "Anna left.\n\nShe saw\nOslo.\n"
    for sentence in document.sentences:
        assert [document.text[start:end] for start, end in sentence.offsets] == sentence.tokens


def test_sentences_are_split_and_nothing_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("pysbd", reason="pySBD is not installed")
    text = "Dr. Keller left Oslo. She was tired!  Was she?\nYes"
    (tmp_path / "a.txt").write_text(text)
    (document,) = read(tmp_path / "a.txt", form="document", split=sentence_splitter("en"))
    sentences = [" ".join(sentence.tokens) for sentence in document.sentences]
    assert sentences == ["Dr . Keller left Oslo .", "She was tired !", "Was she ?", "Yes"]
    assert document.text == text
    for sentence in document.sentences:
        assert [text[start:end] for start, end in sentence.offsets] == sentence.tokens
    with pytest.raises(InvalidOption, match="no rules"):
        sentence_splitter("xx")


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "a.jsonl:2: not JSON"),
        ("a.jsonl", b"[]\n", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", b'{"tokens": ["a", 1]}\n', "a.jsonl:1: 'tokens' holds no list of tokens: a token is 1"),
        ("a.jsonl", b'{"tokens": ["a", " "]}\n', "a.jsonl:1: 'tokens' holds no list of tokens: a token is ' '"),
        ("a.jsonl", b'{"text": "\xff"}\n', "a.jsonl:1: not UTF-8"),
        ("a.txt", b"ab c\n\xff d\n", "a.txt:2: not UTF-8"),
        ("a.parquet", b"no", "is no whole Parquet file"),
        ("a.jsonl.gz", b"no", "no whole archive"),
        ("a.csv", b'text\n"\xff"\n', "not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, data: bytes, wanted: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidData) as error:
        read(tmp_path / name)
    assert wanted in error.value.message


def test_a_table_without_the_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body,id\nx,1\n")
    with pytest.raises(InvalidOption, match="lacks a column 'text' or 'tokens'"):
        read(tmp_path / "a.csv")
    assert words(read(tmp_path / "a.csv", text_column="body")) == [["x"]]


def test_gaps_stand_where_records_were(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Anna left\n\xff\nOslo fell\n")
    reader = Reader("text", on_error="null")
    assert [one.broken for one in reader.read(str(tmp_path / "a.txt"))] == [False, True, False]
    assert reader.counts.broken == 1
    assert len(read(tmp_path / "a.txt", form="text", on_error="skip")) == 2
