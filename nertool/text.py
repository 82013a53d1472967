"""Running text and token lists -> sentences of tokens, for tagging; and tagged sentences -> lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from nertool.tags import spans

PEEK = 100
"""Lines looked at, at the most, to tell a list of tokens from running text."""

TOKEN = re.compile(
    r"""
      https?://\S+                          # a web address
    | [@#]\w+                               # a user name or hash tag
    | \d+(?:[.,:]\d+)*                      # a number, price or time
    | \w+(?:[-'’.&/]\w+)*                   # a word, with inner hyphens, apostrophes and dots
    | \S                                    # any other sign by itself
    """,
    re.VERBOSE,
)


class Words(NamedTuple):
    """A sentence to be tagged.

    Attributes:
        tokens: what the model is given.
        text: the line the tokens were cut from; None where the input was tokens already.
        offsets: 0-based half-open places of the tokens in `text`, in characters.
    """

    tokens: list[str]
    text: str | None = None
    offsets: Sequence[tuple[int, int]] = ()


def cut_words(line: str) -> Words:
    """A line of running text, cut at white space and punctuation."""
    found = list(TOKEN.finditer(line))
    return Words([match.group() for match in found], line, [match.span() for match in found])


def token_sentences(lines: Iterable[str]) -> Iterator[Words]:
    """One token a line (the first white-space field), a blank line ends a sentence."""
    tokens: list[str] = []
    for line in lines:
        field = line.split(maxsplit=1)
        if field:
            tokens.append(field[0])
        elif tokens:
            yield Words(tokens)
            tokens = []
    if tokens:
        yield Words(tokens)


def text_sentences(lines: Iterable[str]) -> Iterator[Words]:
    """One sentence a line; blank lines do not count."""
    return (cut_words(line) for line in map(str.strip, lines) if line)


def read_words(lines: Iterator[str], form: str, labels: Sequence[str]) -> tuple[str, Iterator[Words]]:
    """Sentences of a stream, and the form they were read in.

    Args:
        form: `tokens`, `text`, or `auto`: the first lines decide. Lines of a single field are tokens, and so are
            lines whose last field is one of `labels`; anything else is running text.
    """
    if form == "auto":
        ahead: list[str] = []
        form = _form(_remembered(islice(lines, PEEK), ahead), set(labels))
        lines = chain(ahead, lines)
    return form, token_sentences(lines) if form == "tokens" else text_sentences(lines)


def _remembered(lines: Iterator[str], ahead: list[str]) -> Iterator[str]:
    for line in lines:
        ahead.append(line)
        yield line


def _form(lines: Iterator[str], labels: set[str]) -> str:
    """Reads no further than it must: a person may be typing at the other end."""
    seen = False
    for line in lines:
        fields = line.split()
        if len(fields) > 1:
            return "tokens" if fields[-1] in labels else "text"
        if seen and not fields:
            return "tokens"
        seen = seen or bool(fields)
    return "tokens"


def as_conll(words: Words, tags: Sequence[str]) -> str:
    """`token tag` lines and a blank line."""
    return "".join(f"{token} {tag}\n" for token, tag in zip(words.tokens, tags, strict=True)) + "\n"


def as_jsonl(words: Words, tags: Sequence[str]) -> str:
    """One JSON object: text, tokens, tags, entities.

    An entity's `start` and `end` are 0-based half-open places: characters of `text`, words where there is no text.
    """
    entities = []
    for label, start, end in spans(tags):
        entity = {"label": label, "start": start, "end": end, "text": " ".join(words.tokens[start:end])}
        if words.text is not None:
            begin, stop = words.offsets[start][0], words.offsets[end - 1][1]
            entity |= {"start": begin, "end": stop, "text": words.text[begin:stop]}
        entities.append(entity)
    text = {} if words.text is None else {"text": words.text}
    return (
        json.dumps({**text, "tokens": words.tokens, "tags": list(tags), "entities": entities}, ensure_ascii=False)
        + "\n"
    )


WRITERS: dict[str, Callable[[Words, Sequence[str]], str]] = {"conll": as_conll, "jsonl": as_jsonl}
