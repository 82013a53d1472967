"""Own files and recipes: what is taken, what is refused, and what that leaves behind."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import resource
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from helpers import as_bytes
from own_file import run, stored

from nertool.cli.main import main
from nertool.errors import DownloadFailed, InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.sources.recipes import RECIPES
from nertool.workspace.workspace import Workspace

SPLITS = ("train", "dev", "test")
OPTIONS = {"train": "train_file", "dev": "validation_file", "test": "test_file"}
CONLL = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\nBlackburn NNP I-NP I-PER\n\n"
CONLLU = (
    "# text = show flights\n"
    "1\tshow\tshow\tVERB\tVB\t_\t0\troot\t_\t_\n"
    "2\tflights\tflight\tNOUN\tNNS\t_\t1\tobj\t_\t_\n\n"
)


def files(folder: Path, **contents: str | bytes) -> dict[str, str]:
    """Files of the user's own by split, as the options that name them."""
    folder.mkdir(exist_ok=True)
    for split, content in contents.items():
        (folder / f"{split}.txt").write_bytes(as_bytes(content))
    return {OPTIONS[split]: str(folder / f"{split}.txt") for split in contents}


def publish(folder: Path, recipe: str, *contents: str | bytes) -> str:
    """A folder with the files of a recipe; the last content is that of all further ones."""
    folder.mkdir(exist_ok=True)
    for number, published in enumerate(RECIPES[recipe].files.values()):
        content = contents[min(number, len(contents) - 1)]
        (folder / published.name).write_bytes(as_bytes(content))
    return str(folder)


def snapshot(workspace: Workspace) -> dict[str, bytes]:
    """Every file but the log of runs and the lock."""
    paths = [path for path in workspace.path.rglob("*") if path.is_file() and path.name not in ("runs.jsonl", ".lock")]
    return {path.relative_to(workspace.path).as_posix(): path.read_bytes() for path in paths}


# -- own files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "splits", [("train",), ("test",), ("dev",), ("train", "dev"), ("train", "test"), ("train", "dev", "test")]
)
def test_any_of_the_three_files_may_be_missing(splits: tuple[str, ...], w: Workspace, tmp_path: Path) -> None:
    result = run(w, **files(tmp_path, **{split: f"{split} B-X\n" for split in splits}))
    assert stored(w) == {split: f"{split} B-X\n\n" for split in splits}
    assert {split for split in SPLITS if split in result.facts} == set(splits)
    assert set(w.records()["download"]["writes"]) == {f"{split}.txt.tmp" for split in splits}
    assert not (w / "raw").exists()


def test_the_three_files_may_be_of_three_forms(w: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(CONLLU)
    (tmp_path / "b.jsonl").write_text('{"tokens": ["b"], "tags": ["X"]}')
    (tmp_path / "c.csv").write_text("id,token,tag\n1,c,Y\n")
    own = {"train_file": "a.conllu", "validation_file": "b.jsonl", "test_file": "c.csv"}
    run(w, **{option: str(tmp_path / name) for option, name in own.items()})
    assert stored(w) == {"train": "show VERB\nflights NOUN\n\n", "dev": "b X\n\n", "test": "c Y\n\n"}


def test_a_second_run_is_fresh_and_a_changed_file_runs_again(w: Workspace, tmp_path: Path) -> None:
    own = files(tmp_path, train="a O\n", dev="b O\n")
    assert not run(w, **own).fresh
    before = snapshot(w)
    assert run(w, **own).fresh
    assert snapshot(w) == before
    (tmp_path / "dev.txt").write_text("c O\n")
    again = run(w, **own)
    assert (again.fresh, again.why) == (False, "again: dev changed")
    assert stored(w)["dev"] == "c O\n\n"


def test_the_same_file_in_another_place_is_the_same_file(w: Workspace, tmp_path: Path) -> None:
    run(w, **files(tmp_path / "here", train="a O\n"))
    assert run(w, **files(tmp_path / "elsewhere", train="a O\n")).fresh


def test_the_same_bytes_under_a_name_of_another_form_are_read_anew(w: Workspace, tmp_path: Path) -> None:
    line = "1\tshow\tshow\tVERB\tVB\t_\t0\troot\t_\t_\n"
    for name in ("own.txt", "own.conllu"):
        (tmp_path / name).write_text(line)
        run(w, train_file=str(tmp_path / name))
    assert stored(w) == {"train": "show VERB\n\n"}


def test_one_file_less_takes_its_split_away(w: Workspace, tmp_path: Path) -> None:
    own = files(tmp_path, train="a O\n", dev="b O\n")
    run(w, **own)
    again = run(w, train_file=own["train_file"])
    assert (again.fresh, again.why) == (False, "again: dev changed")
    assert stored(w) == {"train": "a O\n\n"}


def test_own_files_take_the_place_of_a_recipe_with_all_it_wrote(w: Workspace, tmp_path: Path) -> None:
    run(w, "wnut17", source=publish(tmp_path / "published", "wnut17", "a\tO\n"))
    assert (w / "raw").is_dir() and set(stored(w)) == set(SPLITS)
    run(w, **files(tmp_path, train="b O\n"))
    assert set(snapshot(w)) == {"train.txt.tmp", "workspace.json"}
    assert not (w / "raw").exists()
    assert "recipe" not in w.facts("download")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "sample", "train_file": "own.txt"}, "cannot be had together"),
        ({"recipe": "sample", "dataset": "some/set"}, "cannot be had together"),
        ({"dataset": "some/set", "test_file": "own.txt"}, "cannot be had together"),
        ({}, "no data set is named"),
        ({"source": "/"}, "no data set is named"),
        ({"train_file": "own.txt", "source": "/"}, "--source is for a recipe"),
        ({"dataset": "some/set", "source": "/"}, "--source is for a recipe"),
    ],
)
def test_none_or_two_kinds_of_sources_are_refused(options: dict[str, str], message: str, w: Workspace) -> None:
    with pytest.raises(InvalidOption, match=message):
        run(w, **options)
    assert not w.path.exists()


