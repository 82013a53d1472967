"""WebAnno's and INCEpTION's TSV 3: a token a line, and a column for each feature of the layers that the head names.

Source: https://inception-project.github.io/releases/latest/docs/user-guide.html, "WebAnno TSV 3"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.column_files import Sentence, group_rows
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines
from nertool.sources.readers.token_spans import tag_tokens

FORMAT = re.compile(r"\ufeff?#\s*FORMAT=WebAnno TSV (\d+)")
LAYER = re.compile(r"#T_(SP|CH|RL)=(.*)")
TOKEN_ID = re.compile(r"(\d+)-(\d+)(\.\d+)?")
SEPARATOR = re.compile(r"(?<!\\)\|")
ANNOTATION = re.compile(r"(.*?)(?:\[(\d+)\])?", re.DOTALL)
ESCAPED = re.compile(r"\\(->|.)")
LAYERS = {"ner": ("namedentity",), "pos": ("pos",), "chunk": ("chunk",)}
FEATURES = ("value", "label", "type", "posvalue", "chunkvalue", "coarsevalue", "category", "entity")
"""Usual names of the feature that holds the tag."""
BLANK_HELP = "A blank line ends a sentence, or another number in front of the hyphen."
RELATION = "BT_"
"""How the name of the feature begins that holds the source of a relation."""
FIRST_COLUMN = 3
"""0-based index of the first feature, behind the token's id, its place and the token."""


class Feature(NamedTuple):
    """A column of the file: its layer, and the feature in it; empty for a layer without features."""

    layer: str
    name: str
    spans: bool


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a file, with one feature as tags, in IOB2 for entities and chunks.

    Of overlapping annotations the longest is taken. Annotations of parts of a token are left out. Both are counted.

    Raises:
        InvalidData: not version 3, or a line without a column of the head (names file and line).
        InvalidOption: there is no such feature, or several and none is the usual one.
    """
    tally.form = "WebAnno TSV"
    for first, rows in group_rows(_rows(path, layout, tally), path, lambda row: len(row[0]) + len(row[1]), BLANK_HELP):
        yield _sentence(rows, first, layout.task, f"{path}:{first}", tally)


def _rows(path: Path, layout: Layout, tally: Tally) -> Iterator[tuple[int, tuple[str, str] | None]]:
    """Tokens, each with its cell in the column of the tags; None where a sentence ends."""
    features: list[Feature] = []
    column = 0
    sentence_id = ""
    for number, line in text_lines(path, tally, encoding=layout.encoding):
        if line.startswith("#"):
            if FORMAT.match(line):  # files that were joined have a head each
                features, column, sentence_id = [], 0, ""
            features += _features(path, number, line)
            continue
        fields = line.split("\t")
        token_id = TOKEN_ID.fullmatch(fields[0])
        if token_id is None and line.strip():
            raise InvalidData(f"{path}:{number}: no line of WebAnno's: {line[:80]!r}", "It begins with an id as 1-1.")
        if token_id is None or token_id[1] != sentence_id:
            yield number, None
        if token_id is None:
            continue
        sentence_id = token_id[1]
        column = column or FIRST_COLUMN + _find_feature(path, features, layout)
        if len(fields) <= column:
            what = f"{path}:{number}: {len(fields)} columns, the head names {FIRST_COLUMN + len(features)}"
            raise InvalidData(what, "Export the file anew.")
        _count_relations(features, fields, tally)
        if not token_id[3]:
            yield number, (fields[2], fields[column])
        elif fields[column] != "_":
            detail = f"{fields[column][:60]} of {fields[2]!r}, a part of a token: left out"
            tally.add("spans inside a token left out", f"{path}:{number}", detail)


def _count_relations(features: Sequence[Feature], fields: Sequence[str], tally: Tally) -> None:
    """Count the relations of a token, which are left out: the last column of each such layer says where they begin."""
    for feature, cell in zip(features, fields[FIRST_COLUMN:], strict=False):
        if feature.name.startswith(RELATION) and cell != "_":
            tally.counts["relations left out"] += len(SEPARATOR.split(cell))


# -- which column ----------------------------------------------------------------------------------


def _features(path: Path, number: int, line: str) -> list[Feature]:
    """Columns that a line of the head names."""
    version = FORMAT.match(line)
    if version and version[1] != "3":
        raise InvalidData(
            f"{path}:{number}: WebAnno TSV {version[1]} is not read", "Export it as WebAnno TSV 3 (INCEpTION does)."
        )
    layer = LAYER.fullmatch(line)
    if layer is None:
        return []
    name, *names = layer[2].split("|")
    short = name.rpartition(".")[2]
    return [Feature(short, feature, layer[1] == "SP") for feature in names or [""]]


def _find_feature(path: Path, features: Sequence[Feature], layout: Layout) -> int:
    """Index of the feature that holds the tags: the one that is wanted, else the usual one of the task's layer."""
    wanted = layout.spans_column or layout.tag_column
    candidates = [index for index, feature in enumerate(features) if feature.spans]
    if wanted:
        candidates = [index for index in candidates if wanted in _names(features[index])]
    elif len({features[index].layer for index in candidates}) > 1:
        layers = LAYERS[layout.task]
        candidates = [index for index in candidates if features[index].layer.lower() in layers]
    if len(candidates) > 1:
        usual = [index for index in candidates if features[index].name.lower() in FEATURES]
        usual.sort(key=lambda index: FEATURES.index(features[index].name.lower()))
        candidates = usual[:1] or candidates
    if len(candidates) != 1:
        there = ", ".join(dict.fromkeys(".".join(filter(None, feature[:2])) for feature in features)) or "none"
        what = f"no feature {wanted}" if wanted else f"no feature that is the usual one for {layout.task}"
        raise InvalidOption(f"{path}: {what}", f"Its features are {there}: take one by --tag-column.")
    return candidates[0]


