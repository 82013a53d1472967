"""INT8 by rows: what is done to a graph leaves its answers as they are, or nearer to those of FP32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import random_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from nertool.int8.activations import least_value  # noqa: E402
from nertool.int8.bias_correction import correct_biases  # noqa: E402
from nertool.int8.centred_norms import centre_norms  # noqa: E402
from nertool.int8.config import QuantizationConfig  # noqa: E402
from nertool.int8.constants import Constants  # noqa: E402
from nertool.int8.layer_ranges import linear_layers  # noqa: E402
from nertool.int8.onnx_runtime import Exported, matrix_products  # noqa: E402
from nertool.int8.row_ranges import RowRanges, quantize_rows  # noqa: E402
from nertool.int8.watched_graph import WatchedGraph  # noqa: E402
from nertool.models.onnx_model import GRAPH  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.model]

LENGTHS = (9, 7, 4)


def batch(seed: int) -> dict[str, Any]:
    """Three sentences with padding."""
    mask = np.array([[1] * length + [0] * (LENGTHS[0] - length) for length in LENGTHS])
    ids = np.random.default_rng(seed).integers(5, 50, mask.shape) * mask
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


class Graph:
    """The graph of a random model whose biases differ from 0, as those of trained models do."""

    def __init__(self, family: str, scratch: Path) -> None:
        self.model, self.batches = random_model(family), [batch(seed) for seed in range(4)]
        chance = torch.Generator().manual_seed(0)
        for name, values in self.model.named_parameters():
            if name.endswith("bias"):
                values.data += torch.randn(values.shape, generator=chance)
        self.exported = Exported(self.model, self.batches, scratch)
        self.scratch = scratch / "watched.onnx"
        self.loaded = onnx.load(self.exported.path)
        self.products = [product for product in matrix_products(self.loaded.graph) if product.layer]

    def watched(self) -> WatchedGraph:
        """The inputs of all products."""
        return WatchedGraph(self.loaded, list(dict.fromkeys(product.tensor for product in self.products)), self.scratch)

    def logits(self) -> list[Any]:
        """Of the graph as it is now, for each batch, without padding."""
        watched = WatchedGraph(self.loaded, ["logits"], self.scratch)
        return [watched.rows(one)["logits"] for one in self.batches]


@pytest.fixture(params=["bert", "distilbert", "roberta-prelayernorm", "deberta-v2", "albert"])
def graph(request: pytest.FixtureRequest, tmp_path: Path) -> Graph:
    return Graph(request.param, tmp_path)


def test_statistics_are_of_the_rows_without_padding(graph: Graph) -> None:
    watched = graph.watched()
    found, means = watched.statistics(graph.batches, {}), watched.means(graph.batches)
    batches = [watched.rows(one) for one in graph.batches]
    for name in watched.names:
        rows = np.concatenate([one[name] for one in batches])
        assert len(rows) == 4 * sum(LENGTHS)
        assert np.allclose(found[name].mean, rows.mean(axis=0), atol=1e-5)
        assert np.allclose(found[name].mean, means[name])
        assert np.allclose(found[name].moments, rows.T @ rows, rtol=1e-4, atol=1e-4)
        assert np.array_equal(found[name].greatest, rows.max(axis=1))


def test_a_watched_graph_stays_as_it_is_and_leaves_no_file(graph: Graph) -> None:
    before = graph.loaded.SerializeToString()
    graph.watched()
    assert graph.loaded.SerializeToString() == before and not graph.scratch.exists()


def test_centred_norms_have_mean_0_and_the_graph_gives_the_same(graph: Graph) -> None:
    before, names = graph.logits(), {product.tensor for product in graph.products}
    centred = centre_norms(graph.loaded.graph, means_of(graph))
    norms = {node.output[0] for node in graph.loaded.graph.node if node.op_type == "LayerNormalization"}
    assert centred and centred <= norms & names
    for expected, found in zip(before, graph.logits(), strict=True):
        assert np.allclose(found, expected, atol=2e-4)
    after = means_of(graph)
    assert all(np.abs(after[name]).max() < 1e-4 for name in centred)


def test_a_norm_whose_output_goes_elsewhere_is_left_alone(graph: Graph) -> None:
    (name, *_) = centre_norms(onnx_copy(graph.loaded).graph, means_of(graph))
    graph.loaded.graph.node.append(helper.make_node("Exp", [name], ["elsewhere"]))
    assert name not in centre_norms(graph.loaded.graph, means_of(graph))


def test_where_no_layer_is_quantized_embeddings_are(tmp_path: Path) -> None:
    graph = Graph("bert", tmp_path)
    model = quantize_rows(graph.exported.path, (), 8, graph.batches, graph.scratch)
    assert not any(node.op_type == "MatMulInteger" for node in model.graph.node)
    assert any(tensor.data_type == onnx.TensorProto.INT8 for tensor in model.graph.initializer)
    before, graph.loaded = graph.logits(), model
    for expected, found in zip(before, graph.logits(), strict=True):
        assert np.allclose(found, expected, atol=0.1)


def onnx_copy(model: Any) -> Any:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def means_of(graph: Graph) -> dict[str, Any]:
    return graph.watched().means(graph.batches)


def test_biases_give_products_the_means_that_they_have_in_fp32(graph: Graph) -> None:
    names = {product.node for product in graph.products}
    products = RowRanges(graph.loaded, 7, graph.watched().statistics(graph.batches, {})).rewrite(names)
    sums = {name: next(node for node in graph.loaded.graph.node if name in node.input) for _, name, _ in products}
    before = {name: bias_of(graph, node) for name, node in sums.items()}
    correct_biases(graph.loaded, products, graph.batches, graph.scratch)
    watched = WatchedGraph(graph.loaded, [product.output for product in products], graph.scratch)
    rows = [watched.rows(one) for one in graph.batches]
    for _, name, mean in products:
        found = np.concatenate([one[name] for one in rows]).mean(axis=0)
        corrected = bias_of(graph, sums[name]) - before[name]
        assert np.allclose(found + corrected, mean, atol=1e-4)
        assert 0 < np.abs(corrected).max() < 0.2


def bias_of(graph: Graph, node: Any) -> Any:
    constants = Constants(graph.loaded.graph)
    (place,) = constants.of(node)
    return constants.values(node.input[place])


def test_int8_by_rows_gives_nearly_the_logits_of_fp32(graph: Graph, tmp_path: Path) -> None:
    before, directory = graph.logits(), tmp_path / "int8"
    directory.mkdir()
    graph.exported.quantize(directory, QuantizationConfig("dynamic", row_ranges=True, weight_bits=7))
    graph.loaded = onnx.load(directory / GRAPH)
    for expected, found in zip(before, graph.logits(), strict=True):
        assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_every_use_of_a_layer_is_in_bytes_or_in_fp32(graph: Graph, tmp_path: Path) -> None:
    """ALBERT's layers share their weights."""
    layers = list(dict.fromkeys(product.layer for product in graph.products))
    uses = {layer: sum(product.layer == layer for product in graph.products) for layer in layers}
    assert {*layers} == {*linear_layers(graph.model)}
    for in_fp32 in ([], layers[1:3]):
        directory = tmp_path / f"{len(in_fp32)} in FP32"
        directory.mkdir()
        config = QuantizationConfig("dynamic", weight_bits=7, row_ranges=True, in_fp32=in_fp32)
        graph.exported.quantize(directory, config)
        made = onnx.load(directory / GRAPH).graph
        matrices = {tensor.name for tensor in made.initializer if len(tensor.dims) == 2 and tensor.data_type == 1}
        scales = {name for name in matrices if name.endswith("_scales")}
        assert len(matrices - scales) == len(in_fp32)
        in_bytes = sum(node.op_type == "MatMulIntegerToFloat" for node in made.node)
        assert in_bytes == len(graph.products) - sum(uses[layer] for layer in in_fp32)


