"""JSON and JSON Lines: rows of tokens and tags, or texts or tokens with spans; the first record tells which."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from nertool.corpus.column_files import TOKEN_NAMES, Sentence
from nertool.corpus.files import open_text, translate_read_errors
from nertool.corpus.json_stream import HELD, BrokenJson, JsonStream, list_items, object_items
from nertool.corpus.records import BYTE_ORDER_MARK, CAS, parse_json
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.char_spans import SPANS_WAY, tag_texts
from nertool.sources.readers.cloud_exports import with_plain_spans
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.rows import OBJECT_HELP, read_rows, with_lists
from nertool.sources.readers.span_records import (
    SpanRecords,
    holds_text,
    spans_of_tokens,
    text_candidates,
    text_of,
    with_usual_keys,
)
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines
from nertool.sources.readers.token_spans import form_of, read_spacy_documents, read_token_spans

Records = Iterator[tuple[int, Any]]
LISTS = ("data", "rows", "examples", "annotations_and_examples")
"""Keys under which a JSON file's one object may hold its records."""
INNER_LISTS = {"rasa_nlu_data": "common_examples"}
"""Keys of objects that hold records, and under which key."""
LIST_OF_RECORDS = re.compile(r"\s*\[\s*(?:[\[{]|$)")
"""How the first line of a JSON list begins, and none of JSON Lines: training tuples begin with a text."""
PAIRS = re.compile(r'\[\s*(?:null\s*,\s*)*\[\s*"(?:[^"\\]|\\.)*"\s*,\s*\{')
"""How Tecoholic's list of texts with entities begins; it stands under `annotations`."""
SPERT_WAY = 'Write {"tokens": ["Anna", "left"], "entities": [{"type": "PER", "start": 0, "end": 1}]}; 1 is behind Anna.'
MORE_HELP = "A .json file holds one list of records, or one object; write several so: jq -c . FILE > NEW.jsonl"
LONGEST_FIRST_LINE = 1 << 24
LOOK_AHEAD = 1 << 16


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a JSON or JSON Lines file.

    Raises:
        InvalidData: the JSON is broken or cut short, or a record is not what the first one is (names file and line).
        InvalidOption: there is no such column.
    """
    if _is_json_lines(path, layout.encoding):
        records = _json_lines(path, layout, tally)
    else:
        records = _json_list(path, layout.encoding, tally)
    if not layout.text_column:
        records = _plain(records, path, layout)
    ahead: list[tuple[int, Any]] = []
    for numbered in records:
        ahead.append(numbered)
        if numbered[1] is not None:  # Tecoholic writes null for a text that nobody saw
            break
    if not ahead:
        return
    records = chain(ahead, records)
    first = ahead[-1][0], with_lists(ahead[-1][1], layout, is_first=True)
    if first[1] is not ahead[-1][1]:
        records = ((number, with_lists(record, layout)) for number, record in records)
    form = "" if layout.tag_column else form_of(first[1])
    if form_of(first[1]) == "spacy":
        yield from read_spacy_documents(records, path, layout, tally)
    elif form:
        yield from read_token_spans(records, form, path, tally)
    elif holds_text(first[1], layout):
        yield from tag_texts(SpanRecords(path, layout, tally).read(records), layout, tally)
    else:
        _refuse_unknown(first[1], path, layout)
        yield from read_rows(records, path, layout, _keys(first, path), tally)


def _plain(records: Records, path: Path, layout: Layout) -> Records:
    """Records of other forms and with keys in capitals, as those with the usual keys."""
    is_named = layout.token_column or layout.tag_column or layout.spans_column
    for number, record in records:
        record = record if is_named else with_usual_keys(record)
        yield number, with_plain_spans(record, f"{path}:{number}", layout.spans_column)


def _refuse_unknown(record: Any, path: Path, layout: Layout) -> None:
    """Refuse records in which neither tokens nor a text is known, or spans that count tokens in an unknown way.

    Raises:
        InvalidOption: these are such; the hint lists their keys.
    """
    spans = "" if layout.tag_column else spans_of_tokens(record, layout)
    if spans:
        raise InvalidOption(f"{path}: tokens with spans as {spans}, which are not read so", SPERT_WAY)
    if isinstance(record, dict) and not layout.token_column and not any(key.lower() in TOKEN_NAMES for key in record):
        texts = text_candidates(record)
        if texts:
            options = " or ".join(f"--text-column {shlex.quote(name)}" for name in texts)
            raise InvalidOption(
                f"{path}: spans, but no text under a known key", f"Say which key holds the text: {options}"
            )
        keys = ", ".join(record)[:100]
        raise InvalidOption(
            f"{path}: neither tokens nor a text under a known key",
            f"Its keys are {keys}: name one by --token-column or --text-column. {SPANS_WAY}",
        )


def _is_json_lines(path: Path, encoding: str) -> bool:
    """By its first lines, since many a `.json` holds an object a line, and some `.jsonl` one list."""
    named_json = ".json" in [suffix.lower() for suffix in path.suffixes]
    with open_text(path, encoding=encoding, in_lines=False) as file, translate_read_errors(path, encoding):
        line = ""
        while not line.strip():
            line = file.readline(LONGEST_FIRST_LINE)
            if not line:
                return not named_json
        behind = file.read(LOOK_AHEAD).strip()
    if not named_json:
        return LIST_OF_RECORDS.match(line.lstrip(BYTE_ORDER_MARK)) is None
    if not (behind and line.endswith("\n")):
        return False
    try:
        return isinstance(json.loads(line.lstrip(BYTE_ORDER_MARK)), dict)
    except (ValueError, RecursionError):
        return False


def _keys(first: tuple[int, Any], path: Path) -> list[str]:
    number, record = first
    if not isinstance(record, dict):
        raise InvalidData(f"{path}:{number}: not a JSON object: {str(record)[:60]!r}", OBJECT_HELP)
    return list(record)


def _json_lines(path: Path, layout: Layout, tally: Tally) -> Records:
    bad = BadLines(layout.on_error, tally)
    lines = text_lines(path, tally, longest=None, encoding=layout.encoding)
    return bad.guard(_parse_lines(path, lines, bad))


def _parse_lines(path: Path, lines: Iterator[tuple[int, str]], bad: BadLines) -> Records:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            message = f"{path}:{number}: {error}"
            bad.add(number, InvalidData(message, "Every line holds one JSON object; write the file anew."))
            continue
        yield number, record


def _json_list(path: Path, encoding: str, tally: Tally) -> Records:
    """Records of one JSON list (or of one object's list, or the one object), each with the line it begins in."""
    with open_text(path, encoding=encoding, in_lines=False) as file, translate_read_errors(path, encoding):
        try:
            yield from _stream_records(file, path, tally)
        except BrokenJson as error:
            raise InvalidData(
                f"{path}:{error.line}: broken JSON, or cut short: {error}", "Write the file anew."
            ) from error


def _stream_records(file: TextIO, path: Path, tally: Tally) -> Records:
    stream = JsonStream(file)
    begin = stream.peek()
    others: dict[str, Any] = {}
    is_list = begin == "["
    if is_list:
        yield from list_items(stream)
    for key, value in object_items(stream, _holds_records) if begin == "{" else ():
        if value is HELD:
            is_list = True
            yield from list_items(stream)
        else:
            others[key] = value
    if stream.peek() and begin in ("[", "{"):
        what = f"there is more behind the {'list' if begin == '[' else 'object'}"
        raise InvalidData(f"{path}:{stream.line}: {what}", MORE_HELP)
    if is_list:
        tally.add_relations(others)
    else:
        yield from _records_of_object(others, path)


def _records_of_object(record: dict[str, Any], path: Path) -> Records:
    """The records inside one object, or the object itself as the only one."""
    for key, inner in INNER_LISTS.items():
        holder = record.get(key)
        if isinstance(holder, dict) and isinstance(holder.get(inner), list):
            yield from enumerate(holder[inner], start=1)
            return
    if not _is_record(record):
        raise InvalidData(f"{path}:1: no list of records", _mend_json(record))
    yield 1, record


def _holds_records(key: str, ahead: str) -> bool:
    """Whether the list of a key, of which the beginning is given, is that of the records."""
    return key in LISTS or (key == "annotations" and PAIRS.match(ahead) is not None)


def _is_record(found: dict[str, Any]) -> bool:
    """Whether an object is a record itself: one document in a file."""
    return text_of(found) is not None or bool(form_of(found)) or isinstance(found.get("tokens"), list)


def _mend_json(found: dict[str, Any]) -> str:
    if CAS in found:
        return "UIMA's CAS is not read: export it from INCEpTION as WebAnno TSV 3.3."
    if "documents" in found:
        return f"BioC, and other lists of documents, are not read. {SPANS_WAY}"
    holder = f"an object with one as {', '.join(LISTS)}"
    return f"A .json file holds a list (or {holder}); an object a line is .jsonl. {SPANS_WAY}"
