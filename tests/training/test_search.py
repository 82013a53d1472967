"""Hyperparameter search: the best trial is published, and a killed search goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faults.forks import Forks

from nertool.errors import InvalidOption, NertoolError
from nertool.stages import train
from nertool.training import search
from nertool.workspace.workspace import Workspace

pytest.importorskip("optuna")


@pytest.mark.slow
def test_the_best_trial_is_published_with_all_of_them_in_the_record(
    ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LEARNING_RATES", (1e-4, 2e-2))
    monkeypatch.setattr(search, "BATCH_SIZES", (4, 8))
    monkeypatch.setattr(search, "EPOCHS", (1, 2))
    facts = train.run(ready, train.Options(model=tiny_model, search=4)).facts
    assert len(facts["trials"]) == 4
    (kept,) = (row for row in facts["trials"] if row["outcome"] == "kept")
    assert kept["dev_f1"] == facts["dev_f1"] == max(row["dev_f1"] for row in facts["trials"])
    assert len({row["learning_rate"] for row in facts["trials"]}) == 4
    assert not (ready / ".training").exists()
    searched = (ready / "model/model.safetensors").read_bytes()
    chosen = {"learning_rate": kept["learning_rate"], "batch_size": kept["batch_size"], "num_epochs": kept["epochs"]}
    train.run(ready, train.Options(model=tiny_model, overwrite_output_dir=True, **chosen))
    assert (ready / "model/model.safetensors").read_bytes() == searched, "a trial trains as train does"
    from nertool.stages import evaluate

    assert evaluate.run(ready, evaluate.Options(split=["dev"])).facts["dev"]["f1"] == facts["dev_f1"]


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_trial_that_was_cut_short(
    ready: Workspace, tiny_model: str, forks: Forks
) -> None:
    command = ["train", "-m", tiny_model, "--search", "2", "-w", str(ready.path)]
    killed = forks.run(*command, number=9, event="open", place="run-1/kept.partial", at=1)
    assert killed.code == -9, killed.err
    done = forks.run(*command)
    assert done.code == 0, done.err
    assert "the search goes on after 1 of 2 trials" in done.err
    assert len(Workspace(ready.path).facts("train")["trials"]) == 2


@pytest.mark.slow
def test_a_search_that_is_killed_while_it_writes_its_journal_goes_on(
    ready: Workspace, tiny_model: str, forks: Forks
) -> None:
    command = ["train", "-m", tiny_model, "--search", "2", "-w", str(ready.path)]
    killed = forks.run(*command, number=9, place=search.JOURNAL, at=4)
    assert killed.code == -9, killed.err
    done = forks.run(*command)
    assert done.code == 0, done.err


@pytest.mark.parametrize("content", ["{", "[]\n[]\n", '{"op_code": 99}\n{}\n', "\0" * 100 + "\n\n"])
def test_a_damaged_journal_is_dropped(content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / search.JOURNAL).write_text(content)
    (tmp_path / "run-0").mkdir()
    setup = SimpleNamespace(directory=tmp_path, arguments={"seed": 1})
    assert search.Search(setup, 2)._study().trials == []  # type: ignore[arg-type]
    assert ("is damaged: the search begins anew" in caplog.text) == (not (tmp_path / "run-0").exists())


@pytest.mark.parametrize("other", [{"seeds": "1,2"}, {"keep": "last"}])
def test_a_search_goes_with_nothing_else_that_chooses(ready: Workspace, tiny_model: str, other: dict[str, str]) -> None:
    with pytest.raises(InvalidOption, match="--search goes neither with"):
        train.run(ready, train.Options(model=tiny_model, search=2, **other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"search": 2, "learning_rate": 1e-4}, "--learning-rate does not go with --search"),
        ({"search": 2, "batch_size": 8}, "--batch-size does not go with --search"),
        ({"search": 2, "num_epochs": 5.0}, "--num-epochs does not go with --search"),
        ({"search": 2, "max_tokens_per_batch": 512}, "--max-tokens-per-batch does not go with --search"),
        ({"seeds": "1,2", "seed": 3}, "--seed does not go with --seeds"),
        ({"max_tokens_per_batch": 512, "batch_size": 8}, "--batch-size does not go with --max-tokens-per-batch"),
    ],
)
def test_values_that_nothing_would_use_are_refused(given: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidOption, match=error):
        train.Options(**given)


def test_without_optuna_the_search_says_what_to_install(
    ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(NertoolError, match="optuna is not installed"):
        train.run(ready, train.Options(model=tiny_model, search=2))
    assert not (ready / "model").exists()
