"""Read the lines of a text file in blocks of whole sentences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from nertool.corpus.files import open_text, translate_read_errors

LINES_AHEAD = 50_000
"""Lines of a block, at least; the block goes on to the end of its last sentence."""
LONGEST_SENTENCE = 10 * LINES_AHEAD
"""Lines after which a block ends even inside a sentence; bounds memory, not sentences."""


class Block(NamedTuple):
    """Lines of a file.

    Attributes:
        lines: as they are in the file.
        first: 1-based number of the first line.
        numbers: 1-based number of each line, if lines between them are gone; None if they follow each other.
    """

    lines: list[str]
    first: int
    numbers: list[int] | None = None

    def number(self, at: int) -> int:
        """1-based number of the line at a 0-based place in the block."""
        return self.numbers[at] if self.numbers else self.first + at


def read_blocks(path: Path) -> Iterator[Block]:
    """Read a file in blocks that end at a blank line.

    Raises:
        InvalidData: bytes are not UTF-8 (names file and line).
    """
    first = 1
    with open_text(path) as file, translate_read_errors(path):
        while lines := list(islice(file, LINES_AHEAD)):
            if lines[-1].strip():
                _read_to_sentence_end(file, lines)
            yield Block(lines, first)
            first += len(lines)


def _read_to_sentence_end(file: TextIO, lines: list[str]) -> None:
    for line in islice(file, LONGEST_SENTENCE):
        lines.append(line)
        if not line.strip():
            return
