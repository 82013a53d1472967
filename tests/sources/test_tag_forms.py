"""Tags with more than a prefix and a type, in columns of their own, or as numbers; tokens with a language in front."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nertool.errors import InvalidData
from tests.own_file import taken

WANTED = "Anna B-PER Keller I-PER left O / "
ATTRIBUTES = ["|nom=yes", "|nom=yes|sure=no", ";id=3, kind=x", "{nom=yes}", "[nom=yes]", "(nom=yes)"]
SCORES = [":0.98", "/0.98", "|.9", "(0.98)", "|_"]


@pytest.mark.parametrize("behind", ATTRIBUTES + SCORES)
def test_attributes_and_scores_behind_tags_are_taken_off_and_counted(behind: str, tmp_path: Path) -> None:
    content = f"Anna\tB-PER{behind}\nKeller\tI-PER{behind}\nleft\tO{behind}\n"
    assert taken(tmp_path, "own.tsv", content) == (WANTED, {"tags rid of attributes or a score behind them": 3})
    kept, _ = taken(tmp_path, "kept.tsv", content, accept_as_is=True)
    assert f"B-PER{behind}".replace(" ", "_") in kept


@pytest.mark.parametrize("behind", ["#12", "@Q42", "[nom]", "(1)", "|", ",", "{x}"])
def test_other_signs_behind_tags_are_refused(behind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="hold more than a prefix and a type|are WebAnno's"):
        taken(tmp_path, "own.tsv", f"Anna\tB-PER{behind}\nKeller\tI-PER{behind}\nleft\tO\n")


@pytest.mark.parametrize(
    "kind", ["PER.NOM", "GPE:LOC", "ORG/GPE", "LOC@", "Version_1.5", "A|B", "Drug(s)", "C#", "x=1"]
)
def test_types_with_signs_in_them_are_types(kind: str, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.tsv", f"Anna\tB-{kind}\nleft\tO\n") == (f"Anna B-{kind} left O / ", {})


@pytest.mark.parametrize("between", [", ", " , ", " ", "; ", " | "])
def test_several_tags_with_blanks_between_are_refused(between: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="hold several"):
        taken(tmp_path, "own.tsv", f"Anna\tB-PER\nBern\tB-ORG{between}B-LOC\nleft\tO\n")


@pytest.mark.parametrize(("prefix", "kind"), [("iob", "type"), ("tag", "entity"), ("ent_iob_", "ent_type_")])
@pytest.mark.parametrize(("name", "separator"), [("own.csv", ","), ("own.tsv", "\t")])
def test_prefixes_and_types_in_two_columns_are_joined(
    prefix: str, kind: str, name: str, separator: str, tmp_path: Path
) -> None:
    rows = [
        ("id", "token", prefix, kind),
        ("1", "Anna", "B", "PER"),
        ("1", "Keller", "I", "PER"),
        ("1", "left", "O", ""),
    ]
    found, counts = taken(tmp_path, name, "".join(separator.join(row) + "\n" for row in rows))
    assert found == WANTED and any("are joined" in note for note in counts["notes"])  # type: ignore[attr-defined]


def test_a_column_of_prefixes_that_is_named_stays_alone(tmp_path: Path) -> None:
    content = "id,token,iob,type\n1,Anna,B,PER\n1,left,O,\n"
    assert taken(tmp_path, "own.csv", content, tag_column="iob")[0] == "Anna B left O / "


@pytest.mark.parametrize("names", ["word\tkind", "Token\tEntity_kind", "words\tart"])
def test_names_of_columns_that_are_not_known_are_no_token(names: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="as if it were a column's name"):
        taken(tmp_path, "own.tsv", f"{names}\nAnna\tPER\nleft\tO\n")


def test_tags_that_are_numbers_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        taken(tmp_path, "own.tsv", "Anna\t1\nleft\t0\n")
    assert "all tags are numbers" in caplog.text and "--tag-names" in caplog.text


def test_each_sentence_has_a_language_of_its_own(tmp_path: Path) -> None:
    german = "de:Anna\tB-PER\nde:geht\tO\n"
    found, counts = taken(tmp_path, "own.tsv", "en:Anna\tB-PER\nen:left\tO\n\n" * 120 + german)
    assert found.endswith("left O / Anna B-PER geht O / ")
    assert counts == {"tokens rid of en: in front": 240, "tokens rid of de: in front": 2}


def test_a_time_in_one_sentence_is_no_language(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.tsv", "am:pm\tO\n\nAnna\tB-PER\nleft\tO\n")[0].startswith("am:pm O")


def test_a_type_in_two_unicode_forms_is_one_type(tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.tsv", "Anna\tB-Caf\u00e9\nKeller\tI-Cafe\u0301\nleft\tO\n")
    assert found == "Anna B-Caf\u00e9 Keller I-Caf\u00e9 left O / "
    assert counts == {"tags brought into Unicode's form NFC": 1}


def test_lemmas_behind_tags_of_which_all_are_o_are_no_tags(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.tsv", "Rain\tO\train\nfell\tO\tfall\n")[0] == "Rain O fell O / "
