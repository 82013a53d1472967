"""What nertool needs to know of a line of `token, space, tag`, worked out once for each distinct line.

A corpus repeats itself. Token, tag, sub-words and oddities of a line are kept and looked up again, so that most of the
work is dictionary look-ups on whole blocks.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nertool.corpus.blocks import Block
from nertool.corpus.damaged_text import damage
from nertool.corpus.files import LONGEST_LINE
from nertool.errors import InvalidData
from nertool.spelling import CANONICAL, Spelling
from nertool.tags import OUTSIDE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REMEMBERED_LINES = 500_000
"""Distinct lines after which all are forgotten; bounds memory, not files."""
REMEMBERED_WORDS = 100_000
"""Distinct words not in NFC that are kept; bounds memory."""
BLANK = -1
"""Stands for the number of sub-words of a line without a token."""

NO_TAG = "no tag behind the token"
MANY_FIELDS = "more than a token and a tag"
LEADING = "white space before the token"
UNREADABLE = (NO_TAG, MANY_FIELDS, LEADING)
"""Findings that make later stages fail or disagree."""
WHITE_BLANK = "blank line that holds white space"
EMPTY_LOOKING = "token without a visible character"
CONTROL = "control character inside a token"
INVISIBLE = "invisible character inside a token"
WHITE_TOKEN = "white space inside a token"

BORDER = ""
"""Tag of a blank line."""

JOINERS = re.compile("[\u200c\u200d]")
"""Invisible characters that many scripts and emoji need inside a word."""
BOM, ZERO_WIDTH = "\ufeff", "\u200b"
SEPARATORS = {"Zs", "Zl", "Zp"}
"""Unicode categories of white space."""


class LineArrays(NamedTuple):
    """Properties of a block's lines, as arrays of shape (lines,).

    Attributes:
        tags: indices into `LineCache.tag_names`.
        lengths: sub-words of the tokens; BLANK for a blank line, 0 in a cache that counts no sub-words.
        words: 64-bit hashes of the tokens, valid within the process.
        odd: whether the line is odd.
    """

    tags: NDArray[np.int64]
    lengths: NDArray[np.int64]
    words: NDArray[np.int64]
    odd: NDArray[np.bool_]


class LineCache:
    """Properties of each distinct line that has been added.

    Args:
        count_subwords: gives the number of sub-words of each token, tokenized alone; None if lengths are not needed.
        spelling: of the tags, which are kept in their canonical form.

    Attributes:
        tokens: line -> token, its first white-space field.
        tags: line -> tag, the text after its last space; O for a line without a space, empty for a blank line.
        lengths: line -> number of sub-words of its token; BLANK for a blank line.
        printed: line -> itself without the white space at its end, for lines that have any.
        odd: line -> what is odd about it, for lines that are odd.
        not_nfc: distinct tokens that are not in NFC, up to REMEMBERED_WORDS.
        tag_names: every tag that has been seen; the first one stands for a blank line.
        has_forgotten: some lines that were added are gone, because they were too many.
    """

    def __init__(
        self,
        count_subwords: Callable[[Sequence[str]], Iterable[int]] | None = None,
        spelling: Spelling = CANONICAL,
    ) -> None:
        self._spelling = spelling
        self._count_subwords = count_subwords
        self._token_lengths: dict[str, int] = {}
        self.tokens: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.lengths: dict[str, int] = {}
        self.printed: dict[str, str] = {}
        self.odd: dict[str, tuple[str, ...]] = {}
        self.not_nfc: set[str] = set()
        self.has_forgotten = False
        self.tag_names: list[str] = [BORDER, OUTSIDE]
        self._tag_numbers = {BORDER: 0, OUTSIDE: 1}
        self._positions: dict[str, int] = {}  # line -> its index in the columns
        self._columns = {name: array("q") for name in LineArrays._fields}
        self._last: tuple[list[str], LineArrays] | None = None

    def arrays(self, block: Block) -> LineArrays:
        """Look up the lines of a block that has been added; the last block's arrays are kept."""
        import numpy as np

        if self._last is None or self._last[0] is not block.lines:
            positions = np.fromiter(map(self._positions.__getitem__, block.lines), np.int64, len(block.lines))
            looked_up = {}
            for name, column in self._columns.items():
                looked_up[name] = np.frombuffer(column, np.int64)[positions]
            odd = looked_up["odd"] > 0
            self._last = block.lines, LineArrays(looked_up["tags"], looked_up["lengths"], looked_up["words"], odd)
        return self._last[1]

    def add(self, block: Block, path: Path) -> None:
        """Add the lines of a block of the file `path`.

        Raises:
            InvalidData: a line holds a NUL byte, or is too long (names file and line).
        """
        if len(self.tokens) > REMEMBERED_LINES:
            self._forget_all()
        new = set(block.lines).difference(self.tokens)
        for line in new:
            self._add_line(line)
        _refuse_binary_lines(new, block, path)
        if self._count_subwords:
            self._add_lengths(new, self._count_subwords)
        self._add_to_columns(new)

    def _forget_all(self) -> None:
        self.has_forgotten = True
        for remembered in (self._token_lengths, self.tokens, self.tags, self.lengths, self.printed, self.odd):
            remembered.clear()
        self._positions.clear()
        self._columns = {name: array("q") for name in LineArrays._fields}

    def _add_lengths(self, new: set[str], count_subwords: Callable[[Sequence[str]], Iterable[int]]) -> None:
        tokens = list(map(self.tokens.__getitem__, new))
        unknown = list(set(tokens).difference(self._token_lengths, [""]))
        if unknown:
            self._token_lengths.update(zip(unknown, count_subwords(unknown), strict=True))
        self._token_lengths[""] = BLANK
        self.lengths.update(zip(new, map(self._token_lengths.__getitem__, tokens), strict=True))

    def _add_to_columns(self, new: set[str]) -> None:
        self._last = None
        self._positions.update(zip(new, count(len(self._positions)), strict=False))
        if not self._spelling.is_canonical:
            for line in new:
                self.tags[line] = self._spelling.canonical(self.tags[line]) if self.tags[line] else BORDER
        tags = list(map(self.tags.__getitem__, new))
        for tag in set(tags).difference(self._tag_numbers):
            self._tag_numbers[tag] = len(self.tag_names)
            self.tag_names.append(tag)
        lengths = map(self.lengths.__getitem__, new) if self._count_subwords else repeat(0, len(new))
        self._columns["tags"].extend(map(self._tag_numbers.__getitem__, tags))
        self._columns["lengths"].extend(lengths)
        self._columns["words"].extend(map(hash, map(self.tokens.__getitem__, new)))
        self._columns["odd"].extend(map(self.odd.__contains__, new))

    def _add_line(self, line: str) -> None:
        stripped = line.rstrip()
        fields = stripped.split(" ")
        if len(fields) == 2 and fields[0] and stripped.isprintable():
            self.tokens[line], self.tags[line] = fields
            oddities = () if stripped.isascii() and "&" not in stripped else self._look_at_letters(fields[0])
            if oddities:
                self.odd[line] = oddities
        else:
            self._add_unusual_line(line, stripped)
        if stripped + "\n" != line:
            self.printed[line] = stripped + "\n"

    def _add_unusual_line(self, line: str, stripped: str) -> None:
        if not stripped:
            self.tokens[line] = ""
            self.tags[line] = BORDER
            if line.strip("\n"):
                self.odd[line] = (WHITE_BLANK,)
            return
        self.tokens[line] = stripped.split(maxsplit=1)[0]
        self.tags[line] = stripped.rpartition(" ")[2] if " " in stripped else OUTSIDE
        column, _, rest = stripped.partition(" ")
        oddities = (*_odd_fields(rest), *_odd_characters(column), *self._look_at_letters(column))
        if oddities:
            self.odd[line] = oddities

    def _look_at_letters(self, token: str) -> tuple[str, ...]:
        """What is damaged in a token; remember it if it is not in NFC."""
        if len(self.not_nfc) < REMEMBERED_WORDS and not unicodedata.is_normalized("NFC", token):
            self.not_nfc.add(token)
        return damage(token)


