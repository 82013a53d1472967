"""List errors with their places, and count them by group: seen in training, length of entity or sentence.

An error is one of the kinds of `scorer.KINDS`. Gold and predicted entities that overlap are partners, one to one, as
`pairing.pair` pairs them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nertool.corpus.column_files import read_sentences
from nertool.counts import Counts
from nertool.scoring.bootstrap import CountHistogram, interval_of, totals
from nertool.scoring.pairing import Spans, pair
from nertool.scoring.tag_blocks import TagIds
from nertool.tags import Span, spans

if TYPE_CHECKING:
    from nertool.scoring.prediction_files import Tagged

LENGTHS = (1, 2, 3)
"""Words of an entity; longer ones stand together."""
SENTENCE_LENGTHS = (10, 20, 30, 50)
"""Words of a sentence up to which it belongs to a group; longer ones stand together."""
LONGEST_SENTENCE, AROUND = 1000, 50
"""Tokens of a sentence that an error shows whole, and those on either side of its entity that it shows of a longer one.

Each of many errors would hold a long sentence once more.
"""
LONGEST_TEXT = 1000
"""Characters of a token, and of an entity's text, that are shown."""
MOST_FREQUENT = 25
Form = tuple[str, str]
"""Surface form of an entity, and its type."""


class Mistake(NamedTuple):
    """An error: a gold entity that was not predicted, a predicted one that is not gold, or two that overlap.

    Attributes:
        kind: one of `scorer.KINDS`.
        gold: the gold entity; None for an invented one.
        predicted: the predicted entity; None for a missed one.
    """

    kind: str
    gold: Span | None
    predicted: Span | None

    @property
    def start(self) -> int:
        """First word of the entity, of the gold one where there are both."""
        entity = self.gold or self.predicted
        assert entity
        return entity.start


def single_words(tags: Sequence[str]) -> Iterator[Span]:
    """Read tags without types, such as parts of speech: each is an entity of one word."""
    for word, tag in enumerate(tags):
        yield Span(tag, word, word + 1)


def find_mistakes(gold: Sequence[Span], predicted: Sequence[Span]) -> list[Mistake]:
    """Find the errors of one sentence, from left to right."""
    correct = set(gold) & set(predicted)
    wrong_gold = [span for span in gold if span not in correct]
    wrong_predicted = [span for span in predicted if span not in correct]
    mistakes = []
    missed, invented = set(wrong_gold), set(wrong_predicted)
    for partners in _partners(wrong_gold, wrong_predicted):
        mistakes.append(Mistake(_kind(*partners), *partners))
        missed.discard(partners[0])
        invented.discard(partners[1])
    for span in wrong_gold:
        if span in missed:
            mistakes.append(Mistake("missed", span, None))
    for span in wrong_predicted:
        if span in invented:
            mistakes.append(Mistake("invented", None, span))
    return sorted(mistakes, key=attrgetter("start"))


