"""CoNLL-2012: names in brackets over several lines, parts of speech, and brackets that do not match."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from own_file import taken

from nertool.errors import InvalidData, InvalidOption

BEGIN, END = "#begin document (nw/made/up_0001); part 000\n", "#end document\n"


def row(number: int, word: str, names: str, pos: str = "NN", predicates: Sequence[str] = ()) -> str:
    """A line of a file; how many columns of predicates there are differs between sentences."""
    parse = "(TOP(S(NP*" if number == 0 else "*"
    columns = ["nw/made/up_0001", "0", str(number), word, pos, parse, "-", "-", "-", "-", names, *predicates, "-"]
    return "   ".join(columns) + "\n"


def sentence(*words: tuple[str, str], predicates: Sequence[str] = ()) -> str:
    return "".join(row(number, word, names, predicates=predicates) for number, (word, names) in enumerate(words))


ANNA = sentence(("Anna", "(PERSON*"), ("Keller", "*)"), ("left", "*"), ("Bern", "(GPE)"), predicates=["(ARG0*)", "*"])
RAIN = sentence(("Rain", "*"), ("on", "*"), ("Monday", "(DATE)"))
TAGGED = "Anna B-PERSON Keller I-PERSON left O Bern B-GPE / "


@pytest.mark.parametrize(
    "content",
    [
        BEGIN + ANNA + "\n" + RAIN + "\n" + END,
        BEGIN + ANNA + "\n" + END + BEGIN + RAIN + END,
        ANNA + "\n" + RAIN,
        "\n" + BEGIN + ANNA + RAIN + END,  # a word 0 begins a sentence
    ],
)
@pytest.mark.parametrize("name", ["up.v4_gold_conll", "up_gold_conll", "up.txt", "up.conll"])
def test_names_are_read_as_iob2_whatever_the_name_of_the_file(content: str, name: str, tmp_path: Path) -> None:
    assert taken(tmp_path, name, content) == (TAGGED + "Rain O on O Monday B-DATE / ", {})


@pytest.mark.parametrize(
    "cells",
    [
        ("(PERSON", "PERSON)", "-", "(GPE)"),
        ("(PERSON", ")", "*", "(GPE)"),
        ("(PERSON", "*PERSON)", "_", "(GPE*)"),
        ("(PERSON*", "-)", "-", "(GPE)"),
    ],
)
def test_brackets_without_stars_are_read_alike(cells: Sequence[str], tmp_path: Path) -> None:
    words = zip(("Anna", "Keller", "left", "Bern"), cells, strict=True)
    assert taken(tmp_path, "x_gold_conll", BEGIN + sentence(*words)) == (TAGGED, {})


@pytest.mark.parametrize(
    ("cells", "tags", "left_out"),
    [
        (("(ORG(GPE)", "*)"), "B-ORG I-ORG", 1),
        (("(ORG*", "(GPE))"), "B-ORG I-ORG", 1),
        (("(ORG(GPE*", "*))"), "B-ORG I-ORG", 1),
        (("(ORG(GPE(PERSON)))", "*"), "B-ORG O", 2),
        (("(ORG)", "(GPE)"), "B-ORG B-GPE", 0),
    ],
)
def test_the_outer_one_of_nested_names_is_taken_and_the_others_are_counted(
    cells: tuple[str, str], tags: str, left_out: int, tmp_path: Path
) -> None:
    content = BEGIN + sentence(("Bank", cells[0]), ("Bern", cells[1]))
    first, second = tags.split()
    counts = {"overlapping spans left out": left_out} if left_out else {}
    assert taken(tmp_path, "x_gold_conll", content) == (f"Bank {first} Bern {second} / ", counts)


WRONG = {  # cells of names of the second sentence, and the line and message
    "never closed": (("(PERSON*", "*", "*"), r":7: '\(PERSON\*' opens a name that no word of the sentence closes"),
    "never opened": (("*", "*)", "*"), r":8: '\*\)' closes a name that no word before it opens"),
    "closed twice": (("(GPE)", "*", "*)"), r":9: '\*\)' closes"),
    "closed as another": (("(PERSON", "GPE)", "*"), r":8: 'GPE\)' closes"),
    "no brackets": (("*", "B-PER", "*"), r":8: no brackets of names: 'B-PER'"),
}


@pytest.mark.parametrize(("cells", "message"), WRONG.values(), ids=WRONG)
def test_brackets_that_do_not_match_are_an_error_or_cost_their_sentence(
    cells: Sequence[str], message: str, tmp_path: Path
) -> None:
    wrong = sentence(*zip(("Rain", "in", "Bern"), cells, strict=True))
    content = BEGIN + ANNA + "\n" + wrong + "\n" + RAIN + END
    with pytest.raises(InvalidData, match=message) as error:
        taken(tmp_path, "x_gold_conll", content)
    assert "--on-error skip" in error.value.hint
    found, counts = taken(tmp_path, "x_gold_conll", content, line_errors="skip")
    assert found == TAGGED + "Rain O on O Monday B-DATE / "
    assert counts == {
        "lines that cannot be read, left out": 1,
        "sentences left out, as their names cannot be read": 1,
    }


def test_parts_of_speech_are_read_whatever_the_names_are(tmp_path: Path) -> None:
    content = BEGIN + row(0, "Anna", "*)", "NNP") + row(1, "left", "*", "VBD")
    assert taken(tmp_path, "x.v4_auto_conll", content, task="pos") == ("Anna NNP left VBD / ", {})


def test_a_line_with_too_few_columns_is_named(tmp_path: Path) -> None:
    content = BEGIN + RAIN + "nw/made/up_0001 0 3 again\n" + END
    with pytest.raises(InvalidData, match=r":5: 4 columns, CoNLL-2012 has 11 or more: 'nw/made"):
        taken(tmp_path, "x_gold_conll", content)
    found = taken(tmp_path, "x_gold_conll", content, line_errors="skip")
    assert found == ("Rain O on O Monday B-DATE / ", {"lines that cannot be read, left out": 1})


def test_a_file_without_words_and_a_task_without_tags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r":2: \[WORD\] in place of words"):
        taken(tmp_path, "x_gold_skel", BEGIN + sentence(("[WORD]", "*")))
    with pytest.raises(InvalidOption, match="no tags for chunk"):
        taken(tmp_path, "x_gold_conll", BEGIN + RAIN, task="chunk")


def test_named_columns_make_it_column_text(tmp_path: Path) -> None:
    found, _ = taken(tmp_path, "x.conll", RAIN, token_column="4", tag_column="5")
    assert found == "Rain NN on NN Monday NN / "


@pytest.mark.parametrize("begin", [BEGIN, ""])
def test_tags_in_place_of_brackets_are_taken(begin: str, tmp_path: Path) -> None:
    words = sentence(("Anna", "B-PERSON"), ("Keller", "I-PERSON"), ("left", "O"), ("Bern", "B-GPE"))
    plain = sentence(("Rain", "O"), ("fell", "O"))
    assert taken(tmp_path, "own.conll", begin + words + "\n" + plain)[0] == TAGGED + "Rain O fell O / "
