"""What is tagged: a document, of one or more sentences of tokens; and what is counted while documents are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nertool.corpus.running_text import Words

TAGGED_FIELDS = ("tokens", "tags", "entities")
"""Fields that tagging fills in."""


@dataclass(frozen=True)
class Document:
    """A record, a line, or a sentence of tokens.

    Attributes:
        number: 1-based number of its line, its row, its place in a list or its first token's line.
        sentences: what is tagged; their offsets are places in `text`.
        text: the text as it was read; None where the input was tokens already.
        record: the other fields of the input.
        broken: the record could not be read; null stands in its place in the output.
        is_record: it is an object, an element of a list or a row of a table, and no line, sentence or file.
    """

    number: int
    sentences: list[Words] = field(default_factory=list)
    text: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False
    is_record: bool = False


@dataclass
class ReadCounts:
    """What a reader has left out or changed so far.

    Attributes:
        broken: records that could not be read.
        replaced: records with fields that tagging overwrites.
        comments: lines that were comments before sentences of tokens.
        tasks: records that were tasks of Label Studio, of which annotations are not passed on.
        endless: values that JSON does not have (NaN, Infinity); they are passed on as null.
    """

    broken: int = 0
    replaced: int = 0
    comments: int = 0
    tasks: int = 0
    endless: int = 0