def _partners(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Pair gold and predicted entities that overlap, one to one."""
    ids = TagIds()
    gold_places, predicted_places = pair(_arrays(gold, ids), _arrays(predicted, ids))
    for gold_place, predicted_place in zip(gold_places, predicted_places, strict=True):
        yield gold[gold_place], predicted[predicted_place]


def _arrays(entities: Sequence[Span], ids: TagIds) -> Spans:
    """Turn entities into arrays, types into numbers."""
    rows = []
    for label, start, end in entities:
        rows.append((start, end, ids[label]))
    return Spans(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def _kind(gold: Span, predicted: Span) -> str:
    """Name the kind of error of two entities that overlap."""
    if gold.label == predicted.label:
        return "border"
    return "type" if gold[1:] == predicted[1:] else "type_and_border"


class Analysis:
    """Counts errors by group, one sentence at a time; memory grows with the number of distinct entities.

    Args:
        train: the entities of the training data; None without training data.
        read: gives the entities of a sentence's tags.

    Attributes:
        sentences: how many were counted.
        by: grouping -> group -> how many sentences have the counts (correct, predicted, gold).
        wrong: (text, gold type, predicted type) -> how often; an empty type stands for no entity.
        forms: distinct correct, predicted and gold entities.
        shortened: how many errors show a part of their sentence, or of a long token.
    """

    def __init__(self, train: set[Form] | None, read: Callable[[Sequence[str]], Iterable[Span]] = spans) -> None:
        self.train, self.read = train, read
        self.sentences = self.shortened = 0
        self.by: dict[str, defaultdict[str, CountHistogram]] = {
            "seen": defaultdict(Counter),
            "entity_length": defaultdict(Counter),
            "sentence_length": defaultdict(Counter),
        }
        self.wrong: Counter[tuple[str, str, str]] = Counter()
        self.forms: tuple[set[Form], set[Form], set[Form]] = (set(), set(), set())

    def add(self, number: int, sentence: Tagged) -> Iterator[dict[str, Any]]:
        """Count one sentence, and give its errors as JSON objects.

        Args:
            number: the sentence's number, from 1.
        """
        tokens = sentence.tokens
        gold, predicted = list(self.read(sentence.gold)), list(self.read(sentence.predicted))
        correct = set(gold) & set(predicted)
        self.sentences += 1
        self._count(tokens, (correct, predicted, gold))
        if not len(correct) == len(gold) == len(predicted):
            for mistake in find_mistakes(gold, predicted):
                yield {"sentence": number, "line": sentence.line, **self._row(tokens, mistake)}

    def _count(self, tokens: Sequence[str], sides: Sequence[Iterable[Span]]) -> None:
        """Count correct, predicted and gold entities of a sentence by group, and their surface forms."""
        by_group: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for column, entities in enumerate(sides):
            for span in entities:
                form = (_text(tokens, span), span.label)
                self.forms[column].add(form)
                for group in self._groups(form, span, len(tokens)):
                    by_group[group][column] += 1
        for (name, group_name), counts in by_group.items():
            self.by[name][group_name][tuple(counts)] += 1

    def _row(self, tokens: Sequence[str], mistake: Mistake) -> dict[str, Any]:
        gold, predicted = _as_json(tokens, mistake.gold), _as_json(tokens, mistake.predicted)
        entity = mistake.gold or mistake.predicted
        assert entity
        text = _text(tokens, entity)
        self.wrong[_shown(text), gold["type"] if gold else "", predicted["type"] if predicted else ""] += 1
        seen = None if self.train is None else (text, entity.label) in self.train
        first, last = _window(len(tokens), mistake)
        around = [_shown(token) for token in tokens[first:last]]
        self.shortened += around != list(tokens)
        row = {"kind": mistake.kind, "gold": gold, "predicted": predicted, "seen": seen}
        return {**row, "tokens_from": first, "tokens": around}

    def _groups(self, form: Form, span: Span, words: int) -> Iterator[tuple[str, str]]:
        if self.train is not None:
            yield "seen", "in_train" if form in self.train else "not_in_train"
        yield "entity_length", _group(span.end - span.start, LENGTHS)
        yield "sentence_length", _group(words, SENTENCE_LENGTHS)

    def results(self) -> dict[str, Any]:
        """Counts by group, the most frequent wrong surface forms, and the score of distinct surface forms.

        The last is the second metric of WNUT'17 (its `wnuteval.py`): how many distinct (form, type) were right
        somewhere, were predicted, and are in the gold tags. Its interval resamples forms, as each of them counts once;
        those of the groups resample sentences.
        """
        return {
            "by": self._by_group(),
            "wrong_forms": self._most_frequent_wrong(),
            "surface": _surface(*self.forms),
            "shortened_errors": self.shortened,
        }

    def _by_group(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Give the scores of each group of each grouping that has any."""
        scores: dict[str, dict[str, dict[str, Any]]] = {}
        for grouping, groups in self.by.items():
            for group in sorted(groups, key=_place):
                scores.setdefault(grouping, {})[group] = _figures(groups[group], self.sentences)
        return scores

    def _most_frequent_wrong(self) -> list[dict[str, Any]]:
        by_count = sorted(self.wrong.items(), key=lambda row: (-row[1], row[0]))
        rows = []
        for (text, gold, predicted), count in by_count[:MOST_FREQUENT]:
            rows.append({"text": text, "gold": gold, "predicted": predicted, "count": count})
        return rows


def _surface(correct: set[Form], predicted: set[Form], gold: set[Form]) -> dict[str, Any]:
    """Score distinct surface forms."""
    forms = predicted | gold
    histogram: CountHistogram = Counter()
    for form in forms:
        histogram[form in correct, form in predicted, form in gold] += 1
    return _figures(histogram, len(forms))


def _figures(histogram: CountHistogram, units: int) -> dict[str, Any]:
    """Give scores and their intervals.

    Args:
        histogram: how many units (sentences or forms) have the counts (correct, predicted, gold).
        units: their number, with those that are not in the histogram.
    """
    return {**Counts(*totals(histogram)).as_dict(), "interval": interval_of(histogram, units)}


def _group(length: int, borders: Sequence[int]) -> str:
    """Name the group that a length belongs to.

    >>> [_group(length, (10, 20)) for length in (3, 11, 21)], _group(2, (1, 2, 3))
    (['1-10', '11-20', '> 20'], '2')
    """
    lower = 1
    for border in borders:
        if length <= border:
            return str(border) if lower == border else f"{lower}-{border}"
        lower = border + 1
    return f"> {borders[-1]}"


def _place(group: str) -> tuple[bool, int, str]:
    """Give the key by which groups are sorted.

    >>> sorted(["> 50", "11-20", "2-10", "1"], key=_place)
    ['1', '2-10', '11-20', '> 50']
    """
    first = group.partition("-")[0]
    return group.startswith(">"), int(first) if first.isdigit() else 0, group


def _text(tokens: Sequence[str], span: Span) -> str:
    return " ".join(tokens[span.start : span.end])


def _as_json(tokens: Sequence[str], span: Span | None) -> dict[str, Any] | None:
    """Give an entity as a JSON object: `start` included, `end` not, both 0-based words."""
    return span and {"type": span.label, "start": span.start, "end": span.end, "text": _shown(_text(tokens, span))}


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _window(length: int, mistake: Mistake) -> tuple[int, int]:
    """Half-open places of the tokens that an error shows: all, or those around its entity in a long sentence."""
    if length <= LONGEST_SENTENCE:
        return 0, length
    entities = [span for span in (mistake.gold, mistake.predicted) if span]
    first = max(min(span.start for span in entities) - AROUND, 0)
    last = max(span.end for span in entities) + AROUND
    return first, min(last, first + LONGEST_SENTENCE, length)


def entities_of(path: Path, read: Callable[[Sequence[str]], Iterable[Span]] = spans) -> set[Form]:
    """Collect the distinct entities of a file of tokens and tags."""
    forms = set()
    for sentence in read_sentences(path):
        for span in read(sentence.tags):
            forms.add((_text(sentence.tokens, span), span.label))
    return forms