def _refuse_binary_lines(lines: Collection[str], block: Block, path: Path) -> None:
    """Refuse a block with a NUL byte or an endless line; the error names the first such line of the file."""
    bad = [line for line in lines if "\0" in line or len(line) > LONGEST_LINE]
    if not bad:
        return
    at = min(map(block.lines.index, bad))
    line = block.lines[at]
    what = "a NUL byte" if "\0" in line else f"a line of {len(line):,} characters"
    raise InvalidData(
        f"{path}:{block.number(at)}: {what}: this is no file of tokens and tags",
        "A line holds a token, one space and a tag, in UTF-8.",
    )


def _odd_fields(rest: str) -> list[str]:
    """What is odd about the text after a line's first space."""
    if not rest:
        return [NO_TAG]
    return [MANY_FIELDS] if " " in rest else []


def _odd_characters(column: str) -> list[str]:
    """What is odd about the text before a line's first space."""
    if not column:
        return [LEADING]
    categories = set(map(unicodedata.category, column))
    if categories <= {"Cc", "Cf", *SEPARATORS}:
        return [EMPTY_LOOKING]
    oddities = []
    if "Cc" in categories:
        oddities.append(CONTROL)
    if "Cf" in map(unicodedata.category, JOINERS.sub("", column)):
        oddities.append(INVISIBLE)
    if categories & SEPARATORS:
        oddities.append(WHITE_TOKEN)
    return oddities
