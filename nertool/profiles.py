"""What a corpus holds, counted in one pass a file: tags, entities, sentences, and where anything is odd.

Whole blocks are counted by look-ups; only what is odd is looked at line by line, and keeps its places.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from nertool.fitting import Fitting
from nertool.lines import Block, KnownLines
from nertool.tags import OUTSIDE, Pair, goes_on, split_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOUBLED = "blank line that ends no sentence"
REMEMBERED_SENTENCES = 2_000_000
"""Distinct sentences that are compared with later ones; a bound to memory."""
PLACES = 1000
"""Places kept of each kind of finding; all are counted."""
BORDER = ""
"""Tag of a blank line."""


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
    """

    def __init__(self, split: str, path: Path, budget: int | None = None) -> None:
        self.split, self.path, self.budget = split, path, budget
        self.sentences = self.tokens = 0
        self.tags: Counter[Pair] = Counter()
        self._numbers: defaultdict[str, int] = defaultdict(lambda: len(self._numbers))  # tags as small integers
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

        lines, first = block.lines, block.first
        tags = list(map(known.tags.__getitem__, lines))
        tokens = list(map(known.tokens.__getitem__, lines))
        numbers = np.fromiter(map(self._numbers.__getitem__, tags), np.int64, len(tags))
        blank = np.flatnonzero(numbers == self._numbers[BORDER]).tolist()
        inside = np.flatnonzero((numbers != self._numbers[BORDER]) & (numbers != self._numbers[OUTSIDE])).tolist()
        self._add_tags(numbers, first)
        self._add_entities(tokens, tags, inside)
        self._add_odd(block, known)
        self.tokens += len(lines) - len(blank)
        begin = 0
        for end in [*blank, len(lines)]:
            if end > begin:
                self.sentences += 1
                if self.budget is not None:
                    self._add_lengths(lines[begin:end], first + begin, known)
                self._add_sentence(tokens[begin:end], tags[begin:end], first + begin, seen)
            elif end < len(lines):
                self.odd[DOUBLED].add(self.path, first + end)
            begin = end + 1

    def _add_tags(self, numbers: NDArray[np.int64], first: int) -> None:
        import numpy as np

        border, many = self._numbers[BORDER], len(self._numbers)
        pairs = np.concatenate([[border], numbers]) * many + np.concatenate([numbers, [border]])
        names = list(self._numbers)
        for pair, at, count in zip(*(found.tolist() for found in np.unique(pairs, True, False, True)), strict=True):
            key = (names[pair // many], names[pair % many])
            self.tags[key] += count
            self.first_pair.setdefault(key, first + min(at, len(numbers) - 1))

    def _add_entities(self, tokens: list[str], tags: list[str], inside: list[int]) -> None:
        done = 0
        for begin in inside:
            if begin < done:
                continue
            end = begin + 1
            while end < len(tags) and _goes_on(tags[end - 1], tags[end]):
                end += 1
            label = split_tag(tags[begin])[1]
            if label:
                self.entities[label] += 1
                self.names[label, " ".join(tokens[begin:end])] += 1
            done = end

    def _add_odd(self, block: Block, known: KnownLines) -> None:
        for number in [number for number, line in enumerate(block.lines) if line in known.odd] if known.odd else ():
            line = block.lines[number]
            for kind in known.odd[line]:
                self.odd[kind].add(self.path, block.first + number, _shown(line) if line.strip() else "")

    def _add_lengths(self, lines: list[str], first: int, known: KnownLines) -> None:
        lengths = list(map(known.lengths.__getitem__, lines))
        if sum(lengths) > (self.budget or 0):
            self._add_long(lines, first, sum(lengths), known)
        if 0 in lengths:
            for at, length in enumerate(lengths):
                if not length:
                    self.dropped.add(self.path, first + at, _shown(lines[at]))

    def _add_sentence(self, tokens: list[str], tags: list[str], first: int, seen: dict[bytes, Known]) -> None:
        text, tagged = _digest(tokens), crc32("\n".join(tags).encode())
        before = seen.get(text)
        if before is None:
            if len(seen) < REMEMBERED_SENTENCES:
                seen[text] = Known(self.split, self.path, first, tagged)
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


def _digest(texts: Iterable[str]) -> bytes:
    """Eight bytes that stand for a sentence; two of a million sentences share them with a chance of 1 to 30 million."""
    return blake2b("\n".join(texts).encode(), digest_size=8).digest()