def _names(feature: Feature) -> tuple[str, str, str]:
    return feature.layer, feature.name, f"{feature.layer}.{feature.name}"


# -- tags ------------------------------------------------------------------------------------------


def _sentence(rows: Sequence[tuple[str, str]], first: int, task: str, place: str, tally: Tally) -> Sentence:
    tokens = [token for token, _ in rows]
    if task == "pos":
        tags = [(_annotations(cell) or [("", "")])[0][0] or "_" for _, cell in rows]
        return Sentence(tokens, tags, first)
    spans: list[tuple[int, int, str]] = []
    for start, end, label in _spans([cell for _, cell in rows]):
        if label:
            spans.append((start, end, label))
        else:
            tally.add(
                "spans without a label left out", place, f"{' '.join(tokens[start:end])!r} has no label: left out"
            )
    return Sentence(tokens, tag_tokens(spans, len(tokens), place, tally), first)


def _spans(cells: Sequence[str]) -> list[tuple[int, int, str]]:
    """Half-open places in tokens and label of each annotation; tokens with the same number are one annotation."""
    spans: list[tuple[int, int, str]] = []
    at: dict[str, int] = {}
    for position, cell in enumerate(cells):
        for label, number in _annotations(cell):
            index = at.get(number) if number else None
            if index is not None and spans[index][1] == position:
                spans[index] = (spans[index][0], position + 1, label)
                continue
            if number:
                at[number] = len(spans)
            spans.append((position, position + 1, label))
    return spans


def _annotations(cell: str) -> list[tuple[str, str]]:
    """Label and number of each annotation of a token; either may be empty."""
    if cell == "_":
        return []
    annotations: list[tuple[str, str]] = []
    for part in SEPARATOR.split(cell):
        found = ANNOTATION.fullmatch(part)
        assert found is not None
        label = "" if found[1] in ("*", "_") else ESCAPED.sub(r"\1", found[1])
        annotations.append((label, found[2] or ""))
    return annotations
