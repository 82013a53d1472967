"""Files of thresholds: what is no such file, or one for another model, is two lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.models.tagging import Tagging
from nertool.models.thresholds import (
    KeptThresholds,
    Thresholds,
    parse_least,
    read_named_thresholds,
    read_thresholds,
    thresholds_for,
)
from nertool.spelling import CANONICAL, PLAIN, SEPARATORS, Spelling
from nertool.tags import OUTSIDE, Span, mark

LABELS = ["O", "B-PER", "I-PER"]
POINT = '{"points": [{"type": "PER", "threshold": %s}], "labels": []}'


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[1]", "null", "[" * 100_000, "{}", '{"points": []}', '{"points": [1]}', '{"points": {}}'),
        *(POINT % number for number in ("1.5", "-0.1", "NaN", "Infinity", '"0.5"', "null", "true")),
        '{"points": [{"threshold": 0.5}]}',
        '{"points": [{"type": "A", "threshold": 0.5}, {"type": "A", "threshold": 0.6}]}',
        *(POINT.replace("[]", f'[], "decoding": {word}') % 0.5 for word in ("3", '["viterbi"]', '"greedy"', "null")),
        b"\xff\xfe",
    ],
)
def test_what_holds_no_thresholds_is_refused(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidData, match=r"thresholds\.json"):
        read_thresholds(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("/dev/null"), tmp_path / ("long" * 100)):
        with pytest.raises(MissingInput, match="--thresholds"):
            read_thresholds(path)


@pytest.mark.parametrize(("name", "option"), [("model", ""), ("quantized", " --quantized")])
def test_damaged_thresholds_of_a_model_are_found_anew_for_that_model(name: str, option: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    for content in ("{", "[]"):
        (tmp_path / name / "thresholds.json").write_text(content)
        with pytest.raises(InvalidData) as error:
            read_named_thresholds("own", tmp_path / name)
        assert error.value.hint == f"Find them anew: nertool evaluate{option} --precision 0.95 -w {tmp_path}"


def test_thresholds_hold_for_the_labels_that_they_were_found_for(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    path.write_text('{"points": [{"type": "", "threshold": 1}], "labels": ["O", "B-PER", "I-PER"]}')
    kept = read_thresholds(path)
    thresholds = thresholds_for([], kept, LABELS, CANONICAL, "iob2")
    assert thresholds and thresholds.least == {"": 1.0}
    for other in (kept.__class__(kept.least, LABELS[:2]), KeptThresholds({"LOC": 0.5}, LABELS)):
        with pytest.raises(InvalidData, match="other labels"):
            thresholds_for([], other, LABELS, CANONICAL, "")


def test_a_model_without_entities_has_nothing_to_choose() -> None:
    with pytest.raises(InvalidOption, match="no entities"):
        thresholds_for(["0.5"], None, ["NN", "-LRB-"], PLAIN, "")
    assert thresholds_for([], None, ["NN"], PLAIN, "") is None


def test_numbers_by_type() -> None:
    assert parse_least("--precision", ["0.9", "PER=1"], {"PER"}) == {"": 0.9, "PER": 1.0}
    for values in (["PER=0.9", "PER=0.8"], ["0.5", "0.6"], ["LOC=0.5"], ["=0.5"], ["nan"], ["1.01"]):
        with pytest.raises(InvalidOption, match="--precision"):
            parse_least("--precision", values, {"PER"})


SPELLINGS = st.builds(
    Spelling,
    st.sampled_from(["prefix", "suffix", "bare"]),
    st.sampled_from(SEPARATORS),
    st.booleans(),
    st.sampled_from([(), ("o",), ("_",)]),
)
PIECES = st.lists(st.tuples(st.sampled_from(["", "PER", "LOC"]), st.integers(1, 3), st.booleans()), max_size=8)
"""The type of a stretch of words, "" for no entity; how many words; whether it is kept."""


@given(SPELLINGS, st.sampled_from(["iob1", "iob2", "ioe1", "iobes"]), PIECES)
def test_what_is_left_is_spelled_as_the_model_spells_it(
    spelling: Spelling, scheme: str, pieces: list[tuple[str, int, bool]]
) -> None:
    entities: dict[Span, bool] = {}
    place = 0
    for label, length, keep in pieces:
        if label:
            entities[Span("ENTITY" if spelling.order == "bare" else label, place, place + length)] = keep
        place += length

    def spelled(marked: list[Span]) -> list[str]:
        return [spelling.spell(tag) for tag in mark(marked, [OUTSIDE] * place, scheme)]

    scores = [0.9 if keep else 0.1 for keep in entities.values()]
    tagging = Tagging(spelled([*entities]), [0.95] * place, spelling, scores)
    left = Thresholds({"": 0.5}, scheme).apply(tagging)
    kept = [span for span, keep in entities.items() if keep]
    assert left.tags == spelled(kept)
    assert [*left.scored_spans()] == [(span, 0.9) for span in kept]
