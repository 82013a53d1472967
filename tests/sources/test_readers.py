"""Readers: the same sentences in every form give the same bytes; what is left out or changed is counted and told."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import logging
import lzma
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from own_file import download_own, write

from nertool.corpus.column_files import TAG_NAMES, TOKEN_NAMES, counted, read_sentences
from nertool.corpus.running_text import cut_words
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.column_roles import NO_TAG
from nertool.sources.readers.layout import SENTENCE_NAMES
from nertool.sources.readers.span_offsets import FITS_BOTH
from nertool.sources.write_splits import INVISIBLE
from nertool.spelling import OUTSIDE_WORDS
from nertool.stages import download
from nertool.workspace.workspace import Workspace

Sentence = list[tuple[str, str]]
Writer = Callable[[Sequence[Sentence]], bytes]
Form = tuple[str, Writer, dict[str, str]]
"""Name of the file, what writes it, options that it needs."""

SENTENCES: list[Sentence] = [
    [("Anna", "B-PER"), ("Höß", "I-PER"), ("left", "O"), ("#home", "O")],
    [("Oslo", "B-LOC"), ("Vienna", "B-LOC"), ("3.5", "O"), ('"', "O"), ("O'Neill", "B-PER"), ("😀", "O"), (".", "O")],
    [("New", "B-LOC"), ("Lisbon", "I-LOC")],
]
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def as_stored(sentences: Sequence[Sentence]) -> bytes:
    """The bytes of `train.txt.tmp`."""
    return "".join("".join(f"{token} {tag}\n" for token, tag in pairs) + "\n" for pairs in sentences).encode()


def taken(folder: Path, name: str, content: str | bytes, **options: Any) -> tuple[bytes, dict[str, int]]:
    """Train's bytes and counts from a file of the user's own."""
    workspace, result = download_own(write(folder, name, content), **options)
    counts = {what: result.facts["train"][what] for what in ("sentences", "tokens")}
    return (workspace / "train.txt.tmp").read_bytes(), counts | result.facts["train"].get("changes", {})


def counts(sentences: Sequence[Sentence]) -> dict[str, int]:
    return {"sentences": len(sentences), "tokens": sum(map(len, sentences))}


# -- writers of every form -------------------------------------------------------------------------


def columns(line: str, head: str = "") -> Writer:
    """Column text; `line` says where the token (0) and its tag (1) go, {n} is the word's number."""

    def write(sentences: Sequence[Sentence]) -> bytes:
        blocks = ("".join(line.format(*pair, n=n) + "\n" for n, pair in enumerate(s, start=1)) for s in sentences)
        return (head + "\n".join(blocks) + "\n").encode()

    return write


def rows(sentences: Sequence[Sentence]) -> list[dict[str, Any]]:
    return [
        {"id": str(number), "tokens": [token for token, _ in pairs], "ner_tags": [tag for _, tag in pairs]}
        for number, pairs in enumerate(sentences)
    ]


def json_lines(objects: Callable[[Sequence[Sentence]], Sequence[Any]]) -> Writer:
    return lambda sentences: "".join(json.dumps(row) + "\n" for row in objects(sentences)).encode()


def json_file(objects: Callable[[Sequence[Sentence]], Any], **style: Any) -> Writer:
    return lambda sentences: json.dumps(objects(sentences), ensure_ascii=False, **style).encode()


def data_set(sentences: Sequence[Sentence]) -> Any:
    """A data set whose tags are integers with names, as the hub has them."""
    pytest.importorskip("datasets")
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    names = list(dict.fromkeys(tag for pairs in sentences for _, tag in pairs))
    tags = Sequence(ClassLabel(names=names))
    features = Features({"id": Value("string"), "tokens": Sequence(Value("string")), "ner_tags": tags})
    table = [{**row, "ner_tags": [names.index(tag) for tag in row["ner_tags"]]} for row in rows(sentences)]
    return Dataset.from_list(table, features=features)


def parquet(sentences: Sequence[Sentence]) -> bytes:
    target = io.BytesIO()
    data_set(sentences).to_parquet(target)
    return target.getvalue()


def plain_parquet(sentences: Sequence[Sentence]) -> bytes:
    """Tags as strings, and nothing about `datasets`."""
    import pyarrow.parquet

    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows(sentences)), target, row_group_size=2)
    return target.getvalue()


