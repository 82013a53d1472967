"""Layer norms whose outputs have mean 0, so that INT8 has a smaller range to divide.

Some outputs of a layer norm are far from 0 in every sub-word, and a row's range is as wide as the farthest of them. The
mean of each output over calibration sentences is subtracted from the norm's bias. What it contributes to the layers
behind is added to their biases. In exact numbers the graph computes the same as before. No node is added.

Source: Wei et al. 2023, Outlier Suppression+ (channel-wise shifting).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.int8.constants import Constants


class Bias(NamedTuple):
    """A bias behind a layer norm.

    Attributes:
        node: the `Add`.
        place: of the bias among its inputs.
        weight: name of the weights that the norm's output meets on the way, if any.
    """

    node: Any
    place: int
    weight: str | None


class _OtherUse(Exception):
    """The output of a norm goes where no bias can make up for what it lacks."""


def centre_norms(graph: Any, means: Mapping[str, Array]) -> set[str]:
    """Take means out of the outputs of layer norms.

    Args:
        graph: an `onnx.GraphProto`, which is changed.
        means: by name of the tensor; shape (width,). Tensors that no layer norm gives are left alone.

    Returns:
        names of the tensors whose mean is 0 now.
    """
    constants = Constants(graph)
    behind = _Behind(graph, constants)
    centred = set()
    for node in graph.node:
        name = node.output[0] if node.output else ""
        if node.op_type != "LayerNormalization" or name not in means or 2 not in constants.of(node):
            continue
        try:
            biases = list(behind.biases(name))
        except _OtherUse:
            continue
        mean = means[name].astype(np.float64)
        for bias in biases:
            added = mean if bias.weight is None else mean @ constants.values(bias.weight)
            _add(constants, bias.node, bias.place, added)
        _add(constants, node, 2, -mean)
        centred.add(name)
    return centred


def _add(constants: Constants, node: Any, place: int, values: Array) -> None:
    constants.replace(node, place, (constants.values(node.input[place]) + values).astype(np.float32))


class _Behind:
    """Finds the biases behind a tensor."""

    def __init__(self, graph: Any, constants: Constants) -> None:
        self.constants = constants
        self.makers = {name: node for node in graph.node for name in node.output}
        self.users: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
        self.outputs = {output.name for output in graph.output}

    def biases(self, name: str) -> Iterator[Bias]:
        """The bias on each way on from a tensor.

        Raises:
            _OtherUse: a way on has none.
        """
        if name in self.outputs:
            raise _OtherUse
        for node in self.users.get(name, []):
            if node.op_type == "GatherND" and node.input[0] == name:  # of the rows that are wanted
                yield from self.biases(node.output[0])
            elif node.op_type == "MatMul" and node.input[0] == name and node.input[1] in self.constants:
                (sum_, place) = self._bias_of(node)
                yield Bias(sum_, place, node.input[1])
            elif node.op_type == "Add":  # around a layer
                (other,) = [one for one in node.input if one != name] or [name]
                yield Bias(*self._bias_of_sum(other), None)
            elif node.op_type != "Shape":
                raise _OtherUse

    def _bias_of(self, product: Any) -> tuple[Any, int]:
        """The sum that a product alone goes into, and the place of its bias."""
        users = self.users.get(product.output[0], [])
        if len(users) != 1 or users[0].op_type != "Add":
            raise _OtherUse
        return self._with_bias(users[0])

    def _bias_of_sum(self, name: str) -> tuple[Any, int]:
        """The sum of a product and a bias that a tensor is, if it has one use alone."""
        node = self.makers.get(name)
        if node is None or node.op_type != "Add" or len(self.users[name]) != 1:
            raise _OtherUse
        return self._with_bias(node)

    def _with_bias(self, node: Any) -> tuple[Any, int]:
        places = self.constants.of(node)
        if len(places) != 1 or self.constants.values(node.input[places[0]]).ndim != 1:
            raise _OtherUse
        return node, places[0]
