"""The README's `grep -v "^#" | cut -f 2,3 | tr '\\t' ' '`, in one pass over blocks of bytes.

Every byte of a block is decided on by its field's number; no line is touched by itself. That is how the pass keeps
up with the three C programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 18
"""Bytes looked at together; few enough to stay in the processor's cache."""
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

    def apply(self, source: BinaryIO, target: BinaryIO) -> dict[str, int]:
        """Filter `source` into `target`; returns counts of sentences, tokens and dropped lines.

        As `cut` does, a line without the delimiter passes whole, and a line with too few fields gives those it
        has. As `grep` and `cut` do, a last line without a line feed gets one; `tr` alone adds none.
        """
        counts = {"sentences": 0, "tokens": 0, "dropped lines": 0}
        inside = after_docstart = False
        for block in _blocks(source):
            whole = block.endswith(b"\n")
            out, dropped, after_docstart = self._filter(block if whole else block + b"\n", after_docstart)
            if not whole and not self.drop_comments and self.fields is None:
                out = out[:-1]
            target.write(out)
            sentences, tokens, inside = _count(out, inside)
            counts["sentences"] += sentences
            counts["tokens"] += tokens
            counts["dropped lines"] += dropped
        return counts

    def _filter(self, block: bytes, after_docstart: bool) -> tuple[bytes, int, bool]:
        """Filtered bytes of whole lines, the lines dropped, and whether the last one was a `-DOCSTART-`."""
        import numpy as np

        text = np.frombuffer(block, np.uint8)
        keep = None if self.fields is None else _cut(text, self.fields, self.delimiter[0])
        dropped = 0
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
        filtered = block if keep is None else text[keep].tobytes()
        return filtered.replace(b"\t", b" "), dropped, after_docstart

    def _may_drop(self, block: bytes, after_docstart: bool) -> bool:
        """A quick look, since most blocks hold nothing to drop."""
        if self.drop_comments and (block.startswith(b"#") or b"\n#" in block):
            return True
        return self.drop_docstart and (after_docstart or DOCSTART in block)


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines; the last one may lack its line feed."""
    rest = b""
    while block := source.read(BLOCK):
        lines, feed, tail = block.rpartition(b"\n")
        if feed:
            yield rest + lines + feed
            rest = tail
        else:
            rest += block
    if rest:
        yield rest


def _cut(text: NDArray[np.uint8], fields: tuple[int, ...], delimiter: int) -> NDArray[np.bool_]:
    """Which bytes `cut -f` lets through: the wanted fields, delimiters between them, line feeds, undelimited lines."""
    import numpy as np

    borders = np.flatnonzero((text == delimiter) | (text == LINE_FEED))
    is_end = text[borders] == LINE_FEED
    last = np.flatnonzero(is_end).astype(np.int32)  # the border that ends each line
    first = np.concatenate([[-1], last[:-1]]).astype(np.int32)
    number = np.arange(len(borders), dtype=np.int32)  # 1-based number of the field before the border, in its line
    number -= np.repeat(first, last - first)
    wanted = is_end & (number == 1)
    for field in fields:
        wanted |= number == field
    keep = np.repeat(wanted, np.diff(borders, prepend=-1))
    is_end[:-1] |= (wanted & (number > fields[0]))[1:]  # a wanted field brings its delimiter, but for the first
    keep[borders] = is_end
    return keep


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
