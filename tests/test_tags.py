"""Tags <-> spans, against the CoNLL scorer's reading as seqeval implements it; schemes, against their definitions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from nertool.stages import download, evaluate, score
from nertool.tags import SCHEMES, Span, broken, convert, pairs, recognise, spans
from nertool.workspace.option_values import declared

LABELS = ["PER", "LOC", "creative-work"]
TAG = st.sampled_from(["O", *(f"{prefix}-{label}" for prefix in "BIES" for label in LABELS)])


@given(st.lists(TAG, max_size=12))
def test_any_tag_sequence_reads_as_seqeval_reads_it(tags: list[str]) -> None:
    assert [(label, start, end - 1) for label, start, end in spans(tags)] == get_entities(tags)


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 4), st.integers(0, 2)), max_size=6))
def test_spans_written_as_iob2_come_back(entities: list[tuple[str, int, int]]) -> None:
    tags: list[str] = []
    written = []
    for label, length, gap in entities:
        written.append(Span(label, len(tags), len(tags) + length))
        tags += [f"B-{label}", *[f"I-{label}"] * (length - 1), *["O"] * gap]
    assert list(spans(tags)) == written


def test_an_i_tag_after_another_type_begins_an_entity() -> None:
    assert list(spans(["B-PER", "I-LOC", "I-LOC"])) == [Span("PER", 0, 1), Span("LOC", 1, 3)]


# -- schemes ---------------------------------------------------------------------------------------

CODES = {  # what stands for an entity of one word, and for the first, inner and last word of a longer one
    "iob2": ("B", "B", "I", "I"),
    "iob1": ("I", "I", "I", "I"),
    "io": ("I", "I", "I", "I"),
    "iobes": ("S", "B", "I", "E"),
    "bilou": ("U", "B", "I", "L"),
    "bmewo": ("W", "B", "M", "E"),
    "ioe2": ("E", "I", "I", "E"),
    "ioe1": ("I", "I", "I", "I"),
}
PARTING = [scheme for scheme in CODES if scheme != "io"]
"""Schemes that part neighbours of one type."""
ENTITIES = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 4), st.integers(0, 2)), max_size=6)


def placed(entities: Iterable[tuple[str, int, int]]) -> tuple[list[Span], int]:
    """Spans one behind the other (type, words, gap behind it), and the words of the sentence."""
    marked, at = [], 0
    for label, words, gap in entities:
        marked.append(Span(label, at, at + words))
        at += words + gap
    return marked, at


def written(marked: Iterable[Span], words: int, scheme: str) -> list[str]:
    """Tags of spans, by the definition of the scheme."""
    single, first, inner, last = CODES[scheme]
    tags, before = ["O"] * words, Span("", -1, -1)
    for span in marked:
        length = span.end - span.start
        prefixes = [single] if length == 1 else [first, *[inner] * (length - 2), last]
        if scheme == "iob1" and (before.label, before.end) == (span.label, span.start):
            prefixes[0] = "B"
        if scheme == "ioe1" and (before.label, before.end) == (span.label, span.start):
            tags[span.start - 1] = f"E-{span.label}"
        tags[span.start : span.end] = [f"{prefix}-{span.label}" for prefix in prefixes]
        before = span
    return tags


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("B-PER O X O", [Span("PER", 0, 1)]),
        ("X X B-PER", [Span("PER", 2, 3)]),
        ("B-PER X O X", [Span("PER", 0, 1), Span("", 1, 2)]),
        ("O X I-PER X", [Span("PER", 2, 3), Span("", 3, 4)]),
    ],
)
def test_a_tag_of_no_type_reaches_back_over_no_other_word(tags: str, wanted: list[Span]) -> None:
    assert list(spans(tags.split())) == wanted


def all_pairs(*sentences: Sequence[str]) -> Counter[tuple[str, str]]:
    return Counter(pair for tags in sentences for pair in pairs(tags))


@pytest.mark.parametrize(
    ("scheme", "sentences"),
    [
        ("iob2", ["B-PER I-PER O B-LOC", "O"]),
        ("iob2", ["B-PER B-PER"]),
        ("iob1", ["I-PER I-PER O I-LOC", "B-PER"]),  # what most do decides, here and below
        ("iob2", ["B-PER I-PER O B-LOC S-LOC", "I-LOC B-PER x-PER"]),
        ("iob1", ["I-PER I-PER B-PER O I-LOC"]),
        ("iob1", ["I-PER B-PER B-PER"]),
        ("iobes", ["B-PER E-PER O S-LOC", "B-PER I-PER E-PER"]),
        ("iobes", ["S-PER"]),
        ("bilou", ["B-PER L-PER O U-LOC", "B-PER I-PER L-PER"]),
        ("bilou", ["U-creative-work"]),
        ("io", ["I-PER I-PER O I-LOC"]),
        ("plain", ["NOUN VERB PUNCT"]),
        ("plain", ["O O"]),
        ("plain", []),
        ("plain", ["B I O"]),
        ("ioe2", ["I-PER E-PER O E-LOC", "O"]),
        ("ioe2", ["E-PER E-PER I-LOC E-LOC", "B-PER"]),
        ("ioe1", ["I-PER I-PER O I-LOC", "I-PER E-PER I-PER", "O I-LOC"]),
        ("bmewo", ["B-PER M-PER E-PER O W-LOC"]),
        ("bmewo", ["B-PER E-PER O S-LOC S-LOC B-LOC M-LOC M-LOC M-LOC E-LOC"]),
        ("plain", ["B-PER X-LOC"]),
        ("plain", ["B- I-"]),
    ],
)
def test_the_recognise_scheme_a_corpus_is_recognised(scheme: str, sentences: list[str]) -> None:
    assert recognise(all_pairs(*(tags.split() for tags in sentences))) == scheme


@pytest.mark.parametrize("scheme", PARTING)
@given(corpus=st.lists(ENTITIES, min_size=1, max_size=5))
def test_a_corpus_with_one_of_everything_is_recognised_by_its_tags(
    scheme: str, corpus: list[list[tuple[str, int, int]]]
) -> None:
    telling = [("PER", 3, 0), ("PER", 1, 0), ("LOC", 3, 1), ("LOC", 3, 1)]
    most = [telling] * 20  # what most entities do decides
    sentences = [written(*placed(entities), scheme) for entities in [*corpus, *most]]
    assert recognise(all_pairs(*sentences)) == scheme


@pytest.mark.parametrize("scheme", CODES)
def test_broken_pairs_are_those_that_no_sentence_of_the_scheme_has(scheme: str) -> None:
    entity = list(itertools.product(["PER", "LOC"], [1, 2, 3, 4], [0, 1]))
    legal = {
        pair
        for count in range(4)
        for chosen in itertools.product(entity, repeat=count)
        for pair in pairs(written(*placed(chosen), scheme))
    }
    prefixes = {*CODES[scheme], *{"iob1": "B", "ioe1": "E"}.get(scheme, "")}
    tags = ["O", *(f"{prefix}-{label}" for prefix in prefixes for label in ("PER", "LOC"))]
    assert broken(itertools.product(tags, repeat=2), scheme) == {*itertools.product(tags, repeat=2)} - legal


@pytest.mark.parametrize("scheme", PARTING)
@given(ENTITIES)
def test_spans_written_in_any_scheme_come_back(scheme: str, chosen: list[tuple[str, int, int]]) -> None:
    marked, words = placed(chosen)
    tags = written(marked, words, scheme)
    assert list(spans(tags)) == marked
    assert convert(tags, scheme) == tags


@pytest.mark.parametrize("wanted", PARTING)
@pytest.mark.parametrize("scheme", PARTING)
@settings(max_examples=30)
@given(ENTITIES)
def test_converted_tags_are_what_the_other_scheme_writes(
    scheme: str, wanted: str, chosen: list[tuple[str, int, int]]
) -> None:
    assert convert(written(*placed(chosen), scheme), wanted) == written(*placed(chosen), wanted)


@pytest.mark.parametrize("scheme", PARTING)
@given(ENTITIES)
def test_in_io_neighbours_of_one_type_become_one_entity(scheme: str, chosen: list[tuple[str, int, int]]) -> None:
    marked, words = placed(chosen)
    merged: list[Span] = []
    for span in marked:
        if merged and (merged[-1].label, merged[-1].end) == (span.label, span.start):
            span = merged.pop()._replace(end=span.end)
        merged.append(span)
    tags = convert(written(marked, words, scheme), "io")
    assert list(spans(tags)) == merged
    assert {tag[:2] for tag in tags} <= {"O", "I-"}


@given(st.lists(TAG, max_size=12), st.sampled_from(PARTING))
def test_whatever_is_broken_before_a_conversion_is_not_after_it(tags: list[str], scheme: str) -> None:
    assert broken(pairs(convert(tags, scheme)), scheme) == set()
    assert list(spans(convert(tags, scheme))) == list(spans(tags))


def test_the_letters_of_bmewo_read_as_those_of_bilou() -> None:
    tags = ["B-PER", "M-PER", "E-PER", "O", "W-LOC", "W-LOC"]
    assert list(spans(tags)) == [Span("PER", 0, 3), Span("LOC", 4, 5), Span("LOC", 5, 6)]
    assert convert(tags, "iobes") == ["B-PER", "I-PER", "E-PER", "O", "S-LOC", "S-LOC"]


def test_options_offer_every_scheme() -> None:
    assert set(declared(download.Options)["scheme"].choices) == {"keep", *SCHEMES}
    for options in (evaluate.Options, score.Options):  # in IO every sequence is allowed: nothing is strict
        assert set(declared(options)["strict"].choices) == SCHEMES.keys() - {"io"}
