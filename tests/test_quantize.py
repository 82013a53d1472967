"""Quantization: what is published is INT8, its figures are true, and the gate never loses work."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
from conftest import needs_inc

from nertool import cpu, inc, measure
from nertool.errors import MissingInput, NertoolError
from nertool.stages import evaluate, predict, quantize
from nertool.workspace import Workspace


@pytest.fixture(scope="module")
def quantized(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace filled up to `quantize`, dynamic."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("quantized") / "workspace")
    result = quantize.run(Workspace(copy), quantize.Options(tolerance=0.5))
    assert result.ok
    return copy


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(trained, tmp_path / "copy"))


@needs_inc
def test_the_published_model_is_int8_and_its_figures_are_those_of_evaluate(quantized: Path) -> None:
    from nertool.tagger import load_tagger

    table = json.loads((quantized / "quantized/quantization.json").read_text())
    weights = (quantized / "quantized/pytorch_model.bin").stat().st_size
    assert table["int8"]["bytes"] == weights < table["fp32"]["bytes"]
    assert table["fp32"]["words_per_second"] > 0 < table["int8"]["words_per_second"]
    linear = load_tagger(quantized / "quantized").model.bert.encoder.layer[0].intermediate.dense
    assert "quantized" in type(linear).__module__
    facts = evaluate.run(Workspace(quantized), evaluate.Options(quantized=True)).facts
    assert facts["dev"]["f1"] == table["int8"]["f1"]
    assert (quantized / "evaluation/quantized/dev_results.json").exists()


@needs_inc
def test_the_table_says_what_was_lost_and_what_both_cost(quantized: Path) -> None:
    table = json.loads((quantized / "quantized/quantization.json").read_text())
    assert set(table["splits"]) == {"dev", "test"}
    for row in table["splits"].values():
        before, after = row["f1"]
        assert row["lost"] == pytest.approx(before - after)
        assert row["lost_interval"][0] <= row["lost"] <= row["lost_interval"][1] and 0 < row["p"] <= 1
        for value, (low, high) in zip(row["f1"], row["interval"], strict=True):
            assert low <= value <= high
    for model in ("fp32", "int8"):
        cost = table[model]
        assert cost["load_seconds"] > 0 and cost["peak_mib"] > 50
        assert 0 < cost["latency_ms"]["batch 1"]["p50"] <= cost["latency_ms"]["batch 1"]["p95"]
    assert not any(name.endswith("dense") for name in table["int8"]["left_in_fp32"])
    assert table["cpu"]["machine"] and table["versions"]["torch"]
    assert "words_per_second" not in json.dumps(Workspace(quantized).facts("quantize"))


@needs_inc
def test_a_model_that_loads_as_another_is_not_published(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = measure.measure
    monkeypatch.setattr(measure, "measure", lambda *places: {**real(*places), "tags": "others"})
    with pytest.raises(NertoolError, match="tags dev otherwise once it is loaded anew"):
        quantize.run(copy, quantize.Options(tolerance=0.5))
    assert not (copy / "quantized").exists()


@needs_inc
def test_another_torch_is_told(quantized: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = Workspace(shutil.copytree(quantized, tmp_path / "copy"))
    table = json.loads((workspace / "quantized/quantization.json").read_text())
    table["versions"]["torch"] = "1.2.3"
    (workspace / "quantized/quantization.json").write_text(json.dumps(table))
    evaluate.run(workspace, evaluate.Options(quantized=True, split=["dev"], allow_stale=True))
    assert "was made with torch 1.2.3" in caplog.text


@needs_inc
def test_quantization_aware_training_gives_int8_that_learnt_its_ranges(copy: Workspace) -> None:
    from nertool.tagger import load_tagger

    result = quantize.run(copy, quantize.Options(approach="qat", qat_epochs=2, qat_learning_rate=1e-3, tolerance=0.2))
    assert result.ok
    assert result.facts["int8"]["bytes"] < result.facts["fp32"]["bytes"]
    modules = dict(load_tagger(copy / "quantized").model.named_modules())
    inside = [modules[name] for name in modules if "encoder.layer.0.intermediate.dense" in name]
    assert any(
        "quantized" in type(module).__module__ and type(module).__name__.startswith("Linear") for module in inside
    )
    facts = evaluate.run(copy, evaluate.Options(quantized=True, split=["dev"])).facts
    assert facts["dev"]["f1"] == result.facts["splits"]["dev"]["f1"][1]
    assert copy.facts("train")["dev_f1"] == result.facts["splits"]["dev"]["f1"][0], "the FP32 model stays as it is"


@needs_inc
def test_the_criterion_may_be_absolute(copy: Workspace) -> None:
    facts = quantize.run(copy, quantize.Options(criterion="absolute", tolerance=0.9, timeout=600)).facts
    assert (facts["criterion"], facts["met"]) == ("absolute", True)


def test_the_processor_is_told() -> None:
    described = cpu.describe()
    assert described["machine"] and isinstance(described["flags"], list)


@needs_inc
def test_a_second_run_is_fresh_and_tells_the_same_table(quantized: Path) -> None:
    result = quantize.run(Workspace(quantized), quantize.Options(tolerance=0.5))
    assert result.fresh
    assert result.facts == json.loads((quantized / "quantized/quantization.json").read_text())


@needs_inc
def test_static_calibrates_on_train(copy: Workspace) -> None:
    result = quantize.run(copy, quantize.Options(approach="static", tolerance=0.9, calibration_samples=10))
    assert result.facts["calibration_windows"] == 10
    assert "train.txt" in copy.records()["quantize"]["reads"]


@needs_inc
def test_where_no_trial_meets_the_tolerance_the_best_is_kept(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores are made up here, as a tiny model loses nothing; Neural Compressor and the search are real."""
    scores = iter([0.9, 0.5, 0.7, 0.6])
    real_tune = inc.tune

    def tune(model, accuracy, plan, directory, scratch):  # type: ignore[no-untyped-def]
        return real_tune(model, lambda candidate: accuracy(candidate) * 0 + next(scores), plan, directory, scratch)

    monkeypatch.setattr(inc, "tune", tune)
    result = quantize.run(copy, quantize.Options(max_trials=3))
    assert not result.ok
    assert [(trial["f1"], trial["kept"]) for trial in result.facts["trials"]] == [
        (0.5, False),
        (0.7, True),
        (0.6, False),
    ]
    assert not json.loads((copy / "quantized/quantization.json").read_text())["met"]
    again = quantize.run(copy, quantize.Options(max_trials=3))
    assert again.fresh and not again.ok
    assert evaluate.run(copy, evaluate.Options(split=["dev"], quantized=True)).facts["dev"]["support"] == 40


