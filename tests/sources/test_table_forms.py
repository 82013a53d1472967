"""Tables of tokens as other programs write them: which column is what, where sentences end, what is no table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from own_file import lines, taken

from nertool.errors import InvalidData, InvalidOption
from nertool.stages import download
from nertool.workspace.workspace import Workspace

HIPE = "TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tNEL-LIT\tMISC\n# language = de\n# date = 1790\n"
PLUS = "# newdoc\n# global.columns = ID FORM UPOS X:NE\n1\tAnna\tPROPN\tB-PER\n2\tleft\tVERB\tO\n"
READ: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "files that were joined, each with names": (
        "own.tsv",
        "word\ttag\nAnna\tB-PER\nword\ttag\nRain\tO\n\nword\ttag\nBern\tB-LOC\n",
        "Anna B-PER / Rain O / Bern B-LOC / ",
        {},
    ),
    "CSV that was joined": (
        "own.csv",
        "word,tag\nAnna,B-PER\nleft,O\n,\nword,tag\nRain,O\n",
        "Anna B-PER left O / Rain O / ",
        {},
    ),
    "ids that pandas lacks": (
        "own.csv",
        "Sentence #,Word,Tag\nSentence: 1,Anna,B-PER\nNaN,left,O\nSentence: 2,Rain,O\nNaN,fell,O\n",
        "Anna B-PER left O / Rain O fell O / ",
        {},
    ),
    "documents in CSV": ("own.csv", "word,tag\n-DOCSTART-,O\nAnna,B-PER\n,\n", "Anna B-PER / ", {}),
    "documents with numbers and ends": (
        "own.txt",
        "-DOCSTART-1 O\n\nAnna B-PER\n-DOCEND- O\n-docstart- O\n\nRain O\n",
        "Anna B-PER / Rain O / ",
        {},
    ),
    "CoNLL-U Plus by its second line, under any name": ("own.txt", PLUS, "Anna B-PER left O / ", {}),
    "parts of speech of CoNLL-U Plus": ("own.conllup", PLUS, "Anna PROPN left VERB / ", {"task": "pos"}),
    "HIPE": (
        "own.tsv",
        HIPE + "Anna\tB-pers\tO\t_\t_\nleft\tO\tO\t_\tEndOfLine\n\n# document_id = 2\nRain\tO\tO\t_\t_\n",
        "Anna B-pers left O / Rain O / ",
        {},
    ),
    "HIPE with marks of sentences": (
        "own.tsv",
        HIPE
        + "Anna\tB-pers\tO\t_\t_\nleft\tO\tO\t_\tNoSpaceAfter|EndOfSentence\n"
        + "#\tO\tO\t_\t_\n.\tO\tO\t_\tEndOfSentence\n\n",
        "Anna B-pers left O / # O . O / ",
        {},
    ),
    "entities in front of clauses, as in LST20": (
        "own.txt",
        "Anna\tNN\tB_PER\tB_CLS\nKeller\tNN\tE_PER\tI_CLS\nleft\tVV\tO\tE_CLS\n\nRain\tNN\tO\tB_CLS\n",
        "Anna B_PER Keller E_PER left O / Rain O / ",
        {},
    ),
    "clauses by an option": (
        "own.txt",
        "Anna\tNN\tB_PER\tB_CLS\nleft\tVV\tO\tE_CLS\n",
        "Anna B_CLS left E_CLS / ",
        {"tag_column": "4"},
    ),
    "scores behind the tags": ("own.txt", "Anna B-PER 0.98\nleft O 1\n", "Anna B-PER left O / ", {}),
    "offsets behind the tags": ("own.tsv", "Anna\tB-PER\t0\t4\nleft\tO\t5\t9\n", "Anna B-PER left O / ", {}),
    "chunks and no entity": ("own.txt", "Rain NN B-NP O\nfell VBD B-VP O\n", "Rain O fell O / ", {}),
    "brackets behind the tags": (
        "own.txt",
        "Anna NNP B-NP B-PER - (A0*)\nleft VBD B-VP O leave (V*V)\nBern NNP B-NP B-LOC - (A1*\n",
        "Anna B-PER left O Bern B-LOC / ",
        {},
    ),
    "sentence ids between tabs": (
        "own.tsv",
        "sentence_id\tword\ttag\n1\tAnna\tB-PER\n1\tleft\tO\n2\tRain\tO\n",
        "Anna B-PER left O / Rain O / ",
        {},
    ),
    "sentence ids on first rows": (
        "own.tsv",
        "Sentence #\tWord\tPOS\tTag\nSentence: 1\tAnna\tNNP\tB-PER\n\tleft\tVBD\tO\nSentence: 2\tRain\tNN\tO\n",
        "Anna B-PER left O / Rain O / ",
        {},
    ),
    "sentence numbers without names": (
        "own.txt",
        "0 Anna B-PER\n0 left O\n1 Rain O\n1 fell O\n",
        "Anna B-PER left O / Rain O fell O / ",
        {},
    ),
    "numbers of sentences and of tokens": (
        "own.txt",
        "0 0 Anna B-PER\n0 1 left O\n1 0 Rain O\n1 1 fell O\n",
        "Anna B-PER left O / Rain O fell O / ",
        {},
    ),
    "a column that numbers sentences by an option": (
        "own.txt",
        "a Anna B-PER\na left O\nb Rain O\n",
        "Anna B-PER left O / Rain O / ",
        {"sentence_column": "1", "token_column": "2"},
    ),
    "the part of speech behind a token that is named": (
        "own.txt",
        "x Anna NNP B-PER\nx left VBD O\n",
        "Anna NNP left VBD / ",
        {"token_column": "2", "task": "pos"},
    ),
    "a name of the sentence in each row": (
        "own.txt",
        "s1 Anna B-PER\ns1 left O\ns2 Rain O\ns2 fell O\n",
        "Anna B-PER left O / Rain O fell O / ",
        {},
    ),
    "a name of the document in each row": (
        "own.txt",
        "d1\tAnna\tB-PER\nd1\tleft\tO\n\nd1\tRain\tO\nd1\tfell\tO\n\nd2\tBern\tB-LOC\n",
        "Anna B-PER left O / Rain O fell O / Bern B-LOC / ",
        {},
    ),
    "words that are said twice": (
        "own.txt",
        "very RB O\nvery RB O\nvery RB O\ngood JJ O\n",
        "very O very O very O good O / ",
        {},
    ),
    "an empty column in front": ("own.txt", "\tAnna\tB-PER\n\tleft\tO\n", "Anna B-PER left O / ", {}),
    "parts of speech behind the tags": (
        "own.txt",
        "Anna B-PER NNP\nleft O VBD\n",
        "Anna B-PER left O / ",
        {},
    ),
    "annotators behind the tags": (
        "own.iob2",
        "1\tAnna\tB-PER\t-\tpeter\n2\tleft\tO\t-\tpeter\n3\thome\tO\t-\tpeter\n",
        "Anna B-PER left O home O / ",
        {},
    ),
    "links behind the tags": (
        "own.tsv",
        "Anna\tNNP\tB-NP\tB-PER\tQ1\nleft\tVBD\tO\tO\t_\n",
        "Anna B-PER left O / ",
        {},
    ),
    "parts of speech behind entities": (
        "own.txt",
        "Anna B-PER NNP\nleft O VBD\n",
        "Anna NNP left VBD / ",
        {"task": "pos"},
    ),
    "parts of speech behind lemmas": (
        "own.txt",
        "Anna Anna PROPN\nleft leave VERB\n",
        "Anna PROPN left VERB / ",
        {"task": "pos"},
    ),
    "the prefix of a tag behind its type": (
        "own.tsv",
        "Anna\tPER\tB\nKeller\tPER\tI\nleft\tO\tO\n",
        "Anna B-PER Keller I-PER left O / ",
        {},
    ),
    "all fields in quotes": (
        "own.txt",
        '"Anna" "B-PER"\n"left" "O"\n\n"Rain" "O"\n',
        "Anna B-PER left O / Rain O / ",
        {},
    ),
    "all fields in quotes, with commas": (
        "own.txt",
        '"Anna","B-PER"\n"1,000","O"\n',
        "Anna B-PER 1,000 O / ",
        {"delimiter": ","},
    ),
    "number signs that are tokens": (
        "own.txt",
        "Rain NN\n\n# #\n1 CD\n",
        "Rain NN / # # 1 CD / ",
        {"task": "pos"},
    ),
    "CoNLL-U with tags alone in MISC": (
        "own.conllu",
        "1\tAnna\t_\tPROPN\t_\t_\t0\troot\t_\tB-PER\n2\tleft\t_\tVERB\t_\t_\t1\tx\t_\tO\n",
        "Anna B-PER left O / ",
        {},
    ),
    "spans in a text with tokens": (
        "own.jsonl",
        '{"text": "Anna left Bern.", "tokens": ["Anna", "left", "Bern."], "entities": [[0, 4, "PER"]]}',
        "Anna B-PER left O Bern. O / ",
        {},
    ),
    "spans in a text with tokens that it does not have": (
        "own.jsonl",
        '{"text": "Anna left.", "tokens": ["anna", "left."], "entities": [[0, 4, "PER"]]}',
        "Anna B-PER left O . O / ",
        {},
    ),
    "fields in quotes": ("own.tsv", 'Anna\tB-PER\n""""\tO\n"a,b"\tO\n', 'Anna B-PER " O a,b O / ', {}),
    "empty tags in place of O": (
        "own.tsv",
        "left\t\nAnna\tB-PER\nKeller\tI-PER\n",
        "left O Anna B-PER Keller I-PER / ",
        {},
    ),
    "empty tags of CSV": (
        "own.csv",
        "id,word,tag\n1,Anna,B-PER\n1,left,\n2,Rain,\n",
        "Anna B-PER left O / Rain O / ",
        {},
    ),
    "blanks in place of a tab": (
        "own.tsv",
        "Anna\tB-PER\nleft O\nNew York\tB-LOC\n",
        "Anna B-PER left O New_York B-LOC / ",
        {},
    ),
    "a line that ends a sentence": (
        "own.txt",
        "EOS\nAnna B-PER\nleft O\nEOS\nRain O\nEOS\n",
        "Anna B-PER left O / Rain O / ",
        {"sentence_end": "EOS"},
    ),
    "CSV, ids that begin again in each document": (
        "own.csv",
        "doc_id,sent_id,word,tag\na,1,Anna,B-PER\nb,1,Rain,O\nb,2,Bern,B-LOC\n",
        "Anna B-PER / Rain O / Bern B-LOC / ",
        {},
    ),
    "CSV, sentences with blanks": (
        "own.csv",
        "text,labels\nAnna Keller left,B-PER I-PER O\nRain,O\n",
        "Anna B-PER Keller I-PER left O / Rain O / ",
        {},
    ),
    "CSV, sentences with blanks and lists of tags": (
        "own.csv",
        "Sentence #,Sentence,Tag\n1,Anna left,\"['B-PER', 'O']\"\n",
        "Anna B-PER left O / ",
        {"token_column": "Sentence"},
    ),
    "CSV, two columns of one name": (
        "own.csv",
        "id,word,tag,tag\n1,Anna,NNP,B-PER\n1,left,VBD,O\n2,Rain,NN,O\n",
        "Anna B-PER left O / Rain O / ",
        {"tag_column": "4"},
    ),
}


