"""Batches: every tag once, packed sentences apart, the gradient of one padded batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.models.encode import IGNORE
from nertool.training.batches import SMALLEST_ROW, Collator, Packing, find_packing, pack
from nertool.training.steps import Steps, StepSize

torch = pytest.importorskip("torch")

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def example(length: int, seed: int = 0) -> dict[str, list[int]]:
    chance = np.random.default_rng([seed, length])
    labels = [IGNORE if place % 3 else int(chance.integers(5)) for place in range(length)]
    return {"input_ids": chance.integers(5, 60, length).tolist(), "labels": labels}


# -- batches ---------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, first=st.integers(0, 2), additive=st.booleans(), most=st.integers(SMALLEST_ROW, 100))
def test_packed_sentences_see_themselves_alone(lengths: list[int], first: int, additive: bool, most: int) -> None:
    examples = [example(length, seed) for seed, length in enumerate(lengths)]
    batch = pack(examples, 0, Packing(first, additive, most))
    width = batch["input_ids"].shape[1]
    assert width <= max(most, *lengths)
    seen = batch["attention_mask"][:, 0] == 0 if additive else batch["attention_mask"] == 1
    assert bool(seen.any(-1).all()), "a sub-word that sees nothing would have no score"
    found = []
    for row in range(len(seen)):
        place = 0
        while place < width:
            inside = seen[row, place].nonzero().flatten().tolist()
            assert inside == list(range(inside[0], inside[-1] + 1)) and inside[0] == place
            ids, labels = (batch[name][row, inside].tolist() for name in ("input_ids", "labels"))
            if set(ids) != {0}:
                assert batch["position_ids"][row, inside].tolist() == list(range(first, first + len(inside)))
                found.append((ids, labels))
            place = inside[-1] + 1
    assert sorted(found) == sorted((one["input_ids"], one["labels"]) for one in examples)


@pytest.mark.parametrize("parts", [1, 3, 50])
@pytest.mark.parametrize("by_subwords", [False, True])
@pytest.mark.parametrize("kind", [{}, {"by_length": True}, {"packing": Packing(0, False, 512)}])
def test_a_share_in_parts_holds_every_tag_once(kind: dict[str, Any], parts: int, by_subwords: bool) -> None:
    examples = [example(length) for length in (3, 9, 5, 4, 12, 7, 2, 30)]
    made = Collator(0, parts, by_subwords=by_subwords, **kind)(examples)
    assert len(made["batches"]) == min(parts, len(examples)) or parts == 3 or (by_subwords and "by_length" in kind)
    tags = sorted(label for one in examples for label in one["labels"] if label != IGNORE)
    assert made["words"] == len(tags)
    found = [batch["labels"][batch["labels"] != IGNORE].tolist() for batch in made["batches"]]
    assert sorted(sum(found, [])) == tags


@pytest.mark.parametrize("kind", [{}, {"by_length": True}, {"packing": Packing(0, False, 128)}])
@pytest.mark.parametrize("batches", [1, 2, 4])
def test_no_batch_of_a_step_passes_the_budget(kind: dict[str, Any], batches: int) -> None:
    lengths = np.clip(np.random.default_rng(1).lognormal(2.8, 0.7, 800), 3, 100).astype(np.int32)
    collator = Collator(0, max(batches + 1, 4) if kind.get("by_length") else batches, by_subwords=True, **kind)
    for step in Steps(lengths, StepSize(32, 512 * batches), 1):
        examples = [{"input_ids": [1] * lengths[slot.number], "labels": [0] * lengths[slot.number]} for slot in step]
        made = collator(examples)
        filled = [int((batch["labels"] == 0).sum()) for batch in made["batches"]]
        assert max(filled) <= 512 and sum(filled) == made["words"] == sum(lengths[slot.number] for slot in step)


def test_rows_are_padded_to_the_longest_or_to_a_length() -> None:
    examples = [example(3), example(9)]
    (longest,) = Collator(7)(examples)["batches"]
    assert longest["input_ids"].shape == (2, 9)
    assert longest["input_ids"][0, 3:].tolist() == [7] * 6
    assert longest["attention_mask"].sum(-1).tolist() == [3, 9]
    (fixed,) = Collator(7, pad_to=16)(examples)["batches"]
    assert fixed["labels"].shape == (2, 16)


def models() -> dict[str, Any]:
    from transformers import BertConfig, DebertaV2Config, DistilBertConfig, Qwen2Config, RobertaConfig

    small = {
        "vocab_size": 60,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 130,
        "num_labels": 5,
    }
    distil = {"vocab_size": 60, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "num_labels": 5}
    return {
        "bert": BertConfig(**small),
        "roberta": RobertaConfig(**small, pad_token_id=1),
        "deberta": DebertaV2Config(**small, relative_attention=True, pos_att_type=["c2p"]),
        "distilbert": DistilBertConfig(**distil, max_position_embeddings=130),
        "qwen2": Qwen2Config(**small, num_key_value_heads=2, pad_token_id=0, use_cache=False),
    }


def gradients(model: Any, made: dict[str, Any]) -> list[torch.Tensor]:
    model.zero_grad()
    for batch in made["batches"]:
        labels = batch.pop("labels").flatten()
        scores = model(**batch)["logits"].flatten(0, 1)
        (
            torch.nn.functional.cross_entropy(scores, labels, ignore_index=IGNORE, reduction="sum") / made["words"]
        ).backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta", "distilbert", "qwen2"])
def test_however_a_share_is_cut_its_gradient_is_that_of_one_padded_batch(name: str) -> None:
    from transformers import AutoModelForTokenClassification, set_seed

    set_seed(0)
    config = models()[name]
    model = AutoModelForTokenClassification.from_config(config).eval()
    packing = find_packing(model, config.pad_token_id or 0, 128)
    assert packing or name in ("deberta", "distilbert", "qwen2"), "BERT and RoBERTa can be packed"
    examples = [example(length) for length in (3, 9, 5, 4, 12, 7, 2, 30, 61)]
    pad_id = config.pad_token_id or 0
    whole = gradients(model, Collator(pad_id)(examples))
    cut = [Collator(pad_id, 3), Collator(pad_id, 4, by_length=True)]
    cut += [Collator(pad_id, parts, packing) for parts in (1, 2) if packing]
    for collator in cut:
        for one, other in zip(whole, gradients(model, collator(examples)), strict=True):
            torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-4)


def test_a_model_that_mixes_the_sentences_of_a_row_is_not_packed(trained: Path) -> None:
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(trained / "model")
    assert find_packing(model, 0, 128)
    assert find_packing(model, 0, SMALLEST_ROW - 1) is None
    forward = model.forward

    def without_positions(*arguments: Any, position_ids: Any = None, **inputs: Any) -> Any:
        return forward(*arguments, **inputs)

    model.forward = without_positions
    assert find_packing(model, 0, 128) is None
    assert model.training == AutoModelForTokenClassification.from_pretrained(trained / "model").training
