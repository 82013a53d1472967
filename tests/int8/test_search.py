"""The search: when it ends, what it keeps, and where the models and tags of its trials are.

A judge and a quantizer that take no time stand in: tests/stages/test_quantize.py has the real ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from nertool.int8.choice import Attempt, Criterion
from nertool.int8.finished import FinishedWork
from nertool.int8.judge import Judge
from nertool.int8.quantizer import Quantizer
from nertool.int8.search import Search


class Scores:
    """A judge whose FP32 model has F1 0.8, and the others what their files hold."""

    baseline = {"f1": 0.8}
    consent: ClassVar[dict[str, bool]] = {}

    def measure(self, directory: Path, tags: Path) -> dict[str, Any]:
        (tags / "dev.json").write_text(json.dumps([[directory.parent.name]]))
        content = json.loads((directory / "model.json").read_text())
        f1 = content["f1"]
        return {"f1": f1, "equal": f1, "divergence": 1 - f1, "splits": {}, "bytes": 100, "words_per_second": 1}

    def lost_at_most(self, tags: Path, error: float) -> float:
        return 1.0


class Writer:
    """A quantizer of models with ten layers, whose F1 is given by the attempt."""

    layers = 10

    def __init__(self, f1: Callable[[Attempt], float]) -> None:
        self.f1 = f1

    def alone_as_together(self, attempt: Attempt) -> bool:
        return attempt.approach == "static"

    def store_encoding(self, directory: Path) -> None:
        """These have no tokenizer."""

    def build(self, attempt: Attempt, directory: Path) -> list[str]:
        (directory / "model.json").write_text(json.dumps({"f1": self.f1(attempt)}))
        (directory / "config.json").write_text("INT8")
        return [f"layer{number}" for number in range(attempt.in_fp32)]


def search_of(folder: Path, f1: Callable[[Attempt], float], **limits: Any) -> Search:
    model, finished = folder / "model", FinishedWork(folder / "finished", folder / "scratch")
    for directory in (model, finished.path, finished.scratch):
        directory.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text("FP32")
    (model / "tokenizer.json").write_text("of the FP32 model")
    limits = {"approaches": ["dynamic", "static"], "max_trials": 20, **limits}
    return Search(
        cast(Judge, Scores()), cast(Quantizer, Writer(f1)), model, finished, Criterion(0.01, "relative"), **limits
    )


def test_it_ends_with_the_fewest_layers_that_will_do(tmp_path: Path) -> None:
    search = search_of(tmp_path, lambda attempt: 0.8 if attempt.in_fp32 >= 3 else 0.5, approaches=["dynamic"])
    seen: list[Any] = []
    search.run(seen.append)
    assert seen == search.trials
    assert [len(trial["left_in_fp32"]) for trial in seen] == [0, 1, 2, 4, 3]
    assert [trial["met"] for trial in seen] == [False, False, False, True, True]
    assert seen[0]["relative_loss"] == pytest.approx(0.375)


def test_the_kept_trial_has_its_own_model_the_tokenizer_of_fp32_and_tags(tmp_path: Path) -> None:
    search = search_of(tmp_path, lambda attempt: 0.8 if attempt.approach == "static" else 0.7)
    search.run()
    assert search.kept == 1 and [trial["kept"] for trial in search.trials] == [False, True]
    kept = search.kept_model
    assert json.loads((kept / "model.json").read_text()) == {"f1": 0.8}
    assert (kept / "config.json").read_text() == "INT8", "not the FP32 model's"
    assert (kept / "tokenizer.json").read_text() == "of the FP32 model"
    assert search.kept_tags == [["trial-static-0"]]


def test_after_the_last_allowed_trial_the_best_so_far_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    search = search_of(tmp_path, lambda attempt: 0.5 + attempt.in_fp32 / 100, max_trials=4)
    search.run()
    assert [trial["approach"] for trial in search.trials] == ["dynamic", "static", "dynamic", "dynamic"]
    assert search.kept == 3 and search.trials[3]["kept"]
    assert "the search ended after 4 trials" in caplog.text


@pytest.mark.parametrize(("timeout", "trials"), [(0, 10), (1, 1), (5, 3), (1000, 10)])
def test_no_trial_begins_after_the_timeout(tmp_path: Path, timeout: int, trials: int) -> None:
    """Two seconds pass between two looks at the clock; without a limit 1, 2, 4 and 5 layers are tried, twice."""
    search = search_of(tmp_path, lambda attempt: 0.5, timeout=timeout, clock=count(step=2).__next__)
    search.run()
    assert len(search.trials) == trials


def test_a_search_that_tries_all_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    search_of(tmp_path, lambda attempt: 0.8, approaches=["dynamic"], max_trials=1).run()
    assert not caplog.text


# -- a search that was cut short -------------------------------------------------------------------


def better_with_each_layer(attempt: Attempt) -> float:
    return 0.5 + attempt.in_fp32 / 100


def cut_short(folder: Path, trials: int) -> None:
    """Leave so many finished trials, and a half-built model."""

    def f1(attempt: Attempt) -> float:
        nonlocal trials
        trials -= 1
        if trials < 0:
            raise KeyboardInterrupt
        return better_with_each_layer(attempt)

    with pytest.raises(KeyboardInterrupt):
        search_of(folder, f1).run()
    shutil.rmtree(folder / "scratch")


@pytest.mark.parametrize("trials", [1, 3, 9])
def test_it_goes_on_after_the_last_finished_trial(
    trials: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = search_of(tmp_path / "whole", better_with_each_layer)
    whole.run()
    cut_short(tmp_path / "cut", trials)
    caplog.set_level("INFO")
    tried: list[Attempt] = []
    search = search_of(tmp_path / "cut", lambda attempt: tried.append(attempt) or better_with_each_layer(attempt))
    search.run()
    assert search.trials == whole.trials and len(tried) == len(whole.trials) - trials
    assert search.kept_model.relative_to(tmp_path / "cut") == whole.kept_model.relative_to(tmp_path / "whole")
    assert f"the search goes on after {trials} finished trial" in caplog.text


def test_a_damaged_trial_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut_short(tmp_path, 3)
    (tmp_path / "finished/trial-static-0/model/model.json").write_text("{}")
    tried: list[Attempt] = []
    search = search_of(tmp_path, lambda attempt: tried.append(attempt) or 0.5)
    search.run()
    assert tried[0] == Attempt("static", 0) and len(tried) == len(search.trials) - 2
    assert "trial-static-0 is damaged, or a copy: it is made anew" in caplog.text
