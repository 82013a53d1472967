"""What tells the sentences of a table: ids under many names, counters that begin again, files that were joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertool.errors import InvalidData, InvalidOption
from tests.own_file import lines, taken

WANTED = "Anna B-PER left O / Rain O fell O / "
NAMES = ["sent", "Sentence ID", "SentenceID", "sentence_num", "Sentence_No", "sentIdx", "sentence#", "sid", "tweet_id"]


@pytest.mark.parametrize(("name", "separator"), [("own.csv", ","), ("own.tsv", "\t")])
@pytest.mark.parametrize("column", NAMES)
def test_a_column_of_ids_is_known_by_its_name(column: str, name: str, separator: str, tmp_path: Path) -> None:
    rows = [column, "token", "tag"], ["1", "Anna", "B-PER"], ["1", "left", "O"], ["2", "Rain", "O"], ["2", "fell", "O"]
    assert taken(tmp_path, name, "".join(separator.join(row) + "\n" for row in rows))[0] == WANTED


def test_a_first_column_that_numbers_sentences_may_have_any_name(tmp_path: Path) -> None:
    content = "satz\ttoken\ttag\n0\tAnna\tB-PER\n0\tleft\tO\n1\tRain\tO\n1\tfell\tO\n"
    assert taken(tmp_path, "own.tsv", content)[0] == WANTED


@pytest.mark.parametrize("column", ["document_name", "File Name", "source"])
def test_ids_begin_again_in_each_document_whatever_its_column_is_called(column: str, tmp_path: Path) -> None:
    content = f"{column},sent_id,token,tag\na,1,Anna,B-PER\na,1,left,O\nb,1,Rain,O\nb,1,fell,O\n"
    assert taken(tmp_path, "own.csv", content)[0] == WANTED


COUNTED = {
    "a counter alone": "token_id,token,tag\n1,Anna,B-PER\n2,left,O\n1,Rain,O\n2,fell,O\n",
    "a counter from 0": "word_idx,token,tag\n0,Anna,B-PER\n1,left,O\n2,.,O\n0,Rain,O\n1,fell,O\n",
    "a counter that is named id": "id,token,tag\n1,Anna,B-PER\n2,left,O\n1,Rain,O\n2,fell,O\n",
    "the index of tables that were joined": ",token,tag\n0,Anna,B-PER\n1,left,O\n2,.,O\n0,Rain,O\n1,fell,O\n",
    "ids that begin again, and a counter": "sent_id,n,token,tag\n1,1,Anna,B-PER\n1,2,left,O\n1,1,Rain,O\n1,2,fell,O\n",
}


@pytest.mark.parametrize("form", COUNTED)
def test_a_counter_that_begins_again_begins_a_sentence(form: str, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.csv", COUNTED[form])[0].replace(". O ", "") == WANTED
    tabs = taken(tmp_path, "own.tsv", COUNTED[form].replace(",token", ",Token").replace(",", "\t"))
    assert tabs[0].replace(". O ", "") == WANTED


BEHIND = {
    "a counter behind tokens": "Anna\t1\tB-PER\nleft\t2\tO\nRain\t1\tO\nfell\t2\tO\n",
    "a counter behind tags": "Anna\tB-PER\t1\nleft\tO\t2\nRain\tO\t1\nfell\tO\t2\n",
    "a counter behind a token that is a hash": "Anna\t1\tB-PER\n#left\t2\tO\nRain\t1\tO\nfell\t2\tO\n",
    "numbers of sentences behind tags": "Anna\tB-PER\t0\nleft\tO\t0\nRain\tO\t1\nfell\tO\t1\n",
}


@pytest.mark.parametrize("form", BEHIND)
def test_what_tells_sentences_may_stand_behind_the_tokens(form: str, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.tsv", BEHIND[form])[0].replace("#", "") == WANTED
    if "behind tags" in form and "counter" in form:
        assert taken(tmp_path, "own.csv", "token,tag,n\n" + BEHIND[form].replace("\t", ","))[0] == WANTED


@pytest.mark.parametrize("between", ["", "\n"])
def test_names_of_speakers_in_front_need_no_digits(between: str, tmp_path: Path) -> None:
    first = "Tom\tAnna\tB-PER\nTom\tleft\tO\n"
    assert taken(tmp_path, "own.tsv", f"{first}{between}Eva\tRain\tO\nEva\tfell\tO\n")[0] == WANTED


def test_a_last_column_of_numbers_beside_blank_lines_tells_nothing(tmp_path: Path) -> None:
    content = "Anna\tB-PER\t0\nleft\tO\t1\n\nRain\tO\t1\nfell\tO\t2\n"
    assert taken(tmp_path, "own.tsv", content)[0] == WANTED


ONE_ID = "id,token,tag\n0,Anna,B-PER\n0,left,O\n0,.,O\n"


@pytest.mark.parametrize("name", ["own.csv", "own.jsonl"])
def test_one_id_for_rows_with_full_stops_inside_is_refused(name: str, tmp_path: Path) -> None:
    content = ONE_ID + "0,Rain,O\n0,fell,O\n0,.,O\n"
    if name == "own.jsonl":
        rows = [row.split(",") for row in content.splitlines()]
        content = lines(*(dict(zip(rows[0], row, strict=True)) for row in rows[1:]))
    with pytest.raises(InvalidOption, match="all rows have the sentence id '0', and full stops") as error:
        taken(tmp_path, name, content)
    assert "--sentence-end" in error.value.hint
    parted = taken(tmp_path, name, content, sentence_end=".")[0]
    assert parted == "Anna B-PER left O . O / Rain O fell O . O / "
    assert taken(tmp_path, name, content, accept_as_is=True)[0] == parted.replace("/ Rain", "Rain")


@pytest.mark.parametrize("between", ["", "\n", "id,token,tag\n"])
def test_one_id_is_enough_where_something_else_ends_sentences(between: str, tmp_path: Path) -> None:
    more = between + "0,Rain,O\n0,fell,O\n" if between else ""
    wanted = "Anna B-PER left O . O / " + ("Rain O fell O / " if between else "")
    assert taken(tmp_path, "own.csv", ONE_ID + more)[0] == wanted


def test_a_counter_in_json_begins_a_sentence_too(tmp_path: Path) -> None:
    words = [(1, "Anna", "B-PER"), (2, "left", "O"), (1, "Rain", "O"), (2, "fell", "O")]
    content = lines(*({"i": number, "token": word, "tag": tag} for number, word, tag in words))
    assert taken(tmp_path, "own.jsonl", content)[0] == WANTED


def test_ids_of_sentences_and_tokens_in_one_column(tmp_path: Path) -> None:
    content = "1-1\tAnna\tB-PER\n1-2\tleft\tO\n1-3\t.\tO\n2-1\tRain\tO\n3-1\tRain\tO\n3-2\tfell\tO\n"
    assert taken(tmp_path, "own.tsv", content)[0] == "Anna B-PER left O . O / Rain O / Rain O fell O / "


JOINED = {
    "names again": "id,token,tag\n1,Anna,B-PER\n1,left,O\nid,token,tag\n1,Rain,O\n1,fell,O\n",
    "an empty row": "id,token,tag\n1,Anna,B-PER\n1,left,O\n\n1,Rain,O\n1,fell,O\n",
    "ids on first rows": "id,token,tag\n1,Anna,B-PER\n,left,O\n1,Rain,O\n,fell,O\n",
}


@pytest.mark.parametrize("form", JOINED)
def test_one_id_of_two_files_that_were_joined_is_two_sentences(form: str, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.csv", JOINED[form])[0] == WANTED


def test_an_empty_row_behind_each_row_ends_no_sentence(tmp_path: Path) -> None:
    content = "id,token,tag\n\n1,Anna,B-PER\n\n1,left,O\n\n2,Rain,O\n\n2,fell,O\n\n"
    assert taken(tmp_path, "own.csv", content)[0] == WANTED


def test_mixed_rows_of_sentences_are_not_taken_for_a_counter(tmp_path: Path) -> None:
    content = "sentence_id,token,tag\n1,Anna,B-PER\n2,Rain,O\n1,left,O\n2,fell,O\n"
    with pytest.raises(InvalidData, match="sentence '1' goes on here, but other rows stand between"):
        taken(tmp_path, "own.csv", content)


def test_a_feature_behind_the_token_is_no_counter(tmp_path: Path) -> None:
    rows = [
        ("1", "Anna", "0"),
        ("1", "left", "1"),
        ("1", ".", "2"),
        ("2", "Rain", "0"),
        ("2", "fell", "1"),
        ("2", ".", "0"),
    ]
    content = "sent_id,token,depth,tag\n" + "".join(f"{number},{word},{depth},O\n" for number, word, depth in rows)
    assert taken(tmp_path, "own.csv", content)[0] == "Anna O left O . O / Rain O fell O . O / "