def arrow_stream(sentences: Sequence[Sentence]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        data_set(sentences).save_to_disk(folder)
        return next(Path(folder).glob("*.arrow")).read_bytes()


def feather(sentences: Sequence[Sentence]) -> bytes:
    import pyarrow.feather
    import pyarrow.parquet

    target = io.BytesIO()
    pyarrow.feather.write_feather(pyarrow.parquet.read_table(io.BytesIO(parquet(sentences))), target)
    return target.getvalue()


def csv_rows(header: Sequence[str], row: Callable[[int, int, str, str], Sequence[str]], delimiter: str = ",") -> Writer:
    """CSV; `row` makes one of the sentence's number, the word's number, token and tag, all from 1."""

    def write(sentences: Sequence[Sentence]) -> bytes:
        target = io.StringIO()
        table = csv.writer(target, delimiter=delimiter, lineterminator="\n")
        table.writerow(header)
        for number, pairs in enumerate(sentences, start=1):
            table.writerows(row(number, word, *pair) for word, pair in enumerate(pairs, start=1))
        return target.getvalue().encode()

    return write


def annotated(pairs: Sentence, begin: int = 0) -> tuple[str, list[tuple[int, int, str]], list[tuple[int, int]]]:
    """The running text of a sentence, its entities and its tokens, each by half-open places in characters."""
    entities: list[tuple[int, int, str]] = []
    places: list[tuple[int, int]] = []
    for token, tag in pairs:
        start = places[-1][1] + 1 if places else begin
        places.append((start, start + len(token)))
        if tag.startswith("B-"):
            entities.append((*places[-1], tag[2:]))
        elif tag.startswith("I-"):
            entities[-1] = (entities[-1][0], places[-1][1], tag[2:])
    return " ".join(token for token, _ in pairs), entities, places


def spacy_tuples(sentences: Sequence[Sentence]) -> list[Any]:
    return [[text, {"entities": spans}] for text, spans, _ in map(annotated, sentences)]


def spacy(sentences: Sequence[Sentence]) -> list[Any]:
    return [{"text": text, "entities": spans} for text, spans, _ in map(annotated, sentences)]


def prodigy(sentences: Sequence[Sentence]) -> list[Any]:
    return [
        {
            "text": text,
            "tokens": [{"text": text[a:b], "start": a, "end": b, "id": n} for n, (a, b) in enumerate(places)],
            "spans": [{"start": a, "end": b, "label": label, "token_start": 0} for a, b, label in spans],
            "answer": "accept",
        }
        for text, spans, places in map(annotated, sentences)
    ]


def doccano(sentences: Sequence[Sentence]) -> list[Any]:
    return [{"id": 7, "text": text, "label": spans} for text, spans, _ in map(annotated, sentences)]


def doccano_relations(sentences: Sequence[Sentence]) -> list[Any]:
    return [
        {
            "id": 7,
            "text": text,
            "entities": [{"id": 1, "label": label, "start_offset": a, "end_offset": b} for a, b, label in spans],
            "relations": [],
        }
        for text, spans, _ in map(annotated, sentences)
    ]


def labelled(text: str, spans: Sequence[tuple[int, int, str]]) -> list[Any]:
    return [{"start": a, "end": b, "text": text[a:b], "labels": [label]} for a, b, label in spans]


def label_studio(sentences: Sequence[Sentence]) -> list[Any]:
    return [
        {
            "id": 1,
            "data": {"text": text},
            "annotations": [
                {
                    "result": [
                        *({"type": "labels", "from_name": "label", "value": v} for v in labelled(text, spans)),
                        {"type": "choices", "value": {"choices": ["good"]}},
                    ]
                }
            ],
        }
        for text, spans, _ in map(annotated, sentences)
    ]


def label_studio_small(sentences: Sequence[Sentence]) -> list[Any]:
    return [
        {"id": 1, "text": text, "label": labelled(text, spans), "annotator": 1}
        for text, spans, _ in map(annotated, sentences)
    ]


def one_text(sentences: Sequence[Sentence]) -> list[Any]:
    """All sentences as the lines of one text."""
    text, entities = "", []
    for pairs in sentences:
        line, spans, _ = annotated(pairs, len(text))
        text, entities = f"{text}{line}\n", [*entities, *spans]
    return [{"text": text, "spans": entities}]


CONLLU = "{n}\t{0}\tlemma\t{1}\t_\t_\t0\tdep\t_\t_"
WRITTEN: dict[str, Form] = {  # any tokens and tags
    "spaces": ("own.txt", columns("{} {}"), {}),
    "tabs": ("own.tsv", columns("{}\t{}"), {}),
    "tabs by name": ("own.txt", columns("{}\t{}"), {"delimiter": "tab"}),
    "bars": ("own.data", columns("{} || {}"), {"delimiter": " || "}),
    "first line names the columns": (
        "own.tsv",
        columns("x\t{1}\t{0}", head="id\tlabel\tword\n"),
        {"token_column": "word", "tag_column": "label"},
    ),
    "columns by number": ("own.conll", columns("x {1} {0} y"), {"token_column": "3", "tag_column": "2"}),
    "columns by number from the end": ("own", columns("x {1} y {0}"), {"token_column": "-1", "tag_column": "-3"}),
    "four columns": ("own.txt", columns("{} NNP B-NP {}"), {}),
    "parts of speech of four columns": ("own.txt", columns("{} {} B-NP O"), {"task": "pos"}),
    "chunks of four columns": ("own.txt", columns("{} NNP {} O"), {"task": "chunk"}),
    "CoNLL-U": ("own.conllu", columns(CONLLU), {}),
    "CoNLL-U, xpos": ("own.conllu", columns("{n}\t{0}\t_\tX\t{1}\t_\t_\t_\t_\t_"), {"tag_column": "xpos"}),
    "CoNLL-U, by number": (
        "own.conllu",
        columns("{n}\tX\t{0}\tX\t{1}\t_\t_\t_\t_\t_"),
        {"token_column": "3", "tag_column": "5"},
    ),
    "JSON Lines": ("own.jsonl", json_lines(rows), {}),
    "JSON Lines named .json": ("own.json", json_lines(rows), {}),
    "JSON, a list": ("own.json", json_file(rows), {}),
    "JSON, a list over many lines": ("own.json", json_file(rows, indent=1), {}),
    "JSON, an object with a list": ("own.json", json_file(lambda s: {"version": 1, "data": rows(s), "end": 0}), {}),
    "JSON, the same over many lines": ("own.json", json_file(lambda s: {"v": [1], "rows": rows(s)}, indent=2), {}),
    "Parquet": ("own.parquet", plain_parquet, {}),
    "CSV, id on the first row": (
        "own.csv",
        csv_rows(
            ["Sentence #", "Word", "POS", "Tag"],
            lambda number, word, token, tag: [f"Sentence: {number}" if word == 1 else "", token, "NN", tag],
        ),
        {},
    ),
    "CSV, id on every row": (
        "own.csv",
        csv_rows(["labels", "words", "sentence_id"], lambda number, word, token, tag: [tag, token, str(number)]),
        {},
    ),
    "CSV with semicolons and names of its own": (
        "own.csv",
        csv_rows(["s", "t", "l"], lambda number, word, token, tag: [str(number), token, tag], delimiter=";"),
        {"delimiter": ";", "sentence_column": "s", "token_column": "t", "tag_column": "-1"},
    ),
}
NAMED: dict[str, Form] = {  # what the tags of SENTENCES are fit for
    "commas": ("own.txt", columns("{},{}"), {"delimiter": "comma"}),
    "CoNLL-U, feature": (
        "own.conllu",
        columns("{n}\t{0}\t_\tX\tX\tCase=Nom|NER={1}|Number=Sing\t_\t_\t_\t_"),
        {"tag_column": "feats:NER"},
    ),
    "CoNLL-U, misc": (
        "own.conllu",
        columns("{n}\t{0}\t_\tX\tX\t_\t_\t_\t_\tSpaceAfter=No|NER={1}"),
        {"tag_column": "misc:NER"},
    ),
    "Parquet with names": ("own.parquet", parquet, {}),
    "Arrow with names": ("own.arrow", arrow_stream, {}),
    "Feather with names": ("own.feather", feather, {}),
}
MARKED: dict[str, Form] = {  # entities as character spans
    "spaCy": ("own.jsonl", json_lines(spacy), {}),
    "spaCy, a list": ("own.json", json_file(spacy), {}),
    "spaCy, tuples": ("own.json", json_file(spacy_tuples), {}),
    "spaCy, a tuple a line": ("own.jsonl", json_lines(spacy_tuples), {}),
    "Prodigy": ("own.jsonl", json_lines(prodigy), {}),
    "Doccano": ("own.jsonl", json_lines(doccano), {}),
    "Doccano with relations": ("own.jsonl", json_lines(doccano_relations), {}),
    "Label Studio": ("own.json", json_file(label_studio, indent=2), {}),
    "Label Studio, JSON_MIN": ("own.json", json_file(label_studio_small), {}),
    "one text of many lines": ("own.jsonl", json_lines(one_text), {}),
}
FORMS = {**WRITTEN, **NAMED, **MARKED}
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_sentences_in_every_form_give_the_same_bytes(form: str, tmp_path: Path) -> None:
    name, write, options = FORMS[form]
    found, facts = taken(tmp_path, name, write(SENTENCES), **options)
    assert found == as_stored(SENTENCES)
    assert facts == counts(SENTENCES), "nothing was left out or changed"


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("form", ["spaces", "CoNLL-U", "JSON Lines", "JSON, a list", "CSV, id on every row", "spaCy"])
def test_packed_files_are_read_by_the_name_before_the_packing(form: str, suffix: str, tmp_path: Path) -> None:
    name, write, options = FORMS[form]
    found, facts = taken(tmp_path, name + suffix, PACKED[suffix](write(SENTENCES)), **options)
    assert (found, facts) == (as_stored(SENTENCES), counts(SENTENCES))


@pytest.mark.parametrize("name", ["own.CONLLU", "own.Json", "own.JSONL", "own.CSV", "own.PARQUET"])
def test_the_case_of_the_name_does_not_matter(name: str, tmp_path: Path) -> None:
    write = next(write for known, write, options in WRITTEN.values() if known == name.lower() and not options)
    assert taken(tmp_path, name, write(SENTENCES))[0] == as_stored(SENTENCES)


def test_a_list_over_many_lines_is_read_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.JSON", json_file(rows, indent=1)(SENTENCES))[0] == as_stored(SENTENCES)


COLUMN_NAMES = {*TOKEN_NAMES, *TAG_NAMES, *SENTENCE_NAMES}
WORD = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\ufeff|#"),
    min_size=1,
    max_size=6,
).filter(
    lambda word: not word.startswith("-DOCSTART-") and word.lower() not in {*TOKEN_NAMES, *TAG_NAMES, *SENTENCE_NAMES}
)
WHOLE = WORD.map(lambda word: cut_words(word).tokens[0])
TAG = WORD.filter(lambda word: not INVISIBLE.search(word) and not NO_TAG.fullmatch(word) and word not in OUTSIDE_WORDS)
"""Words that stay as they are as tags."""
ENTITY = st.tuples(
    st.sampled_from(["PER", "LOC", "creative-work"]) | st.none(), st.lists(WHOLE, min_size=1, max_size=3)
)


