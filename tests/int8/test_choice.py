"""The gate: what is tried, in which order, and what is kept."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.int8.choice import Attempt, Criterion, choose, next_attempt, relative_loss, share_of_error


def search(approaches: list[str], layers: int, needed: dict[str, int]) -> list[Attempt]:
    """All that is tried where an approach meets the criterion with so many layers in FP32."""
    met: dict[Attempt, bool] = {}
    while attempt := next_attempt(approaches, layers, met):
        assert attempt not in met
        met[attempt] = attempt.in_fp32 >= needed.get(attempt.approach, layers + 1)
    return list(met)


def test_where_int8_will_do_nothing_falls_back() -> None:
    tried = search(["dynamic", "static", "qat"], 30, {"dynamic": 0})
    assert tried == [Attempt("dynamic", 0), Attempt("static", 0)]


@given(st.integers(0, 80), st.data())
def test_the_fewest_that_will_do_are_found_in_few_trials(layers: int, data: st.DataObject) -> None:
    half = layers // 2
    needed = data.draw(st.integers(0, half + 5))
    tried = search(["dynamic"], layers, {"dynamic": needed})
    if needed <= half:
        assert Attempt("dynamic", needed) in tried
    assert max(attempt.in_fp32 for attempt in tried) <= half
    assert len(tried) <= 2 + 2 * math.ceil(math.log2(half + 2))


def test_each_approach_falls_back_to_the_fewest_layers_of_its_own() -> None:
    tried = search(["dynamic", "static"], 12, {"dynamic": 3, "static": 1})
    falls = [(attempt.approach, attempt.in_fp32) for attempt in tried[2:]]
    assert falls == [("dynamic", 1), ("dynamic", 2), ("dynamic", 4), ("dynamic", 3), ("static", 1)]


def test_training_is_the_last_resort() -> None:
    tried = search(["dynamic", "static", "qat"], 6, {})
    assert [attempt.approach for attempt in tried] == ["dynamic", "static", *["dynamic"] * 3, *["static"] * 3, "qat"]
    assert search(["qat"], 6, {}) == [Attempt("qat", 0)]
    assert Attempt("qat", 0) not in search(["dynamic", "static", "qat"], 6, {"static": 3})


def row(met: bool, f1: float, size: int, speed: int, divergence: float = 0.1) -> Any:
    """What the choice looks at in a trial."""
    return {"met": met, "f1": f1, "bytes": size, "words_per_second": speed, "divergence": divergence}


def test_the_fastest_of_the_smallest_that_met_is_kept() -> None:
    assert (
        choose([row(True, 0.8, 100, 5), row(True, 0.7, 104, 9), row(True, 0.9, 200, 20), row(False, 0.9, 50, 30)]) == 1
    )


def test_among_equals_the_one_most_like_fp32_is_kept() -> None:
    like = [row(True, 0.9, 100, 1000, 0.05), row(True, 0.8, 102, 980, 0.03), row(True, 0.8, 100, 900, 0.01)]
    assert choose(like) == 1


def test_where_none_met_the_one_most_like_fp32_is_kept() -> None:
    assert choose([row(False, 0.9, 100, 5, 0.3), row(False, 0.8, 300, 1, 0.2), row(False, 0.8, 100, 9, 0.2)]) == 1


@pytest.mark.parametrize(
    ("kind", "after", "met"), [("relative", 0.495, True), ("relative", 0.49, False), ("absolute", 0.49, True)]
)
def test_a_loss_is_relative_or_absolute(kind: str, after: float, met: bool) -> None:
    assert Criterion(0.0101, kind).met(0.5, after, 0.4) is met


def test_by_bound_what_may_have_been_lost_counts_not_what_was() -> None:
    assert Criterion(0.02, "bound").met(0.5, 0.1, lost_at_most=0.0099)
    assert not Criterion(0.02, "bound").met(0.5, 0.5, lost_at_most=0.0101)


def test_the_errors_of_all_bounds_add_up_to_one_in_twenty() -> None:
    assert share_of_error(1) == pytest.approx(0.025), "as the two-sided interval of 95 %"
    assert 0.049 < sum(share_of_error(trial) for trial in range(1, 1000)) < 0.05


def test_without_any_f1_nothing_can_be_lost() -> None:
    assert relative_loss(0.0, 0.0) == 0.0
