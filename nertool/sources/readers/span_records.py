"""JSON records of a text with character spans, as annotation tools and spaCy write them -> annotated texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nertool.corpus import utf16
from nertool.corpus.column_files import TOKEN_NAMES
from nertool.errors import InvalidData
from nertool.sources.readers.annotators import Annotators, person_names
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.char_spans import SPANS_WAY, AnnotatedText
from nertool.sources.readers.label_studio import (
    NOBODY,
    OTHER_REGIONS,
    first_label,
    holds_results,
    read_regions,
)
from nertool.sources.readers.layout import Layout, tag_columns
from nertool.sources.readers.span_offsets import SPAN_HELP, CharSpan, Token, from_utf16
from nertool.sources.readers.tag_names import TagNames
from nertool.sources.readers.tally import Tally
from nertool.tags import OUTSIDE

TEXT_KEYS = ("text", "content", "data", "document", "body", "raw_text", "full_text", "sentence", "raw", "input")
SPAN_KEYS = (
    *("entities", "ents", "spans", "label", "labels", "annotations", "annotation", "completions"),
    *("named_entities", "mentions", "ner", "entity_spans", "ner_spans"),
)
START_KEYS = (
    *("start", "start_offset", "startOffset", "start_char", "char_start", "begin", "start_index", "start_idx"),
    *("begin_offset", "beginOffset", "offset"),
)
END_KEYS = ("end", "end_offset", "endOffset", "end_char", "char_end", "stop", "end_index", "end_idx")
PLACE_KEYS = ("span", "offsets", "indices", "position", "positions", "location", "char_span")
"""Keys of both places in one list."""
LABEL_KEYS = ("label", "labels", "entity", "entity_type", "entity_group", "tag", "type", "category", "class", "name")
OWN_TEXT_KEYS = ("text", "value", "surface", "word", "mention")
USUAL_KEYS = {key.lower(): key for key in (*START_KEYS, *END_KEYS, *PLACE_KEYS, *LABEL_KEYS, *OWN_TEXT_KEYS, "length")}
"""Keys of a span by what they are in small letters."""
ANNOTATOR_KEYS = ("annotated_by", "user", "annotator", "annotator_id")
SPAN_ID = re.compile(r"[A-Za-z]?\d+")
"""The number of a span, as T1, which may stand in front of its places."""
MOST_CANDIDATES = 5
"""Keys that an error names as those of the text."""
NO_TEXT = "Every record has one, as the first has; --text-column names its key."
RECORD_ANNOTATOR_KEYS = ("_annotator_id", "annotator", "_session_id")
"""Keys under which a record, of Prodigy or Label Studio's JSON-MIN, says who annotated it."""


def text_of(record: Any, wanted: str = "") -> str | None:
    """The running text of a record, in any of the known forms; None where it has none.

    Args:
        wanted: key of the text; empty for any of the known ones.
    """
    found = _text_and_starts(record, wanted)
    return found[0] if found else None


def with_usual_keys(record: Any) -> Any:
    """A record of a text with spans, with keys such as Text and ENTITIES in small letters."""
    if not isinstance(record, dict):
        return record
    plain: dict[str, Any] = {}
    for key, value in record.items():
        small = key.lower() in (*TEXT_KEYS, *SPAN_KEYS) and key.lower() not in record
        plain[key.lower() if small else key] = value
    has_lists = any(isinstance(plain.get(key), list) for key in SPAN_KEYS)
    return plain if has_lists and text_of(plain) is not None else record


def has_spans(record: dict[str, Any]) -> bool:
    """Whether a record has a list of spans under a known key."""
    for key in SPAN_KEYS:
        value = record.get(key)
        if isinstance(value, list) and value and _looks_like_span(value[0]):
            return True
    return False


def text_candidates(record: dict[str, Any]) -> list[str]:
    """Keys that may hold the text of a record with spans, the longest first; none for other records."""
    if not has_spans(record):
        return []
    inner = record.get("data")  # Label Studio's task
    holder = inner if isinstance(inner, dict) else record
    texts = {key: value for key, value in holder.items() if isinstance(value, str) and value.strip()}
    return sorted(texts, key=lambda key: -len(texts[key]))[:MOST_CANDIDATES]


def holds_text(record: Any, layout: Layout) -> bool:
    """Whether a record is a text, with spans or without, and no row of tokens and tags."""
    return bool(layout.text_column) or (text_of(record) is not None and not _has_rows(record, layout))