def tagged(entities: Sequence[tuple[str | None, list[str]]]) -> Sentence:
    return [
        (token, f"{'I' if number else 'B'}-{label}" if label else "O")
        for label, tokens in entities
        for number, token in enumerate(tokens)
    ]


def all_taken(forms: dict[str, Form], sentences: Sequence[Sentence]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for number, (form, (name, write, options)) in enumerate(forms.items()):
            found[form], facts = taken(Path(folder), f"{number}-{name}", write(sentences), accept_as_is=True, **options)
            facts.pop(FITS_BOTH, None)  # characters beyond U+FFFF may make another way of counting fit as well
            assert facts == counts(sentences)
        return found


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.tuples(WORD, TAG), min_size=1, max_size=4), min_size=1, max_size=4))
@pytest.mark.slow
def test_any_sentences_in_every_form_give_the_same_bytes(sentences: list[Sentence]) -> None:
    pytest.importorskip("datasets")
    assume(any(counted(sentence[0][0]) is None for sentence in sentences))  # else a first column counts the tokens
    neighbours = (pair for sentence in sentences for pair in pairwise(token for token, _ in sentence))
    assume(all(token != other for token, other in neighbours))  # else a first column may name sentences
    rows = [token for sentence in sentences for token, _ in sentence]
    assume(len(rows) < 2 or len({*rows}) > 1)  # else it may name the document
    assert all_taken(WRITTEN, sentences) == dict.fromkeys(WRITTEN, as_stored(sentences))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(ENTITY, min_size=1, max_size=4).map(tagged), min_size=1, max_size=4))
