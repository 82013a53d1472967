"""Decoding: the best sequence that a scheme allows, and probabilities, against every sequence there is."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.errors import InvalidOption
from nertool.models import decoding
from nertool.models.decoding import Decoder, Sentences
from nertool.spelling import spelling_of_labels
from nertool.tags import SCHEMES, broken, ends, pairs, spans, starts

LABELS = {
    scheme: ["O", *(f"{prefix}-{label}" for label in "XY" for prefix in marks)] for scheme, marks in SCHEMES.items()
}
LABELS["bmewo"] = [label for label in LABELS["bmewo"] if not label.startswith("S-")]


def decoder_of(scheme: str, free: bool = False) -> Decoder:
    labels = LABELS[scheme]
    return Decoder(labels, spelling_of_labels(labels), "" if free else scheme)


def is_allowed(tags: Sequence[str], scheme: str) -> bool:
    return not broken(set(pairs(tags)), scheme)


def block(lengths: Sequence[int], labels: int, seed: int) -> np.ndarray:
    """Random logits; a word in six has no sub-words."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2, size=(sum(lengths), labels)).astype(np.float32)
    logits[random.random(len(logits)) < 1 / 6] = np.nan
    return logits


def all_sequences(logits: np.ndarray, scheme: str, free: bool) -> dict[tuple[str, ...], float]:
    """Every sequence of a sentence that is allowed, with its log-probability before it is normalised."""
    labels = LABELS[scheme]
    found = {}
    for ids in itertools.product(range(len(labels)), repeat=len(logits)):
        tags = tuple(labels[label] for label in ids)
        unread = [tag for tag, row in zip(tags, logits, strict=True) if math.isnan(row[0])]
        if all(tag == "O" for tag in unread) and (free or is_allowed(tags, scheme)):
            read = [row[label] - np.logaddexp.reduce(row) for label, row in zip(ids, logits, strict=True)]
            found[tags] = float(np.nansum(read))
    return found


LENGTHS = st.lists(st.integers(0, 3), max_size=5)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=25)
@given(lengths=LENGTHS, seed=st.integers(0, 10_000))
def test_no_allowed_sequence_is_more_probable(scheme: str, lengths: list[int], seed: int) -> None:
    decoder, logits = decoder_of(scheme), block(lengths, len(LABELS[scheme]), seed)
    ids = decoder.decode(logits, Sentences.of(lengths))
    first = 0
    for length in lengths:
        tags = tuple(LABELS[scheme][label] for label in ids[first : first + length].tolist())
        possible = all_sequences(logits[first : first + length], scheme, free=False)
        assert possible[tags] == pytest.approx(max(possible.values()), abs=1e-5)
        first += length


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=25)
@given(lengths=LENGTHS, seed=st.integers(0, 10_000))
def test_a_sequence_that_is_allowed_stays_as_it_is(scheme: str, lengths: list[int], seed: int) -> None:
    decoder, logits = decoder_of(scheme), block(lengths, len(LABELS[scheme]), seed)
    ids, best = decoder.decode(logits, Sentences.of(lengths)), decoder.most_probable(logits)
    first = 0
    for length in lengths:
        own = best[first : first + length]
        if is_allowed([LABELS[scheme][label] for label in own.tolist()], scheme):
            assert ids[first : first + length].tolist() == own.tolist()
        first += length


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("scheme", ["iob1", "iob2", "ioe1", "iobes", "io"])
@settings(max_examples=25)
@given(lengths=st.lists(st.integers(0, 3), max_size=4), seed=st.integers(0, 10_000))
def test_probabilities_are_those_of_all_sequences_together(
    scheme: str, free: bool, lengths: list[int], seed: int
) -> None:
    decoder, logits = decoder_of(scheme, free), block(lengths, len(LABELS[scheme]), seed)
    sentences = Sentences.of(lengths)
    ids = decoder.decode(logits, sentences)
    probabilities = decoder.probabilities(logits, sentences)
    of_words = probabilities.of_words(ids)
    first = 0
    for length in lengths:
        tags = [LABELS[scheme][label] for label in ids[first : first + length].tolist()]
        possible = all_sequences(logits[first : first + length], scheme, free)
        total = np.logaddexp.reduce(list(possible.values())) if length else 0.0
        for word, tag in enumerate(tags):
            wanted = sum(math.exp(value - total) for sequence, value in possible.items() if sequence[word] == tag)
            assert of_words[first + word] == pytest.approx(wanted, abs=1e-6)
        found = list(spans(tags))
        start, end = (np.array([first + getattr(span, side) for span in found], int) for side in ("start", "end"))
        for span, score in zip(found, probabilities.of_entities(ids, start, end), strict=True):
            wanted = sum(math.exp(value - total) for sequence, value in possible.items() if span in spans(sequence))
            assert score == pytest.approx(wanted, abs=1e-6)
        first += length


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [30, 300, 3000, 1e30])
@pytest.mark.parametrize("scheme", ["iob1", "iob2", "ioe1", "iobes", "bilou", "io"])
def test_however_far_apart_logits_are_the_labels_of_a_word_add_up_to_one(scheme: str, far: float) -> None:
    decoder, lengths = decoder_of(scheme), [4, 3, 5, 1] * 10
    logits, sentences = far * block(lengths, len(LABELS[scheme]), 3), Sentences.of(lengths)
    for temperature in (0.05, 1.0, 20.0):
        probabilities = decoder.probabilities(logits, sentences, temperature)
        of_labels = [probabilities.of_words(np.full(len(logits), label)) for label in range(len(LABELS[scheme]))]
        assert sum(of_labels) == pytest.approx(np.ones(len(logits)))
        starts = np.arange(len(logits))
        ids = decoder.decode(logits, sentences)
        of_entities = probabilities.of_entities(ids, starts, starts + 1)
        assert ((of_entities >= 0) & (of_entities <= 1)).all()


