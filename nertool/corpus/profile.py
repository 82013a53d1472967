"""Count what a split holds in one pass: tags, entities, sentences, and the places of odd lines.

Whole blocks are counted by look-ups. Only odd lines are looked at one by one; their places are kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from nertool.corpus.blocks import Block
from nertool.corpus.line_cache import BORDER, LineCache
from nertool.corpus.max_length import LengthLimit
from nertool.tags import OUTSIDE, Pair, goes_on, split_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ANY = ""
"""Stands for entities of any type."""
DOUBLED = "blank line that ends no sentence"
REMEMBERED_SENTENCES = 2_000_000
"""Distinct sentences that are compared with later ones; bounds memory."""
PLACES = 1000
"""Places kept of each kind of finding; all are counted."""


class Place(NamedTuple):
    """A line of a file, 1-based, and what is odd there."""

    path: Path
    line: int
    what: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" + (f" {self.what}" if self.what else "")


class Places:
    """Places of one kind of finding: all are counted, the first ones kept.

    Attributes:
        count: of all places.
        first: up to PLACES of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Place] = []

    def add(self, path: Path, line: int, what: str = "") -> None:
        """Count a place, and keep it if it is one of the first."""
        self.count += 1
        if len(self.first) < PLACES:
            self.first.append(Place(path, line, what))


class FirstSeen(NamedTuple):
    """The first place of a sentence, and a checksum of its tags."""

    split: str
    path: Path
    line: int
    tags: int