def test_a_limit_takes_the_first_sentences_of_each_split(w: Workspace, tmp_path: Path) -> None:
    result = run(w, **files(tmp_path, train="a O\n\nb O\n\nc O\n", dev="d O\n"), limit=2)
    assert stored(w) == {"train": "a O\n\nb O\n\n", "dev": "d O\n\n"}
    assert result.facts["train"] == {"sentences": 2, "tokens": 2}


def test_a_limit_does_not_count_sentences_that_are_left_out(w: Workspace, tmp_path: Path) -> None:
    lines = [{"tokens": tokens, "tags": ["O"] * len(tokens)} for tokens in ([], [" "], ["a"], ["b"], ["c"])]
    (tmp_path / "own.json").write_text(json.dumps(lines))
    run(w, train_file=str(tmp_path / "own.json"), limit=2)
    assert stored(w) == {"train": "a O\n\nb O\n\n"}


def test_a_limit_on_a_recipe_cuts_the_lines_and_keeps_the_published_files(w: Workspace, tmp_path: Path) -> None:
    published = "#\tx\n1\ta\tB-X\tO\n2\tb\tO\tO\n\n1\tc\tO\tO\n\n"
    result = run(w, "germeval2014", source=publish(tmp_path / "published", "germeval2014", published), limit=1)
    assert stored(w) == dict.fromkeys(SPLITS, "a B-X\nb O\n\n")
    assert (w / "raw" / "NER-de-dev.tsv").read_text() == published
    assert {key: result.facts["dev"][key] for key in ("sentences", "tokens")} == {"sentences": 1, "tokens": 2}
    whole = run(w, "germeval2014", source=str(tmp_path / "published"))
    assert (whole.fresh, whole.why) == (False, "again: limit is another")
    assert stored(w)["dev"] == "a B-X\nb O\n\nc O\n\n"


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("iob2", "B-X I-X B-X O B-Y"),
        ("iobes", "B-X E-X S-X O S-Y"),
        ("bilou", "B-X L-X U-X O U-Y"),
        ("io", "I-X I-X I-X O I-Y"),
        ("keep", "I-X I-X B-X O I-Y"),
    ],
)
def test_tags_are_converted_to_the_scheme_that_is_asked_for(
    scheme: Any, tags: str, w: Workspace, tmp_path: Path
) -> None:
    own = "a I-X\nb I-X\nc B-X\nd O\ne I-Y\n"
    result = run(w, **files(tmp_path, train=own, test="f I-Y\n"), scheme=scheme)
    assert [line.split()[1] for line in stored(w)["train"].splitlines() if line] == tags.split()
    assert stored(w)["test"].split()[1] == tags.split()[-1]
    merged = {"changes": {"entities merged with the one before": 1}} if scheme == "io" else {}
    assert result.facts["train"] == {"sentences": 1, "tokens": 5, **merged}
    assert result.facts.get("scheme") == (None if scheme == "keep" else f"iob1 -> {scheme}")


def test_the_recognise_scheme_a_recipe_is_converted_too(w: Workspace, tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "conll2003", CONLL)
    result = run(w, "conll2003", source=source, scheme="bilou", limit=2)
    assert stored(w)["dev"] == "EU U-ORG\nrejects O\n\nPeter B-PER\nBlackburn L-PER\n\n"
    assert result.facts["scheme"] == "iob2 -> bilou"
    assert (w / "raw" / "eng.testa").read_text() == CONLL


