"""Dynamic INT8 with a range for each sub-word, as a rewrite of an ONNX graph.

ONNX Runtime's own dynamic quantization finds one range for all sub-words of a batch, so that the tags of a sentence
hang on its neighbours. Here each row of a product's inputs (a sub-word) is divided by its own greatest magnitude and
rounded to bytes, and the sums of the products are multiplied by it again. Rows of embeddings have a scale each, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nertool.arrays import Array
from nertool.int8.rounding import round_columns, round_rows

CONTRIBUTED = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""
LEAST_MAGNITUDE = 1e-12
"""Of a row, so that a row of zeros can be divided by it."""


class RowRanges:
    """Rewrites a graph.

    Args:
        model: an `onnx.ModelProto`, which is changed.
        weight_bits: 7 or 8; see `QuantizationConfig`.
        moments: of the inputs of linear layers, by name; see `round_columns`.
    """

    def __init__(self, model: Any, weight_bits: int, moments: Mapping[str, Array]) -> None:
        from onnx import helper

        self.model, self.weight_bits, self.moments = model, weight_bits, moments
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.rounded_inputs: set[str] = set()
        self._add("row_top", np.float32(1 / 127))
        self._add("row_least", np.float32(LEAST_MAGNITUDE))
        self._add("row_one", np.float32(1))
        self._add("row_list", np.array([-1]))
        self._add("row_zero_point", np.uint8(128))  # of activations: 1 to 255 stand for -127 to 127
        if all(imported.domain != CONTRIBUTED for imported in model.opset_import):
            model.opset_import.append(helper.make_opsetid(CONTRIBUTED, 1))

    def rewrite(self, layers: Mapping[str, str]) -> None:
        """Put products and embeddings into bytes.

        Args:
            layers: names of `MatMul` nodes whose second input is a weight -> name of the linear layer.
        """
        graph = self.model.graph
        nodes: list[Any] = []
        for node in graph.node:
            if node.name in layers:
                nodes += self._product(node, layers[node.name])
            elif node.op_type == "Gather" and not node.attribute and self._is_table(node.input[0]):
                nodes += self._embedding(node)
            else:
                nodes.append(node)
        used = {name for node in nodes for name in node.input}
        kept = [tensor for name, tensor in self.constants.items() if name in used]
        _replace(graph.node, nodes)
        _replace(graph.initializer, kept)

    def _product(self, node: Any, layer: str) -> list[Any]:
        """Nodes in place of a product: sums of bytes, by the scale of each column, then of each row."""
        from onnx import helper

        rows, weight, product = node.input[0], node.input[1], node.output[0]
        nodes = []
        if rows not in self.rounded_inputs:
            self.rounded_inputs.add(rows)
            nodes += self._round_rows(rows, len(self._values(weight)))
        if f"{weight}_bytes" not in self.constants:
            table, scales = round_columns(self._values(weight), self.weight_bits, self.moments.get(layer))
            self._add(f"{weight}_bytes", table)
            self._add(f"{weight}_scales", scales)
        factors = [f"{rows}_bytes", f"{weight}_bytes", "row_one", f"{weight}_scales", "row_zero_point"]
        nodes.append(helper.make_node("MatMulIntegerToFloat", factors, [f"{product}_columns"], domain=CONTRIBUTED))
        nodes.append(helper.make_node("Mul", [f"{product}_columns", f"{rows}_scales"], [product]))
        return nodes

    def _round_rows(self, rows: str, width: int) -> list[Any]:
        """Nodes that give `{rows}_bytes`, and `{rows}_scales` of shape (batch, subwords, 1) or (rows, 1).

        `QuantizeLinear` takes a scale a row of a matrix alone, so that sub-words of all sentences are its rows.
        """
        from onnx import helper

        self._add(f"row_shape_{width}", np.array([-1, width]))
        return [
            # not the maximum of Abs, which would write as many numbers as it reads
            helper.make_node("ReduceMax", [rows], [f"{rows}_greatest"], axes=[-1], keepdims=1),
            helper.make_node("ReduceMin", [rows], [f"{rows}_smallest"], axes=[-1], keepdims=1),
            helper.make_node("Neg", [f"{rows}_smallest"], [f"{rows}_opposite"]),
            helper.make_node("Max", [f"{rows}_greatest", f"{rows}_opposite", "row_least"], [f"{rows}_bounds"]),
            helper.make_node("Mul", [f"{rows}_bounds", "row_top"], [f"{rows}_scales"]),
            helper.make_node("Reshape", [f"{rows}_scales", "row_list"], [f"{rows}_scale_list"]),
            helper.make_node("Shape", [f"{rows}_scale_list"], [f"{rows}_count"]),
            helper.make_node("Expand", ["row_zero_point", f"{rows}_count"], [f"{rows}_zero_points"]),
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


def _replace(repeated: Any, values: list[Any]) -> None:
    """Put values in place of those of a repeated field."""
    del repeated[:]
    repeated.extend(values)
