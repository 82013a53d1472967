"""Files of thresholds: what is no such file, or one for another model, is two lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.models.thresholds import KeptThresholds, parse_least, read_thresholds, thresholds_for
from nertool.spelling import CANONICAL, PLAIN

LABELS = ["O", "B-PER", "I-PER"]
POINT = '{"points": [{"type": "PER", "threshold": %s}], "labels": []}'


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[1]", "null", "[" * 100_000, "{}", '{"points": []}', '{"points": [1]}', '{"points": {}}'),
        *(POINT % number for number in ("1.5", "-0.1", "NaN", "Infinity", '"0.5"', "null", "true")),
        '{"points": [{"threshold": 0.5}]}',
        '{"points": [{"type": "A", "threshold": 0.5}, {"type": "A", "threshold": 0.6}]}',
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