@pytest.mark.parametrize(("name", "content", "wanted", "options"), READ.values(), ids=READ)
def test_tables_of_other_programs_are_read(
    name: str, content: str, wanted: str, options: dict[str, Any], tmp_path: Path
) -> None:
    assert taken(tmp_path, name, content, **options)[0] == wanted


def test_what_was_found_out_is_noted_and_what_was_changed_is_counted(tmp_path: Path) -> None:
    _, facts = taken(tmp_path, "own.tsv", 'Anna\tB-PER\t0.9\n""""\tO\t1\nleft O 1\n')
    assert facts["notes"] == [
        "own.tsv: fields stand in quotes as in CSV: they are taken off",
        "own.tsv:1: column 2 holds the tags, and what stands behind it is left out (--tag-column)",
    ]
    assert facts["lines cut at blanks in place of tabs"] == 1
    assert taken(tmp_path, "empty.tsv", "Anna\tB-PER\nleft\t\n")[1] == {"tokens with an empty tag, so O": 1}


REFUSED: dict[str, tuple[str, str, str, str]] = {
    "gold and predicted tags": (
        "own.txt",
        "Anna B-PER B-PER\nleft O O\n",
        "2 and 3 may both hold",
        "--tag-column 2 ",
    ),
    "outer and inner tags": (
        "own.tsv",
        "Anna\tB-PER\tO\t\nleft\tO\tO\n",
        "2 and 3 may both hold",
        "--tag-column 2 ",
    ),
    "a line of dashes": ("own.txt", "Anna B-PER\n-----\n", "no tag behind the token", "--sentence-end='-----'"),
    "CSV without names": (
        "own.csv",
        "1,Anna,B-PER\n1,left,O\n",
        "holds the tag B-PER, and names no",
        "sentence_id,token,tag",
    ),
    "CSV, an id that counts the rows": (
        "own.csv",
        "id,word,tag\n1,Anna,B-PER\n2,left,O\n3,Rain,O\n",
        "no column of sentence ids",
        "--sentence-end",
    ),
    "CSV, two columns of one name": (
        "own.csv",
        "id,word,tag,tag\n1,Anna,NNP,B-PER\n",
        "several columns are named tag",
        "--tag-column 3 or 4",
    ),
    "CSV, a quote that is not closed": (
        "own.csv",
        'id,word,tag\n1,",O\n1,Anna,B-PER\n1,",O\n2,Rain,O\n',
        "a token over several lines",
        "double a quote",
    ),
    "CSV, a span a row": ("own.csv", "File,Line,Begin Offset,End Offset,Type\na,0,0,4,PER\n", "one span", '"spans": '),
    "CSV, a text a row": (
        "own.csv",
        "id,text,label\n1,I like it,good\n2,I hate it,bad\n",
        "several words",
        "JSON Lines",
    ),
    "a text a line": ("own.tsv", "Anna Keller left\tB-PER I-PER O\nRain fell\tO O\n", "several words", "JSON Lines"),
    "several tags": ("own.txt", "Anna B-PER|B-LOC\nKeller I-PER|O\nleft O|O\n", "hold several", "outer"),
    "brackets": ("own.txt", "Anna NNP (PER*\nKeller NNP *)\nleft VBD *\nBern NNP (LOC*)\n", "brackets", "--tag-column"),
    "parts of words": ("own.txt", "Ann B-PER\n##a X\nleft O\n", "parts of words", "Join them"),
    "a line that ends a sentence": (
        "own.txt",
        "Anna B-PER\nEOS\n",
        "no tag behind the token: 'EOS'",
        "--sentence-end='EOS'",
    ),
    "comments of another kind": ("own.txt", "###DOC:1\n\nAnna B-PER\n", "no tag", "--comment '##'"),
    "comments with as many fields as tokens": (
        "own.txt",
        "#id 0001\nAnna B-PER\n",
        "no tag",
        "--comment '#'",
    ),
    "comments behind a percent sign": ("own.txt", "Anna B-PER\n\n% comment\nRain O\n", "no tag", "--comment '%'"),
    "two layers of entities": (
        "own.txt",
        "Anna B-PER B-artist\nleft O O\n",
        "2 and 3 may both hold",
        "--tag-column 2 or --tag-column 3",
    ),
    "entities with and without prefixes": (
        "own.txt",
        "Anna B-PER PER\nleft O O\n",
        "2 and 3 may both hold",
        "--tag-column 2 or --tag-column 3",
    ),
    "semicolons between columns": ("own.txt", "Anna;NNP;B-PER\nleft;VBD;O\n", "one column", "--delimiter ';'"),
    "bars, behind a header": ("own.txt", "word|tag\nAnna|B-PER\nleft|O\n", "one column", "--delimiter '|'"),
    "lines between documents": ("own.txt", "=====\nAnna B-PER\n", "one column", "--comment"),
}


