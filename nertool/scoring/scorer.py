"""Precision, recall and F1 of entities, by type and overall, in every mode, with intervals.

Tags are counted by blocks of sentences, on arrays; what is kept between blocks are counts, so memory does not grow with
the corpus. An entity counts as right when its type and both ends are right.

Imports numpy: to be imported where scoring begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nertool.counts import MODE, Counts
from nertool.scoring.bootstrap import CountHistogram, interval_of, totals
from nertool.scoring.matching import step
from nertool.tags import END, INSIDE, OUTSIDE, START, in_scheme, recognise, split_tag

Array = npt.NDArray[Any]

BLOCK = 1 << 18
"""Tags that are counted at a time."""
SMALL = 1 << 21
"""Pairs of tags up to which each has a place in a table."""
KINDS = ("type", "border", "type_and_border", "missed", "invented")
"""Kinds of errors. The first three pair a gold entity with a predicted one that overlaps it: its type is wrong, an end
of it, or both; a gold entity without a partner is missed, a predicted one invented."""
SCHEMAS = ("strict", "exact", "partial", "type")
"""Ways to give credit for an error, as the SemEval 2013 task 9.1 (and nervaluate) names them."""


class Spans(NamedTuple):
    """Entities of a block in the order of their places; three arrays of shape (entities,).

    Attributes:
        start: first word, counted in the block.
        end: behind the last word.
        label: number of the type.
    """

    start: Array
    end: Array
    label: Array

    def take(self, which: Array) -> Spans:
        """Some of them."""
        return Spans(self.start[which], self.end[which], self.label[which])


class TagIds(dict[str, int]):
    """TagIds for strings, given out as they come."""

    def __init__(self, *first: str) -> None:
        super().__init__(zip(first, range(len(first)), strict=True))
        self.names = list(first)

    def __missing__(self, name: str) -> int:
        self[name] = len(self.names)
        self.names.append(name)
        return self[name]


class Scorer:
    """Counts entities and words of gold and predicted tags.

    Args:
        scheme: of the strict mode; None for that which most gold tags of the first block follow.
        keep_sentences: keep (correct, predicted, gold) of each sentence in `rows`, for comparisons.
        keep_tags: keep the tags of up to so many tokens, for `kept_tags`; beyond that none are kept.

    Attributes:
        scheme: the scheme; `plain` for tags without types, None as long as every tag was O.
        sentences: how many were counted.
        histograms: (mode, type) -> how many sentences have the counts (correct, predicted, gold); `""` is all types. In
            the schema `partial` the counts are doubled, as half an entity may be correct there.
        kinds: errors by kind.
        confused: (gold type, predicted type) -> how often an entity of the one was found as the other; `""` for none.
        unknown: gold tags that the scheme does not know; the strict mode reads them as O.
    """

    def __init__(self, scheme: str | None = None, keep_sentences: bool = False, keep_tags: int = 0) -> None:
        self.scheme = scheme
        self.sentences = 0
        self.histograms: dict[tuple[str, str], CountHistogram] = {}
        self.kinds: Counter[str] = Counter()
        self.confused: Counter[tuple[str, str]] = Counter()
        self.unknown = 0
        self.rows: list[Array] | None = [] if keep_sentences else None
        self._kept: list[tuple[Array, Array]] = []
        self._room = keep_tags
        self._tags, self._types = TagIds(OUTSIDE), TagIds()
        self._gold: list[int] = []
        self._predicted: list[int] = []

    # -- counting ----------------------------------------------------------------------------------

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence; both sequences have one tag a word."""
        assert len(gold) == len(predicted), "a tag for every word, on both sides"
        if gold:
            self._gold += map(self._tags.__getitem__, gold)
            self._predicted += map(self._tags.__getitem__, predicted)
            self._gold.append(-1)
            self._predicted.append(-1)
            if len(self._gold) >= BLOCK:
                self._flush()

    def numbers(self, tags: Iterable[str]) -> list[int]:
        """The numbers under which `add_numbers` knows these tags."""
        return list(map(self._tags.__getitem__, tags))

    def add_numbers(self, gold: Array, predicted: Array) -> None:
        """Count a block of whole sentences: `numbers` of their tags, with -1 behind each sentence, on both sides."""
        self._flush()
        self._count(gold, predicted)

    def merge(self, other: Scorer) -> None:
        """Count what another scorer has seen, too."""
        self._flush()
        other._flush()
        self.scheme = self.scheme or other.scheme
        self.sentences += other.sentences
        self.unknown += other.unknown
        self.kinds.update(other.kinds)
        self.confused.update(other.confused)
        for family, histogram in other.histograms.items():
            self.histograms.setdefault(family, Counter()).update(histogram)

    def _flush(self) -> None:
        if self._gold:
            gold, predicted = np.array(self._gold), np.array(self._predicted)
            self._gold, self._predicted = [], []
            self._count(gold, predicted)

    def _count(self, gold: Array, predicted: Array) -> None:
        ends = np.flatnonzero(gold < 0)
        if not len(ends):
            return
        self._keep(gold, predicted, len(gold) - len(ends))
        starts = np.concatenate(([0], ends[:-1] + 1))
        gold, predicted = np.maximum(gold, 0), np.maximum(predicted, 0)  # O behind each sentence
        right = np.add.reduceat((gold == predicted).astype(np.int64), starts) - 1
        lengths = ends - starts
        self.sentences += len(ends)
        self._tally("words", "", right, lengths, lengths)
        if self.scheme is None:
            self.scheme = self._recognise(gold) or self._recognise(predicted)
        if self.scheme == "plain":
            self._count_entities("plain", gold, predicted, ends, right, lengths)
        else:
            self._count_entities(MODE, gold, predicted, ends, right, lengths)
            if self.scheme is not None:
                known = np.array([in_scheme(name, self.scheme) or name == OUTSIDE for name in self._tags.names])
                self.unknown += int((~known[gold]).sum())
                self._count_entities("strict", gold, predicted, ends, right, lengths)

    def _keep(self, gold: Array, predicted: Array, tokens: int) -> None:
        """Keep a block's tags while there is room for all of them."""
        self._room -= tokens
        if self._room < 0:
            self._kept.clear()
        else:
            self._kept.append((gold, predicted))

    @property
    def keeps_tags(self) -> bool:
        """All tags are kept: there were not more than `keep_tags`."""
        self._flush()
        return self._room >= 0

    def kept_tags(self) -> tuple[list[list[str]], list[list[str]]]:
        """Gold and predicted tags of each sentence."""
        gold: list[list[str]] = []
        predicted: list[list[str]] = []
        for block in self._kept:
            ends = np.flatnonzero(block[0] < 0)
            for sentences, numbers in zip((gold, predicted), block, strict=True):
                for part in np.split(numbers, ends + 1)[:-1]:
                    sentences.append([self._tags.names[number] for number in part[:-1].tolist()])
        return gold, predicted

    def all_tags_in_scheme(self) -> bool:
        """Every tag that was seen, gold or predicted, is one of the scheme."""
        self._flush()
        scheme = self.scheme
        return scheme is not None and all(in_scheme(name, scheme) or name == OUTSIDE for name in self._tags.names)

    def _count_entities(
        self, mode: str, gold: Array, predicted: Array, ends: Array, right: Array, lengths: Array
    ) -> None:
        sides = (self._spans(mode, gold), self._spans(mode, predicted))
        if mode == "plain":  # a sentence's last O is no word
            sides = tuple(side.take(~np.isin(side.start, ends)) for side in sides)  # type: ignore[assignment]
        wanted, found = sides
        hits, partner = _match(wanted, found, len(gold))
        counted = [np.searchsorted(ends, places) for places in (wanted.start[hits], found.start, wanted.start)]
        of_sentence = [np.bincount(sentences, minlength=len(ends)) for sentences in counted]
        self._tally(mode, "", *of_sentence)
        self._tally_types(mode, [wanted.label[hits], found.label, wanted.label], counted, len(ends))
        if mode == "strict":
            return
        if self.rows is not None:
            self.rows.append(np.stack([right, lengths, lengths] if mode == "plain" else of_sentence, axis=1))
        missed, extra = np.ones(len(wanted.start), bool), np.ones(len(found.start), bool)
        missed[hits], extra[partner[hits]] = False, False
        self._count_confused(wanted.label[hits], found.label[partner[hits]])
        self._count_errors(wanted.take(missed), found.take(extra), ends, of_sentence)

    def _count_errors(self, wanted: Spans, found: Spans, ends: Array, of_sentence: list[Array]) -> None:
        """Pair what is left on both sides, and count errors by kind and the credit they get."""
        mine, theirs = pair(wanted, found)
        same_type = wanted.label[mine] == found.label[theirs]
        same_ends = (wanted.start[mine] == found.start[theirs]) & (wanted.end[mine] == found.end[theirs])
        sentence = np.searchsorted(ends, wanted.start[mine])
        correct, predicted, gold = of_sentence
        of_type, of_ends = (np.bincount(sentence[which], minlength=len(ends)) for which in (same_type, same_ends))
        both = np.bincount(sentence, minlength=len(ends)) - of_type - of_ends
        self._tally("exact", "", correct + of_ends, predicted, gold)
        self._tally("type", "", correct + of_type, predicted, gold)
        self._tally("partial", "", 2 * (correct + of_ends) + of_type + both, 2 * predicted, 2 * gold)
        alone = (len(wanted.start) - len(mine), len(found.start) - len(theirs))
        for kind, count in zip(KINDS, (of_ends.sum(), of_type.sum(), both.sum(), *alone), strict=True):
            self.kinds[kind] += int(count)
        none = self._types[""]
        self._count_confused(wanted.label[mine], found.label[theirs])
        self._count_confused(np.delete(wanted.label, mine), none)
        self._count_confused(none, np.delete(found.label, theirs))

    def _count_confused(self, wanted: Array | int, found: Array | int) -> None:
        size, names = len(self._types.names), self._types.names
        codes, counts = np.unique(wanted * np.int64(size) + found, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.confused[names[code // size], names[code % size]] += count

    def _tally(self, mode: str, label: str, *columns: Array) -> None:
        counted = zip(*(column.tolist() for column in columns), strict=True)
        self.histograms.setdefault((mode, label), Counter()).update(counted)

    def _tally_types(self, mode: str, labels: Sequence[Array], sentences: Sequence[Array], size: int) -> None:
        """Counts of each type in the sentences that have it; in the others they are 0."""
        codes = [label.astype(np.int64) * size + sentence for label, sentence in zip(labels, sentences, strict=True)]
        every, place = np.unique(np.concatenate(codes), return_inverse=True)
        if not len(every):
            return
        borders = np.cumsum([len(part) for part in codes])[:-1]
        columns = [np.bincount(part, minlength=len(every)) for part in np.split(place, borders)]
        types, first = np.unique(every // size, return_index=True)
        for number, rows in zip(types.tolist(), np.split(np.stack(columns, axis=1), first[1:]), strict=True):
            self._tally(mode, self._types.names[number], *rows.T)

    def _spans(self, mode: str, tags: Array) -> Spans:
        """Entities of a block of tags; O stands behind each sentence."""
        bits, size = self._steps(mode, tags), len(self._tags.names)
        outside = (bits & INSIDE) == 0
        head = np.flatnonzero(outside)
        stretch = np.cumsum(outside) - 1
        start = np.flatnonzero(bits & START)
        of_start = stretch[start]
        first = np.diff(of_start, prepend=-1) > 0  # an entity goes on as long as its tags do
        start, end = start[first], np.append(head, len(tags))[of_start[first] + 1]
        whole = (np.append(bits, END)[end] & END) > 0
        labels = [name if mode == "plain" else split_tag(name)[1] for name in self._tags.names]
        table = np.array([self._types[label] for label in labels])
        assert len(table) == size
        return Spans(start[whole], end[whole], table[tags[start[whole]]])

    def _steps(self, mode: str, tags: Array) -> Array:
        """What each tag does behind its left neighbour, as bits."""
        names, size = self._tags.names, len(self._tags.names)
        mode = self.scheme or MODE if mode == "strict" else mode
        codes = tags.astype(np.int64)
        codes[1:] += tags[:-1] * size
        if size * size <= SMALL:
            there = np.flatnonzero(np.bincount(codes, minlength=size * size))
            table = np.zeros(size * size, np.uint8)
            table[there] = [step(mode, names[code // size], names[code % size]) for code in there.tolist()]
            return table[codes]
        there, place = np.unique(codes, return_inverse=True)
        found = [step(mode, names[code // size], names[code % size]) for code in there.tolist()]
        return np.array(found, np.uint8)[place]

    def _recognise(self, tags: Array) -> str | None:
        """The scheme of the tags of a block; None where all of them are O."""
        names, size = self._tags.names, len(self._tags.names)
        before = np.append(0, tags[:-1])  # O, in front of the first sentence
        codes, counts = np.unique(before * size + tags, return_counts=True)
        if not codes.any():
            return None
        pairs = zip(codes.tolist(), counts.tolist(), strict=True)
        return recognise({(names[code // size], names[code % size]): count for code, count in pairs})

    def sentence_counts(self) -> Array:
        """(correct, predicted, gold) of each sentence in the headline's mode, where they are kept; (sentences, 3)."""
        self._flush()
        assert self.rows is not None
        return np.concatenate(self.rows) if self.rows else np.zeros((0, 3), np.int64)

    # -- results -----------------------------------------------------------------------------------

    @property
    def plain(self) -> bool:
        """Tags have no types: parts of speech."""
        self._flush()
        return self.scheme == "plain"

    @property
    def mode(self) -> str:
        """The mode of the headline figure."""
        return "plain" if self.plain else MODE

    @property
    def metric(self) -> str:
        """Name of the headline figure: `f1`, or `accuracy` where tags have no type."""
        return "accuracy" if self.plain else "f1"

    @property
    def headline(self) -> float:
        """The figure that models are compared by."""
        return self.accuracy if self.plain else self.counts.f1

    @property
    def counts(self) -> Counts:
        """All entities together (micro average)."""
        return self.counts_of(self.mode)

    def counts_of(self, mode: str, label: str = "") -> Counts:
        """Counts in a mode, of a type or of all."""
        self._flush()
        return Counts(*totals(self.histograms.get((mode, label), Counter())))

    @property
    def types(self) -> dict[str, Counts]:
        """Counts of each type in the headline's mode, in byte order."""
        return {label: self.counts_of(self.mode, label) for label in self.labels(self.mode)}

    @property
    def tokens(self) -> int:
        """Words."""
        return int(self.counts_of("words").gold)

    @property
    def accuracy(self) -> float:
        """Share of the words whose tag is right."""
        return self.counts_of("words").recall

    def interval(self) -> tuple[float, float]:
        """Bounds of the headline figure, 95 %, by bootstrap over sentences."""
        low, high = self._intervals("words" if self.plain else MODE)["f1"]
        return low, high

    def results(self) -> dict[str, Any]:
        """Everything as one JSON object; each figure stands beside the 95 % interval of it."""
        mode = self.mode
        overall = {"metric": self.metric, "mode": mode, **self._figures(mode)}
        overall["accuracy"] = self.accuracy
        overall["accuracy_interval"] = self._intervals("words")["f1"]
        overall["types"] = {label: self._figures(mode, label) for label in self.labels(mode)}
        overall["errors"] = {kind: self.kinds[kind] for kind in KINDS}
        overall["confusion"] = [
            {"gold": gold, "predicted": predicted, "count": count}
            for (gold, predicted), count in sorted(self.confused.items())
        ]
        if mode != "plain":
            overall["credit"] = {schema: self._figures(MODE if schema == "strict" else schema) for schema in SCHEMAS}
            if self.scheme is not None:
                overall["strict"] = {
                    "mode": f"strict {self.scheme.upper()}",
                    **self._figures("strict"),
                    "unknown_tags": self.unknown,
                    "types": {label: self._figures("strict", label) for label in self.labels("strict")},
                }
        return {**overall, "sentences": self.sentences, "tokens": self.tokens}

    def labels(self, mode: str) -> list[str]:
        """Types that were counted in a mode, in byte order."""
        self._flush()
        return sorted(label for of_mode, label in self.histograms if of_mode == mode and label)

    def _figures(self, mode: str, label: str = "") -> dict[str, Any]:
        counts = self.counts_of(mode, label)
        if mode == "partial":  # an entity counts two there, so that half of one is a whole number
            counts = Counts(counts.correct / 2, counts.predicted // 2, counts.gold // 2)
        return {**counts.as_dict(), "interval": self._intervals(mode, label)}

    def _intervals(self, mode: str, label: str = "") -> dict[str, tuple[float, float]]:
        return interval_of(self.histograms.get((mode, label), Counter()), self.sentences)


def score(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Scorer:
    """A scorer that has seen all (gold tags, predicted tags) pairs, a pair a sentence."""
    scorer = Scorer()
    for gold, predicted in pairs:
        scorer.add(gold, predicted)
    return scorer


def _match(wanted: Spans, found: Spans, size: int) -> tuple[Array, Array]:
    """Which gold entities were found as they are, and the number of the predicted one that begins where each does."""
    beginning = np.full(size, -1)
    beginning[found.start] = np.arange(len(found.start))
    partner = beginning[wanted.start]
    same = found.end[partner] == wanted.end if len(found.start) else np.zeros(len(wanted.start), bool)
    if len(found.start):
        same &= (partner >= 0) & (found.label[partner] == wanted.label)
    return np.flatnonzero(same), partner


def pair(wanted: Spans, found: Spans) -> tuple[Array, Array]:
    """Partners among overlapping entities, one to one: numbers of the gold ones, and of the predicted ones.

    The pairs that share most words come first, among those the ones of one type, then the leftmost ones.
    """
    first = np.searchsorted(found.end, wanted.start, side="right")
    behind = np.maximum(np.searchsorted(found.start, wanted.end, side="left"), first)
    mine = np.repeat(np.arange(len(wanted.start)), behind - first)
    theirs = np.arange(len(mine)) - np.repeat(np.cumsum(behind - first) - (behind - first), behind - first)
    theirs += first[mine]
    shared = np.minimum(wanted.end[mine], found.end[theirs]) - np.maximum(wanted.start[mine], found.start[theirs])
    unlike = wanted.label[mine] != found.label[theirs]
    order = np.lexsort((theirs, mine, unlike, -shared))
    mine, theirs = mine[order], theirs[order]
    pairs: list[tuple[Array, Array]] = []
    while len(mine):  # a pair that is the best of both its entities is taken; then come those that are left
        best = np.zeros(len(mine), bool)
        best[np.unique(mine, return_index=True)[1]] = True
        best_of_theirs = np.zeros(len(mine), bool)
        best_of_theirs[np.unique(theirs, return_index=True)[1]] = True
        best &= best_of_theirs
        pairs.append((mine[best], theirs[best]))
        left = ~(np.isin(mine, mine[best]) | np.isin(theirs, theirs[best]))
        mine, theirs = mine[left], theirs[left]
    if not pairs:
        return mine, theirs
    return np.concatenate([mine for mine, _ in pairs]), np.concatenate([theirs for _, theirs in pairs])
