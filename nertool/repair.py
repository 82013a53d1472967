"""Mend what a check finds and a program can decide: tags that break their scheme, invisible characters, blank lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from nertool.columns import read_sentences
from nertool.lines import BOM, ZERO_WIDTH, Block, KnownLines
from nertool.tags import Pair, broken, convert, pairs, recognise

TAGS, CHARACTERS, DROPPED, BLANKS = (
    "tags brought into their scheme",
    "tokens rid of invisible characters",
    "invisible tokens dropped",
    "blank lines too many",
)


def scheme_of(paths: Iterable[Path]) -> str:
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

    def __init__(self, scheme: str, path: Path = Path()) -> None:
        self.scheme, self.path = scheme, path
        self.counts: Counter[str] = Counter()
        self._blank = True  # blank lines before the first sentence are too many, too

    def mend(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks, mended; each line keeps the number it has in the file."""
        known = KnownLines()
        for block in blocks:
            visible = ((self._visible(line), block.number(at)) for at, line in enumerate(block.lines))
            kept = [(line, number) for line, number in visible if line and self._wanted(line)]
            mended = Block([line for line, _ in kept], block.first, [number for _, number in kept])
            known.learn(mended, self.path)
            yield mended._replace(lines=self._in_scheme(mended.lines, known))

    def _visible(self, line: str) -> str:
        """Without U+FEFF and U+200B in the token; empty where the token was nothing else."""
        token, space, rest = line.partition(" ")
        visible = token.replace(BOM, "").replace(ZERO_WIDTH, "")
        if visible == token:
            return line
        self.counts[CHARACTERS if visible.strip() else DROPPED] += 1
        return visible + space + rest if visible.strip() else ""

    def _wanted(self, line: str) -> bool:
        blank = not line.strip()
        wanted = not (blank and self._blank)
        if not wanted:
            self.counts[BLANKS] += 1
        self._blank = blank
        return wanted

    def _in_scheme(self, lines: list[str], known: KnownLines) -> list[str]:
        tags = [known.tags[line] or "O" for line in lines]
        if not broken(set(pairs(tags)), self.scheme):
            return lines
        begin = 0
        for end in [*(n for n, line in enumerate(lines) if not line.strip()), len(lines)]:
            mended = convert(tags[begin:end], self.scheme)
            for at, tag in enumerate(mended, start=begin):
                if tag != tags[at]:
                    lines[at] = f"{lines[at].rstrip().rpartition(' ')[0]} {tag}\n"
                    self.counts[TAGS] += 1
            begin = end + 1
        return lines
