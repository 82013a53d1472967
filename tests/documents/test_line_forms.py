"""The form of lines is told from as few of them as can tell it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from nertool.documents.line_forms import LineForm, form_of
from nertool.documents.reader import PEEK, Reader
from nertool.errors import InvalidData, InvalidOption

LABELS = {"B-LOC", "I-LOC", "B-PER", "O"}
NUMBERED = LineForm("tokens", token_at=1)


def stream(*lines: str) -> Iterator[str]:
    """Lines that must suffice: whoever asks for one more has read too far."""
    yield from (f"{line}\n" for line in lines)
    raise AssertionError("read too far")


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("tokens", ["anna", ""]),
        ("tokens", ["", "", "anna", "left", ""]),
        ("tokens", ["anna B-PER"]),
        ("tokens", ["anna NE B-PER"]),
        ("tokens", ["anna NE B-NP B-ART"]),
        ("tokens", ["-DOCSTART- -X- O O"]),
        ("tokens", ["anna", "left O"]),
        ("tokens", ["anna NNP"]),
        ("tokens", ["anna PROPN"]),
        ("text", ["moving IN"]),
        ("text", ["anna left"]),
        ("text", ["", "anna left oslo ."]),
        ("text", ["Headline", "anna left oslo ."]),
        ("text", ["# Headline", "anna left oslo ."]),
        ("text", ["Each token has a label and a form"]),
        ("text", ["{ braces } are text"]),
        ("jsonl", ['{"text": "anna left"}']),
        ("jsonl", ["", '{"tokens":["a"]}']),
        ("tokens", ["anna"] * PEEK),
        (LineForm("tokens", has_comments=True), ["# id 1", "anna _ B-PER"]),
        (NUMBERED, ["1 anna B-PER", "2 left O"]),
        (NUMBERED, ["1: anna B-PER", "2: left O"]),
        (NUMBERED, ["1 anna B-PER", "", "1 oslo B-LOC"]),
        ("tokens", ["1 CD O", "anna NN B-PER"]),
        ("tokens", ["1990 O", "1991 O"]),
        (NUMBERED, ["1\tanna", "2\tleft"]),
        (NUMBERED, ["1\tanna", "", "1\toslo"]),
        (LineForm("tokens", has_names=True), ["word\ttag", "anna\tB-PER"]),
        (LineForm("tokens", has_names=True), ["Token NER", "anna B-PER"]),
        (LineForm("tokens", has_comments=True, has_names=True), ["TOKEN\tNE-COARSE-LIT", "# language = de"]),
        (LineForm("tokens", 1, has_comments=True), ["# text = anna left", "1\tanna\tB-PER\t-\t-", "2\tleft\tO\t-\t-"]),
        (LineForm("tokens", 1, has_comments=True), ["#\thttp://a\t[2010]", "1\tanna\tB-PER\tO", "2\tleft\tO\tO"]),
    ],
)
def test_the_form_is_told_from_as_few_lines_as_can_tell(form: str | LineForm, lines: list[str]) -> None:
    wanted = form if isinstance(form, LineForm) else LineForm(form)
    assert form_of("own", islice(stream(*lines), PEEK), LABELS) == wanted


ELSEWHERE = {
    "names of words": (["t1\tanna\tB-PER", "t2\tleft\tO"], "download alone reads"),
    "numbers of sentences": (["0\tanna\tB-PER", "0\tleft\tO"], "download alone reads"),
    "CoNLL-2012 without a first line": (["a/b 0 0 Anna NNP (TOP* - - - - (PER) -"], "CoNLL-2012"),
    "XML without a declaration": (["<TEI><p>Anna left</p></TEI>"], "XML"),
    "a tag with attributes": (['<ENAMEX TYPE="PERSON">Anna</ENAMEX> left .'], "XML"),
    "JSON over several lines": (["{", ' "text": "Anna left"', "}"], "over several lines"),
    "training tuples of spaCy": (['[["Anna left", {"entities": []}]]'], "a list of lists"),
}


@pytest.mark.parametrize("form", ELSEWHERE)
def test_what_is_neither_text_nor_tokens_is_named(form: str) -> None:
    lines, told = ELSEWHERE[form]
    with pytest.raises(InvalidData, match=told):
        form_of("own", iter(lines), LABELS)


@pytest.mark.parametrize("name", ["a.xml", "a.HTML"])
def test_names_of_xml_are_no_text(name: str) -> None:
    with pytest.raises(InvalidData, match="XML or HTML"):
        form_of(name, iter(["<TEI>", "<p>Anna</p>", "</TEI>"]), LABELS)


@pytest.mark.parametrize("line", ["<user> <url> anna left", "<3 anna <3", "anna <b>left</b>", "a <- b -> c", "[ [ x"])
def test_angle_brackets_in_text_are_text(line: str) -> None:
    assert form_of("own", iter([line]), LABELS).name == "text"


def test_brackets_may_be_tokens() -> None:
    assert form_of("own", iter(["{", "anna", "}", ""]), LABELS).name == "tokens"


def test_no_lines_are_tokens() -> None:
    assert form_of("own", iter([]), LABELS) == LineForm("tokens")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1 anna B-PER\n2 left O\n\n1 oslo B-LOC\n2 waits O\n", [["anna", "left"], ["oslo", "waits"]]),
        ("#\tu\t[x]\n1\tanna\tB-PER\tO\n2\t#\tO\tO\n\n#\tv\t[x]\n1\toslo\tO\tO\n", [["anna", "#"], ["oslo"]]),
        ("# id 1\nanna _ B-PER\n# _ O\n\n# id 2\noslo _ B-LOC\n", [["anna", "#"], ["oslo"]]),
        ("TOKEN\tNE-COARSE-LIT\n# id = 1\nanna\tO\nleft\tO\n\n# id = 2\noslo\tO\n", [["anna", "left"], ["oslo"]]),
        ("1\tanna\n2\tleft\n\n1\toslo\n", [["anna", "left"], ["oslo"]]),
        ("-DOCSTART- -X- O O\n\nanna NNP B-NP O\n", [["-DOCSTART-"], ["anna"]]),
    ],
)
def test_tokens_are_read_behind_numbers_and_between_comments(
    text: str, tokens: list[list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "own.txt"
    path.write_text(text)
    reader = Reader(labels=[*LABELS])
    read = reader.read(str(path))
    assert [sentence.tokens for document in read for sentence in document.sentences] == tokens
    assert reader.counts.comments == sum(line.startswith(("# id", "#\tu", "#\tv")) for line in text.splitlines())


@pytest.mark.parametrize(
    "line",
    [
        *(
            "#FORMAT=WebAnno TSV 3.3",
            "#begin document (a); part 000",
            "T1\tPER 0 4\tAnna",
            "\ufeff#FORMAT=WebAnno TSV 3",
        ),
        *("# global.columns = ID FORM X:NER", "sentence_id\tword\ttag"),
    ],
)
def test_forms_that_only_download_reads_are_refused(line: str) -> None:
    with pytest.raises(InvalidData, match="download alone reads") as raised:
        form_of("own", stream(line), LABELS)
    assert "nertool download" in raised.value.hint


@pytest.mark.parametrize(
    "lines",
    [
        ["doc1\tanna\tB-PER", "doc1\tleft\tO"],
        ["B-PER anna"],
        ["O\tanna", "B-PER\toslo"],
        ['"anna"\t"B-PER"'],
        ["1-1\t0-4\tanna\tPER", "1-2\t5-9\tleft\t_"],
    ],
)
def test_tables_with_tokens_in_another_column_are_refused(lines: list[str]) -> None:
    with pytest.raises(InvalidData, match="download alone reads"):
        form_of("own", islice(stream(*lines), len(lines)), LABELS)


@pytest.mark.parametrize("line", ["anna,B-PER", "anna;B-PER", "anna/B-PER left/O", "anna\xa0B-PER", "rain|O fell|O"])
def test_tags_behind_another_separator_are_refused(line: str) -> None:
    with pytest.raises(InvalidData, match="behind another separator") as raised:
        form_of("own", stream(line), LABELS)
    assert "--input" in raised.value.hint


@pytest.mark.parametrize("line", ["anna B_ORG", "anna ORG-B"])
def test_tags_in_other_spellings_tell_tokens(line: str) -> None:
    assert form_of("own", stream(line), LABELS) == LineForm("tokens")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Title\n\nAnna left Oslo .\n", ":3: several words"),
        ("Blood type O\nAnna left\n", ":2: several words"),
        ("anna B-PER\n O\nleft O\n", ":2: a tag without a token"),
        ("anna\tB-PER\n\tO\nleft\tO\n", ":2: a tag without a token"),
    ],
)
def test_lines_that_are_no_tokens_are_refused_where_they_come(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(text)
    with pytest.raises(InvalidData, match=told) as raised:
        list(Reader(labels=[*LABELS]).read(str(path)))
    assert "--input text" in raised.value.hint


def test_a_token_between_tabs_may_have_blanks(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("left\tO\nNew York\tB-LOC\n\n\toslo\tB-LOC\n")
    read = [*Reader(labels=[*LABELS]).read(str(path))]
    assert [document.sentences[0].tokens for document in read] == [["left", "New York"], ["oslo"]]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("own.csv", "id,text,label\n1,anna,B-PER\n1,left,O\n", "a token a record"),
        ("own.jsonl", '{"text": "left", "tag": "O"}\n', "a token a record"),
        ("own.csv", "text\n\"['anna', 'left']\"\n", "a list in place of a text"),
        ("own.tsv", "text\tlabel\nanna left oslo\t1\n", "a table of texts"),
        ("own.tsv", "text\tid\nanna left oslo\t1\n", "a table of texts"),
    ],
)
def test_records_of_tokens_are_no_texts(name: str, content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidData, match=told):
        list(Reader(labels=[*LABELS]).read(str(tmp_path / name)))


@pytest.mark.parametrize(
    "line", ["<?xml version='1.0'?>", "<!DOCTYPE html>", "1|t|Anna left.", "version https://git-lfs.x"]
)
def test_what_is_no_text_is_refused_unless_one_insists(line: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="is no text") as raised:
        form_of("own", stream(line), LABELS)
    assert "--input text" in raised.value.hint
    (tmp_path / "own.txt").write_text(line)
    assert [*Reader(form="text").read(str(tmp_path / "own.txt"))]


@pytest.mark.parametrize(
    "lines", [["1\tanna left oslo"], ["id\ttext", "1\tanna left oslo"], ["-\tanna left", "-\toslo"]]
)
def test_a_table_of_texts_is_refused_with_the_ways_out(lines: list[str]) -> None:
    with pytest.raises(InvalidData, match="table of texts") as raised:
        form_of("own", islice(stream(*lines, "", ""), len(lines) + 1), LABELS)
    assert "cut -f 2" in raised.value.hint and "--input text" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("own.jsonl", '{"sentence": "anna left"}\n', "It has sentence"),
        ("own.json", '{\n "text": "anna left"\n}\n', "jq -c"),
        ("own.csv", "sentence_id,word,tag\n1,anna,O\n", "nertool download"),
    ],
)
def test_records_that_cannot_be_read_are_told_with_what_helps(
    name: str, content: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises((InvalidData, InvalidOption)) as raised:
        list(Reader().read(str(tmp_path / name)))
    assert hint in raised.value.hint


def test_the_end_of_a_name_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "own.CSV").write_text("id,text\n1,anna left\n")
    (document,) = Reader().read(str(tmp_path / "own.CSV"))
    assert document.record == {"id": "1"}


def test_marks_of_hipe_end_sentences() -> None:
    data = (
        "TOKEN\tNE-COARSE-LIT\tMISC\n# date = 1790\nAnna\tO\t_\nleft\tO\tNoSpaceAfter|EndOfSentence\n"
        "#\tO\t_\n.\tO\tEndOfSentence\n\nRain\tO\t_\n"
    )
    documents = Reader(labels=["O"], stdin=io.BytesIO(data.encode())).read("-")
    assert [one.sentences[0].tokens for one in documents] == [["Anna", "left"], ["#", "."], ["Rain"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("anna n\nkeller n\nflew v\n\noslo n\n", True),
        ("anna PER\nkeller PER\nflew O\n", True),
        ("anna keller\noslo waits\nbruno left\n", False),  # names, say
        ("anna n\nkeller n\nflew to oslo\n", False),
    ],
)
def test_lines_of_two_words_are_told_where_the_second_ones_repeat(
    text: str, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "own.txt"
    path.write_text(text)
    assert len(list(Reader(labels=sorted(LABELS)).read(str(path)))) == len(text.replace("\n\n", "\n").splitlines())
    assert ("lines holds two words" in caplog.text) == told
    caplog.clear()
    list(Reader(form="text").read(str(path)))
    assert not caplog.text


def test_lines_of_as_many_words_with_a_tag_among_them_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A score behind the tag hides that lines hold tokens."""
    path = tmp_path / "own.txt"
    path.write_text("anna B-PER 0.9\nleft O 0.8\n. O 0.9\n")
    list(Reader(labels=sorted(LABELS)).read(str(path)))
    assert "each of 3 lines holds 3 words, one of them always a tag" in caplog.text
    caplog.clear()
    path.write_text("anna left oslo\nrain fell here\nbo saw us\n")
    list(Reader(labels=sorted(LABELS)).read(str(path)))
    assert "always a tag" not in caplog.text


@pytest.mark.parametrize("blank", ["\u3000", "\u2003", "\u202f"])
def test_a_tag_behind_a_wide_blank_is_refused(blank: str, tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(f"anna{blank}B-PER\nleft{blank}O\n", encoding="utf-8")
    with pytest.raises(InvalidData, match="words with tags behind another separator"):
        list(Reader(labels=sorted(LABELS)).read(str(path)))
