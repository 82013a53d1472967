"""The least value that an activation function of a graph gives, such as -0.17 of GELU and 0 of ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np

from nertool.arrays import Array
from nertool.int8.constants import Constants

OF_ONE_NUMBER = {
    *("Add", "Div", "Mul", "Pow", "Sub"),
    *("Clip", "Elu", "Erf", "Exp", "Identity", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh"),
}
"""Elementwise operators, if their other inputs are constants of one number."""
GRID = np.linspace(-40, 40, 80_001, dtype=np.float32)
FAR = np.array([-1e4, 1e4], np.float32)
"""A function that has lower values there is taken to have no least one."""


def least_value(model: Any, constants: Constants, name: str) -> float | None:
    """The least value of a tensor that is an elementwise function of one other tensor; found by trying numbers.

    Args:
        model: an `onnx.ModelProto`.
        constants: of its graph.

    Returns:
        None, if the tensor is not such a function, or the function has no least value.
    """
    nodes, source = _function(model.graph, constants, name)
    if not nodes:
        return None
    used = {one for node in nodes for one in node.input if one in constants}
    alone = _function_alone(model, nodes, source, name, {one: constants.values(one) for one in used})
    values = _values_of(alone, np.concatenate([GRID, FAR]))
    near, far = values[: len(GRID)], values[len(GRID) :]
    least = float(near.min())
    return least if np.isfinite(values).all() and far.min() >= least - 1e-6 else None


def _function(graph: Any, constants: Constants, name: str) -> tuple[list[Any], str]:
    """The nodes that compute a tensor out of one other, and the name of that; no nodes if there are several others."""
    makers = {made: node for node in graph.node for made in node.output}
    nodes: dict[str, Any] = {}
    sources, pending = set(), [name]
    while pending:
        tensor = pending.pop()
        node = makers.get(tensor)
        if node is None or not _of_one_number(node, constants):
            sources.add(tensor)
        elif tensor not in nodes:
            nodes[tensor] = node
            pending += [one for one in node.input if one and one not in constants]
    if len(sources) != 1:
        return [], ""
    return [node for node in graph.node if node.output and node.output[0] in nodes], sources.pop()


def _of_one_number(node: Any, constants: Constants) -> bool:
    if node.op_type not in OF_ONE_NUMBER:
        return False
    return all(constants.values(node.input[place]).size == 1 for place in constants.of(node))


def _function_alone(model: Any, nodes: list[Any], source: str, name: str, constants: dict[str, Array]) -> Any:
    """A model of some nodes."""
    from onnx import TensorProto, helper, numpy_helper

    inputs, outputs = ([helper.make_tensor_value_info(one, TensorProto.FLOAT, None)] for one in (source, name))
    tensors = [numpy_helper.from_array(values, one) for one, values in constants.items()]
    graph = helper.make_graph(nodes, "activation", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _values_of(function: Any, numbers: Array) -> Array:
    from onnxruntime import InferenceSession

    session = InferenceSession(function.SerializeToString(), providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    return np.asarray(session.run(None, {source.name: numbers})[0])
