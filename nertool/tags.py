"""Tags <-> spans, as the CoNLL scorer reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """An entity: its type and its words, `start` included, `end` not, both 0-based in the sentence."""

    label: str
    start: int
    end: int


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type of a tag: `B-creative-work` -> (`B`, `creative-work`), `O` -> (`O`, ``).

    A tag without a hyphen is all prefix, as in conlleval.
    """
    prefix, _, label = tag.partition("-")
    return prefix, label


def spans(tags: Sequence[str]) -> Iterator[Span]:
    """Entities of one sentence in conlleval mode: nothing is invalid, every tag sequence has a reading.

    An entity begins at a B, S or [ tag, at any other entity tag that follows O, an ended entity or another type;
    it ends at E, S or ], before O, before a new beginning and before another type.

    Source: conlleval (CoNLL-2000 to 2003 shared tasks), routines `startOfChunk` and `endOfChunk`; seqeval's default
    mode follows them.

    >>> list(spans(["B-PER", "I-PER", "O", "I-LOC"]))
    [Span(label='PER', start=0, end=2), Span(label='LOC', start=3, end=4)]
    """
    start, before, label_before = 0, "O", ""
    for position, tag in enumerate([*tags, "O"]):
        prefix, label = split_tag(tag)
        if before != "O" and _ends(before, prefix, label_before != label):
            yield Span(label_before, start, position)
        if prefix != "O" and _starts(before, prefix, label_before != label):
            start = position
        before, label_before = prefix, label


def _ends(before: str, prefix: str, other_label: bool) -> bool:
    return before in ("E", "S", "]") or prefix in ("O", "B", "S", "[") or other_label


def _starts(before: str, prefix: str, other_label: bool) -> bool:
    return prefix in ("B", "S", "[") or before in ("O", "E", "S", "]") or other_label
