"""Decisions on gold tags are taken into the data where they are about these data, and nowhere else."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.corpus.decisions import Decision, read_decisions, write_decisions
from nertool.errors import InvalidData, NertoolError
from nertool.stages import download
from nertool.workspace.workspace import Workspace

TRAIN = "Anna B-LOC\nleft O\nBern O\n\nNew B-LOC\nYork I-LOC\n\nOle B-PER\n\n"
DEV = "Bern B-LOC\n\n"


@pytest.fixture
def decided(tmp_path: Path) -> Path:
    """A file of decisions; what it holds is up to the test."""
    for name, text in (("train.conll", TRAIN), ("dev.conll", DEV)):
        (tmp_path / name).write_text(text)
    return tmp_path / "decided.tsv"


def line(decision: str, number: int, tokens: str, gold: str, new: str, file: str = "train.txt.tmp") -> str:
    return "\t".join((decision, file, str(number), tokens, gold, new, "0.9", "for people")) + "\n"


def downloaded(*files: Path, accept_as_is: bool = False) -> download.Result:
    folder = files[0].parent
    named = {"train_file": str(folder / "train.conll"), "validation_file": str(folder / "dev.conll")}
    decisions = [str(file) for file in files]
    options = download.Options(**named, decisions=decisions, accept_as_is=accept_as_is)  # type: ignore[arg-type]
    return download.run(Workspace(folder / "workspace"), options)


def test_places_get_new_tags_sentences_go_and_all_is_on_record(decided: Path) -> None:
    decided.write_text(
        "decision\tfile\tline\ttokens\tgold\tnew\tscore\tsentence\n"
        + line("apply", 1, "Anna", "B-LOC", "B-PER")
        + line("keep", 3, "Bern", "O", "B-LOC")
        + line("drop", 5, "New York", "B-LOC I-LOC", "O O")
        + line("apply", 1, "Bern", "B-LOC", "O", "dev.txt.tmp")
    )
    facts = downloaded(decided).facts
    root = decided.parent / "workspace"
    assert (root / "train.txt.tmp").read_text() == "Anna B-PER\nleft O\nBern O\n\nOle B-PER\n\n"
    assert (root / "dev.txt.tmp").read_text() == "Bern O\n\n"
    assert facts["train"] == {"sentences": 2, "tokens": 4, "places_corrected": 1, "sentences_dropped": 1}
    assert facts["dev"] == {"sentences": 1, "tokens": 1, "places_corrected": 1, "sentences_dropped": 0}
    assert facts["first_sentences"][0] == "Anna[B-PER] left Bern"
    assert downloaded(decided).fresh
    second = decided.with_name("second.tsv")  # about the data as the first one leaves them
    second.write_text(line("apply", 5, "Ole", "B-PER", "O"))
    again = downloaded(decided, second)
    assert (again.why, again.facts["train"]["places_corrected"]) == ("again: decisions 2 changed", 2)
    assert (root / "train.txt.tmp").read_text() == "Anna B-PER\nleft O\nBern O\n\nOle O\n\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (line("apply", 1, "Ole", "B-LOC", "B-PER"), ":1: train.txt.tmp:1 holds 'Anna B-LOC', not what is decided on"),
        (line("drop", 1, "Anna", "B-PER", "B-PER"), ":1: train.txt.tmp:1 holds 'Anna B-LOC'"),
        (line("apply", 3, "Bern New", "O B-LOC", "O O"), ":1: train.txt.tmp:4 holds ''"),
        (line("apply", 90, "Anna", "B-LOC", "B-PER"), ":1: train.txt.tmp:90 holds no line"),
        (line("apply", 1, "Anna", "B-LOC", "B-PER", "test.txt.tmp"), ":1: the data have no test.txt.tmp"),
        (line("apply", 1, "Anna", "B-LOC", "B-PER", "train.txt"), ":1: no file of download: 'train.txt'"),
        ("\n" + line("yes", 1, "Anna", "B-LOC", "B-PER"), ":2: no decision: 'yes'"),
        (line("apply", 1, "Anna", "B-LOC", "B-PER O"), ":1: 1 tokens, 1 gold tags, 2 new ones"),
        (line("apply", 1, "Anna", "B-LOC", ""), ":1: 1 tokens, 1 gold tags, 1 new ones"),
        (line("apply", 1, "Anna", "B-LOC", "O").replace("\t1\t", "\t1e3\t"), ":1: '1e3' is no number of a line"),
        ("apply train.txt.tmp 1\n", ":1: 1 columns"),
        (line("apply", 6, "York", "I-LOC", "I-PER"), ":1: the new tags break iob2: I-PER behind B-LOC"),
        (
            line("apply", 1, "Anna", "B-LOC", "O") + line("drop", 1, "Anna", "B-LOC", "O"),
            ":2: train.txt.tmp:1 is decid",
        ),
        (line("drop", 1, "Bern", "B-LOC", "O", "dev.txt.tmp"), "no sentence of dev.txt.tmp is left"),
        ("\udcff", "not UTF-8"),
        (
            line("keep", 1, "Anna", "B-LOC", "B-PRE") + line("apply", 1, "Anna", "B-LOC", "B-PRE"),
            ":2: the data have no ty",
        ),
        (line("apply", 1, "Anna", "B-LOC", "BPER"), ":1: the data have no type 'BPER' (BPER)"),
        (line("apply", 1, "Anna", "B-LOC", "o"), ":1: the data have no type 'o' (o)"),
        (line("apply", 1, '"', "O", "B-PER"), ":1: unexpected end of data"),
    ],
)
def test_what_is_decided_on_other_data_is_refused(decided: Path, text: str, error: str) -> None:
    decided.write_text(text, errors="surrogateescape")
    with pytest.raises(InvalidData) as refused:
        downloaded(decided)
    assert error in refused.value.message
    assert not list((decided.parent / "workspace").glob("*.txt.tmp"))


def test_a_file_that_is_not_there_is_refused(decided: Path) -> None:
    with pytest.raises(NertoolError, match=r"--decisions .*decided\.tsv: no such file\n.*check --labels"):
        downloaded(decided)


def test_a_byte_order_mark_is_no_part_of_a_decision(tmp_path: Path) -> None:
    (tmp_path / "decided.tsv").write_bytes(b"\xef\xbb\xbfdrop\ttrain.txt.tmp\t1\tanna\tO\tO\n")
    assert [one.decision for one in read_decisions(tmp_path / "decided.tsv")] == ["drop"]


def test_places_of_a_sentence_that_goes_are_not_corrected(decided: Path) -> None:
    decided.write_text(line("apply", 1, "Anna", "B-LOC", "B-PER") + line("drop", 3, "Bern", "O", "B-LOC"))
    facts = downloaded(decided).facts
    assert facts["train"] == {"sentences": 2, "tokens": 3, "places_corrected": 0, "sentences_dropped": 1}


def test_all_other_bytes_stay(decided: Path) -> None:
    """As the README's pipelines write them: tabs between sentences, columns between token and tag, carriage returns."""
    from nertool.sources.apply_decisions import apply_decisions
    from nertool.workspace.stage import Stage

    stage = Stage("download", decided.parent, {})
    path = stage.file("train.txt.tmp")
    path.write_bytes("\n\nAnna x B-LOC \r\n\t\nM\u00fcller\x96 B-PER\n\t\nOle B-PER".encode())
    decided.write_text(line("apply", 3, "Anna", "B-LOC", "B-PER") + line("drop", 5, "M\u00fcller\x96", "B-PER", "O"))
    counts = apply_decisions(stage, {"train": {"sentences": 3, "tokens": 3}}, [decided])
    assert path.read_bytes() == b"\n\nAnna x B-PER \r\n\t\nOle B-PER"
    assert counts["train"] == {"sentences": 2, "tokens": 2, "places_corrected": 1, "sentences_dropped": 1}