def test_any_entities_as_character_spans_give_the_same_bytes(sentences: list[Sentence]) -> None:
    assert all_taken(MARKED, sentences) == dict.fromkeys(MARKED, as_stored(sentences))


# -- integers with names ---------------------------------------------------------------------------


def integers(sentences: Sequence[Sentence]) -> list[Any]:
    return [{**row, "ner_tags": [NAMES.index(tag) for tag in row["ner_tags"]]} for row in rows(sentences)]


NAME_FILES = {
    "lines": "\n".join(NAMES),
    "list": json.dumps(NAMES),
    "names to ids": json.dumps({name: number for number, name in enumerate(NAMES)}, indent=1),
    "ids to names": json.dumps(dict(reversed(list(enumerate(NAMES))))),
}


def named(folder: Path, content: str) -> tuple[bytes, dict[str, int]]:
    """SENTENCES with integers for tags, taken with these names."""
    (folder / "names").write_bytes(content.encode())
    return taken(folder, "own.jsonl", json_lines(integers)(SENTENCES), tag_names=str(folder / "names"))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("names", NAME_FILES)
def test_integers_take_their_names_from_a_file(names: str, ends: str, tmp_path: Path) -> None:
    found, facts = named(tmp_path, NAME_FILES[names].replace("\n", ends) + ends)
    assert (found, facts) == (as_stored(SENTENCES), counts(SENTENCES))


@pytest.mark.parametrize("names", NAME_FILES)
def test_names_behind_a_byte_order_mark_are_the_same_names(names: str, tmp_path: Path) -> None:
    assert named(tmp_path, "\ufeff" + NAME_FILES[names])[0] == as_stored(SENTENCES)


def test_names_that_the_user_gives_go_before_those_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("A\nB\n")
    content = parquet([[("x", "O"), ("y", "B-PER")]])
    assert taken(tmp_path, "own.parquet", content, tag_names=str(tmp_path / "names"))[0] == b"x A\ny B\n\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'["O", "B', "names"),
        (b'["O", 1]', "no text"),
        (b'{"O": 0, "B-PER": 2}', "0, 1, 2"),
        (b'{"O": [0]}', "names"),
        (b"O\n\xff\n", "names"),
    ],
)
def test_a_file_of_names_that_is_none_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(InvalidOption, match=message) as error:
        taken(tmp_path, "own.jsonl", json_lines(integers)(SENTENCES), tag_names=str(tmp_path / "names"))
    assert "--tag-names" in error.value.message


def test_a_file_of_names_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--tag-names .*nowhere: No such file"):
        taken(tmp_path, "own.jsonl", json_lines(integers)(SENTENCES), tag_names=str(tmp_path / "nowhere"))


# -- the columns that are meant --------------------------------------------------------------------


@pytest.mark.parametrize(("task", "tag"), [(None, "n"), ("ner", "n"), ("pos", "p"), ("chunk", "c")])
def test_the_task_decides_between_several_tag_columns(task: str | None, tag: str, tmp_path: Path) -> None:
    row = {"tokens": ["x"], "pos_tags": ["p"], "chunk_tags": ["c"], "ner_tags": ["n"], "labels": ["l"]}
    assert taken(tmp_path, "own.jsonl", json.dumps(row), task=task)[0] == f"x {tag}\n\n".encode()
    assert taken(tmp_path, "own.txt", "x p c n\n", task=task)[0] == f"x {tag}\n\n".encode()
    two = taken(tmp_path, "own.tsv", "x\tonly\n", task=task)[0]
    assert two == b"x only\n\n", "where there are but two columns, there is nothing to decide"


@pytest.mark.parametrize("column", ["tag_column", "token_column", "sentence_column"])
@pytest.mark.parametrize("form", ["JSON Lines", "JSON, a list", "CSV, id on every row", "Parquet", "Arrow with names"])
def test_a_column_that_is_not_there_is_told_with_those_that_are(form: str, column: str, tmp_path: Path) -> None:
    name, write, _ = FORMS[form]
    if column == "sentence_column" and not name.endswith(".csv"):
        pytest.skip("only CSV has a sentence id")
    with pytest.raises(InvalidOption, match=rf"{name}.*no column 'nowhere'") as error:
        taken(tmp_path, name, write(SENTENCES), **{column: "nowhere"})
    header = {"labels", "words", "sentence_id"} if name.endswith(".csv") else {"id", "tokens", "ner_tags"}
    assert all(word in error.value.hint for word in [*header, f"--{column.replace('_', '-')}"])


@pytest.mark.parametrize("wanted", ["nowhere", "0", "3", "-3", "1.5"])
@pytest.mark.parametrize("column", ["tag_column", "token_column"])
def test_a_column_that_column_text_does_not_have_is_told(column: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=rf"own\.txt.*no column {wanted}") as error:
        taken(tmp_path, "own.txt", columns("{} {}")(SENTENCES), **{column: wanted})
    assert f"--{column.replace('_', '-')}" in error.value.hint


@pytest.mark.parametrize("wanted", ["nowhere", "0", "11", "upos:NER", "form:x"])
@pytest.mark.parametrize("column", ["tag_column", "token_column"])
def test_a_column_that_conllu_does_not_have_is_told(column: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=rf"own\.conllu.*no column '{wanted}'") as error:
        taken(tmp_path, "own.conllu", columns(CONLLU)(SENTENCES), **{column: wanted})
    assert "feats:NAME" in error.value.hint and f"--{column.replace('_', '-')}" in error.value.hint


def test_a_column_of_spans_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.jsonl:1: no nowhere") as error:
        taken(tmp_path, "own.jsonl", json_lines(spacy)(SENTENCES), tag_column="nowhere")
    assert "text, entities" in error.value.hint and "--spans-column" in error.value.hint


