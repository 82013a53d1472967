"""Training: what is published, what is kept, which models and data are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import fill

from nertool.columns import read_sentences
from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.stages import labels, train
from nertool.workspace import Workspace

AS_RUN_NER = {
    "keep": "last",
    "warmup_ratio": 0.0,
    "weight_decay": 0.0,
    "packing": False,
    "precision": "fp32",
    "settings": ["optim=adamw_torch"],
}
"""run_ner.py's defaults, where ours differ."""
QUICK = {"num_epochs": 1.0, "batch_size": 16, "learning_rate": 5e-3}


@pytest.fixture
def ready(workspace: Workspace, tiny_model: str) -> Workspace:
    """A workspace filled up to labels.txt."""
    return fill(workspace, tiny_model, "labels")


def test_the_model_directory_holds_what_any_tool_needs(trained: Path) -> None:
    config = json.loads((trained / "model/config.json").read_text())
    tags = (trained / "labels.txt").read_text().split()
    assert [config["id2label"][str(number)] for number in range(len(tags))] == tags
    assert config["architectures"] == ["BertForTokenClassification"]
    names = {path.name for path in (trained / "model").iterdir()}
    assert {"model.safetensors", "tokenizer.json", "tokenizer_config.json", "checkpoint-120"} <= names
    assert not (trained / ".training").exists()


def test_dev_is_scored_after_each_epoch_and_the_best_is_told(trained: Path) -> None:
    facts = Workspace(trained).facts("train")
    scores = [row["dev_f1"] for row in facts["history"]]
    assert [row["epoch"] for row in facts["history"]] == [float(epoch) for epoch in range(1, 9)]
    assert facts["dev_f1"] == max(scores) > 0.9
    assert facts["history"][-1]["loss"] < facts["history"][0]["loss"]


def test_best_keeps_the_weights_of_the_best_epoch(ready: Workspace, tiny_model: str) -> None:
    """Training that goes on with a destructive rate is worse at its end than somewhere before."""
    wild = {"num_epochs": 6.0, "batch_size": 4, "learning_rate": 0.05}
    kept = {}
    for keep in ("best", "last"):
        train.run(ready, train.Options(model=tiny_model, keep=keep, force=True, **wild))  # type: ignore[arg-type]
        facts = ready.facts("train")
        kept[keep] = (ready / "model/model.safetensors").read_bytes(), facts["epoch kept"]
    scores = {row["epoch"]: row["dev_f1"] for row in facts["history"]}
    assert kept["last"][1] == 6.0
    assert scores[kept["best"][1]] == max(scores.values())
    assert (kept["best"][0] == kept["last"][0]) == (kept["best"][1] == 6.0)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(ready: Workspace, tiny_model: str) -> None:
    weights = []
    for seed in (1, 1, 2):
        train.run(ready, train.Options(model=tiny_model, seed=seed, force=True, **QUICK))  # type: ignore[arg-type]
        weights.append((ready / "model/model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_the_weights_are_those_of_a_plain_trainer_loop(ready: Workspace, tiny_model: str, tmp_path: Path) -> None:
    """Bit for bit what run_ner.py does: words tokenized together, first sub-word tagged, random batches padded."""
    from datasets import Dataset
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    tags = (ready / "labels.txt").read_text().split()
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)

    def encode(batch: dict[str, list[list[str]]]) -> dict[str, object]:
        encoded = tokenizer(batch["tokens"], is_split_into_words=True, truncation=True, max_length=128)
        encoded["labels"] = []
        for row, row_tags in enumerate(batch["tags"]):
            words = encoded.word_ids(row)
            first = [word is not None and word not in words[:place] for place, word in enumerate(words)]
            encoded["labels"].append(
                [tags.index(row_tags[w]) if mark else -100 for w, mark in zip(words, first, strict=True)]
            )
        return dict(encoded)

    sentences = [{"tokens": s.tokens, "tags": s.tags} for s in read_sentences(ready / "train.txt")]
    rows = Dataset.from_list(sentences).map(encode, batched=True, remove_columns=["tokens", "tags"])
    set_seed(3)
    model = AutoModelForTokenClassification.from_pretrained(tiny_model, num_labels=len(tags))
    arguments = TrainingArguments(
        str(tmp_path / "plain"),
        num_train_epochs=2,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        seed=3,
        save_strategy="no",
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )
    Trainer(model, arguments, DataCollatorForTokenClassification(tokenizer), rows).train()
    options = train.Options(
        model=tiny_model,
        num_epochs=2.0,
        batch_size=8,
        learning_rate=1e-3,
        seed=3,
        **AS_RUN_NER,  # type: ignore[arg-type]
    )
    train.run(ready, options)
    ours = AutoModelForTokenClassification.from_pretrained(ready / "model").state_dict()
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, ours[name]), name