@pytest.mark.filterwarnings("error")
def test_a_label_that_leads_nowhere_takes_no_probability() -> None:
    """A model may be certain of a label behind which nothing is allowed, such as a beginning without an end."""
    labels = ["O", "S-X", "B-Y"]
    decoder, lengths = Decoder(labels, spelling_of_labels(labels), "iobes"), [9]
    logits = np.tile(np.array([0, 1, 2000], np.float32), (9, 1))
    probabilities = decoder.probabilities(logits, Sentences.of(lengths))
    assert sum(probabilities.of_words(np.full(9, label)) for label in (0, 1)) == pytest.approx(np.ones(9))


def test_a_higher_temperature_makes_probabilities_more_even() -> None:
    decoder, logits, sentences = decoder_of("iob2"), block([5], 5, 1), Sentences.of([5])
    ids = decoder.decode(logits, sentences)
    sure, unsure = (decoder.probabilities(logits, sentences, heat).of_words(ids) for heat in (1.0, 3.0))
    assert (unsure <= sure + 1e-9).all() and unsure.min() < sure.min()


def test_labels_that_the_scheme_does_not_have_may_stand_anywhere() -> None:
    labels = ["O", "B-X", "I-X", "odd"]
    decoder = Decoder(labels, spelling_of_labels(labels), "iob2")
    logits = np.array([[0, 0, 0, 9], [0, 0, 9, 8]], np.float32)
    assert decoder.decode(logits, Sentences.of([2])).tolist() == [3, 3]


@pytest.mark.parametrize("scheme", ["iob2", ""])
@pytest.mark.parametrize("labels", [["O", "B-X", "I-X", "E-X"], ["O", "B-X", "I-X", "X", "I-Y"]])
def test_a_label_that_the_scheme_does_not_have_is_a_part_of_entities(labels: list[str], scheme: str) -> None:
    """One odd tag in a corpus of IOB2 is a label of its own, and what it marks has a probability like any other."""
    decoder, random = Decoder(labels, spelling_of_labels(labels), scheme), np.random.default_rng(3)
    known = [label if label in LABELS["iob2"] or not scheme else "O" for label in labels]
    for _ in range(20):
        logits = random.normal(scale=2, size=(4, len(labels)))
        logits -= np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        possible = {}
        for ids in itertools.product(range(len(labels)), repeat=4):
            if not scheme or is_allowed([known[label] for label in ids], scheme):
                possible[tuple(labels[label] for label in ids)] = float(logits[range(4), ids].sum())
        best, total = max(possible, key=possible.__getitem__), np.logaddexp.reduce([*possible.values()])
        ids = decoder.decode(logits, Sentences.of([4]))
        assert tuple(labels[label] for label in ids.tolist()) == best
        found = [span for span in spans(best) if span.label]
        start, end = (np.array([getattr(span, side) for span in found], int) for side in ("start", "end"))
        scores = decoder.probabilities(logits, Sentences.of([4])).of_entities(ids, start, end)
        for span, score in zip(found, scores, strict=True):
            wanted = sum(math.exp(value - total) for sequence, value in possible.items() if span in spans(sequence))
            assert score == pytest.approx(wanted, abs=1e-9)


def test_a_scheme_that_allows_no_sequence_of_the_labels_is_refused() -> None:
    labels = ["I-X", "I-Y"]
    with pytest.raises(InvalidOption, match="no label may be a sentence's only one"):
        Decoder(labels, spelling_of_labels(labels), "iob2")


@pytest.mark.parametrize(("labels", "scheme"), [(["O", "B-PER", "I-PER"], "iobes"), (["O", "I-PER"], "iob2")])
def test_a_scheme_that_allows_no_entity_of_the_labels_is_refused(labels: list[str], scheme: str) -> None:
    """Else every word would be O, and nothing would say why."""
    with pytest.raises(InvalidOption, match=f"no sentence may have an entity in the scheme {scheme}: O, "):
        Decoder(labels, spelling_of_labels(labels), scheme)


# -- many labels -----------------------------------------------------------------------------------

TAG = st.builds(str.__add__, st.sampled_from([*"BIESLUMWOX[]", "NN", ""]), st.sampled_from(["", "-", "-A", "-B-C"]))


@settings(max_examples=200)
@given(tags=st.lists(TAG, max_size=12), scheme=st.sampled_from([*SCHEMES]))
def test_what_holds_for_kinds_of_labels_holds_for_each_pair(tags: list[str], scheme: str) -> None:
    for holds in (starts, ends, lambda before, tag: not broken([(before, tag)], scheme)):
        expected = [[holds(before, tag) for tag in ("O", *tags)] for before in ("O", *tags)]
        assert decoding._table(tags, holds).tolist() == expected


def test_thousands_of_labels_take_little_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["O", *(f"{prefix}-T{number}" for number in range(1000) for prefix in "BI")]
    begun = time.process_time()
    decoder = Decoder(labels, spelling_of_labels(labels), "iob2")
    assert time.process_time() - begun < 5
    logits = block([3, 1, 2] * 4, len(labels), 0)
    sentences = Sentences.of([3, 1, 2] * 4)
    ids = decoder.decode(logits, sentences)
    monkeypatch.setattr(decoding, "MOST_CELLS", 1 << 30)
    assert (ids == decoder.decode(logits, sentences)).all()
    begun = time.process_time()
    lengths = [20] * 100
    logits, sentences = block(lengths, len(labels), 1), Sentences.of(lengths)
    probabilities = decoder.probabilities(logits, sentences).of_words(decoder.decode(logits, sentences))
    assert time.process_time() - begun < 5 and (probabilities > 0).all()