def test_the_column_of_spans_can_be_chosen(tmp_path: Path) -> None:
    record = {"text": "Anna left", "entities": [[0, 4, "PER"]], "mine": [[5, 9, "ACT"]]}
    assert taken(tmp_path, "own.jsonl", json.dumps(record), tag_column="mine")[0] == b"Anna O\nleft B-ACT\n\n"


def test_tokens_go_before_text_where_a_record_has_both(tmp_path: Path) -> None:
    record = {"text": "Anna left.", "tokens": ["Anna", "left", "."], "ner_tags": ["B-PER", "O", "O"]}
    assert taken(tmp_path, "own.jsonl", json.dumps(record))[0] == b"Anna B-PER\nleft O\n. O\n\n"


def test_an_object_that_speaks_of_its_list_before_it_comes_is_read(tmp_path: Path) -> None:
    content = json.dumps({"name": "data", "about": {"rows": 3}, "data": rows(SENTENCES)}, indent=1)
    assert taken(tmp_path, "own.json", content)[0] == as_stored(SENTENCES)


# -- CoNLL-U and CSV -------------------------------------------------------------------------------


def test_ranges_and_empty_nodes_of_conllu_are_skipped_and_counted(tmp_path: Path) -> None:
    lines = ["# sent_id = 1", "# text = vámonos al mar", "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_"]
    words = [
        ("1", "vamos", "VERB"),
        ("2", "nos", "PRON"),
        ("2.1", "gone", "VERB"),
        ("3-4", "al", "_"),
        ("3", "a", "ADP"),
    ]
    lines += [f"{number}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t_" for number, word, tag in words]
    found, facts = taken(tmp_path, "own.conllu", "\n".join([*lines, "", "# end", ""]))
    assert found == b"vamos VERB\nnos PRON\na ADP\n\n"
    assert facts == {"sentences": 1, "tokens": 3, "multiword ranges skipped": 2, "empty nodes skipped": 1}


def test_a_word_without_the_feature_has_an_underscore_for_a_tag(tmp_path: Path) -> None:
    lines = ["1\tAnna\t_\tX\t_\tCase=Nom\t_\t_\t_\t_", "2\tleft\t_\tX\t_\t_\t_\t_\t_\t_"]
    found, _ = taken(tmp_path, "own.conllu", "\n".join(lines), tag_column="feats:Case")
    assert found == b"Anna Nom\nleft _\n\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 Anna _ X _ _ _ _ _ _", "1 columns"),
        ("2\tAnna\t_\tX", "4 columns"),
        ("x\tAnna\t_\tX\t_\t_\t_\t_\t_\t_", "'x' is no word id"),
        ("2\tAnna\t_\t\t_\t_\t_\t_\t_\t_", "tag"),
        ("2\tAnna\t_\t \t_\t_\t_\t_\t_\t_", "tag"),
    ],
)
def test_a_line_that_is_not_conllu_is_named(line: str, message: str, tmp_path: Path) -> None:
    content = f"# text\n1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n{line}\n"
    with pytest.raises(InvalidData, match=rf"own\.conllu:3: .*{message}"):
        taken(tmp_path, "own.conllu", content)


def test_tokens_with_commas_and_quotes_are_quoted_in_csv(tmp_path: Path) -> None:
    sentences: list[Sentence] = [[(",", "O"), ('"', "O"), ('say,"', "B-X"), ("'", "O")], [("10,000", "O"), (";", "O")]]
    for form in ("CSV, id on the first row", "CSV, id on every row"):
        name, write, _ = FORMS[form]
        assert taken(tmp_path, name, write(sentences)) == (as_stored(sentences), counts(sentences))


def test_empty_rows_of_csv_do_not_count(tmp_path: Path) -> None:
    content = "id,token,tag\n1,a,O\n,,\n\n,b,O\n2,c,O\n"
    assert taken(tmp_path, "own.csv", content) == (b"a O\nb O\n\nc O\n\n", {"sentences": 2, "tokens": 3})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,b", "2 columns"),
        ("1,b,O,x", "4 columns"),
        ("1,b,", "no tag"),
        ('1,"b,O', "unexpected end"),
        ('1,"b"c,O', "expected"),
    ],
)
def test_a_row_that_is_not_csv_is_named(row: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=rf"own\.csv:3: .*{message}"):
        taken(tmp_path, "own.csv", f"id,token,tag\n1,a,O\n{row}\n")


def test_csv_takes_no_delimiter_of_two_characters(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--delimiter|delimiter"):
        taken(tmp_path, "own.csv", "id||token||tag\n1||a||O\n", delimiter="||")


# -- what is left out or changed -------------------------------------------------------------------


def test_white_space_in_a_token_or_a_tag_becomes_an_underscore_and_is_counted(tmp_path: Path) -> None:
    row = {"tokens": ["New York", " Oslo\n", "a\t \r\nb"], "tags": ["B-big city", "B-LOC", "O\v"]}
    found, facts = taken(tmp_path, "own.jsonl", json.dumps(row))
    assert found == b"New_York B-big_city\nOslo B-LOC\na_b O\n\n"
    joined = {"tokens with white space in them, joined by _": 2, "tags with white space in them, joined by _": 1}
    rid = {"tokens rid of white space around them": 1, "tags rid of white space around them": 1}
    assert facts == {"sentences": 1, "tokens": 3, **joined, **rid}


@pytest.mark.parametrize("delimiter", ["\t", ",", " || "])
def test_fields_of_column_text_may_have_blanks_in_them(delimiter: str, tmp_path: Path) -> None:
    content = delimiter.join(["New York", "B-big city"]) + "\n" + delimiter.join(["left", "O"]) + "\n"
    found, facts = taken(tmp_path, "own.txt", content, delimiter=delimiter)
    assert found == b"New_York B-big_city\nleft O\n\n"
    assert facts["tokens with white space in them, joined by _"] == 1


def test_tokens_of_white_space_only_are_left_out_and_counted(tmp_path: Path) -> None:
    content = [{"tokens": [" ", "a", ""], "tags": ["O", "B-X", "O"]}, {"tokens": ["\n\n"], "tags": ["O"]}]
    content += [{"tokens": [], "tags": []}, {"tokens": ["b"], "tags": ["O"]}]
    found, facts = taken(tmp_path, "own.json", json.dumps(content))
    assert found == b"a B-X\n\nb O\n\n"
    assert facts == {"sentences": 2, "tokens": 2, "tokens of white space left out": 3, "empty rows left out": 2}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=3), min_size=1, max_size=3))