def _has_rows(record: Any, layout: Layout) -> bool:
    """Whether a record has a list of plain tokens (Prodigy's are objects) and one of tags."""
    if not isinstance(record, dict):
        return False
    token_keys = [layout.token_column] if layout.token_column else TOKEN_NAMES
    tag_keys = [layout.tag_column] if layout.tag_column else tag_columns(layout.task)
    tokens = [record[key] for key in token_keys if _is_plain_list(record.get(key))]
    tags = [record[key] for key in tag_keys if _is_plain_list(record.get(key))]
    if not tokens or not tags:
        return False
    return any(len(values) == len(tokens[0]) for values in tags) or not has_spans(record)


def spans_of_tokens(record: Any, layout: Layout) -> str:
    """The key of the spans of a record that has tokens and spans, but neither tags nor a text; empty for others."""
    if not isinstance(record, dict) or _has_rows(record, layout):
        return ""
    if not any(_is_plain_list(record.get(key)) for key in TOKEN_NAMES):
        return ""
    lists = [key for key, value in record.items() if isinstance(value, list) and value]
    return next((key for key in lists if _looks_like_span(record[key][0])), "")


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value)


def _text_and_starts(record: Any, wanted: str) -> tuple[str, list[int]] | None:
    """The text, and where its paragraphs begin if it consists of some."""
    if _is_pair(record):  # spaCy's training tuples
        return record[0], []
    if not isinstance(record, dict):
        return None
    inner = record.get("data")  # Label Studio's task
    holder = inner if isinstance(inner, dict) else record
    for key in [wanted] if wanted else TEXT_KEYS:
        value = holder.get(key)
        if isinstance(value, str):
            return value, []
        if isinstance(inner, dict) and isinstance(value, list) and value:
            return _paragraphs(value)
    if isinstance(inner, dict) and not wanted:
        texts = [value for value in inner.values() if isinstance(value, str)]
        lists = [value for value in inner.values() if isinstance(value, list) and value]
        if len(texts) == 1:
            return texts[0], []
        if not texts and len(lists) == 1:
            return _paragraphs(lists[0])
    return None


def _is_pair(record: Any) -> bool:
    return isinstance(record, list) and len(record) == 2 and isinstance(record[0], str) and isinstance(record[1], dict)


def _paragraphs(values: Sequence[Any]) -> tuple[str, list[int]] | None:
    text, starts = "", []
    for value in values:
        said = value.get("text") if isinstance(value, dict) else value
        if not isinstance(said, str):
            return None
        starts.append(len(text))
        text += f"{said}\n"
    return text, starts


