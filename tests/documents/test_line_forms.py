"""The form of lines is told from as few of them as can tell it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from nertool.documents.line_forms import LineForm, form_of
from nertool.documents.reader import PEEK, Reader
from nertool.errors import InvalidData

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
        ("text", ["anna left"]),
        ("text", ["", "anna left oslo ."]),
        ("text", ["Headline", "anna left oslo ."]),
        ("text", ["# Headline", "anna left oslo ."]),
        ("text", ["{ braces } are text"]),
        ("jsonl", ['{"text": "anna left"}']),
        ("jsonl", ["", '{"tokens":["a"]}']),
        ("tokens", ["anna"] * PEEK),
        (LineForm("tokens", has_comments=True), ["# id 1", "anna _ B-PER"]),
        (NUMBERED, ["1 anna B-PER", "2 left O"]),
        (NUMBERED, ["1: anna B-PER", "2: left O"]),
        (NUMBERED, ["1 anna B-PER", "", "1 oslo B-LOC"]),
        ("tokens", ["1 CD O", "anna NN B-PER"]),
        (LineForm("tokens", 1, has_comments=True), ["#\thttp://a\t[2010]", "1\tanna\tB-PER\tO", "2\tleft\tO\tO"]),
    ],
)
def test_the_form_is_told_from_as_few_lines_as_can_tell(form: str | LineForm, lines: list[str]) -> None:
    wanted = form if isinstance(form, LineForm) else LineForm(form)
    assert form_of("own", islice(stream(*lines), PEEK), LABELS) == wanted


def test_no_lines_are_tokens() -> None:
    assert form_of("own", iter([]), LABELS) == LineForm("tokens")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1 anna B-PER\n2 left O\n\n1 oslo B-LOC\n2 waits O\n", [["anna", "left"], ["oslo", "waits"]]),
        ("#\tu\t[x]\n1\tanna\tB-PER\tO\n2\t#\tO\tO\n\n#\tv\t[x]\n1\toslo\tO\tO\n", [["anna", "#"], ["oslo"]]),
        ("# id 1\nanna _ B-PER\n# _ O\n\n# id 2\noslo _ B-LOC\n", [["anna", "#"], ["oslo"]]),
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
    assert reader.comments == sum(line.startswith(("# id", "#\tu", "#\tv")) for line in text.splitlines())


@pytest.mark.parametrize(
    "line",
    ["#FORMAT=WebAnno TSV 3.3", "#begin document (a); part 000", "T1\tPER 0 4\tAnna", "\ufeff#FORMAT=WebAnno TSV 3"],
)
def test_forms_that_only_download_reads_are_refused(line: str) -> None:
    with pytest.raises(InvalidData, match="predict does not read") as raised:
        form_of("own", stream(line), LABELS)
    assert "nertool download" in raised.value.hint
