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
from nertool.errors import InvalidData
from nertool.scoring.bootstrap import CountHistogram, interval_of, totals
from nertool.scoring.pairing import Spans, join_spans, match, pair
from nertool.scoring.tag_blocks import Block, TagReader
from nertool.spelling import Spelling
from nertool.tags import OUTSIDE, split_tag

BLOCK = 1 << 18
"""Tags that are counted at a time."""
KINDS = ("type", "border", "type_and_border", "missed", "invented")
"""Kinds of errors. The first three pair a gold entity with a predicted one that overlaps it: the type differs, an end
differs, or both differ. A gold entity without a partner is missed, a predicted one invented."""
SCHEMAS = ("strict", "exact", "partial", "type")
"""Ways to give credit for an error, as the SemEval 2013 task 9.1 (and nervaluate) names them."""


class Scorer:
    """Counts entities and words of gold and predicted tags.

    Args:
        scheme: of the strict mode; None for the scheme that most gold tags of the first block follow.
        keep_sentences: keep (correct, predicted, gold) of each sentence in `rows`, for comparisons.
        keep_tags: keep the tags of up to so many tokens, for `kept_tags`; beyond that none are kept.
        spelling: of the tags; None for the one that most gold tags of the first block have. Tags are counted in their
            canonical form.

    Attributes:
        reader: numbers the tags, and reads them as entities.
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
        self.reader = TagReader(scheme, spelling)
        self.sentences = 0
        self.histograms: dict[tuple[str, str], CountHistogram] = {}
        self.kinds: Counter[str] = Counter()
        self.confused: Counter[tuple[str, str]] = Counter()
        self.unknown = 0
        self.rows: list[Array] | None = [] if keep_sentences else None
        self._kept: list[tuple[Array, Array]] = []
        self._room = keep_tags
        self._gold: list[int] = []
        self._predicted: list[int] = []

    @property
    def scheme(self) -> str | None:
        """The scheme; `plain` for tags without types, None as long as every tag was O."""
        return self.reader.scheme

    @property
    def spelling(self) -> Spelling | None:
        """The spelling; None as long as every tag was O."""
        return self.reader.spelling

    # -- counting ----------------------------------------------------------------------------------

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence; both sequences have one tag a token.

        Raises:
            InvalidData: they differ in length, or one of them is no sequence of tags but a text.
        """
        if len(gold) != len(predicted) or isinstance(gold, str) or isinstance(predicted, str):
            raise InvalidData(
                f"a sentence with {len(gold)} gold and {len(predicted)} predicted tags: {str(gold)[:60]}",
                'Give a list of gold and a list of predicted tags for each sentence: (["B-PER", "O"], ["B-PER", "O"]).',
            )
        if gold:
            number_of = self.reader.tags.__getitem__
            self._gold += map(number_of, gold)
            self._predicted += map(number_of, predicted)
            self._gold.append(-1)
            self._predicted.append(-1)
            if len(self._gold) >= BLOCK:
                self._flush()

    def numbers(self, tags: Iterable[str]) -> list[int]:
        """The numbers under which `add_numbers` knows these tags."""
        return list(map(self.reader.tags.__getitem__, tags))

    def add_numbers(self, gold: Array, predicted: Array) -> None:
        """Count a block of whole sentences: `numbers` of their tags, with -1 behind each sentence, on both sides."""
        self._flush()
        self._count(gold, predicted)

    def merge(self, other: Scorer) -> None:
        """Add the counts of another scorer."""
        self._flush()
        other._flush()
        self.reader.scheme = self.scheme or other.scheme
        self.reader.spelling = self.spelling or other.spelling
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
        reader = self.reader
        reader.recognise(gold, predicted, len(ends))
        if reader.spelling and not reader.spelling.is_canonical:
            gold, predicted = reader.canonical(gold), reader.canonical(predicted)
        self._keep(gold, predicted, len(gold) - len(ends))
        block = Block(np.maximum(gold, 0), np.maximum(predicted, 0), ends)
        self.sentences += len(ends)
        self._tally("words", "", block.right, block.lengths, block.lengths)
        if reader.scheme == "plain":
            self._count_entities("plain", block)
        else:
            self._count_entities(MODE, block)
            if reader.scheme is not None:
                unknown = np.array([not reader.is_known(name) for name in reader.tags.names])
                self.unknown += int(unknown[block.gold].sum())
                self._count_entities("strict", block)

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
            yield [self.reader.tags.names[number] for number in sentence[:-1].tolist()]

    def all_tags_in_scheme(self) -> bool:
        """Say whether the scheme has every tag that was counted, gold or predicted."""
        self._flush()
        return self.scheme is not None and all(map(self.reader.is_known, self.reader.canonical_names()))

    def all_tags_have_types(self) -> bool:
        """Say whether every tag but O that was counted, gold or predicted, has a type."""
        self._flush()
        return all(split_tag(name)[1] for name in self.reader.canonical_names() if name != OUTSIDE)

    def _count_entities(self, mode: str, block: Block) -> None:
        """Count the entities of a block in a mode, and in all modes but the strict one also the errors.

        Args:
            mode: `conlleval`, `plain` or `strict`.
        """
        gold, predicted = self.reader.spans(mode, block.gold), self.reader.spans(mode, block.predicted)
        if mode == "plain":  # the O behind a sentence is no word
            gold = gold.take(~np.isin(gold.start, block.ends))
            predicted = predicted.take(~np.isin(predicted.start, block.ends))
        hits, partner = match(gold, predicted, len(block.gold))
        correct = gold.take(hits)
        counts = self._tally_spans(mode, [correct, predicted, gold], block)
        if mode == "strict":
            return
        if self.rows is not None:
            of_words = mode == "plain"
            self.rows.append(np.stack([block.right, block.lengths, block.lengths] if of_words else counts, axis=1))
        self._count_confused(correct.label, predicted.label[partner[hits]])
        missed, extra = np.ones(len(gold.start), bool), np.ones(len(predicted.start), bool)
        missed[hits], extra[partner[hits]] = False, False
        self._count_errors(correct, gold.take(missed), predicted.take(extra), block)

    def _count_errors(self, correct: Spans, missed: Spans, extra: Spans, block: Block) -> None:
        """Pair the wrong entities of both sides, and count errors by kind and the credit that each schema gives.

        Args:
            correct: gold entities that a predicted one equals.
            missed: gold entities that no predicted one equals.
            extra: predicted entities that no gold one equals.
        """
        of_gold, of_predicted = pair(missed, extra)
        same_type = missed.label[of_gold] == extra.label[of_predicted]
        same_start = missed.start[of_gold] == extra.start[of_predicted]
        same_ends = same_start & (missed.end[of_gold] == extra.end[of_predicted])
        paired, spurious = missed.take(of_gold), extra.take(np.delete(np.arange(len(extra.start)), of_predicted))
        predicted, gold = [correct, paired, spurious], [correct, missed]  # a paired one counts for the type of gold
        self._tally_credit("exact", [correct, paired.take(same_ends)], predicted, gold, block)
        self._tally_credit("type", [correct, paired.take(same_type)], predicted, gold, block)
        halves = [correct, correct, paired, paired.take(same_ends)]
        self._tally_credit("partial", halves, 2 * predicted, 2 * gold, block)
        neither = int((~(same_type | same_ends)).sum())
        alone = (len(missed.start) - len(of_gold), len(extra.start) - len(of_predicted))
        for kind, count in zip(KINDS, (same_ends.sum(), same_type.sum(), neither, *alone), strict=True):
            self.kinds[kind] += int(count)
        none = self.reader.types[""]
        self._count_confused(missed.label[of_gold], extra.label[of_predicted])
        self._count_confused(np.delete(missed.label, of_gold), none)
        self._count_confused(none, np.delete(extra.label, of_predicted))

    def _tally_credit(
        self, schema: str, correct: list[Spans], predicted: list[Spans], gold: list[Spans], block: Block
    ) -> None:
        """Count the entities of a block in a schema, all and by type."""
        self._tally_spans(schema, [join_spans(group) for group in (correct, predicted, gold)], block)

    def _tally_spans(self, mode: str, sides: Sequence[Spans], block: Block) -> list[Array]:
        """Count the entities of a block in a mode, all and by type.

        Args:
            sides: the correct, the predicted and the gold entities.

        Returns:
            how many of each the sentences have; three arrays of shape (sentences,).
        """
        sentences = [block.sentence_of(spans.start) for spans in sides]
        counts = [block.by_sentence(numbers) for numbers in sentences]
        self._tally(mode, "", *counts)
        self._tally_types(mode, [spans.label for spans in sides], sentences, len(block.ends))
        return counts

    def _count_confused(self, gold: Array | int, predicted: Array | int) -> None:
        """Count pairs of types, given by their numbers."""
        names = self.reader.types.names
        size = len(names)
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
            label = self.reader.types.names[number]
            if label:  # "" stands for all types, which count the entities of tags without a type
                self._tally(mode, label, *rows.T)

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
    """Count all (gold tags, predicted tags) pairs, a pair a sentence.

    Raises:
        InvalidData: a pair holds something else.
    """
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
