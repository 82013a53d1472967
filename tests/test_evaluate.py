"""Evaluation: files that other tools can score, every word in its place, stale models refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from seqeval.metrics import f1_score

from nertool.columns import read_sentences
from nertool.errors import InvalidOption, MissingInput, StaleInput
from nertool.stages import evaluate
from nertool.workspace import Workspace


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Workspace:
    """A workspace filled up to `train`, to be changed at will."""
    return Workspace(shutil.copytree(trained, tmp_path / "copy"))


def test_predictions_hold_every_token_and_give_the_score_that_is_told(copy: Workspace) -> None:
    facts = evaluate.run(copy, evaluate.Options()).facts
    assert set(facts) == {"dev", "test"}
    for split in facts:
        rows = [line.split(" ") for line in (copy / f"evaluation/{split}_predictions.txt").read_text().splitlines()]
        told = json.loads((copy / f"evaluation/{split}_results.json").read_text())
        sentences = list(read_sentences(copy / f"{split}.txt"))
        assert [row[0] for row in rows if row != [""]] == [token for s in sentences for token in s.tokens]
        gold, predicted = [[]], [[]]  # type: ignore[var-annotated]
        for row in rows:
            if row == [""]:
                gold.append([])
                predicted.append([])
            else:
                gold[-1].append(row[1])
                predicted[-1].append(row[2])
        assert told["f1"] == pytest.approx(f1_score(gold, predicted))
        assert told["support"] == 2 * len(sentences)
        assert {"precision", "recall", "f1", "support", "accuracy", "types", "mode"} <= set(told)


def test_the_score_is_the_one_that_training_saw(copy: Workspace) -> None:
    assert evaluate.run(copy, evaluate.Options()).facts["dev"]["f1"] == copy.facts("train")["dev_f1"]


def test_one_split_leaves_the_others_results_alone(copy: Workspace) -> None:
    evaluate.run(copy, evaluate.Options())
    before = (copy / "evaluation/dev_results.json").stat().st_mtime_ns
    evaluate.run(copy, evaluate.Options(split=["test"], force=True))
    assert (copy / "evaluation/dev_results.json").stat().st_mtime_ns == before
    assert evaluate.run(copy, evaluate.Options()).fresh


def test_long_sentences_and_words_without_subwords_are_tagged_whole_and_counted(copy: Workspace) -> None:
    with (copy / "test.txt").open("a") as file:
        file.write("oslo B-LOC\n" * 200 + "\n" + "\x96 O\nanna B-PER\n\n")
    facts = evaluate.run(copy, evaluate.Options(split=["test"], allow_stale=True)).facts["test"]
    assert (facts["windowed"], facts["without_subwords"]) == (1, 1)
    tail = (copy / "evaluation/test_predictions.txt").read_text().splitlines()[-204:]
    assert [line.split(" ")[0] for line in tail if line] == ["oslo"] * 200 + ["\x96", "anna"]
    assert tail[-3] == "\x96 O O"


def test_a_stale_model_is_refused_with_the_command_that_mends_it(copy: Workspace) -> None:
    labels = copy / "labels.txt"
    labels.write_text(labels.read_text() + "B-NEW\n")
    with pytest.raises(StaleInput, match="nertool train"):
        evaluate.run(copy, evaluate.Options())
    assert not (copy / "evaluation").exists()


def test_a_model_for_other_labels_is_refused_even_without_records(copy: Workspace) -> None:
    (copy / "workspace.json").unlink()
    (copy / "labels.txt").write_text("B-NEW\nO\n")
    with pytest.raises(StaleInput, match="hold different labels"):
        evaluate.run(copy, evaluate.Options())


def test_a_model_that_another_script_trained_is_evaluated(copy: Workspace, tmp_path: Path) -> None:
    """A folder with `model/` and `dev.txt` is all it takes."""
    bare = tmp_path / "bare"
    shutil.copytree(copy / "model", bare / "model")
    shutil.copy(copy / "dev.txt", bare / "dev.txt")
    assert evaluate.run(Workspace(bare), evaluate.Options()).facts["dev"]["support"] == 40


def test_what_is_missing_is_named(workspace: Workspace, copy: Workspace) -> None:
    with pytest.raises(MissingInput, match="nertool train"):
        evaluate.run(_with_texts(workspace), evaluate.Options())
    with pytest.raises(MissingInput, match="nertool quantize"):
        evaluate.run(copy, evaluate.Options(quantized=True))
    with pytest.raises(InvalidOption, match="no such split"):
        evaluate.run(copy, evaluate.Options(split=["validation"]))


def _with_texts(workspace: Workspace) -> Workspace:
    for split in ("train", "dev", "test"):
        shutil.copy(workspace / f"{split}.txt.tmp", workspace / f"{split}.txt")
    return workspace