def test_a_graph_whose_weights_are_in_files_beside_it_gives_the_same(graph: Graph, tmp_path: Path) -> None:
    logits = []
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        graph.exported.quantize(tmp_path / name, QuantizationConfig("dynamic", row_ranges=True, weight_bits=7))
        graph.loaded = onnx.load(tmp_path / name / GRAPH)
        logits.append(np.concatenate(graph.logits()))
        large = {"save_as_external_data": True, "location": "weights", "size_threshold": 0}
        onnx.save(onnx.load(graph.exported.path), graph.exported.path, **large)
    assert np.array_equal(*logits)


@pytest.mark.parametrize(
    ("function", "least"),
    [
        (torch.nn.GELU(), -0.16997),
        (torch.nn.GELU("tanh"), -0.17004),
        (torch.nn.SiLU(), -0.27846),
        (torch.nn.ReLU(), 0.0),
        (torch.nn.Tanh(), -1.0),
        (torch.nn.Identity(), None),
        (torch.nn.LeakyReLU(), None),
        (torch.nn.Linear(4, 4), None),
    ],
)
def test_least_values_of_activations_are_found(function: Any, least: float | None, tmp_path: Path) -> None:
    path = tmp_path / "function.onnx"
    with torch.no_grad():
        torch.onnx.export(function, (torch.randn(3, 4),), str(path), opset_version=17, dynamo=False)
    model = onnx.load(path)
    found = least_value(model, Constants(model.graph), model.graph.output[0].name)
    assert found == (None if least is None else pytest.approx(least, abs=1e-4))


def test_a_gate_has_no_least_value() -> None:
    nodes = [helper.make_node("Relu", ["one"], ["gate"]), helper.make_node("Mul", ["gate", "other"], ["gated"])]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("one", "other", "gated")]
    model = helper.make_model(helper.make_graph(nodes, "gate", infos[:2], infos[2:]))
    assert least_value(model, Constants(model.graph), "gated") is None


def test_a_constant_is_changed_for_one_node_alone() -> None:
    nodes = [helper.make_node("Add", [name, "shared"], [f"{name}_sum"]) for name in ("one", "other")]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("one", "other")]
    sums = [helper.make_tensor_value_info(f"{name}_sum", TensorProto.FLOAT, [1]) for name in ("one", "other")]
    shared = numpy_helper.from_array(np.ones(1, np.float32), "shared")
    graph = helper.make_graph(nodes, "sums", infos, sums, [shared])
    constants = Constants(graph)
    constants.replace(graph.node[0], 1, np.zeros(1, np.float32))
    constants.replace(graph.node[0], 1, np.full(1, 2, np.float32))
    assert [constants.values(node.input[1]).tolist() for node in graph.node] == [[2.0], [1.0]]
