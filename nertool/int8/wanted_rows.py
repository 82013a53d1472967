"""An ONNX graph that computes logits only for the sub-words that somebody reads.

Behind the last attention, the logits of a sub-word follow from its own row alone: products with weights, sums, norms.
Tags are read at the first sub-word of each word. So the other rows (further sub-words, special tokens, padding) are
dropped there. The graph keeps its inputs and its output, which has zeros in rows that nobody wants. Its further input
`wanted` may be left out; then all rows but those of padding are computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from nertool.models.onnx_model import WANTED

ROW_BY_ROW = {
    *("Add", "Div", "Mul", "Pow", "Sub"),
    *("Clip", "Erf", "Relu", "Sigmoid", "Sqrt", "Tanh"),
    *("LayerNormalization", "MatMul"),
}
"""Operators that compute each row of their inputs alone, if their other inputs are constants that all rows share."""


def drop_unwanted_rows(graph: Any) -> bool:
    """Rewrite a graph whose inputs and output are those of `Exported`.

    Args:
        graph: an `onnx.GraphProto`, which is changed.

    Returns:
        whether there is anything behind the last attention; else nothing is changed.
    """
    from onnx import TensorProto, helper, numpy_helper

    (output,) = graph.output
    constants = _constants(graph)
    region = _row_by_row(graph, constants, output.name)
    if not region:
        return False
    made = {name for node in region for name in node.output}
    cut = dict.fromkeys(name for node in region for name in node.input if name not in made and name not in constants)
    before = [node for node in graph.node if node not in region]
    for node in region:
        _rename(node.input, {*cut})
        _rename(node.output, {output.name})
    nodes = [*before, *_chosen_rows(cut), *region, *_all_rows(output.name)]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(WANTED, TensorProto.INT64, ["wanted_batch", "wanted_subwords"]))
    graph.initializer.append(numpy_helper.from_array(np.ones((1, 1), np.int64), WANTED))  # what it is if left out
    del graph.value_info[:]  # of ranks before
    return True


def _rename(names: Any, those: Collection[str]) -> None:
    """Let some names of a node be those of the chosen rows."""
    for place, name in enumerate(names):
        if name in those:
            names[place] = f"{name}_rows"


def _chosen_rows(names: Iterable[str]) -> list[Any]:
    """Nodes that give `{name}_rows` of shape (rows, width) for tensors of shape (batch, subwords, width)."""
    from onnx import helper

    return [
        helper.make_node("Mul", ["attention_mask", WANTED], ["rows_wanted"]),
        helper.make_node("NonZero", ["rows_wanted"], ["rows_columns"]),
        helper.make_node("Transpose", ["rows_columns"], ["rows_places"]),  # of shape (rows, 2)
        *(helper.make_node("GatherND", [name, "rows_places"], [f"{name}_rows"]) for name in names),
    ]


def _all_rows(name: str) -> list[Any]:
    """Nodes that give a tensor of shape (batch, subwords, labels), with zeros where a row was not chosen."""
    from onnx import helper, numpy_helper

    blank = numpy_helper.from_array(np.zeros(1, np.float32))
    return [
        helper.make_node("Shape", ["rows_wanted"], ["rows_shape"]),
        helper.make_node("Shape", [f"{name}_rows"], ["rows_labels"], start=1),
        helper.make_node("Concat", ["rows_shape", "rows_labels"], ["rows_full_shape"], axis=0),
        helper.make_node("ConstantOfShape", ["rows_full_shape"], ["rows_blank"], value=blank),
        helper.make_node("ScatterND", ["rows_blank", "rows_places", f"{name}_rows"], [name]),
    ]


def _row_by_row(graph: Any, constants: dict[str, int], output: str) -> list[Any]:
    """The last nodes of a graph that compute each row alone, in their order."""
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    inside: dict[str, int] = {output: 0}
    found = []
    for node in reversed(graph.node):
        (made, *others) = node.output
        if others or made not in inside or inside[made] != users.get(made, 0) or not _computes_rows(node, constants):
            continue
        found.append(node)
        for name in node.input:
            inside[name] = inside.get(name, 0) + 1
    return found[::-1]


def _computes_rows(node: Any, constants: dict[str, int]) -> bool:
    """Whether each row of the output follows from the same row of the inputs."""
    if node.op_type not in ROW_BY_ROW:
        return False
    ranks = [constants.get(name) for name in node.input]
    if node.op_type == "MatMul":
        return ranks[0] is None and ranks[1] == 2
    if node.op_type == "LayerNormalization":
        return ranks[0] is None and all(attribute.i == -1 for attribute in node.attribute if attribute.name == "axis")
    return None in ranks and all(rank is None or rank < 2 for rank in ranks)


def _constants(graph: Any) -> dict[str, int]:
    """Names of constants, each with its rank."""
    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            ranks[node.output[0]] = len(node.attribute[0].t.dims)
    return ranks
