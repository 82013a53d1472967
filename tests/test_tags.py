"""Tags <-> spans, against the CoNLL scorer's reading as seqeval implements it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from nertool.tags import Span, spans

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
