"""Options for readers: each has an effect on what is read, or is refused; records of one token each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import feather, parquet

from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers import used_options
from nertool.stages import download
from nertool.workspace.workspace import Workspace

ROWS = '{"tokens": ["Anna", "left"], "ner_tags": ["B-PER", "O"], "sid": "1"}\n'
TEXTS = '{"text": "Anna left", "label": [[0, 4, "PER"]]}\n'
SPERT = '{"tokens": ["Anna", "left"], "entities": [{"type": "PER", "start": 0, "end": 1}]}\n'
CONLLU = "1\tAnna\t_\tPROPN\t_\t_\t0\troot\t_\t_\n2\tleft\t_\tVERB\t_\t_\t1\tdep\t_\t_\n\n"
CONLL_2012 = (
    "#begin document (d); part 000\n"
    "d 0 0 Anna NNP (S* - - - A (PERSON) -\nd 0 1 left VBD *) - - - A * -\n\n#end document\n"
)
WEBANNO = (
    "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.NamedEntity|value\n\n\n#Text=Anna left\n"
    "1-1\t0-4\tAnna\tPER\n1-2\t5-9\tleft\t_\n"
)
FILES = {
    "own.txt": "Anna B-PER\nleft O\n",
    "tokens.csv": "sentence_id,token,tag\n1,Anna,B-PER\n1,left,O\n",
    "lists.csv": "tokens,tags\nAnna left,B-PER O\n",
    "rows.jsonl": ROWS,
    "texts.jsonl": TEXTS,
    "spert.jsonl": SPERT,
    "own.conllu": CONLLU,
    "own.conll": CONLL_2012,
    "own.tsv": WEBANNO,
}
VALUES = {
    **{"token_column": "tokens", "tag_column": "tags", "sentence_column": "sid", "delimiter": "tab", "comment": "%"},
    **{"sentence_end": ".", "text_column": "text", "spans_column": "label", "annotator": "Bo", "alignment": "expand"},
    **{"tokenizer": "unicode"},
}
USED = {
    "own.txt": {"token_column", "tag_column", "sentence_column", "delimiter", "comment", "sentence_end"},
    "tokens.csv": {"token_column", "tag_column", "sentence_column", "delimiter", "sentence_end"},
    "lists.csv": {"token_column", "tag_column", "delimiter"},
    "rows.jsonl": {"token_column", "tag_column"},
    "texts.jsonl": {"text_column", "spans_column", "tag_column", "annotator", "alignment", "tokenizer"},
    "spert.jsonl": {"tag_column"},
    "own.conllu": {"token_column", "tag_column"},
    "own.conll": {"token_column", "tag_column", "delimiter"},  # which make it column text
    "own.tsv": {"tag_column", "spans_column"},
}
"""Options that each form has a use for."""
WORDS = [("1", "Anna", "B-PER"), ("1", "left", "O"), ("2", "Oslo", "B-LOC"), ("2", ".", "O"), ("3", "No", "O")]
STORED = b"Anna B-PER\nleft O\n\nOslo B-LOC\n. O\n\nNo O\n\n"


def run(folder: Path, *files: Path, **options: Any) -> bytes:
    """Train's bytes from files for train and test."""
    named = dict(zip(("train_file", "test_file"), map(str, files), strict=False))
    workspace = Workspace(folder / "w")
    download.run(workspace, download.Options(**named, force=True, **options))
    return (workspace / "train.txt.tmp").read_bytes()


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name in FILES for option in VALUES if option not in USED[name]]
)
def test_an_option_that_a_form_has_no_use_for_is_refused(name: str, option: str, tmp_path: Path) -> None:
    path = write(tmp_path, name, FILES[name])
    with pytest.raises((InvalidOption, InvalidData)) as raised:
        run(tmp_path, path, **{option: VALUES[option]})
    told = raised.value.message + raised.value.hint
    assert f"--{option.replace('_', '-')}" in told or VALUES[option] in told
    assert not (tmp_path / "w" / "train.txt.tmp").exists()


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("option", ["sentence_column", "encoding", "delimiter", "comment", "annotator"])
def test_tables_of_sentences_refuse_options_of_other_forms(suffix: str, option: str, tmp_path: Path) -> None:
    path = tmp_path / f"own.{suffix}"
    table = pyarrow.table({"tokens": [["Anna", "left"]], "ner_tags": [["B-PER", "O"]], "sid": ["1"]})
    (parquet.write_table if suffix == "parquet" else feather.write_feather)(table, str(path))
    value = {"encoding": "cp1252", **VALUES}[option]
    with pytest.raises(InvalidOption, match=rf"--{option.replace('_', '-')}: the data are a sentence a row"):
        run(tmp_path, path, **{option: value})


