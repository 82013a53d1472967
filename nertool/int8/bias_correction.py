"""Biases that make up for what rounding does to the mean of each output of a layer.

Source: Nagel et al. 2019, Data-Free Quantization through Weight Equalization and Bias Correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.int8.constants import Constants
from nertool.int8.watched_graph import WatchedGraph


class RoundedProduct(NamedTuple):
    """A product with weights that are in INT8 now.

    Attributes:
        inputs: name of the tensor that meets the weights.
        output: name of the tensor that it gives.
        mean: of each output in FP32, over calibration sentences; shape (outputs,).
    """

    inputs: str
    output: str
    mean: Array


def correct_biases(
    model: Any, products: Sequence[RoundedProduct], batches: Sequence[Mapping[str, Any]], path: Path
) -> None:
    """Add to each bias behind a product what the mean of the product lacks.

    Layers are corrected in their order, since each correction moves the layers behind. Products without a bias are left
    as they are.

    Args:
        model: an `onnx.ModelProto` in INT8, which is changed.
        products: in the order of the graph.
        batches: inputs of the calibration sentences.
        path: see `WatchedGraph`.
    """
    constants = Constants(model.graph)
    together: dict[str, list[RoundedProduct]] = {}
    for product in products:
        together.setdefault(product.inputs, []).append(product)
    for group in together.values():
        biases = [(one, *_bias_behind(model.graph, constants, one.output)) for one in group]
        means = WatchedGraph(model, [one.output for one in group], path).means(batches)
        for one, node, place in biases:
            if node is not None:
                lacking = one.mean - means[one.output]
                constants.replace(node, place, (constants.values(node.input[place]) + lacking).astype(np.float32))


def _bias_behind(graph: Any, constants: Constants, name: str) -> tuple[Any, int]:
    """The sum of a tensor with a bias, and the place of the bias; no node if there is none."""
    users = [node for node in graph.node if name in node.input]
    if len(users) == 1 and users[0].op_type == "Add":
        places = constants.of(users[0])
        if len(places) == 1 and constants.values(users[0].input[places[0]]).ndim == 1:
            return users[0], places[0]
    return None, 0
