"""Tagged documents as text: columns, JSON Lines, a line for each sentence or entity, or an HTML page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from importlib.resources import files
from itertools import chain
from typing import Any

from nertool.corpus.running_text import Words
from nertool.documents.document import Document
from nertool.errors import InvalidOption
from nertool.models.tagging import Entity, Tagging, entities_of

Write = Callable[[Document, Sequence[Tagging]], str]
"""A document and the tags of its sentences -> what is written for it."""
COLUMNS = ("conll", "inline")
"""Forms in which white space ends a token."""
LISTS = ("label-studio",)
"""Forms that are one JSON list."""
ENDINGS = {"label-studio": "label-studio.json", "doccano": "doccano.jsonl", "prodigy": "prodigy.jsonl"}
"""Endings of files whose form is no ending."""
BLANKS = " \t\n\r"
COLUMN_END = re.compile(f"[{BLANKS}]")


def entities(document: Document, taggings: Sequence[Tagging]) -> Iterator[Entity]:
    """The entities of a document from left to right; offsets count words where the document has no text."""
    words_before = 0
    for words, tagging in zip(document.sentences, taggings, strict=True):
        if document.text is None:
            yield from _word_entities(words, tagging, words_before)
        else:
            yield from entities_of(document.text, words, tagging)
        words_before += len(words.tokens)


def _word_entities(words: Words, tagging: Tagging, words_before: int) -> Iterator[Entity]:
    for (label, start, end), score in tagging.scored_spans():
        text = " ".join(words.tokens[start:end])
        yield Entity(label, words_before + start, words_before + end, text, score)


def as_conll(document: Document, taggings: Sequence[Tagging]) -> str:
    """`token tag` lines and a blank line for each sentence."""
    sentences = []
    for words, tagging in zip(document.sentences, taggings, strict=True):
        lines = [f"{token} {tag}\n" for token, tag in zip(_columns(words), tagging.tags, strict=True)]
        sentences.append("".join(lines) + "\n")
    return "".join(sentences) or "\n"


def as_inline(document: Document, taggings: Sequence[Tagging]) -> str:
    """A line for each sentence, each token with its tag behind a slash."""
    lines = []
    for words, tagging in zip(document.sentences, taggings, strict=True):
        tokens = map("/".join, zip(_columns(words), tagging.tags, strict=True))
        lines.append(" ".join(tokens) + "\n")
    return "".join(lines) or "\n"


def check_labels_for_columns(labels: Sequence[str], form: str) -> None:
    """Check that every label can stand in a column.

    Raises:
        InvalidOption: one holds a blank, which would end it.
    """
    for label in labels:
        if " " in label:
            raise InvalidOption(
                f"--format {form} cannot show the label {label!r} of the model, as a blank ends a column",
                "Take --format jsonl, or write other names into id2label of config.json.",
            )


def _columns(words: Words) -> Sequence[str]:
    """Tokens as columns show them: `_` replaces a blank, tab or line end inside one, which would end its column."""
    if not _may_have_blanks(words):
        return words.tokens
    return [COLUMN_END.sub("_", token) for token in words.tokens]


def _may_have_blanks(words: Words) -> bool:
    if words.offsets:
        return False  # cut at white space
    text = "".join(words.tokens)
    return any(blank in text for blank in BLANKS)


def count_blanks(document: Document) -> int:
    """How many tokens of a document hold a blank, so that columns do not show them as they are."""
    count = 0
    for words in document.sentences:
        if _may_have_blanks(words):
            count += sum(1 for token in words.tokens if COLUMN_END.search(token))
    return count


def as_row(document: Document, taggings: Sequence[Tagging]) -> dict[str, Any] | None:
    """A document as a record: its other fields, text, tokens, tags, entities; None for one that cannot be read."""
    if document.broken:
        return None
    row = dict(document.record)
    if document.text is not None:
        row["text"] = document.text
    row["tokens"] = _tokens(document)
    row["tags"] = list(chain.from_iterable(tagging.tags for tagging in taggings))
    row["entities"] = [_entity_row(entity) for entity in entities(document, taggings)]
    return row


def _entity_row(entity: Entity) -> dict[str, Any]:
    return {**vars(entity), "score": round(entity.score, 4)}


def as_jsonl(document: Document, taggings: Sequence[Tagging]) -> str:
    """`as_row` as one JSON object; `null` for a record that cannot be read."""
    return json.dumps(as_row(document, taggings), ensure_ascii=False, allow_nan=False, default=str) + "\n"


def as_entities(document: Document, taggings: Sequence[Tagging]) -> str:
    """A line for each entity, fields between tabs: the document's line, start, end, type, score, text."""
    lines = []
    for entity in entities(document, taggings):
        text = " ".join(entity.text.split())
        fields = (document.number, entity.start, entity.end, entity.label, f"{entity.score:.4f}", text)
        lines.append("\t".join(map(str, fields)) + "\n")
    return "".join(lines)


def as_html(document: Document, taggings: Sequence[Tagging]) -> str:
    """A paragraph, its entities marked."""
    document = with_text(document)
    text = document.text or ""
    pieces = []
    end = 0
    for entity in entities(document, taggings):
        marked = f"{escape(entity.text)} <small>{escape(entity.label)}</small>"
        pieces.append(escape(text[end : entity.start]))
        pieces.append(f'<mark title="{entity.score:.4f}">{marked}</mark>')
        end = entity.end
    return f"<p>{''.join(pieces)}{escape(text[end:])}</p>\n"


def with_text(document: Document) -> Document:
    """The document with a text: where it has none, its tokens with a space between."""
    if document.text is not None:
        return document
    sentences = []
    start = 0
    for words in document.sentences:
        offsets = []
        for token in words.tokens:
            offsets.append((start, start + len(token)))
            start += len(token) + 1
        sentences.append(Words(words.tokens, offsets))
    return replace(document, sentences=sentences, text=" ".join(_tokens(document)))


def _tokens(document: Document) -> list[str]:
    """The tokens of all sentences."""
    tokens: list[str] = []
    for words in document.sentences:
        tokens += words.tokens
    return tokens


def head_of(form: str) -> str:
    """What is written before the first document."""
    if form == "html":
        return files(__package__).joinpath("page_head.html").read_text(encoding="utf-8")
    return "[\n" if form in LISTS else ""


def separated(form: str, texts: Iterable[str], begun: bool = False) -> Iterator[str]:
    """Give the texts of documents with what stands between them, and then what stands behind the last one.

    Args:
        begun: others stand before them.
    """
    if form not in LISTS:
        yield from texts
        return
    for text in texts:
        yield f",\n{text}" if begun else text
        begun = True
    yield "\n]\n"


WRITERS: dict[str, Write] = {
    "conll": as_conll,
    "jsonl": as_jsonl,
    "inline": as_inline,
    "entities": as_entities,
    "html": as_html,
}