def test_an_option_that_one_of_several_files_uses_is_taken(tmp_path: Path) -> None:
    table = write(tmp_path, "own.csv", "s;token;tag\n1;Anna;B-PER\n1;left;O\n2;No;O\n")
    rows = write(tmp_path, "own.jsonl", ROWS)
    assert run(tmp_path, table, rows, sentence_column="s", delimiter=";") == b"Anna B-PER\nleft O\n\nNo O\n\n"
    with pytest.raises(InvalidOption, match="--comment: the data are a token a row and a sentence a row"):
        run(tmp_path, table, rows, delimiter=";", sentence_column="s", comment="%")


def test_every_option_that_says_how_files_are_read_is_looked_at() -> None:
    assert {*download.FOR_READERS, "tag_column", "tokenizer"} == {*used_options.OPTIONS}


# -- names of tags -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tags", ["[0, 1]", '["0", "1"]'])
def test_names_of_tags_are_put_in_once(tags: str, tmp_path: Path) -> None:
    path = write(tmp_path, "own.jsonl", f'{{"tokens": ["Anna", "left"], "tags": {tags}}}\n')
    names = write(tmp_path, "names.txt", "1\n0\n")
    assert run(tmp_path, path, tag_names=str(names), accept_as_is=True) == b"Anna 1\nleft 0\n\n"


@pytest.mark.parametrize("name", ["own.txt", "tokens.csv", "rows.jsonl", "texts.jsonl"])
def test_names_that_no_tag_needs_are_told(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, names = write(tmp_path, name, FILES[name]), write(tmp_path, "names.txt", "O\nB-PER\n")
    with caplog.at_level("INFO"):
        run(tmp_path, path, tag_names=str(names))
    assert "no tag is a number, so the names of --tag-names are not needed" in caplog.text


def test_a_file_of_no_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no name in this file"):
        run(tmp_path, write(tmp_path, "own.txt", FILES["own.txt"]), tag_names=str(write(tmp_path, "names.txt", "\n")))


# -- records of one token ------------------------------------------------------------------------------


def records(**keys: str) -> list[dict[str, Any]]:
    """A record a token, as pandas writes a table of tokens; the id of a sentence stands on its first row alone."""
    found: list[dict[str, Any]] = []
    before = ""
    for sid, token, tag in WORDS:
        found.append({keys["sid"]: None if sid == before else sid, keys["token"]: token, keys["tag"]: tag, "n": 1.5})
        before = sid
    return found


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet", "arrow"])
def test_records_of_one_token_are_sentences_by_their_ids(suffix: str, tmp_path: Path) -> None:
    for keys, option in (
        ({"sid": "Sentence #", "token": "Word", "tag": "Tag"}, {}),
        ({"sid": "s", "token": "token", "tag": "tag"}, {"sentence_column": "s"}),
    ):
        path, rows = tmp_path / f"own.{suffix}", records(**keys)
        if suffix == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        elif suffix == "json":
            path.write_text(json.dumps(rows))
        elif suffix == "parquet":
            parquet.write_table(pyarrow.Table.from_pylist(rows), str(path))
        else:
            feather.write_feather(pyarrow.Table.from_pylist(rows), str(path))
        assert run(tmp_path, path, **option) == STORED


def test_records_of_one_token_without_an_end_of_a_sentence_are_refused(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"token": token, "tag": tag}) + "\n" for _, token, tag in WORDS)
    path = write(tmp_path, "own.jsonl", lines)
    with pytest.raises(InvalidOption, match="no column of sentence ids") as raised:
        run(tmp_path, path)
    assert "--sentence-column" in raised.value.hint
    assert run(tmp_path, path, sentence_end=".") == b"Anna B-PER\nleft O\nOslo B-LOC\n. O\n\nNo O\n\n"


def test_a_record_without_its_token_is_told_with_its_line(tmp_path: Path) -> None:
    lines = '{"s": 1, "token": "Anna", "tag": 1}\n{"s": 1, "token": ["left"], "tag": 0}\n{"s": 2, "tag": "O"}\n'
    path, names = write(tmp_path, "own.jsonl", lines), write(tmp_path, "names.txt", "O\nB-PER\n")
    with pytest.raises(InvalidData, match=r"own\.jsonl:2: .*is no text"):
        run(tmp_path, path, sentence_column="s", tag_names=str(names))


def test_texts_with_tokens_of_their_own_are_counted_beside_a_tokenizer(tmp_path: Path) -> None:
    record = {"text": "Anna left", "tokens": [{"start": 0, "end": 4}, {"start": 5, "end": 9}], "spans": []}
    path = write(tmp_path, "own.jsonl", json.dumps(record) + "\n")
    options = download.Options(train_file=str(path), tokenizer="words")
    facts = download.run(Workspace(tmp_path / "w"), options).facts
    assert facts["train"]["changes"] == {"texts with tokens of their own, which --tokenizer does not change": 1}
