"""Mend what a check finds and a program can decide: tags that break their scheme, invisible characters, blank lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from nertool.corpus.column_files import read_sentences
from nertool.corpus.known_lines import BOM, ZERO_WIDTH, Block, KnownLines
from nertool.tags import OUTSIDE, Pair, Span, broken, mark, pairs, recognise, spans

TAGS, CHARACTERS, DROPPED, BLANKS = (
    "tags brought into their scheme",
    "tokens rid of invisible characters",
    "invisible tokens dropped",
    "blank lines too many",
)


def recognise_scheme(paths: Iterable[Path]) -> str:
    """The tag scheme of some files together.

    Raises:
        InvalidData: a line has no tag, or is not UTF-8 (names file and line).
    """
    counts: Counter[Pair] = Counter()
    for path in paths:
        for sentence in read_sentences(path):
            counts.update(pairs(sentence.tags))
    return recognise(counts)


class Repair:
    """Mends one file, block by block.

    Args:
        scheme: the one that its tags are brought into; `plain` and `io` have nothing to break.
        path: the file, for errors.

    Attributes:
        counts: what was mended.
    """

    def __init__(self, scheme: str, path: Path) -> None:
        self.scheme, self.path = scheme, path
        self.counts: Counter[str] = Counter()
        self._known = KnownLines()
        self._blank = True  # blank lines before the first sentence are too many, too

    def mend(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks, mended; each line keeps the number it has in the file."""
        for block in blocks:
            self._known.learn(block, self.path)
            tags = [self._known.tags[line] for line in block.lines]
            lines: list[str] = []
            numbers: list[int] = []
            begin = 0
            for end in [*(at for at, tag in enumerate(tags) if not tag), len(tags)]:
                for at, line in self._sentence(block.lines[begin:end], tags[begin:end]):
                    lines.append(line)
                    numbers.append(block.number(begin + at))
                if end < len(tags) and self._wants_blank():
                    lines.append(block.lines[end])
                    numbers.append(block.number(end))
                begin = end + 1
            yield Block(lines, block.first, numbers)

    def _sentence(self, sentence: list[str], tags: list[str]) -> Iterator[tuple[int, str]]:
        """The lines that are kept, mended, each with its 0-based place in the sentence."""
        lines = [self._visible(line) for line in sentence]
        kept = [at for at, line in enumerate(lines) if line]
        if self.scheme != "plain" and (len(kept) < len(lines) or broken(pairs(tags), self.scheme)):
            self._mark(lines, kept, tags)
        self._blank = self._blank and not kept
        return ((at, lines[at]) for at in kept)

    def _mark(self, lines: list[str], kept: list[int], tags: list[str]) -> None:
        """Mark, among the lines that are kept, the entities of all lines; a dropped O parts no entity."""
        place = {at: number for number, at in enumerate(kept)}
        read = [at for at, tag in enumerate(tags) if at in place or tag != OUTSIDE]
        found = []
        for label, start, end in spans([tags[at] for at in read]):
            inside = [place[at] for at in read[start:end] if at in place]
            found += [Span(label, inside[0], inside[-1] + 1)] if inside else []
        for at, tag in zip(kept, mark(found, [tags[at] for at in kept], self.scheme), strict=True):
            if tag != tags[at]:
                lines[at] = f"{lines[at].rstrip().rpartition(' ')[0]} {tag}\n"
                self.counts[TAGS] += 1

    def _visible(self, line: str) -> str:
        """Without U+FEFF and U+200B in the token; empty where the token was nothing else."""
        token, space, rest = line.partition(" ")
        visible = token.replace(BOM, "").replace(ZERO_WIDTH, "")
        if visible == token:
            return line
        self.counts[CHARACTERS if visible.strip() else DROPPED] += 1
        return visible + space + rest if visible.strip() else ""

    def _wants_blank(self) -> bool:
        if self._blank:
            self.counts[BLANKS] += 1
        wanted, self._blank = not self._blank, True
        return wanted
