"""Steps: every example once an epoch, no budget passed, processes share the steps that one alone takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertool.errors import InvalidOption
from nertool.training.steps import Extra, Share, Slot, Steps, StepSize

pytest.importorskip("torch")

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def steps_of(lengths: list[int], sentences: int = 4, budget: int | None = None, **options: Any) -> Steps:
    size = StepSize(sentences, budget)
    return Steps(np.array(lengths, dtype=np.int32), size, options.pop("seed", 1), **options)


def numbers(slots: list[Slot]) -> list[int]:
    """The examples that a process is trained on in a step."""
    return [slot.number for slot in slots if slot.counts]


@given(lengths=LENGTHS, sentences=st.integers(1, 9), epoch=st.integers(0, 3))
def test_an_epoch_holds_every_example_once(lengths: list[int], sentences: int, epoch: int) -> None:
    steps = steps_of(lengths, sentences)
    steps.set_epoch(epoch)
    slots = list(steps)
    assert len(slots) == len(steps)
    assert sorted(numbers(sum(slots, []))) == list(range(len(lengths)))
    assert {len(step) for step in slots[:-1]} <= {sentences}


@given(lengths=LENGTHS, room=st.integers(1, 200), epoch=st.integers(0, 3), world=st.integers(1, 3))
def test_a_budget_of_subwords_is_never_passed_and_every_epoch_has_as_many_steps(
    lengths: list[int], room: int, epoch: int, world: int
) -> None:
    budget = max(lengths) + room
    whole: list[list[int]] = [[] for _ in range(len(steps_of(lengths, budget=budget)))]
    for rank in range(world):
        steps = steps_of(lengths, budget=budget, share=Share(rank, world))
        steps.set_epoch(epoch)
        for step, slots in zip(whole, steps, strict=True):
            step += numbers(slots)
    assert sorted(sum(whole, [])) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in step) <= budget for step in whole)


@given(lengths=LENGTHS, sentences=st.integers(1, 9), world=st.integers(2, 5))
def test_processes_share_the_steps_that_one_alone_takes(lengths: list[int], sentences: int, world: int) -> None:
    alone = [sorted(numbers(slots)) for slots in steps_of(lengths, sentences)]
    shares = [list(steps_of(lengths, sentences, share=Share(rank, world))) for rank in range(world)]
    assert [len(share) for share in shares] == [len(alone)] * world
    for step, *parts in zip(alone, *shares, strict=True):
        assert all(parts), "every process takes part in every step"
        assert sorted(sum(map(numbers, parts), [])) == step


def test_a_process_without_a_sentence_takes_part_with_one_that_does_not_count() -> None:
    ((first,), (second,)) = (list(steps_of([3], share=Share(rank, 2))) for rank in range(2))
    assert (first, second) == ([Slot(0, counts=True)], [Slot(0, counts=False)])


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        steps = steps_of([3] * 50, seed=seed)
        steps.set_epoch(epoch)
        return list(map(numbers, steps))

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_by_length_a_step_holds_sentences_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 400)
    spread = []
    for by_length in (False, True):
        steps = steps_of(lengths.tolist(), 8, by_length=by_length)
        spread.append(np.mean([np.ptp(lengths[numbers(slots)]) for slots in steps]))
    assert spread[1] < spread[0] / 3


def test_a_step_that_is_not_full_is_left_out_where_that_is_wanted() -> None:
    assert [len(step) for step in steps_of([1] * 10)] == [4, 4, 2]
    assert [len(step) for step in steps_of([1] * 10, drop_last=True)] == [4, 4]
    assert [len(step) for step in steps_of([1] * 3, drop_last=True)] == [3]


def test_a_budget_below_the_longest_sentence_is_refused() -> None:
    with pytest.raises(InvalidOption, match="no room for the longest sentence, which has 9"):
        steps_of([4, 9], budget=9)


@given(gold=LENGTHS, more=LENGTHS, sentences=st.integers(2, 9), epoch=st.integers(0, 2), world=st.integers(1, 3))
def test_every_step_has_its_share_of_unlabelled_examples(
    gold: list[int], more: list[int], sentences: int, epoch: int, world: int
) -> None:
    first, second = StepSize(sentences).split(0.4)
    extra = Extra(np.array(more, np.int32), second)
    parts = []
    for rank in range(world):
        steps = steps_of(gold, first.sentences, extra=extra, share=Share(rank, world))
        steps.set_epoch(epoch)
        parts.append(list(steps))
    alone = steps_of(gold, first.sentences, extra=extra)
    alone.set_epoch(epoch)
    drawn = []
    for step, *shares in zip(alone, *parts, strict=True):
        chosen = numbers(step)
        assert sorted(sum(map(numbers, shares), [])) == sorted(chosen)
        drawn.append([number for number in chosen if number >= len(gold)])
        assert len(drawn[-1]) == second.sentences
    assert sorted(number for step in alone for number in numbers(step) if number < len(gold)) == list(range(len(gold)))
    assert len({*sum(drawn, [])}) == min(len(more), len(sum(drawn, [])))


@given(more=LENGTHS, budget=st.integers(41, 90))
def test_unlabelled_examples_stay_below_their_budget(more: list[int], budget: int) -> None:
    steps = Extra(np.array(more, np.int32), StepSize(4, budget)).steps(1)
    for _ in range(20):
        assert 0 < sum(more[number] for number in next(steps)) <= budget
    with pytest.raises(InvalidOption, match="has no room for the longest sentence"):
        Extra(np.array(more, np.int32), StepSize(4, 1))
