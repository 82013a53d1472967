"""Texts with entities as character spans, as spaCy, Prodigy, Doccano and Label Studio export them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nertool.corpus.column_files import Sentence
from nertool.corpus.running_text import cut_words
from nertool.errors import InvalidData
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally

KEYS = ("entities", "ents", "spans", "label", "labels", "annotations", "completions")
LINE = re.compile(r"[^\n\r]+")
HELP = "A span is [start, end, label] or an object with start, end and label, counted in characters from 0."


class CharSpan(NamedTuple):
    """An entity: half-open, 0-based places in characters of the text."""

    start: int
    end: int
    label: str


class Token(NamedTuple):
    """A token and its half-open, 0-based place in characters of the text."""

    text: str
    start: int
    end: int


def text_of(record: Any) -> str | None:
    """The running text of a record, in any of the known forms; None where it has none."""
    if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):  # spaCy's training tuples
        return record[0] if isinstance(record[0], str) else None
    if not isinstance(record, dict):
        return None
    inner = record.get("data")  # Label Studio
    text = inner.get("text") if isinstance(inner, dict) else record.get("text")
    return text if isinstance(text, str) else None


def read_spans(records: Iterable[tuple[int, Any]], path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of texts: tokens as `nertool predict` cuts them (or as the record gives them), tags in IOB2.

    A line break ends a sentence. A span that does not fall on token borders, or overlaps a longer one, is told with
    its line and counted; `layout.alignment` says what becomes of the former.

    Raises:
        InvalidData: a record without text, or a span that is none or lies outside (names file and line).
    """
    for number, record in records:
        text = text_of(record)
        if text is None:
            raise InvalidData(f"{path}:{number}: no text", "Every record has one, as the first has.")
        place = f"{path}:{number}"
        entries = _entries(record, layout.tag_column, place, tally)
        if entries is None:
            tally.add("texts that their annotator rejected, left out")
            continue
        spans = [_span(entry, text, place) for entry in entries]
        sentences = _sentences(record, text, place)
        tags = _tags([token for tokens in sentences for token in tokens], spans, text, place, layout.alignment, tally)
        at = 0
        for tokens in sentences:
            here = tags[at : at + len(tokens)]
            if here and here[0].startswith("I-"):
                tally.add("spans cut by a line break", place, f"an entity goes over a line break: {tokens[0].text!r}")
                here[0] = "B" + here[0][1:]
            yield Sentence([token.text for token in tokens], here, number)
            at += len(tokens)


def _sentences(record: Any, text: str, place: str) -> list[list[Token]]:
    given = record.get("tokens") if isinstance(record, dict) else None
    if given:
        try:
            places = [(token["start"], token["end"]) for token in given]
            if not all(type(a) is type(b) is int and 0 <= a <= b <= len(text) for a, b in places):
                raise ValueError
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidData(f"{place}: a token without start and end in the text", HELP) from error
        tokens = [Token(text[start:end], start, end) for start, end in places]
        return [[token for token in tokens if token.text.strip()]]
    sentences = []
    for line in LINE.finditer(text):
        words = cut_words(line.group())
        begin = line.start()
        tokens = [
            Token(word, begin + start, begin + end)
            for word, (start, end) in zip(words.tokens, words.offsets, strict=True)
        ]
        sentences += [tokens] if tokens else []
    return sentences


def _entries(record: Any, column: str, place: str, tally: Tally) -> list[Any] | None:
    """The spans as the record holds them; None where its annotator rejected, ignored or cancelled it."""
    holder = record[1] if isinstance(record, list) else record
    if holder.get("answer", "accept") != "accept":
        return None
    for key in (column,) if column else KEYS:
        found = holder.get(key)
        if key in ("annotations", "completions") and isinstance(found, list):
            return _label_studio(found, place)
        if isinstance(found, list):
            return found
        if found is not None:
            raise InvalidData(f"{place}: {key} holds no list of spans", HELP)
    if column:
        raise InvalidData(f"{place}: no {column}", f"This record has {', '.join(holder)}: take one by --tag-column.")
    tally.add("texts without a list of entities, so all O")
    return []


def _label_studio(annotations: list[Any], place: str) -> list[Any] | None:
    """Results of the first annotation that was not cancelled; an empty list where there is no annotation."""
    if not annotations:
        return []
    kept = [annotation for annotation in annotations if not _get(annotation, "was_cancelled")]
    if not kept:
        return None
    results = _get(kept[0], "result")
    if not isinstance(results, list):
        raise InvalidData(f"{place}: annotations hold no list as result", HELP)
    return [result for result in results if _get(result, "type") in (None, "labels")]


def _get(value: Any, *keys: str) -> Any:
    """The first of these keys that an object has; None where it is no object."""
    return next((value[key] for key in keys if key in value), None) if isinstance(value, dict) else None


def _span(entry: Any, text: str, place: str) -> CharSpan:
    if isinstance(entry, dict):
        value = entry.get("value", entry)
        start = _get(value, "start", "start_offset")
        end = _get(value, "end", "end_offset")
        label = _get(value, "label", "labels")
        label = label[0] if isinstance(label, list) and label else label
    else:
        start, end, label = entry if isinstance(entry, list) and len(entry) == 3 else (None, None, None)
    if not (type(start) is int and type(end) is int and isinstance(label, str) and label.strip()):
        raise InvalidData(f"{place}: {str(entry)[:80]} is no span", HELP)
    if not 0 <= start < end <= len(text):
        raise InvalidData(
            f"{place}: span {start} to {end} {label} lies outside the text of {len(text)} characters", HELP
        )
    return CharSpan(start, end, label)


def _tags(
    tokens: Sequence[Token], spans: Iterable[CharSpan], text: str, place: str, alignment: str, tally: Tally
) -> list[str]:
    tags = ["O"] * len(tokens)
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):  # longest first
        shown = f"span {span.start} to {span.end} {span.label} {text[span.start : span.end]!r}"
        touched = [n for n, token in enumerate(tokens) if token.start < span.end and token.end > span.start]
        inside = [n for n in touched if span.start <= tokens[n].start and tokens[n].end <= span.end]
        covered = touched
        if touched != inside or not touched:
            covered = {"expand": touched, "contract": inside}.get(alignment, [])
            done = {"expand": "widened", "contract": "narrowed"}[alignment] if covered else "left out"
            kind = f"spans off the token borders {done}"
            tally.add(kind, place, f"{shown} does not fall on token borders: {done} (--alignment)")
        if any(tags[n] != "O" for n in covered):
            tally.add("overlapping spans left out", place, f"{shown} overlaps a longer one: left out")
            continue
        for n in covered:
            tags[n] = f"{'B' if n == covered[0] else 'I'}-{span.label}"
    return tags