class SpanRecords:
    """Reads the records of one file.

    Args:
        path: the file or data set, for messages.
        layout: names the keys and the annotator.
        tally: told of all that is left out or changed.
    """

    def __init__(self, path: Path | str, layout: Layout, tally: Tally) -> None:
        self.path, self.layout, self.tally = path, layout, tally
        self.annotators = Annotators(layout.annotator, path, tally)
        self.tag_names = TagNames(path, layout.tag_names)
        self.has_spans = False
        self.without_label = ""
        self.records = self.spans = 0
        self.annotated: set[int] = set()

    def read(self, records: Iterable[tuple[int, Any]]) -> Iterator[AnnotatedText]:
        """Give the texts that are not left out; an error stands for a record that could not be read so far.

        Raises:
            InvalidData: a record without text, or a span that is none (names file and line); or no record has spans.
            InvalidOption: the wanted annotator annotated none.
        """
        taken = 0
        self.tally.form = "texts with spans"
        bad = BadLines(self.layout.on_error, self.tally)
        for annotated in bad.guard(self._read_each(records, bad)):
            taken += 1
            yield annotated
        self._check_all(taken)

    def _read_each(self, records: Iterable[tuple[int, Any]], bad: BadLines) -> Iterator[AnnotatedText]:
        for number, record in records:
            self.records += 1
            if isinstance(record, InvalidData):
                bad.add(number, record)
                continue
            if record is None:
                self.tally.add("empty records left out")
                continue
            try:
                annotated = self._read_one(number, record)
            except InvalidData as error:
                bad.add(number, error)
                continue
            if annotated:
                yield annotated

    def _check_all(self, taken: int) -> None:
        """Check that something was read, once the file has ended."""
        self.annotators.finish(taken)
        self.tag_names.finish(self.tally)
        if not self.spans and not self.layout.as_is:
            self._refuse_lost_spans()
        if taken and not self.has_spans:
            raise InvalidData(
                f"{self.path}: no record has a list of spans under a known key",
                f"Name the key: --spans-column. Known are {', '.join(SPAN_KEYS)}. {SPANS_WAY}",
            )
        if self.records and not taken and "texts with predictions only, left out" in self.tally.counts:
            raise InvalidData(
                f"{self.path}: all texts have predictions only", "Accept them in Label Studio, and export again."
            )
        if self.records and not taken and NOBODY in self.tally.counts:
            raise InvalidData(f"{self.path}: nobody annotated a text", "Submit them in Label Studio, and export again.")

    def _refuse_lost_spans(self) -> None:
        """Check why a file has no span.

        Raises:
            InvalidData: all that it has are without a label, or mark something else than text.
        """
        if self.without_label:
            what = f"{self.without_label} has no label, as no span of this file has"
            raise InvalidData(what, f"Known keys are {', '.join(LABEL_KEYS)}. {SPANS_WAY}")
        if kind := next((kind for kind in self.tally.counts if kind.startswith(OTHER_REGIONS)), ""):
            what = f"{self.path}: no region marks text, as {kind.removesuffix(' left out')} do not"
            raise InvalidData(what, f"Export a project that labels text. {SPANS_WAY}")

    def _read_one(self, number: int, record: Any) -> AnnotatedText | None:
        place = f"{self.path}:{number}"
        found = _text_and_starts(record, self.layout.text_column)
        if found is None:
            raise InvalidData(f"{place}: no text", NO_TEXT)
        text, starts = found
        holder = record[1] if isinstance(record, list) else record
        if holder.get("answer", "accept") != "accept":
            self.tally.add("texts that their annotator rejected, left out")
            return None
        if not self._is_chosen(holder, text, place):
            return None
        self.tally.add_relations(holder)
        tokens = _tokens(holder, text, place)
        if holder.get("_is_binary") is True:
            detail = "a yes or no to one span says nothing of the other words: they are O"
            self.tally.add("texts of which one span alone was judged", place, detail)
        spans = self._spans(holder, text, starts, place)
        if spans and holder.get(utf16.KEY) == utf16.UNITS:
            spans = from_utf16(spans, text)
        if spans is None:
            return None
        self.spans += len(spans)
        return AnnotatedText(text, spans, place, number, tokens, _sentence_starts(holder))

    def _is_chosen(self, holder: dict[str, Any], text: str, place: str) -> bool:
        """Whether a record that names its annotator is to be taken: the first of a text, or the wanted one's."""
        names: list[str] = []
        for key in RECORD_ANNOTATOR_KEYS:
            names += person_names(holder.get(key))
        if not names:
            return True
        if self.layout.annotator:
            return self.annotators.choose([names], place) is not None
        self.annotators.seen[names[0]] = None
        mark = hash((text, str(holder.get("id"))))
        if mark in self.annotated and len(self.annotators.seen) > 1:
            detail = f"another annotation of a text, by {names[0]}: left out (--annotator)"
            self.tally.add("texts again by another annotator, left out", place, detail)
            return False
        self.annotated.add(mark)
        return True

    # -- spans -------------------------------------------------------------------------------------

    def _spans(self, holder: dict[str, Any], text: str, starts: Sequence[int], place: str) -> list[CharSpan] | None:
        """Spans of a record; None where it is left out."""
        wanted = self.layout.spans_column or self.layout.tag_column
        if not wanted and _is_task(holder):
            self.has_spans = True
            return read_regions(holder, text, starts, place, self.annotators, self.tally)
        if wanted and wanted not in holder:
            hint = f"This record has {', '.join(holder)}: take one by --spans-column (or --tag-column)."
            raise InvalidData(f"{place}: no {wanted}", hint)
        key, entries = self._entries(holder, [wanted] if wanted else SPAN_KEYS, place)
        if entries is None:
            if not key:
                self.tally.add("texts without a list of entities, so all O")
            return []
        entries = self._of_one_annotator(entries, place)
        if entries is None:
            return None
        spans: list[CharSpan] = []
        for entry in entries:
            spans += self._entry_spans(entry, text, place)
        return spans

    def _entries(self, holder: dict[str, Any], keys: Sequence[str], place: str) -> tuple[str, list[Any] | None]:
        """The key of the spans and their list: one that is filled goes before those that are empty."""
        there = {key: _spans_in(holder[key]) for key in keys if key in holder}
        all_lists = [key for key, value in there.items() if isinstance(value, list)]
        filled = [key for key in all_lists if there[key] and _looks_like_span(there[key][0])]
        lists = filled or [key for key in all_lists if not there[key]] or all_lists
        self.has_spans = self.has_spans or bool(there)
        for key, value in there.items():
            if value is not None and (not lists or (not filled and _groups(value))):
                raise InvalidData(f"{place}: {key} holds no list of spans", _not_a_list(value))
        if not lists:
            return next(iter(there), ""), None
        for other in filled[1:]:
            if there[other] != there[lists[0]]:
                detail = f"spans under {lists[0]} and {other}: those under {lists[0]} are taken (--spans-column)"
                self.tally.add("texts with spans under two keys, of which one is taken", place, detail)
        return lists[0], there[lists[0]]

    def _of_one_annotator(self, entries: list[Any], place: str) -> list[Any] | None:
        """Spans of one annotator, where each span says who made it."""
        people: dict[str, list[str]] = {}
        for entry in entries:
            for names in _entry_annotators(entry):
                people.setdefault(names[0], names)
        if not people:
            return entries
        index = self.annotators.choose(list(people.values()), place)
        if index is None:
            return None
        chosen = list(people)[index]
        return [entry for entry in entries if chosen in [names[0] for names in _entry_annotators(entry)]]

    def _entry_spans(self, entry: Any, text: str, place: str) -> list[CharSpan]:
        """The span of an entry; Dataturks has several places for one label."""
        if isinstance(entry, dict) and isinstance(entry.get("points"), list):
            spans: list[CharSpan] = []
            for point in entry["points"]:
                labelled = {**point, "label": entry.get("label")} if isinstance(point, dict) else None
                span = self._span(labelled, text, place) if labelled else None
                spans += [span._replace(end=span.end + 1)] if span else []  # its end is the last character
            return spans
        span = self._span(entry, text, place)
        return [span] if span else []

    def _span(self, entry: Any, text: str, place: str) -> CharSpan | None:
        start = end = label = own = None
        if isinstance(entry, dict):
            entry = _with_usual_keys_of_span(entry)
            value = entry["value"] if isinstance(entry.get("value"), dict) else entry
            start, end = _get(value, START_KEYS), _get(value, END_KEYS)
            label, own = _label_and_text(value, text)
            if end is None and type(start) is int and type(value.get("length")) is int:
                end = start + value["length"]
            if start is None and end is None:
                start, end = _both_places(value)
        elif isinstance(entry, list) and len(entry) in (3, 4):
            start, end, label = entry[:3] if type(entry[0]) is int else (entry[1], entry[2], entry[0])
            own = entry[3] if len(entry) == 4 else None
            if isinstance(own, str) and isinstance(label, str) and SPAN_ID.fullmatch(label) and own not in text:
                label, own = own, None
            if isinstance(own, str) and own != label == text[start:end]:  # the text stands in front of the label
                label, own = own, label
            label = None if own is not None and not isinstance(own, str) else label
        placed = type(start) is int and type(end) is int
        if placed and (label == OUTSIDE or (isinstance(entry, dict) and _has_no_label(label))):
            self.tally.add("regions without a label left out", place, f"span {start} to {end} has no label: left out")
            self.without_label = self.without_label or f"{place}: {str(entry)[:80]!r}"
            return None
        label = self.tag_names.find(label, place, "label")
        if isinstance(label, list) and any(isinstance(one, str) and one.strip() for one in label):
            label = first_label(label, place, self.tally)
        if not (type(start) is int and type(end) is int and isinstance(label, str) and label.strip()):
            raise InvalidData(f"{place}: {str(entry)[:80]!r} is no span", SPAN_HELP)
        if start < 0 or start >= end:
            raise InvalidData(f"{place}: span {start} to {end} {label} holds no character of the text", SPAN_HELP)
        return CharSpan(start, end, label, own if isinstance(own, str) else "")


