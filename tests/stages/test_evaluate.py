"""Evaluation: files that other tools can score, every word in its place, stale models refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import undrawn
from seqeval.metrics import f1_score

from nertool.cli.evaluation_tables import evaluation_tables
from nertool.corpus.column_files import read_sentences
from nertool.errors import InvalidData, InvalidOption, MissingInput, StaleInput
from nertool.models.load_tagger import load_tagger
from nertool.sources.recipes import RECIPES
from nertool.stages import evaluate, predict, train
from nertool.tags import spans
from nertool.workspace.workspace import Workspace


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


def test_a_split_without_sentences_is_told(copy: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    (copy / "test.txt").write_text("\n\n")
    facts = evaluate.run(copy, evaluate.Options(split=["test"], allow_stale=True)).facts["test"]
    assert (facts["sentences"], facts["support"], facts["f1"]) == (0, 0, 0.0)
    assert "test holds no sentence" in caplog.text


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


def test_all_splits_and_both_models_in_one_call(copy: Workspace) -> None:
    """INT8 is stood in for by a graph in FP32: what matters is where results go."""
    pytest.importorskip("onnxruntime")
    from nertool.int8.onnx_runtime import Exported
    from nertool.models.torch_model import as_tensors

    shutil.copytree(copy / "model", copy / "quantized", ignore=shutil.ignore_patterns("checkpoint-*", "*.safetensors"))
    fp32 = load_tagger(copy / "model", device="cpu", as_stored=True)
    Exported(fp32.model, [as_tensors(fp32.collate([[2, 9, 3], [2, 9, 9, 9, 3]]))], copy / "quantized")
    (copy / "quantized/quantization.json").write_text("{}")
    result = evaluate.run(copy, evaluate.Options(split=["train", "dev", "test"], both=True, allow_stale=True))
    names = {f"{model}{split}" for model in ("", "quantized ") for split in ("train", "dev", "test")}
    assert set(result.facts) == names
    assert result.facts["quantized dev"]["f1"] == result.facts["dev"]["f1"]
    assert (copy / "evaluation/quantized/train_errors.jsonl").exists()
    assert {"INT8 test", "FP32 train"} <= set(re.findall(r"<option>([^<]+)</option>", _report(copy)))
    without = evaluate.run(copy, evaluate.Options(both=True, split=["dev"], allow_stale=True)).facts
    assert set(without) == {"dev", "quantized dev"}


@pytest.mark.slow
def test_a_model_compared_with_itself_is_no_better(copy: Workspace, tmp_path: Path) -> None:
    other = shutil.copytree(copy.path, tmp_path / "other")
    evaluate.run(Workspace(other), evaluate.Options())
    before = (copy / "model/config.json").read_bytes()
    places = [other, other / "model", other / "evaluation", "model"]
    for place in places:
        row = evaluate.run(copy, evaluate.Options(compare=str(place))).facts["comparison"]["test"]
        assert (row["difference"], row["interval"], row["p"]) == (0.0, (0.0, 0.0), 1.0)
    file = str(other / "evaluation/dev_predictions.txt")
    facts = evaluate.run(copy, evaluate.Options(compare=file, split=["dev"])).facts["comparison"]
    assert (facts["other"], facts["dev"]["p"]) == ("dev_predictions.txt", 1.0)
    assert (copy / "model/config.json").read_bytes() == before
    told = json.loads((copy / "evaluation/comparison.json").read_text())
    assert told["dev"]["ours"] == told["dev"]["other"]
    assert "Compared with dev_predictions.txt" in _report(copy)


def test_a_worse_model_is_told_from_ours(copy: Workspace, tmp_path: Path) -> None:
    evaluate.run(copy, evaluate.Options())
    lines = (copy / "evaluation/test_predictions.txt").read_text().splitlines()
    worse = tmp_path / "worse.txt"
    worse.write_text(
        "\n".join(line if number % 2 else re.sub(r" \S+$", " O", line) for number, line in enumerate(lines))
    )
    row = evaluate.run(copy, evaluate.Options(compare=str(worse), split=["test"])).facts["comparison"]["test"]
    assert row["difference"] == pytest.approx(row["ours"] - row["other"])
    assert row["interval"][0] > 0 and row["p"] < 0.001


def test_what_cannot_be_compared_is_refused(copy: Workspace, tmp_path: Path) -> None:
    evaluate.run(copy, evaluate.Options())
    with pytest.raises(MissingInput, match="neither a predictions file nor a workspace"):
        evaluate.run(copy, evaluate.Options(compare=str(tmp_path / "none")))
    other = tmp_path / "other.txt"
    other.write_text("somebody O O\n")
    with pytest.raises(InvalidOption, match="one file, but 2 splits"):
        evaluate.run(copy, evaluate.Options(compare=str(other)))
    with pytest.raises(InvalidData, match=r"other\.txt:1: 'somebody' where .*dev_predictions.txt:1 has"):
        evaluate.run(copy, evaluate.Options(compare=str(other), split=["dev"]))
    assert not (copy / "evaluation/comparison.json").exists()
    with pytest.raises(InvalidOption, match="options of score"):
        evaluate.run(copy, evaluate.Options(predicted=str(other)))


def test_what_was_seen_in_train_is_told_apart(copy: Workspace) -> None:
    with (copy / "test.txt").open("a") as file:
        file.write("nobody B-PER\n\n")
    facts = evaluate.run(copy, evaluate.Options(split=["test"], allow_stale=True)).facts["test"]
    train = set(_entities(copy / "train.txt"))
    seen = sum(entity in train for entity in _entities(copy / "test.txt"))
    assert 0 < seen < facts["support"]
    groups = {name: row["support"] for name, row in facts["by"]["seen"].items()}
    assert groups == {"in_train": seen, "not_in_train": facts["support"] - seen}


@pytest.mark.parametrize(("recipe", "name"), [("wnut17", "surface forms"), ("germeval2014", "outer layer alone")])
def test_the_score_of_the_task_and_the_published_one_stand_beside_ours(copy: Workspace, recipe: str, name: str) -> None:
    records = json.loads((copy / "workspace.json").read_text())
    empty: dict[str, object] = {"options": {}, "versions": {}, "reads": {}, "sources": {}, "writes": {}}
    records["stages"]["download"] = {**empty, "facts": {"recipe": recipe}}
    (copy / "workspace.json").write_text(json.dumps(records))
    facts = evaluate.run(copy, evaluate.Options(split=["test"], force=True)).facts["test"]
    assert name in facts["task_score"]["name"]
    assert facts["published"]["support"] == RECIPES[recipe].scores["test"].gold
    assert ("TensorFlow" in _report(copy)) == (recipe == "germeval2014")


def test_both_layers_count_together(copy: Workspace, tmp_path: Path) -> None:
    inner = tmp_path / "inner.txt"
    tokens = [s.tokens for s in read_sentences(copy / "test.txt")]
    rows = ["".join(f"{token} {'B-X B-X' if at == 0 else 'O O'}\n" for at, token in enumerate(row)) for row in tokens]
    inner.write_text("\n".join(rows))
    facts = evaluate.run(copy, evaluate.Options(split=["test"], inner=str(inner))).facts["test"]
    task = facts["task_score"]
    assert task["name"] == "metric 1, both layers"
    for key in ("correct", "predicted", "support"):
        assert task[key] == facts[key] + len(tokens)
    assert task["interval"]["f1"][0] <= task["f1"] <= task["interval"]["f1"][1]
    inner.write_text("\n".join(rows[1:]))
    with pytest.raises(InvalidData, match=r"inner\.txt:\d+: .* where .*test\.txt:\d+ has"):
        evaluate.run(copy, evaluate.Options(split=["test"], inner=str(inner)))


def _entities(path: Path) -> list[tuple[str, str]]:
    return [
        (" ".join(sentence.tokens[span.start : span.end]), span.label)
        for sentence in read_sentences(path)
        for span in spans(sentence.tags)
    ]


def _report(workspace: Workspace) -> str:
    return (workspace / "evaluation/report.html").read_text(encoding="utf-8")


def _with_texts(workspace: Workspace) -> Workspace:
    for split in ("train", "dev", "test"):
        shutil.copy(workspace / f"{split}.txt.tmp", workspace / f"{split}.txt")
    return workspace


# -- thresholds ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_plots() -> Iterator[None]:
    with undrawn():
        yield


@pytest.fixture
def unsure(copy: Workspace) -> Workspace:
    """A workspace whose model is right on some of dev alone."""
    lines = (copy / "dev.txt").read_text().replace("anna B-PER", "anna O").replace("oslo B-LOC", "oslo O")
    (copy / "dev.txt").write_text(lines)
    return copy


def test_thresholds_reach_what_is_wanted_and_are_kept_beside_the_model(unsure: Workspace) -> None:
    options = evaluate.Options(recall=["0.5", "PER=0.9"], allow_stale=True)
    result = evaluate.run(unsure, options)
    kept = json.loads((unsure / "model/thresholds.json").read_text())
    assert kept == json.loads(json.dumps(result.facts["thresholds"]))
    assert [point["type"] for point in kept["points"]] == ["", "PER"]
    for point in kept["points"]:
        assert point["dev"]["recall"] >= point["wanted"] and {"precision", "interval"} <= point["test"].keys()
    assert evaluate.run(unsure, options).fresh
    assert evaluate.run(unsure, evaluate.Options(allow_stale=True)).fresh  # the model is the one that was evaluated
    other = evaluate.run(unsure, evaluate.Options(recall=["0.4"], allow_stale=True))
    assert not other.fresh and "thresholds again: recall is another" in other.why


@pytest.mark.parametrize(
    ("file", "content", "wanted"),
    [
        ("model/thresholds.json", '{"points": [', "is not JSON"),
        ("model/thresholds.json", "[]", "holds no JSON object"),
        (
            "model/thresholds.json",
            '{"measure": "recall", "points": [{"type": "PER", "dev": {}}]}',
            "not what nertool writes",
        ),
        ("quantized/quantization.json", '{"fp32": 1, "trials": []}', "not what nertool writes"),
    ],
)
def test_damaged_files_of_the_page_are_told_before_anything_is_scored(
    copy: Workspace, file: str, content: str, wanted: str
) -> None:
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_text(content)
    with pytest.raises(InvalidData, match=rf"{file}.* {wanted}"):
        evaluate.run(copy, evaluate.Options(split=["dev"], allow_stale=True))
    assert not (copy / "evaluation").exists()
    if file.startswith("model"):
        evaluate.run(copy, evaluate.Options(split=["dev"], allow_stale=True, recall=["0.1"], force=True))


def test_thresholds_go_with_their_model(copy: Workspace, tiny_model: str) -> None:
    evaluate.run(copy, evaluate.Options(recall=["0.5"]))
    states = {state.stage: state.name for state in copy.status()}
    assert states["evaluate:thresholds"] == "fresh" and "missing" not in {states["evaluate:dev"], states["train"]}
    with pytest.raises(InvalidData, match="for scores of --decoding viterbi, and tags are decoded by argmax"):
        predict.run(copy, predict.Options(split="dev", thresholds="own", decoding="argmax"))
    train.run(copy, train.Options(model=tiny_model, num_epochs=1.0, force=True))
    assert not (copy / "model/thresholds.json").exists()
    assert {state.stage: state.name for state in copy.status()}["evaluate:thresholds"] == "missing"


def test_entities_and_their_scores_are_kept(copy: Workspace) -> None:
    results = evaluate.run(copy, evaluate.Options(split=["dev"])).facts["dev"]
    rows = [json.loads(line) for line in (copy / "evaluation/dev_entities.jsonl").read_text().splitlines()]
    assert [row["sentence"] for row in rows] == list(range(1, results["sentences"] + 1))
    assert sum(len(row["gold"]) for row in rows) == results["support"]
    assert sum(len(row["predicted"]) for row in rows) == results["predicted"]
    lowest, highest = results["by_threshold"][0], results["by_threshold"][-1]
    assert (lowest["precision"], lowest["recall"]) == pytest.approx((results["precision"], results["recall"]))
    assert lowest["threshold"] <= highest["threshold"] and lowest["recall"] >= highest["recall"]


def test_results_say_by_which_decoding_they_are(copy: Workspace) -> None:
    for decoding, shown in (("argmax", "conlleval, argmax<"), ("viterbi", "conlleval<")):
        result = evaluate.run(copy, evaluate.Options(split=["dev"], decoding=decoding))
        (table,) = evaluation_tables(result.facts)
        assert result.facts["dev"]["decoding"] == decoding
        assert ("decoded by argmax" in str(table.caption)) == (decoding == "argmax")
        assert f">{shown}/td>" in _report(copy)


def test_what_no_threshold_can_reach_is_refused_and_nothing_is_kept(unsure: Workspace) -> None:
    with pytest.raises(InvalidOption, match=r"--recall 1: no threshold .* the best one has precision"):
        lines = (unsure / "dev.txt").read_text().replace("visited O", "visited B-PER")
        (unsure / "dev.txt").write_text(lines)
        evaluate.run(unsure, evaluate.Options(recall=["1"], allow_stale=True))
    assert not (unsure / "model/thresholds.json").exists()


def test_wishes_that_cannot_be_are_refused_before_anything_is_tagged(copy: Workspace) -> None:
    for options in ({"precision": ["2"]}, {"recall": ["GPE=0.5"]}, {"recall": ["0.5"], "split": ["test"]}):
        with pytest.raises(InvalidOption, match=f"--{next(iter(options))}"):
            evaluate.run(copy, evaluate.Options(**options))
    with pytest.raises(InvalidOption, match="Give one of them|cannot both"):
        evaluate.Options(precision=["0.9"], recall=["0.9"])
    assert not (copy / "evaluation").exists()


def test_scores_that_were_edited_or_removed_are_two_lines(copy: Workspace) -> None:
    evaluate.run(copy, evaluate.Options())
    entities = copy / "evaluation/dev_entities.jsonl"
    for content in ("{", "[" * 100_000, '{"gold": 1}', '{"gold": [], "predicted": [{}]}'):
        entities.write_text(content)
        with pytest.raises(InvalidData, match="not what nertool writes"):
            evaluate.run(copy, evaluate.Options(precision=["0.5"]))
    entities.unlink()
    assert evaluate.run(copy, evaluate.Options(precision=["0.5"])).facts["thresholds"]["points"]


def test_tags_that_the_model_lacks_are_told(copy: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    (copy / "test.txt").write_text("anna B-PERSON\nflew o\n\noslo B-LOC\n\n", encoding="utf-8")
    evaluate.run(copy, evaluate.Options(split=["test"], allow_stale=True))
    assert "test.txt: 2 tokens with tags that the model lacks, so it cannot predict them: B-PERSON, o" in caplog.text
