"""`nertool predict` on input that is broken or meant to break it: a defined result, or two lines and status 1."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.forks import Forks

from nertool.cli.main import main
from nertool.corpus.column_files import read_sentences
from nertool.corpus.records import DEEPEST
from nertool.corpus.running_text import visible
from nertool.documents import output_file, writers
from nertool.documents.hints import Hints, Unreadable
from nertool.models.encode import Encoded, Encoder
from nertool.models.names import load_tokenizer

Predict = Callable[..., tuple[str, str]]
FORMS = ("conll", "jsonl", "inline", "entities", "html")


@pytest.fixture
def tag(trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Predict:
    """Runs the command on bytes of standard input; gives what went to stdout and stderr."""

    def run(data: bytes, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["predict", *map(str, arguments), "-w", str(trained)])
        out, err = capsys.readouterr()
        assert end.value.code == code, err
        assert code == 0 or len(err.splitlines()) == 2, err
        return out, err

    return run


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return b'{"text": "anna", "x": ' + (opening * depth + "1" + closing * depth).encode() + b"}\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (rb'{"text": "anna \ud800"}', "half a character (a lone surrogate): '\\ud800'"),
        (rb'{"tokens": ["\uDFFF"]}', "half a character"),
        (rb'{"text": "anna", "id": {"a": ["\udc00"]}}', "half a character"),
        (rb'{"text": "anna", "\ud800": 1}', "half a character"),
        (nested(100_000).strip(), f"lists or objects more than {DEEPEST} deep"),
        (nested(100_000, '{"a": ', "}").strip(), f"lists or objects more than {DEEPEST} deep"),
        (nested(DEEPEST).strip(), f"lists or objects more than {DEEPEST} deep"),
        (b'{"text": "anna", "n": 1' + b"0" * 5000 + b"}", "not JSON: Exceeds the limit (4300 digits)"),
        (b'{"text": "an\0na"}', "a NUL byte"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b'{"text": "anna"} {"text": "oslo"}', "not JSON: Extra data"),
        (b"{}", "neither a text 'text' nor a list of tokens 'tokens'"),
        (b'{"tokens": [1]}', "'tokens' holds no list of tokens: a token is 1"),
        (b'{"tokens": ["anna", null]}', "'tokens' holds no list of tokens: a token is None"),
        (b'{"tokens": {"a": 1}}', "'tokens' holds no list of tokens: {'a': 1}"),
        (b'{"tokens": "anna left"}', "'tokens' holds no list of tokens: 'anna left'"),
        (b'{"text": ["anna left"]}', "'text' holds no text: ['anna left']"),
        (b'{"text": null}', "neither a text"),
        *((line, "not a JSON object") for line in (b"[]", b"null", b"5", b"NaN", b'"anna"')),
    ],
)
def test_a_bad_record_stops_is_skipped_or_stands_as_a_gap(line: bytes, wanted: str, form: str, tag: Predict) -> None:
    data = b'{"text": "oslo"}\n' + line + b'\n{"text": "clara"}\n'
    if form == "conll":
        _, err = tag(data, "--input", "jsonl", code=1)
        assert err.startswith("error: standard input:2: ") and wanted in err
    elif form == "jsonl":
        out, err = tag(data, "--input", "jsonl", "--on-error", "null", "--format", form)
        assert [row and row["text"] for row in map(json.loads, out.splitlines())] == ["oslo", None, "clara"]
        assert err == "1 record could not be read: they stand as gaps\n"
    else:
        out, err = tag(data, "--input", "jsonl", "--on-error", "skip", "--format", form)
        assert "oslo" in out and "clara" in out and "anna" not in out
        assert err == "1 record could not be read: left out\n"


def test_what_looks_bad_and_is_not_passes(tag: Predict) -> None:
    out, err = tag(rb'{"text": "anna \ud83d\ude00", "x": "\\ud800"}' + b"\n" + nested(DEEPEST - 1), "--format", "jsonl")
    first, second = map(json.loads, out.splitlines())
    assert (first["text"], first["x"], second["text"], err) == ("anna \U0001f600", r"\ud800", "anna", "")


@pytest.mark.parametrize("named", [True, False])
def test_a_json_list_gives_what_json_lines_give(named: bool, tag: Predict, tmp_path: Path) -> None:
    data = b'[{"text":"anna saw oslo.", "id": 7},\n {"tokens":["clara"]}]'
    (tmp_path / "list.json").write_bytes(data)
    wanted, _ = tag(data[1:-1].replace(b",\n", b"\n"), "--input", "jsonl", "--format", "jsonl")
    out, err = tag(b"", tmp_path / "list.json", "--format", "jsonl") if named else tag(data, "--format", "jsonl")
    told = "standard input: read as a JSON list, a text or object an element\n"
    assert (out, err) == (wanted, "" if named else told)
    assert [json.loads(row)["tokens"] for row in out.splitlines()] == [["anna", "saw", "oslo", "."], ["clara"]]


def test_numbers_that_json_has_not_are_counted_and_null(tag: Predict) -> None:
    data = b'{"text": "anna", "a": NaN, "b": [1e999, {"c": -Infinity}], "d": 1.5, "e": 1e300}\n'
    out, err = tag(data, "--format", "jsonl")
    row = json.loads(out, parse_constant=pytest.fail)
    assert [row[name] for name in "abde"] == [None, [None, {"c": None}], 1.5, 1e300]
    assert err == "3 numbers that JSON lacks (NaN, Infinity): passed on as null\n"


def test_a_name_with_two_values_is_refused_or_left_out(tag: Predict) -> None:
    lines = b'{"text": "anna", "text": "oslo", "id": 1}\n{"text": "anna", "text": "anna", "id": 2}\n'
    _, err = tag(lines, "--format", "jsonl", code=1)
    assert "standard input:1: the key 'text' stands in one object with two values" in err
    out, _ = tag(lines, "--format", "jsonl", "--on-error", "null")
    assert [json.loads(line) and json.loads(line)["id"] for line in out.splitlines()] == [None, 2]


def test_a_text_under_another_name_does_not_hide_a_field_silently(tag: Predict) -> None:
    out, err = tag(b'{"body": "anna", "text": "oslo"}\n', "--text-column", "body", "--format", "jsonl")
    assert json.loads(out)["text"] == "anna"
    assert err == "1 record had fields named tokens, tags, entities, text: their values are not passed on\n"


@pytest.mark.parametrize("name", ["tokens", "text", "document"])
@pytest.mark.parametrize(
    ("line", "wanted"),
    [(b"le\xfft", "standard input:3: not UTF-8: invalid start byte"), (b"le\0ft", "standard input:3: a NUL byte")],
)
def test_a_line_that_is_no_text_spoils_its_record(name: str, line: bytes, wanted: str, tag: Predict) -> None:
    data = b"oslo\n\n" + line + b"\nanna\n\nclara\n"
    assert wanted in tag(data, "--input", name, code=1)[1]
    left = {"tokens": ["oslo", "clara"], "text": ["oslo", "anna", "clara"], "document": []}[name]
    out, err = tag(data, "--input", name, "--on-error", "skip", "--format", "jsonl")
    assert [json.loads(row)["tokens"] for row in out.splitlines()] == [[token] for token in left]
    assert err == "1 record could not be read: left out\n"
    out, _ = tag(data, "--input", name, "--on-error", "null", "--format", "jsonl")
    assert out.splitlines().count("null") == 1


def test_a_sentence_with_several_bad_lines_is_one_bad_record(tag: Predict) -> None:
    out, err = tag(b"\xff\nanna\n\xff\n\noslo\n", "--input", "tokens", "--on-error", "skip")
    assert (out, err) == ("oslo B-PER\n\n", "1 record could not be read: left out\n")


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("a.csv", b'text,id\nanna,1\n"\xff",2\nclara,3\n', "a.csv: row 2: not UTF-8"),
        ("a.csv", b"text,id\nanna,1\nos\0lo,2\nclara,3\n", "a.csv: row 2: a NUL byte"),
        ("a.csv", b"text,id\nanna,1\noslo,2,3\nclara,3\n", "a.csv: row 2: 3 fields, but 2 columns"),
        ("a.csv", b"id,text\n1,anna\n2\n3,clara\n", "a.csv: row 2: neither a text"),
    ],
)
def test_a_bad_row_is_a_bad_record(name: str, data: bytes, wanted: str, tmp_path: Path, tag: Predict) -> None:
    (tmp_path / name).write_bytes(data)
    assert wanted in tag(b"", tmp_path / name, code=1)[1]
    out, err = tag(b"", tmp_path / name, "--on-error", "skip", "--format", "jsonl")
    assert [json.loads(row)["text"] for row in out.splitlines()] == ["anna", "clara"]
    assert err == "1 record could not be read: left out\n"


def test_a_parquet_row_that_is_not_utf8_is_a_bad_record(tmp_path: Path, tag: Predict) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    ends, data = pyarrow.py_buffer(b"".join(end.to_bytes(4, "little") for end in (0, 4, 8))), b"anna\xff\xfeab"
    texts = pyarrow.Array.from_buffers(pyarrow.string(), 2, [None, ends, pyarrow.py_buffer(data)])
    parquet.write_table(pyarrow.table({"text": texts, "x": [float("nan"), 1.0]}), path)
    assert f"{path}: row 2: not UTF-8" in tag(b"", path, code=1)[1]
    out, err = tag(b"", path, "--on-error", "null", "--format", "jsonl")
    assert [row and (row["text"], row["x"]) for row in map(json.loads, out.splitlines())] == [("anna", None), None]
    assert "1 record could not be read" in err and "1 number that JSON lacks" in err


def packed(text: bytes) -> bytes:
    return gzip.compress(text + os.urandom(2000).hex().encode() + b"\n", mtime=0)


def arrow(of: str) -> bytes:
    import pyarrow
    from pyarrow import ipc

    buffer, table = io.BytesIO(), pyarrow.table({"text": ["anna"]})
    with (ipc.new_stream if of == "stream" else ipc.new_file)(buffer, table.schema) as out:
        out.write_table(table)
    return buffer.getvalue()


def parquet_bytes(column: str, rows: int) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({column: pyarrow.array(["anna"] * rows, pyarrow.string())}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "wanted"),
    [
        ("a.txt.gz", lambda: packed(b"anna\n")[:-500], "a.txt.gz is no whole archive"),
        ("a.txt.gz", lambda: packed(b"anna\n")[:-8] + b"\0" * 8, "a.txt.gz is no whole archive"),
        ("a.csv.gz", lambda: packed(b"text\n")[:-500], "a.csv.gz is no whole archive"),
        ("a.txt", lambda: packed(b"anna\n"), "a.txt:1: this is a gzip archive"),
        ("a.txt", lambda: "anna\n".encode("utf-16"), "a.txt:1: this is UTF-16"),
        ("a.arrow", lambda: arrow("stream"), "a.arrow:1: this is an Arrow file"),
        ("a.feather", lambda: arrow("file"), "a.feather:1: this is an Arrow file"),
        ("a.parquet", lambda: parquet_bytes("text", 9)[:-9], "a.parquet is no whole Parquet file"),
        (
            "a.parquet",
            lambda: parquet_bytes("text", 9).replace(b"\x04\0\0\0anna", b"\xff" * 8),
            "a.parquet is no whole Parquet",
        ),
        ("a.parquet", lambda: b"PAR1" + b"\xff" * 99 + b"PAR1", "a.parquet is no whole Parquet file"),
        ("a.parquet", lambda: parquet_bytes("body", 0), "a.parquet lacks a column 'text' or 'tokens'"),
        ("a.csv", lambda: b"body\n", "a.csv lacks a column 'text' or 'tokens'"),
        ("a.csv", lambda: b'text\n"anna\noslo\n', "a.csv:3: not CSV: unexpected end of data"),
        ("a.csv", lambda: b"\xfftext\n", "a.csv:1: the name of a column is no text in UTF-8"),
        ("a.csv", lambda: b"bo\x1b[2Jdy\nanna\n", "a.csv lacks a column"),
    ],
)
def test_a_broken_file_is_told(name: str, make: Callable[[], bytes], wanted: str, tmp_path: Path, tag: Predict) -> None:
    (tmp_path / name).write_bytes(make())
    out, err = tag(b"", tmp_path / name, code=1)
    assert wanted in err and "\x1b" not in err, err


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("-", lambda: b""),
        ("-", lambda: b"\n \n\n"),
        ("a.txt", lambda: b""),
        ("a.jsonl", lambda: b"\n\n"),
        ("a.csv", lambda: b""),
        ("a.csv", lambda: b"text,id\n"),
        ("a.parquet", lambda: parquet_bytes("text", 0)),
    ],
)
def test_nothing_in_gives_nothing_out(
    name: str, make: Callable[[], bytes], form: str, tmp_path: Path, tag: Predict
) -> None:
    path = name if name == "-" else tmp_path / name
    if isinstance(path, Path):
        path.write_bytes(make())
    out, _ = tag(make(), "--format", form, path)
    assert out == writers.head_of(form)


def test_marks_at_the_beginning_are_left_out_and_told(tmp_path: Path, tag: Predict) -> None:
    mark = b"\xef\xbb\xbf"
    for data, arguments in ((b'{"text": "anna"}\n', []), (b"anna\n", ["--input", "text"]), (b"anna\n", [])):
        out, err = tag(mark + data, *arguments)
        assert out == "anna B-PER\n\n" and "standard input: a byte order mark" in err
    (tmp_path / "a.csv").write_bytes(mark + b'"text",id\r\nanna,1\r\n')
    assert tag(b"", tmp_path / "a.csv")[0] == "anna B-PER\n\n"


@pytest.mark.parametrize("name", ["tokens", "text", "document", "jsonl"])
def test_line_ends_of_windows_are_line_ends(name: str, tag: Predict) -> None:
    data = b'{"text": "anna"}\r\n\r\n{"text": "oslo"}\r\n' if name == "jsonl" else b"anna\r\n\r\noslo\r\n"
    assert tag(data, "--input", name)[0] == "anna B-PER\n\noslo B-PER\n\n"


def test_line_ends_of_old_macintoshes_are_told_where_they_would_join_tokens(tag: Predict) -> None:
    data = b"anna\roslo\r\rclara\r"
    assert tag(data, "--input", "text")[0] == "anna B-PER\n\noslo B-PER\n\nclara B-PER\n\n"
    _, err = tag(data, "--input", "tokens", code=1)
    assert err.startswith("error: standard input:1: a carriage return inside a line of one token")


@pytest.mark.parametrize("form", ["conll", "inline"])
def test_a_token_stays_in_its_column(form: str, tmp_path: Path, tag: Predict) -> None:
    tokens = ["a b", "a\tb", "a\nb", "\n\na", "a\r", " x", "x ", "a\u2028b", "a\u00a0b", "a\u0085b", "a\x1cb", "a\x0cb"]
    out, err = tag(json.dumps({"tokens": tokens}).encode() + b"\n", "--format", form)
    assert err == "7 tokens with a blank, tab or line end: written as _\n"
    if form == "conll":
        (tmp_path / "a").write_text(out, encoding="utf-8", newline="")
        (sentence,) = read_sentences(tmp_path / "a")
        assert sentence.tokens == ["a_b", "a_b", "a_b", "__a", "a_", "_x", "x_", *tokens[7:]]
        again, _ = tag(out.encode(), "--input", "tokens")
        assert again.split("\n\n")[0].count("\n") == len(tokens) - 1
    else:
        assert len(out.rstrip("\n").split(" ")) == len(tokens) and out.count("\n") == 1
    out, err = tag(json.dumps({"tokens": tokens}).encode() + b"\n", "--format", "jsonl")
    assert (json.loads(out)["tokens"], err) == (tokens, "")


def test_white_space_that_ends_no_column_is_part_of_a_token(tag: Predict) -> None:
    out, _ = tag("10\u00a0000\nanna\u2028x\tB-PER\n".encode(), "--input", "tokens")
    assert [line.rpartition(" ")[0] for line in out.split("\n")] == ["10\u00a0000", "anna\u2028x", "", ""]


def test_pages_hold_no_markup_of_the_data(tag: Predict) -> None:
    data = b'{"tokens": ["<script>", "&", "\\"anna\'"], "<b>": "<i>"}\n{"text": "<script>x</script> anna"}\n'
    out = tag(data, "--format", "html")[0].removeprefix(writers.head_of("html"))
    assert "<script" not in out and "<b>" not in out and "<i>" not in out and "&lt;script&gt;" in out


def test_a_terminal_is_not_driven_by_what_is_typed(tag: Predict) -> None:
    typed = "[red]anna[/red] [/nope]\n\x1b[2Janna\x07\n\u009b31m \u202e\nZ\udcffrich \0\n"
    out, _ = tag(typed.encode("utf-8", "surrogateescape"), "--interactive")
    assert visible(out) == out and "\\x1b" in out and "\\x9b 31" in out and "\ufffd" in out
    assert "red ]" in out and "nope ]" in out  # no style, no error


@pytest.mark.parametrize("word", ["a" * 1_000_000, "\u5b57" * 60_000, "." * 60_000, "a-" * 100_000])
@pytest.mark.slow
def test_a_long_word_or_line_takes_seconds(word: str, tag: Predict) -> None:
    started = time.process_time()
    out, _ = tag(f"anna {word} oslo\n".encode(), "--input", "text")
    assert time.process_time() - started < 30
    assert "".join(line.split(" ")[0] for line in out.splitlines()) == f"anna{word}oslo"


def test_a_long_sentence_goes_through_windows_and_is_counted(tag: Predict) -> None:
    out, err = tag(b"anna\nleft\n" * 5000, "--input", "tokens")
    assert len(out.splitlines()) == 10_001
    assert err == "1 sentence over the model's length: tagged in overlapping windows\n"


def test_each_word_is_read_in_the_window_whose_middle_is_nearest(tiny_model: str) -> None:
    encoder = Encoder(load_tokenizer(tiny_model), 10)
    for length in (8, 9, 17, 40):
        windows = encoder.windows(Encoded(list(range(length)), list(range(length))))
        begins = [window.ids[1] for window in windows]
        for number, window in enumerate(windows):
            for word, position in zip(window.words, window.positions, strict=True):
                assert window.ids[position] == word
                nearest = min(range(len(begins)), key=lambda n: abs(begins[n] + 3.5 - word))
                assert nearest == number
        assert sorted(word for window in windows for word in window.words) == list(range(length))


# -- files -----------------------------------------------------------------------------------------


def test_what_is_no_file_to_read_is_told(tmp_path: Path, tag: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tag(b"", tmp_path, code=1)[1].startswith(f"error: {tmp_path} is a directory")
    (tmp_path / "a.parquet").write_bytes(b"")
    (tmp_path / "a.txt").write_text("anna\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nertool.documents.byte_source.open_bytes", refuse)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", refuse)
    for name in ("a.txt", "a.parquet"):
        assert "cannot be read: Permission denied" in tag(b"", tmp_path / name, code=1)[1]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit):
        main(["predict"])


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, tag: Predict) -> None:
    for lines, left in ((100, []), (output_file.DOCUMENTS_BETWEEN + 100, ["out.partial", "out.progress"])):
        tag(b"anna\n" * lines + b"\xff\n", "--input", "text", "-o", tmp_path / "out", code=1)
        assert sorted(path.name for path in tmp_path.iterdir()) == left
    (tmp_path / "out").write_text("anna")
    tag(b"anna\n\xff\n", "--input", "text", "--force", "-o", tmp_path / "out", code=1)
    assert (tmp_path / "out").read_text() == "anna"
    (tmp_path / "link").symlink_to("out")
    tag(b"", "--input", "text", "--force", "-o", tmp_path / "link", tmp_path / "out")  # onto its own input
    assert (tmp_path / "link").is_symlink() and (tmp_path / "out").read_text() == "anna B-PER\n\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]


def test_a_damaged_note_of_how_far_it_is_is_told(tmp_path: Path, tag: Predict) -> None:
    (tmp_path / "out.partial").write_text("x")
    (tmp_path / "out.progress").write_text("{")
    assert "out.progress is damaged" in tag(b"anna\n", "--resume", "-o", tmp_path / "out", code=1)[1]
    assert "out was begun" in tag(b"anna\n", "-o", tmp_path / "out", code=1)[1]
    tag(b"anna\n", "--force", "-o", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def begun(tmp_path: Path, tag: Predict) -> Path:
    """A file whose first documents are on the disk, of an input that ends with a line that is no text."""
    source = tmp_path / "in.txt"
    source.write_bytes(b"anna\n" * (output_file.DOCUMENTS_BETWEEN + 100) + b"\xff\n")
    tag(b"", "--input", "text", source, "-o", tmp_path / "out", code=1)
    return tmp_path / "out"


def test_a_file_that_was_begun_with_something_else_is_not_gone_on_with(begun: Path, tag: Predict) -> None:
    source = begun.with_name("in.txt")
    for other in (["--format", "jsonl"], ["--min-score", "0.5"]):
        _, err = tag(b"", "--input", "text", *other, source, "--resume", "-o", begun, code=1)
        assert "out was begun with other " in err
    text = source.read_bytes()
    source.write_bytes(b"bruno\n" * (output_file.DOCUMENTS_BETWEEN + 100))
    assert "begun with other files" in tag(b"", "--input", "text", source, "--resume", "-o", begun, code=1)[1]
    source.write_bytes(text)
    tag(b"", "--input", "text", "--on-error", "skip", source, "--resume", "-o", begun)
    assert begun.read_text() == "anna B-PER\n\n" * (output_file.DOCUMENTS_BETWEEN + 100)


def test_a_note_that_does_not_fit_the_file_is_refused(begun: Path, tag: Predict) -> None:
    begun.with_name("out.partial").write_bytes(b"")
    _, err = tag(b"", "--input", "text", begun.with_name("in.txt"), "--resume", "-o", begun, code=1)
    assert "out.progress does not fit" in err


def test_two_writers_of_one_file_are_refused(tmp_path: Path, tag: Predict) -> None:
    with (tmp_path / "out.partial").open("wb") as other:
        other.write(b"of the first")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "is being written by another process" in tag(b"anna\n", "-o", tmp_path / "out", code=1)[1]
        assert (tmp_path / "out.partial").read_bytes() == b"of the first"


def test_a_split_and_a_file_to_write_are_refused_together(tmp_path: Path, tag: Predict) -> None:
    assert "--split writes into predictions/" in tag(b"", "--split", "dev", "-o", tmp_path / "out", code=1)[1]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [(".", "is a directory"), ("no/out", "there is no directory"), ("/dev/full", "No space left on device")],
)
def test_what_cannot_be_written_is_told(name: str, wanted: str, tmp_path: Path, tag: Predict) -> None:
    assert wanted in tag(b"anna\n", "--input", "text", "--force", "-o", tmp_path / name, code=1)[1]


@pytest.mark.parametrize(
    ("shell", "code", "out", "err"),
    [
        (
            "printf 'anna\\n' | $nertool --input text >/dev/full",
            1,
            "",
            "error: standard output cannot be written: No space",
        ),
        (
            "yes anna | head -20000 | $nertool --input text >/dev/full",
            1,
            "",
            "error: standard output cannot be written",
        ),
        ("printf 'anna\\n' | $nertool --input text >&-", 1, "", "error: standard output cannot be written"),
        ("$nertool <&-", 1, "", "error: standard input is closed"),
        ("$nertool --input text <(printf 'anna\\n')", 0, "anna B-PER\n\n", ""),
        ("yes anna | $nertool --input text | head -1", 0, "anna B-PER\n", ""),
    ],
)
def test_streams_that_fail(shell: str, code: int, out: str, err: str, trained: Path, forks: Forks) -> None:
    command = shell.replace("$nertool", forks.in_shell("predict", "-w", str(trained)))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (code, out), done.stderr
    assert done.stderr.startswith(err) and len(done.stderr.splitlines()) == 2 * code, done.stderr


def test_an_error_keeps_its_hint_between_processes() -> None:
    error = Unreadable("a.txt:1: no token", "Write one;", "skip")
    anew = pickle.loads(pickle.dumps(error))
    assert (type(anew), str(anew)) == (Unreadable, str(error))
    assert anew.hint_for(Hints(skip="or leave it")) == "Write one; or leave it"
