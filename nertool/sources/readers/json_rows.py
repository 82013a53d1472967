"""JSON and JSON Lines: rows of tokens and tags, or texts with character spans; the first record tells which."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import Sentence
from nertool.corpus.files import open_text, translate_read_errors
from nertool.errors import InvalidData
from nertool.sources.readers.char_spans import read_spans, text_of
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.rows import read_rows
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

LISTS = ("data", "rows", "examples")
"""Keys under which a JSON file's one object may hold its records."""


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a JSON or JSON Lines file.

    Raises:
        InvalidData: the JSON is broken or cut short, or a record is not what the first one is (names file and line).
        InvalidOption: there is no such column.
    """
    records = _json_lines(path, tally) if _is_json_lines(path) else _json_list(path)
    first = next(records, None)
    if first is None:
        return
    records = chain([first], records)
    if text_of(first[1]) is not None and not isinstance(_tokens(first[1], layout), list):
        yield from read_spans(records, path, layout, tally)
    else:
        yield from read_rows(_objects(records, path), path, layout, _keys(first, path), tally)


def _is_json_lines(path: Path) -> bool:
    """By its first line, since many a `.json` holds an object a line."""
    if ".json" not in [suffix.lower() for suffix in path.suffixes]:
        return True
    with open_text(path) as file, translate_read_errors(path):
        line = next((line for line in file if line.strip()), "")
    try:
        first = json.loads(line.removeprefix("\ufeff"))
    except ValueError:
        return False
    return isinstance(first, dict) and not any(isinstance(first.get(key), list) for key in LISTS)


def _tokens(record: Any, layout: Layout) -> Any:
    """The list of plain tokens, where a record has one (Prodigy's tokens are objects)."""
    found = record.get(layout.token_column or "tokens") if isinstance(record, dict) else None
    return found if isinstance(found, list) and not any(isinstance(token, dict) for token in found) else None


def _keys(first: tuple[int, Any], path: Path) -> list[str]:
    return list(next(_objects(iter([first]), path))[1])


def _objects(records: Iterator[tuple[int, Any]], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, record in records:
        if not isinstance(record, dict):
            raise InvalidData(
                f"{path}:{number}: not a JSON object: {str(record)[:60]}", 'Such as {"tokens": [...], "tags": [...]}.'
            )
        yield number, record


def _json_lines(path: Path, tally: Tally) -> Iterator[tuple[int, Any]]:
    for number, line in text_lines(path, tally, longest=None):
        if line.strip():
            try:
                record = _whole(json.loads(line), line)
            except (ValueError, RecursionError) as error:
                raise InvalidData(
                    f"{path}:{number}: broken JSON: {error}", "Every line holds one JSON object; write the file anew."
                ) from error
            yield number, record


def _whole(record: Any, text: str) -> Any:
    """The record itself, where UTF-8 can hold it: JSON can write half of a surrogate pair.

    Raises:
        ValueError: it cannot.
    """
    if "\\ud" in text.lower():
        json.dumps(record, ensure_ascii=False).encode()
    return record


def _json_list(path: Path) -> Iterator[tuple[int, Any]]:
    """Records of one JSON list (or of one object's list), each with the line it begins in."""
    with open_text(path) as file, translate_read_errors(path):
        text = file.read().removeprefix("\ufeff")
    decoder = json.JSONDecoder()
    at = _list_start(text, path)
    line, counted = 1, 0
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            begin = at
            record, at = decoder.raw_decode(text, at)
            _whole(record, text[begin:at])
            at = _skip(text, at)
            if text[at : at + 1] not in (",", "]"):
                raise ValueError("a comma or ] is missing")
        except (ValueError, RecursionError) as error:
            raise InvalidData(
                f"{path}:{line}: broken JSON, or cut short: {str(error).partition(':')[0]}", "Write the file anew."
            ) from error
        yield line, record
        at = _skip(text, at + 1) if text[at] == "," else at
    if text.lstrip()[0] == "[" and text[at + 1 :].strip():
        line += text.count("\n", counted, _skip(text, at + 1))
        raise InvalidData(f"{path}:{line}: there is more behind the list", "A .json file holds one list of records.")


def _list_start(text: str, path: Path) -> int:
    """Index of the first record."""
    at = _skip(text, 0)
    if text[at : at + 1] == "{":
        decoder = json.JSONDecoder()
        with suppress(ValueError, RecursionError):
            while text[at : at + 1] in ("{", ","):
                key, at = decoder.raw_decode(text, _skip(text, at + 1))
                value = _skip(text, _skip(text, at) + 1)  # behind the colon
                if key in LISTS and text[value : value + 1] == "[":
                    return _skip(text, value + 1)
                at = _skip(text, decoder.raw_decode(text, value)[1])
        at = 0
    if text[at : at + 1] != "[":
        raise InvalidData(
            f"{path}:1: no list of records",
            f"A .json file holds a list (or an object with one as {', '.join(LISTS)}); an object a line is .jsonl.",
        )
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
