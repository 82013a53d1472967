"""The README's scripts/preprocess.py on blocks of lines: drop tokens without sub-words, break sentences at a length.

Most sentences need nothing; they are told by the sum of their sub-words and pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nertool.corpus.known_lines import BLANK, Block, KnownLines
from nertool.progress import logger
from nertool.tags import OUTSIDE, goes_on

Unit = list[tuple[str, int]]
"""Lines that stay together, each with its sub-words."""


@dataclass
class Counts:
    """What happened to one file.

    Attributes:
        sentences: that are written.
        tokens: that are written.
        dropped: tokens without sub-words.
        breaks: blank lines put in.
        cut: breaks that fall inside an entity.
    """

    sentences: int = 0
    tokens: int = 0
    dropped: int = 0
    breaks: int = 0
    cut: int = 0


class Fitting:
    """Fits one file to a length, block by block.

    A line whose token has no sub-words is dropped. Where a line would overflow, a blank line goes before it, even when
    it is the first of its sentence; a token longer than the budget stays. Blank lines stay as they are. Lines lose the
    white space at their end.

    Args:
        known: has learned each block before it is fitted.
        budget: sub-words of a sentence, special tokens not included.
        keep_entities: an entity counts as one line, unless it is longer than the budget itself.
        path: the file, to tell where a token is dropped; None tells nothing.

    Source: scripts/preprocess.py of the Hugging Face token-classification example.
    """

    def __init__(self, known: KnownLines, budget: int, keep_entities: bool = False, path: Path | None = None) -> None:
        self.known, self.budget, self.keep_entities, self.path = known, budget, keep_entities, path
        self.counts = Counts()
        self._used = 0  # sub-words of the sentence that is open
        self._tag = OUTSIDE  # of the last line written

    def block(self, block: Block) -> Iterator[str]:
        """What to write for a block, in pieces; without `keep_entities` it may end inside a sentence."""
        lines, lengths, printed = block.lines, self.known.columns(block).lengths.tolist(), self.known.printed
        begin = 0
        while begin < len(lines):
            end = _next_blank(lengths, begin)
            total = sum(lengths[begin:end])
            if self._used + total <= self.budget and 0 not in lengths[begin:end]:
                self._used += total
                self.counts.tokens += end - begin
                self._tag = self.known.tags[lines[end - 1]] if end > begin else self._tag
                yield "".join(map(printed.get, lines[begin:end], lines[begin:end]) if printed else lines[begin:end])
            else:
                self._tell_dropped(block, lengths, begin, end)
                for unit in self._units(lines[begin:end], lengths[begin:end]):
                    yield from self._fit(unit)
            if end < len(lines):
                self._close()
                yield "\n"
            begin = end + 1

    def end(self) -> Counts:
        """What happened to the file."""
        self._close()
        return self.counts

    def _units(self, lines: Sequence[str], lengths: Sequence[int]) -> Iterator[Unit]:
        """Each line with sub-words by itself; or an entity's lines together, if they fit."""
        unit: Unit = []
        for line, length in zip(lines, lengths, strict=True):
            if not length:
                self.counts.dropped += 1
                continue
            if unit and not (self.keep_entities and goes_on(self.known.tags[unit[-1][0]], self.known.tags[line])):
                yield from self._fitting(unit)
                unit = []
            unit.append((line, length))
        yield from self._fitting(unit) if unit else ()

    def _fitting(self, unit: Unit) -> Iterable[Unit]:
        return [unit] if sum(length for _, length in unit) <= self.budget else [[line] for line in unit]

    def _fit(self, unit: Unit) -> Iterator[str]:
        length = sum(length for _, length in unit)
        if self._used + length > self.budget:
            self.counts.breaks += 1
            self.counts.cut += self._used > 0 and goes_on(self._tag, self.known.tags[unit[0][0]])
            self._close()
            yield "\n"
        self._used += length
        self.counts.tokens += len(unit)
        self._tag = self.known.tags[unit[-1][0]]
        yield from (self.known.printed.get(line, line) for line, _ in unit)

    def _close(self) -> None:
        self.counts.sentences += self._used > 0
        self._used = 0

    def _tell_dropped(self, block: Block, lengths: Sequence[int], begin: int, end: int) -> None:
        for at in range(begin, end) if self.path else ():
            if lengths[at] == 0:
                line = block.lines[at].rstrip()
                logger.debug("%s:%s: dropped, no sub-words: %r", self.path, block.number(at), line)


def _next_blank(lengths: list[int], begin: int) -> int:
    try:
        return lengths.index(BLANK, begin)
    except ValueError:
        return len(lengths)