def _is_task(holder: dict[str, Any]) -> bool:
    """Whether a record is a task of Label Studio."""
    annotations = holder.get("annotations") or holder.get("completions")
    if holds_results(annotations):
        return True
    return isinstance(holder.get("data"), dict) and any(
        isinstance(holder.get(key), list) for key in ("annotations", "completions", "predictions")
    )


def _with_usual_keys_of_span(entry: dict[str, Any]) -> dict[str, Any]:
    """A span with the usual keys, where it has them in capitals, as Start and BeginOffset."""
    if any(key in entry for key in (*START_KEYS, "value", *PLACE_KEYS)):
        return entry
    return {USUAL_KEYS.get(key.lower(), key): value for key, value in entry.items()}


def _label_and_text(value: dict[str, Any], text: str) -> tuple[Any, Any]:
    """The label of a span, and its own text; what stands as `entity` is either, by whether the record's text has it.

    Rasa has a synonym as `value` beside `entity`: it is the span's own text only where the record's text has it.
    """
    own = _get(value, OWN_TEXT_KEYS)
    entity = value.get("entity")
    label = _get(value, [key for key in LABEL_KEYS if key != "entity"])
    if label is not None and isinstance(entity, str) and entity and entity in text:
        return label, own or entity
    if label is None and own == value.get("value") and not _has_words(text, str(own)):
        own = None
    return _get(value, LABEL_KEYS), own


