"""What went wrong: each error with its place, and where errors gather.

An error is one of the kinds of `scorer.KINDS`. Gold and predicted entities that overlap are partners, one to one, as
`scorer.pair` pairs them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nertool.corpus.column_files import read_sentences
from nertool.counts import Counts
from nertool.scoring.bootstrap import CountHistogram, interval_of, totals
from nertool.scoring.scorer import Spans, TagIds, pair
from nertool.tags import Span, spans

if TYPE_CHECKING:
    from nertool.scoring.prediction_files import Tagged

LENGTHS = (1, 2, 3)
"""Words of an entity; longer ones stand together."""
SENTENCE_LENGTHS = (10, 20, 30, 50)
"""Words of a sentence up to which it belongs to a group; longer ones stand together."""
MOST_FREQUENT = 25
Form = tuple[str, str]
"""Surface form of an entity, and its type."""


class Mistake(NamedTuple):
    """An error: a gold entity that was not found as it is, or a predicted one that is none."""

    kind: str
    gold: Span | None
    predicted: Span | None


def single_words(tags: Sequence[str]) -> Iterator[Span]:
    """Tags without types, as parts of speech: each is an entity of one word."""
    return (Span(tag, place, place + 1) for place, tag in enumerate(tags))


def find_mistakes(gold: Sequence[Span], predicted: Sequence[Span]) -> list[Mistake]:
    """The errors of one sentence, from left to right."""
    right = set(gold) & set(predicted)
    missed = [span for span in gold if span not in right]
    invented = [span for span in predicted if span not in right]
    ids = TagIds()
    partners = list(zip(*map(list, pair(_arrays(missed, ids), _arrays(invented, ids))), strict=True))
    mistakes = [Mistake(_kind(missed[one], invented[other]), missed[one], invented[other]) for one, other in partners]
    paired_gold, paired_predicted = {one for one, _ in partners}, {other for _, other in partners}
    mistakes += [Mistake("missed", span, None) for at, span in enumerate(missed) if at not in paired_gold]
    mistakes += [Mistake("invented", None, span) for at, span in enumerate(invented) if at not in paired_predicted]
    return sorted(mistakes, key=lambda mistake: (mistake.gold or mistake.predicted).start)  # type: ignore[union-attr]


def _arrays(entities: Sequence[Span], ids: TagIds) -> Spans:
    """Entities as arrays, types as numbers."""
    labels = np.array([ids[span.label] for span in entities], dtype=np.int64)
    places = np.array([span[1:] for span in entities], dtype=np.int64).reshape(-1, 2)
    return Spans(places[:, 0], places[:, 1], labels)


def _kind(gold: Span, predicted: Span) -> str:
    if gold.label == predicted.label:
        return "border"
    return "type" if gold[1:] == predicted[1:] else "type_and_border"


class Analysis:
    """Counts where errors gather, one sentence at a time; memory grows with the distinct entities alone.

    Args:
        train: the entities of the training data; None where nobody knows them.
        read: tags -> entities.
    """

    def __init__(self, train: set[Form] | None, read: Callable[[Sequence[str]], Iterable[Span]] = spans) -> None:
        self.train, self.read = train, read
        self.sentences = 0
        self.by: dict[str, defaultdict[str, CountHistogram]] = {
            name: defaultdict(Counter) for name in ("seen", "entity_length", "sentence_length")
        }
        self.wrong: Counter[tuple[str, str, str]] = Counter()
        self.forms: tuple[set[Form], set[Form], set[Form]] = (set(), set(), set())

    def add(self, number: int, sentence: Tagged) -> Iterator[dict[str, Any]]:
        """Count one sentence; gives its errors as JSON objects.

        Args:
            number: of the sentence, from 1.
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
        entity = gold or predicted
        assert entity
        self.wrong[entity["text"], gold["type"] if gold else "", predicted["type"] if predicted else ""] += 1
        seen = None if self.train is None else (entity["text"], entity["type"]) in self.train
        return {"kind": mistake.kind, "gold": gold, "predicted": predicted, "seen": seen, "tokens": list(tokens)}

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
            "by": {name: self._ordered(groups) for name, groups in self.by.items() if groups},
            "wrong_forms": self._most_frequent_wrong(),
            "surface": _surface(*self.forms),
        }

    def _most_frequent_wrong(self) -> list[dict[str, Any]]:
        by_count = sorted(self.wrong.items(), key=lambda row: (-row[1], row[0]))
        names = ("text", "gold", "predicted", "count")
        return [dict(zip(names, (*form, count), strict=True)) for form, count in by_count[:MOST_FREQUENT]]

    def _ordered(self, groups: Mapping[str, CountHistogram]) -> dict[str, dict[str, Any]]:
        return {name: _figures(groups[name], self.sentences) for name in sorted(groups, key=_place)}


def _surface(right: set[Form], found: set[Form], wanted: set[Form]) -> dict[str, Any]:
    forms = found | wanted
    return _figures(Counter((form in right, form in found, form in wanted) for form in forms), len(forms))


def _figures(histogram: CountHistogram, units: int) -> dict[str, Any]:
    return {**Counts(*totals(histogram)).as_dict(), "interval": interval_of(histogram, units)}


def _group(length: int, borders: Sequence[int]) -> str:
    """Name of the group that a length belongs to.

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
    """Where a group stands among its like.

    >>> sorted(["> 50", "11-20", "2-10", "1"], key=_place)
    ['1', '2-10', '11-20', '> 50']
    """
    first = group.partition("-")[0]
    return group.startswith(">"), int(first) if first.isdigit() else 0, group


def _text(tokens: Sequence[str], span: Span) -> str:
    return " ".join(tokens[span.start : span.end])


def _as_json(tokens: Sequence[str], span: Span | None) -> dict[str, Any] | None:
    """An entity as JSON: `start` included, `end` not, both 0-based words."""
    return span and {"type": span.label, "start": span.start, "end": span.end, "text": _text(tokens, span)}


def entities_of(path: Path, read: Callable[[Sequence[str]], Iterable[Span]] = spans) -> set[Form]:
    """The distinct entities of a file of tokens and tags."""
    return {
        (_text(sentence.tokens, span), span.label) for sentence in read_sentences(path) for span in read(sentence.tags)
    }
