"""Rows that hold a sentence each: a list of tokens and a list of tags (Parquet, Arrow, JSON, data sets of a hub)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.column_files import TOKEN_NAMES, Sentence, is_entity_tag, marks_document
from nertool.corpus.records import (
    BadRecord,
    batch_rows,
    open_arrow,
    open_parquet,
    parquet_batches,
    translate_arrow_errors,
)
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.char_spans import tag_texts
from nertool.sources.readers.layout import Layout, find_column, tag_columns
from nertool.sources.readers.span_records import SPAN_KEYS, TEXT_KEYS, SpanRecords, holds_text
from nertool.sources.readers.tag_names import TagNames
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.token_records import holds_token, read_token_records

if TYPE_CHECKING:
    from datasets import Features
    from pyarrow import RecordBatch

OBJECT_HELP = 'Such as {"tokens": [...], "tags": [...]}.'
ROWS_HELP = "Write an object for each sentence, as pandas' to_json(orient='records', lines=True) does."
TOKENS_HELP = "Or every row holds one token and its tag, and a column says which sentence it belongs to."


def read_rows(
    rows: Iterable[tuple[int, Any]],
    path: Path | str,
    layout: Layout,
    columns: Sequence[str],
    tally: Tally,
    names: Sequence[str] = (),
    unit: str = "",
) -> Iterator[Sentence]:
    """Sentences of rows.

    Args:
        rows: each with its 1-based line or row number; an error stands for a row that could not be read so far.
        path: the file, for errors.
        columns: the rows' keys.
        names: of tags that are integers, where the file itself knows them; the layout's go before.
        unit: what the number counts, where it is not lines.

    Raises:
        InvalidData: a row without its lists, lists of unlike lengths, integers without names (names file and row).
        InvalidOption: there is no such column.
    """
    token_column = find_column(path, layout.token_column, "--token-column", columns, TOKEN_NAMES)
    tag_column = find_column(path, layout.tag_column, "--tag-column", columns, tag_columns(layout.task))
    tag_names = TagNames(path, layout.tag_names, names)
    rows = iter(rows)
    ahead = list(islice(rows, 1))
    if ahead and not layout.tag_column:
        _tell_other_tags(ahead[0][1], path, tag_column, layout.task, tally)
    rows = chain(ahead, rows)
    if ahead and holds_token(ahead[0][1], token_column, tag_column):
        found = (token_column, tag_column)
        yield from read_token_records(rows, path, layout, columns, found, tag_names, tally)
        return
    tally.form = "a sentence a row"
    bad = BadLines(layout.on_error, tally)

    def sentences() -> Iterator[Sentence]:
        for number, row in rows:
            try:
                sentence = _sentence(row, (token_column, tag_column), tag_names, f"{path}:{unit}{number}")
            except InvalidData as error:
                bad.add(number, error)
                continue
            if not "".join(sentence.tokens).strip():
                tally.add("empty rows left out")
            if any(map(marks_document, sentence.tokens[:1])):  # some public copies of CoNLL-2003 have such rows
                tally.add("-DOCSTART- rows left out")
                continue
            yield sentence._replace(line=number)

    yield from bad.guard(sentences())
    tag_names.finish(tally)


def _tell_other_tags(row: Any, path: Path | str, tag_column: str, task: str, tally: Tally) -> None:
    """Note columns that may hold the tags as well: as many tags of entities under another of the usual names."""
    tags = row.get(tag_column) if isinstance(row, Mapping) else None
    if not isinstance(tags, list):
        return
    lists = {name: row[name] for name in row if str(name).lower() in tag_columns(task) and isinstance(row[name], list)}
    lists = {name: value for name, value in lists.items() if len(value) == len(tags) and name != tag_column}
    others = [
        name for name, value in lists.items() if all(isinstance(tag, str) and is_entity_tag(tag) for tag in value)
    ]
    if others:
        shown = f"the tags are those of {tag_column}, not those of {', '.join(others)} (--tag-column)"
        tally.note(f"{Path(path).name}: {shown}")


def read_rows_or_texts(
    rows: Iterable[tuple[int, Any]],
    path: Path | str,
    layout: Layout,
    columns: Sequence[str],
    tally: Tally,
    names: Sequence[str] = (),
) -> Iterator[Sentence]:
    """Sentences of rows, or of texts with character spans where the first row is one; see `read_rows`."""
    rows = iter(rows)
    ahead = list(islice(rows, 1))
    rows = chain(ahead, rows)
    if may_hold_texts(columns, layout) and ahead and holds_text(ahead[0][1], layout):
        yield from tag_texts(SpanRecords(path, layout, tally).read(rows), layout, tally)
    else:
        yield from read_rows(rows, path, layout, columns, tally, names, " row ")


def with_lists(record: Any, layout: Layout, is_first: bool = False) -> Any:
    """A record of a text with a tag for each word, as one with lists of words and tags; any other as it is.

    The words stand between blanks, or are the characters of a text without any; all tags are those of entities.

    Args:
        is_first: nothing else tells that records are such, so one token with one tag is a row, and no sentence.
    """
    if not isinstance(record, Mapping):
        return record
    tokens = _first_key(record, [layout.token_column] if layout.token_column else TOKEN_NAMES)
    tags = _first_key(record, [layout.tag_column] if layout.tag_column else tag_columns(layout.task))
    text, found = record.get(tokens), record.get(tags)
    listed = found.split() if isinstance(found, str) else found
    if not (isinstance(text, str) and isinstance(listed, list) and listed):
        return record
    if not all(isinstance(tag, str) and is_entity_tag(tag) for tag in listed):
        return record
    words = text.split()
    if len(words) != len(listed) and len(words) == 1:
        words = list(words[0])
    fits = len(words) == len(listed) and (listed is found or len(words) > 1 or not is_first)
    return {**record, tokens: words, tags: listed} if fits else record


def _first_key(record: Mapping[str, Any], likely: Sequence[str]) -> str:
    return next((key for name in likely for key in record if key.lower() == name or key == name), "")


def may_hold_texts(columns: Sequence[str], layout: Layout) -> bool:
    """Whether columns are those of texts with spans, as far as their names tell."""
    spans = [layout.spans_column] if layout.spans_column else SPAN_KEYS
    return bool(layout.text_column) or not ({*TEXT_KEYS}.isdisjoint(columns) or {*spans}.isdisjoint(columns))


def _sentence(row: Any, columns: tuple[str, str], names: TagNames, place: str) -> Sentence:
    """The sentence of a row, whose line is not known here."""
    if isinstance(row, InvalidData):
        raise row
    if isinstance(row, BadRecord):
        raise InvalidData(f"{place}: {row.reason}", "Mend the row, and write the file anew.")
    if not isinstance(row, Mapping):
        raise InvalidData(f"{place}: not a JSON object: {str(row)[:60]!r}", OBJECT_HELP)
    tokens, tags = (_list(row.get(column), column, place) for column in columns)
    if any(isinstance(token, list) for token in tokens):
        raise InvalidData(f"{place}: a list of lists in {columns[0]}", ROWS_HELP)
    if not all(isinstance(token, str) for token in tokens):
        raise InvalidData(f"{place}: a token in {columns[0]} is no text", "Tokens are strings.")
    if len(tokens) != len(tags):
        raise InvalidData(f"{place}: {len(tags)} tags for {len(tokens)} tokens", "Every token has one tag.")
    return Sentence(tokens, [_name(tag, names, place) for tag in tags], 0)


def _list(value: Any, column: str, place: str) -> list[Any]:
    if not isinstance(value, list):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        raise InvalidData(
            f"{place}: column {column} holds {found}, not a list",
            f"A row holds the list of a sentence's tokens and the list of their tags. {TOKENS_HELP}",
        )
    return value


def _name(tag: Any, names: TagNames, place: str) -> str:
    name = names.find(tag, place)
    if not isinstance(name, str):
        raise InvalidData(f"{place}: a tag is {tag!r}", "Tags are strings, or integers with names.")
    if not name.strip():
        raise InvalidData(f"{place}: an empty tag", "Every token has one tag.")
    return name


def read_parquet(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a Parquet file; tags that are integers take the names that `datasets` stores with it.

    Raises:
        InvalidData: as `read_rows`; or the file is not Parquet, or cut short.
    """
    file = open_parquet(path)
    with translate_arrow_errors(path, "Parquet"):
        schema = file.schema_arrow
        needed = _needed_columns(schema, path, layout)
        yield from _read_batches(parquet_batches(path, needed), schema, path, layout, tally)


