"""What a corpus holds, counted in one pass a file: tags, entities, sentences, and where anything is odd.

Whole blocks are counted by look-ups; only what is odd is looked at line by line, and keeps its places.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from nertool.corpus.known_lines import BORDER, Block, KnownLines
from nertool.corpus.max_length import Fitting
from nertool.tags import OUTSIDE, Pair, goes_on, split_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOUBLED = "blank line that ends no sentence"
REMEMBERED_SENTENCES = 2_000_000
"""Distinct sentences that are compared with later ones; a bound to memory."""
PLACES = 1000
"""Places kept of each kind of finding; all are counted."""


class Place(NamedTuple):
    """A line of a file, 1-based, and what is there."""

    path: Path
    line: int
    what: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" + (f" {self.what}" if self.what else "")


class Places:
    """Places of one kind of finding: all counted, the first ones kept."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Place] = []

    def add(self, path: Path, line: int, what: str = "") -> None:
        """One more."""
        self.count += 1
        if len(self.first) < PLACES:
            self.first.append(Place(path, line, what))


class Known(NamedTuple):
    """Where a sentence stood first, and a checksum of its tags."""

    split: str
    path: Path
    line: int
    tags: int


class Profile:
    """One split.

    Args:
        split: train, dev or test.
        path: its file.
        budget: sub-words of a sentence, special tokens not included; None where lengths are not known.

    Attributes:
        sentences: number of them.
        tokens: number of them.
        tags: how often each pair of neighbouring tags occurs.
        first_pair: line of the second tag of each pair, where it occurs first.
        entities: how often each type occurs.
        names: (type, text) of each entity, and how often it occurs.
        odd: places by what is odd about the line.
        too_long: sentences with more sub-words than the budget.
        cut: entities that a break at the budget cuts, by the sentence they stand in.
        dropped: tokens without sub-words.
        duplicates: sentences that stood in the same split before.
        shared: sentences that stood in another split before, by that split.
        conflicts: sentences that stood before with other tags.
        forgotten: sentences that later ones are not compared with, as there are too many.
    """

    def __init__(self, split: str, path: Path, budget: int | None = None) -> None:
        self.split, self.path, self.budget = split, path, budget
        self.sentences = self.tokens = self.forgotten = 0
        self.tags: Counter[Pair] = Counter()
        self.first_pair: dict[Pair, int] = {}
        self.entities: Counter[str] = Counter()
        self.names: Counter[tuple[str, str]] = Counter()
        self.odd: defaultdict[str, Places] = defaultdict(Places)
        self.too_long, self.cut, self.dropped = Places(), Places(), Places()
        self.duplicates, self.conflicts = Places(), Places()
        self.shared: defaultdict[str, Places] = defaultdict(Places)

    def add(self, block: Block, known: KnownLines, seen: dict[bytes, Known]) -> None:
        """Count a block of whole sentences that `known` has learned.

        Args:
            seen: sentences of all splits so far; is added to.
        """
        import numpy as np

        lines, first, columns = block.lines, block.first, known.columns(block)
        blank = np.flatnonzero(columns.tags == 0).tolist()
        begins, ends = [0, *(at + 1 for at in blank)], [*blank, len(lines)]
        self._add_tags(columns.tags, known, first)
        self._add_entities(block, known)
        self._add_odd(block, known)
        self._add_lengths(block, begins, ends, known)
        self.tokens += len(lines) - len(blank)
        words, tags = memoryview(columns.words.tobytes()), memoryview(columns.tags.tobytes())
        for begin, end in zip(begins, ends, strict=True):
            if end > begin:
                self.sentences += 1
                self._add_sentence(words[8 * begin : 8 * end], tags[8 * begin : 8 * end], first + begin, seen)
            elif end < len(lines):
                self.odd[DOUBLED].add(self.path, first + end)

    def _add_tags(self, tags: NDArray[np.int64], known: KnownLines, first: int) -> None:
        import numpy as np

        many, names = len(known.tag_names), known.tag_names
        pairs = np.concatenate([[0], tags]) * many + np.concatenate([tags, [0]])
        for pair, at, count in zip(*(found.tolist() for found in np.unique(pairs, True, False, True)), strict=True):
            key = (names[pair // many], names[pair % many])
            self.tags[key] += count
            self.first_pair.setdefault(key, first + min(at, len(tags) - 1))

    def _add_entities(self, block: Block, known: KnownLines) -> None:
        import numpy as np

        columns, done = known.columns(block), 0
        tags = [known.tag_names[number] for number in columns.tags.tolist()]
        for begin in np.flatnonzero(columns.tags > 1).tolist():  # 0 is a blank line, 1 is O
            if begin < done:
                continue
            done = begin + 1
            while done < len(tags) and _goes_on(tags[done - 1], tags[done]):
                done += 1
            label = split_tag(tags[begin])[1]
            if label:
                self.entities[label] += 1
                self.names[label, " ".join(map(known.tokens.__getitem__, block.lines[begin:done]))] += 1

    def _add_odd(self, block: Block, known: KnownLines) -> None:
        for at in known.columns(block).odd.nonzero()[0].tolist():
            line = block.lines[at]
            for kind in known.odd[line]:
                self.odd[kind].add(self.path, block.first + at, _shown(line) if line.strip() else "")

    def _add_lengths(self, block: Block, begins: list[int], ends: list[int], known: KnownLines) -> None:
        import numpy as np

        if self.budget is None:
            return
        lines, lengths = block.lines, known.columns(block).lengths
        for at in np.flatnonzero(lengths == 0).tolist():
            self.dropped.add(self.path, block.first + at, _shown(lines[at]))
        before = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))])
        totals = before[ends] - before[begins]
        for number in np.flatnonzero(totals > self.budget).tolist():
            begin, end = begins[number], ends[number]
            self._add_long(lines[begin:end], block.first + begin, int(totals[number]), known)

    def _add_sentence(self, words: memoryview, tags: memoryview, first: int, seen: dict[bytes, Known]) -> None:
        text, tagged = blake2b(words, digest_size=8).digest(), crc32(tags)
        before = seen.get(text)
        if before is None:
            if len(seen) < REMEMBERED_SENTENCES:
                seen[text] = Known(self.split, self.path, first, tagged)
            else:
                self.forgotten += 1
            return
        where = f"as {before.path.name}:{before.line}"
        (self.duplicates if before.split == self.split else self.shared[before.split]).add(self.path, first, where)
        if before.tags != tagged:
            self.conflicts.add(self.path, first, where)

    def _add_long(self, lines: list[str], first: int, length: int, known: KnownLines) -> None:
        assert self.budget is not None
        self.too_long.add(self.path, first, f"{length} sub-words")
        fitting = Fitting(known, self.budget)
        for _ in fitting.block(Block(lines, first)):
            pass
        for _ in range(fitting.end().cut):
            self.cut.add(self.path, first, f"a sentence of {length} sub-words")

    @property
    def pairs(self) -> Counter[Pair]:
        """Pairs of neighbouring tags, with OUTSIDE before a sentence's first tag and behind its last."""
        counts: Counter[Pair] = Counter()
        for pair, count in self.tags.items():
            if pair != (BORDER, BORDER):
                counts[pair[0] or OUTSIDE, pair[1] or OUTSIDE] += count
        return counts

    @property
    def tag_counts(self) -> Counter[str]:
        """How often each tag occurs."""
        counts: Counter[str] = Counter()
        for (_, tag), count in self.tags.items():
            if tag != BORDER:
                counts[tag] += count
        return counts


@lru_cache(maxsize=100_000)
def _goes_on(before: str, tag: str) -> bool:
    return goes_on(before, tag)


def _shown(line: str) -> str:
    return repr(line.rstrip("\n"))[:60]
