"""Tagged documents as text: columns, JSON Lines, a line a sentence, a line an entity, or a page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

from nertool.corpus.running_text import Words
from nertool.documents.reader import OURS, Document
from nertool.models.tagger import Entity, Tagging, entities_of
from nertool.tags import spans

Write = Callable[[Document, Sequence[Tagging]], str]
"""A document with the tags of its sentences -> what is written for it."""


COLUMNS = ("conll", "inline")
"""Forms in which white space ends a token."""
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
    for label, start, end in spans(tagging.tags):
        score = sum(tagging.scores[start:end]) / (end - start)
        text = " ".join(words.tokens[start:end])
        yield Entity(label, words_before + start, words_before + end, text, score)


def as_conll(document: Document, tagged: Sequence[Tagging]) -> str:
    """`token tag` lines and a blank line for each sentence."""
    return "".join(_lines(words, one.tags) for words, one in zip(document.sentences, tagged, strict=True)) or "\n"


def _lines(words: Words, tags: Sequence[str]) -> str:
    return "".join([f"{token} {tag}\n" for token, tag in zip(_columns(words), tags, strict=True)]) + "\n"


def _columns(words: Words) -> Sequence[str]:
    """Tokens as columns show them: `_` stands for a blank, tab or line end inside one, which would end its column."""
    return [COLUMN_END.sub("_", token) for token in words.tokens] if _with_blanks(words) else words.tokens


def _with_blanks(words: Words) -> bool:
    if words.offsets:
        return False  # cut at white space
    text = "".join(words.tokens)
    return any(blank in text for blank in BLANKS)


def with_blanks(document: Document) -> int:
    """Tokens of a document that columns do not show as they are."""
    found = (map(COLUMN_END.search, words.tokens) for words in document.sentences if _with_blanks(words))
    return sum(sum(map(bool, matches)) for matches in found)


def as_row(document: Document, tagged: Sequence[Tagging]) -> dict[str, Any] | None:
    """A document as a record: its other fields, text, tokens, tags, entities; None for a broken one."""
    if document.broken:
        return None
    row: dict[str, Any] = {**document.record, **({} if document.text is None else {"text": document.text})}
    found = [
        {"label": one.label, "start": one.start, "end": one.end, "text": one.text, "score": round(one.score, 4)}
        for one in entities(document, tagged)
    ]
    tokens = [token for words in document.sentences for token in words.tokens]
    ours = zip(OURS, (tokens, [tag for one in tagged for tag in one.tags], found), strict=True)
    return {**row, **dict(ours)}


def as_jsonl(document: Document, tagged: Sequence[Tagging]) -> str:
    """`as_row` as one JSON object; `null` for a broken record."""
    return json.dumps(as_row(document, tagged), ensure_ascii=False, default=str) + "\n"


def as_inline(document: Document, tagged: Sequence[Tagging]) -> str:
    """A line a sentence, each token with its tag behind a slash."""
    pairs = zip(document.sentences, tagged, strict=True)
    lines = (" ".join(map("/".join, zip(_columns(words), one.tags, strict=True))) for words, one in pairs)
    return "".join(f"{line}\n" for line in lines) or "\n"


def as_entities(document: Document, tagged: Sequence[Tagging]) -> str:
    """A line an entity, fields between tabs: the document's line, start, end, type, score, text."""
    rows = (
        (document.number, e.start, e.end, e.label, f"{e.score:.4f}", " ".join(e.text.split()))
        for e in entities(document, tagged)
    )
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def as_html(document: Document, tagged: Sequence[Tagging]) -> str:
    """A paragraph, its entities marked."""
    text = document.text
    if text is None:
        text = " ".join(token for words in document.sentences for token in words.tokens)
        document = _with_text(document, text)
    pieces, place = [], 0
    for one in entities(document, tagged):
        pieces.append(escape(text[place : one.start]))
        name, label = escape(text[one.start : one.end]), escape(one.label)
        pieces.append(f'<mark title="{one.score:.4f}">{name} <small>{label}</small></mark>')
        place = one.end
    return f"<p>{''.join(pieces)}{escape(text[place:])}</p>\n"


def _with_text(document: Document, text: str) -> Document:
    """The same with the places of its tokens in a text that is all of them, a space between."""
    sentences, place = [], 0
    for words in document.sentences:
        offsets = []
        for token in words.tokens:
            offsets.append((place, place + len(token)))
            place += len(token) + 1
        sentences.append(Words(words.tokens, offsets))
    return Document(document.number, sentences, text)


HTML_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>entities</title>
<style>
  :root { color-scheme: light dark; }
  body { max-width: 60rem; margin: 0 auto; padding: 1rem; font: 1rem/1.6 system-ui, sans-serif; }
  p { white-space: pre-wrap; overflow-wrap: anywhere; }
  mark { padding: .05rem .25rem; border-radius: .25rem; color: inherit; background: hsl(210 70% 50% / .28); }
  small { opacity: .7; }
</style>
"""

WRITERS: dict[str, Write] = {
    "conll": as_conll,
    "jsonl": as_jsonl,
    "inline": as_inline,
    "entities": as_entities,
    "html": as_html,
}
HEADS = {"html": HTML_HEAD}
"""What stands before the first document."""