@pytest.mark.parametrize("content", ["a NOUN\nb VERB\n", "a B\nb I\n", "a X-PER\n"])
def test_tags_without_a_scheme_are_not_converted(content: str, w: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--scheme iobes.*no prefixes"):
        run(w, **files(tmp_path, train=content), scheme="iobes")
    assert stored(w) == {} and w.records() == {}


# -- recipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "tags"),
    [
        ({}, "B-ORG O B-PER I-PER"),
        ({"task": "ner"}, "B-ORG O B-PER I-PER"),
        ({"task": "pos"}, "NNP VBZ NNP NNP"),
        ({"task": "chunk"}, "B-NP B-VP B-NP I-NP"),
        ({"tag_column": "chunk"}, "B-NP B-VP B-NP I-NP"),
        ({"tag_column": "2"}, "NNP VBZ NNP NNP"),
    ],
)
def test_the_task_chooses_the_column_of_conll2003(
    options: dict[str, Any], tags: str, w: Workspace, tmp_path: Path
) -> None:
    source = publish(tmp_path / "published", "conll2003", "-DOCSTART- -X- O O\n\n" + CONLL)
    result = run(w, "conll2003", source=source, **options)
    assert {text: [line.split()[1] for line in text.splitlines() if line] for text in stored(w).values()} == {
        stored(w)["train"]: tags.split()
    }
    assert result.facts["train"] == {"sentences": 2, "tokens": 4, "dropped_lines": 1}


@pytest.mark.parametrize(("task", "column"), [(None, 2), ("chunk", 2), ("pos", 1)])
def test_the_packed_files_of_conll2000_are_kept_packed(task: Any, column: int, w: Workspace, tmp_path: Path) -> None:
    content = "Confidence NN B-NP\nin IN B-PP\n\nthe DT B-NP\n\n"
    packed = gzip.compress(content.encode(), mtime=1)
    result = run(w, "conll2000", source=publish(tmp_path / "published", "conll2000", packed), task=task)
    wanted = "".join(f"{line.split()[0]} {line.split()[column]}\n" if line else "\n" for line in content.splitlines())
    assert stored(w) == {"train": wanted, "test": wanted}
    assert (w / "raw" / "train.txt.gz").read_bytes() == packed
    assert result.facts["test"] == {"sentences": 2, "tokens": 3, "dropped_lines": 0}


@pytest.mark.parametrize(
    ("options", "tags"), [({}, "VERB NOUN"), ({"tag_column": "xpos"}, "VB NNS"), ({"task": "pos"}, "VERB NOUN")]
)
def test_a_treebank_gives_its_parts_of_speech(options: dict[str, Any], tags: str, w: Workspace, tmp_path: Path) -> None:
    result = run(w, "ud-english-atis", source=publish(tmp_path / "published", "ud-english-atis", CONLLU), **options)
    first, second = tags.split()
    assert stored(w) == dict.fromkeys(SPLITS, f"show {first}\nflights {second}\n\n")
    assert (w / "raw" / "en_atis-ud-test.conllu").read_text() == CONLLU
    assert result.facts["task"] == "pos"


@pytest.mark.parametrize(("recipe", "task"), [("conll2000", "ner"), ("wnut17", "pos"), ("ud-english-atis", "chunk")])
def test_a_task_that_a_recipe_has_no_tags_for_is_refused(recipe: str, task: Any, w: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=f"{recipe} has no tags for --task {task}") as error:
        run(w, recipe, source=str(tmp_path), task=task)
    assert all(known in error.value.hint for known in RECIPES[recipe].tasks)


@pytest.mark.parametrize(
    ("column", "tags"), [("", "B-ORG O"), ("outer", "B-ORG O"), ("inner", "O B-LOC"), ("4", "O B-LOC")]
)
def test_germeval_has_an_outer_and_an_inner_column(column: str, tags: str, w: Workspace, tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "germeval2014", "# x\n1\tTSV\tB-ORG\tO\n2\tHof\tO\tB-LOC\n\n")
    run(w, "germeval2014", source=source, tag_column=column)
    outer, inner = tags.split()
    assert stored(w)["train"] == f"TSV {outer}\nHof {inner}\n\n"


@pytest.mark.parametrize("column", ["middle", "5", "-1"])
def test_a_column_that_germeval_does_not_have_is_refused(column: str, w: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=f"germeval2014 has no column '{column}'") as error:
        run(w, "germeval2014", source=str(tmp_path), tag_column=column)
    assert "outer" in error.value.hint and "inner" in error.value.hint


def test_a_recipe_with_one_column_takes_no_other(w: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="wnut17 has one tag column"):
        run(w, "wnut17", source=publish(tmp_path / "published", "wnut17", "a\tO\n"), tag_column="2")


@pytest.mark.parametrize(
    ("recipe", "content", "message"),
    [
        ("ud-english-atis", CONLLU + "3\tx\n", r"en_atis-ud-train\.conllu:5: 2 columns"),
        ("ud-english-atis", b"1\t\xff\n", r"en_atis-ud-train\.conllu: not UTF-8 in line 1"),
        ("conll2000", b"a O O\n", r"train\.txt\.gz is no whole archive"),
        ("conll2000", gzip.compress(b"a O O\n" * 99)[:-9], r"train\.txt\.gz is no whole archive"),
    ],
    ids=["a line", "not UTF-8", "no archive", "an archive cut short"],
)
def test_a_published_file_that_is_broken_is_named_where_it_can_be_looked_at(
    recipe: str, content: str | bytes, message: str, w: Workspace, tmp_path: Path
) -> None:
    source = publish(tmp_path / "published", recipe, content)
    with pytest.raises(InvalidData, match=message) as error:
        run(w, recipe, source=source)
    assert error.value.message.startswith(source), "the copy in the workspace is gone by now"
    assert stored(w) == {} and w.records() == {} and not (w / "raw").exists()


