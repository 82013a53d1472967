"""INT8 by ONNX Runtime: a model is exported as a graph once, and the graph is quantized, once for each trial.

The graph is compared with the model on padded batches. What is quantized: the products with weights, and the
embeddings. See wanted_rows.py and row_ranges.py for rewrites of graphs; models/onnx_model.py runs them.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nertool.errors import NertoolError
from nertool.int8.config import QuantizationConfig
from nertool.int8.layer_ranges import Range
from nertool.int8.wanted_rows import drop_unwanted_rows
from nertool.models.inputs import translate_missing_embeddings
from nertool.models.limits import fp32_size
from nertool.models.loading import from_config
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.progress import silenced
from nertool.workspace.disk_errors import full_disk

if TYPE_CHECKING:
    import torch

OPSET = 17
OPERATORS = ["MatMul", "Gather"]
"""What is quantized."""
OTHER_PRODUCTS = ("Conv", "Einsum", "Gemm")
"""Operators whose weights stay in FP32."""
CLOSE = 1e-3
"""Greatest difference of a logit between the model and its export."""
LARGEST = 2**31 - 2**24
"""Bytes of weights in the file of a graph: protobuf's have less than 2 GiB, and nodes need some of it."""
FASTER = "faster.onnx"
"""The graph while it is not known whether it still gives the model's answers."""
WATCHED = "watched.onnx"
"""The graph while it gives intermediate tensors; see `WatchedGraph`."""
OTHER_BACKEND = "Take the other backend: --backend inc"
SMALLER = f"{OTHER_BACKEND}, or a smaller model."

Inputs = Mapping[str, Any]


def check_fits(directory: Path, approach: str = "dynamic") -> None:
    """Check that a model fits into the file of a graph, by the size of its weights alone.

    Args:
        approach: `none` for a graph in FP32.

    Raises:
        NertoolError: it does not.
    """
    kind, share = ("FP32", 1) if approach == "none" else ("INT8", 4)
    size = fp32_size(directory) // share
    if size > LARGEST:
        what = f"weights of {size / 2**30:.1f} GiB in {kind}, and a graph of ONNX holds less than 2 GiB"
        raise NertoolError(f"{directory}: {what}", SMALLER)


class Product(NamedTuple):
    """A matrix product in a graph.

    Attributes:
        node: its name.
        layer: name of the linear layer it belongs to; empty for a product of two activations.
        tensor: name of its first input.
    """

    node: str
    layer: str
    tensor: str


