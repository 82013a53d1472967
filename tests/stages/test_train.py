"""Training: what is published, what is kept, which models and data are refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers import fill, measured_here

from nertool.corpus.column_files import read_labels, read_sentences
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.models.load_tagger import load_tagger
from nertool.scoring.scorer import Scorer
from nertool.stages import download, evaluate, labels, preprocess, train
from nertool.training import publish
from nertool.training.examples import Source, Tagged, load_examples
from nertool.training.fine_tuned import local_models
from nertool.workspace.names import EXAMPLES, SEEDS
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")

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


def test_the_model_directory_holds_what_any_tool_needs(trained: Path) -> None:
    config = json.loads((trained / "model/config.json").read_text())
    tags = (trained / "labels.txt").read_text().split()
    assert [config["id2label"][str(number)] for number in range(len(tags))] == tags
    assert config["architectures"] == ["BertForTokenClassification"]
    names = {path.name for path in (trained / "model").iterdir()}
    assert {"model.safetensors", "tokenizer.json", "tokenizer_config.json", "checkpoint-120"} <= names
    assert not (trained / ".training").exists()


def test_no_path_of_this_machine_is_in_the_files_of_a_model(trained: Path, tiny_model: str) -> None:
    for path in (trained / "model").rglob("*.json"):
        text = path.read_text()
        assert str(Path(tiny_model).parent) not in text and str(trained) not in text, path


def test_dev_is_scored_after_each_epoch_and_the_best_is_told(trained: Path) -> None:
    facts = Workspace(trained).facts("train")
    scores = [row["dev_f1"] for row in facts["history"]]
    assert [row["epoch"] for row in facts["history"]] == [float(epoch) for epoch in range(1, 9)]
    assert facts["dev_f1"] == max(scores) > 0.9
    assert facts["history"][-1]["loss"] < facts["history"][0]["loss"]


@pytest.mark.slow
def test_best_keeps_the_weights_of_the_best_epoch(ready: Workspace, tiny_model: str) -> None:
    """Training that goes on with a destructive rate is worse at its end than somewhere before."""
    wild = {"num_epochs": 6.0, "batch_size": 4, "learning_rate": 0.05}
    kept = {}
    for keep in ("best", "last"):
        train.run(ready, train.Options(model=tiny_model, keep=keep, force=True, **wild))  # type: ignore[arg-type]
        facts = ready.facts("train")
        kept[keep] = (ready / "model/model.safetensors").read_bytes(), facts["epoch_kept"]
    scores = {row["epoch"]: row["dev_f1"] for row in facts["history"]}
    assert kept["last"][1] == 6.0
    assert scores[kept["best"][1]] == max(scores.values())
    assert (kept["best"][0] == kept["last"][0]) == (kept["best"][1] == 6.0)


@pytest.mark.slow
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
        optim="adamw_torch",
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
    with pytest.raises(MissingInput, match="tokenizer-only holds no weights"):
        train.run(ready, train.Options(model=str(empty)))
    with pytest.raises(InvalidOption, match="no (model|tokenizer) for --model nowhere"):
        train.run(ready, train.Options(model="nowhere"))


@pytest.mark.parametrize("num_epochs", [0.0, 1.0])
def test_a_tag_of_dev_that_labels_does_not_hold_is_named_before_the_training(
    copy: Workspace, num_epochs: float
) -> None:
    dev = (copy / "dev.txt").read_text(encoding="utf-8")
    (copy / "dev.txt").write_text(dev + "anna B-PERSON\n\n", encoding="utf-8")
    options = {**QUICK, "num_epochs": num_epochs, "force": True}
    with pytest.raises(
        InvalidData, match=rf"dev\.txt:{dev.count(chr(10)) + 1}: the tag 'B-PERSON' is not in"
    ) as raised:
        train.run(copy, train.Options(model=str(copy / "model"), **options))
    assert "nertool labels" in raised.value.hint


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
    facts = train.run(copy, options).facts
    assert facts["dev_f1"] == Workspace(trained).facts("train")["dev_f1"]
    assert load_tagger(copy / "model").calibration.as_dict() == facts["calibration"]


@pytest.fixture
def published(trained: Path, tmp_path: Path) -> Path:
    """A fine-tuned model of somebody else: without what nertool knows of it."""
    ours = shutil.ignore_patterns("checkpoint-*", "tagging.json", "calibration.json", "*_curve.svg")
    return Path(shutil.copytree(trained / "model", tmp_path / "published", ignore=ours))


def test_no_epoch_takes_a_fine_tuned_model_as_it_is(
    trained: Path, ready: Workspace, published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    facts = train.run(ready, train.Options(model=str(published), num_epochs=0)).facts
    theirs = Workspace(trained).facts("train")
    assert (facts["steps"], facts["epoch_kept"], facts["dev_f1"]) == (0, 0, theirs["dev_f1"])
    assert facts["calibration"] == theirs["calibration"]
    names = {path.name for path in (ready / "model").iterdir()}
    assert {"tagging.json", "calibration.json", "README.md"} <= names
    assert not [name for name in names if name.startswith(("checkpoint", "learning_curve"))]
    for name in ("model.safetensors", "tagging.json", "calibration.json"):
        assert (ready / "model" / name).read_bytes() == (trained / "model" / name).read_bytes()
    card = (ready / "model/README.md").read_text()
    assert "scored and calibrated by nertool" in card and "chosen on dev" not in card
    assert train.run(ready, train.Options(model=str(published), num_epochs=0)).fresh


def test_no_epoch_needs_a_model_that_is_fine_tuned_and_dev(ready: Workspace, tiny_model: str, published: Path) -> None:
    with pytest.raises(InvalidOption, match="has no head for tags"):
        train.run(ready, train.Options(model=tiny_model, num_epochs=0))
    with pytest.raises(InvalidOption, match="--seeds does not go with --num-epochs 0"):
        train.Options(model=str(published), num_epochs=0, seeds="1,2")
    (ready / "dev.txt").unlink()
    with pytest.raises(MissingInput, match="--num-epochs 0 needs its scores"):
        train.run(ready, train.Options(model=str(published), num_epochs=0, keep="last"))


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


def test_the_model_knows_how_its_texts_were_cut(tiny_model: str, tmp_path: Path) -> None:
    record = {"text": "(anna) left oslo.", "spans": [{"start": 0, "end": 6, "label": "PER"}]}
    (tmp_path / "own.jsonl").write_text((json.dumps(record) + "\n") * 8)
    workspace = Workspace(tmp_path / "w")
    source = str(tmp_path / "own.jsonl")
    download.run(workspace, download.Options(train_file=source, validation_file=source, tokenizer="white"))
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    labels.run(workspace, labels.Options())
    quick(workspace, tiny_model)
    assert json.loads((workspace / "model/tagging.json").read_text()) == {
        "tokenizer": "white",
        "decoding": "viterbi",
        "scheme": "iob2",
    }
    for tokenizer, tokens in (("", ["anna,", "left"]), ("words", ["anna", ",", "left"])):
        tagger = load_tagger(workspace / "model", tokenizer=tokenizer)
        assert tagger.cut("anna, left", 0, 10).tokens == tokens


def test_text_is_cut_as_the_tokens_of_train_were(tiny_model: str, tmp_path: Path) -> None:
    rows = "Germany B-LOC\n's O\nAnna B-PER\ncan't O\n\n" * 4
    (tmp_path / "own.txt").write_text(rows)
    workspace, source = Workspace(tmp_path / "w"), str(tmp_path / "own.txt")
    download.run(workspace, download.Options(train_file=source, validation_file=source))
    preprocess.run(workspace, preprocess.Options(model=tiny_model))
    labels.run(workspace, labels.Options())
    quick(workspace, tiny_model)
    entities = load_tagger(workspace / "model").cut("Anna can't like Germany's", 0, 25).tokens
    assert entities == ["Anna", "can't", "like", "Germany", "'s"]


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[]", '{"tokenizer": 1}', '{"other": "white"}', '{"scheme": "iob3"}', '{"decoding": "beam"}'),
        *('{"tokenizer": "blank"}', '{"tokenizer": ""}', '{"tokenizer": "words:a b"}'),
    ],
)
def test_settings_of_a_model_that_are_not_ours_are_refused(content: str, trained: Path, tmp_path: Path) -> None:
    model = shutil.copytree(trained / "model", tmp_path / "model")
    (model / "tagging.json").write_text(content)
    with pytest.raises(InvalidData, match=r"tagging\.json"):
        load_tagger(model)


# -- what is learnt from ---------------------------------------------------------------------------


def quick(ready: Workspace, model: str, **options: object) -> dict[str, Any]:
    """Facts of a training that replaces the last one."""
    settings: dict[str, Any] = {"overwrite_output_dir": True, **QUICK, **options}
    return train.run(ready, train.Options(model=model, **settings)).facts


def weights(workspace: Workspace) -> bytes:
    return (workspace / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("dev", "told"),
    [("anna O\n\n", "dev holds no entity: epochs are compared by their loss"), ("\n", "dev holds no sentence")],
)
def test_a_dev_that_says_nothing_is_told(
    dev: str, told: str, ready: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    (ready / "dev.txt").write_text(dev)
    assert quick(ready, tiny_model)["dev_f1"] == 0
    assert caplog.text.count(told) == 1


def test_the_precision_is_that_of_the_option_whatever_the_environment_holds(
    ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(ready, tiny_model, precision="fp32")
    expected = weights(ready)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # so does a training in bf16 before, in one process
    quick(ready, tiny_model, precision="fp32")
    assert weights(ready) == expected
    quick(ready, tiny_model, precision="bf16")
    assert weights(ready) != expected


def test_the_first_sentences_alone_are_learnt_from_and_scored_by(ready: Workspace, tiny_model: str) -> None:
    facts = quick(ready, tiny_model, max_train_samples=20, max_eval_samples=3, return_entity_level_metrics=True)
    assert (facts["sentences"], facts["steps"]) == (20, 2)
    assert sum(row["support"] for row in facts["types"].values()) == 6
    assert "types" not in quick(ready, tiny_model)


def test_tags_on_all_subwords_give_other_weights_and_the_same_words(ready: Workspace, tiny_model: str) -> None:
    for name in ("train", "dev", "test"):  # words of several sub-words
        path = ready / f"{name}.txt"
        path.write_text(path.read_text().replace("anna", "annabruno"))
    first = quick(ready, tiny_model), weights(ready)
    every = quick(ready, tiny_model, label_all_tokens=True), weights(ready)
    assert first[0]["words"] == every[0]["words"]
    assert first[1] != every[1]


def test_words_without_subwords_are_counted_and_sentences_in_windows_too(
    ready: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (ready / "train.txt").open("a") as file:
        file.write("\x96 O\nanna B-PER\n\n\x96 O\n\n" + "oslo B-LOC\n" * 200 + "\n")
    facts = quick(ready, tiny_model)
    assert (facts["without_subwords"], facts["windowed"]) == (2, 1)
    assert facts["words"] == sum(len(sentence.tokens) for sentence in read_sentences(ready / "train.txt"))
    assert "2 words of train without sub-words" in caplog.text
    assert "1 sentence of train over 128 sub-words" in caplog.text


@pytest.mark.parametrize("workers", [2, 3])
def test_processes_that_tokenize_change_nothing(workers: int, ready: Workspace, tiny_model: str) -> None:
    quick(ready, tiny_model)
    before = weights(ready)
    shutil.rmtree(ready / EXAMPLES)
    quick(ready, tiny_model, force=True, preprocessing_num_workers=workers)
    assert weights(ready) == before


class Killed(Source):
    """A source over which the process that reads it is killed."""

    def tagged(self) -> Iterator[Tagged]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield from super().tagged()


def test_a_process_that_is_killed_while_it_tokenizes_is_two_lines(ready: Workspace, tiny_model: str) -> None:
    from transformers import AutoTokenizer

    source = Killed(ready / "train.txt", tuple(read_labels(ready / "labels.txt")), 64, workers=2)
    with pytest.raises(NertoolError, match="a process that tokenizes was killed"):
        load_examples(source, AutoTokenizer.from_pretrained(tiny_model), ready / EXAMPLES)


@pytest.mark.parametrize("workers", [1, 2])
def test_words_that_no_tokenizer_reads_are_two_lines_where_there_are_no_others(
    workers: int, ready: Workspace, tiny_model: str
) -> None:
    whole = (ready / "train.txt").read_text()
    (ready / "train.txt").write_text("\x96 O\n\n" * 4)
    with pytest.raises(InvalidData, match="the tokenizer reads none of its words"):
        quick(ready, tiny_model, preprocessing_num_workers=workers)
    (ready / "train.txt").write_text("\x96 O\n\n" * 60 + whole)
    assert quick(ready, tiny_model, preprocessing_num_workers=workers)["without_subwords"] == 60


@pytest.mark.slow
def test_examples_are_made_once_and_anew_for_other_data_labels_tokenizer_or_length(
    ready: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    def made(**options: object) -> str:
        quick(ready, str(options.pop("model", tiny_model)), overwrite_output_dir=True, **options)
        (place,) = (ready / EXAMPLES).iterdir()
        return f"{place.name} {place.stat().st_ino}"

    first = made()
    assert made(seed=2, num_epochs=2.0) == first
    others = [made(max_length=20), made(label_all_tokens=True), made(max_train_samples=9)]
    model = shutil.copytree(tiny_model, tmp_path / "model")
    vocabulary = (model / "tokenizer.json").read_text()
    (model / "tokenizer.json").write_text(vocabulary.replace('"praised"', '"prized"'))
    others.append(made(model=model))
    labels_file = ready / "labels.txt"
    labels_file.write_text("".join(f"{tag}\n" for tag in reversed(labels_file.read_text().split())))
    others.append(made())
    (ready / "train.txt").write_text((ready / "train.txt").read_text().replace("oslo", "vienna"))
    others.append(made())
    keys = [place.split()[0] for place in (first, *others)]
    assert len(set(keys)) == len(keys)


# -- how it is learnt ------------------------------------------------------------------------------


def test_batches_of_a_step_are_the_step(ready: Workspace, tiny_model: str) -> None:
    """Accumulated batches and a large one take the same steps; only dropout draws other numbers."""
    large = quick(ready, tiny_model, batch_size=16)
    small = quick(ready, tiny_model, batch_size=4, gradient_accumulation_steps=4)
    assert large["steps"] == small["steps"] == 4
    assert small["history"][0]["loss"] == pytest.approx(large["history"][0]["loss"], abs=0.1)


def test_a_model_that_cannot_be_packed_takes_as_many_steps_as_one_that_can(
    ready: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    """DistilBERT takes no position ids: its batches are padded, four of like length a step."""
    from transformers import DistilBertConfig, DistilBertModel, set_seed

    model = str(shutil.copytree(tiny_model, tmp_path / "distilbert"))
    size = json.loads((Path(model) / "config.json").read_text())["vocab_size"]
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 128}
    set_seed(0)
    DistilBertModel(DistilBertConfig(vocab_size=size, **sizes)).save_pretrained(model)
    assert quick(ready, model, batch_size=8)["steps"] == 8
    assert quick(ready, model, batch_size=8, gradient_accumulation_steps=2)["steps"] == 4


def test_fast_dropout_has_a_switch_of_its_own_and_means_nothing_without_packing(
    ready: Workspace, tiny_model: str
) -> None:
    def trained(**options: bool) -> bytes:
        quick(ready, tiny_model, precision="fp32", **options)
        return weights(ready)

    assert trained() != trained(fast_dropout=False)
    assert trained(packing=False) == trained(packing=False, fast_dropout=False)


def test_a_compiled_model_ends_with_the_same_weights(ready: Workspace, tiny_model: str) -> None:
    """Traced by torch.compile, and run by its backend that leaves the operations as they are."""
    quick(ready, tiny_model, fast_dropout=False)
    plain = weights(ready)
    quick(ready, tiny_model, fast_dropout=False, compile=True, settings=["torch_compile_backend=eager"])
    assert weights(ready) == plain


@pytest.mark.parametrize("limit", [1, 3])
def test_so_many_of_the_last_checkpoints_are_kept(limit: int, ready: Workspace, tiny_model: str) -> None:
    quick(ready, tiny_model, save_steps=1, save_total_limit=limit)
    names = sorted(path.name for path in (ready / "model").glob("checkpoint-*"))
    assert names == [f"checkpoint-{step}" for step in range(5 - limit, 5)]


def test_a_budget_of_subwords_makes_batches_that_train(ready: Workspace, tiny_model: str) -> None:
    facts = quick(ready, tiny_model, max_tokens_per_batch=48, num_epochs=4.0, batch_size=32)
    assert facts["dev_f1"] > 0.9
    assert facts["steps"] > 4 * 7


@pytest.mark.parametrize(
    "options",
    [
        {"pad_to_max_length": True},
        {"packing": False},
        {"gradient_checkpointing": True},
        {"precision": "bf16"},
        {"settings": ["label_smoothing_factor=0.1", "lr_scheduler_type=cosine", "max_grad_norm=0"]},
        {"settings": ["eval_strategy=steps", "eval_steps=5", "dataloader_num_workers=1"]},
    ],
)
def test_other_ways_to_train_train_as_well(options: dict[str, Any], ready: Workspace, tiny_model: str) -> None:
    facts = quick(ready, tiny_model, num_epochs=6.0, batch_size=4, **options)
    assert facts["dev_f1"] > 0.9
    if "eval_steps=5" in options.get("settings", []):
        assert [row["step"] for row in facts["history"][:2]] == [5, 10]


def test_training_ends_where_dev_gets_no_better(ready: Workspace, tiny_model: str) -> None:
    """With a rate of 0 no epoch is better than the first, and the last one is as good."""
    facts = quick(ready, tiny_model, num_epochs=9.0, learning_rate=0.0, patience=2)
    assert len(facts["history"]) == 3
    assert facts["epoch_kept"] == 3.0
    results = json.loads((ready / "model/all_results.json").read_text())
    assert (results["epoch"], results["eval_f1"], results["train_samples"]) == (3.0, facts["dev_f1"], 60)
    assert results["eval_loss"] == pytest.approx(facts["dev_loss"], abs=1e-4)


def test_the_loss_on_dev_is_the_mean_over_its_words(ready: Workspace, tiny_model: str) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    facts = quick(ready, tiny_model)
    model = AutoModelForTokenClassification.from_pretrained(ready / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(ready / "model")
    losses = []
    for sentence in read_sentences(ready / "dev.txt"):
        encoded = tokenizer(sentence.tokens, is_split_into_words=True, return_tensors="pt")
        word_ids = encoded.word_ids()
        first = [word_ids.index(word) for word in range(len(sentence.tokens))]
        gold = torch.tensor([model.config.label2id[tag] for tag in sentence.tags])
        losses += torch.nn.functional.cross_entropy(model(**encoded).logits[0, first], gold, reduction="none").tolist()
    assert facts["dev_loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)


def test_an_ended_training_that_was_killed_before_it_published_takes_no_step_more(
    ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"num_epochs": 9.0, "learning_rate": 0.0, "patience": 2}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publish, "link_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            quick(ready, tiny_model, **options)
    facts = quick(ready, tiny_model, **options)
    assert (facts["steps"], len(facts["history"])) == (12, 3)


def test_several_seeds_are_trained_and_the_best_on_dev_is_kept(ready: Workspace, tiny_model: str) -> None:
    facts = quick(ready, tiny_model, seeds="1,2,3", ensemble=True)
    values = [row["dev_f1"] for row in facts["seeds"]]
    assert [row["seed"] for row in facts["seeds"]] == [1, 2, 3]
    assert facts["dev_f1"] == max(values)
    assert (facts["mean"], facts["deviation"]) == (statistics.mean(values), statistics.stdev(values))
    assert_test_scores(ready, facts)
    best = weights(ready)
    quick(ready, tiny_model, seed=facts["seeds"][values.index(max(values))]["seed"])
    assert weights(ready) == best


def assert_test_scores(workspace: Workspace, facts: dict[str, Any]) -> None:
    """Every seed has the test score that `evaluate` finds with its model; table, card and page show the mean."""
    on_test = [row["test_f1"] for row in facts["seeds"]]
    assert (facts["test_mean"], facts["test_deviation"]) == (statistics.mean(on_test), statistics.stdev(on_test))
    kept = next(row for row in facts["seeds"] if row["kept"])
    scores = evaluate.run(workspace, evaluate.Options()).facts
    assert (scores["dev"]["f1"], scores["test"]["f1"]) == (kept["dev_f1"], kept["test_f1"])
    folders = {path.name: path for path in (workspace / SEEDS).iterdir()}
    assert [*sorted(folders)] == ["1", "2", "3"] and not [*(workspace / SEEDS).glob("*/checkpoint-*")]
    sentences = [*read_sentences(workspace / "test.txt")]
    for row in facts["seeds"]:
        scorer = Scorer()
        tagger = load_tagger(folders[str(row["seed"])])
        for sentence, tags in zip(sentences, tagger.tag(one.tokens for one in sentences), strict=True):
            scorer.add(sentence.tags, tags)
        assert scorer.headline == row["test_f1"]
    assert local_models(str(workspace / SEEDS)) == [folders[name] for name in ("1", "2", "3")]
    mean = f"{facts['test_mean']:.4f}"
    assert mean in (workspace / "model/README.md").read_text()
    page = (workspace / "evaluation/report.html").read_text()
    assert '<table id="seeds">' in page and mean in page
    assert "seeds/2/config.json" in workspace.records()["train"]["writes"]


def test_models_of_seeds_are_replaced_together_and_only_by_word(ready: Workspace, tiny_model: str) -> None:
    quick(ready, tiny_model, seeds="1,2,3", ensemble=True)
    with pytest.raises(NertoolError, match=r"seeds holds what train made before.*\n.*keep it: move it"):
        quick(ready, tiny_model, seeds="1,2", ensemble=True, output_dir="b", overwrite_output_dir=False)
    quick(ready, tiny_model, seeds="1,2", ensemble=True)
    assert sorted(path.name for path in (ready / SEEDS).iterdir()) == ["1", "2"], "none of other trainings is a teacher"
    quick(ready, tiny_model, output_dir="student")
    assert (ready / SEEDS).exists(), "they may be teachers of another model"
    with pytest.raises(NertoolError, match=r"seeds holds 1/calibration.json.*\n.*nertool train --force"):
        quick(ready, tiny_model, seeds="3,4", ensemble=True, output_dir="student")
    quick(ready, tiny_model, seeds="3,4", ensemble=True, output_dir="student", force=True)
    assert sorted(path.name for path in (ready / SEEDS).iterdir()) == ["3", "4"]


def test_a_model_that_exists_is_replaced_only_by_word_and_another_directory_leaves_it(
    ready: Workspace, tiny_model: str
) -> None:
    train.run(ready, train.Options(model=tiny_model, **QUICK))  # type: ignore[arg-type]
    before = weights(ready)
    other = {**QUICK, "seed": 2}
    with pytest.raises(NertoolError, match=r"model holds what train made before.*\n.*--overwrite-output-dir"):
        train.run(ready, train.Options(model=tiny_model, **other))  # type: ignore[arg-type]
    again = Workspace(ready.path, invocation="nertool train --seed 2")
    with pytest.raises(NertoolError, match=r"\n.*: nertool train --seed 2 -w .* --overwrite-output-dir \(or"):
        train.run(again, train.Options(model=tiny_model, **other))  # type: ignore[arg-type]
    train.run(ready, train.Options(model=tiny_model, output_dir="second", **other))  # type: ignore[arg-type]
    assert weights(ready) == before != (ready / "second/model.safetensors").read_bytes()
    with pytest.raises(NertoolError, match=r"not written by the last train.*\n.*: nertool train --force"):
        train.run(ready, train.Options(model=tiny_model, overwrite_output_dir=True, **QUICK))  # type: ignore[arg-type]
    assert weights(ready) == before


def test_logs_of_tensorboard_lie_in_the_workspace(ready: Workspace, tiny_model: str) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    facts = quick(ready, tiny_model, report_to="tensorboard")
    (events,) = (ready / "logs").rglob("events*")
    log = EventAccumulator(str(events.parent)).Reload()
    assert [event.value for event in log.Scalars("eval/f1")] == pytest.approx([facts["dev_f1"]])


def test_the_picture_and_the_card_are_the_same_for_the_same_training(ready: Workspace, tiny_model: str) -> None:
    files = []
    for _ in range(2):
        facts = quick(ready, tiny_model, force=True)
        files.append([(ready / "model" / name).read_text() for name in ("learning_curve.svg", "README.md")])
    assert files[0] == files[1]
    assert files[0][0].startswith("<svg ") and "dev F1" in files[0][0]
    low, high = facts["dev_interval"]
    assert f"| dev | {facts['dev_f1']:.4f} | {low:.4f} to {high:.4f} |" in files[0][1]
    assert low <= facts["dev_f1"] <= high


def test_without_matplotlib_there_is_no_picture_and_a_line_that_says_so(
    ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level("INFO", logger="nertool"):
        quick(ready, tiny_model)
    assert [line for line in caplog.messages if "nertool[report]" in line] == [
        "no learning_curve.svg: matplotlib is not installed: pip install 'nertool[report]'"
    ]
    assert not (ready / "model/learning_curve.svg").exists()
    assert (ready / "model/README.md").exists()


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"max_length": 129}, "--max-length 129: .* takes 128 sub-words at most", "--max-length 128"),
        ({"settings": ["adam_bta1=0.8"]}, "the Trainer has no such argument", "adam_beta1"),
        ({"settings": ["adam_beta1=high"]}, "adam_beta1='high': this is no float", "--set adam_beta1"),
        ({"settings": ["adam_beta1"]}, "no value", "adam_beta1=VALUE"),
        ({"settings": ["learning_rate=1"]}, "has an option of its own", "--learning-rate"),
        ({"settings": ["per_device_eval_batch_size=8"]}, "nothing to set", "Leave it out"),
        ({"settings": ["lr_scheduler_type=zigzag"]}, "refuses its arguments", "lr_scheduler_type"),
        ({"settings": ["max_steps=5"], "num_epochs": 0.0}, "max_steps does not go with --num-epochs 0", "Leave one"),
        ({"settings": ["max_steps=5"], "search": 2}, "max_steps does not go with --search", "Leave one"),
        ({"settings": ["eval_strategy=no"], "patience": 2}, "--patience needs dev scores", "Leave one"),
        ({"precision": "fp16"}, "needs a GPU", "bf16"),
        ({"seeds": "1,x"}, "not whole numbers", "1,2,3"),
        ({"seeds": "7,7"}, "one seed has no deviation", "--seed 7"),
        ({"report_to": "nobody"}, "--report-to nobody", "tensorboard"),
        ({"config_name": "nowhere"}, "no model for --model nowhere", "config.json"),
        ({"tokenizer_name": "nowhere"}, "no tokenizer for --model nowhere", "config.json"),
    ],
)
def test_options_that_cannot_be_are_told_in_two_lines(
    options: dict[str, Any], message: str, hint: str, ready: Workspace, tiny_model: str
) -> None:
    with pytest.raises(NertoolError, match=message) as error:
        train.run(ready, train.Options(model=tiny_model, **options))
    assert hint in error.value.hint
    assert not (ready / "model").exists()


def test_a_test_file_that_cannot_be_scored_is_told_before_the_first_training(
    ready: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    (ready / "test.txt").write_text("anna\n")
    for options in ({"seeds": "1,2"}, {"curve": "0.5"}):
        with pytest.raises(InvalidData, match="test.txt:1: no tag behind the token"):
            train.run(ready, train.Options(model=tiny_model, **options))  # type: ignore[arg-type]
        assert not ready.under_way("train").path.exists() and not (ready / EXAMPLES).exists()
    (ready / "test.txt").write_text("")
    facts = train.run(ready, train.Options(model=tiny_model, curve="0.5", num_epochs=1.0)).facts
    assert "test.txt holds no sentence: it is not scored" in caplog.text
    assert not any("test_f1" in part for part in facts["curve"])


def test_scores_of_a_dev_that_is_not_there_are_refused(ready: Workspace, tiny_model: str) -> None:
    (ready / "dev.txt").unlink()
    with pytest.raises(InvalidOption, match="eval_strategy=epoch: there is no dev.txt"):
        train.run(ready, train.Options(model=tiny_model, keep="last", settings=["eval_strategy=epoch"]))


def test_what_another_training_left_survives_one_that_is_refused(
    ready: Workspace, trained: Path, tiny_model: str, tmp_path: Path
) -> None:
    with (ready / "train.txt").open("a") as file:
        file.write("anna O\n" * 30)
    running = ready.under_way("train")
    running.begin({"options": {}})
    (running.path / "checkpoint-7").mkdir()
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "model.safetensors").write_bytes(b"")
    refused: list[dict[str, Any]] = [
        {"max_tokens_per_batch": 30, "teachers": [str(trained)]},
        {"max_tokens_per_batch": 30, "curve": "0.5"},
        {"teachers": ["nobody/nothing"]},
        {"settings": ["lr_scheduler_type=cosine_with_min_lr"]},
        {"model": str(broken)},
    ]
    for options in refused:
        with pytest.raises(NertoolError):
            train.run(ready, train.Options(**{"model": tiny_model, **options}))
        assert (running.path / "checkpoint-7").exists(), options
    assert not (ready / EXAMPLES / "teachers").exists()
    shutil.rmtree(running.path)
    with pytest.raises(NertoolError, match="the loss is nan"):
        train.run(ready, train.Options(model=tiny_model, learning_rate=1e30))
    assert not running.path.exists()


def test_a_model_of_a_kind_without_a_head_for_tags_is_refused(
    ready: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "vit", "architectures": ["ViTModel"]}))
    with pytest.raises(InvalidOption, match="models of type vit have no head for token classification"):
        train.run(ready, train.Options(model=str(folder)))


def test_a_head_of_another_size_starts_anew_where_that_is_wanted(trained: Path, tmp_path: Path) -> None:
    copy = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    for path in (copy / "train.txt", copy / "dev.txt", copy / "test.txt"):
        path.write_text(path.read_text().replace("I-LOC", "O"))
    labels.run(copy, labels.Options())
    start = str(trained / "model")
    with pytest.raises(InvalidOption, match="fine-tuned for other labels"):
        train.run(copy, train.Options(model=start, force=True, **QUICK))  # type: ignore[arg-type]
    options = train.Options(model=start, force=True, ignore_mismatched_sizes=True, **QUICK)  # type: ignore[arg-type]
    train.run(copy, options)
    known = json.loads((copy / "model/config.json").read_text())["label2id"]
    assert sorted(known) == (copy / "labels.txt").read_text().split()


def test_half_precision_weights_are_trained_in_full(ready: Workspace, tiny_model: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model, tmp_path / "half")
    half = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(half, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16", "dtype": "bfloat16"}))
    quick(ready, str(folder))
    assert {tensor.dtype for tensor in load_file(ready / "model/model.safetensors").values()} == {torch.float32}


# -- a model with a slow tokenizer -----------------------------------------------------------------


@pytest.fixture
def japanese(tmp_path: Path) -> str:
    """A tiny model whose tokenizer has no fast sibling: BertJapaneseTokenizer, characters as sub-words."""
    from transformers import BertConfig, BertJapaneseTokenizer, BertModel, set_seed

    folder = tmp_path / "japanese"
    folder.mkdir()
    letters = sorted(set("annabrunoclaraosloviennanewlisbonvisitedleftpraisedsaw.!東京大阪は"))
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    (folder / "vocab.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    tokenizer = BertJapaneseTokenizer(
        str(folder / "vocab.txt"),
        word_tokenizer_type="basic",
        subword_tokenizer_type="character",
        model_max_length=128,
    )
    tokenizer.save_pretrained(folder)
    set_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(entries),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=128,
        )
    ).save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
def test_a_model_with_a_slow_tokenizer_goes_the_whole_way(workspace: Workspace, japanese: str) -> None:
    from nertool.models.names import load_tokenizer
    from nertool.stages import predict, quantize

    for name in ("train", "dev", "test"):
        path = workspace / f"{name}.txt.tmp"
        path.write_text(path.read_text().replace("oslo", "東京").replace("vienna", "大阪"))
    assert not load_tokenizer(japanese).is_fast
    fill(workspace, japanese, "evaluate")
    facts = workspace.facts("train")
    assert facts["dev_f1"] > 0.9
    assert not load_tokenizer(str(workspace / "model")).is_fast
    assert workspace.facts("evaluate:dev")["f1"] == facts["dev_f1"]
    quantized = find_spec("optimum") is not None
    if quantized:
        with measured_here():
            assert quantize.run(workspace, quantize.Options(tolerance=0.5)).ok
    predict.run(workspace, predict.Options(split="test", quantized=quantized))
    assert "東京 B-LOC" in (workspace / "predictions/test.conll").read_text()
