"""Intermediate tensors of an ONNX graph on calibration sentences: their means, second moments and maxima."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.models import cpu
from nertool.models.onnx_model import OnnxModel

Inputs = Mapping[str, Any]


class InputStatistics(NamedTuple):
    """The inputs of a product with weights, over calibration sentences.

    Attributes:
        mean: shape (inputs,).
        moments: second moments, `x.T @ x` over all sub-words; shape (inputs, inputs).
        greatest: the greatest input of each row; shape (subwords,).
    """

    mean: Array
    moments: Array
    greatest: Array


class WatchedGraph:
    """A graph that gives some of its intermediate tensors.

    Args:
        model: an `onnx.ModelProto`.
        names: of the tensors.
        path: of a file that is written and removed; files that hold the graph's weights lie beside it.

    Raises:
        NertoolError: the graph cannot be run.
    """

    def __init__(self, model: Any, names: Sequence[str], path: Path) -> None:
        import onnx

        outputs = list(model.graph.output)
        shown = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
        _set_outputs(model.graph, shown)
        try:
            onnx.save(model, path)
            self.graph = OnnxModel(path)
        finally:
            _set_outputs(model.graph, outputs)
            path.unlink(missing_ok=True)
        self.names = list(names)

    def rows(self, batch: Inputs) -> dict[str, Array]:
        """The tensors for a batch, a row a sub-word, without those of padding; shape (rows, width)."""
        inputs = {name: np.asarray(batch[name]) for name in self.graph.inputs}
        subwords = np.asarray(batch["attention_mask"]).astype(bool)
        values = self.graph.session.run(self.names, inputs)
        return {
            name: found[subwords] if found.shape[:-1] == subwords.shape else found.reshape(-1, found.shape[-1])
            for name, found in zip(self.names, values, strict=True)
        }

    def means(self, batches: Sequence[Inputs]) -> dict[str, Array]:
        """The mean of each tensor over all sub-words, of shape (width,), float64.

        Batches are worked on side by side; their sums are added in their order.
        """

        def sums(batch: Inputs) -> tuple[int, dict[str, Array]]:
            rows = self.rows(batch)
            added = {name: values.sum(axis=0, dtype=np.float64) for name, values in rows.items()}
            return len(rows[self.names[0]]), added

        with ThreadPoolExecutor(cpu.threads()) as threads:
            found = list(threads.map(sums, batches))
        total = sum(rows for rows, _ in found)
        return {name: np.sum([added[name] for _, added in found], axis=0) / total for name in self.names}

    def statistics(self, batches: Sequence[Inputs], centres: Mapping[str, Array]) -> dict[str, InputStatistics]:
        """Of each tensor, over all sub-words, less its centre if it has one; shape (width,)."""
        sums: dict[str, Array] = {}
        moments: dict[str, Array] = {}
        greatest: dict[str, list[Array]] = {name: [] for name in self.names}
        for batch in batches:  # one after the other: moments are large
            for name, found in self.rows(batch).items():
                rows = found - centres[name].astype(np.float32) if name in centres else found
                sums[name] = sums.get(name, 0) + rows.sum(axis=0, dtype=np.float64)
                moments[name] = moments.get(name, 0) + rows.T @ rows
                greatest[name].append(rows.max(axis=1))
        tops = {name: np.concatenate(values) for name, values in greatest.items()}
        return {name: InputStatistics(sums[name] / len(tops[name]), moments[name], tops[name]) for name in self.names}


def _set_outputs(graph: Any, outputs: Sequence[Any]) -> None:
    del graph.output[:]
    graph.output.extend(outputs)