@pytest.mark.parametrize(("name", "content", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_such_table_is_refused_with_the_way_out(
    name: str, content: str, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises((InvalidData, InvalidOption), match=message) as error:
        taken(tmp_path, name, content)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("content", "options", "wanted"),
    [
        ("###DOC:1\n\nAnna B-PER\n", {"comment": "##"}, "Anna B-PER / "),
        ("=====\nAnna B-PER\n", {"comment": "=="}, "Anna B-PER / "),
        ("Anna;NNP;B-PER\nleft;VBD;O\n", {"delimiter": ";"}, "Anna B-PER left O / "),
        ("Anna B-PER B-LOC\nleft O O\nAnn B-LOC B-PER\n", {"tag_column": "2"}, "Anna B-PER left O Ann B-LOC / "),
    ],
)
def test_the_option_of_the_hint_leads_out(content: str, options: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.txt", content, **options)[0] == wanted


@pytest.mark.parametrize(
    ("entities", "wanted"),
    [
        ([{"start": 0, "end": 4, "type": "PER", "entity": "Anna"}], "Anna B-PER left O / "),
        ([{"start": 0, "end": 4, "entity": "PER", "value": "Anna"}], "Anna B-PER left O / "),
        ([{"start": 0, "end": 4, "entity": "PER", "type": "name"}], "Anna B-PER left O / "),
        ([[0, 4, "PER"], [5, 9, "O"]], "Anna B-PER left O / "),
    ],
)
def test_what_stands_as_entity_is_the_type_unless_the_text_has_it(entities: Any, wanted: str, tmp_path: Path) -> None:
    assert taken(tmp_path, "own.jsonl", lines({"text": "Anna left", "entities": entities}))[0] == wanted


@pytest.mark.parametrize("kind", ["B-cell", "E-MAIL", "I-95"])
def test_a_type_that_looks_like_a_prefix_and_a_type_is_a_type(kind: str, tmp_path: Path) -> None:
    record = {"text": "Anna left", "entities": [[0, 4, kind]]}
    assert taken(tmp_path, "own.jsonl", lines(record))[0] == f"Anna B-{kind} left O / "


def test_a_joiner_that_a_script_needs_stays_in_a_tag(tmp_path: Path) -> None:
    tag = "B-\u0645\u06cc\u200c\u0634"
    assert taken(tmp_path, "own.txt", f"Anna {tag}\nleft O\n") == (f"Anna {tag} left O / ", {})


def test_labels_of_spans_with_prefixes_are_refused(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 4, "entity": "B-PER", "word": "Anna"}]
    with pytest.raises(InvalidData, match="B-B-PER") as error:
        taken(tmp_path, "own.jsonl", lines({"text": "Anna left", "entities": spans}))
    assert "the type alone" in error.value.hint


# -- CoNLL-U ---------------------------------------------------------------------------------------


def conllu(*words: tuple[str, str]) -> str:
    """Words, each with its MISC."""
    rows = [f"{n}\t{word}\t_\tX\t_\t_\t0\troot\t_\t{misc}\n" for n, (word, misc) in enumerate(words, start=1)]
    return "# text = x\n" + "".join(rows) + "\n"


@pytest.mark.parametrize("name", ["own.conllu", "own.conll", "own.txt"])
@pytest.mark.parametrize(
    ("misc", "options", "wanted"),
    [
        (("NER=B-PER", "SpaceAfter=No"), {}, "Anna B-PER left O / "),
        (("SpaceAfter=No|Entity=B-PER", "Entity=O"), {}, "Anna B-PER left O / "),
        (("_", "SpaceAfter=No"), {}, "Anna X left X / "),
        (("NER=B-PER", "_"), {"task": "pos"}, "Anna X left X / "),
        (("Typo=Yes|NER=B-PER", "_"), {"tag_column": "misc:Typo"}, "Anna Yes left O / "),
    ],
)
def test_the_entities_of_conllu_are_a_value_in_misc(
    name: str, misc: tuple[str, str], options: dict[str, Any], wanted: str, tmp_path: Path
) -> None:
    content = conllu(("Anna", misc[0]), ("left", misc[1]))
    assert taken(tmp_path, name, content, **options)[0] == wanted


@pytest.mark.parametrize("misc", ["NE=PER_1", "Entity=(1-person)", "NamedEntity=Person"])
def test_entities_in_misc_that_are_no_tags_are_not_passed_over_for_parts_of_speech(misc: str, tmp_path: Path) -> None:
    content = conllu(("Anna", misc), ("left", "_"))
    with pytest.raises(InvalidOption, match="in MISC holds") as error:
        taken(tmp_path, "own.conllu", content)
    assert f"--tag-column misc:{misc.partition('=')[0]}" in error.value.hint
    assert taken(tmp_path, "pos.conllu", content, task="pos")[0] == "Anna X left X / "


def test_a_word_of_misc_that_is_no_type_leaves_parts_of_speech(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.conllu", conllu(("Anna", "NamedEntity=Yes"), ("left", "_")))[0] == "Anna X left X / "


def test_a_value_of_misc_that_is_named_so_may_be_outside_throughout(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.conllu", conllu(("Rain", "NER=O"), ("fell", "NER=O")))[0] == "Rain O fell O / "


def test_tags_as_the_last_of_ten_columns_are_column_text(tmp_path: Path) -> None:
    content = conllu(("Anna", "B-PER"), ("left", "O"), (".", "O"))
    assert taken(tmp_path, "own.txt", content)[0] == "Anna B-PER left O . O / "


def test_a_value_that_no_word_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    content = conllu(("Anna", "Entity=B-PER|SpaceAfter=No"), ("left", "_"))
    with pytest.raises(InvalidOption, match="no word has NER in misc") as error:
        taken(tmp_path, "own.conllu", content, tag_column="misc:NER")
    assert "Entity, SpaceAfter" in error.value.hint
    assert taken(tmp_path, "all.conllu", content, tag_column="misc:NER", accept_as_is=True)[0] == "Anna O left O / "


def test_several_values_of_misc_with_entities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="misc:A, misc:B") as error:
        taken(tmp_path, "own.conllu", conllu(("Anna", "A=B-PER|B=B-LOC"), ("left", "_")))
    assert "--tag-column" in error.value.hint


# -- JSON ------------------------------------------------------------------------------------------

RECORD = {"text": "Anna left", "entities": [{"start": 0, "end": 4, "value": "Anna", "entity": "PER"}]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.jsonl", [RECORD]),
        ("own.ndjson", json.dumps([RECORD], indent=1)),
        ("own.json", {"rasa_nlu_data": {"common_examples": [RECORD], "regex_features": []}}),
        ("own.json", {"annotations_and_examples": [RECORD], "relations": [], "schema": {}}),
    ],
)
def test_lists_of_records_are_found(name: str, content: Any, tmp_path: Path) -> None:
    assert taken(tmp_path, name, content)[0] == "Anna B-PER left O / "


@pytest.mark.parametrize(
    ("record", "message", "hint"),
    [
        (
            {"tokens": ["a"], "spans": [{"start": 0, "end": 1, "label": "X"}]},
            "tokens with spans as spans",
            "1 is behind",
        ),
        ({"tokens": ["a"], "entities": [[0, 1, "X"]]}, "tokens with spans as entities", "1 is behind"),
        ({"tokens": [["a"], ["b"]], "ner_tags": [["O"], ["O"]]}, "a list of lists in tokens", "records"),
        ({"token": "a", "label": "O"}, "no column of sentence ids", "--sentence-column"),
        ({"text": "Anna left", "tags": "B-PER"}, "no record has a list of spans", '"spans": '),
    ],
)
def test_other_records_are_refused_with_what_to_write(record: Any, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidData, InvalidOption), match=message) as error:
        taken(tmp_path, "own.jsonl", lines(record))
    assert hint in error.value.hint


def test_other_lists_beside_tokens_and_tags_do_no_harm(tmp_path: Path) -> None:
    record = {"relations": [{"head": 0}], "tokens": ["Anna"], "ner_tags": ["B-PER"]}
    assert taken(tmp_path, "own.jsonl", lines(record))[0] == "Anna B-PER / "


# -- characters and numbers ------------------------------------------------------------------------


def test_byte_order_marks_of_files_that_were_joined_are_taken_off(tmp_path: Path) -> None:
    found, facts = taken(tmp_path, "own.txt", "\ufeffAnna B-PER\n\n\ufeffRain O\n")
    assert (found, facts) == ("Anna B-PER / Rain O / ", {"byte order marks taken off": 2})


def test_characters_that_nobody_sees_are_no_part_of_a_tag(tmp_path: Path) -> None:
    found, facts = taken(tmp_path, "own.txt", "\u200bAnna B-PER\u200b\nleft O\n")
    assert (found, facts) == ("\u200bAnna B-PER left O / ", {"tags rid of invisible characters": 1})


def test_a_first_line_that_tells_excel_the_delimiter_is_none_of_the_table(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.csv", "sep=|\nid|word|tag\n1|Anna|B-PER\n1|left|O\n2|Rain|O\n")[0].startswith(
        "Anna B-PER"
    )
    with pytest.raises(InvalidData, match=r"own\.csv:3: no tag"):
        taken(tmp_path, "own.csv", "sep=;\nid;word;tag\n1;Anna;\n", force=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.txt", "Anna 1\nleft 0\n"),
        ("own.csv", "id,word,tag\na,Anna,1\na,left,0\n"),
        ("own.jsonl", '{"tokens": ["Anna", "left"], "tags": ["1", "0"]}\n'),
    ],
)
def test_numbers_written_as_text_take_the_names_that_are_given(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("O\nB-PER\n")
    names = str(tmp_path / "names.txt")
    assert taken(tmp_path, name, content, tag_names=names)[0] == "Anna B-PER left O / "
    with pytest.raises(InvalidData, match="tag 2, but there are names for 0 to 1"):
        taken(tmp_path, f"bad-{name}", content.replace("1", "2"), tag_names=names)


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"%PDF-1.4\n%\xe2\xe3\n", "a PDF", "JSON Lines"),
        (b"\x80\x04\x95\x10\x00", "a pickle", "JSON Lines"),
        (b"PK\x03\x04abc", "a zip archive", "CSV"),
        ("Anna O\n".encode("utf-32"), "UTF-32", "--encoding UTF-32"),
        ("Anna O\n".encode("utf-16-le"), "UTF-16LE", "--encoding UTF-16LE"),
        ("Éva O\n".encode("utf-16-le"), "not UTF-8", "--encoding UTF-16LE"),
        ("а О\n".encode("utf-16-be"), "NUL", "--encoding utf-16-le or utf-16-be"),
    ],
)
def test_files_of_other_kinds_are_told_with_the_way_out(
    content: bytes, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=message) as error:
        taken(tmp_path, "own.bin", content)
    assert hint in error.value.hint


