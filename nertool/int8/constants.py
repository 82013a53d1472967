"""Constants of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from nertool.arrays import Array


class Constants:
    """The constants of a graph, which may be changed for one node alone: several nodes may share one.

    Args:
        graph: an `onnx.GraphProto`, which `replace` changes.
    """

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.tensors[node.output[0]] = node.attribute[0].t

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def values(self, name: str) -> Array:
        """What a constant holds."""
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self.tensors[name]))

    def of(self, node: Any) -> list[int]:
        """Places among the inputs of a node that are constants."""
        return [place for place, name in enumerate(node.input) if name in self]

    def replace(self, node: Any, place: int, values: Array) -> None:
        """Give a node a constant of its own."""
        from onnx import numpy_helper

        name = f"{node.output[0]}_constant_{place}"
        if name in self.tensors:
            self.tensors[name].CopyFrom(numpy_helper.from_array(values, name))
        else:
            self.graph.initializer.append(numpy_helper.from_array(values, name))
            self.tensors[name] = self.graph.initializer[-1]
        node.input[place] = name
