"""INT8 by ONNX Runtime: export, quantize, load.

The only module that knows ONNX. The graph is exported once and compared with the model on padded batches; quantized
are the products with weights, and the embeddings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nertool.errors import NertoolError
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.progress import silenced

if TYPE_CHECKING:
    import torch

OPSET = 17
OPERATORS = ["MatMul", "Gather"]
CLOSE = 1e-3
"""Greatest difference of a logit between the model and its export."""
OTHER_BACKEND = "Take the other backend: --backend inc"

Inputs = Mapping[str, Any]


class Exported:
    """A model as an ONNX graph, and what quantizes it.

    Args:
        model: FP32, in PyTorch.
        batches: inputs of the model, on which the graph is compared with it; it is traced on the first, which should
            have padding, lest the graph forget the mask.
        directory: an empty directory for the graph.

    Raises:
        NertoolError: the model cannot be exported, or the graph gives other answers.
    """

    def __init__(self, model: Any, batches: Sequence[Inputs], directory: Path) -> None:
        self.path = directory / GRAPH
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

        try:
            _export(model, batches[0], self.path)
            worst = _greatest_difference(model, OnnxModel(self.path), batches)
        except (AssertionError, Fail, InvalidArgument, NertoolError, RuntimeError, RuntimeException) as error:
            reason = str(error).splitlines()[0]
            raise NertoolError(
                f"a model of type {model.config.model_type} cannot be a graph of ONNX: {reason}", OTHER_BACKEND
            ) from error
        if not worst <= CLOSE:
            raise NertoolError(
                f"exported to ONNX the model gives other answers: logits differ by up to {worst:.3g}",
                OTHER_BACKEND,
            )

    def quantize(
        self,
        directory: Path,
        in_fp32: Sequence[str],
        reduce_range: bool,
        ranges: Mapping[str, tuple[float, float]] | None,
    ) -> list[str]:
        """Write the INT8 graph into a directory.

        Args:
            in_fp32: names of linear layers that stay as they are.
            reduce_range: weights use 7 bits, for processors whose products of bytes may saturate.
            ranges: bounds of the inputs of each linear layer; without them they are found anew for each batch.

        Returns:
            Names of the linear layers whose weights are in FP32.
        """
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static

        nodes = list(_products(onnx.load(self.path).graph))
        common: dict[str, Any] = {
            "op_types_to_quantize": OPERATORS,
            "nodes_to_exclude": [node for node, layer, _ in nodes if not layer or layer in in_fp32],
            "per_channel": True,
            "reduce_range": reduce_range,
            "weight_type": QuantType.QInt8,
        }
        target = directory / GRAPH
        if ranges is None:
            with silenced():
                quantize_dynamic(self.path, target, **common)
        else:
            of_tensor = {tensor: ranges[layer] for _, layer, tensor in nodes if layer in ranges}
            with silenced():
                quantize_static(
                    self.path,
                    target,
                    _OneBatch(self.path),
                    activation_type=QuantType.QUInt8,
                    extra_options={
                        "OpTypesToExcludeOutputQuantization": OPERATORS,  # sums stay as exact as they are
                        "TensorQuantOverrides": {tensor: [_bounds(found)] for tensor, found in of_tensor.items()},
                    },
                    **common,
                )
        return [layer for layer in dict.fromkeys(layer for _, layer, _ in nodes) if layer in in_fp32]


def _greatest_difference(model: Any, graph: OnnxModel, batches: Sequence[Inputs]) -> float:
    """Of a logit of a word, between the model and the graph."""
    import torch

    worst = 0.0
    with torch.inference_mode():
        for batch in batches:
            words = batch["attention_mask"].bool()
            there, here = model(**batch)["logits"][words], graph(**batch)["logits"][words]
            worst = max(worst, float((there - here).abs().max()))
    return worst


def _export(model: Any, batch: Inputs, path: Path) -> None:
    import torch
    from transformers import AutoModelForTokenClassification

    class Positional(torch.nn.Module):
        """Takes inputs by position, as the exporter gives them."""

        def __init__(self) -> None:
            super().__init__()
            # eager attention, whose masks do not depend on the batch that is traced
            self.model = AutoModelForTokenClassification.from_config(model.config, attn_implementation="eager")
            self.model.load_state_dict(model.state_dict())

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(**dict(zip(batch, values, strict=True)))["logits"]
            return logits

    axes = {name: {0: "batch", 1: "subwords"} for name in (*batch, "logits")}
    with silenced():
        torch.onnx.export(
            Positional().eval(),
            tuple(batch.values()),
            str(path),
            input_names=list(batch),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _products(graph: Any) -> Iterator[tuple[str, str, str]]:
    """Each matrix product: node, linear layer (empty for a product of two activations), tensor that goes in."""
    weights = {initializer.name for initializer in graph.initializer}
    for node in graph.node:
        if node.op_type == "MatMul":
            scope = re.fullmatch(r"/model/(.+)/MatMul(?:_\d+)?", node.name)
            layer = scope[1].replace("/", ".") if scope and node.input[1] in weights else ""
            yield node.name, layer, node.input[0]


def _bounds(found: tuple[float, float]) -> dict[str, np.float32]:
    return {"rmin": np.float32(found[0]), "rmax": np.float32(found[1])}


class _OneBatch:
    """The least that calibration takes; all ranges that are used come from elsewhere."""

    def __init__(self, path: Path) -> None:
        ones = np.ones((1, 2), dtype=np.int64)
        self.batches = iter([dict.fromkeys(OnnxModel(path).inputs, ones)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.batches, None)