@pytest.mark.parametrize("cell", ["5", '"ab"', '{"a": 1, "b": 2}', "null"])
def test_json_that_is_no_list_is_not_taken_for_one(cell: str, tmp_path: Path) -> None:
    quoted = cell.replace('"', '""')
    content = 'tokens,tags\n"[""Anna"", ""left""]","[""B-PER"", ""O""]"\n' + f'"{quoted}","[""O"", ""O""]"\n'
    with pytest.raises(InvalidData, match=r"own\.csv:3: no list"):
        taken(tmp_path, "own.csv", content)


def test_numbers_without_end_are_no_numbers_of_sentences(tmp_path: Path) -> None:
    endless = "7" * 5000
    content = f"{endless} Anna B-PER\n{endless} left O\n"
    with pytest.raises(InvalidData):
        taken(tmp_path, "own.txt", content)


def test_clauses_are_no_chunks(tmp_path: Path) -> None:
    content = "Anna\tNN\tB_PER\tB_CLS\nleft\tVV\tO\tE_CLS\n"
    with pytest.raises(InvalidOption, match="column 4 holds clauses") as raised:
        taken(tmp_path, "own.txt", content, task="chunk")
    assert "--tag-column 3" in raised.value.hint


def test_a_word_that_may_stand_for_o_beside_types_is_asked_for(tmp_path: Path) -> None:
    content = "Anna PER\nleft OTHER\nBern LOC\n. OTHER\n"
    with pytest.raises(InvalidData, match="the most frequent tag is OTHER, and there is no O") as raised:
        taken(tmp_path, "own.txt", content)
    assert "--tags entities --scheme iob2" in raised.value.hint and "--tags plain" in raised.value.hint
    as_types = taken(tmp_path, "own.txt", content, tags="entities", scheme="iob2")[0]
    assert as_types == "Anna B-PER left O Bern B-LOC . O / "
    as_tags = taken(tmp_path, "own.txt", content, tags="plain")[0]
    assert as_tags == "Anna PER left OTHER Bern LOC . OTHER / "


