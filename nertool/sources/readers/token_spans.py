"""Records of tokens with entities as token spans (GLiNER, SpERT), and spaCy 2's documents -> sentences in IOB2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import Sentence
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally

HELP = "An entity has a start, an end and a type; its places count tokens from 0."
TOKEN_TAGS = {"ner": "ner", "pos": "tag"}
"""Keys of a token's tag in spaCy 2's JSON, by task."""


def form_of(record: Any) -> str:
    """`gliner`, `spert` or `spacy`; empty for records of another form."""
    if not isinstance(record, dict):
        return ""
    if isinstance(record.get("tokenized_text"), list) and isinstance(record.get("ner"), list):
        return "gliner"
    entities = record.get("entities")
    if _are_texts(record.get("tokens")) and isinstance(entities, list) and not isinstance(record.get("text"), str):
        return "spert" if all(isinstance(one, dict) and "type" in one for one in entities) else ""
    return "spacy" if isinstance(record.get("paragraphs"), list) else ""


def read_token_spans(records: Iterable[tuple[int, Any]], form: str, path: Path, tally: Tally) -> Iterator[Sentence]:
    """Sentences of records with token spans. GLiNER's end with the last token, SpERT's behind it.

    Raises:
        InvalidData: a record without its lists, or a span outside the tokens (names file and line).
    """
    tally.form = "tokens with spans"
    token_key, span_key = ("tokenized_text", "ner") if form == "gliner" else ("tokens", "entities")
    for number, record in records:
        place = f"{path}:{number}"
        tokens = record.get(token_key) if isinstance(record, dict) else None
        entries = record.get(span_key) if isinstance(record, dict) else None
        if not _are_texts(tokens, empty=True) or not isinstance(entries, list):
            raise InvalidData(f"{place}: no lists as {token_key} and {span_key}", "Every record has them as the first.")
        if not tokens:
            tally.add("empty rows left out")
            continue
        tally.add_relations(record)
        spans = [_span(entry, form, len(tokens), place) for entry in entries]
        yield Sentence(tokens, tag_tokens(spans, len(tokens), place, tally), number)


def _are_texts(value: Any, empty: bool = False) -> bool:
    return isinstance(value, list) and (empty or bool(value)) and all(isinstance(one, str) for one in value)


def _span(entry: Any, form: str, length: int, place: str) -> tuple[int, int, str]:
    """Half-open places of an entity, in tokens, and its type."""
    start = end = label = None
    if isinstance(entry, dict):
        start, end, label = entry.get("start"), entry.get("end"), entry.get("type", entry.get("label"))
    elif isinstance(entry, list) and len(entry) == 3:
        start, end, label = entry
    if not (type(start) is int and type(end) is int and isinstance(label, str) and label.strip()):
        raise InvalidData(f"{place}: {str(entry)[:80]!r} is no entity", HELP)
    behind = end + 1 if form == "gliner" else end
    if not 0 <= start < behind <= length:
        raise InvalidData(f"{place}: entity {start} to {end} {label} lies outside the {length} tokens", HELP)
    return start, behind, label


def tag_tokens(spans: Sequence[tuple[int, int, str]], length: int, place: str, tally: Tally) -> list[str]:
    """Tags in IOB2 of so many tokens; of spans that overlap the longest stays, and others are told and counted.

    Args:
        spans: half-open places in tokens, from 0, and type.
        place: file and line, for messages.
    """
    tags = ["O"] * length
    distinct = dict.fromkeys(spans)
    for start, end, label in sorted(distinct, key=lambda span: (span[0] - span[1], span[0])):  # longest first
        if tags[start:end] != ["O"] * (end - start):
            detail = f"entity {start} to {end} {label} overlaps one that stays: left out"
            tally.add("overlapping spans left out", place, detail)
            continue
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def read_spacy_documents(
    records: Iterable[tuple[int, Any]], path: Path, layout: Layout, tally: Tally
) -> Iterator[Sentence]:
    """Sentences of spaCy 2's JSON: tokens with a tag each, in BILUO for entities.

    Raises:
        InvalidData: a document is not built so (names file and line).
        InvalidOption: the tokens have no tags for this task.

    Source: https://v2.spacy.io/api/annotation#json-input
    """
    tally.form = "spaCy's training documents"
    key = layout.tag_column or TOKEN_TAGS.get(layout.task, "")
    if not key:
        raise InvalidOption(f"{path}: spaCy's tokens have no tags for {layout.task}", "Name a key: --tag-column")
    for number, record in records:
        for tokens in _sentences(record, f"{path}:{number}"):
            if not tokens:
                tally.add("empty rows left out")
                continue
            words: list[str] = []
            for token in tokens:
                word = token.get(layout.token_column or "orth")
                if not isinstance(word, str):
                    raise InvalidData(f"{path}:{number}: a token without text as orth", "Name its key: --token-column")
                words.append(word)
            yield Sentence(words, [_token_tag(token, key, layout.task, tally) for token in tokens], number)


def _sentences(record: Any, place: str) -> Iterator[list[dict[str, Any]]]:
    try:
        for paragraph in record["paragraphs"]:
            for sentence in paragraph["sentences"]:
                tokens = sentence["tokens"]
                if not all(isinstance(token, dict) for token in tokens):
                    raise TypeError
                yield tokens
    except (TypeError, KeyError) as error:
        raise InvalidData(
            f"{place}: no document of paragraphs, sentences and tokens", "Every record is built as the first one."
        ) from error


def _token_tag(token: dict[str, Any], key: str, task: str, tally: Tally) -> str:
    tag = token.get(key)
    if isinstance(tag, str) and tag.strip() and not (tag == "-" and task == "ner"):
        return tag
    tally.add("tokens without a tag, so O" if task == "ner" else "tokens without a tag, so _")
    return "O" if task == "ner" else "_"