@example([[("a", "O\u00a0"), ("b", "O")]])
def test_whatever_json_holds_is_refused_or_can_be_read_from_what_is_stored(sentences: list[Sentence]) -> None:
    """Later stages strip white space of every kind from the end of a line, and take the first and the last field."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found, facts = taken(
                Path(folder), "own.jsonl", json_lines(rows)(sentences), accept_as_is=True, tags="plain"
            )
        except InvalidData:
            without_tokens = not any(token.strip() for s in sentences for token, _ in s)
            without_tag = not all(tag.strip() for s in sentences for _, tag in s)
            assert without_tokens or without_tag or any("\0" in text for s in sentences for pair in s for text in pair)
            return
        stored = list(read_sentences(Path(folder) / "workspace" / "train.txt.tmp"))
        fields = [tuple(line.split(" ")) for line in found.decode().split("\n") if line]
    assert [pair for s in stored for pair in zip(s.tokens, s.tags, strict=True)] == fields
    assert (len(stored), len(fields)) == (facts["sentences"], facts["tokens"])


def test_what_was_counted_is_told_for_each_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "dev.jsonl").write_text('{"tokens": ["New York"], "tags": ["O"]}\n')
    download.run(Workspace(tmp_path / "w"), download.Options(validation_file=str(tmp_path / "dev.jsonl")))
    assert caplog.messages == ["dev: 1 tokens with white space in them, joined by _"]


def test_document_lines_are_left_out_and_end_a_sentence(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n-DOCSTART- -X- O O\nPeter NNP B-NP B-PER\n"
    found, facts = taken(tmp_path, "own.txt", content)
    assert found == b"EU B-ORG\n\nPeter B-PER\n\n"
    assert facts == {"sentences": 2, "tokens": 2, "-DOCSTART- lines left out": 2}


def test_document_rows_are_left_out(tmp_path: Path) -> None:
    content = [{"tokens": ["-DOCSTART-"], "ner_tags": ["O"]}, *rows(SENTENCES)]
    found, facts = taken(tmp_path, "own.json", json.dumps(content))
    assert found == as_stored(SENTENCES)
    assert facts == {**counts(SENTENCES), "-DOCSTART- rows left out": 1}


def test_lines_that_begin_with_a_hash_are_tokens_unless_they_are_said_to_be_comments(tmp_path: Path) -> None:
    content = "#tag O\nx B-X\n\n# O\n"
    assert taken(tmp_path, "kept.txt", content) == (b"#tag O\nx B-X\n\n# O\n\n", {"sentences": 2, "tokens": 3})
    found, facts = taken(tmp_path, "cut.txt", "# a b c\n" + content, comment="# ")
    assert found == b"#tag O\nx B-X\n\n# O\n\n"  # the last one has a tag of the file
    assert facts == {"sentences": 2, "tokens": 3, "comment lines left out": 1}


def test_a_comment_among_the_columns_is_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.txt:2: 3 columns") as error:
        taken(tmp_path, "own.txt", "x O\n# a b\n")
    assert "--comment '#'" in error.value.hint


def test_a_comment_inside_a_sentence_does_not_end_it(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.txt", "a O\n// x y z\nb O\n", comment="//")[0] == b"a O\nb O\n\n"


def test_delimiters_at_the_end_of_a_line_make_no_columns(tmp_path: Path) -> None:
    assert taken(tmp_path, "own.tsv", "a\tO\nb\tO\t\t\n\t\t\nc\tO\t\n")[0] == b"a O\nb O\n\nc O\n\n"
    assert taken(tmp_path, "own.txt", "  a   O  \nb\tO \n")[0] == b"a O\nb O\n\n"


PLAIN = {form: FORMS[form] for form in ("spaces", "CoNLL-U", "JSON Lines", "CSV, id on every row", "spaCy")}


@pytest.mark.parametrize("form", PLAIN)
@pytest.mark.parametrize(("ends", "kind"), [("\r\n", "lines ended by CR LF"), ("\r", "lines ended by CR")])
def test_foreign_line_ends_are_taken_and_counted(form: str, ends: str, kind: str, tmp_path: Path) -> None:
    name, write, options = FORMS[form]
    content = write(SENTENCES)
    found, facts = taken(tmp_path, name, content.replace(b"\n", ends.encode()), **options)
    assert found == as_stored(SENTENCES)
    assert facts == {**counts(SENTENCES), kind: content.count(b"\n")}


def test_mixed_line_ends_are_taken_and_counted(tmp_path: Path) -> None:
    found, facts = taken(tmp_path, "own.txt", "a O\r\nb O\r\rc O\n\nd O\r\n\r\n")
    assert found == b"a O\nb O\n\nc O\n\nd O\n\n"
    assert facts == {"sentences": 3, "tokens": 4, "lines ended by CR LF": 3, "lines ended by CR": 2}


def test_other_signs_that_break_lines_elsewhere_are_parts_of_a_token(tmp_path: Path) -> None:
    content = "a\x85b O\n\u2028c O\nd\x0b\x1ce O\n"
    assert taken(tmp_path, "own.tsv", content.replace(" O", "\tO"))[0] == "a\x85b O\n\u2028c O\nd_\x1ce O\n\n".encode()


@pytest.mark.parametrize("form", PLAIN)
def test_a_byte_order_mark_is_taken_off_and_counted(form: str, tmp_path: Path) -> None:
    name, write, options = FORMS[form]
    found, facts = taken(tmp_path, name, b"\xef\xbb\xbf" + write(SENTENCES), **options)
    assert found == as_stored(SENTENCES)
    assert facts == {**counts(SENTENCES), "byte order marks taken off": 1}


@pytest.mark.parametrize("form", ["JSON, a list", "JSON, a list over many lines", "JSON, an object with a list"])
def test_json_with_a_byte_order_mark_and_foreign_line_ends_is_taken(form: str, tmp_path: Path) -> None:
    name, write, options = FORMS[form]
    content = b"\xef\xbb\xbf" + write(SENTENCES).replace(b"\n", b"\r\n")
    assert taken(tmp_path, name, content, **options)[0] == as_stored(SENTENCES)


# -- character spans -------------------------------------------------------------------------------

TEXT = "Anna Keller left New Lisbon ."


def spans(*entities: Any, text: Any = TEXT) -> str:
    """A first record that is in order, then one with these spans."""
    return json.dumps({"text": "ok", "entities": []}) + "\n" + json.dumps({"text": text, "entities": entities}) + "\n"


def tags(found: bytes) -> list[str]:
    return [line.split()[1] for line in found.decode().split("\n\n")[1].splitlines()]


@pytest.mark.parametrize(
    ("alignment", "wanted", "kind"),
    [
        ("strict", "O O O O O O", "spans off the token borders left out"),
        ("expand", "B-PER I-PER O O O O", "spans off the token borders widened"),
        ("contract", "B-PER O O O O O", "spans off the token borders narrowed"),
    ],
)
def test_a_span_off_the_token_borders_is_told_with_its_line_and_counted(
    alignment: Any, wanted: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, facts = taken(tmp_path, "own.jsonl", spans([0, 8, "PER"]), alignment=alignment)
    assert tags(found) == wanted.split()
    assert facts == {"sentences": 2, "tokens": 7, kind: 1}
    told = [record for record in caplog.records if record.name == "nertool"]
    assert [record.levelno for record in told] == [logging.WARNING] * 2
    assert told[0].getMessage().startswith(f"{tmp_path / 'own.jsonl'}:2: span 0 to 8 PER 'Anna Kel' ")
    assert "--alignment" in told[0].getMessage()
    assert told[1].getMessage() == f"train: 1 {kind}"


@pytest.mark.parametrize("alignment", ["strict", "contract"])
def test_a_span_inside_one_token_is_left_out(alignment: Any, tmp_path: Path) -> None:
    found, facts = taken(tmp_path, "own.jsonl", spans([1, 3, "PER"]), alignment=alignment)
    assert set(tags(found)) == {"O"}
    assert facts["spans off the token borders left out"] == 1


@pytest.mark.parametrize("alignment", ["strict", "expand", "contract"])
def test_a_span_of_blanks_is_left_out_and_counted(alignment: Any, tmp_path: Path) -> None:
    found, facts = taken(tmp_path, "own.jsonl", spans([4, 5, "PER"]), alignment=alignment)
    assert set(tags(found)) == {"O"}
    assert facts["spans off the token borders left out"] == 1


@pytest.mark.parametrize("alignment", ["strict", "expand", "contract"])
def test_a_span_with_blanks_around_it_is_as_good_as_without(alignment: Any, tmp_path: Path) -> None:
    found, facts = taken(tmp_path, "own.jsonl", spans([4, 12, "PER"], [16, 28, "LOC"]), alignment=alignment)
    assert tags(found) == ["O", "B-PER", "O", "B-LOC", "I-LOC", "O"]
    assert facts == {"sentences": 2, "tokens": 7}


def test_of_overlapping_spans_the_longest_stays_and_the_others_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entities = [[0, 4, "PER"], [5, 16, "ACT"], [0, 11, "PER"], [0, 11, "ORG"], [17, 20, "LOC"], [17, 27, "LOC"]]
    found, facts = taken(tmp_path, "own.jsonl", spans(*entities))
    assert tags(found) == ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"]
    assert facts == {"sentences": 2, "tokens": 7, "overlapping spans left out": 4}
    place = f"{tmp_path / 'own.jsonl'}:2: span "
    assert {message.removeprefix(place).split(" '")[0] for message in caplog.messages if place in message} == {
        "0 to 4 PER",
        "5 to 16 ACT",
        "0 to 11 ORG",
        "17 to 20 LOC",
    }


def test_only_the_first_places_are_told_and_all_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, facts = taken(tmp_path, "own.jsonl", spans(*([1, 3, f"T{n}"] for n in range(9))), accept_as_is=True)
    assert facts["spans off the token borders left out"] == 9
    assert 0 < sum(":2: span 1 to 3" in message for message in caplog.messages) < 9


def test_a_span_over_a_line_break_becomes_an_entity_on_each_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = {"text": "saw Anna\r\n\r\nKeller and Oslo\nBruno", "entities": [[4, 18, "PER"], [23, 27, "LOC"]]}
    found, facts = taken(tmp_path, "own.jsonl", json.dumps(record))
    assert found == b"saw O\nAnna B-PER\n\nKeller B-PER\nand O\nOslo B-LOC\n\nBruno O\n\n"
    assert facts == {"sentences": 3, "tokens": 6, "spans cut by a line break": 1}
    assert caplog.messages[0].startswith(f"{tmp_path / 'own.jsonl'}:1: ") and "'Keller'" in caplog.messages[0]


@pytest.mark.parametrize(
    "entity",
    [
        [0, 30, "PER"],
        [28, 29],
        [-1, 4, "PER"],
        [4, 4, "PER"],
        [4, 0, "PER"],
        [0.0, 4.0, "PER"],
        ["0", "4", "PER"],
        [True, 4, "PER"],
        [None, None, "PER"],
        [0, 4, ""],
        [0, 4, " "],
        [0, 4, None],
        [0, 4, 7.5],
        [0, 4, "PER", 1],
        {"start": 0, "label": "PER"},
        {"start": 0, "end": 4.5, "label": "PER"},
        {"value": None},
        {"value": 3},
        "PER",
        "PER\nLOC",
        None,
        7,
    ],
    ids=str,
)
def test_a_span_that_is_none_is_named_with_its_line(entity: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.jsonl:2: ") as error:
        taken(tmp_path, "own.jsonl", spans(entity))
    assert "\n" not in error.value.message and "characters from 0" in error.value.hint


@pytest.mark.parametrize("text", [None, 7, ["Anna"]])
def test_a_record_without_text_is_named_with_its_line(text: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.jsonl:2: no text"):
        taken(tmp_path, "own.jsonl", spans(text=text))


@pytest.mark.parametrize("field", ["entities", "label", "spans"])
@pytest.mark.parametrize("value", ["PER", 7, {"PER": [0, 4]}])
def test_spans_that_are_no_list_are_named_with_their_line(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=rf"own\.jsonl:1: {field}"):
        taken(tmp_path, "own.jsonl", json.dumps({"text": "Anna", field: value}))


@pytest.mark.parametrize(
    "annotations",
    [[3], ["x"], [None], [{"result": None}], [{"result": 3}], [{"result": [3]}], [{"result": [{"value": 3}]}]],
    ids=str,
)
def test_annotations_that_are_none_are_named_with_their_line(annotations: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"own\.json:1: "):
        taken(tmp_path, "own.json", json.dumps([{"data": {"text": "Anna"}, "annotations": annotations}]))


def test_a_text_in_which_somebody_marked_nothing_has_no_entities(tmp_path: Path) -> None:
    record = {"data": {"text": "Anna left"}, "annotations": [{"result": []}]}
    assert taken(tmp_path, "own.json", json.dumps([record]))[0] == b"Anna O\nleft O\n\n"


@pytest.mark.parametrize(
    "token",
    [
        {"text": "Anna"},
        {"start": None, "end": None},
        {"start": "0", "end": "4"},
        {"start": 0.0, "end": 4.0},
        {"start": -4, "end": 4},
        {"start": 4, "end": 0},
        {"start": 9, "end": 19},
        "Anna",
        None,
    ],
    ids=str,
)
def test_a_token_that_is_none_is_named_with_its_line(token: Any, tmp_path: Path) -> None:
    first = {"start": 5, "end": 9}
    record = {"text": "Anna left", "tokens": [first, token], "spans": [{"start": 0, "end": 4, "label": "PER"}]}
    with pytest.raises(InvalidData, match=r"own\.jsonl:1: "):
        taken(tmp_path, "own.jsonl", json.dumps(record))


def test_prodigys_own_tokens_are_kept_even_where_they_would_be_cut_otherwise(tmp_path: Path) -> None:
    places = [(0, 8), (8, 9), (9, 13)]
    tokens = [{"text": "x", "start": start, "end": end, "id": n} for n, (start, end) in enumerate(places)]
    record = {"text": "New-York left", "tokens": tokens, "spans": [{"start": 0, "end": 8, "label": "LOC"}]}
    assert taken(tmp_path, "own.jsonl", json.dumps(record))[0] == b"New-York B-LOC\nleft O\n\n"


@pytest.mark.parametrize(
    "record", [{"tokens": ["\ud83d"], "tags": ["O"]}, {"text": "a \ud83d b", "entities": []}], ids=str
)
def test_half_a_sign_that_no_file_can_hold_is_named_with_its_line(record: Any, tmp_path: Path) -> None:
    """JSON can write half of a pair of surrogates; UTF-8 cannot."""
    with pytest.raises(InvalidData, match=r"own\.jsonl:1"):
        taken(tmp_path, "own.jsonl", json.dumps(record))


@pytest.mark.parametrize("name", ["own.jsonl", "own.json"])
def test_records_that_are_too_deep_are_named_with_their_line(name: str, tmp_path: Path) -> None:
    deep = json.dumps({"tokens": ["a"], "tags": ["O"]})[:-1] + ', "x": ' + "[" * 300 + "]" * 300 + "}"
    content = f"{deep}\n" if name.endswith("l") else f"[\n{deep}\n]"
    with pytest.raises(InvalidData, match=r"own\.jsonl?:\d: .*more than 200 deep"):
        taken(tmp_path, name, content)


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_a_row_that_is_not_utf8_is_named(form: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    ends = pyarrow.py_buffer(b"".join(end.to_bytes(4, "little") for end in (0, 4, 6)))
    texts = pyarrow.Array.from_buffers(pyarrow.string(), 2, [None, ends, pyarrow.py_buffer(b"anna\xff\xfe")])
    tokens = pyarrow.ListArray.from_arrays([0, 1, 2], texts)
    buffer = io.BytesIO()
    table = pyarrow.table({"tokens": tokens, "tags": [["O"], ["O"]]})
    write = parquet.write_table if form == "parquet" else feather.write_feather
    write(table, buffer)
    with pytest.raises(InvalidData, match=rf"own\.{form}: row 2: not UTF-8"):
        taken(tmp_path, f"own.{form}", buffer.getvalue())


def test_a_quote_that_is_never_closed_is_told_before_memory_is_full(tmp_path: Path) -> None:
    content = 'id,token,tag\n1,a,O\n1,"b,O\n' + ("c" * 1000 + "\n") * 17_000
    with pytest.raises(InvalidData, match=r"own\.csv:\d+: not CSV: field larger than field limit"):
        taken(tmp_path, "own.csv", content)
