"""Dynamic INT8 with a range for each sub-word, as a rewrite of an ONNX graph.

ONNX Runtime's own dynamic quantization finds one range for all sub-words of a batch, so that the tags of a sentence
depend on the other sentences of its batch. Here each row of a product's inputs (a sub-word) has a scale of its own: it
is divided by it and rounded to bytes, and the integer sums are multiplied by it again. Rows of embeddings have a scale
each, too. Where inputs have a least value, as behind an activation, no byte stands for smaller numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nertool.arrays import Array
from nertool.int8.activations import least_value
from nertool.int8.bias_correction import RoundedProduct, correct_biases
from nertool.int8.centred_norms import centre_norms
from nertool.int8.constants import Constants
from nertool.int8.rounding import round_columns, round_rows, zero_point
from nertool.int8.watched_graph import InputStatistics, WatchedGraph

CONTRIBUTED = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""
LEAST_MAGNITUDE = 1e-12
"""Of a row, so that a row of zeros can be divided by it."""


def quantize_rows(
    graph: Path, names: Collection[str], weight_bits: int, batches: Sequence[Mapping[str, Any]], path: Path
) -> Any:
    """Quantize products and embeddings of a graph, so that it changes least on calibration sentences.

    Args:
        graph: the file; weights of a large one are in files beside it, and are not written again.
        names: of `MatMul` nodes whose second input is a weight.
        weight_bits: 7 or 8; see `QuantizationConfig`.
        batches: inputs of the calibration sentences.
        path: see `WatchedGraph`.

    Returns:
        an `onnx.ModelProto`.

    Raises:
        NertoolError: the graph cannot be run.
    """
    import onnx

    if not names:  # nothing to be looked at: rows of embeddings have their own ranges
        model = onnx.load(graph)
        RowRanges(model, weight_bits, {}).rewrite(names)
        return model
    without_weights = onnx.load(graph, load_external_data=False)
    tensors = dict.fromkeys(node.input[0] for node in without_weights.graph.node if node.name in names)
    watched = WatchedGraph(without_weights, [*tensors], path)
    means = watched.means(batches)
    model = onnx.load(graph)
    centred = centre_norms(model.graph, means)
    statistics = watched.statistics(batches, {name: means[name] for name in centred})
    products = RowRanges(model, weight_bits, statistics).rewrite(names)
    correct_biases(model, products, batches, path)
    return model


class RowRanges:
    """Rewrites a graph.

    Args:
        model: an `onnx.ModelProto`, which is changed.
        weight_bits: 7 or 8; see `QuantizationConfig`.
        statistics: of the inputs of products, by name of the tensor. Without them weights are rounded to the nearest
            byte, and each range has 0 in its middle.
    """

    def __init__(self, model: Any, weight_bits: int, statistics: Mapping[str, InputStatistics]) -> None:
        from onnx import helper

        self.model, self.weight_bits, self.statistics = model, weight_bits, statistics
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.zero_points: dict[str, int] = {}
        self._add("row_top", np.float32(1 / 127))
        self._add("row_least", np.float32(LEAST_MAGNITUDE))
        self._add("row_one", np.float32(1))
        self._add("row_list", np.array([-1]))
        if all(imported.domain != CONTRIBUTED for imported in model.opset_import):
            model.opset_import.append(helper.make_opsetid(CONTRIBUTED, 1))

    def rewrite(self, names: Collection[str]) -> list[RoundedProduct]:
        """Quantize products and embeddings.

        Args:
            names: of `MatMul` nodes whose second input is a weight.

        Returns:
            the products whose inputs have statistics, in the order of the graph.
        """
        graph = self.model.graph
        chosen = [node for node in graph.node if node.name in names]
        moments = self._moments(chosen)
        products = []
        for node in chosen:
            if node.input[0] in self.statistics:
                mean = self.statistics[node.input[0]].mean @ self._values(node.input[1])
                products.append(RoundedProduct(node.input[0], node.output[0], mean))
        nodes: list[Any] = []
        for node in graph.node:
            if node.name in names:
                nodes += self._product(node, moments.get(node.input[1]))
            elif node.op_type == "Gather" and not node.attribute and self._is_table(node.input[0]):
                nodes += self._embedding(node)
            else:
                nodes.append(node)
        used = {name for node in nodes for name in node.input}
        kept = [tensor for name, tensor in self.constants.items() if name in used]
        _replace(graph.node, nodes)
        _replace(graph.initializer, kept)
        return products

    def _moments(self, products: Sequence[Any]) -> dict[str, Array]:
        """Moments of all inputs that weights meet, by name of the weights: several layers may share them."""
        moments: dict[str, Array] = {}
        for node in products:
            if node.input[0] in self.statistics:
                found = self.statistics[node.input[0]].moments
                moments[node.input[1]] = moments[node.input[1]] + found if node.input[1] in moments else found
        return moments

    def _product(self, node: Any, moments: Array | None) -> list[Any]:
        """Nodes in place of a product: sums of bytes, by the scale of each column, then of each row."""
        from onnx import helper

        rows, weight, product = node.input[0], node.input[1], node.output[0]
        nodes = []
        if rows not in self.zero_points:
            nodes += [*self._scales(rows), *self._round_rows(rows, len(self._values(weight)))]
        if f"{weight}_bytes" not in self.constants:
            table, scales = round_columns(self._values(weight), self.weight_bits, moments)
            self._add(f"{weight}_bytes", table)
            self._add(f"{weight}_scales", scales)
        zero_point = _zero_point_name(self.zero_points[rows])
        factors = [f"{rows}_bytes", f"{weight}_bytes", "row_one", f"{weight}_scales", zero_point]
        nodes.append(helper.make_node("MatMulIntegerToFloat", factors, [f"{product}_columns"], domain=CONTRIBUTED))
        nodes.append(helper.make_node("Mul", [f"{product}_columns", f"{rows}_scales"], [product]))
        return nodes

    def _scales(self, rows: str) -> list[Any]:
        """Nodes that give `{rows}_scales`, of shape (batch, subwords, 1) or (rows, 1): the quantization step."""
        from onnx import helper

        greatest = helper.make_node("ReduceMax", [rows], [f"{rows}_greatest"], axes=[-1], keepdims=1)
        least = least_value(self.model, Constants(self.model.graph), rows) if rows in self.statistics else None
        if least is None:
            self.zero_points[rows] = 128  # 1 to 255 stand for -127 to 127
            return [
                greatest,
                # not the maximum of Abs, which would write as many numbers as it reads
                helper.make_node("ReduceMin", [rows], [f"{rows}_smallest"], axes=[-1], keepdims=1),
                helper.make_node("Neg", [f"{rows}_smallest"], [f"{rows}_opposite"]),
                helper.make_node("Max", [f"{rows}_greatest", f"{rows}_opposite", "row_least"], [f"{rows}_bounds"]),
                helper.make_node("Mul", [f"{rows}_bounds", "row_top"], [f"{rows}_scales"]),
            ]
        point = self.zero_points[rows] = zero_point(least, self.statistics[rows].greatest)
        self._add(f"{rows}_top", np.float32(1 / (255 - point)))
        self._add(f"{rows}_least", np.float32(max(-least / point if point else 0, LEAST_MAGNITUDE)))
        return [
            greatest,
            helper.make_node("Mul", [f"{rows}_greatest", f"{rows}_top"], [f"{rows}_above"]),
            helper.make_node("Max", [f"{rows}_above", f"{rows}_least"], [f"{rows}_scales"]),
        ]

    def _round_rows(self, rows: str, width: int) -> list[Any]:
        """Nodes that give `{rows}_bytes`.

        `QuantizeLinear` takes a scale a row of a matrix alone, so that sub-words of all sentences are its rows.
        """
        from onnx import helper

        point = self.zero_points[rows]
        self._add(_zero_point_name(point), np.uint8(point))
        self._add(f"row_shape_{width}", np.array([-1, width]))
        return [
            helper.make_node("Reshape", [f"{rows}_scales", "row_list"], [f"{rows}_scale_list"]),
            helper.make_node("Shape", [f"{rows}_scale_list"], [f"{rows}_count"]),
            helper.make_node("Expand", [_zero_point_name(point), f"{rows}_count"], [f"{rows}_zero_points"]),
            helper.make_node("Reshape", [rows, f"row_shape_{width}"], [f"{rows}_matrix"]),
            helper.make_node(
                "QuantizeLinear",
                [f"{rows}_matrix", f"{rows}_scale_list", f"{rows}_zero_points"],
                [f"{rows}_byte_matrix"],
                axis=0,
            ),
            helper.make_node("Shape", [rows], [f"{rows}_shape"]),
            helper.make_node("Reshape", [f"{rows}_byte_matrix", f"{rows}_shape"], [f"{rows}_bytes"]),
        ]

    def _embedding(self, node: Any) -> list[Any]:
        """Nodes in place of a lookup: the bytes of a row, by its scale."""
        from onnx import TensorProto, helper

        table, ids, found = node.input[0], node.input[1], node.output[0]
        if f"{table}_bytes" not in self.constants:
            values, scales = round_rows(self._values(table))
            self._add(f"{table}_bytes", values)
            self._add(f"{table}_scales", scales)
        return [
            helper.make_node("Gather", [f"{table}_bytes", ids], [f"{found}_bytes"], axis=0),
            helper.make_node("Gather", [f"{table}_scales", ids], [f"{found}_scales"], axis=0),
            helper.make_node("Cast", [f"{found}_bytes"], [f"{found}_steps"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{found}_steps", f"{found}_scales"], [found]),
        ]

    def _is_table(self, name: str) -> bool:
        """Whether a constant is a table of embeddings: rows of floats."""
        from onnx import TensorProto

        tensor = self.constants.get(name)
        return tensor is not None and len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT

    def _values(self, name: str) -> Array:
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self.constants[name]))

    def _add(self, name: str, values: Any) -> None:
        from onnx import numpy_helper

        self.constants[name] = numpy_helper.from_array(np.asarray(values), name)


def _zero_point_name(point: int) -> str:
    return f"row_zero_point_{point}"


def _replace(repeated: Any, values: list[Any]) -> None:
    """Put values in place of those of a repeated field."""
    del repeated[:]
    repeated.extend(values)
