"""Repair findings that a program can decide: tags that break their scheme, invisible characters, blank lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from nertool.corpus.blocks import Block
from nertool.corpus.column_files import read_sentences
from nertool.corpus.line_cache import BOM, ZERO_WIDTH, LineCache
from nertool.tags import OUTSIDE, Pair, Span, broken, mark, pairs, recognise, spans

TAGS = "tags brought into their scheme"
CHARACTERS = "tokens rid of invisible characters"
DROPPED = "invisible tokens dropped"
BLANKS = "blank lines too many"


def recognise_scheme(paths: Iterable[Path]) -> str:
    """Recognise the tag scheme of some files together.

    Raises:
        InvalidData: a line has no tag, or bytes are not UTF-8 (names file and line).
    """
    counts: Counter[Pair] = Counter()
    for path in paths:
        for sentence in read_sentences(path):
            counts.update(pairs(sentence.tags))
    return recognise(counts)


class Repair:
    """Repairs one file, block by block.

    Args:
        scheme: scheme of the file's tags; `plain` and `io` have no rules to break.
        path: the file, for errors.

    Attributes:
        counts: how often each kind of thing was repaired.
    """

    def __init__(self, scheme: str, path: Path) -> None:
        self.scheme, self.path = scheme, path
        self.counts: Counter[str] = Counter()
        self._cache = LineCache()
        self._after_blank = True  # blank lines before the first sentence are too many, too

    def mend(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Give the blocks repaired; each line keeps the number it has in the file."""
        for block in blocks:
            self._cache.add(block, self.path)
            tags = list(map(self._cache.tags.__getitem__, block.lines))
            lines: list[str] = []
            numbers: list[int] = []
            begin = 0
            for end in _sentence_ends(tags):
                for at, line in self._mend_sentence(block.lines[begin:end], tags[begin:end]):
                    lines.append(line)
                    numbers.append(block.number(begin + at))
                if end < len(tags) and self._keeps_blank():
                    lines.append(block.lines[end])
                    numbers.append(block.number(end))
                begin = end + 1
            yield Block(lines, block.first, numbers)

    def _mend_sentence(self, sentence: list[str], tags: list[str]) -> Iterator[tuple[int, str]]:
        """Give the lines that are kept, repaired, each with its 0-based place in the sentence."""
        lines = list(map(self._without_invisible, sentence))
        kept = [at for at, line in enumerate(lines) if line]
        if self.scheme != "plain" and (len(kept) < len(lines) or broken(pairs(tags), self.scheme)):
            self._mend_tags(lines, kept, tags)
        self._after_blank = self._after_blank and not kept
        for at in kept:
            yield at, lines[at]

    def _mend_tags(self, lines: list[str], kept: list[int], tags: list[str]) -> None:
        """Write tags that obey the scheme into the lines that are kept."""
        kept_tags = [tags[at] for at in kept]
        new_tags = mark(_entities_of_kept(kept, tags), kept_tags, self.scheme)
        for at, old, new in zip(kept, kept_tags, new_tags, strict=True):
            if new != old:
                lines[at] = f"{lines[at].rstrip().rpartition(' ')[0]} {new}\n"
                self.counts[TAGS] += 1

    def _without_invisible(self, line: str) -> str:
        """Remove U+FEFF and U+200B from the token; empty if the token was nothing else."""
        token, space, rest = line.partition(" ")
        visible = token.replace(BOM, "").replace(ZERO_WIDTH, "")
        if visible == token:
            return line
        if not visible.strip():
            self.counts[DROPPED] += 1
            return ""
        self.counts[CHARACTERS] += 1
        return visible + space + rest

    def _keeps_blank(self) -> bool:
        """Whether a blank line is the first after a sentence; counts it otherwise."""
        if self._after_blank:
            self.counts[BLANKS] += 1
            return False
        self._after_blank = True
        return True


def _sentence_ends(tags: list[str]) -> Iterator[int]:
    """0-based places of the blank lines, and the end of the block."""
    for at, tag in enumerate(tags):
        if not tag:
            yield at
    yield len(tags)


def _entities_of_kept(kept: list[int], tags: list[str]) -> Iterator[Span]:
    """Entities of a sentence as spans of the lines that are kept.

    A dropped line with the tag O does not part an entity. Any other dropped line tells where entities begin and end,
    but is no part of them.
    """
    new_places = {at: number for number, at in enumerate(kept)}
    read = [at for at, tag in enumerate(tags) if at in new_places or tag != OUTSIDE]
    for label, start, end in spans([tags[at] for at in read]):
        inside = [new_places[at] for at in read[start:end] if at in new_places]
        if inside:
            yield Span(label, inside[0], inside[-1] + 1)