def test_parquet_with_a_token_a_row_takes_the_names_that_datasets_stores(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"sentence_id": [0, 0, 1], "token": ["Anna", "left", "Rain"], "ner_tags": [1, 0, 0]})
    features = {"ner_tags": {"names": ["O", "B-PER"], "_type": "ClassLabel"}}
    stored = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(stored, tmp_path / "own.parquet")
    found = download.run(Workspace(tmp_path / "w"), download.Options(train_file=str(tmp_path / "own.parquet")))
    assert found
    assert (tmp_path / "w" / "train.txt.tmp").read_text() == "Anna B-PER\nleft O\n\nRain O\n\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.jsonl", lines({"tokens": ["Anna", "left"], "tags": ["B-PER", "O"], "labels": ["B-x", "O"]})),
        ("own.csv", "sentence_id,word,tags,labels\n1,Anna,B-PER,B-x\n1,left,O,O\n"),
    ],
)
def test_another_column_of_tags_is_told(name: str, content: str, tmp_path: Path) -> None:
    read, _ = taken(tmp_path, name, content)
    (note,) = Workspace(tmp_path / "workspace").facts("download")["train"]["notes"]
    assert (read, note) == (
        "Anna B-PER left O / ",
        f"{name}: the tags are those of tags, not those of labels (--tag-column)",
    )


