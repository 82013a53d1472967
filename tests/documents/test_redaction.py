"""Redaction: entities are gone, everything else is as it was, and the map says where it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.corpus.running_text import Words
from nertool.documents.document import Document
from nertool.documents.redaction import Redaction
from nertool.errors import InvalidOption
from nertool.models.tagging import Tagging
from nertool.stages.predict import Options

TOKEN = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=4)
BETWEEN = st.sampled_from(["", " ", "  ", "\n", "\r\n", "\t", "\u2028"])
TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "X"])


@st.composite
def documents(draw: st.DrawFn, is_text: bool = True) -> tuple[Document, list[Tagging]]:
    """A document of one or two tagged sentences, with a text or without one."""
    text = draw(BETWEEN)
    sentences, taggings = [], []
    for _ in range(draw(st.integers(0, 2))):
        words = Words([], [])
        for token in draw(st.lists(TOKEN, max_size=5)):
            words.tokens.append(token)  # type: ignore[attr-defined]
            words.offsets.append((len(text), len(text) + len(token)))  # type: ignore[attr-defined]
            text += token + draw(BETWEEN)
        tags = draw(st.lists(TAG, min_size=len(words.tokens), max_size=len(words.tokens)))
        tagging = Tagging(tags, [0.5] * len(tags))
        tagging.span_scores = [0.25] * len(tagging.spans())
        sentences.append(words if is_text else Words(words.tokens))
        taggings.append(tagging)
    return Document(1, sentences, text if is_text else None, {"id": 1, "tokens": ["a"]}, is_record=True), taggings


REDACTION = st.builds(
    Redaction, st.sampled_from(["", "*", "█"]), st.sampled_from([[], ["PER"]]), read=st.just(["tokens"])
)


@settings(max_examples=150)
@given(documents(), REDACTION)
def test_what_is_between_entities_is_unchanged(tagged: tuple[Document, list[Tagging]], redaction: Redaction) -> None:
    document, taggings = tagged
    text, (redacted, places) = document.text or "", redaction.text(document, taggings)
    end = new_end = 0
    for place in [*places, {"start": len(text), "end": 0, "new_start": len(redacted), "new_end": 0}]:
        assert text[end : place["start"]] == redacted[new_end : place["new_start"]]
        end, new_end = place["end"], place["new_end"]
        replacement = redacted[place["new_start"] : new_end]
        if "label" in place and redaction.mask:
            assert len(replacement) == end - place["start"] and set(replacement) <= {redaction.mask, "\n"}
        elif "label" in place:
            assert replacement.rstrip("\n") == f"[{place['label'] or 'ENTITY'}]"
    assert redacted.count("\n") == text.count("\n")
    if not redaction.types:
        assert sum(place["label"] != "" for place in places) == sum(
            span.label != "" for tagging in taggings for span in tagging.spans()
        )


@settings(max_examples=30)
@given(documents(is_text=False), REDACTION)
def test_tokens_are_joined_by_blanks(tagged: tuple[Document, list[Tagging]], redaction: Redaction) -> None:
    document, taggings = tagged
    row = json.loads(redaction.write(document, taggings))
    assert row.keys() == {"id", "text", "redactions"}
    joined = " ".join(token for words in document.sentences for token in words.tokens)
    assert all(0 <= place["start"] < place["end"] <= len(joined) for place in row["redactions"])
    if not row["redactions"]:
        assert row["text"] == joined


def test_a_map_holds_no_word_that_was_replaced() -> None:
    words = Words(["anna", "left", "oslo"], [(0, 4), (5, 9), (10, 14)])
    tagging = Tagging(["B-PER", "O", "B-LOC"], [0.9] * 3, span_scores=[0.91234, 0.8])
    document = Document(7, [words], "anna left oslo", {"id": "x"}, is_record=True)
    out = Redaction(types=["PER"]).write(document, [tagging])
    place: dict[str, Any] = {"label": "PER", "start": 0, "end": 4, "new_start": 0, "new_end": 5, "score": 0.9123}
    assert json.loads(out) == {"id": "x", "text": "[PER] left oslo", "redactions": [place]}
    assert Redaction("*").write(Document(7, [words], "anna left oslo"), [tagging]) == "**** left ****\n"


def test_gaps_stand_for_what_cannot_be_read() -> None:
    assert Redaction().write(Document(1, broken=True, is_record=True), []) == "null\n"
    assert Redaction().write(Document(1, broken=True), []) == "\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({name: value}, "is for --format redacted") for name, value in (("mask", "*"), ("types", "PER"))),
        ({"recall_first": True, "min_score": ["0.5"], "format": "jsonl"}, "is for --format redacted"),
        ({"format": "redacted", "recall_first": True}, "there is none"),
        *(
            ({"format": "redacted", "mask": mask}, "--mask")
            for mask in ("", "**", "\n", "\x00", "e\u0301", " ", "\u0301")
        ),
        *(({"format": "redacted", "types": types}, "--types.*empty") for types in (",", "PER,", "")),
        ({"format": "redacted", "entities": True}, "two forms"),
        ({"format": "redacted", "interactive": True}, "does not go with --interactive"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        Options(**options)


def test_types_are_those_of_the_model() -> None:
    with pytest.raises(InvalidOption, match="no type 'GPE'"):
        Redaction(types=["PER", "GPE"]).check({"PER", "LOC"})
    with pytest.raises(InvalidOption, match="no entities"):
        Redaction().check(set())
