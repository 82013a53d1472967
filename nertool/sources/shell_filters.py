"""Do what `grep -v "^#" | cut -f 2,3 | tr '\\t' ' '` does, in one pass over blocks of bytes.

NumPy decides on all bytes of a block at once, by the number of their field. A loop over lines would take several times
as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from nertool.sources.facts import SplitCounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 19
"""Bytes of a block; few enough to stay in the processor's cache."""
DOCSTART = b"-DOCSTART-"
LINE_FEED, SPACE, HASH = b"\n #"


@dataclass(frozen=True)
class Filters:
    """How a published tab-separated file becomes `token, space, tag` lines.

    Attributes:
        drop_comments: leave out lines that begin with `#`, as `grep -v "^#"` does.
        fields: 1-based fields to keep, ascending, as `cut -f`; None keeps all.
        delimiter: the byte that separates the published fields.
        drop_docstart: leave out CoNLL-2003's `-DOCSTART-` lines and the blank line behind each.
    """

    drop_comments: bool = False
    fields: tuple[int, ...] | None = None
    delimiter: bytes = b"\t"
    drop_docstart: bool = False

    def apply(self, source: IO[bytes], target: IO[bytes]) -> SplitCounts:
        """Filter `source` into `target`; returns counts of sentences, tokens and dropped lines.

        As `cut` does, a line without the delimiter passes whole, and a line with too few fields gives those it
        has. As `grep` and `cut` do, a last line without a line feed gets one; `tr` alone adds none.
        """
        counts: SplitCounts = {"sentences": 0, "tokens": 0, "dropped_lines": 0}
        inside = after_docstart = False
        for block in blocks_of_lines(source):
            whole = block.endswith(b"\n")
            out, dropped, after_docstart = self._filter(block if whole else block + b"\n", after_docstart)
            if not whole and not self.drop_comments and self.fields is None:
                out = out[:-1]
            target.write(out)
            sentences, tokens, inside = _count(out, inside)
            counts["sentences"] += sentences
            counts["tokens"] += tokens
            counts["dropped_lines"] += dropped
        return counts

    def _filter(self, block: bytes, after_docstart: bool) -> tuple[bytes, int, bool]:
        """Filtered bytes of whole lines, the lines dropped, and whether the last one was a `-DOCSTART-`."""
        import numpy as np

        text = cut = np.frombuffer(block, np.uint8)
        keep, dropped = None, 0
        if self.fields is not None:
            cut, keep = _cut(text, self.fields, self.delimiter[0])
        if self._may_drop(block, after_docstart):
            ends = np.flatnonzero(text == LINE_FEED)
            starts = np.concatenate([[0], ends[:-1] + 1])
            lines = text[starts] == HASH if self.drop_comments else np.zeros(len(starts), bool)
            dropped = int(lines.sum())
            if self.drop_docstart:
                documents, blanks = _docstarts(block, starts, ends, after_docstart)
                dropped += int((documents & ~lines).sum())
                lines |= documents | blanks
                after_docstart = bool(documents[-1])
            stays = np.repeat(~lines, ends - starts + 1)
            keep = stays if keep is None else keep & stays
        filtered = block if keep is None else cut[keep].tobytes()
        return filtered.replace(b"\t", b" "), dropped, after_docstart

    def _may_drop(self, block: bytes, after_docstart: bool) -> bool:
        """Look quickly whether there can be lines to drop; most blocks have none."""
        if self.drop_comments and (block.startswith(b"#") or b"\n#" in block):
            return True
        return self.drop_docstart and (after_docstart or DOCSTART in block)


def blocks_of_lines(source: IO[bytes]) -> Iterator[bytes]:
    """Read a file in blocks of whole lines; the last line may lack its line feed."""
    rest: list[bytes] = []  # pieces of a line, joined once
    while block := source.read(BLOCK):
        lines, feed, tail = block.rpartition(b"\n")
        if feed:
            yield b"".join((*rest, lines, feed))
            rest = [tail]
        else:
            rest.append(block)
    if any(rest):
        yield b"".join(rest)


def _cut(
    text: NDArray[np.uint8], fields: tuple[int, ...], delimiter: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """`cut -f` on whole lines: the text, and which of its bytes stay.

    Each wanted field stays with the byte behind it, and behind the line's last one that byte becomes the line feed. The
    fields' numbers are found without counting: a border ends field n of its line where the border before it ends field
    n - 1.
    """
    import numpy as np

    borders = np.flatnonzero((text == delimiter) | (text == LINE_FEED))
    ends = text[borders] == LINE_FEED  # of lines
    going = np.concatenate([[False], ~ends[:-1]])  # the border before is in the same line
    number, field = ~going, 1
    wanted, final, short = ends & number, np.zeros(len(borders), bool), np.zeros(len(borders), bool)
    while field <= fields[-1]:
        if field in fields:
            wanted |= number
            following = fields[fields.index(field) + 1 :]
            final |= number & _ends_within(ends, following[0] - field if following else 0)
        elif 1 < field < fields[0]:
            short |= number & ends  # a line without any wanted field: its line feed stays
        number, field = going & np.concatenate([[False], number[:-1]]), field + 1
    changes = np.flatnonzero(wanted[1:] != wanted[:-1])
    runs = np.diff(borders[np.append(changes, len(borders) - 1)], prepend=-1)
    keep = np.repeat(np.append(wanted[changes], wanted[-1]), runs)
    keep[borders[short]] = True
    cut = text.copy()
    cut[borders[final & wanted]] = LINE_FEED
    return cut, keep


def _ends_within(ends: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Where a line ends at one of `count` borders from here on; everywhere for a count of 0, there is no next field."""
    import numpy as np

    found = np.full(len(ends), not count)
    for distance in range(min(count, len(ends))):
        found[: len(ends) - distance] |= ends[distance:]
    return found


def _docstarts(
    block: bytes, starts: NDArray[Any], ends: NDArray[Any], after_docstart: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Lines that are `-DOCSTART-`, and blank lines right behind one."""
    import numpy as np

    documents, blanks = np.zeros(len(starts), bool), np.zeros(len(starts), bool)
    blanks[0] = after_docstart and not block[: ends[0]].strip()
    at = block.find(DOCSTART)
    while at >= 0:
        line = int(np.searchsorted(starts, at, "right")) - 1
        if starts[line] == at:
            documents[line] = True
            if line + 1 < len(starts):
                blanks[line + 1] = not block[starts[line + 1] : ends[line + 1]].strip()
        at = block.find(DOCSTART, at + 1)
    return documents, blanks


def _count(lines: bytes, inside: bool) -> tuple[int, int, bool]:
    """(sentences that begin, lines with a token, whether the last line has one) of filtered lines."""
    import numpy as np

    if not lines:
        return 0, 0, inside
    text = np.frombuffer(lines, np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(text == LINE_FEED) + 1])
    starts = starts[:-1] if starts[-1] == len(text) else starts
    tokens = text[starts] > SPACE
    for line in np.flatnonzero(~tokens & (text[starts] != LINE_FEED)):  # begins with white space: is there more?
        tokens[line] = bool(lines[starts[line] : lines.find(b"\n", starts[line]) % (len(lines) + 1)].strip())
    before = np.concatenate([[inside], tokens[:-1]])
    return int((tokens & ~before).sum()), int(tokens.sum()), bool(tokens[-1])
