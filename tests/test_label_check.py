"""`check --labels`: what was damaged is found, folds are kept and gone on with."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nertool import label_check
from nertool.cli.main import main
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.stages import download, train
from nertool.stages.check import Options
from nertool.workspace.names import CHECKING
from nertool.workspace.workspace import Workspace


def damage(path: Path) -> int:
    """Give one person the type of a place; returns the line."""
    lines = path.read_text().splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines) if line == "bruno B-PER\n" and number > 20)
    lines[number] = "bruno B-LOC\n"
    path.write_text("".join(lines))
    return number + 1


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `nertool check --labels` prints."""
    with pytest.raises(SystemExit) as ending:
        main(["check", "--labels", *arguments])
    assert not ending.value.code
    return capsys.readouterr().out


def test_a_damaged_tag_is_found_by_a_model_that_has_not_seen_it(
    copy: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = damage(copy / "dev.txt.tmp")
    arguments = ["--model", str(copy / "model"), "-w", str(copy.path)]
    report = json.loads(checked(capsys, *arguments, "--json"))
    first = report["suggestions"][0]
    assert (first["file"], first["line"], first["text"]) == ("dev.txt.tmp", line, "bruno")
    assert [span["label"] for span in first["gold"]] == ["LOC"]
    assert [span["label"] for span in first["predicted"]] == ["PER"]
    assert report["places"] >= len(report["suggestions"]) and report["sentences"] == 40
    page = tmp_path / "page.html"
    table = checked(capsys, *arguments, "--first", "1", "--split", "dev", "--page", str(page))
    assert f"dev.txt.tmp:{line}" in table and "LOC: bruno" in table and "PER: bruno" in table
    assert f"dev.txt.tmp:{line}" in page.read_text() and "<mark>bruno</mark>" in page.read_text()
    report = json.loads(checked(capsys, *arguments, "--split", "test", "--json"))
    assert all(one["file"] == "test.txt.tmp" for one in report["suggestions"])


def test_what_is_decided_on_is_taken_into_the_data_and_listed_no_more(
    copy: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = damage(copy / "dev.txt.tmp")
    decisions, data = tmp_path / "decisions.tsv", str(tmp_path / "data")
    arguments = ["--model", str(copy / "model"), "-w", data, "--split", "dev"]
    files = download.Options(train_file=str(copy / "train.txt.tmp"), validation_file=str(copy / "dev.txt.tmp"))
    download.run(Workspace(data), files)
    before = json.loads(checked(capsys, *arguments, "--decisions", str(decisions), "--json"))
    first = decisions.read_text().splitlines()[1].split("\t")
    assert first[:6] == ["keep", "dev.txt.tmp", str(line), "bruno", "B-LOC", "B-PER"] and "[bruno]" in first[7]
    with pytest.raises(InvalidOption, match="is there already"):
        label_check.run(Workspace(data), Options(labels=True, decisions=str(decisions)))
    decisions.write_text("\t".join(["apply", *first[1:]]) + "\n")
    facts = download.run(Workspace(data), replace(files, decisions=[str(decisions)])).facts
    assert facts["dev"]["places_corrected"] == 1
    assert (tmp_path / "data/dev.txt.tmp").read_text().splitlines()[line - 1] == "bruno B-PER"
    after = json.loads(checked(capsys, *arguments, "--json"))
    assert [one["line"] for one in after["suggestions"]] == [one["line"] for one in before["suggestions"][1:]]


@pytest.fixture
def options(tiny_model: str) -> Options:
    return Options(model=tiny_model, labels=True, folds=2, num_epochs=1.0, first=1000)


def test_folds_are_kept_and_gone_on_with(
    workspace: Workspace, options: Options, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainings: list[Path] = []

    def counted(fold: Workspace, chosen: Any) -> Any:
        trainings.append(fold.path)
        if len(trainings) == 2:
            raise KeyboardInterrupt
        return real(fold, chosen)

    real = train.run
    monkeypatch.setattr(train, "run", counted)
    with pytest.raises(KeyboardInterrupt):
        label_check.run(workspace, options)
    report = label_check.run(workspace, options)
    assert [path.name for path in trainings] == ["workspace-1", "workspace-2", "workspace-2"]
    assert report.sentences == 60 and {one.file for one in report.suggestions} == {"train.txt.tmp"}
    kept = workspace / ".checking"
    assert sorted(path.name for path in kept.iterdir()) == ["fold-1.npz", "fold-2.npz", "identity.json"]
    assert label_check.run(workspace, options) == report and len(trainings) == 3
    assert label_check.run(workspace, replace(options, first=1)).suggestions == report.suggestions[:1]
    (kept / "fold-1.npz").write_bytes(b"PK damaged")
    with pytest.raises(InvalidData, match="is damaged"):
        label_check.run(workspace, options)
    for spans in ("[[1]]", json.dumps([[]] * 30)):  # a whole file, of other sentences
        np.savez(kept / "fold-1.npz", predicted=np.array(spans), probabilities=np.zeros((3, 2), np.float16))
        with pytest.raises(InvalidData, match="is damaged"):
            label_check.run(workspace, options)
    np.savez_compressed(kept / "fold-1.npz", predicted=np.array("[]"), probabilities=np.zeros((10**6, 2), np.float16))
    with pytest.raises(InvalidData, match="may unpack to anything"):
        label_check.run(workspace, options)
    with (workspace / "train.txt.tmp").open("a") as file:
        file.write("\nzoe B-RARE\n")
    label_check.run(workspace, options)
    assert "folds are dropped" in caplog.text and len(trainings) == 5
    assert "RARE has 1 entity, fewer than the 2 folds" in caplog.text


def test_models_that_have_perhaps_seen_the_data_are_told(
    copy: Workspace, options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    own = replace(options, model=str(copy / "model"), folds=None, num_epochs=3.0)
    label_check.run(copy, own)
    assert not caplog.messages
    label_check.run(copy, replace(own, split=["train"]))
    assert "where it has learnt from these sentences, it agrees with their errors" in caplog.text


def test_decisions_that_are_written_while_models_train_are_left_as_they_are(
    copy: Workspace, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = tmp_path / "decided.tsv"

    def judge_while_another_does(*arguments: Any) -> Any:
        decided.write_text("decided")
        return judge(*arguments)

    judge = label_check._judge_folds
    monkeypatch.setattr(label_check, "_judge_folds", judge_while_another_does)
    with pytest.raises(InvalidOption, match="is there already"):
        label_check.run(copy, replace(options, decisions=str(decided)))
    assert decided.read_text() == "decided"


def test_decisions_are_written_of_data_that_download_takes_them_into(copy: Workspace, options: Options) -> None:
    for split in ("train", "dev", "test"):
        (copy / f"{split}.txt.tmp").unlink()
    with pytest.raises(InvalidOption, match=r"train.txt was not written by download.*\n.*--train-file .*train.txt"):
        label_check.run(copy, replace(options, decisions=str(copy / "decided.tsv")))


def test_splits_are_judged_once_and_in_one_order(copy: Workspace, options: Options) -> None:
    """A sentence that comes twice would be judged by a model that has seen it."""
    both = replace(options, split=["train", "dev"])
    report = label_check.run(copy, both)
    assert report.sentences == 80
    assert label_check.run(copy, replace(both, split=["dev", "train", "dev"])) == report
    (copy / "test.txt.tmp").unlink()
    (copy / "test.txt").unlink()
    with pytest.raises(MissingInput, match="has no data of test"):
        label_check.run(copy, replace(both, split=["dev", "test"]))
    judge = Options(model=str(copy / "model"), labels=True)
    assert label_check.run(copy, judge).sentences == 20


def test_what_cannot_be_judged_is_said(copy: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    options = Options(model=str(copy / "model"), labels=True)
    with (copy / "dev.txt.tmp").open("a") as file:
        file.write("\nzoe B-RARE\n")
    with pytest.raises(InvalidData, match=r"dev\.txt\.tmp:\d+: the model does not know the type 'RARE'"):
        label_check.run(copy, options)
    with pytest.raises(InvalidOption, match="no such split"):
        label_check.run(copy, replace(options, split=["validation"]))
    with pytest.raises(InvalidOption, match="there are 61 sentences|there are 60 sentences"):
        label_check.run(copy, Options(model=tiny_model, labels=True, folds=61))
    with pytest.raises(MissingInput, match="has no data of train"):
        label_check.run(Workspace(copy / "none"), Options(model=tiny_model, labels=True))
    with pytest.raises(InvalidOption, match="no file can be there"):
        label_check.run(copy, replace(options, page=str(copy / "none/page.html")))
    with pytest.raises(InvalidOption, match="train.txt is there already, and is no page"):
        label_check.run(copy, replace(options, page=str(copy / "train.txt")))
    with pytest.raises(InvalidOption, match="name one file"):
        label_check.run(copy, replace(options, page=str(copy / "new"), decisions=f"{copy.path}/./new"))
    with pytest.raises(InvalidOption, match="--folds is for --labels"):
        Options(folds=3)
    caplog.clear()
    with pytest.raises(InvalidOption, match="nowhere"):
        label_check.run(copy, Options(model=str(copy / "nowhere"), labels=True))
    assert "fold" not in caplog.text


def test_a_check_that_is_refused_leaves_nothing_and_names_a_way_on(copy: Workspace, tiny_model: str) -> None:
    options = Options(model=tiny_model, labels=True, folds=2, learning_rate=1e30)
    with pytest.raises(NertoolError, match="NaN|nan"):
        label_check.run(copy, options)
    assert not (copy / CHECKING).exists()
    (copy / "test.txt.tmp").unlink()
    with pytest.raises(MissingInput, match="has no data of test") as nothing:
        label_check.run(copy, replace(options, split=["test"]))
    assert nothing.value.hint == "Name what is there: --split train --split dev"
    for count, hint in ((2, "Take --folds 2."), (1, "a --model that is fine-tuned")):
        (copy / "train.txt.tmp").write_text("anna B-PER\n\n" * count)
        with pytest.raises(InvalidOption, match=f"--folds 5: there are {count} sentences") as few:
            label_check.run(copy, replace(options, folds=5))
        assert hint in few.value.hint


def test_options_of_trainings_are_refused_where_a_model_judges(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", "--labels", "--model", str(copy / "model"), "-w", str(copy.path)]
    for option in ("--num-epochs", "--max-length"):
        with pytest.raises(SystemExit) as ending:
            main([*arguments, option, "5"])
        assert ending.value.code == 1
        assert f"error: {option} is for --folds, and --model is fine-tuned: it only judges" in capsys.readouterr().err
    monkeypatch.setenv("NUM_EPOCHS", "5")  # which is for train
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 0


def test_options_of_folds_are_refused_without_labels_on_the_command_line_alone(
    workspace: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", "--model", tiny_model, "-w", str(workspace.path)]
    with pytest.raises(SystemExit) as ending:
        main([*arguments, "--num-epochs", "5"])
    assert ending.value.code == 1
    assert "error: --num-epochs is for the models of check --labels\nLeave it out.\n" in capsys.readouterr().err
    monkeypatch.setenv("NUM_EPOCHS", "5")  # which is for train
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 0