def _both_places(value: dict[str, Any]) -> tuple[Any, Any]:
    """Start and end of a span that has them in one list, which may stand in another one as its only piece."""
    places = _get(value, PLACE_KEYS)
    if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list):
        places = places[0]
    return (places[0], places[1]) if isinstance(places, list) and len(places) == 2 else (None, None)


def _has_words(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def _has_no_label(label: Any) -> bool:
    return label is None or label in ("", [])


def _looks_like_span(entry: Any) -> bool:
    return isinstance(entry, dict) or (isinstance(entry, list) and len(entry) in (3, 4))


def _spans_in(value: Any) -> Any:
    """The list of spans that an object stands for: spaCy's only group, rows of columns, or none; else the value."""
    if value == {}:
        return []
    if not isinstance(value, dict) or not all(isinstance(column, list) for column in value.values()):
        return value
    columns = list(value.values())
    if any(key in value for key in START_KEYS) and len({len(column) for column in columns}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    groups = _groups(value)
    return next(iter(groups.values()), []) if len(groups) < 2 and len(groups) == sum(map(bool, columns)) else value


def _groups(value: Any) -> dict[str, list[Any]]:
    """Lists of spans under names of their own, as spaCy writes `Doc.spans`; those without any are left out."""
    groups: dict[str, list[Any]] = {}
    for name, group in value.items() if isinstance(value, dict) else ():
        first = group[0] if isinstance(group, list) and group else None
        labelled = isinstance(first, dict) and _get(first, START_KEYS) is not None and _get(first, LABEL_KEYS)
        if labelled or (isinstance(first, list) and _looks_like_span(first)):
            groups[name] = group
    return groups


def _not_a_list(value: Any) -> str:
    if groups := _groups(value):
        return f"It has several: {', '.join(groups)[:100]}. Keep one of them. {SPANS_WAY}"
    if isinstance(value, dict):
        return f"An object, as CLUENER has, is not read. {SPANS_WAY}"
    return SPAN_HELP


def _entry_annotators(entry: Any) -> list[list[str]]:
    """Id and names of each person who made a span."""
    people: list[list[str]] = []
    if isinstance(entry, dict):
        for key in ANNOTATOR_KEYS:
            value = entry.get(key)
            for person in value if isinstance(value, list) else [value]:
                names = person_names(person)
                people += [names] if names else []
    return people


def _tokens(holder: dict[str, Any], text: str, place: str) -> list[Token]:
    """Tokens as a record gives them, by their places or in the order of the text; none where it has none."""
    given = holder.get("tokens")
    if not isinstance(given, list):
        return []
    if all(isinstance(token, str) for token in given):
        return _tokens_in_order(given, text)
    try:
        places = [(token["start"], token["end"]) for token in given]
        if not all(type(a) is type(b) is int and 0 <= a <= b <= len(text) for a, b in places):
            raise ValueError
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidData(f"{place}: a token without start and end in the text", SPAN_HELP) from error
    return [Token(text[start:end], start, end) for start, end in places]


def _sentence_starts(holder: dict[str, Any]) -> set[int]:
    """Where the sentences of a record begin, as spaCy's `Doc.to_json` has them; nothing where it has none."""
    given = holder.get("sents")
    starts = [one.get("start") for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return {start for start in starts if type(start) is int}


def _tokens_in_order(tokens: Sequence[str], text: str) -> list[Token]:
    """Tokens where the text has them one behind the other, with nothing but white space between; else none."""
    placed: list[Token] = []
    at = 0
    for token in tokens:
        start = text.find(token, at)
        if not token.strip() or start < 0 or text[at:start].strip():
            return []
        at = start + len(token)
        placed.append(Token(token, start, at))
    return [] if text[at:].strip() else placed


def _get(value: dict[str, Any], keys: Sequence[str]) -> Any:
    """The first of these keys that an object has with something in it."""
    for key in keys:
        if value.get(key) not in (None, "", []):
            return value[key]
    return None
