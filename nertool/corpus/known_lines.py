"""Lines of `token, space, tag` files in blocks of whole sentences, each distinct line looked at once.

A corpus repeats itself: what is worked out for a line (token, tag, sub-words, what is odd about it) is kept and looked
up again, so that most of the work is dictionary look-ups on whole blocks.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from nertool.corpus.files import LONGEST_LINE, open_text, translate_read_errors
from nertool.errors import InvalidData
from nertool.tags import OUTSIDE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINES_AHEAD = 50_000
"""Lines of a block, at least; it goes on to the end of its sentence."""
LONGEST_SENTENCE = 10 * LINES_AHEAD
"""Lines after which a block ends inside a sentence all the same; a bound to memory, not a limit."""
REMEMBERED_LINES = 500_000
"""Distinct lines that are remembered before all are forgotten; a bound to memory, not a limit."""
BLANK = -1
"""Stands for the sub-words of a line without a token."""

NO_TAG = "no tag behind the token"
MANY_FIELDS = "more than a token and a tag"
LEADING = "white space before the token"
UNREADABLE = (NO_TAG, MANY_FIELDS, LEADING)
"""What the stages that follow refuse, or read in more than one way."""
WHITE_BLANK = "blank line that holds white space"
EMPTY_LOOKING = "token without a visible character"
CONTROL = "control character inside a token"
INVISIBLE = "invisible character inside a token"
WHITE_TOKEN = "white space inside a token"

BORDER = ""
"""Tag of a blank line."""

JOINERS = re.compile("[\u200c\u200d]")
"""Letters of many scripts and emoji need these inside a word."""
BOM, ZERO_WIDTH = "\ufeff", "\u200b"


class Block(NamedTuple):
    """Lines of a file.

    Attributes:
        lines: as they are in the file.
        first: 1-based number of the first one.
        numbers: of all lines, where some that stood between them are gone.
    """

    lines: list[str]
    first: int
    numbers: list[int] | None = None

    def number(self, at: int) -> int:
        """1-based number of a line of the block."""
        return self.numbers[at] if self.numbers else self.first + at


def read_blocks(path: Path) -> Iterator[Block]:
    """A file in blocks that end at a blank line.

    Raises:
        InvalidData: not UTF-8 (names file and line).
    """
    first = 1
    with open_text(path) as file, translate_read_errors(path):
        while lines := list(islice(file, LINES_AHEAD)):
            _to_sentence_end(file, lines)
            yield Block(lines, first)
            first += len(lines)


def _to_sentence_end(file: TextIO, lines: list[str]) -> None:
    for line in islice(file, LONGEST_SENTENCE) if lines[-1].strip() else ():
        lines.append(line)
        if not line.strip():
            return


class Columns(NamedTuple):
    """What is known of a block's lines, as arrays of shape (lines,).

    Attributes:
        tags: numbers of the tags, places in `KnownLines.tag_names`.
        lengths: sub-words of the tokens; BLANK for a blank line, 0 where nobody asked for lengths.
        words: 64-bit hashes of the tokens, which live no longer than the process.
        odd: which lines are odd.
    """

    tags: NDArray[np.int64]
    lengths: NDArray[np.int64]
    words: NDArray[np.int64]
    odd: NDArray[np.bool_]


class KnownLines:
    """What is known of each distinct line.

    Args:
        count: sub-words of each of some tokens, tokenized alone; None where nobody asks for lengths.

    Attributes:
        tokens: line -> token, its first white-space field.
        tags: line -> tag, what stands behind its last space; O where there is none, empty for a blank line.
        lengths: line -> sub-words of its token; BLANK for a blank line.
        printed: line -> itself without the white space at its end, for lines where that differs.
        odd: line -> what is odd about it, for lines that are.
        tag_names: every tag that has been seen; the first one stands for a blank line.
    """

    def __init__(self, count: Callable[[Sequence[str]], Iterable[int]] | None = None) -> None:
        self._count = count
        self._token_lengths: dict[str, int] = {}
        self.tokens: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.lengths: dict[str, int] = {}
        self.printed: dict[str, str] = {}
        self.odd: dict[str, tuple[str, ...]] = {}
        self.tag_names: list[str] = [BORDER, OUTSIDE]
        self._tag_numbers = {BORDER: 0, OUTSIDE: 1}
        self._places: dict[str, int] = {}  # line -> its place in the arrays
        self._arrays = {name: array("q") for name in Columns._fields}
        self._last: tuple[list[str], Columns] | None = None

    def columns(self, block: Block) -> Columns:
        """What is known of the lines of a block that has been learned; the one look-up that each line costs."""
        import numpy as np

        if self._last is None or self._last[0] is not block.lines:
            places = np.fromiter(map(self._places.__getitem__, block.lines), np.int64, len(block.lines))
            found = {name: np.frombuffer(column, np.int64)[places] for name, column in self._arrays.items()}
            self._last = block.lines, Columns(found["tags"], found["lengths"], found["words"], found["odd"] > 0)
        return self._last[1]

    def learn(self, block: Block, path: Path) -> None:
        """Look at the lines of a block that are new.

        Raises:
            InvalidData: a NUL byte, or a line that is too long (names file and line).
        """
        if len(self.tokens) > REMEMBERED_LINES:
            for known in (self._token_lengths, self.tokens, self.tags, self.lengths, self.printed, self.odd):
                known.clear()
            self._places.clear()
            self._arrays = {name: array("q") for name in Columns._fields}
        new = set(block.lines).difference(self.tokens)
        for line in new:
            self._learn_line(line)
        if bad := [line for line in new if "\0" in line or len(line) > LONGEST_LINE]:
            at = min(map(block.lines.index, bad))
            line = block.lines[at]
            what = "a NUL byte" if "\0" in line else f"a line of {len(line):,} characters"
            raise InvalidData(
                f"{path}:{block.number(at)}: {what}: this is no file of tokens and tags",
                "A line holds a token, one space and a tag, in UTF-8.",
            )
        self._learn_lengths(new)
        self._add_to_arrays(new)

    def _learn_lengths(self, new: set[str]) -> None:
        if self._count:
            tokens = [self.tokens[line] for line in new]
            unknown = list({token: None for token in tokens if token and token not in self._token_lengths})
            self._token_lengths.update(zip(unknown, self._count(unknown) if unknown else (), strict=True))
            self._token_lengths[""] = BLANK
            self.lengths.update((line, self._token_lengths[token]) for line, token in zip(new, tokens, strict=True))

    def _add_to_arrays(self, new: set[str]) -> None:
        self._last = None
        self._places.update(zip(new, count(len(self._places)), strict=False))
        tags = list(map(self.tags.__getitem__, new))
        for tag in {*tags} - self._tag_numbers.keys():
            self._tag_numbers[tag] = len(self.tag_names)
            self.tag_names.append(tag)
        self._arrays["tags"].extend(map(self._tag_numbers.__getitem__, tags))
        self._arrays["lengths"].extend(map(self.lengths.__getitem__, new) if self._count else repeat(0, len(new)))
        self._arrays["words"].extend(map(hash, map(self.tokens.__getitem__, new)))
        self._arrays["odd"].extend(line in self.odd for line in new)

    def _learn_line(self, line: str) -> None:
        stripped = line.rstrip()
        fields = stripped.split(" ")
        if len(fields) == 2 and fields[0] and stripped.isprintable():
            self.tokens[line], self.tags[line] = fields
        else:
            self._learn_odd(line, stripped)
        if stripped + "\n" != line:
            self.printed[line] = stripped + "\n"

    def _learn_odd(self, line: str, stripped: str) -> None:
        token = stripped.split(maxsplit=1)[0] if stripped else ""
        self.tokens[line] = token
        self.tags[line] = (stripped.rpartition(" ")[2] if " " in stripped else OUTSIDE) if token else ""
        if not token:
            odd = [WHITE_BLANK] if line.strip("\n") else []
        else:
            column, _, rest = stripped.partition(" ")
            odd = [NO_TAG] if not rest else [MANY_FIELDS] if " " in rest else []
            kinds = {unicodedata.category(character) for character in column}
            if not column:
                odd.append(LEADING)
            elif kinds <= {"Cc", "Cf", "Zs", "Zl", "Zp"}:
                odd.append(EMPTY_LOOKING)
            else:
                odd += [CONTROL] if "Cc" in kinds else []
                odd += [INVISIBLE] if "Cf" in map(unicodedata.category, JOINERS.sub("", column)) else []
                odd += [WHITE_TOKEN] if kinds & {"Zs", "Zl", "Zp"} else []
        if odd:
            self.odd[line] = tuple(odd)
