"""The data curve: parts that are nested, a model as without it, and no more said than the intervals allow."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import fill

from nertool.cli.tables import render
from nertool.corpus.column_files import read_sentences
from nertool.errors import InvalidOption, MissingInput
from nertool.models.load_tagger import load_tagger
from nertool.scoring.bootstrap import compare
from nertool.scoring.scorer import Scorer
from nertool.stages import evaluate, train
from nertool.stages.train_options import parse_shares
from nertool.training import data_curve
from nertool.training.data_curve import PartScore, compare_parts, draw_parts, outlook
from nertool.training.facts import GainFacts
from nertool.training.finetune import FineTuning
from nertool.workspace.stage import Result
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")

QUICK = {"num_epochs": 2.0, "batch_size": 8, "learning_rate": 5e-3}


def quick(workspace: Workspace, model: str, **options: Any) -> Result:
    return train.run(workspace, train.Options(model=model, overwrite_output_dir=True, **{**QUICK, **options}))


def weights(workspace: Workspace) -> bytes:
    return (workspace / "model/model.safetensors").read_bytes()


# -- parts -----------------------------------------------------------------------------------------


def test_each_part_holds_the_smaller_ones_and_counts_what_it_holds(ready: Workspace) -> None:
    path = ready / "train.txt"
    parts = draw_parts(path, None, [0.1, 0.25, 0.5, 1.0], seed=3)
    assert [len(part.sentences) for part in parts] == [6, 15, 30, 60]
    for smaller, larger in zip(parts, parts[1:], strict=False):
        assert set(smaller.sentences) < set(larger.sentences)
    sentences = [*read_sentences(path)]
    for part in parts:
        chosen = [sentences[number] for number in part.sentences]
        scorer = Scorer()
        for sentence in chosen:
            scorer.add(sentence.tags, sentence.tags)
        assert (part.words, part.entities) == (sum(len(one.tokens) for one in chosen), scorer.counts.gold)
    again, other = (draw_parts(path, None, [0.5, 1.0], seed=seed)[0].sentences for seed in (3, 4))
    assert np.array_equal(again, parts[2].sentences) and not np.array_equal(other, again)


def test_parts_are_drawn_from_the_sentences_that_are_trained_on(ready: Workspace) -> None:
    part, whole = draw_parts(ready / "train.txt", 20, [0.5, 1.0], seed=1)
    assert (len(part.sentences), whole.sentences.tolist()) == (10, list(range(20)))


@pytest.mark.parametrize(
    ("shares", "error"),
    [
        ([0.001, 1.0], "--curve 0.001: no sentence of 60"),
        ([0.5, 0.501, 1.0], "--curve 0.501: 30 sentences, as many as the share before"),
        ([0.999, 1.0], "--curve 1: 60 sentences, as many"),
    ],
)
def test_parts_without_sentences_of_their_own_are_refused(shares: list[float], error: str, ready: Workspace) -> None:
    with pytest.raises(InvalidOption, match=error):
        draw_parts(ready / "train.txt", None, shares, seed=1)


def test_a_part_without_an_entity_is_refused_but_tags_without_types_have_none(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("Anna B-PER\n\n" + "it O\n\n" * 9)
    with pytest.raises(InvalidOption, match="--curve 0.1: 1 sentence without an entity"):
        for seed in range(20):
            draw_parts(path, None, [0.1, 1.0], seed)
    path.write_text("it PRON\nruns VERB\n\n" * 10)
    assert [part.entities for part in draw_parts(path, None, [0.1, 1.0], seed=1)] == [0, 0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x", "not numbers"),
        ("", "--curve: empty"),
        ("0.5,,1", "not numbers"),
        ("0,1", "above 0"),
        ("-0.5,1", "above 0"),
        ("0.5,1.5", "above 0, and 1 at most"),
        ("nan,1", "above 0"),
        ("0.5,inf", "1 at most"),
        ("0.5,0.5,1", "larger than the one before"),
        ("1,0.5", "larger than the one before"),
        ("1", "two shares at least"),
    ],
)
def test_shares_that_make_no_curve_are_refused(text: str, error: str) -> None:
    with pytest.raises(InvalidOption, match=error):
        train.Options(curve=text)


@pytest.mark.parametrize(
    ("other", "error"),
    [({"seeds": "1,2"}, "--seeds does not go with --curve"), ({"search": 2}, "--search does not go with --curve")],
)
def test_a_curve_does_not_go_with_other_comparisons(other: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidOption, match=error):
        train.Options(curve="0.5,1", **other)


def test_shares_are_numbers() -> None:
    assert parse_shares("0.25, 0.5,1") == [0.25, 0.5, 1.0]


# -- what more data may bring ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ([0.01, 0.05], "With 2 times as many as now, it may rise further, as a rule by less."),
        ([-0.01, 0.05], "What 2 times as many would bring is not known: the interval holds 0."),
        ([0.0, 0.0], "is not known"),
        ([-0.05, -0.01], "More sentences did not help."),
    ],
)
def test_no_more_is_said_than_the_interval_allows(interval: list[float], said: str) -> None:
    gain: GainFacts = {"sentences": 500, "times": 2.0, "difference": 0.02, "interval": interval}
    text = outlook(gain, 1000, "F1")
    assert text.startswith("From 500 to 1,000 sentences, dev F1 changed by +0.0200 (95 %: ")
    assert said in text


def test_the_gain_is_that_from_the_part_nearest_to_half() -> None:
    rows = np.array([[1, 1, 1], [0, 1, 1], [1, 2, 1], [0, 0, 2]])
    scores: list[PartScore] = []
    for sentences, right in ((10, 0), (40, 1), (90, 2), (100, 3)):
        facts: Any = {"sentences": sentences}
        scores.append(PartScore(facts, rows * [right > 1, 1, 1]))
    gain = compare_parts(scores, "F1")["gain"]
    expected = compare(scores[3].counts, scores[1].counts)
    assert gain == {
        "sentences": 40,
        "times": 2.5,
        "difference": expected.value,
        "interval": list(expected.interval),
    }


# -- trainings -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_model_is_the_one_without_a_curve_and_every_part_has_its_scores(
    ready: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain = quick(ready, tiny_model).facts
    evaluate.run(ready, evaluate.Options())
    alone = weights(ready)
    with caplog.at_level("INFO", logger="nertool"):
        result = quick(ready, tiny_model, curve="0.25,0.5")
    assert "--curve 0.25,0.5: 1 is added" in caplog.text
    facts = result.facts
    assert weights(ready) == alone and {name: facts[name] for name in plain} == plain
    assert not (ready / ".training").exists()
    rows = facts["curve"]
    assert [(row["share"], row["sentences"]) for row in rows] == [(0.25, 15), (0.5, 30), (1.0, 60)]
    assert [row["steps"] for row in rows] == [4, 8, 16]
    scores = evaluate.run(ready, evaluate.Options()).facts
    for split in ("dev", "test"):
        assert rows[-1][f"{split}_f1"] == scores[split]["f1"]
        assert rows[-1][f"{split}_interval"] == list(scores[split]["interval"]["f1"])
    assert facts["gain"]["difference"] == pytest.approx(rows[2]["dev_f1"] - rows[1]["dev_f1"])
    shown = [str(cell) for column in render(result)[-1].columns for cell in column.cells]
    assert {"0.25", "15", f"{rows[0]['test_f1']:.4f}"} <= set(shown)
    assert "data curve" in (ready / "model/data_curve.svg").read_text().replace("-", " ")
    page, card = (ready / "evaluation/report.html").read_text(), (ready / "model/README.md").read_text()
    assert '<table id="curve">' in page and "data-curve" in page
    assert facts["outlook"] in page and facts["outlook"] in card
    low, high = rows[0]["test_interval"]
    assert f" | {rows[0]['test_f1']:.4f} | {low:.4f} to {high:.4f} |" in card
    assert "distil" not in card and "unlabelled" not in card, "there is no teacher"


def test_a_part_trains_as_train_does_on_these_sentences(ready: Workspace, tiny_model: str) -> None:
    facts = quick(ready, tiny_model, curve="0.5,1").facts
    part = draw_parts(ready / "train.txt", None, [0.5, 1.0], seed=1)[0]
    sentences = [*read_sentences(ready / "train.txt")]
    with (ready / "train.txt").open("w") as file:
        for number in part.sentences:
            pairs = zip(sentences[number].tokens, sentences[number].tags, strict=True)
            file.write("".join(f"{token} {tag}\n" for token, tag in pairs) + "\n")
    alone = quick(ready, tiny_model).facts
    row = facts["curve"][0]
    for name in ("sentences", "words", "steps", "epoch_kept", "dev_f1", "dev_interval"):
        assert row[name] == alone[name], name
    scorer, test = Scorer(), [*read_sentences(ready / "test.txt")]
    for sentence, tags in zip(test, load_tagger(ready / "model").tag(one.tokens for one in test), strict=True):
        scorer.add(sentence.tags, tags)
    assert row["test_f1"] == scorer.headline


class Killed(BaseException):
    pass


@pytest.mark.parametrize("damaged", [False, True])
def test_parts_that_a_killed_run_has_scored_are_gone_on_from(
    damaged: bool,
    ready: Workspace,
    tiny_model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copy = Workspace(shutil.copytree(ready.path, tmp_path / "whole"))
    whole = quick(copy, tiny_model, curve="0.5,1").facts
    run = FineTuning.run
    names: list[str] = []

    def killed(self: FineTuning, name: str, *others: Any) -> Any:
        names.append(name)
        if len(names) == 2:
            raise Killed
        return run(self, name, *others)

    monkeypatch.setattr(FineTuning, "run", killed)
    with pytest.raises(Killed):
        quick(ready, tiny_model, curve="0.5,1")
    left = {path.name for path in (ready / ".training").iterdir()}
    assert left == {"identity.json", "scored-1"}, "the weights of a part that was scored are gone"
    if damaged:
        (ready / ".training/scored-1" / data_curve.SCORE).write_text(json.dumps({"facts": {}, "counts": []}))
    facts = quick(ready, tiny_model, curve="0.5,1").facts
    assert facts == whole
    assert names[2:] == (["part 1"] if damaged else []) + ["train"]
    assert ("is damaged: the part is trained on anew" in caplog.text) == damaged


def test_teachers_teach_every_part(ready: Workspace, trained: Path, tiny_model: str, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("anna saw vienna .\nclara left oslo .\n")
    facts = quick(ready, tiny_model, curve="0.5", teachers=[str(trained)], unlabelled=[str(text)]).facts
    assert [row["sentences"] for row in facts["curve"]] == [30, 60]
    assert facts["unlabelled"] == 2


def test_a_curve_needs_dev(ready: Workspace, tiny_model: str) -> None:
    (ready / "dev.txt").unlink()
    with pytest.raises(MissingInput, match="--curve needs its scores"):
        quick(ready, tiny_model, curve="0.5", keep="last")


def test_without_test_there_are_dev_scores_alone(ready: Workspace, tiny_model: str) -> None:
    (ready / "test.txt").unlink()
    facts = quick(ready, tiny_model, curve="0.5", max_train_samples=20, max_eval_samples=5).facts
    assert [row["sentences"] for row in facts["curve"]] == [10, 20]
    assert not any("test_f1" in row for row in facts["curve"])
    scorer, dev = Scorer(), [*islice(read_sentences(ready / "dev.txt"), 5)]
    for sentence, tags in zip(dev, load_tagger(ready / "model").tag(one.tokens for one in dev), strict=True):
        scorer.add(sentence.tags, tags)
    assert facts["curve"][1]["dev_f1"] == scorer.headline


def test_tags_without_types_have_accuracies_and_no_entities(workspace: Workspace, tiny_model: str) -> None:
    for path in workspace.path.glob("*.txt.tmp"):
        lines = path.read_text().splitlines()
        tags = ["" if not line else f"{line.split()[0]} {'DET' if line.endswith(' O') else 'NOUN'}" for line in lines]
        path.write_text("\n".join(tags) + "\n")
    fill(workspace, tiny_model, "labels")
    result = quick(workspace, tiny_model, curve="0.5")
    half, whole = result.facts["curve"]
    assert result.facts["metric"] == "accuracy" and "dev accuracy changed by" in result.facts["outlook"]
    assert result.facts["gain"]["difference"] == pytest.approx(whole["dev_f1"] - half["dev_f1"])
    assert "entities" not in [str(column.header) for column in render(result)[-1].columns]