# -- the same as ever? -----------------------------------------------------------------------------


def made_edition(monkeypatch: pytest.MonkeyPatch, recipe: str, workspace: Workspace) -> None:
    """What stands in the workspace becomes the recipe's one known edition."""
    writes = workspace.records()["download"]["writes"]
    digests = {split: writes[f"{split}.txt.tmp"]["sha256"] for split in SPLITS}
    monkeypatch.setitem(RECIPES, recipe, replace(RECIPES[recipe], editions={"Made 1999": digests}))


def test_a_known_edition_is_named_and_another_one_told_with_its_splits(
    w: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = publish(tmp_path / "published", "wnut17", "a\tO\n", "b\tO\n", "c\tO\n")
    assert run(w, "wnut17", source=source).facts["edition"] == "unknown"
    assert len(caplog.messages) == 1 and all(split in caplog.messages[0] for split in (*SPLITS, "WNUT 2017"))
    made_edition(monkeypatch, "wnut17", w)
    caplog.clear()
    assert run(w, "wnut17", source=source, force=True).facts["edition"] == "Made 1999"
    assert caplog.messages == []
    (tmp_path / "published" / "emerging.dev.conll").write_text("x\tO\n")
    assert run(w, "wnut17", source=source).facts["edition"] == "unknown"
    found = hashlib.sha256(b"x O\n").hexdigest()[:16], hashlib.sha256(b"b O\n").hexdigest()[:16]
    told = "not the files of Made 1999, another edition, or changed: dev.txt.tmp has SHA-256 {}, not {}".format(*found)
    assert caplog.messages == [told]
    fresh = Workspace(w.path.with_name("fresh"))
    with pytest.raises(InvalidData, match=f"--locked: {told}"):
        run(fresh, "wnut17", source=source, locked=True)
    assert not fresh.splits(".txt.tmp")
    (tmp_path / "published" / "emerging.dev.conll").write_text("b\tO\n")
    assert run(fresh, "wnut17", source=source, locked=True).facts["edition"] == "Made 1999"


@pytest.mark.parametrize("options", [{"limit": 1}, {"scheme": "io"}])
def test_what_was_cut_or_converted_is_no_edition(options: Any, w: Workspace, tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "wnut17", "a\tB-X\n")
    assert "edition" not in run(w, "wnut17", source=source, **options).facts


def test_locked_takes_files_that_are_those_of_the_record(w: Workspace, tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "wnut17", "a\tO\n")
    run(w, "wnut17", source=source)
    before = snapshot(w)
    assert run(w, "wnut17", source=source, locked=True).fresh
    assert not run(w, "wnut17", source=source, locked=True, force=True).fresh
    assert snapshot(w) == before
    (w / "dev.txt.tmp").unlink()
    assert not run(w, "wnut17", source=source, locked=True).fresh
    assert snapshot(w) == before


def test_locked_refuses_a_published_file_that_changed(w: Workspace, tmp_path: Path) -> None:
    source = publish(tmp_path / "published", "wnut17", "a\tO\n")
    run(w, "wnut17", source=source)
    before = snapshot(w)
    (tmp_path / "published" / "emerging.dev.conll").write_text("b\tO\n")
    with pytest.raises(InvalidData, match=r"raw/emerging\.dev\.conll is not the file of the record") as error:
        run(w, "wnut17", source=source, locked=True)
    assert before["raw/emerging.dev.conll"] and snapshot(w) == before
    recorded = w.records()["download"]["writes"]["raw/emerging.dev.conll"]["sha256"]
    assert f"recorded {recorded}" in error.value.message and "--locked" in error.value.hint
    assert not run(w, "wnut17", source=source).fresh, "without it, it is taken as it is now"


def test_locked_refuses_own_files_that_changed(w: Workspace, tmp_path: Path) -> None:
    own = files(tmp_path, train="a O\n", dev="b O\n")
    run(w, **own)
    assert run(w, **own, locked=True).fresh
    before = snapshot(w)
    (tmp_path / "dev.txt").write_text("c O\n")
    with pytest.raises(InvalidData, match="dev is not the file of the record"):
        run(w, **own, locked=True)
    with pytest.raises(InvalidData, match="dev is not the file of the record"):
        run(w, train_file=own["train_file"], locked=True)
    assert snapshot(w) == before


def test_locked_needs_a_record(w: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--locked: no download is on record"):
        run(w, **files(tmp_path, train="a O\n"), locked=True)
    assert snapshot(w) == {}
    w.path.mkdir(exist_ok=True)
    (w / "train.txt.tmp").write_text("mine O\n")
    with pytest.raises(InvalidOption, match="--locked: no download is on record"):
        run(w, **files(tmp_path, train="a O\n"), locked=True)
    assert stored(w) == {"train": "mine O\n"}


def test_a_record_holds_no_place_of_this_machine(w: Workspace, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("O\nB-X\n")
    (tmp_path / "own.jsonl").write_text('{"tokens": ["a", "b"], "tags": [0, 1]}\n')
    found = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("names", "own.jsonl"):
            (folder / file).write_bytes((tmp_path / file).read_bytes())
        workspace = Workspace(folder / "w")
        run(workspace, train_file=str(folder / "own.jsonl"), tag_names=str(folder / "names"))
        found[name] = (workspace / "workspace.json").read_bytes()
    assert found["one"] == found["two"]
    assert str(tmp_path).encode() not in found["one"]


def test_other_names_of_the_tags_run_again(w: Workspace, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"tokens": ["a", "b"], "tags": [0, 1]}\n')
    for names in ("O B-X", "O B-Y"):
        (tmp_path / "names").write_text("\n".join(names.split()))
        result = run(w, train_file=str(tmp_path / "own.jsonl"), tag_names=str(tmp_path / "names"))
    assert result.why == "again: tag names changed"
    assert stored(w) == {"train": "a O\nb B-Y\n\n"}


# -- bad input -------------------------------------------------------------------------------------


def parquet(rows: int = 3) -> bytes:
    import pyarrow.parquet

    target = io.BytesIO()
    table = pyarrow.table({"tokens": [["Anna", str(n)] for n in range(rows)], "tags": [["B-X", "O"]] * rows})
    pyarrow.parquet.write_table(table, target)
    return target.getvalue()


def arrow(stream: bool, rows: int = 300) -> bytes:
    import pyarrow

    target = io.BytesIO()
    table = pyarrow.table({"tokens": [["Anna", str(n)] for n in range(rows)], "tags": [["B-X", "O"]] * rows})
    with (pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file)(target, table.schema) as writer:
        writer.write_table(table)
    return target.getvalue()


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("own.txt", content)
    return target.getvalue()


def scratched(content: bytes) -> bytes:
    """Whole by its ends, spoilt between."""
    return content[:8] + bytes(byte ^ 0xFF for byte in content[8:80]) + content[80:]


TEXT = b"Anna B-PER\nleft O\n\n"
ROW = b'{"tokens": ["Anna"], "tags": ["B-PER"]}'
CSV = b"id,token,tag\n1,Anna,B-PER\n"
WORD = b"1\tAnna\t_\tX\t_\t_\t_\t_\t_\t_\n"
LATIN = "grün".encode("latin-1")
LONG = b"x" * 10_000_000
NOISE = random.Random(0).randbytes(999)
BAD: dict[str, tuple[str, bytes, str]] = {  # name of the file, its bytes, what is told behind the folder's name
    "not UTF-8": ("own.txt", TEXT + LATIN + b" O\n", r"own\.txt: not UTF-8 in line 4"),
    "not UTF-8, CoNLL-U": ("own.conllu", WORD + WORD.replace(b"Anna", LATIN), r"own\.conllu: not UTF-8 in line 2"),
    "not UTF-8, JSON Lines": ("own.jsonl", ROW + b"\n" + ROW.replace(b"Anna", LATIN), "not UTF-8 in line 2"),
    "not UTF-8, JSON": ("own.json", b"[\n" + ROW.replace(b"Anna", LATIN) + b"\n]", "not UTF-8 in line 2"),
    "not UTF-8, CSV": ("own.csv", CSV + b"1," + LATIN + b",O\n", "not UTF-8 in line 3"),
    "not UTF-8, packed": ("own.txt.gz", gzip.compress(TEXT + LATIN + b" O\n"), "not UTF-8 in line 4"),
    "UTF-16, little end first": ("own.txt", "\ufeffa O\n".encode("utf-16-le"), r"own\.txt:1: this is UTF-16"),
    "UTF-16, big end first": ("own.txt", "\ufeffa O\n".encode("utf-16-be"), r"own\.txt:1: this is UTF-16"),
    "UTF-16 without a mark": ("own.txt", "a O\n".encode("utf-16-le"), r"own\.txt:1: this is UTF-16LE"),
    "UTF-16 without a mark, big end first": ("own.txt", "a O\n".encode("utf-16-be"), r"own\.txt:1: this is UTF-16BE"),
    "UTF-16, CoNLL-U": ("own.conllu", "\ufeffa\n".encode("utf-16-le"), r"own\.conllu:1: this is UTF-16"),
    "UTF-16, JSON": ("own.json", "\ufeff[]\n".encode("utf-16-le"), r"own\.json:1: this is UTF-16"),
    "UTF-16, JSON Lines": ("own.jsonl", "\ufeff{}\n".encode("utf-16-be"), r"own\.jsonl:1: this is UTF-16"),
    "UTF-16, CSV": ("own.csv", "\ufeffid,token,tag\n".encode("utf-16-be"), r"own\.csv:1: this is UTF-16"),
    "NUL": ("own.txt", TEXT + b"a\0b O\n", r"own\.txt:4: a NUL byte"),
    "NUL, CoNLL-U": ("own.conllu", WORD + WORD.replace(b"n", b"\0"), r"own\.conllu:2: a NUL byte"),
    "NUL, CSV": ("own.csv", CSV + b"1,\0,O\n", r"own\.csv:3: a NUL byte"),
    "NUL, JSON Lines": ("own.jsonl", ROW + b"\n" + ROW.replace(b"n", b"\0"), r"own\.jsonl:2: a NUL byte"),
    "NUL, JSON": ("own.json", b"[\n" + ROW + b",\n" + ROW.replace(b"nn", b"\0"), r"own\.json:3: "),
    "no tag": ("own.txt", TEXT + b"Anna\n", r"own\.txt:4: no tag behind the token: 'Anna'"),
    "no tag behind a tab": ("own.tsv", b"a\tO\nb\t\n", r"own\.tsv:2: no tag behind the token"),
    "no tag behind a delimiter and a blank": ("own.tsv", b"a\tO\nb\t \n", r"own\.tsv:2: no tag behind the token"),
    "no tag in the first line": ("own.txt", b"\n\nAnna\nleft\n", r"own\.txt:3: "),
    "empty": ("own.txt", b"", r"own\.txt:1: no sentence"),
    "only blank lines": ("own.txt", b"\n \n\t\r\n", r"own\.txt:1: no sentence"),
    "only comments": ("own.conllu", b"# a\n\n", r"own\.conllu:1: no sentence"),
    "empty CoNLL-U": ("own.conllu", b"", r"own\.conllu:1: no sentence"),
    "empty JSON Lines": ("own.jsonl", b"", r"own\.jsonl:1: no sentence"),
    "empty JSON": ("own.json", b"", r"own\.json:1: no "),
    "empty JSON list": ("own.json", b"[]", r"own\.json:1: no sentence"),
    "empty CSV": ("own.csv", b"", r"own\.csv:1: no "),
    "CSV without rows": ("own.csv", b"id,token,tag\n", r"own\.csv:1: no sentence"),
    "empty Parquet": ("own.parquet", b"", r"own\.parquet"),
    "Parquet without rows": ("own.parquet", parquet(0), r"own\.parquet:1: no sentence"),
    "empty Arrow": ("own.arrow", b"", r"own\.arrow"),
    "empty archive": ("own.txt.gz", b"", r"own\.txt\.gz"),
    "a line of 10 MB": ("own.txt", TEXT + LONG + b" O\n", r"own\.txt:4: a line of 10,000,"),
    "a line of 10 MB, CoNLL-U": ("own.conllu", LONG, r"own\.conllu:1: a line of 10,000,"),
    "a line of 10 MB, CSV": ("own.csv", CSV + LONG, r"own\.csv:3: a line of 10,000,"),
    "more columns": ("own.txt", b"a O\nb x O\n", r"own\.txt:2: 3 columns, the first line has 2"),
    "fewer columns": ("own.txt", b"a x y O\n\nb x O\n", r"own\.txt:3: 3 columns, the first line has 4"),
    "JSON Lines cut short": ("own.jsonl", ROW + b"\n" + ROW[:-5], r"own\.jsonl:2: not JSON"),
    "JSON cut short": ("own.json", b"[\n" + ROW + b",\n" + ROW[:-5], r"own\.json:3: broken JSON"),
    "JSON cut short in one line": ("own.json", b"[" + ROW + b", " + ROW[:-5], r"own\.json:1: broken JSON"),
    "JSON cut short behind a row": ("own.json", b"[\n" + ROW, r"own\.json:2: broken JSON"),
    "JSON cut short behind a comma": ("own.json", b"[\n" + ROW + b",\n", r"own\.json:\d: broken JSON"),
    "JSON cut short at once": ("own.json", b"[", r"own\.json:1: broken JSON"),
    "JSON object cut short": ("own.json", b'{"data": [' + ROW + b",", r"own\.json:1: broken JSON"),
    "JSON without a comma": ("own.json", b"[\n" + ROW + b"\n" + ROW + b"]", r"own\.json:2: broken JSON"),
    "two JSON lists": ("own.json", b"[" + ROW + b"]\n[" + ROW + b"]\n", r"own\.json:\d: "),
    "JSON of something else": ("own.json", b'{"a": 1,\n"b": 2}', r"own\.json:1: no list of records"),
    "a name with a line feed": ("own.jsonl", b'{"a\\nb": ["x"]}', r"own\.jsonl: neither tokens nor a text"),
    "a label with a line feed": (
        "own.jsonl",
        b'{"text": "a", "spans": [[0, 9, "X\\nY"]]}',
        r"own\.jsonl:1: span 0 to 9",
    ),
    "a name with a line feed, CSV": ("own.csv", b'"a\nb",tag\n1,O\n', r"own\.csv: no column"),
    "a JSON string": ("own.json", b'"text"', r"own\.json:1: no list of records"),
    "JSON, a list of strings": ("own.json", b'["Anna\\nleft"]', r"own\.json:1: not a JSON object"),
    "JSON, a number among the rows": ("own.jsonl", ROW + b"\n7\n", r"own\.jsonl:2: not a JSON object"),
    "JSON without an end": ("own.jsonl", ROW + b"\n" + b"[" * 100_000, r"own\.jsonl:2: "),
    "JSON list without an end": ("own.json", b"[\n" + ROW + b",\n" + b"[" * 100_000, r"own\.json:3: "),
    "integers without names": ("own.jsonl", b'{"tokens": ["a"], "tags": [1]}', r"own\.jsonl:1: tag 1 is an integer"),
    "tags that are neither": ("own.jsonl", b'{"tokens": ["a"], "tags": [1.5]}', r"own\.jsonl:1: a tag is 1\.5"),
    "an empty tag": ("own.jsonl", b'{"tokens": ["a"], "tags": [" "]}', r"own\.jsonl:1: an empty tag"),
    "no tag at all": ("own.jsonl", ROW + b'\n{"tokens": ["a"]}', r"own\.jsonl:2: column tags holds nothing"),
    "a string for a list": (
        "own.jsonl",
        b'{"tokens": "a b", "tags": ["O"]}',
        r"own\.jsonl:1: column tokens holds a str",
    ),
    "a token that is none": ("own.jsonl", b'{"tokens": ["a", 1], "tags": ["O", "O"]}', r"own\.jsonl:1: a token"),
    "more tags": ("own.jsonl", b'{"tokens": ["a"], "tags": ["O", "O"]}', r"own\.jsonl:1: 2 tags for 1 tokens"),
    "fewer tags": ("own.json", b"[" + ROW + b',\n{"tokens": ["a"], "tags": []}]', r"own\.json:2: 0 tags for 1 tokens"),
    "text named .gz": ("own.txt.gz", TEXT, r"own\.txt\.gz is no whole archive"),
    "text named .bz2": ("own.txt.bz2", TEXT, r"own\.txt\.bz2 is not the archive its name says"),
    "text named .xz": ("own.txt.xz", TEXT, r"own\.txt\.xz is no whole archive"),
    "gzip cut short": ("own.txt.gz", gzip.compress(TEXT * 99)[:-12], r"own\.txt\.gz is no whole archive"),
    "bzip2 cut short": ("own.txt.bz2", bz2.compress(TEXT * 99)[:-12], r"own\.txt\.bz2 is no whole archive"),
    "xz cut short": ("own.txt.xz", lzma.compress(TEXT * 99)[:-12], r"own\.txt\.xz is no whole archive"),
    "gzip spoilt": ("own.txt.gz", scratched(gzip.compress(NOISE)), r"own\.txt\.gz is no"),
    "bzip2 spoilt": ("own.txt.bz2", scratched(bz2.compress(NOISE)), r"own\.txt\.bz2 is no"),
    "xz spoilt": ("own.txt.xz", scratched(lzma.compress(NOISE)), r"own\.txt\.xz is no"),
    "gzip named text": ("own.txt", gzip.compress(TEXT), r"own\.txt:1: this is a gzip archive"),
    "zip named text": ("own.txt", zipped(TEXT), r"own\.txt:1: this is a zip archive"),
    "xz named .jsonl": ("own.jsonl", lzma.compress(ROW), r"own\.jsonl:1: this is an xz archive"),
    "bzip2 named .csv": ("own.csv", bz2.compress(CSV), r"own\.csv:1: this is a bzip2 archive"),
    "Parquet named .conllu": ("own.conllu", parquet(), r"own\.conllu:1: this is a Parquet file"),
    "Arrow named text": ("own.txt", arrow(False), r"own\.txt"),
    "text named .parquet": ("own.parquet", TEXT * 9, r"own\.parquet is no whole Parquet file"),
    "text named .arrow": ("own.arrow", TEXT * 9, r"own\.arrow is no whole Arrow file"),
    "text named .feather": ("own.feather", TEXT * 9, r"own\.feather is no whole Arrow file"),
    "Parquet cut short": ("own.parquet", parquet()[:-30], r"own\.parquet is no whole Parquet file"),
    "Parquet spoilt": ("own.parquet", scratched(parquet()), r"own\.parquet is no whole Parquet file"),
    "Arrow cut short": ("own.arrow", arrow(True)[:-999], r"own\.arrow is no whole Arrow file"),
    "Arrow cut short in its head": ("own.arrow", arrow(True)[:99], r"own\.arrow is no whole Arrow file"),
    "Feather cut short": ("own.feather", arrow(False)[:-99], r"own\.feather is no whole Arrow file"),
}


def nothing_left(workspace: Workspace) -> bool:
    """Neither files of a split, nor a record, nor anything half done."""
    return not workspace.path.exists() or {path.name for path in workspace.path.iterdir()} <= {".lock", "runs.jsonl"}


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_is_not_what_it_should_be_is_told_with_its_line(bad: str, w: Workspace, tmp_path: Path) -> None:
    name, content, message = BAD[bad]
    (tmp_path / name).write_bytes(content)
    with pytest.raises((InvalidData, InvalidOption), match=message) as error:
        run(w, train_file=str(tmp_path / name))
    assert error.value.message.startswith(str(tmp_path / name)) and error.value.hint
    assert "\n" not in error.value.message + error.value.hint
    assert "None" not in error.value.message, "a reason is told, not that there is none"
    assert nothing_left(w)


@pytest.mark.parametrize(
    "bad", ["not UTF-8", "no tag", "Parquet spoilt", "JSON, a list of strings", "a line of 10 MB", "Arrow cut short"]
)
def test_on_the_terminal_bad_input_is_two_lines(
    bad: str, w: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, message = BAD[bad]
    (tmp_path / name).write_bytes(content)
    arguments = ["download", "--train-file", str(tmp_path / name), "-w", str(w.path)]
    monkeypatch.setattr(sys, "argv", ["nertool", *arguments])
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert (end.value.code, out) == (1, "")
    assert first.startswith(f"error: {tmp_path / name}") and second
    assert nothing_left(w)


def test_a_bad_file_leaves_what_was_had_before(w: Workspace, tmp_path: Path) -> None:
    run(w, **files(tmp_path, train="a O\n", dev="b O\n"))
    before = snapshot(w)
    with pytest.raises(InvalidData, match=r"dev\.txt:2"):
        run(w, **files(tmp_path, train="new O\n", dev="b O\nc\n"))
    assert snapshot(w) == before


def test_an_integer_beyond_its_names_is_told_with_its_line(w: Workspace, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("O\nB-X\n")
    for tag in (2, -1):
        (tmp_path / "own.jsonl").write_text(f'{{"tokens": ["a"], "tags": [0]}}\n{{"tokens": ["a"], "tags": [{tag}]}}\n')
        with pytest.raises(InvalidData, match=rf"own\.jsonl:2: tag {tag}, but there are names for 0 to 1"):
            run(w, train_file=str(tmp_path / "own.jsonl"), tag_names=str(tmp_path / "names"))
    assert nothing_left(w)


@pytest.mark.parametrize("option", OPTIONS.values())
def test_a_file_that_is_not_there_is_told(option: str, w: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NertoolError, match=r"nowhere\.txt") as error:
        run(w, **{**files(tmp_path, train="a O\n"), option: str(tmp_path / "nowhere.txt")})
    assert isinstance(error.value, (MissingInput, InvalidOption))
    assert "nertool status" not in error.value.hint, "no stage writes the user's own files"
    assert nothing_left(w)


def directory(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.with_name("back"))
    path.with_name("back").symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def unreadable(path: Path) -> None:
    """Root may read everything that has a mode; not so the memory at address 0."""
    if not Path("/proc/self/mem").exists():
        pytest.skip("needs /proc")
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize("name", ["own.txt", "own.conllu", "own.json", "own.parquet", "own.csv.gz"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (directory, "is a directory"),
        (fifo, "is no regular file"),
        (loop, "symbolic links"),
        (dangling, "is missing"),
        (unreadable, "cannot be read"),
    ],
)
def test_what_is_no_file_that_can_be_read_is_told(
    make: Any, message: str, name: str, w: Workspace, tmp_path: Path
) -> None:
    make(tmp_path / name)
    with pytest.raises(NertoolError, match=message) as error:
        run(w, train_file=str(tmp_path / name))
    assert error.value.message.startswith(str(tmp_path / name))
    assert nothing_left(w)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can become larger: a disk that is full for this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["own files", "packed files of its own", "conll2000", "wnut17", "ud-english-atis"])
def test_a_disk_that_gets_full_is_told_and_leaves_nothing(kind: str, w: Workspace, tmp_path: Path) -> None:
    content = {"wnut17": "a\tO\n", "ud-english-atis": CONLLU, "conll2000": "a NN O\n"}.get(kind, "a O\n") * 10_000
    if kind == "own files":
        options: dict[str, Any] = files(tmp_path, train=content)
    elif kind in RECIPES:
        packed = gzip.compress(content.encode()) if kind == "conll2000" else content
        options = {"recipe": kind, "source": publish(tmp_path / "published", kind, packed)}
    else:
        (tmp_path / "own.txt.gz").write_bytes(gzip.compress(content.encode()))
        options = {"train_file": str(tmp_path / "own.txt.gz")}
    with files_up_to(30_000), pytest.raises(NertoolError, match="; nothing was changed") as error:
        run(w, **options)
    assert error.value.message.startswith(str(w.path)) and "-w DIR" in error.value.hint
    assert stored(w) == {} and w.records() == {} and not (w / "raw").exists()
    assert not run(w, **options).fresh, "with room again, all is well"


class Elsewhere(BaseHTTPRequestHandler):
    """Sends whoever asks to a file of this machine."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "file:///etc/hostname")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep stderr for what pytest has to say."""


def test_a_host_that_points_at_files_of_this_machine_is_not_followed(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        with pytest.raises(DownloadFailed, match="file:"):
            run(w, "wnut17", source=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert stored(w) == {} and w.records() == {} and not (w / "raw").exists()


@pytest.mark.parametrize("token", ["BZhang", "PAR1", "PK", "BZh91AY"])
def test_a_token_that_begins_like_an_archive_is_a_token(token: str, w: Workspace, tmp_path: Path) -> None:
    run(w, **files(tmp_path, train=f"{token} B-X\n"))
    assert stored(w)["train"] == f"{token} B-X\n\n"