def test_characters_of_no_width_in_tags_are_looked_through(tmp_path: Path) -> None:
    content = "Anna B-PER\nKeller I-PER\nleft O\u200b\n"
    assert taken(tmp_path, "own.txt", content)[0] == "Anna B-PER Keller I-PER left O / "


def test_lines_that_name_the_columns_again_are_counted(tmp_path: Path) -> None:
    _, counts = taken(tmp_path, "own.tsv", "word\ttag\nAnna\tB-PER\n\nword\ttag\nRain\tO\n")
    assert counts["lines that name the columns again, left out"] == 1


def test_quotes_behind_blanks_are_refused_in_csv(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="most tokens stand in quotes"):
        taken(tmp_path, "own.csv", 'sentence_id, word, tag\n1, "Anna", "B-PER"\n1, "left", "O"\n')


def test_utf8_is_not_read_in_another_encoding(tmp_path: Path) -> None:
    content = "Zoë B-PER\nleft O\n"
    with pytest.raises(InvalidData, match="this is UTF-8, of which --encoding cp1252 makes other letters"):
        taken(tmp_path, "own.txt", content, encoding="cp1252")
    assert taken(tmp_path, "insisted.txt", content, encoding="cp1252", accept_as_is=True)[0].startswith("ZoÃ«")
    assert taken(tmp_path, "cp1252.txt", content.encode("cp1252"), encoding="cp1252")[0].startswith("Zoë")
    assert taken(tmp_path, "ascii.txt", "Anna B-PER\nleft O\n", encoding="cp1252")[0].startswith("Anna")
    assert taken(tmp_path, "utf8.txt", content, encoding="utf8")[0].startswith("Zoë")