def test_a_label_that_occurs_only_in_dev_is_known_to_the_model(workspace: Workspace, tiny_model: str) -> None:
    with (workspace / "dev.txt.tmp").open("a") as dev:
        dev.write("rare I-ORGderiv\n\n")
    fill(workspace, tiny_model, "labels")
    train.run(workspace, train.Options(model=tiny_model, **QUICK))  # type: ignore[arg-type]
    assert "I-ORGderiv" in json.loads((workspace / "model/config.json").read_text())["label2id"]


def test_without_dev_the_last_weights_are_kept(workspace: Workspace, tiny_model: str) -> None:
    (workspace / "dev.txt.tmp").unlink()
    fill(workspace, tiny_model, "labels")
    with pytest.raises(MissingInput, match="dev.txt is missing: --keep best"):
        train.run(workspace, train.Options(model=tiny_model))
    result = train.run(workspace, train.Options(model=tiny_model, keep="last", **QUICK))  # type: ignore[arg-type]
    assert "dev_f1" not in result.facts
    assert (workspace / "model/model.safetensors").exists()


def test_sentences_over_the_length_are_trained_on_in_windows(
    workspace: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (workspace / "train.txt.tmp").open("a") as file:
        file.write("oslo B-LOC\n" * 40 + "\n")
    fill(workspace, tiny_model, "labels")
    options = train.Options(model=tiny_model, max_length=16, **QUICK)  # type: ignore[arg-type]
    assert train.run(workspace, options).facts["windowed"] == 1


def test_a_tag_that_labels_does_not_hold_is_named_with_its_line(ready: Workspace, tiny_model: str) -> None:
    path = ready / "train.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["x B-NEW", *lines]) + "\n")
    with pytest.raises(InvalidData, match=r"train.txt:1: the tag 'B-NEW'"):
        train.run(ready, train.Options(model=tiny_model))
    assert not (ready / "model").exists()


def test_train_without_sentences_is_refused(ready: Workspace, tiny_model: str) -> None:
    (ready / "train.txt").write_text("\n\n")
    with pytest.raises(InvalidData, match="holds no sentence"):
        train.run(ready, train.Options(model=tiny_model))


def test_a_model_without_weights_is_refused(ready: Workspace, tiny_model: str, tmp_path: Path) -> None:
    empty = tmp_path / "tokenizer-only"
    shutil.copytree(tiny_model, empty, ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(InvalidOption, match="no model for --model"):
        train.run(ready, train.Options(model=str(empty)))
    with pytest.raises(InvalidOption, match="no (model|tokenizer) for --model nowhere"):
        train.run(ready, train.Options(model="nowhere"))


def test_labels_missing_names_the_command(workspace: Workspace, tiny_model: str) -> None:
    fill(workspace, tiny_model, "preprocess")
    with pytest.raises(MissingInput, match="nertool labels"):
        train.run(workspace, train.Options(model=tiny_model))


def test_a_fine_tuned_model_keeps_its_label_order(trained: Path, tmp_path: Path) -> None:
    """Labels are matched by name: a model whose ids run the other way is trained on as well as before."""
    copy = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    tags = (copy / "labels.txt").read_text().split()
    (copy / "labels.txt").write_text("".join(f"{tag}\n" for tag in reversed(tags)))
    shutil.copytree(trained / "model", tmp_path / "start", ignore=shutil.ignore_patterns("checkpoint-*"))
    options = train.Options(model=str(tmp_path / "start"), num_epochs=1.0, learning_rate=0.0, force=True)
    assert train.run(copy, options).facts["dev_f1"] == Workspace(trained).facts("train")["dev_f1"]


def test_a_model_fine_tuned_for_other_labels_is_refused_by_name(trained: Path, tmp_path: Path) -> None:
    copy = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    for path in (copy / "train.txt", copy / "dev.txt", copy / "test.txt"):
        path.write_text(path.read_text().replace("-LOC", "-GPE"))
    labels.run(copy, labels.Options())
    with pytest.raises(InvalidOption, match=r"lacks B-GPE, I-GPE and has B-LOC, I-LOC"):
        train.run(copy, train.Options(model=str(trained / "model"), overwrite_output_dir=True))


def test_output_dir_names_the_directory_that_later_stages_use(ready: Workspace, tiny_model: str) -> None:
    from nertool.stages import evaluate

    train.run(ready, train.Options(model=tiny_model, output_dir="germeval-model", **QUICK))  # type: ignore[arg-type]
    assert (ready / "germeval-model/model.safetensors").exists()
    assert not (ready / "model").exists()
    assert evaluate.run(ready, evaluate.Options(split=["dev"])).facts["dev"]["support"] == 40
