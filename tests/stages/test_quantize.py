"""Quantization: what is published is INT8, its figures are true, and the gate never loses work."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
from helpers import measured_here, needs_inc, snapshot, undrawn

from nertool.cli.main import main
from nertool.cli.tables import render
from nertool.corpus.column_files import read_sentences
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.int8 import judge, measure, onnx_runtime
from nertool.int8.config import QuantizationConfig
from nertool.int8.facts import Cost, Figures, Latency
from nertool.int8.judge import Judge
from nertool.int8.quantizer import Quantizer
from nertool.models import canary, cpu
from nertool.models.load_tagger import load_tagger
from nertool.models.settings import edited_files
from nertool.models.stored_tokenizer import StoredTokenizer
from nertool.stages import evaluate, predict, quantize
from nertool.workspace.names import QUANTIZING
from nertool.workspace.seals import seal_here
from nertool.workspace.stage import Result
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def no_plots() -> Iterator[None]:
    with undrawn():
        yield


@pytest.fixture(scope="module")
def quantized(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace filled up to `quantize`, dynamic."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("quantized") / "workspace")
    result = quantize.run(Workspace(copy), quantize.Options(tolerance=0.5))
    assert result.ok
    return copy


@pytest.fixture
def copy(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace to quantize; models are measured in this process, as a new one takes seconds to start."""
    monkeypatch.setattr(measure, "measure", measure.measure_here)
    return Workspace(shutil.copytree(trained, tmp_path / "copy"))


@needs_inc
def test_the_published_model_is_int8_and_its_figures_are_those_of_evaluate(quantized: Path) -> None:

    table = json.loads((quantized / "quantized/quantization.json").read_text())
    weights = (quantized / "quantized/pytorch_model.bin").stat().st_size
    assert table["int8"]["bytes"] == weights < table["fp32"]["bytes"]
    assert table["fp32"]["words_per_second"] > 0 < table["int8"]["words_per_second"]
    linear = load_tagger(quantized / "quantized").model.bert.encoder.layer[0].intermediate.dense
    assert "quantized" in type(linear).__module__
    facts = evaluate.run(Workspace(quantized), evaluate.Options(quantized=True)).facts
    assert facts["dev"]["f1"] == table["int8"]["f1"]
    assert (quantized / "evaluation/quantized/dev_results.json").exists()