def _needed_columns(schema: Any, path: Path, layout: Layout) -> list[str]:
    """Columns of the tokens and the tags, the others are not looked at.

    These are all of them where they may hold texts, and those of text and numbers where a row holds a token.
    """
    import pyarrow

    names = list(schema.names)
    if may_hold_texts(names, layout):
        return names
    token_column = find_column(path, layout.token_column, "--token-column", names, TOKEN_NAMES)
    tag_column = find_column(path, layout.tag_column, "--tag-column", names, tag_columns(layout.task))
    if pyarrow.types.is_nested(schema.field(token_column).type):
        rivals = [] if layout.tag_column else [name for name in names if name.lower() in tag_columns(layout.task)]
        rivals = [name for name in rivals if pyarrow.types.is_nested(schema.field(name).type)]
        return list(dict.fromkeys([token_column, tag_column, *rivals]))
    others = [field.name for field in schema if not pyarrow.types.is_nested(field.type)]
    return list(dict.fromkeys([token_column, tag_column, *others]))


def read_arrow(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of an Arrow file, streaming (as `save_to_disk` writes) or random-access (Feather).

    Raises:
        InvalidData: as `read_rows`; or the file is not Arrow, or cut short.
    """
    with open_arrow(path) as (schema, batches):
        yield from _read_batches(batches, schema, path, layout, tally)


def _read_batches(
    batches: Iterable[RecordBatch], schema: Any, path: Path, layout: Layout, tally: Tally
) -> Iterator[Sentence]:
    columns = list(schema.names)
    needed = _needed_columns(schema, path, layout)
    names = _stored_names(schema, path, layout)
    rows = batch_rows(batch.select(needed) for batch in batches)
    yield from read_rows_or_texts(rows, path, layout, columns, tally, names)


def _stored_names(schema: Any, path: Path, layout: Layout) -> list[str]:
    """Names of the tags' integers, as `datasets` stores them in the schema; none where it does not."""
    import pyarrow

    try:
        column = find_column(path, layout.tag_column, "--tag-column", schema.names, tag_columns(layout.task))
    except InvalidOption:  # texts with spans have none
        return []
    kind = schema.field(column).type
    is_list = pyarrow.types.is_nested(kind)
    if not pyarrow.types.is_integer(getattr(kind, "value_type", pyarrow.null()) if is_list else kind):
        return []
    try:
        feature = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"][column]
        inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = inner["names"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def class_names(features: Features | Mapping[str, Any], column: str) -> list[str]:
    """Names of a column's integers, as a data set's ClassLabel has them; none where it has none."""
    feature = features.get(column)
    names = getattr(getattr(feature, "feature", None), "names", None)
    return list(names or [])