# -- lines and rows that are a little off ----------------------------------------------------------


@pytest.mark.parametrize("line", ["\u200b", "\x1a", "\u200e\u200f", "\x0c"])
def test_a_line_without_a_visible_character_is_a_blank_one(line: str, tmp_path: Path) -> None:
    found, counts = taken(tmp_path, "own.txt", f"Anna B-PER\nleft O\n{line}\nRain O\n")
    assert found == "Anna B-PER left O / Rain O / "
    assert line == "\x0c" or counts == {"lines without a visible character, taken for blank ones": 1}


def test_a_carriage_return_twice_is_one_line_end(tmp_path: Path) -> None:
    content = "Anna B-PER\nleft O\n\nRain O\n".replace("\n", "\r\r\n")
    assert taken(tmp_path, "own.txt", content)[0] == "Anna B-PER left O / Rain O / "
    table = "id,token,tag\n1,Anna,B-PER\n1,left,O\n2,Rain,O\n".replace("\n", "\r\r\n")
    assert taken(tmp_path, "own.csv", table)[0] == "Anna B-PER left O / Rain O / "


def test_empty_cells_behind_the_last_column_of_csv_are_none(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.csv", "id,token,tag\n1,Anna,B-PER,,\n1,left,O,,\n,,,,\n")[0] == "Anna B-PER left O / "


def test_a_sentence_a_row_may_have_one_word(tmp_path: Path) -> None:
    content = "text,labels\nAnna,B-PER\nRain fell,O O\nBo ran,B-PER O\n"
    assert taken(tmp_path, "own.csv", content)[0] == "Anna B-PER / Rain O fell O / Bo B-PER ran O / "


NO_TABLES = {
    "a text and its class": (
        "own.csv",
        "text,label\nAnna left,news\nRain fell,weather\n",
        "most rows hold several words",
    ),
    "a span a row": ("own.csv", "text,start,end,label\nAnna left,0,4,PER\n", "most rows hold several words"),
    "no names of columns": ("own.csv", "Anna B-PER\nleft O\n", "one column: 'Anna B-PER'"),
    "a pointer": ("own.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", "Git LFS"),
    "a pointer in place of JSON": ("own.json", "version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "a page in place of JSON Lines": ("own.jsonl", "<!DOCTYPE html>\n<html></html>\n", "a page of HTML"),
}


@pytest.mark.parametrize(("name", "content", "message"), NO_TABLES.values(), ids=NO_TABLES)
def test_what_is_no_table_of_tokens_is_named(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=message):
        taken(tmp_path, name, content)


# -- places in a text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("a.txt\t{s}\t{e}\t{w}\t{t}", "Anna B-PER left O Bern B-LOC / "),
        ("{s}\t{e}\t{w}\t{t}", "Anna B-PER left O Bern B-LOC / "),
        ("{w}\t{s}\t{e}\t{t}", "Anna B-PER left O Bern B-LOC / "),
        ("{w}\t{t}\t{s}\t{e}", "Anna B-PER left O Bern B-LOC / "),
        ("{n}\t{s}\t{e}\t{w}\t{t}", "Anna B-PER left O Bern B-LOC / "),
        ("{w}\t{k}\t{s}\t{e}", "Anna PER left O Bern LOC / "),
    ],
)
def test_places_in_the_text_are_neither_tokens_nor_tags(row: str, wanted: str, tmp_path: Path) -> None:
    words = [("Anna", 0, 4, "B-PER"), ("left", 5, 9, "O"), ("Bern", 10, 14, "B-LOC")]
    content = ""
    for n, (w, s, e, t) in enumerate(words, start=1):
        content += row.format(n=n, w=w, s=s, e=e, t=t, k=t.rpartition("-")[2]) + "\n"
    assert taken(tmp_path, "own.tsv", content)[0] == wanted