@needs_inc
def test_an_error_while_scoring_a_trial_comes_out_as_it_is(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(quantize, "_score", broken)
    with pytest.raises(KeyboardInterrupt):
        quantize.run(copy, quantize.Options())
    assert not (copy / "quantized").exists()


@needs_inc
def test_a_hostile_pickle_in_quantized_does_not_run(quantized: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(quantized, tmp_path / "hostile")
    flag = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (flag,)  # type: ignore[return-value]

    (copy / "quantized/pytorch_model.bin").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(NertoolError, match="is not loaded"):
        evaluate.run(Workspace(copy), evaluate.Options(quantized=True))
    assert not flag.exists()


def test_optimum_without_neural_compressor_names_the_pin(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optimum.intel", None)  # what an absent package looks like to import
    with pytest.raises(NertoolError, match=r"neural-compressor==3\.7\.1"):
        quantize.run(copy, quantize.Options())
    assert not (copy / "quantized").exists()


def test_without_dev_there_is_nothing_to_decide_by(copy: Workspace) -> None:
    (copy / "dev.txt").unlink()
    with pytest.raises(MissingInput, match="dev.txt"):
        quantize.run(copy, quantize.Options(allow_stale=True))


@needs_inc
def test_predict_publishes_a_split_tagged_by_the_int8_model(quantized: Path) -> None:
    workspace = Workspace(quantized)
    result = predict.run(workspace, predict.Options(split="test", quantized=True))
    lines = (quantized / "predictions/test.conll").read_text().splitlines()
    tokens = [line.split(" ")[0] for line in (quantized / "test.txt").read_text().splitlines()]
    assert [line.split(" ")[0] for line in lines] == tokens
    assert result.facts["model"] == "quantized"
    assert predict.run(workspace, predict.Options(split="test", quantized=True)).fresh