class Exported:
    """A model as an ONNX graph, and what quantizes it.

    Args:
        model: FP32, in PyTorch.
        batches: inputs of the model: the graph is compared with it on them, and rounded so that it changes least there.
            It is traced on the first, which should have padding, lest the graph forget the mask.
        directory: an empty directory for the graph.
        trust_remote_code: run code that comes with the model.
        others: inputs that the graph is compared on, too.

    Raises:
        NertoolError: the model cannot be exported, or the graph gives other answers.
    """

    def __init__(
        self,
        model: Any,
        batches: Sequence[Inputs],
        directory: Path,
        trust_remote_code: bool = False,
        others: Sequence[Inputs] = (),
    ) -> None:
        self.path, self.batches = directory / GRAPH, batches
        compared = [*batches, *others]
        try:
            _export(model, batches[0], self.path, trust_remote_code)
            difference = _greatest_difference(model, OnnxModel(self.path), compared)
        except (AssertionError, NertoolError, RuntimeError) as error:
            if full_disk(error):
                raise
            what = f"a model of type {model.config.model_type} cannot be a graph of ONNX"
            raise NertoolError(f"{what}: {self._reason(error)}", OTHER_BACKEND) from error
        if not difference <= CLOSE:
            raise NertoolError(
                f"exported to ONNX the model gives other answers: logits differ by up to {difference:.3g}",
                OTHER_BACKEND,
            )
        self._drop_unwanted_rows(model, compared)

    def _reason(self, error: Exception) -> str:
        """What an error says in its first line, without the place of the graph: it is gone when somebody reads that."""
        said = str(error).replace(str(self.path), "the graph")
        return (said or type(error).__name__).splitlines()[0]  # an assertion may say nothing

    def _drop_unwanted_rows(self, model: Any, batches: Sequence[Inputs]) -> None:
        """Let the graph leave out work for sub-words that nobody asks for, if its answers stay the model's."""
        import onnx

        path = self.path.with_name(FASTER)  # weights in files beside the graph are found from there, too
        with _translate_graph_errors():
            graph = onnx.load(self.path, load_external_data=False)
            if not drop_unwanted_rows(graph.graph):
                return
            onnx.save(graph, path)
        with suppress(NertoolError):  # of operators that do not compute rows as they should
            if _greatest_difference(model, OnnxModel(path), batches, every_other=True) <= CLOSE:
                path.replace(self.path)
        path.unlink(missing_ok=True)

    def quantize(self, directory: Path, quantization: QuantizationConfig) -> list[str]:
        """Write the graph, in INT8 unless the approach is `none`, into a directory.

        Returns:
            Names of the layers whose weights are in FP32.
        """
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        graph = onnx.load(self.path, load_external_data=False).graph
        products = list(matrix_products(graph))
        excluded: list[str] = []
        in_fp32 = dict.fromkeys(_layers_of(graph, OTHER_PRODUCTS))
        for product in products:
            if product.layer in quantization.in_fp32 or (product.layer and quantization.approach == "none"):
                in_fp32[product.layer] = None
            if product.layer in quantization.in_fp32 or not product.layer:
                excluded.append(product.node)
        settings: dict[str, Any] = {
            "op_types_to_quantize": OPERATORS,
            "nodes_to_exclude": excluded,
            "per_channel": True,
            "reduce_range": quantization.weight_bits == 7,
            "weight_type": QuantType.QInt8,
        }
        with silenced(), _translate_graph_errors():
            if quantization.approach == "none":
                onnx.save(onnx.load(self.path), directory / GRAPH)
            elif quantization.row_ranges:
                names = {product.node for product in products} - {*excluded}
                self._quantize_rows(directory / GRAPH, names, quantization.weight_bits)
            elif quantization.approach == "static":
                self._quantize_static(directory / GRAPH, _bounds(products, quantization.ranges), settings)
            else:
                quantize_dynamic(self.path, directory / GRAPH, **settings)
        return list(in_fp32)

    def _quantize_rows(self, target: Path, names: Collection[str], weight_bits: int) -> None:
        import onnx

        from nertool.int8.row_ranges import quantize_rows

        onnx.save(quantize_rows(self.path, names, weight_bits, self.batches, self.path.with_name(WATCHED)), target)

    def _quantize_static(self, target: Path, bounds: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_static

        with TemporaryDirectory(dir=self.path.parent) as folder:
            quantize_static(
                self.path,
                Path(folder, GRAPH),
                _OneBatch(self.path),
                activation_type=QuantType.QUInt8,
                extra_options={
                    "OpTypesToExcludeOutputQuantization": OPERATORS,  # sums stay as exact as they are
                    "TensorQuantOverrides": bounds,
                },
                use_external_data_format=True,  # of graphs in FP32, too, which may have more than a file holds
                **settings,
            )
            onnx.save(onnx.load(Path(folder, GRAPH)), target)


@contextmanager
def _translate_graph_errors() -> Iterator[None]:
    """Tell what protobuf says of a graph: ONNX writes copies of one, and does not notice that the disk is full.

    Raises:
        OSError: it could not read such a copy.
        NertoolError: a graph is too large for a file.
    """
    from google.protobuf.message import DecodeError, EncodeError

    try:
        yield
    except DecodeError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    except EncodeError as error:
        raise NertoolError("the graph would have 2 GiB or more, which no file of ONNX holds", SMALLER) from error


def _greatest_difference(model: Any, graph: OnnxModel, batches: Sequence[Inputs], every_other: bool = False) -> float:
    """The greatest difference of a logit between the model and its export, but for those of padding.

    Args:
        every_other: ask the graph for every other sub-word alone.
    """
    import torch

    greatest = torch.zeros(())
    with torch.inference_mode():
        for batch in batches:
            subwords = batch["attention_mask"].bool()
            if every_other:
                subwords[:, 1::2] = False
            with translate_missing_embeddings():
                expected = model(**batch)["logits"][subwords]
            rows, positions = (places.tolist() for places in torch.nonzero(subwords, as_tuple=True))
            exported = torch.from_numpy(graph.at(batch, rows, positions))
            greatest = torch.maximum(greatest, (expected - exported).abs().max())  # NaN if there is one
    return float(greatest)


def _export(model: Any, batch: Inputs, path: Path, trust_remote_code: bool) -> None:
    import onnx
    import torch
    from transformers import AutoModelForTokenClassification

    from nertool.models.linear import with_linear_layers

    class Positional(torch.nn.Module):
        """Takes inputs by position, as the exporter gives them."""

        def __init__(self) -> None:
            super().__init__()
            # eager attention, whose masks do not depend on the batch that is traced
            eager = from_config(
                AutoModelForTokenClassification,
                model.config,
                "the model",
                trust_remote_code=trust_remote_code,
                attn_implementation="eager",
            )
            self.model = with_linear_layers(eager)
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
    with _translate_graph_errors():
        exported = onnx.load(path, load_external_data=False)
        _name_weights_once(exported.graph)
        onnx.save(exported, path)


def _name_weights_once(graph: Any) -> None:
    """Let the nodes of a graph take weights by their own names.

    The exporter keeps equal weights once, such as those of the layers that ALBERT shares, and gives them further names.
    """
    weights = {initializer.name for initializer in graph.initializer}
    names, nodes = {}, []
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            names[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    del graph.node[:]
    graph.node.extend(nodes)


def matrix_products(graph: Any) -> Iterator[Product]:
    """The matrix products of a graph; those with the same weights are of one layer, which is used several times."""
    layers = dict.fromkeys((initializer.name for initializer in graph.initializer), "")
    for node in graph.node:
        if node.op_type == "MatMul":
            weight = node.input[1]
            if weight in layers and not layers[weight]:
                layers[weight] = _layer_of(node)
            yield Product(node.name, layers.get(weight, ""), node.input[0])


def _layers_of(graph: Any, operators: Collection[str]) -> Iterator[str]:
    """Names of the layers whose weights some operators take."""
    weights = {initializer.name for initializer in graph.initializer}
    for node in graph.node:
        if node.op_type in operators and weights & {*node.input} and (layer := _layer_of(node)):
            yield layer


def _layer_of(node: Any) -> str:
    """Name of the layer that a node belongs to, by the name that the exporter gives it; empty if it has none."""
    scope = re.fullmatch(rf"/model/(.+)/{node.op_type}(?:_\d+)?", node.name)
    return scope[1].replace("/", ".") if scope else ""


def _bounds(products: Sequence[Product], ranges: Mapping[str, Range]) -> dict[str, list[dict[str, np.float32]]]:
    """Ranges of layers' inputs as ONNX Runtime takes them, by tensor."""
    bounds = {}
    for product in products:
        if product.layer in ranges:
            low, high = ranges[product.layer]
            bounds[product.tensor] = [{"rmin": np.float32(low), "rmax": np.float32(high)}]
    return bounds


class _OneBatch:
    """The least that calibration takes; all ranges that are used come from elsewhere."""

    def __init__(self, path: Path) -> None:
        ones = np.ones((1, 2), dtype=np.int64)
        self.batches = iter([dict.fromkeys(OnnxModel(path).inputs, ones)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.batches, None)