def test_a_list_of_entities_with_their_places_is_refused(tmp_path: Path) -> None:
    content = "doc1\t0\t4\tPER\tAnna\ndoc1\t10\t14\tLOC\tBern\ndoc2\t3\t14\tLOC\tBern Zürich\n"
    with pytest.raises(InvalidData, match="a row holds one span with its place") as error:
        taken(tmp_path, "own.tsv", content)
    assert '"spans": ' in error.value.hint


@pytest.mark.parametrize("column", [4, 5, 8, 9])
def test_entities_may_stand_in_any_column_of_conllu(column: int, tmp_path: Path) -> None:
    content = ""
    for number, (word, tag) in enumerate((("Anna", "B-PER"), ("left", "O")), start=1):
        fields = [str(number), word, "_", "X", "_", "_", "0", "root", "_", "_"]
        fields[column] = tag
        content += "\t".join(fields) + "\n"
    assert taken(tmp_path, "own.conllu", content)[0] == "Anna B-PER left O / "


def test_types_without_a_prefix_may_stand_in_misc(tmp_path: Path) -> None:
    row = "{}\t{}\t_\tX\t_\t_\t0\troot\t_\tNE={}|SpaceAfter=No\n"
    content = row.format(1, "Anna", "PER") + row.format(2, "left", "O")
    assert taken(tmp_path, "own.conllu", content)[0] == "Anna PER left O / "


def test_utf16_without_a_mark_is_not_read_as_utf16(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.txt: not utf-16: .*BOM"):
        taken(tmp_path, "own.txt", "Anna B-PER\nleft O\n", encoding="utf-16")


MARKED = {
    "own.txt": "Anna B-PER\nleft O\n",
    "own.jsonl": '{"tokens": ["Anna", "left"], "tags": ["B-PER", "O"]}\n',
    "own.json": '[{"tokens": ["Anna", "left"], "tags": ["B-PER", "O"]}]',
    "own.csv": "id,token,tag\n1,Anna,B-PER\n1,left,O\n",
}


@pytest.mark.parametrize("name", MARKED)
def test_several_byte_order_marks_are_taken_off(name: str, tmp_path: Path) -> None:
    assert taken(tmp_path, name, "\ufeff\ufeff" + MARKED[name])[0] == "Anna B-PER left O / "
