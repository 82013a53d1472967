"""How the tags of column files are read: their spelling and scheme, by the first sentences of each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from nertool.corpus.files import open_bytes, translate_read_errors
from nertool.spelling import Reading, Tags, read_corpus
from nertool.tags import Pair, pairs

SENTENCES_LOOKED_AT = 2000
"""Sentences of each file that decide."""


def recognise_tags(paths: Iterable[Path], tags: Tags = "auto") -> Reading:
    """Recognise how the tags of some files together are read; lines that are not sound are passed over."""
    return read_corpus(*count_first_pairs(paths), tags)


def count_first_pairs(paths: Iterable[Path]) -> tuple[Counter[Pair], int]:
    """Count the pairs of neighbouring tags of the first sentences, and these sentences."""
    counts: Counter[Pair] = Counter()
    sentences = 0
    for path in paths:
        for tags in _first_tags(path):
            counts.update(pairs(tags))
            sentences += 1
    return counts, sentences


def _first_tags(path: Path) -> Iterator[list[str]]:
    """Give the tags of each of the first sentences; lines without a tag are passed over."""
    tags: list[str] = []
    left = SENTENCES_LOOKED_AT
    with translate_read_errors(path), open_bytes(path) as file:
        for line in file:
            fields = line.split()
            if len(fields) > 1:
                tags.append(fields[-1].decode("utf-8", "replace"))
            elif not fields and tags:
                yield tags
                tags, left = [], left - 1
                if not left:
                    return
    if tags:
        yield tags
