"""A graph that leaves out the work for sub-words that nobody asks for gives the same logits for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import random_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from nertool.int8.config import QuantizationConfig  # noqa: E402
from nertool.int8.onnx_runtime import Exported  # noqa: E402
from nertool.int8.wanted_rows import drop_unwanted_rows  # noqa: E402
from nertool.models.onnx_model import GRAPH, SLOW_FUSIONS, WANTED, OnnxModel  # noqa: E402

pytestmark = pytest.mark.slow

MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0]])
ROWS, POSITIONS = [0, 0, 1, 2], [1, 4, 1, 3]


@pytest.fixture(params=["bert", "distilbert", "roberta-prelayernorm", "deberta-v2"])
def graphs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, dict[str, Any], Exported]:
    """A random model, inputs of three sentences, and the model as a graph."""
    model = random_model(request.param)
    ids = np.random.default_rng(0).integers(5, 50, MASK.shape) * MASK
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(MASK)}
    exported = Exported(model, [inputs], tmp_path)
    return model, {name: values.numpy() for name, values in inputs.items()}, exported


def test_only_sub_words_that_are_asked_for_are_computed_and_as_ever(graphs: Any) -> None:
    model, inputs, exported = graphs
    graph = OnnxModel(exported.path)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(values) for name, values in inputs.items()})["logits"].numpy()
    assert np.allclose(graph.at(inputs, ROWS, POSITIONS), expected[ROWS, POSITIONS], atol=1e-6)
    wanted = np.zeros_like(MASK)
    wanted[ROWS, POSITIONS] = 1
    logits = graph(**inputs, **{WANTED: wanted})["logits"]
    assert logits.shape == expected.shape and not logits[wanted == 0].any()


def test_whoever_does_not_ask_gets_all_but_padding(graphs: Any) -> None:
    model, inputs, exported = graphs
    graph = OnnxModel(exported.path)
    assert set(graph.inputs) == {"input_ids", "attention_mask"}
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(values) for name, values in inputs.items()})["logits"].numpy()
    logits = graph(**inputs)["logits"]
    assert np.allclose(logits[MASK == 1], expected[MASK == 1], atol=1e-6) and not logits[MASK == 0].any()


def test_the_feed_forward_network_of_the_last_layer_is_behind_the_choice(graphs: Any) -> None:
    _, _, exported = graphs
    kinds = [node.op_type for node in onnx.load(exported.path).graph.node]
    assert kinds[kinds.index("NonZero") :].count("MatMul") == 4  # of attention's output, the network and the head


@pytest.mark.parametrize("approach", ["dynamic", "static"])
def test_int8_gives_each_sub_word_the_same_whoever_else_is_asked_for(
    graphs: Any, approach: Any, tmp_path: Path
) -> None:
    model, inputs, exported = graphs
    (tmp_path / "int8").mkdir()
    ranges = {name: (-4.0, 4.0) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    rows = {"row_ranges": True} if approach == "dynamic" else {"ranges": ranges}
    exported.quantize(tmp_path / "int8", QuantizationConfig(approach, weight_bits=7, **rows))
    graph = OnnxModel(tmp_path / "int8" / GRAPH)
    assert graph.takes_wanted
    assert np.array_equal(graph.at(inputs, ROWS, POSITIONS), graph(**inputs)["logits"][ROWS, POSITIONS])


def test_static_ranges_keep_the_products_behind_the_choice_in_bytes(graphs: Any, tmp_path: Path) -> None:
    import onnxruntime

    model, _, exported = graphs
    (tmp_path / "int8").mkdir()
    ranges = {name: (-4.0, 4.0) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    exported.quantize(tmp_path / "int8", QuantizationConfig("static", weight_bits=7, ranges=ranges))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "as_run.onnx")
    path = tmp_path / "int8" / GRAPH
    onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS)
    kinds = [node.op_type for node in onnx.load(tmp_path / "as_run.onnx").graph.node]
    assert "Gemm" not in kinds and kinds[kinds.index("NonZero") :].count("MatMulIntegerToFloat") == 4


def test_a_graph_without_work_of_that_kind_stays_as_it_is() -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Softmax", ["scores"], ["logits"])
    shape = ["batch", "subwords", 3]
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    )
    before = graph.SerializeToString()
    assert not drop_unwanted_rows(graph) and graph.SerializeToString() == before
