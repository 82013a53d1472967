"""Precision, recall and F1 of entities, by type and overall, in every mode, with intervals.

Tags are counted by blocks of sentences, on arrays; what is kept between blocks are counts, so memory does not grow with
the corpus. An entity is correct when its type and both ends are those of a gold entity.

This module imports numpy: import it inside functions, where scoring begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from nertool.arrays import Array
from nertool.counts import MODE, Counts
from nertool.scoring.bootstrap import CountHistogram, interval_of, totals
from nertool.scoring.matching import step
from nertool.scoring.pairing import Spans, match, pair
from nertool.spelling import ALWAYS_OUTSIDE, PLAIN, Reading, Spelling, read_corpus
from nertool.tags import END, INSIDE, OUTSIDE, START, in_scheme, split_tag

BLOCK = 1 << 18
"""Tags that are counted at a time."""
SMALL = 1 << 21
"""Pairs of tags up to which each has a place in a table."""
KINDS = ("type", "border", "type_and_border", "missed", "invented")
"""Kinds of errors. The first three pair a gold entity with a predicted one that overlaps it: the type differs, an end
differs, or both differ. A gold entity without a partner is missed, a predicted one invented."""
SCHEMAS = ("strict", "exact", "partial", "type")
"""Ways to give credit for an error, as the SemEval 2013 task 9.1 (and nervaluate) names them."""


class TagIds(dict[str, int]):
    """Numbers of strings, from 0, in the order in which the strings are first asked for.

    Attributes:
        names: the string of each number.
    """

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
        scheme: of the strict mode; None for the scheme that most gold tags of the first block follow.
        keep_sentences: keep (correct, predicted, gold) of each sentence in `rows`, for comparisons.
        keep_tags: keep the tags of up to so many tokens, for `kept_tags`; beyond that none are kept.
        spelling: of the tags; None for the one that most gold tags of the first block have. Tags are counted in their
            canonical form.

    Attributes:
        spelling: the spelling; None as long as every tag was O.
        scheme: the scheme; `plain` for tags without types, None as long as every tag was O.
        sentences: how many were counted.
        histograms: (mode, type) -> how many sentences have the counts (correct, predicted, gold); `""` is all types. In
            the schema `partial` the counts are doubled, as half an entity may be correct there.
        kinds: errors by kind.
        confused: (gold type, predicted type) -> how many gold entities were predicted with that type; `""` for none.
        unknown: gold tags that the scheme does not have; the strict mode reads them as O.
        rows: (correct, predicted, gold) of the sentences of each block, shape (sentences, 3); None if not kept.
    """

    def __init__(
        self,
        scheme: str | None = None,
        keep_sentences: bool = False,
        keep_tags: int = 0,
        spelling: Spelling | None = None,
    ) -> None:
        self.scheme = scheme
        self.spelling = PLAIN if scheme == "plain" else spelling
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
        """Add the counts of another scorer."""
        self._flush()
        other._flush()
        self.scheme = self.scheme or other.scheme
        self.spelling = self.spelling or other.spelling
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
        self._recognise(gold, predicted, len(ends))
        if self.spelling and not self.spelling.is_canonical:
            gold, predicted = self._canonical(gold), self._canonical(predicted)
        self._keep(gold, predicted, len(gold) - len(ends))
        starts = np.concatenate(([0], ends[:-1] + 1))
        gold, predicted = np.maximum(gold, 0), np.maximum(predicted, 0)  # O behind each sentence
        right = np.add.reduceat((gold == predicted).astype(np.int64), starts) - 1
        lengths = ends - starts
        self.sentences += len(ends)
        self._tally("words", "", right, lengths, lengths)
        if self.scheme == "plain":
            self._count_entities("plain", gold, predicted, ends, right, lengths)
        else:
            self._count_entities(MODE, gold, predicted, ends, right, lengths)
            if self.scheme is not None:
                unknown = np.array([not self._is_known(name) for name in self._tags.names])
                self.unknown += int(unknown[gold].sum())
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
        """Say whether all tags are kept: there were not more than `keep_tags`."""
        self._flush()
        return self._room >= 0

    def kept_tags(self) -> tuple[list[list[str]], list[list[str]]]:
        """Gold and predicted tags of each sentence."""
        gold: list[list[str]] = []
        predicted: list[list[str]] = []
        for gold_numbers, predicted_numbers in self._kept:
            ends = np.flatnonzero(gold_numbers < 0)
            gold += self._sentences(gold_numbers, ends)
            predicted += self._sentences(predicted_numbers, ends)
        return gold, predicted

    def _sentences(self, numbers: Array, ends: Array) -> Iterator[list[str]]:
        """Cut a block into sentences, and give the tags of each."""
        for sentence in np.split(numbers, ends + 1)[:-1]:
            yield [self._tags.names[number] for number in sentence[:-1].tolist()]

    def all_tags_in_scheme(self) -> bool:
        """Say whether the scheme has every tag that was counted, gold or predicted."""
        names = self._names()
        return self.scheme is not None and all(map(self._is_known, names))

    def all_tags_have_types(self) -> bool:
        """Say whether every tag but O that was counted, gold or predicted, has a type."""
        return all(split_tag(name)[1] for name in self._names() if name != OUTSIDE)

    def _is_known(self, tag: str) -> bool:
        assert self.scheme is not None
        return tag == OUTSIDE or in_scheme(tag, self.scheme)

    def _count_entities(
        self, mode: str, gold: Array, predicted: Array, ends: Array, right: Array, lengths: Array
    ) -> None:
        """Count the entities of a block in a mode, and in all modes but the strict one also the errors.

        Args:
            mode: `conlleval`, `plain` or `strict`.
            gold, predicted: number of each tag; O stands behind each sentence.
            ends: places of the sentences' ends; shape (sentences,).
            right: words of each sentence whose tag is right; shape (sentences,).
            lengths: words of each sentence; shape (sentences,).
        """
        gold_spans, predicted_spans = self.read_spans(mode, gold), self.read_spans(mode, predicted)
        if mode == "plain":  # the O behind a sentence is no word
            gold_spans = gold_spans.take(~np.isin(gold_spans.start, ends))
            predicted_spans = predicted_spans.take(~np.isin(predicted_spans.start, ends))
        hits, partner = match(gold_spans, predicted_spans, len(gold))
        labels = (gold_spans.label[hits], predicted_spans.label, gold_spans.label)
        sentence_of_gold = np.searchsorted(ends, gold_spans.start)
        sentences = (sentence_of_gold[hits], np.searchsorted(ends, predicted_spans.start), sentence_of_gold)
        counts = [np.bincount(numbers, minlength=len(ends)) for numbers in sentences]
        self._tally(mode, "", *counts)
        self._tally_types(mode, labels, sentences, len(ends))
        if mode == "strict":
            return
        if self.rows is not None:
            self.rows.append(np.stack([right, lengths, lengths] if mode == "plain" else counts, axis=1))
        self._count_confused(gold_spans.label[hits], predicted_spans.label[partner[hits]])
        missed, extra = np.ones(len(gold_spans.start), bool), np.ones(len(predicted_spans.start), bool)
        missed[hits], extra[partner[hits]] = False, False
        self._count_errors(gold_spans.take(hits), gold_spans.take(missed), predicted_spans.take(extra), ends)

    def _count_errors(self, correct: Spans, missed: Spans, extra: Spans, ends: Array) -> None:
        """Pair the wrong entities of both sides, and count errors by kind and the credit that each schema gives.

        Args:
            correct: gold entities that a predicted one equals.
            missed: gold entities that no predicted one equals.
            extra: predicted entities that no gold one equals.
            ends: places of the sentences' ends; shape (sentences,).
        """
        of_gold, of_predicted = pair(missed, extra)
        same_type = missed.label[of_gold] == extra.label[of_predicted]
        same_start = missed.start[of_gold] == extra.start[of_predicted]
        same_ends = same_start & (missed.end[of_gold] == extra.end[of_predicted])
        paired, spurious = missed.take(of_gold), extra.take(np.delete(np.arange(len(extra.start)), of_predicted))
        predicted, gold = [correct, paired, spurious], [correct, missed]
        self._tally_credit("exact", [correct, paired.take(same_ends)], predicted, gold, ends)
        self._tally_credit("type", [correct, paired.take(same_type)], predicted, gold, ends)
        halves = [correct, correct, paired, paired.take(same_ends)]
        self._tally_credit("partial", halves, 2 * predicted, 2 * gold, ends)
        neither = int((~(same_type | same_ends)).sum())
        alone = (len(missed.start) - len(of_gold), len(extra.start) - len(of_predicted))
        for kind, count in zip(KINDS, (same_ends.sum(), same_type.sum(), neither, *alone), strict=True):
            self.kinds[kind] += int(count)
        none = self._types[""]
        self._count_confused(missed.label[of_gold], extra.label[of_predicted])
        self._count_confused(np.delete(missed.label, of_gold), none)
        self._count_confused(none, np.delete(extra.label, of_predicted))

    def _tally_credit(
        self, schema: str, correct: list[Spans], predicted: list[Spans], gold: list[Spans], ends: Array
    ) -> None:
        """Count the entities of a block in a schema, all and by type.

        A predicted entity that is paired counts for the type of its gold one, so that the types add up to all.
        """
        labels: list[Array] = []
        sentences: list[Array] = []
        for group in (correct, predicted, gold):
            labels.append(np.concatenate([spans.label for spans in group]))
            sentences.append(np.searchsorted(ends, np.concatenate([spans.start for spans in group])))
        self._tally(schema, "", *(np.bincount(numbers, minlength=len(ends)) for numbers in sentences))
        self._tally_types(schema, labels, sentences, len(ends))

    def _count_confused(self, gold: Array | int, predicted: Array | int) -> None:
        """Count pairs of types, given by their numbers."""
        size, names = len(self._types.names), self._types.names
        codes, counts = np.unique(gold * np.int64(size) + predicted, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.confused[names[code // size], names[code % size]] += count

    def _tally(self, mode: str, label: str, correct: Array, predicted: Array, gold: Array) -> None:
        """Count sentences by their counts of a type in a mode; each array has the shape (sentences,)."""
        counts = zip(correct.tolist(), predicted.tolist(), gold.tolist(), strict=True)
        self.histograms.setdefault((mode, label), Counter()).update(counts)

    def _tally_types(self, mode: str, labels: Sequence[Array], sentences: Sequence[Array], size: int) -> None:
        """Count each type in the sentences that have it; in all others its counts are 0.

        Args:
            labels: types of the correct, of the predicted and of the gold entities; each of shape (entities,).
            sentences: the sentence of each of these entities; same shapes.
            size: number of sentences.
        """
        codes = []
        for label, sentence in zip(labels, sentences, strict=True):
            codes.append(label.astype(np.int64) * size + sentence)
        distinct, place = np.unique(np.concatenate(codes), return_inverse=True)
        if not len(distinct):
            return
        counts = np.empty((len(distinct), len(codes)), np.int64)
        for column, part in enumerate(np.split(place, np.cumsum(list(map(len, codes)))[:-1])):
            counts[:, column] = np.bincount(part, minlength=len(distinct))
        types, first = np.unique(distinct // size, return_index=True)
        for number, rows in zip(types.tolist(), np.split(counts, first[1:]), strict=True):
            label = self._types.names[number]
            if label:  # "" stands for all types, which count the entities of tags without a type
                self._tally(mode, label, *rows.T)

    def read_spans(self, mode: str, tags: Array) -> Spans:
        """Read the entities of a block of tags.

        Args:
            mode: `conlleval`, `plain` or `strict`.
            tags: `numbers` of the tags in their canonical form, with 0, for O, behind each sentence.
        """
        bits = self._steps(mode, tags)
        outside = (bits & INSIDE) == 0
        head = np.flatnonzero(outside)
        stretch = np.cumsum(outside) - 1
        start = np.flatnonzero(bits & START)
        of_start = stretch[start]
        first = np.diff(of_start, prepend=-1) > 0  # an entity goes on as long as its tags do
        start, end = start[first], np.append(head, len(tags))[of_start[first] + 1]
        whole = (np.append(bits, END)[end] & END) > 0
        type_of_tag = np.array(
            [self._types[name if mode == "plain" else split_tag(name)[1]] for name in self._tags.names]
        )
        return Spans(start[whole], end[whole], type_of_tag[tags[start[whole]]])

    @property
    def type_names(self) -> list[str]:
        """Types by the numbers that `read_spans` gives them."""
        return self._types.names

    def _steps(self, mode: str, tags: Array) -> Array:
        """Give the bits of `matching.step` for each tag behind its left neighbour; shape (tags,)."""
        size = len(self._tags.names)
        codes = tags.astype(np.int64)
        codes[1:] += tags[:-1] * size
        if size * size <= SMALL:
            distinct = np.flatnonzero(np.bincount(codes, minlength=size * size))
            table = np.zeros(size * size, np.uint8)
            table[distinct] = self._steps_of_codes(mode, distinct)
            return table[codes]
        distinct, place = np.unique(codes, return_inverse=True)
        return self._steps_of_codes(mode, distinct)[place]

    def _steps_of_codes(self, mode: str, codes: Array) -> Array:
        """Give the bits of pairs of tags, each coded as number of the left tag * number of tags + number of the tag."""
        names, size = self._tags.names, len(self._tags.names)
        if mode == "strict":
            mode = self.scheme or MODE
        bits = np.empty(len(codes), np.uint8)
        for place, code in enumerate(codes.tolist()):
            bits[place] = step(mode, names[code // size], names[code % size])
        return bits

    def _recognise(self, gold: Array, predicted: Array, sentences: int) -> None:
        """Find the spelling and the scheme, which are not known yet, of a block's gold tags, else of the predicted."""
        if self.spelling is not None and self.scheme is not None:
            return
        of_gold, of_predicted = (self._read(np.maximum(tags, 0), sentences) for tags in (gold, predicted))
        reading = of_gold or of_predicted
        if reading:
            self.scheme = self.scheme or reading.scheme
            if self.spelling is None:
                self.spelling = reading.spelling
                if of_predicted and self.spelling.order != "plain":
                    self.spelling = self.spelling.beside(of_predicted.spelling)

    def _read(self, tags: Array, sentences: int) -> Reading | None:
        """Find the spelling and the scheme of a block of tags; None where all of them are O."""
        names, size = self._tags.names, len(self._tags.names)
        before = np.append(0, tags[:-1])  # O, in front of the first sentence
        codes, counts = np.unique(before * size + tags, return_counts=True)
        pairs = {}
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            pairs[names[code // size], names[code % size]] = count
        if all(tag in (OUTSIDE, *ALWAYS_OUTSIDE) for _, tag in pairs):
            return None
        return read_corpus(pairs, sentences)

    def _canonical(self, tags: Array) -> Array:
        """Give the numbers of the canonical forms of tags; -1 stays as it is."""
        assert self.spelling
        numbers = [self._tags[self.spelling.canonical(name)] for name in list(self._tags.names)]
        return np.where(tags < 0, tags, np.array(numbers)[tags])

    def _names(self) -> set[str]:
        """Collect the canonical forms of all tags that were counted, gold or predicted."""
        self._flush()
        return {self.spelling.canonical(name) if self.spelling else name for name in self._tags.names}

    def sentence_counts(self) -> Array:
        """(correct, predicted, gold) of each sentence in the headline's mode, where they are kept; (sentences, 3)."""
        self._flush()
        assert self.rows is not None
        return np.concatenate(self.rows) if self.rows else np.zeros((0, 3), np.int64)

    # -- results -----------------------------------------------------------------------------------

    @property
    def plain(self) -> bool:
        """Say whether the tags have no types, as parts of speech have none."""
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
        """Number of words."""
        return int(self.counts_of("words").gold)

    @property
    def accuracy(self) -> float:
        """Share of the words whose tag is right."""
        return self.counts_of("words").recall

    def interval(self) -> tuple[float, float]:
        """Bounds of the headline figure, 95 %, by bootstrap over sentences."""
        low, high = self._intervals("words" if self.plain else MODE)["f1"]
        return low, high

    def figures(self) -> dict[str, Any]:
        """Precision, recall, F1 and counts of all entities in the headline's mode, with their intervals."""
        return self._figures(self.mode)

    def results(self) -> dict[str, Any]:
        """Everything as one JSON object; each figure stands beside the 95 % interval of it."""
        mode = self.mode
        results = {"metric": self.metric, "mode": mode, **self._figures(mode)}
        results["accuracy"] = self.accuracy
        results["accuracy_interval"] = self._intervals("words")["f1"]
        results["types"] = self._type_figures(mode)
        results |= self.averages(mode)
        results["errors"] = {kind: self.kinds[kind] for kind in KINDS}
        results["confusion"] = self._confusion()
        if mode != "plain":
            results["credit"] = {schema: self._credit(MODE if schema == "strict" else schema) for schema in SCHEMAS}
            if self.scheme is not None:
                results["strict"] = self._strict_figures(self.scheme)
        if self.spelling and not self.spelling.is_canonical:
            results["spelling"] = str(self.spelling)
        return {**results, "sentences": self.sentences, "tokens": self.tokens}

    def averages(self, mode: str) -> dict[str, dict[str, float]]:
        """Average the scores of the types: `macro` counts each type once, `weighted` by its gold entities."""
        counts = [self.counts_of(mode, label) for label in self.labels(mode)]
        return {
            "macro": _average(counts, [1] * len(counts)),
            "weighted": _average(counts, [of_type.gold for of_type in counts]),
        }

    def _strict_figures(self, scheme: str) -> dict[str, Any]:
        figures = {"mode": f"strict {scheme.upper()}", **self._figures("strict")}
        return {
            **figures,
            "unknown_tags": self.unknown,
            "types": self._type_figures("strict"),
            **self.averages("strict"),
        }

    def _credit(self, mode: str) -> dict[str, Any]:
        types = {label: self._counts_in_entities(mode, label).as_dict() for label in self.labels(mode)}
        return {**self._figures(mode), "types": types}

    def _confusion(self) -> list[dict[str, Any]]:
        rows = []
        for (gold, predicted), count in sorted(self.confused.items()):
            rows.append({"gold": gold, "predicted": predicted, "count": count})
        return rows

    def labels(self, mode: str) -> list[str]:
        """Types that were counted in a mode, in byte order."""
        self._flush()
        return sorted(label for of_mode, label in self.histograms if of_mode == mode and label)

    def _type_figures(self, mode: str) -> dict[str, dict[str, Any]]:
        return {label: self._figures(mode, label) for label in self.labels(mode)}

    def _figures(self, mode: str, label: str = "") -> dict[str, Any]:
        return {**self._counts_in_entities(mode, label).as_dict(), "interval": self._intervals(mode, label)}

    def _counts_in_entities(self, mode: str, label: str) -> Counts:
        counts = self.counts_of(mode, label)
        if mode == "partial":  # an entity counts two there, so that half of one is a whole number
            return Counts(counts.correct / 2, counts.predicted // 2, counts.gold // 2)
        return counts

    def _intervals(self, mode: str, label: str = "") -> dict[str, tuple[float, float]]:
        return interval_of(self.histograms.get((mode, label), Counter()), self.sentences)


def score(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Scorer:
    """Count all (gold tags, predicted tags) pairs, a pair a sentence."""
    scorer = Scorer()
    for gold, predicted in pairs:
        scorer.add(gold, predicted)
    return scorer


def _average(counts: Sequence[Counts], weights: Sequence[int]) -> dict[str, float]:
    """Average precision, recall and F1 of types; 0 where no type has a weight."""
    total = sum(weights) or 1
    average = {}
    for name in ("precision", "recall", "f1"):
        figures = map(attrgetter(name), counts)
        average[name] = sum(figure * weight for figure, weight in zip(figures, weights, strict=True)) / total
    return {**average, "support": sum(of_type.gold for of_type in counts)}
