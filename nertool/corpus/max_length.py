"""The README's scripts/preprocess.py on blocks of lines: drop tokens without sub-words, break sentences at a length.

Most sentences are short enough by the sum of their sub-words; they pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nertool.corpus.blocks import Block
from nertool.corpus.facts import LengthCounts
from nertool.corpus.line_cache import BLANK, LineCache
from nertool.progress import logger
from nertool.tags import OUTSIDE, goes_on

Unit = list[tuple[str, int]]
"""Lines that stay together, each with its number of sub-words."""


class LengthLimit:
    """Limits the sentences of one file to a length, block by block.

    A line whose token has no sub-words is dropped. A blank line goes before a line that would pass the limit, even if
    that line is the first of its sentence. A token longer than the budget stays. Blank lines stay as they are. Lines
    lose the white space at their end.

    Args:
        cache: each block is added to it before it is limited.
        budget: sub-words of a sentence, special tokens not included.
        keep_entities: an entity counts as one line, unless it is longer than the budget itself.
        path: the file, to log dropped tokens; None logs nothing.

    Source: scripts/preprocess.py of the Hugging Face token-classification example.
    """

    def __init__(self, cache: LineCache, budget: int, keep_entities: bool = False, path: Path | None = None) -> None:
        self.cache, self.budget, self.keep_entities, self.path = cache, budget, keep_entities, path
        self._counts: LengthCounts = {"sentences": 0, "tokens": 0, "dropped": 0, "breaks": 0, "cut": 0}
        self._used = 0  # sub-words of the sentence so far
        self._tag = OUTSIDE  # of the last line written

    def apply(self, block: Block) -> Iterator[str]:
        """Give the text to write for a block, in pieces; without `keep_entities` a block may end inside a sentence."""
        lines, lengths, printed = block.lines, self.cache.arrays(block).lengths.tolist(), self.cache.printed
        begin = 0
        while begin < len(lines):
            end = _next_blank(lengths, begin)
            total = sum(lengths[begin:end])
            if self._used + total <= self.budget and 0 not in lengths[begin:end]:
                self._used += total
                self._counts["tokens"] += end - begin
                self._tag = self.cache.tags[lines[end - 1]] if end > begin else self._tag
                yield "".join(map(printed.get, lines[begin:end], lines[begin:end]) if printed else lines[begin:end])
            else:
                self._log_dropped(block, lengths, begin, end)
                for unit in self._units(lines[begin:end], lengths[begin:end]):
                    yield from self._write_unit(unit)
            if end < len(lines):
                self._end_sentence()
                yield "\n"
            begin = end + 1

    def finish(self) -> LengthCounts:
        """End the last sentence; returns the counts of the file."""
        self._end_sentence()
        return self._counts

    def _units(self, lines: Sequence[str], lengths: Sequence[int]) -> Iterator[Unit]:
        """Each line with sub-words by itself; or an entity's lines together, if they fit."""
        unit: Unit = []
        for line, length in zip(lines, lengths, strict=True):
            if not length:
                self._counts["dropped"] += 1
                continue
            if unit and not (self.keep_entities and goes_on(self.cache.tags[unit[-1][0]], self.cache.tags[line])):
                yield from self._split_if_too_long(unit)
                unit = []
            unit.append((line, length))
        if unit:
            yield from self._split_if_too_long(unit)

    def _split_if_too_long(self, unit: Unit) -> Iterable[Unit]:
        return [unit] if _length(unit) <= self.budget else [[line] for line in unit]

    def _write_unit(self, unit: Unit) -> Iterator[str]:
        length = _length(unit)
        if self._used + length > self.budget:
            self._counts["breaks"] += 1
            self._counts["cut"] += self._used > 0 and goes_on(self._tag, self.cache.tags[unit[0][0]])
            self._end_sentence()
            yield "\n"
        self._used += length
        self._counts["tokens"] += len(unit)
        self._tag = self.cache.tags[unit[-1][0]]
        for line, _ in unit:
            yield self.cache.printed.get(line, line)

    def _end_sentence(self) -> None:
        self._counts["sentences"] += self._used > 0
        self._used = 0

    def _log_dropped(self, block: Block, lengths: Sequence[int], begin: int, end: int) -> None:
        if self.path is None:
            return
        for at in range(begin, end):
            if lengths[at] == 0:
                line = block.lines[at].rstrip()
                logger.debug("%s:%s: dropped, no sub-words: %r", self.path, block.number(at), line)


def _length(unit: Unit) -> int:
    """Sub-words of all lines."""
    return sum(length for _, length in unit)


def _next_blank(lengths: list[int], begin: int) -> int:
    """0-based place of the next blank line, or of the end."""
    try:
        return lengths.index(BLANK, begin)
    except ValueError:
        return len(lengths)
