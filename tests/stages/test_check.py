"""Check: each kind of finding with every place, counts against an independent reading, the command's exit status."""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers import NAMES, VERBS
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.cli.main import main
from nertool.corpus import blocks as line_blocks
from nertool.corpus import line_cache, profile
from nertool.corpus.check_report import Finding, Report
from nertool.corpus.column_files import read_sentences
from nertool.errors import InvalidData, MissingInput, NertoolError
from nertool.sources.recipes import RECIPES
from nertool.stages import check, download, labels, preprocess
from nertool.stages.check import Options
from nertool.tags import convert, spans
from nertool.workspace.workspace import Workspace

SPLITS = ("train", "dev", "test")
TRAIN = "anna B-PER\nleft O\noslo B-LOC\n\nbruno B-PER\nsaw O\nnew B-LOC\nlisbon I-LOC\n\n"
CLEAN = {"train": TRAIN, "dev": "clara B-PER\nleft O\nvienna B-LOC\n\n", "test": "clara B-PER\nsaw O\noslo B-LOC\n"}
Row = tuple[str, str, str, list[str]]
"""Severity, what, split, places in that split's file."""


def write(folder: Path, files: Mapping[str, str], suffix: str = ".txt.tmp") -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    for split, content in files.items():
        (folder / f"{split}{suffix}").write_text(content, encoding="utf-8", newline="")
    return Workspace(folder)


def rows(report: Report) -> list[Row]:
    """Findings with all their places, but for rare types and a missing dev: a small corpus has nothing else."""
    found = [finding for finding in report.findings if not finding.what.startswith(("rare type", "no dev split"))]
    assert all(finding.count == len(finding.places) for finding in found if not finding.detail)
    return [
        (
            finding.severity,
            finding.what,
            finding.split,
            [f"{place.line} {place.what}".strip() for place in finding.places],
        )
        for finding in found
    ]


def checked(folder: Path, files: Mapping[str, str], model: str, **options: Any) -> Report:
    return check.run(write(folder, files), Options(model=model, **options))


