"""Partial credit: overlapping entities are paired as well as can be, which every possible pairing is tried against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nertool.scoring.pairing import Spans, pair
from nertool.scoring.scorer import score

Entity = tuple[int, int, int]
"""First word, word behind the last one, number of the type."""


def placed(parts: Sequence[tuple[int, int, int]]) -> list[Entity]:
    entities, at = [], 0
    for gap, words, label in parts:
        entities.append((at + gap, at + gap + words, label))
        at += gap + words
    return entities


ENTITIES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 1)), max_size=5).map(placed)


def shared(one: Entity, other: Entity) -> int:
    return min(one[1], other[1]) - max(one[0], other[0])


def pairings(gold: list[Entity], predicted: list[Entity]) -> Iterator[list[tuple[Entity, Entity]]]:
    """All ways to pair overlapping entities one to one."""
    if not gold:
        yield []
        return
    yield from pairings(gold[1:], predicted)
    for place, partner in enumerate(predicted):
        if shared(gold[0], partner) > 0:
            for rest in pairings(gold[1:], predicted[:place] + predicted[place + 1 :]):
                yield [(gold[0], partner), *rest]


def worth(pairing: list[tuple[Entity, Entity]]) -> tuple[int, int, int]:
    return len(pairing), sum(shared(*both) for both in pairing), sum(one[2] == other[2] for one, other in pairing)


def arrays(entities: list[Entity]) -> Spans:
    return Spans(*np.array(entities, dtype=np.int64).reshape(-1, 3).T)


@given(ENTITIES, ENTITIES)
def test_no_pairing_is_better(gold: list[Entity], predicted: list[Entity]) -> None:
    found = [(gold[one], predicted[other]) for one, other in zip(*pair(arrays(gold), arrays(predicted)), strict=True)]
    assert len({one for one, _ in found}) == len({other for _, other in found}) == len(found)
    assert all(shared(*both) > 0 for both in found)
    assert worth(found) == max(map(worth, pairings(gold, predicted)))


def test_two_pairs_earn_more_than_the_one_that_shares_most_words() -> None:
    gold = ["B-A", "I-A", "I-A", "I-A", "B-A", "I-A"]
    predicted = ["B-A", "B-A", "I-A", "I-A", "I-A", "O"]
    results = score([(gold, predicted)]).results()
    assert results["credit"]["partial"]["correct"] == 1.0  # two halves; the greatest overlap alone leaves one half
    assert results["errors"]["border"] == 2


def test_credit_of_the_types_adds_up_to_that_of_all() -> None:
    gold = ["B-A", "I-A", "O", "B-B", "O", "O", "O"]
    predicted = ["B-B", "I-B", "O", "B-B", "I-B", "O", "B-A"]
    credit = score([(gold, predicted)]).results()["credit"]

    def counts(figures: dict[str, Any]) -> tuple[float, int, int]:
        return figures["correct"], figures["predicted"], figures["support"]

    assert {label: counts(figures) for label, figures in credit["exact"]["types"].items()} == {
        "A": (1, 2, 1),  # found with another type, and one that is invented
        "B": (0, 1, 1),  # found with another end
    }
    assert {label: counts(figures) for label, figures in credit["type"]["types"].items()} == {
        "A": (0, 2, 1),
        "B": (1, 1, 1),
    }
    for figures in credit.values():
        assert counts(figures) == tuple(map(sum, zip(*map(counts, figures["types"].values()), strict=True)))