def test_missing_weights_are_refused_unless_one_insists(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import load_file, save_file

    pytest.importorskip("onnxruntime")
    copy = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    weights = load_file(copy / "model/model.safetensors")
    del weights["classifier.bias"]
    save_file(weights, copy / "model/model.safetensors", metadata={"format": "pt"})
    options: dict[str, Any] = {"backend": "onnx", "max_trials": 1, "allow_stale": True, "tolerance": 0.99}
    with pytest.raises(NertoolError, match=r"lack 1 weight \(classifier.bias\)"):
        quantize.run(copy, quantize.Options(**options))
    quantize.run(copy, quantize.Options(**options, allow_missing_weights=True))
    assert "are random" in caplog.text
    assert (copy / "quantized/quantization.json").exists()


@needs_inc
def test_tags_do_not_hang_on_the_number_of_threads(quantized: Path) -> None:
    """Dynamic ranges are those of a batch: batches are the same, whoever works on them."""

    tagger, before = load_tagger(quantized / "quantized"), torch.get_num_threads()
    sentences = [["clara", "saw", "new", "lisbon"] * (1 + number % 7) for number in range(60)]
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(list(tagger.tag_scored(sentences)))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@needs_inc
def test_the_table_says_what_was_lost_and_what_both_cost(quantized: Path) -> None:
    table = json.loads((quantized / "quantized/quantization.json").read_text())
    for split in ("dev", "test"):
        before, after = (table[model]["splits"][split] for model in ("fp32", "int8"))
        assert after["lost"] == pytest.approx(before["f1"] - after["f1"])
        assert 0 < after["equal"] <= before["equal"] == 1
        assert after["lost_interval"][0] <= after["lost"] <= after["lost_interval"][1] and 0 < after["p"] <= 1
        for row in (before, after):
            assert row["interval"][0] <= row["f1"] <= row["interval"][1]
    assert [trial for trial in table["trials"] if trial["kept"]] == [table["int8"]]
    for model in ("fp32", "int8"):
        cost = table[model]
        assert cost["load_seconds"] > 0 and cost["peak_mib"] > 50
        assert set(cost["latency_ms"]) == {"single_sentence", "best_batch"}
        for latency in cost["latency_ms"].values():
            assert 0 < latency["p50"] <= latency["p95"]
    assert not any(name.endswith("dense") for name in table["int8"]["left_in_fp32"])
    assert table["cpu"]["machine"] and table["versions"]["torch"]
    assert "words_per_second" not in json.dumps(Workspace(quantized).facts("quantize"))


@needs_inc
def test_the_latencies_of_a_file_of_an_older_nertool_are_shown(quantized: Path) -> None:
    facts = json.loads((quantized / "quantized/quantization.json").read_text())
    now = cells(facts)
    assert any("p95" in cell for cell in now)
    for row in (facts["fp32"], facts["int8"], *facts["trials"]):
        row["latency_ms"] = dict(zip(("batch 1", "best batch"), row["latency_ms"].values(), strict=True))
    assert cells(facts) == now


def cells(facts: dict[str, Any]) -> list[str]:
    """What the table of the result shows."""
    (table,) = render(Result("quantize", facts))
    return [str(cell) for column in table.columns for cell in column.cells]


@needs_inc
def test_a_model_that_loads_as_another_is_not_published(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = measure.measure

    def other(directory: Path, splits: Mapping[str, Path], tags: Path, **consent: bool) -> dict[str, Any]:
        found = real(directory, splits, tags, **consent)
        rows = json.loads((tags / "dev.json").read_text())
        (tags / "dev.json").write_text(json.dumps([["B-X"] * len(row) for row in rows]))
        return found

    monkeypatch.setattr(measure, "measure", other)
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

    result = quantize.run(copy, quantize.Options(approach="qat", qat_epochs=1.5, qat_learning_rate=1e-3, tolerance=0.2))
    assert result.ok
    assert result.facts["int8"]["bytes"] < result.facts["fp32"]["bytes"]
    modules = dict(load_tagger(copy / "quantized").model.named_modules())
    inside = [modules[name] for name in modules if "encoder.layer.0.intermediate.dense" in name]
    assert any(
        "quantized" in type(module).__module__ and type(module).__name__.startswith("Linear") for module in inside
    )
    facts = evaluate.run(copy, evaluate.Options(quantized=True, split=["dev"])).facts
    assert facts["dev"]["f1"] == result.facts["int8"]["f1"]
    assert copy.facts("train")["dev_f1"] == result.facts["fp32"]["f1"], "the FP32 model stays as it is"


def test_the_criterion_may_be_absolute(copy: Workspace) -> None:
    facts = quantize.run(copy, quantize.Options(backend="onnx", criterion="absolute", tolerance=0.9, timeout=600)).facts
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


def made_up(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """FP32, then each trial, seem to have these accuracies: a tiny model loses nothing. All else is real."""
    left = iter(scores)

    class MadeUp(Judge):
        """Gives the scores in turn."""

        def __init__(self, *places: Any, **consent: bool) -> None:
            super().__init__(*places, **consent)
            self.baseline["f1"] = next(left)

        def measure(self, directory: Path, tags: Path) -> Figures:
            return {**super().measure(directory, tags), "f1": next(left)}

    monkeypatch.setattr(judge, "Judge", MadeUp)


def test_layers_fall_back_to_fp32_until_the_criterion_is_met(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, [0.9, 0.5, 0.6, 0.7, 0.895, 0.89])
    result = quantize.run(copy, quantize.Options(backend="onnx", approach="static"))
    left = [len(trial["left_in_fp32"]) for trial in result.facts["trials"]]
    assert (left, result.ok) == ([0, 1, 2, 4, 3], True)
    assert result.facts["int8"]["f1"] == 0.895, "three were too few"
    assert len(float_weights(copy)) == 4


@needs_inc
@pytest.mark.slow
def test_layers_fall_back_to_fp32_in_neural_compressor(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, [0.9, 0.5, 0.6, 0.9])
    result = quantize.run(copy, quantize.Options())
    assert result.ok and [len(trial["left_in_fp32"]) for trial in result.facts["trials"]] == [0, 1, 2], "as asked"


@needs_inc
@pytest.mark.slow
def test_where_no_trial_meets_the_tolerance_the_best_is_kept(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made_up(monkeypatch, [0.9, 0.5, 0.7, 0.6])
    result = quantize.run(copy, quantize.Options(max_trials=3))
    assert not result.ok
    assert [(trial["f1"], trial["kept"]) for trial in result.facts["trials"]] == [
        (0.5, False),
        (0.7, True),
        (0.6, False),
    ]
    assert "the search ended after 3 trials" in caplog.text and "the one most like FP32 is kept" in caplog.text
    assert not json.loads((copy / "quantized/quantization.json").read_text())["met"]
    again = quantize.run(copy, quantize.Options(max_trials=3))
    assert again.fresh and not again.ok
    assert evaluate.run(copy, evaluate.Options(split=["dev"], quantized=True)).facts["dev"]["support"] == 40


def test_no_trial_begins_after_the_timeout(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, [0.9, 0.5])
    result = quantize.run(copy, quantize.Options(backend="onnx", timeout=1), clock=count(step=2).__next__)
    assert len(result.facts["trials"]) == 1 and not result.ok


@needs_inc
@pytest.mark.slow
def test_auto_tries_all_and_trains_only_where_nothing_else_will_do(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch, [0.9, 0.5, 0.89, *[0.5] * 20])
    facts = quantize.run(copy, quantize.Options(approach="auto", tolerance=0.02)).facts
    assert [(trial["approach"], trial["kept"]) for trial in facts["trials"]] == [("dynamic", False), ("static", True)]
    made_up(monkeypatch, [0.9, *[0.5] * 5])
    monkeypatch.setattr(Quantizer, "layers", 2)  # of which one may be left in FP32
    facts = quantize.run(copy, quantize.Options(approach="auto", qat_epochs=0.2)).facts
    assert [trial["approach"] for trial in facts["trials"]] == ["dynamic", "static", "dynamic", "static", "qat"]


def test_an_interrupted_trial_publishes_nothing(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_runtime.Exported, "quantize", broken)
    with pytest.raises(KeyboardInterrupt):
        quantize.run(copy, quantize.Options(backend="onnx"))
    assert not (copy / "quantized").exists()


@pytest.mark.parametrize("split", ["dev", "train"])
def test_a_split_without_a_sentence_is_refused(split: str, copy: Workspace) -> None:
    (copy / f"{split}.txt").write_text("\n")
    with pytest.raises(InvalidData, match=rf"{split}\.txt holds no sentence"):
        quantize.run(copy, quantize.Options(backend="onnx", allow_stale=True))
    assert not (copy / "quantized").exists()


# -- a run that is killed --------------------------------------------------------------------------

AUTO: dict[str, Any] = {"backend": "onnx", "approach": "auto", "tolerance": 0.9}
"""Two trials."""
LATENCY: Latency = {"p50": 1.0, "p95": 2.0}
COST: Cost = {
    "load_seconds": 1.0,
    "peak_mib": 1.0,
    "words_per_second": 1,
    "best_batch_subwords": 256,
    "latency_ms": {"single_sentence": LATENCY, "best_batch": LATENCY},
}


def with_same_costs(patch: pytest.MonkeyPatch) -> None:
    """All models seem to cost the same, as the choice must not hang on the clock; they are measured in this process."""
    real = measure.measure_here
    patch.setattr(measure, "measure", lambda *places, **consent: {**real(*places, **consent), **COST})


def watch_builds(patch: pytest.MonkeyPatch, before: Callable[[str], None]) -> None:
    """Call something with the approach of each model that is built."""
    real = onnx_runtime.Exported.quantize

    def watched(self: onnx_runtime.Exported, directory: Path, config: QuantizationConfig) -> list[str]:
        before(config.approach)
        return real(self, directory, config)

    patch.setattr(onnx_runtime.Exported, "quantize", watched)


def kill_in_static(approach: str) -> None:
    if approach == "static":
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def killed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which a run was killed in its second trial."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("killed") / "workspace")
    if (child := os.fork()) == 0:
        try:
            with pytest.MonkeyPatch.context() as patch:
                with_same_costs(patch)
                watch_builds(patch, kill_in_static)
                quantize.run(Workspace(copy), quantize.Options(**AUTO))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert snapshot(copy) == snapshot(trained)
    return copy


def test_after_a_kill_the_trials_that_are_left_give_the_same_model(
    killed: Path, copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_same_costs(monkeypatch)
    assert quantize.run(copy, quantize.Options(**AUTO)).ok
    caplog.set_level("INFO")
    built: list[str] = []
    watch_builds(monkeypatch, built.append)
    again = Workspace(shutil.copytree(killed, tmp_path / "again"))
    for trial in (again / QUANTIZING).glob("trial-*"):
        seal_here(trial)  # as it was where it was killed
    assert quantize.run(again, quantize.Options(**AUTO)).ok
    assert built == ["static"] and "the search goes on after 1 finished trial" in caplog.text
    assert snapshot(again.path) == snapshot(copy.path)
    assert not (again / QUANTIZING).exists() and not (copy / QUANTIZING).exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [({"max_trials": 1}, "of a run with other options or data"), ({"max_trials": 20, "force": True}, "by --force")],
)
def test_trials_of_another_run_are_dropped(
    options: dict[str, Any],
    why: str,
    killed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with_same_costs(monkeypatch)
    built: list[str] = []
    watch_builds(monkeypatch, built.append)
    workspace = Workspace(shutil.copytree(killed, tmp_path / "again"))
    assert quantize.run(workspace, quantize.Options(**AUTO, **options)).ok
    assert f"trials are dropped: {why}" in caplog.text and built[0] == "dynamic"
    assert not (workspace / QUANTIZING).exists()


# -- ONNX Runtime ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace filled up to `quantize`, with every approach of ONNX Runtime."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("graph") / "workspace")
    with measured_here():
        assert quantize.run(Workspace(copy), quantize.Options(backend="onnx", approach="auto", tolerance=0.5)).ok
    return copy


def test_evaluate_and_predict_take_the_graph_as_it_was_judged(graph: Path) -> None:
    workspace = Workspace(graph)
    table = json.loads((graph / "quantized/quantization.json").read_text())
    assert [trial["approach"] for trial in table["trials"]] == ["dynamic", "static"]
    assert table["int8"]["bytes"] == (graph / "quantized/model.onnx").stat().st_size
    facts = evaluate.run(workspace, evaluate.Options(quantized=True)).facts
    assert facts["dev"]["f1"] == table["int8"]["f1"]
    assert facts["test"]["f1"] == table["int8"]["splits"]["test"]["f1"]
    page = (graph / "evaluation/report.html").read_text()
    assert f"<td>{table['int8']['approach']} (kept)</td>" in page and page.count("(kept)") == 2, "scores, costs"
    assert "<th>single sentence: ms, p50</th>" in page and "<th>best batch: ms, p50</th>" in page
    assert predict.run(workspace, predict.Options(split="test", quantized=True)).facts["model"] == "quantized"


def test_tags_and_scores_are_those_of_the_tokenizer_of_transformers(graph: Path, tmp_path: Path) -> None:
    """What is stored beside the graph stands in for transformers, to the last bit."""
    by_transformers = shutil.copytree(graph / "quantized", tmp_path / "quantized")
    (by_transformers / "encoding.json").unlink()
    sentences = [sentence.tokens for sentence in read_sentences(graph / "test.txt")]
    sentences += [["Clara", "SAW", "", "\u4e2d\u6587", "caf\u00e9", "[SEP]", "\x00", "\U0001fffd"] * 30]
    ours, theirs = load_tagger(graph / "quantized"), load_tagger(by_transformers)
    assert isinstance(ours.tokenizer, StoredTokenizer) and not isinstance(theirs.tokenizer, StoredTokenizer)
    for found, expected in zip(ours.tag_scored(sentences), theirs.tag_scored(sentences), strict=True):
        assert found == expected
        assert np.array_equal(found.logits, expected.logits, equal_nan=True)


def test_a_graph_in_fp32_answers_as_the_model_does(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = quantize.run(copy, quantize.Options(backend="onnx", approach="none")).facts
    assert facts["met"] and facts["int8"]["alone_as_together"] and len(facts["int8"]["left_in_fp32"]) == 13
    assert facts["int8"]["equal"] == 1.0 and facts["int8"]["divergence"] < 1e-6
    assert len(float_weights(copy)) > 13
    edit_table(copy / "quantized", reduced_range=False, cpu={})
    monkeypatch.setattr(cpu, "has_vnni", lambda: False)
    load_tagger(copy / "quantized")  # nothing saturates


def test_products_and_embeddings_of_the_graph_are_in_bytes(graph: Path) -> None:
    assert not float_weights(Workspace(graph))


def test_the_runtime_prints_nothing_of_its_own(copy: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    quantize.run(copy, quantize.Options(backend="onnx", approach="static", tolerance=0.9, calibration_samples=8))
    assert "onnxruntime" not in capfd.readouterr().err


@pytest.mark.parametrize("approach", ["dynamic", "static"])
@pytest.mark.parametrize(("vnni", "largest"), [(True, 127), (False, 64)])
def test_without_vnni_weights_use_seven_bits(
    copy: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    vnni: bool,
    largest: int,
    approach: Literal["dynamic", "static"],
) -> None:
    """Two products of an activation and a weight, 255 x 64 each at most, fit into 16 bits."""
    monkeypatch.setattr(cpu, "has_vnni", lambda: vnni)
    facts = quantize.run(copy, quantize.Options(backend="onnx", approach=approach, tolerance=0.9)).facts
    assert facts["reduced_range"] is not vnni
    weights = layer_weights(copy)
    assert len(weights) == 13, "six layers of each block, and the classifier"
    for matrix in weights:
        assert np.abs(matrix.astype(int)).max() == largest


def layer_weights(workspace: Workspace) -> list[Any]:
    """Weights of the published graph's linear layers, in bytes."""
    import onnx

    graph = onnx.load(workspace / "quantized/model.onnx").graph
    factors = {node.input[1] for node in graph.node if node.op_type.startswith("MatMulInteger")}
    factors |= {node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    weights = []
    for initializer in graph.initializer:
        if initializer.name in factors and initializer.data_type == onnx.TensorProto.INT8:
            weights.append(onnx.numpy_helper.to_array(initializer))
    return weights


def float_weights(workspace: Workspace) -> list[str]:
    """Matrices of the published graph that are not in bytes."""
    import onnx

    whole = onnx.load(workspace / "quantized/model.onnx").graph
    floats = [one for one in whole.initializer if one.data_type == onnx.TensorProto.FLOAT]
    return [one.name for one in floats if len(one.dims) == 2 and one.dims[1] > 1]  # a scale for each row is none


def test_portable_weights_use_seven_bits_anywhere(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "has_vnni", lambda: True)
    options = quantize.Options(backend="onnx", portable=True, tolerance=0.9)
    assert quantize.run(copy, options).facts["reduced_range"] is True


def test_by_rows_a_sentence_has_the_same_tags_alone_as_with_others(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = quantize.run(copy, quantize.Options(backend="onnx", tolerance=0.9)).facts
    assert facts["int8"]["alone_as_together"] is True
    tagger = load_tagger(copy / "quantized")
    for split in ("dev", "test"):
        sentences = [sentence.tokens for sentence in read_sentences(copy / f"{split}.txt")]
        assert list(tagger.tag(sentences)) == [next(tagger.tag([sentence])) for sentence in sentences]


def test_a_range_for_a_batch_is_told_to_hang_on_the_batch(copy: Workspace) -> None:
    facts = quantize.run(copy, quantize.Options(backend="onnx", ranges="tensor", tolerance=0.9)).facts
    assert facts["int8"]["alone_as_together"] is False


def test_by_bound_the_loss_that_may_have_been_counts(copy: Workspace) -> None:
    done = quantize.run(copy, quantize.Options(backend="onnx", criterion="bound", tolerance=0.9, max_trials=1))
    kept = done.facts["int8"]
    dev = kept["splits"]["dev"]
    assert done.ok and dev["lost_interval"][1] < kept["lost_at_most"] < 0.9
    assert 0 <= kept["divergence"] == dev["divergence"]


def test_a_bound_that_dev_cannot_prove_is_refused_before_a_model_is_made(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty sentences: a model that is right in all of them may still be wrong in one of ten."""
    monkeypatch.setattr(Quantizer, "build", lambda *_: pytest.fail("built"))
    with pytest.raises(InvalidOption, match=r"even a model that tags dev as FP32 does may lose up to 0\.1"):
        quantize.run(copy, quantize.Options(backend="onnx", criterion="bound", tolerance=0.05))


def test_tags_of_dev_that_the_model_does_not_have_are_told_and_no_reason_to_fail(
    copy: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    with (copy / "dev.txt").open("a", encoding="utf-8") as dev:
        dev.write("anna B-GPE\n\n")
    options = quantize.Options(backend="onnx", tolerance=0.9, allow_stale=True)
    assert quantize.run(copy, options).ok and (copy / "quantized/calibration.json").exists()
    assert "sentences of dev with tags that the model lacks, left out of its calibration: 1" in caplog.text


@pytest.mark.parametrize(
    ("criterion", "told", "shown"),
    [
        ("relative", "no trial lost at most 0.05 % of dev F1:", "tolerance of 0.05% relative loss NOT met"),
        ("absolute", "no trial lost at most 0.0005 in dev F1:", "tolerance of 0.0005 in F1 NOT met"),
        ("bound", "no trial lost at most 0.05 % of dev F1 with 95 %", "tolerance of 0.05% loss, with 95 %, NOT met"),
    ],
)
def test_what_was_allowed_is_told_as_it_was_asked_for(
    graph: Path, criterion: str, told: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    table = json.loads((graph / "quantized/quantization.json").read_text())
    facts = {**table, "criterion": criterion, "tolerance": 0.0005, "met": False}
    quantize._warn_not_met(facts)
    assert told in caplog.text
    assert shown in str(render(Result("quantize", facts))[0].caption)


# -- the canary ------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`quantized/` of a model that was made on another kind of processor."""
    copy = shutil.copytree(graph / "quantized", tmp_path / "w" / "quantized")
    monkeypatch.setattr(cpu, "describe", lambda: {"flags": ["of another kind"]})
    return copy


def edit_table(directory: Path, **changes: Any) -> None:
    """Change keys of quantization.json; None takes a key out."""
    path = directory / "quantization.json"
    table = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))


def test_on_another_processor_a_sound_model_is_asked_and_taken(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    deviation = canary.deviation
    monkeypatch.setattr(canary, "deviation", lambda *about: asked.append(deviation(*about)) or asked[-1])
    load_tagger(elsewhere)
    assert len(asked) == 1 and asked[0] < canary.ROUNDING


def damage(path: Path) -> None:
    """Put the weights of a graph in another order."""
    import onnx

    graph = onnx.load(path)
    for tensor in graph.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2:
            tensor.raw_data = bytes(reversed(tensor.raw_data))
    onnx.save(graph, path)


def test_on_the_same_kind_of_processor_a_damaged_graph_is_refused(graph: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(graph / "quantized", tmp_path / "w" / "quantized")
    load_tagger(copy)
    damage(copy / "model.onnx")
    with pytest.raises(NertoolError, match="answers otherwise than when it was made") as error:
        load_tagger(copy)
    assert "nertool quantize --force" in error.value.hint


def test_a_graph_with_other_labels_is_refused_by_the_canary(graph: Path, tmp_path: Path) -> None:
    import onnx

    copy = shutil.copytree(graph / "quantized", tmp_path / "w" / "quantized")
    made = onnx.load(copy / "model.onnx")
    (last,) = [node for node in made.graph.node if "logits" in node.output]
    last.output[0] = "inner"
    made.graph.node.append(onnx.helper.make_node("Concat", ["inner", "inner"], ["logits"], axis=2))
    made.graph.output[0].type.tensor_type.shape.dim[2].Clear()
    onnx.save(made, copy / "model.onnx")
    with pytest.raises(NertoolError, match="numbers for a word, and has 4 labels"):
        load_tagger(copy)


def test_a_model_that_answers_otherwise_here_is_refused(elsewhere: Path) -> None:
    damage(elsewhere / "model.onnx")
    with pytest.raises(NertoolError, match="answers otherwise here than on") as error:
        load_tagger(elsewhere)
    assert "nertool quantize --force" in error.value.hint


def test_the_size_is_that_of_the_files_that_are_loaded(graph: Path, tmp_path: Path) -> None:
    copy = Workspace(shutil.copytree(graph, tmp_path / "copy"))
    shutil.copyfile(copy / "model/model.safetensors", copy / "model/pytorch_model.bin")
    (copy / "model/training_args.bin").write_bytes(b"x" * 1000)
    table = json.loads((graph / "quantized/quantization.json").read_text())
    assert judge._size(copy / "model") == table["fp32"]["bytes"] == (copy / "model/model.safetensors").stat().st_size
    assert judge._size(copy / "quantized") == table["int8"]["bytes"]


def test_a_tokenizer_may_have_more_sub_words_than_the_model(copy: Workspace) -> None:
    pytest.importorskip("onnxruntime")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(copy / "model")
    tokenizer.add_tokens([f"<unused {number}>" for number in range(500)])
    tokenizer.save_pretrained(copy / "model")
    options = quantize.Options(backend="onnx", tolerance=0.9, allow_stale=True, calibration_samples=8)
    assert quantize.run(copy, options).ok
    load_tagger(copy / "quantized")


def test_eight_bits_made_with_vnni_are_refused_without(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit_table(elsewhere, reduced_range=False)
    monkeypatch.setattr(cpu, "has_vnni", lambda: False)
    with pytest.raises(NertoolError, match="8 bits, whose products saturate") as error:
        load_tagger(elsewhere)
    assert "--portable" in error.value.hint
    monkeypatch.setattr(cpu, "has_vnni", lambda: True)
    load_tagger(elsewhere)


def test_a_model_without_a_canary_is_told(elsewhere: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit_table(elsewhere, canary=None)
    load_tagger(elsewhere)
    assert "holds no canary" in caplog.text


@pytest.mark.parametrize("bad", [{}, {"ids": [[1]]}, {"ids": [[10**9]], "log_probabilities": [[[0]]]}, "x", [1], 0])
def test_a_canary_that_is_none_is_refused(elsewhere: Path, bad: Any) -> None:
    edit_table(elsewhere, canary=bad)
    with pytest.raises(InvalidData, match=r"quantization\.json: its canary is not what quantize writes") as error:
        load_tagger(elsewhere)
    assert error.value.hint == f"Make it anew: nertool quantize --force -w {elsewhere.parent}"


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        *(("from_fp32", number) for number in (-1.0, 2.0, float("nan"), float("inf"), [], "x")),
        *(("ids", ids) for ids in ([], [[]], [[True] * 5], [["a"]], [[2**70]], [[1] * 1000] * 4)),
        *(("log_probabilities", [[[number] * 4] * 14] * 4) for number in (float("nan"), 1e308, "x")),
    ],
)
def test_a_number_of_a_canary_that_is_none_is_refused(elsewhere: Path, key: str, bad: Any) -> None:
    table = json.loads((elsewhere / "quantization.json").read_text())
    edit_table(elsewhere, canary={**table["canary"], key: bad})
    with pytest.raises(InvalidData, match="its canary is not what quantize writes"):
        load_tagger(elsewhere)


def test_a_copy_whose_files_were_changed_is_told(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(graph / "quantized", tmp_path / "copy")
    (tmp_path / "text").write_text("anna left oslo\n")

    def warnings() -> int:
        with pytest.raises(SystemExit) as end:
            main(["predict", "--model-dir", str(copy), str(tmp_path / "text"), "-o", str(tmp_path / "tags"), "--force"])
        assert end.value.code == 0
        return capsys.readouterr().err.count(f"{copy}: model.onnx changed by hand")

    assert warnings() == 0
    with (copy / "model.onnx").open("ab") as file:
        file.write(b"\x32\x00")  # nothing, as Protocol Buffers write it
    assert warnings() == 1


@pytest.mark.parametrize("files", ["model.onnx", {"model.onnx": 3}, {"model.onnx": {"sha256": "0"}}])
def test_digests_that_are_none_are_refused(files: Any, graph: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(graph / "quantized", tmp_path / "copy")
    edit_table(copy, files=files)
    with pytest.raises(InvalidData, match=r"quantization\.json"):
        edited_files(copy)


@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse"])
def test_every_observer_gives_a_model_that_tags(copy: Workspace, observer: str) -> None:
    options = quantize.Options(backend="onnx", approach="static", observer=observer, tolerance=0.9)  # type: ignore[arg-type]
    facts = quantize.run(copy, options).facts
    assert facts["observer"] == observer and facts["int8"]["f1"] > 0.9 * facts["fp32"]["f1"]


def test_an_export_whose_answers_are_no_numbers_is_refused(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnx_runtime.OnnxModel.__call__

    def broken(self: onnx_runtime.OnnxModel, **inputs: Any) -> dict[str, Any]:
        return {"logits": real(self, **inputs)["logits"] * float("nan")}

    monkeypatch.setattr(onnx_runtime.OnnxModel, "__call__", broken)
    with pytest.raises(NertoolError, match="logits differ by up to nan"):
        quantize.run(copy, quantize.Options(backend="onnx"))


def test_an_export_that_gives_other_answers_is_refused(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnx_runtime.OnnxModel.__call__
    monkeypatch.setattr(
        onnx_runtime.OnnxModel,
        "__call__",
        lambda self, attention_mask, **inputs: real(self, attention_mask=attention_mask * 0 + 1, **inputs),
    )
    with pytest.raises(NertoolError, match="exported to ONNX the model gives other answers"):
        quantize.run(copy, quantize.Options(backend="onnx"))
    assert not (copy / "quantized").exists()


def test_weights_that_no_graph_holds_are_refused_before_anything_is_computed(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (copy / "model/model.safetensors").stat().st_size // 4
    monkeypatch.setattr(onnx_runtime, "LARGEST", size - 1)
    monkeypatch.setattr(measure, "measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(NertoolError, match="in INT8, and a graph of ONNX holds less than") as error:
        quantize.run(copy, quantize.Options(backend="onnx"))
    assert "--backend inc" in error.value.hint and not (copy / QUANTIZING).exists()
    monkeypatch.setattr(onnx_runtime, "LARGEST", size)
    onnx_runtime.check_fits(copy / "model")
    config = json.loads((copy / "model/config.json").read_text())
    (copy / "model/config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16", "dtype": "bfloat16"}))
    with pytest.raises(NertoolError, match="in INT8"):
        onnx_runtime.check_fits(copy / "model")


def test_a_graph_that_is_too_large_for_a_file_is_told(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx
    from google.protobuf.message import EncodeError

    def full(*_: object, **__: object) -> None:
        raise EncodeError("Failed to serialize proto")

    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(NertoolError, match="would have 2 GiB or more") as error:
        quantize.run(copy, quantize.Options(backend="onnx"))
    assert "--backend inc" in error.value.hint


def test_a_graph_that_is_none_is_told(graph: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(graph, tmp_path / "copy")
    (copy / "quantized/model.onnx").write_bytes(b"not a graph")
    with pytest.raises(NertoolError, match="model.onnx cannot be read"):
        evaluate.run(Workspace(copy), evaluate.Options(quantized=True, allow_stale=True))


def test_without_onnx_runtime_the_extra_is_named(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NertoolError) as raised:
        quantize.run(copy, quantize.Options(backend="onnx"))
    assert "nertool[onnx]" in raised.value.hint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"backend": "onnx", "approach": "qat"}, "only Neural Compressor trains"),
        ({"backend": "inc", "approach": "none"}, "only ONNX Runtime has graphs in FP32"),
        ({"observer": "percentile"}, "has no such observer"),
        ({"approach": "qat", "qat_epochs": 0.0}, "nothing would be trained"),
    ],
)
def test_what_a_backend_cannot_do_is_told_first(copy: Workspace, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        quantize.run(copy, quantize.Options(**options))


# -- Neural Compressor -----------------------------------------------------------------------------


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
    monkeypatch.setitem(sys.modules, "optimum.intel", ModuleType("optimum.intel"))  # without what is imported from it
    with pytest.raises(NertoolError, match=r"neural-compressor==3\.7\.1"):
        quantize.run(copy, quantize.Options())
    assert not (copy / "quantized").exists()


def test_without_dev_there_is_nothing_to_decide_by(copy: Workspace) -> None:
    (copy / "dev.txt").unlink()
    with pytest.raises(MissingInput, match="dev.txt"):
        quantize.run(copy, quantize.Options(backend="onnx", allow_stale=True))


@needs_inc
def test_predict_publishes_a_split_tagged_by_the_int8_model(quantized: Path) -> None:
    workspace = Workspace(quantized)
    result = predict.run(workspace, predict.Options(split="test", quantized=True))
    lines = (quantized / "predictions/test.conll").read_text().splitlines()
    tokens = [line.split(" ")[0] for line in (quantized / "test.txt").read_text().splitlines()]
    assert [line.split(" ")[0] for line in lines] == tokens
    assert result.facts["model"] == "quantized"
    assert predict.run(workspace, predict.Options(split="test", quantized=True)).fresh