@pytest.fixture(params=[1, 2, 50_000])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Lines that are read at once, at least."""
    monkeypatch.setattr(line_blocks, "LINES_AHEAD", request.param)
    return int(request.param)


# -- finding by finding ----------------------------------------------------------------------------

ONE_SPLIT: dict[str, tuple[str, list[tuple[str, str, list[str]]]]] = {  # train; severity, what, places
    "a sentence twice": (
        TRAIN + "anna B-PER\nleft O\noslo B-LOC\n\nanna B-PER\nleft O\noslo B-LOC\n",
        [("info", "sentence twice", ["10 as train.txt.tmp:1", "14 as train.txt.tmp:1"])],
    ),
    "a sentence twice with other tags": (
        TRAIN + "anna B-PER\nleft O\noslo B-PER\n",
        [
            ("warning", "sentence with other tags than before", ["10 as train.txt.tmp:1"]),
            ("info", "sentence twice", ["10 as train.txt.tmp:1"]),
        ],
    ),
    "nothing to see, and nothing for the tokenizer": (
        TRAIN + "anna B-PER\n\x96 O\n\nbruno B-PER\n\xad O\n",
        [
            ("warning", "token without a visible character", [r"11 '\x96 O'", r"14 '\xad O'"]),
            ("warning", "token without sub-words", [r"11 '\x96 O'", r"14 '\xad O'"]),
        ],
    ),
    "nothing to see": (
        TRAIN + "\xa0 O\n",
        [("warning", "token without a visible character", [r"10 '\xa0 O'"])],
    ),
    "visible, but nothing for the tokenizer": (
        TRAIN + "anna B-PER\n\ufffd O\n",
        [("warning", "token without sub-words", ["11 '\ufffd O'"])],
    ),
    "a control character": (
        TRAIN + "an\x07na B-PER\n",
        [("warning", "control character inside a token", [r"10 'an\x07na B-PER'"])],
    ),
    "invisible characters": (
        "\ufeff" + TRAIN + "an\u200bna B-PER\n",
        [("warning", "invisible character inside a token", [r"1 '\ufeffanna B-PER'", r"10 'an\u200bna B-PER'"])],
    ),
    "white space inside": (
        TRAIN + "an\xa0na B-PER\na\u3000b O\n",
        [("warning", "white space inside a token", [r"10 'an\xa0na B-PER'", r"11 'a\u3000b O'"])],
    ),
    "no tag": (
        TRAIN + "anna\n\nbruno \nsaw O\n",
        [("error", "no tag behind the token", ["10 'anna'", "12 'bruno '"])],
    ),
    "white space before the token": (
        TRAIN + " anna B-PER\n",
        [
            ("error", "more than a token and a tag", ["10 ' anna B-PER'"]),
            ("error", "white space before the token", ["10 ' anna B-PER'"]),
        ],
    ),
    "a tab in place of a space": (
        TRAIN + "anna\tB-PER\n",
        [
            ("error", "no tag behind the token", [r"10 'anna\tB-PER'"]),
            ("warning", "control character inside a token", [r"10 'anna\tB-PER'"]),
        ],
    ),
    "blank lines that are not empty": (
        TRAIN.replace("\n\n", "\n \n", 1) + "saw O\n\t\nleft O\n",
        [("warning", "blank line that holds white space", ["4", "11"])],
    ),
    "too many blank lines": (
        "\n" + TRAIN + "\n\nsaw O\n\n\n",
        [("warning", "blank line that ends no sentence", ["1", "11", "12", "15"])],
    ),
    "carriage returns": (
        TRAIN + "saw O\r\n\r\nleft O\n",
        [("info", "line that ends with a carriage return", ["10", "11"])],
    ),
    "carriage returns alone": (
        "anna B-PER\rsaw O\r\rleft O\n",
        [("info", "line that ends with a carriage return", ["1", "2", "3"])],
    ),
    "too long": (
        TRAIN + "abcdefgh O\nabc O\n\nabcdefgh O\nab O\n",  # ten sub-words are exactly enough
        [("warning", "sentence over the length", ["10 11 sub-words"])],
    ),
    "entities that are cut": (
        TRAIN + "abcdefgh O\n\nabcdef B-PER\nabcdef I-PER\nabcdef I-PER\n\nabcdef B-PER\nabcdef B-PER\n",
        [
            ("warning", "sentence over the length", ["12 18 sub-words", "16 12 sub-words"]),
            ("warning", "entity cut by a break at the length", ["12 a sentence of 18 sub-words"] * 2),
        ],
    ),
}


@pytest.mark.parametrize(("content", "wanted"), ONE_SPLIT.values(), ids=ONE_SPLIT)
def test_what_is_odd_in_one_file_is_found_with_its_lines(
    content: str, wanted: list[tuple[str, str, list[str]]], block: int, tiny_model: str, tmp_path: Path
) -> None:
    found = rows(checked(tmp_path, {"train": content}, tiny_model, max_length=12))
    assert found == [(severity, what, "train", places) for severity, what, places in wanted]


@pytest.mark.parametrize("line", ["new lisbon B-LOC", "anna  B-PER", "anna NNP B-NP B-PER", "the\u3000end of O"])
def test_a_line_with_more_than_two_fields_is_found(line: str, block: int, tiny_model: str, tmp_path: Path) -> None:
    report = checked(tmp_path, {"train": f"{TRAIN}saw O\n{line}\n"}, tiny_model)
    assert ("more than a token and a tag", "train", [f"11 {line!r}"]) in [row[1:] for row in rows(report)]


ACROSS: dict[str, tuple[dict[str, str], list[Row]]] = {
    "a tag in dev alone": (
        {"dev": "acme B-ORG\nleft O\n\nclara B-PER\nsaw O\nacme B-ORG\n"},
        [("warning", "tag that is not in train: B-ORG", "dev", ["1 'acme B-ORG'", "6 'acme B-ORG'"])],
    ),
    "two tags in test alone": (
        {"test": "clara B-PER\njones I-PER\n\nacme B-ORG\nwest I-PER\n\nclara B-PER\nb I-PER\nc I-PER\n"},
        [
            ("warning", "tag that is not in train: B-ORG", "test", ["4 'acme B-ORG'"]),
            (
                *("warning", "tag that is not in train: I-PER", "test"),
                ["2 'jones I-PER'", "5 'west I-PER'", "8 'b I-PER'", "9 'c I-PER'"],
            ),
            ("warning", "tags that break the scheme (iob2)", "test", ["5 B-ORG I-PER"]),
        ],
    ),
    "words outside any entity, where train has none": ({"train": "anna B-PER\noslo B-LOC\n"}, []),
    "sentences of train in dev and test": (
        {
            "dev": "bruno B-PER\nsaw O\nnew B-LOC\nlisbon I-LOC\n\n" + CLEAN["dev"],
            "test": CLEAN["test"] + "\nanna B-PER\nleft O\noslo B-LOC\n",
        },
        [
            ("warning", "sentence that is in train too", "dev", ["1 as train.txt.tmp:5"]),
            ("warning", "sentence that is in train too", "test", ["5 as train.txt.tmp:1"]),
        ],
    ),
    "a sentence of dev in test": (
        {"test": CLEAN["dev"]},
        [("warning", "sentence that is in dev too", "test", ["1 as dev.txt.tmp:1"])],
    ),
    "a sentence of train in dev with other tags": (
        {"dev": "clara B-PER\n\nanna B-LOC\nleft O\noslo B-LOC\n"},
        [
            ("warning", "sentence that is in train too", "dev", ["3 as train.txt.tmp:1"]),
            ("warning", "sentence with other tags than before", "dev", ["3 as train.txt.tmp:1"]),
        ],
    ),
    "an empty split": ({"dev": ""}, [("error", "no sentence", "dev", ["1"])]),
    "a split of blank lines": (
        {"test": "\n\n"},
        [
            ("error", "no sentence", "test", ["1"]),
            ("warning", "blank line that ends no sentence", "test", ["1", "2"]),
        ],
    ),
}


@pytest.mark.parametrize(("files", "wanted"), ACROSS.values(), ids=ACROSS)
def test_what_is_odd_between_the_splits_is_found_with_its_lines(
    files: dict[str, str], wanted: list[Row], block: int, tiny_model: str, tmp_path: Path
) -> None:
    assert rows(checked(tmp_path, {**CLEAN, **files}, tiny_model)) == wanted


BROKEN = {  # scheme: train, and the lines at which it is broken
    "iob2": (
        "a I-X\nb O\n\nc B-X\nd I-Y\n\ne B-X\nf o\n\ng B-Y\nh I-Y\ni b-Y\n",
        ["1 O I-X", "5 B-X I-Y", "8 B-X o", "12 I-Y b-Y"],
    ),
    "iob1": ("a I-X\nb B-X\n\nc I-Y\n\nd B-X\ne I-X\n\nf I-X\ng B-Y\n", ["6 O B-X", "10 I-X B-Y"]),
    "io": ("a I-X\n\nb I-Y\nc I-X\n\nd S-X\n\ne I-\n", ["6 O S-X", "8 O I-"]),
    "iobes": (
        "a B-X\nb E-X\n\nc B-X\nd O\ne E-X\n\nf B-X\n\ng S-X\nh I-X\ni B-X\nj S-Y\nk O\n",
        ["5 B-X O", "6 O E-X", "9 B-X O", "11 S-X I-X", "12 I-X B-X", "13 B-X S-Y"],
    ),
    "bilou": (
        "a B-X\nb L-X\n\nc B-X\nd O\ne L-X\n\nf B-X\n\ng U-X\nh I-X\ni B-X\nj U-Y\nk O\n",
        ["5 B-X O", "6 O L-X", "9 B-X O", "11 U-X I-X", "12 I-X B-X", "13 B-X U-Y"],
    ),
}


@pytest.mark.parametrize("scheme", BROKEN)
def test_tags_that_break_their_scheme_are_found_with_their_lines(
    scheme: str, block: int, tiny_model: str, tmp_path: Path
) -> None:
    content, places = BROKEN[scheme]
    report = checked(tmp_path, {"train": content, "dev": "z O\n\n" + content + "\n"}, tiny_model)
    assert report.scheme == scheme
    name = f"tags that break the scheme ({scheme})"
    moved = [f"{int(place.split()[0]) + 2} {place.partition(' ')[2]}" for place in places]
    assert [row for row in rows(report) if "scheme" in row[1]] == [
        ("warning", name, "train", places),
        ("warning", name, "dev", moved),
    ]


@pytest.mark.parametrize(
    ("scheme", "content"),
    [
        ("iob2", TRAIN),
        ("iob1", "a I-X\nb B-X\nc I-Y\n\nd I-X\n"),
        ("io", "a I-X\nb I-Y\n\nc I-X\n"),
        ("iobes", "a B-X\nb E-X\nc S-X\n\nd S-Y\n"),
        ("bilou", "a B-X\nb L-X\nc U-X\n\nd U-Y\n"),
        ("plain", "a NOUN\nb VERB\n\nc B\nd I\n"),
        ("plain", "a O\n"),
    ],
)
def test_the_scheme_is_named_and_tags_that_keep_to_it_are_no_finding(
    scheme: str, content: str, tiny_model: str, tmp_path: Path
) -> None:
    report = checked(tmp_path, {"train": content}, tiny_model)
    assert (report.scheme, rows(report)) == (scheme, [])


def test_every_place_is_a_line_of_the_file_also_where_the_last_tag_breaks_the_scheme(
    tiny_model: str, tmp_path: Path
) -> None:
    report = checked(tmp_path, {"train": "a S-X\nb O\n\nc B-X"}, tiny_model)
    found = next(found for found in report.findings if "scheme" in found.what)
    assert [place.line for place in found.places] == [4]


@pytest.mark.parametrize("count", [1, 49, 50])
def test_types_that_are_rare_in_train_are_found(count: int, block: int, tiny_model: str, tmp_path: Path) -> None:
    train = "saw O\n\n" + "".join(f"x{n} B-ORG\n\n" for n in range(count))
    report = checked(tmp_path, {"train": train, "dev": "acme B-ORG\n"}, tiny_model)
    rare = [found for found in report.findings if found.what == "rare type, under 50 in train: ORG"]
    assert len(rare) == (count < 50)
    for found in rare:
        assert (found.severity, found.split, found.count) == ("warning", "train", count)
        assert [place.line for place in found.places] == [3]


def test_a_type_that_train_lacks_is_told_by_its_tags_alone(tiny_model: str, tmp_path: Path) -> None:
    report = checked(tmp_path, {"train": "saw O\n", "dev": "acme B-ORG\n"}, tiny_model)
    assert [found.what for found in report.findings] == ["tag that is not in train: B-ORG"]
    assert report.types == {"ORG": {"train": 0, "dev": 1}}


@pytest.mark.parametrize("end", ["\n", ""])
def test_clean_data_give_no_finding_but_rare_types(end: str, tiny_model: str, tmp_path: Path) -> None:
    report = checked(tmp_path, {split: text.rstrip("\n") + end for split, text in CLEAN.items()}, tiny_model)
    assert rows(report) == []
    assert [found.what for found in report.findings] == [
        "rare type, under 50 in train: LOC",
        "rare type, under 50 in train: PER",
    ]


def test_clean_data_with_enough_of_each_type_give_none_at_all(tiny_model: str, tmp_path: Path) -> None:
    pool = itertools.product(NAMES["PER"], VERBS, ["oslo", "vienna"], [".", "!"], ["!", "?", "."])
    made = ["{} B-PER\n{} O\n{} B-LOC\n{} O\n{} O\n".format(*words) for words in pool]
    others = [f"{verb} O\n{end} O\n" for verb, end in itertools.product(VERBS, [".", "!"])]
    files = {"train": made[:100] + others, "dev": made[100:120], "test": made[120:]}
    report = checked(tmp_path, {split: "\n".join(text) for split, text in files.items()}, tiny_model)
    assert report.findings == []
    assert report.splits["train"] == {"sentences": 108, "tokens": 516, "entities": 200}


# -- published files -------------------------------------------------------------------------------

RAW = {  # recipe: train as published, a line of it, fields that others have, lines with fewer or more
    "wnut17": (
        "anna\tB-person\nleft\tO\n\n#oslo\nnew\tB-location\textra\n\n\t\nsaw\tO\n",
        *("saw\tO\n", 2, ["4 1 fields", "5 3 fields"]),
    ),
    "germeval2014": (
        "#\ta\tb\n1\tanna\tB-PER\tO\n2\tleft\tO\tO\n\n# x\n1\toslo\tB-LOC\n2\tsaw\tO\tO\tO\n3\t.\tO\tO\n",
        *("1\t.\tO\tO\n", 4, ["6 3 fields", "7 5 fields"]),
    ),
    "conll2003": (
        "-DOCSTART- -X- -X- O\n\nanna NNP B-NP B-PER\nleft VBD O\nsaw VBD B-VP O\n",
        *("saw VBD B-VP O\n", 4, ["4 3 fields"]),
    ),
}


@pytest.mark.parametrize("recipe", RAW)
def test_lines_of_a_published_file_with_other_fields_than_most_are_found(
    recipe: str, tiny_model: str, tmp_path: Path
) -> None:
    content, line, usual, wanted = RAW[recipe]
    source = tmp_path / "source"
    source.mkdir()
    names = {split: published.name for split, published in RECIPES[recipe].files.items()}
    for split, name in names.items():
        (source / name).write_text(f"{content}\n{line}\n{line}" if split == "train" else line)
    workspace = Workspace(tmp_path / "workspace")
    download.run(workspace, download.Options(recipe=recipe, source=str(source)))
    report = check.run(workspace, Options(model=tiny_model))
    what = f"line without the {usual} fields that others have"
    assert [row for row in rows(report) if "fields" in row[1]] == [("warning", what, "train", wanted)]
    found = next(found for found in report.findings if found.what == what)
    assert {place.path for place in found.places} == {workspace / "raw" / names["train"]}
    severities = [found.severity for found in report.findings]
    assert severities[-1] == "info" and "warning" not in severities[severities.index("info") :]


def test_own_files_have_no_published_ones_to_look_at(tiny_model: str, tmp_path: Path) -> None:
    (tmp_path / "own.conll").write_text("anna B-PER\nleft O\n")
    workspace = Workspace(tmp_path / "workspace")
    download.run(workspace, download.Options(train_file=str(tmp_path / "own.conll")))
    assert rows(check.run(workspace, Options(model=tiny_model))) == []


# -- counts ----------------------------------------------------------------------------------------

PREFIXES = {"iob2": "BI", "iob1": "BI", "iobes": "BIES", "bilou": "BILU", "any": "BIESLU"}


@pytest.mark.parametrize("scheme", PREFIXES)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), block=st.sampled_from([1, 3, 50_000]), remembered=st.sampled_from([1, 50_000]))
def test_entities_are_counted_as_the_scorer_reads_them(
    scheme: str, data: st.DataObject, block: int, remembered: int, tiny_model: str
) -> None:
    tag = st.sampled_from(["O", "O", *(f"{prefix}-{label}" for prefix in PREFIXES[scheme] for label in ("PER", "LOC"))])
    sentence = st.lists(st.tuples(st.sampled_from(["anna", "oslo", "saw"]), tag), min_size=1, max_size=6)
    corpus = data.draw(st.fixed_dictionaries({split: st.lists(sentence, max_size=5) for split in SPLITS}))
    files = {
        split: "\n".join("".join(f"{token} {tag}\n" for token, tag in sentence) for sentence in sentences)
        for split, sentences in corpus.items()
    }
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        patch.setattr(line_cache, "REMEMBERED_LINES", remembered)
        report = checked(Path(folder), files, tiny_model)
    found_spans = {
        split: [
            (span.label, " ".join(token for token, _ in sentence[span.start : span.end]))
            for sentence in sentences
            for span in spans([tag for _, tag in sentence])
        ]
        for split, sentences in corpus.items()
    }
    types = {label for found in found_spans.values() for label, _ in found}
    assert report.types == {
        label: {split: Counter(label for label, _ in found)[label] for split, found in found_spans.items()}
        for label in sorted(types)
    }
    for split, sentences in corpus.items():
        figures = report.splits[split]
        assert figures["sentences"] == len(sentences)
        assert figures["tokens"] == sum(map(len, sentences))
        assert figures["entities"] == len(found_spans[split])
        if split != "train":
            assert figures["entities_named_in_train"] == sum(
                name in found_spans["train"] for name in found_spans[split]
            )
            known = {tuple(token for token, _ in sentence) for sentence in corpus["train"]}
            shared = sum(tuple(token for token, _ in sentence) in known for sentence in sentences)
            assert figures["sentences_also_in_train"] == shared


def test_more_places_than_are_kept_are_counted_all_the_same(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "PLACES", 3)
    train = TRAIN + "\n" * 7 + "an\u200bna B-PER\n" * 5 + "\n" + "oslo I-LOC\nsaw O\n" * 4
    report = checked(tmp_path, {"train": train, "dev": "acme B-ORG\n" * 6}, tiny_model)
    found = {found.what: (found.count, len(found.places)) for found in report.findings if "rare" not in found.what}
    assert found == {
        "blank line that ends no sentence": (7, 3),
        "invisible character inside a token": (5, 3),
        "tags that break the scheme (iob2)": (4, 3),
        "tag that is not in train: B-ORG": (6, 3),
    }


def test_sentences_beyond_those_remembered_are_compared_with_those_that_are(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "REMEMBERED_SENTENCES", 2)
    train = "anna O\n\nbruno O\n\nclara O\n\nclara O\n\nbruno O\n"
    report = checked(tmp_path, {"train": train, "dev": "clara O\n\nanna O\n"}, tiny_model)
    assert rows(report) == [
        ("warning", "sentence that is in train too", "dev", ["3 as train.txt.tmp:1"]),
        ("info", "sentence twice", "train", ["9 as train.txt.tmp:3"]),
        ("info", "sentence that later ones are not compared with", "train", []),
        ("info", "sentence that later ones are not compared with", "dev", []),
    ]
    assert [found.count for found in report.findings] == [1, 1, 2, 1]


def test_findings_are_the_same_where_few_lines_are_remembered(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"train": "".join(content for content, _ in ONE_SPLIT.values()), **ACROSS["a tag in dev alone"][0]}
    whole = checked(tmp_path, files, tiny_model, max_length=12).as_dict()
    monkeypatch.setattr(line_blocks, "LINES_AHEAD", 2)
    monkeypatch.setattr(line_cache, "REMEMBERED_LINES", 1)
    assert checked(tmp_path, files, tiny_model, max_length=12).as_dict() == whole
    assert len(whole["findings"]) > 10


# -- what it reads, and what it leaves -------------------------------------------------------------


def test_without_a_model_everything_but_lengths_is_looked_at(tiny_model: str, tmp_path: Path) -> None:
    files = {"train": TRAIN + "abcdefghijklm O\n\x96 O\n\n\nsaw I-LOC\n"}
    known = rows(checked(tmp_path, files, tiny_model, max_length=12))
    report = checked(tmp_path, files, str(tmp_path / "no-model"), max_length=12)
    lengths = ("sentence over the length", "entity cut by a break at the length", "token without sub-words")
    assert rows(report) == [
        *(row for row in known if row[1] not in lengths),
        ("info", "lengths were not looked at", "train", []),
    ]
    assert {row[1] for row in known} & {*lengths} == {"sentence over the length", "token without sub-words"}
    assert "no-model" in report.findings[-1].detail


def test_the_files_of_preprocess_are_looked_at_where_there_are_no_others(tiny_model: str, tmp_path: Path) -> None:
    workspace = write(tmp_path, {"train": TRAIN + "\nsaw O\n"}, ".txt")
    wanted = [("warning", "blank line that ends no sentence", "train", ["10"])]
    assert rows(check.run(workspace, Options(model=tiny_model))) == wanted
    write(tmp_path, {"train": TRAIN})
    assert rows(check.run(workspace, Options(model=tiny_model))) == []


def test_a_check_changes_nothing(workspace: Workspace, tiny_model: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in workspace.path.rglob("*")}
    check.run(workspace, Options(model=tiny_model))
    assert {path: path.stat().st_mtime_ns for path in workspace.path.rglob("*")} == before


def test_without_data_the_command_that_helps_is_named(tiny_model: str, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds no data") as error:
        check.run(Workspace(tmp_path / "none"), Options(model=tiny_model))
    assert error.value.hint.startswith(f"Run: nertool download RECIPE -w {tmp_path / 'none'} (or ")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"anna O\n\nM\xfcller O\n", r"dev\.txt\.tmp: not UTF-8 in line 3"),
        (b"anna O\n\nos\0lo O\n", r"dev\.txt\.tmp:3: a NUL byte"),
        ("anna O\n".encode("utf-16"), r"dev\.txt\.tmp:1: this is UTF-16"),
        (b"anna O\n\n" + b"a" * 2_000_000, r"dev\.txt\.tmp:3: a line of 2,000,000 characters"),
    ],
)
def test_a_file_that_is_no_text_is_named_with_its_line(
    content: bytes, message: str, block: int, workspace: Workspace, tiny_model: str
) -> None:
    (workspace / "dev.txt.tmp").write_bytes(content)
    with pytest.raises(InvalidData, match=message):
        check.run(workspace, Options(model=tiny_model))


def test_a_directory_in_place_of_a_file_is_named(workspace: Workspace, tiny_model: str) -> None:
    (workspace / "dev.txt.tmp").unlink()
    (workspace / "dev.txt.tmp").mkdir()
    with pytest.raises(InvalidData, match=r"dev\.txt\.tmp"):
        check.run(workspace, Options(model=tiny_model))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("saw O", False),
        ("anna", True),
        ("anna ", True),
        ("anna\tB-PER", True),
        ("anna  B-PER", True),  # labels takes the second field for the tag: there is none
        (" anna B-PER", True),  # training takes the first field for the token: there is none
        ("new lisbon B-LOC", True),  # the two take different fields for the tag
    ],
)
def test_what_stops_a_later_stage_is_an_error(line: str, wanted: bool, tiny_model: str, tmp_path: Path) -> None:
    workspace = write(tmp_path, {"train": f"saw O\n\n{line}\n"})
    fails = check.run(workspace, Options(model=tiny_model)).fails("error")
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    try:
        known = labels.run(workspace, labels.Options()).facts["tags"]
        stops = any(set(sentence.tags) - {*known} for sentence in read_sentences(workspace / "train.txt"))
    except NertoolError:
        stops = True
    assert (stops, fails) == (wanted, wanted)


# -- the report and the command --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severities", "error", "warning"),
    [
        ([], False, False),
        (["info"], False, False),
        (["info", "warning"], False, True),
        (["error"], True, True),
        (["info", "error", "warning"], True, True),
    ],
)
def test_a_report_fails_on_what_is_at_least_as_severe(severities: list[str], error: bool, warning: bool) -> None:
    report = Report({"train": {}}, "plain", {}, [Finding(severity, "x", "train", 1) for severity in severities])
    assert (report.fails("error"), report.fails("warning"), report.fails(None)) == (error, warning, False)


def called(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `nertool check` in the workspace's own folder."""
    monkeypatch.setattr(sys, "argv", ["nertool", "check", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["check", *words])
    return int(end.value.code or 0), *capsys.readouterr()


DATA = {
    "errors": {**CLEAN, "dev": "clara\n"},
    "warnings": {**CLEAN, "dev": "clara B-PER\n\n\n\n\n\n\nsaw O\n"},
    "infos": {"train": "saw O\n\nsaw O\n", "dev": "left O\n"},
    "nothing": {"train": "saw O\n", "dev": "left O\n"},
}


@pytest.mark.parametrize(
    ("name", "fail_on", "status"),
    [
        ("errors", None, 0),
        ("errors", "error", 1),
        ("errors", "warning", 1),
        ("warnings", None, 0),
        ("warnings", "error", 0),
        ("warnings", "warning", 1),
        ("infos", "warning", 0),
        ("nothing", "warning", 0),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_exit_status_says_what_was_asked(
    name: str,
    fail_on: str | None,
    status: int,
    form: list[str],
    tiny_model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = write(tmp_path, DATA[name])
    options = ["--fail-on", fail_on] if fail_on else []
    code, out, err = called(capsys, monkeypatch, "--model", tiny_model, "-w", str(workspace.path), *form, *options)
    assert (code, err) == (status, "")
    assert json.loads(out)["splits"] if form else "train" in out


def test_the_table_is_printed_on_stdout_with_the_first_places(
    tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data", DATA["warnings"])
    monkeypatch.chdir(tmp_path)
    _, out, err = called(capsys, monkeypatch, "--model", tiny_model, "-w", "data")
    assert err == ""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert ["dev", "2", "2", "1", "0", "0"] in cells
    assert ["LOC", "2", "0", "1"] in cells
    at = cells.index(["warning", "dev", "5", "blank line that ends no sentence", "data/dev.txt.tmp:3"])
    assert [row[-1] for row in cells[at + 1 : at + 4]] == ["data/dev.txt.tmp:4", "data/dev.txt.tmp:5", "and 2 more"]
    assert "tags: iob2" in out


def test_with_json_the_report_is_printed_and_nothing_else(
    tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"train": "".join(content for content, _ in ONE_SPLIT.values()), **ACROSS["a tag in dev alone"][0]}
    workspace = write(tmp_path, files)
    _, out, err = called(capsys, monkeypatch, "--model", tiny_model, "-w", str(workspace.path), "--json")
    report = check.run(workspace, Options(model=tiny_model)).as_dict()
    assert json.loads(out) == report == json.loads(json.dumps(report))
    assert err == ""
    assert report.keys() == {"splits", "scheme", "types", "findings"}
    twice = next(found for found in report["findings"] if found["what"] == "sentence twice")
    assert twice.keys() == {"severity", "what", "split", "count", "places", "detail"}
    assert twice["places"][0].startswith(f"{workspace.path}{os.sep}train.txt.tmp:")
    severities = [found["severity"] for found in report["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "info"].index), "errors first"


@pytest.mark.parametrize("words", [["--fail-on", "info"], ["--max-length", "2"], ["--nonsense"]])
def test_options_that_make_no_sense_end_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = called(capsys, monkeypatch, *words)
    assert (code, out) == (2, "") and "Usage: nertool check" in err


def test_with_verbose_no_token_is_said_to_be_dropped_as_nothing_is_written(
    tiny_model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "nertool")  # what the command sets goes with the test
    workspace = write(tmp_path, {"train": "abcdefgh O\n\x96 O\nabcdefgh O\n"})
    place = ["-w", str(workspace.path), "--model", tiny_model]
    _, out, err = called(capsys, monkeypatch, "--verbose", "--max-length", "12", *place)
    assert "sentence over the length" in out and err == ""


@pytest.mark.parametrize(
    ("tags", "shown", "scheme"),
    [
        (("PER", "O", "O", "LOC"), "PER without a prefix", "io"),
        (("PER-B", "PER-I", "O", "LOC-B"), "PER-B", "iob2"),
        (("b-PER", "i-PER", "o", "b-LOC"), "b-per, o for O", "iob2"),
        (("B_PER", "E_PER", "O", "S_LOC"), "B_PER", "iobes"),
    ],
)
def test_tags_in_another_spelling_are_counted_as_what_they_are_taken_for(
    tags: tuple[str, ...], shown: str, scheme: str, tiny_model: str, tmp_path: Path
) -> None:
    workspace = write(tmp_path, {"train": "".join(f"{word} {tag}\n" for word, tag in zip("abcd", tags, strict=True))})
    report = check.run(workspace, Options(model=tiny_model))
    assert report.scheme == scheme
    assert report.types == {"LOC": {"train": 1}, "PER": {"train": 1}}
    told = [finding for finding in report.findings if "spelled" in finding.what]
    assert [(finding.severity, finding.what) for finding in told] == [
        ("info", f"tags are spelled {shown}, read as {scheme}")
    ]
    assert not any("break" in finding.what for finding in report.findings)


# -- letters, schemes, types, and how much a model can learn from ----------------------------------


def test_damaged_tokens_are_found_in_each_split_with_their_lines(tiny_model: str, tmp_path: Path) -> None:
    files = {**CLEAN, "train": TRAIN + "AT&amp;T O\nÃ¤ndern O\n\nÃ\xa0 O\n", "dev": "don’t O\n\ndonâ€™t O\ndonâ€™t O\n"}
    found = [row for row in rows(checked(tmp_path, files, tiny_model)) if "inside" in row[1]]
    assert found == [
        ("warning", "HTML entity inside a token", "train", ["10 'AT&amp;T O'"]),
        ("warning", "UTF-8 read as Latin-1 or cp1252 inside a token", "train", ["11 'Ã¤ndern O'", r"13 'Ã\xa0 O'"]),
        ("warning", "white space inside a token", "train", [r"13 'Ã\xa0 O'"]),
        ("warning", "UTF-8 read as Latin-1 or cp1252 inside a token", "dev", ["3 'donâ€™t O'", "4 'donâ€™t O'"]),
    ]


TWO_FORMS = "word not in NFC that occurs in NFC too"


@pytest.mark.parametrize("remembered", [1, 50_000])
def test_a_word_in_two_unicode_forms_is_found_within_and_across_splits(
    remembered: int, block: int, tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_cache, "REMEMBERED_LINES", remembered)
    composed, apart = "Zo\xeb", "Zoe\u0308"
    files = {
        "train": f"{TRAIN}{apart} B-PER\n{apart} O\n\nnai\u0308ve O\n",
        "dev": f"saw O\n{composed} B-PER\n",
        "test": f"{apart} B-PER\n{composed} O\n",
    }
    found = [found for found in checked(tmp_path, files, tiny_model).findings if found.what == TWO_FORMS]
    assert [(row.severity, row.split, row.count) for row in found] == [("warning", "train", 2), ("warning", "test", 1)]
    assert [[f"{place.line} {place.what}" for place in row.places] for row in found] == [
        ["10 'Zoë' 2 times, in NFC 2 times, as in dev.txt.tmp:2"],
        ["1 'Zoë' 1 times, in NFC 2 times, as in dev.txt.tmp:2"],
    ]


def test_more_words_than_are_compared_are_told(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (line_cache, check):
        monkeypatch.setattr(module, "REMEMBERED_WORDS", 1)
    files = {**CLEAN, "train": TRAIN + "Zoe\u0308 O\nnai\u0308ve O\n"}
    assert [row[:3] for row in rows(checked(tmp_path, files, tiny_model))] == [
        ("info", "words not in NFC were compared in part", "train")
    ]


def entities(scheme: str, count: int, labels: tuple[str, ...] = ("PER",)) -> str:
    """Sentences with an entity of two words and one of one word."""
    sentences = []
    for number in range(count):
        tags = convert([f"B-{labels[number % len(labels)]}", "I-" + labels[number % len(labels)], "O", "B-LOC"], scheme)
        sentences.append("".join(f"w{number}x{at} {tag}\n" for at, tag in enumerate(tags)))
    return "\n".join(sentences)


@pytest.mark.parametrize("usual", ["iob2", "iobes", "io"])
@pytest.mark.parametrize("own", ["iob2", "iobes", "ioe2", "bilou", "io"])
def test_a_split_in_another_scheme_than_train_is_one_finding_that_names_both(
    usual: str, own: str, tiny_model: str, tmp_path: Path
) -> None:
    files = {"train": entities(usual, 60), "dev": entities(own, 20, ("PER", "ORG")), "test": entities(usual, 20)}
    report = checked(tmp_path, files, tiny_model)
    assert report.scheme == usual
    told = [(row.what, row.split, str(row.places[0].line)) for row in report.findings if "scheme" in row.what]
    what = f"tags in another scheme than train: {own}, train has {usual}"
    assert told == ([(what, "dev", "1")] if own != usual else [])
    new = [row.what for row in report.findings if "not in train" in row.what]
    assert new and all("-ORG" in what for what in new), "types that train lacks are told all the same"


def test_plain_types_in_dev_are_another_scheme(tiny_model: str, tmp_path: Path) -> None:
    plain = "\n".join(f"a{n} PER\nb{n} O\nc{n} LOC\n" for n in range(10))
    report = checked(tmp_path, {"train": entities("iob2", 60), "dev": plain}, tiny_model)
    assert [row.what for row in report.findings] == ["tags in another scheme than train: plain, train has iob2"]


def test_a_few_broken_tags_are_no_other_scheme(tiny_model: str, tmp_path: Path) -> None:
    report = checked(tmp_path, {"train": entities("iob2", 60), "dev": "a I-PER\n\nb I-PER\n"}, tiny_model)
    assert [row.what for row in report.findings] == ["tags that break the scheme (iob2)"]


@pytest.mark.parametrize(
    ("label", "wanted"),
    [("per", True), ("Per", True), ("P-E-R", True), ("P_ER", True), ("PERSON", False), ("PERS", False)],
)
def test_types_that_differ_in_case_or_separators_are_found(
    label: str, wanted: bool, tiny_model: str, tmp_path: Path
) -> None:
    files = {"train": entities("iob2", 60), "dev": f"saw O\nanna B-{label}\n", "test": "left O\n"}
    found = [row for row in checked(tmp_path, files, tiny_model).findings if "spelled" in row.what]
    assert [(row.what, row.split, row.count, row.places[0].line) for row in found] == (
        [(f"type spelled in several ways: {label}, more often PER", "dev", 1, 2)] if wanted else []
    )


@pytest.mark.parametrize(
    ("without", "labels", "wanted"),
    [
        (0, ("PER",), ["LOC", "PER"]),
        (5, ("PER", "ORG"), ["LOC"]),
        (6, ("PER",), []),
    ],
)
def test_entities_in_nearly_every_sentence_are_found(
    without: int, labels: tuple[str, ...], wanted: list[str], block: int, tiny_model: str, tmp_path: Path
) -> None:
    train = entities("iob2", 100 - without, labels) + "\n" + "\n".join(f"none{n} O\n" for n in range(without))
    report = checked(tmp_path, {"train": train, "dev": "saw O\n"}, tiny_model)
    found = [row for row in report.findings if "nearly" in row.what]
    assert [row.what for row in found] == [f"nearly every sentence of train has an entity: {label}" for label in wanted]
    for row in found:
        assert (row.severity, row.count) == ("warning", 100 - without)
        assert row.detail == f"{without} of 100 have none: a model may find one in any sentence"


def test_entities_of_all_types_together_may_be_everywhere(tiny_model: str, tmp_path: Path) -> None:
    train = "\n".join(f"{label}{n} B-{label}\nleft O\n" for n in range(60) for label in ("PER", "LOC"))
    report = checked(tmp_path, {"train": train, "dev": "saw O\n"}, tiny_model)
    assert [row.what for row in report.findings] == ["nearly every sentence of train has an entity"]


@pytest.mark.parametrize(("tag", "wanted"), [("O", ["no entity in train"]), ("NOUN", [])])
def test_a_train_split_of_nothing_but_o_is_found(tag: str, wanted: list[str], tiny_model: str, tmp_path: Path) -> None:
    train = "\n".join(f"a{n} {tag}\nb{n} {tag}\n" for n in range(100))
    report = checked(tmp_path, {"train": train, "dev": f"saw {tag}\n"}, tiny_model)
    assert [row.what for row in report.findings] == wanted


@pytest.mark.parametrize(("files", "wanted"), [({"train": TRAIN}, 1), (CLEAN, 0), ({"test": TRAIN}, 0)])
def test_a_missing_dev_split_is_found(files: dict[str, str], wanted: int, tiny_model: str, tmp_path: Path) -> None:
    found = [row for row in checked(tmp_path, files, tiny_model).findings if row.what == "no dev split"]
    assert [(row.severity, row.split) for row in found] == [("warning", "train")] * wanted


# -- what download refuses -------------------------------------------------------------------------

DOUBTFUL = {  # content, and what is said of it
    "tokens that count": ("".join(f"{n} O\n" for n in range(1, 7)), "the tokens count up: they number the words"),
    "tags as tokens": ("O anna\nB-PER left\nO oslo\nO saw\n", "most tokens are tags"),
    "as many tags as tokens": (
        "".join(f"{one}x{two} {one}{two}\n" for one, two in itertools.product("ABCDEF", "UVWXY")),
        "30 different tags for 30 tokens: AU, AV, AW, AX, AY, ...",
    ),
    "a token a sentence": ("anna B-PER\n\n" * 6, "all 6 sentences have one token"),
    "a token a sentence, very often": ("anna B-PER\n\n" * 2500, "all 2,500 sentences have one token"),
    "names of columns": ("word tag\nanna B-PER\nleft O\n", "the first token is 'word', as if it were a column's name"),
    "tags of WebAnno": ("anna PER[1]\nb PER[1]\nleft _\nsaw _\n", "tags such as PER[1] are WebAnno's"),
    "lists": ("['anna'] O\n['left','x'] O\n['a'] O\n['b'] O\n", "most tokens are lists: a row holds a whole sentence"),
}


@pytest.mark.parametrize(("content", "what"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_download_refuses_is_an_error_with_what_mends_it(
    content: str, what: str, tiny_model: str, tmp_path: Path
) -> None:
    report = checked(tmp_path, {**CLEAN, "dev": content}, tiny_model)
    found = [row for row in report.findings if row.severity == "error"]
    assert [(row.what, row.split, row.places[0].line) for row in found] == [(what, "dev", 1)]
    assert found[0].detail
    assert report.fails("error")


def test_many_sentences_of_one_token_are_no_error_if_a_later_one_is_longer(tiny_model: str, tmp_path: Path) -> None:
    content = "anna B-PER\n\n" * 2500 + "saw O\nleft O\n"
    assert not checked(tmp_path, {**CLEAN, "train": content}, tiny_model).fails("error")


@pytest.mark.parametrize(("tokens", "wanted"), [(400, []), (401, ["one sentence of 401 tokens"])])
def test_a_single_endless_sentence_is_found(tokens: int, wanted: list[str], tiny_model: str, tmp_path: Path) -> None:
    report = checked(tmp_path, {**CLEAN, "test": "anna B-PER\n" * tokens}, tiny_model)
    found = [row for row in report.findings if row.what.startswith("one sentence")]
    assert [row.what for row in found] == wanted
    assert all(row.severity == "warning" and "--sentence-end" in row.detail for row in found)