def test_a_slip_in_a_type_is_told_from_a_new_type(decided: Path) -> None:
    decided.write_text(line("apply", 1, "Anna", "B-LOC", "B-pre"))
    with pytest.raises(InvalidData) as refused:
        downloaded(decided)
    assert refused.value.hint == "Did you mean PER? A new type is taken by --accept-as-is."
    decided.write_text(line("apply", 1, "Anna", "B-LOC", "B-animal"))
    with pytest.raises(InvalidData) as refused:
        downloaded(decided)
    assert refused.value.hint == "Types: LOC, PER. A new type is taken by --accept-as-is."
    assert downloaded(decided, accept_as_is=True).facts["first_sentences"][0] == "Anna[B-animal] left Bern"


HEAD = "decision,file,line,tokens,gold,new,score,sentence"
SAVED = {
    "quoted, with tabs": (HEAD, 'Apply,train.txt.tmp,1,Anna,B-LOC,B-PER,"0,9",', "\t", "utf-8"),
    "semicolons, BOM, carriage returns": (HEAD, "apply,train.txt.tmp,1,Anna,B-LOC,B-PER,,", ";", "utf-8-sig"),
    "commas, no head, empty columns": ("", "apply,train.txt.tmp,1,Anna,B-LOC,B-PER,,,,,", ",", "utf-8"),
    "no more columns than needed": ("", "apply,train.txt.tmp,1,Anna,B-LOC,B-PER", "\t", "utf-8"),
    "Unicode text": (HEAD, "apply,train.txt.tmp,1,Anna,B-LOC,B-PER,0.9,", "\t", "utf-16"),
}


@pytest.mark.parametrize("form", SAVED)
def test_a_file_that_a_spreadsheet_saved_is_read(form: str, decided: Path) -> None:
    head, row, separator, encoding = SAVED[form]
    rows = [next(csv.reader([text])) for text in (head, row, ",,,,") if text]
    with decided.open("w", encoding=encoding, newline="") as file:
        quoting = csv.QUOTE_ALL if "quoted" in form else csv.QUOTE_MINIMAL
        csv.writer(file, delimiter=separator, lineterminator="\r\n", quoting=quoting).writerows(rows)
    assert downloaded(decided).facts["train"]["places_corrected"] == 1


CELLS = st.text(st.sampled_from("'=+-@\"\\;,aé\u2028"), min_size=1, max_size=5)


@given(st.lists(st.tuples(st.lists(CELLS, min_size=1, max_size=3), CELLS), max_size=4))
def test_what_is_written_is_read_again_and_is_no_formula(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[list[str], str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.tsv"
    places = [
        Decision("apply", "train.txt.tmp", 1, tokens, [tag] * len(tokens), tokens, f"{path}:{number}")
        for number, (tokens, tag) in enumerate(written, start=2)
    ]
    write_decisions(path, [(place, -0.5, " ".join(place.tokens)) for place in places])
    assert list(read_decisions(path)) == places
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter="\t"):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (line("keep", 1, "Müller", "O", "B-PER").encode("cp1252"), "iconv -f cp1252 -t UTF-8 FILE."),
        (b"\xff\xfe" + "apply\ttrain.txt.tmp".encode("utf-16-le") + b"\x00\xd8a", "Save it anew, in UTF-8."),
    ],
)
def test_decisions_in_another_encoding_get_no_hint_about_that_of_the_data(
    content: bytes, hint: str, decided: Path
) -> None:
    decided.write_bytes(content)
    with pytest.raises(InvalidData) as error:
        list(read_decisions(decided))
    assert hint in error.value.hint and "--encoding" not in error.value.hint