class Profile:
    """Counts and places of one split.

    Args:
        split: train, dev or test.
        path: its file.
        budget: sub-words of a sentence, special tokens not included; None if lengths are unknown.

    Attributes:
        sentences: number of sentences.
        tokens: number of tokens.
        tags: how often each pair of neighbouring tags occurs.
        first_pair: 1-based line of the second tag of each pair, where the pair occurs first.
        entities: how often each type occurs.
        names: (type, text) of each entity, and how often it occurs.
        sentences_with: number of sentences that have an entity of each type, and under ANY of whatever type.
        odd: places of odd lines, by what is odd about them.
        too_long: sentences with more sub-words than the budget.
        cut: entities that a break at the budget cuts; the place is that of the sentence.
        dropped: tokens without sub-words.
        duplicates: sentences that occur in the same split before.
        shared: sentences that occur in another split before, by that split.
        conflicts: sentences that occur before with other tags.
        forgotten: sentences that later ones are not compared with, because too many are remembered already.
    """

    def __init__(self, split: str, path: Path, budget: int | None = None) -> None:
        self.split, self.path, self.budget = split, path, budget
        self.sentences = self.tokens = self.forgotten = 0
        self.tags: Counter[Pair] = Counter()
        self.first_pair: dict[Pair, int] = {}
        self.entities: Counter[str] = Counter()
        self.names: Counter[tuple[str, str]] = Counter()
        self.sentences_with: Counter[str] = Counter()
        self.odd: defaultdict[str, Places] = defaultdict(Places)
        self.too_long, self.cut, self.dropped = Places(), Places(), Places()
        self.duplicates, self.conflicts = Places(), Places()
        self.shared: defaultdict[str, Places] = defaultdict(Places)

    def add(self, block: Block, cache: LineCache, seen: dict[bytes, FirstSeen]) -> None:
        """Count a block of whole sentences.

        Args:
            cache: the block has been added to it.
            seen: hash of the tokens -> first place, for all sentences so far; those of the block are added.
        """
        import numpy as np

        lines, first, arrays = block.lines, block.first, cache.arrays(block)
        blank = np.flatnonzero(arrays.tags == 0)
        ends = [*blank.tolist(), len(lines)]
        begins = [0, *(blank + 1).tolist()]
        self._add_tags(arrays.tags, cache, first)
        self._add_entities(block, cache)
        self._add_odd(block, cache)
        self._add_lengths(block, begins, ends, cache)
        self.tokens += len(lines) - len(blank)
        words, tags = memoryview(arrays.words.tobytes()), memoryview(arrays.tags.tobytes())
        for begin, end in zip(begins, ends, strict=True):
            if end > begin:
                self.sentences += 1
                self._add_sentence(words[8 * begin : 8 * end], tags[8 * begin : 8 * end], first + begin, seen)
            elif end < len(lines):
                self.odd[DOUBLED].add(self.path, first + end)

    def _add_tags(self, tags: NDArray[np.int64], cache: LineCache, first: int) -> None:
        import numpy as np

        names = cache.tag_names
        numbers = np.concatenate([[0], tags]) * len(names) + np.concatenate([tags, [0]])  # of pairs of tags
        distinct, first_places, counts = np.unique(numbers, return_index=True, return_counts=True)
        for number, at, count in zip(distinct.tolist(), first_places.tolist(), counts.tolist(), strict=True):
            before, tag = divmod(number, len(names))
            pair = (names[before], names[tag])
            self.tags[pair] += count
            self.first_pair.setdefault(pair, first + min(at, len(tags) - 1))

    def _add_entities(self, block: Block, cache: LineCache) -> None:
        import numpy as np

        tag_numbers = cache.arrays(block).tags
        tags = list(map(cache.tag_names.__getitem__, tag_numbers.tolist()))
        begins = np.flatnonzero(tag_numbers > 1)  # 0 is a blank line, 1 is O
        sentences = np.cumsum(tag_numbers == 0)[begins]
        last_sentence: dict[str, int] = {}
        end = 0  # of the entity before
        for begin, sentence in zip(begins.tolist(), sentences.tolist(), strict=True):
            if begin < end:
                continue
            end = begin + 1
            while end < len(tags) and _goes_on(tags[end - 1], tags[end]):
                end += 1
            label = split_tag(tags[begin])[1]
            if label:
                self.entities[label] += 1
                self.names[label, " ".join(map(cache.tokens.__getitem__, block.lines[begin:end]))] += 1
                for key in (ANY, label):
                    if last_sentence.get(key) != sentence:
                        last_sentence[key] = sentence
                        self.sentences_with[key] += 1

    def _add_odd(self, block: Block, cache: LineCache) -> None:
        for at in cache.arrays(block).odd.nonzero()[0].tolist():
            line = block.lines[at]
            for kind in cache.odd[line]:
                self.odd[kind].add(self.path, block.first + at, _shown(line) if line.strip() else "")

    def _add_lengths(self, block: Block, begins: list[int], ends: list[int], cache: LineCache) -> None:
        import numpy as np

        if self.budget is None:
            return
        lines, lengths = block.lines, cache.arrays(block).lengths
        for at in np.flatnonzero(lengths == 0).tolist():
            self.dropped.add(self.path, block.first + at, _shown(lines[at]))
        subwords_before = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))])
        totals = subwords_before[ends] - subwords_before[begins]
        for number in np.flatnonzero(totals > self.budget).tolist():
            begin, end = begins[number], ends[number]
            self._add_long(lines[begin:end], block.first + begin, int(totals[number]), cache)

    def _add_sentence(self, words: memoryview, tags: memoryview, first: int, seen: dict[bytes, FirstSeen]) -> None:
        tokens_hash, tags_checksum = blake2b(words, digest_size=8).digest(), crc32(tags)
        before = seen.get(tokens_hash)
        if before is None:
            if len(seen) < REMEMBERED_SENTENCES:
                seen[tokens_hash] = FirstSeen(self.split, self.path, first, tags_checksum)
            else:
                self.forgotten += 1
            return
        where = f"as {before.path.name}:{before.line}"
        repeated = self.duplicates if before.split == self.split else self.shared[before.split]
        repeated.add(self.path, first, where)
        if before.tags != tags_checksum:
            self.conflicts.add(self.path, first, where)

    def _add_long(self, lines: list[str], first: int, length: int, cache: LineCache) -> None:
        assert self.budget is not None
        self.too_long.add(self.path, first, f"{length} sub-words")
        limit = LengthLimit(cache, self.budget)
        for _ in limit.apply(Block(lines, first)):
            pass
        for _ in range(limit.finish()["cut"]):
            self.cut.add(self.path, first, f"a sentence of {length} sub-words")

    @property
    def pairs(self) -> Counter[Pair]:
        """How often each pair of neighbouring tags occurs; O stands before the first tag and after the last one."""
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
