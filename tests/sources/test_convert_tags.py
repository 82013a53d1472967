"""What `download` makes of the tags: spellings and schemes, types renamed and dropped, all of it said and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from own_file import download_own, train_lines, write

from nertool.errors import InvalidData, InvalidOption
from nertool.workspace.stage import Result

IOB2 = "Anna B-PER\nKeller I-PER\nleft O\nearly O\n\nNordbank B-ORG\nin O\nBern B-LOC\nfell O\n\n"
SPELLINGS = {
    "types": IOB2.replace("B-", "").replace("I-", ""),
    "suffix": IOB2.replace("B-PER", "PER-B").replace("I-PER", "PER-I").replace("B-ORG", "ORG-B").replace("B-L", "L-B"),
    "underscore": IOB2.replace("-", "_"),
    "colon": IOB2.replace("-", ":"),
    "o": IOB2.replace(" O", " o"),
    "0": IOB2.replace(" O", " 0"),
    "_": IOB2.replace(" O", " _"),
    "lower": IOB2.replace("B-", "b-").replace("I-", "i-"),
    "iob1": IOB2.replace("B-", "I-"),
    "ioe1": IOB2.replace("B-", "I-"),
    "ioe2": IOB2.replace("B-PER", "X").replace("I-PER", "E-PER").replace("B-", "E-").replace("X", "I-PER"),
    "iobes": IOB2.replace("I-PER", "E-PER").replace("B-ORG", "S-ORG").replace("B-LOC", "S-LOC"),
    "bilou": IOB2.replace("I-PER", "L-PER").replace("B-ORG", "U-ORG").replace("B-LOC", "U-LOC"),
    "bmewo": IOB2.replace("I-PER", "E-PER").replace("B-ORG", "W-ORG").replace("B-LOC", "W-LOC"),
}
SPELLINGS["suffix"] = SPELLINGS["suffix"].replace("L-BOC", "LOC-B")


def run(folder: Path, content: str, **options: Any) -> tuple[str, Result]:
    """What is written of a file, and the result."""
    workspace, result = download_own(write(folder, "own.txt", content), **options)
    return train_lines(workspace), result


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_becomes_iob2(spelling: str, tmp_path: Path) -> None:
    assert run(tmp_path, SPELLINGS[spelling], scheme="iob2")[0] == IOB2


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_kept_keeps_its_bytes(spelling: str, tmp_path: Path) -> None:
    assert run(tmp_path, SPELLINGS[spelling])[0] == SPELLINGS[spelling]


@pytest.mark.parametrize(("wanted", "source"), [(name, name) for name in ("ioe2", "iobes", "bilou", "bmewo", "iob1")])
def test_every_scheme_can_be_had(wanted: str, source: str, tmp_path: Path) -> None:
    assert run(tmp_path, IOB2, scheme=wanted)[0] == SPELLINGS[source]


def test_the_spelling_is_said_with_the_option_that_converts_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, result = run(tmp_path, SPELLINGS["suffix"])
    assert (result.facts["tags"], result.facts["spelling"]) == ("iob2", "PER-B")
    assert any("PER-B" in text and "--scheme" in text for text in caplog.messages)


def test_the_usual_spelling_needs_no_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, result = run(tmp_path, IOB2)
    assert (result.facts["tags"], result.facts["spelling"], caplog.messages) == ("iob2", "B-PER", [])


def test_what_is_doubtful_is_said_and_decided_by_an_option(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, result = run(tmp_path, SPELLINGS["types"])
    assert result.facts["tags"] == "io" and "--tags plain" in caplog.text
    with pytest.raises(InvalidOption, match="no prefixes"):
        run(tmp_path, SPELLINGS["types"], tags="plain", scheme="iob2")
    with pytest.raises(InvalidOption) as refused:
        run(tmp_path, "a NOUN\nb VERB\n", scheme="iob2")
    assert "--tags entities" in refused.value.hint
    assert run(tmp_path, "a NOUN\nb VERB\n", scheme="iob2", tags="entities")[0] == "a B-NOUN\nb B-VERB\n\n"


@pytest.mark.parametrize(
    ("dev", "told"),
    [
        ("a B_PER\nb I_PER\nc O\n", "train as B-PER; dev as B_PER"),
        ("a B-PER\nb I-PER\nc NONE\n", "train as B-PER; dev as B-PER, NONE for O"),
        ("a PER-B\nb PER-I\nc O\n", "train as B-PER; dev as PER-B"),
    ],
)
def test_splits_that_spell_their_tags_otherwise_are_refused(dev: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text(dev)
    for scheme in ("keep", "iob2"):
        with pytest.raises(InvalidData, match=told):
            run(tmp_path, IOB2, scheme=scheme, validation_file=str(tmp_path / "dev.txt"))
    for alike in ("a O\nb O\n", "a B-PER\nb L-PER\nc o\n"):
        (tmp_path / "dev.txt").write_text(alike)
        assert run(tmp_path, IOB2, validation_file=str(tmp_path / "dev.txt"))[0] == IOB2


def test_single_tags_spelled_otherwise_are_converted_with_a_count(tmp_path: Path) -> None:
    content = 2 * IOB2 + "a o\nb b-LOC\nc X\nd 0\n\n"
    written, result = run(tmp_path, content, scheme="iob2")
    assert written == 2 * IOB2 + "a O\nb B-LOC\nc X\nd O\n\n"
    assert result.facts["train"]["changes"]["tags spelled otherwise than most"] == 3
    assert result.facts["train"]["changes"]["tags without a type kept"] == 1
    assert run(tmp_path, content)[0] == content


# -- types -----------------------------------------------------------------------------------------


def as_file(folder: Path, content: str) -> str:
    (folder / "types").write_text(content, encoding="utf-8")
    return str(folder / "types")


@pytest.mark.parametrize(
    "content",
    ["PER PERSON\nORG GROUP\nLOC\n", '{"PER": "PERSON", "ORG": "GROUP", "LOC": ""}', "LOC\tO\n\nORG GROUP\nPER PERSON"],
)
def test_types_are_renamed_and_dropped_with_counts(content: str, tmp_path: Path) -> None:
    written, result = run(tmp_path, IOB2, type_map=as_file(tmp_path, content))
    assert written == IOB2.replace("PER", "PERSON").replace("ORG", "GROUP").replace("B-LOC", "O")
    counts = result.facts["train"]["changes"]
    assert counts["entities of PER renamed PERSON"] == counts["entities of LOC dropped"] == 1


def test_merged_types_keep_their_entities_apart(tmp_path: Path) -> None:
    types = as_file(tmp_path, "ORG PER\n")
    content = "Anna I-PER\nNordbank I-ORG\nfell O\n\nBern I-LOC\n\n"
    assert run(tmp_path, content, type_map=types)[0] == content.replace("I-ORG", "I-PER")  # io cannot part them
    both = run(tmp_path, content + "a I-PER\nb B-PER\n\n" + content, type_map=types)[0]
    assert both.startswith("Anna I-PER\nNordbank B-PER\n")
    suffixes = run(tmp_path, SPELLINGS["suffix"], type_map=types, scheme="iobes")[0]
    assert suffixes.splitlines()[:2] == ["Anna B-PER", "Keller E-PER"] and "Nordbank S-PER" in suffixes


def test_kept_types_are_named_as_they_are_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    types = as_file(tmp_path, "PER PERSON\nDATE TIME")
    written, result = run(tmp_path, IOB2, type_map=types, keep_types="PERSON, LOC,MISC")
    assert written == IOB2.replace("PER", "PERSON").replace("B-ORG", "O")
    assert result.facts["train"]["changes"]["entities of ORG dropped"] == 1
    assert "--type-map: no entity of DATE" in caplog.text and "--keep-types: no entity of MISC" in caplog.text


def test_parts_of_speech_are_renamed_as_well(tmp_path: Path) -> None:
    written, result = run(tmp_path, "a NN\nb NNP\nc VB\n\n", type_map=as_file(tmp_path, "NNP NN"))
    assert written == "a NN\nb NN\nc VB\n\n"
    assert result.facts["train"]["changes"]["tags NNP renamed NN"] == 1


def test_a_workspace_is_made_anew_where_the_map_has_changed(tmp_path: Path) -> None:
    assert not run(tmp_path, IOB2, type_map=as_file(tmp_path, "PER A"))[1].fresh
    assert run(tmp_path, IOB2, type_map=as_file(tmp_path, "PER A"))[1].fresh
    assert run(tmp_path, IOB2, type_map=as_file(tmp_path, "PER B"))[0] == IOB2.replace("PER", "B")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("PER PERSON X\n", "line 1: more than two names"),
        ("PER A\nPER B\n", "line 2: PER stands there twice"),
        ('{"PER": 1}', "no text"),
        ('{"PER": ["A"]}', "no text"),
        ('{"PER": "A B"}', "white space"),
        ('{"PER": ', "--type-map"),
        (json.dumps({"PER": "x" * (1 << 20)}), "characters"),
    ],
)
def test_a_map_that_is_none_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=message):
        run(tmp_path, IOB2, type_map=as_file(tmp_path, content))


def test_a_map_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"--type-map .*nowhere: No such file or directory\n"):
        run(tmp_path, IOB2, type_map=str(tmp_path / "nowhere"))


def test_data_without_an_entity_left_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no entity is left") as refused:
        run(tmp_path, IOB2, keep_types="per")
    assert "LOC, ORG, PER" in refused.value.hint


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en:", "zh-classical:", "de:"])
def test_a_language_in_front_of_every_token_goes(language: str, tmp_path: Path) -> None:
    content = "".join(f"{language}{line}\n" if line else "\n" for line in IOB2.splitlines())
    written, result = run(tmp_path, content)
    assert written == IOB2
    assert result.facts["train"]["changes"][f"tokens rid of {language} in front"] == 8


@pytest.mark.parametrize(
    "content", ["en:Anna B-PER\nleft O\n\n", "en:a O\nde:b O\n\n", "12:30 O\n11:00 O\n\n", "en:a O\n\n"]
)
def test_what_is_no_language_of_every_token_stays(content: str, tmp_path: Path) -> None:
    assert run(tmp_path, content)[0] == content


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        ("O B-PER* I-PER O", "O B-PER O"),
        ("B-PER* I-PER I-PER B-PER", "B-PER I-PER B-PER"),
        ("B-PER I-PER* I-PER O", "B-PER I-PER O"),
        ("B-PER I-PER E-PER* S-LOC", "B-PER E-PER S-LOC"),
        ("B-PER* E-PER S-LOC", "S-PER S-LOC"),
        ("B-PER L-PER* U-LOC* O", "U-PER O"),
        ("B-PER* O", "O"),
        ("NOUN VERB* NOUN", "NOUN NOUN"),
    ],
)
def test_an_entity_that_loses_a_blank_word_is_marked_anew(tags: str, left: str, tmp_path: Path) -> None:
    row = {"tokens": [], "tags": []}
    for tag in tags.split():
        row["tokens"].append("\u00a0" if tag.endswith("*") else "w")
        row["tags"].append(tag.rstrip("*"))
    (tmp_path / "own.jsonl").write_text(json.dumps(row), encoding="utf-8")
    workspace, result = download_own(tmp_path / "own.jsonl")
    facts = result.facts["train"]
    written = (workspace / "train.txt.tmp").read_text(encoding="utf-8").split()
    assert written[1::2] == left.split()
    changed = "entities whose rest begins or ends with another tag"
    kept = [tag for tag in tags.split() if not tag.endswith("*")]
    assert (changed in facts.get("changes", {})) == (kept != left.split())
