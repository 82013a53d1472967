"""Selection: the most doubtful first, what is alike apart, memory on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.corpus.running_text import Words
from nertool.documents.document import Document
from nertool.documents.selection import Candidate, Selection, doubt_of, traits_of
from nertool.errors import Unwritable
from nertool.models.tagging import Tagging

CANDIDATE = st.builds(
    Candidate, st.text(max_size=4), st.floats(0, 1), st.lists(st.integers(0, 9), max_size=4, unique=True)
)


def tagging(*logits: list[float]) -> Tagging:
    return Tagging(["O"] * len(logits), [1.0] * len(logits), logits=np.array(logits, np.float32))


def candidate(sentence: str, doubt: float) -> Candidate:
    return Candidate(sentence, doubt, traits_of(Document(1, [Words(sentence.split())]), [Tagging(["O"] * 9, [])]))


@given(st.lists(CANDIDATE, max_size=8), st.none() | st.integers(1, 9))
def test_doubt_alone_sorts(candidates: list[Candidate], first: int | None) -> None:
    wanted = [one.text for one in sorted(candidates, key=lambda one: -one.doubt)]
    assert list(Selection().most_doubtful_first(candidates, first)) == wanted[:first]


@given(st.lists(CANDIDATE, max_size=8))
def test_each_step_has_the_greatest_product_of_doubt_and_new_traits(candidates: list[Candidate]) -> None:
    named = [one._replace(text=str(number)) for number, one in enumerate(candidates)]
    seen: set[int] = set()
    left, wanted = list(named), []
    while left:
        shares = [len({*one.traits} - seen) / len(one.traits) if one.traits else 1.0 for one in left]
        products = [one.doubt * share for one, share in zip(left, shares, strict=True)]
        best = max(range(len(left)), key=lambda at: (products[at], left[at].doubt, -at))
        seen |= {*left[best].traits}
        wanted.append(left.pop(best).text)
    assert list(Selection().most_doubtful_first(named, diverse=True)) == wanted


def test_near_duplicates_come_late() -> None:
    alike = [candidate(f"anna left oslo on day {day} .", 0.9 - day / 100) for day in range(4)]
    others = [candidate("bruno praised the new bridge", 0.5), candidate("clara saw vienna", 0.4)]
    found = list(Selection().most_doubtful_first([*alike, *others], diverse=True))
    assert found[:3] == [alike[0].text, others[0].text, others[1].text] and len(found) == 6


def test_doubt_is_that_of_the_least_certain_word() -> None:
    even, sure, unread = [0.0, 0.0, 0.0], [90.0, 0.0, 0.0], [np.nan] * 3
    assert doubt_of([tagging(sure, sure), tagging(even, unread)], 1.0) == pytest.approx(1)
    assert doubt_of([tagging(sure, unread)], 1.0) == pytest.approx(0)
    assert doubt_of([tagging(unread)], 1.0) == doubt_of([], 1.0) == doubt_of([tagging([1.0])], 1.0) == 0
    assert 0 < doubt_of([tagging([2.0, 0.0, 0.0])], 1.0) < doubt_of([tagging([2.0, 0.0, 0.0])], 2.0) < 1


def test_the_file_is_in_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    texts = Selection(tmp_path).most_doubtful_first([Candidate("a", 0.1), Candidate("b", 0.2)])
    assert next(texts) == "b" and list(texts) == ["a"] and list(tmp_path.iterdir()) == []
    with pytest.raises(Unwritable, match="a temporary file in"):
        list(Selection(tmp_path / "none").most_doubtful_first([]))
