"""What two known methods would add to INT8 by rows: inputs made smooth (SmoothQuant), and biases made right.

    python benchmarks/int8_attempts.py -w WORKSPACE

nertool has neither; the figures say why. A layer norm of BERT also feeds the sum behind the next layers, so that the
factors of SmoothQuant cannot go into it: they are products of their own here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from int8 import default_windows, figures, seconds_of, settings_here, tag, with_model
from timing import model_parser, write_json

from nertool.corpus.column_files import read_sentences
from nertool.int8.choice import Attempt
from nertool.int8.onnx_runtime import Product, matrix_products
from nertool.int8.quantizer import Quantizer
from nertool.int8.row_ranges import RowRanges
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.models.tagger import load_tagger
from nertool.workspace.workspace import Workspace

STRENGTHS = (0.5, 0.7)
"""Shares of the difficulty that move from the inputs to the weights (SmoothQuant's alpha)."""

Array = np.ndarray


def values_of(model: Any, names: Sequence[str], batches: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Array]]:
    """Tensors of a graph for each batch, a row a sub-word, without padding."""
    import onnx
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    for batch in batches:
        found = session.run(list(names), {name: batch[name].numpy() for name in wanted})
        subwords = batch["attention_mask"].numpy().astype(bool)
        rows = (values[subwords] if values.ndim == 3 else values for values in found)  # the latter are without padding
        yield dict(zip(names, rows, strict=True))


def smoothed(
    model: Any, products: Sequence[Product], moments: Mapping[str, Array], batches: Any, strength: float
) -> dict[str, Array]:
    """Divide the inputs of layers by factors, and multiply their weights; returns the moments of those inputs."""
    from onnx import helper, numpy_helper

    tensors = list(dict.fromkeys(product.tensor for product in products))
    greatest = {name: np.zeros(1) for name in tensors}
    for found in values_of(model, tensors, batches):
        greatest = {name: np.maximum(top, np.abs(found[name]).max(axis=0)) for name, top in greatest.items()}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    after: dict[str, Array] = dict(moments)
    for name in tensors:
        users = [product for product in products if product.tensor == name]
        weights = [numpy_helper.to_array(constants[nodes[one.node].input[1]]) for one in users]
        columns = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
        factors = np.maximum(greatest[name], 1e-5) ** strength / np.maximum(columns, 1e-5) ** (1 - strength)
        factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
        for product, weight in zip(users, weights, strict=True):
            node = nodes[product.node]
            constants[node.input[1]].CopyFrom(numpy_helper.from_array(weight * factors[:, None], node.input[1]))
            node.input[0] = f"{name}_smooth"
            after[product.layer] = moments[product.layer] / np.outer(factors, factors)
        model.graph.initializer.append(numpy_helper.from_array(1 / factors, f"{name}_factors"))
        place = min(number for number, node in enumerate(model.graph.node) if f"{name}_smooth" in node.input)
        model.graph.node.insert(place, helper.make_node("Mul", [name, f"{name}_factors"], [f"{name}_smooth"]))
    return after


def biases_made_right(model: Any, exact: Any, products: Sequence[Product], batches: Any) -> None:
    """Add to each layer's bias what the means of its outputs lack, layer by layer, since each moves those behind it."""
    from onnx import numpy_helper

    outputs = {node.name: node.output[0] for node in exact.graph.node}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    wanted = [outputs[product.node] for product in products]
    rows, means = 0, {name: np.zeros(1) for name in wanted}
    for found in values_of(exact, wanted, batches):
        rows += len(found[wanted[0]])
        means = {name: total + found[name].sum(axis=0) for name, total in means.items()}
    for name in wanted:
        now = sum(found[name].sum(axis=0) for found in values_of(model, [name], batches))
        user = next(node for node in model.graph.node if node.op_type == "Add" and name in node.input)
        bias = next(one for one in user.input if one in constants)
        values = numpy_helper.to_array(constants[bias]) + ((means[name] - now) / rows).astype(np.float32)
        constants[bias].CopyFrom(numpy_helper.from_array(values, bias))


def graphs(quantizer: Quantizer, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Each attempt's name and graph."""
    import onnx

    config = quantizer.config_of(Attempt("dynamic", 0))
    path = quantizer.exported.path
    yield "FP32 graph", path
    for name, strength, right in (
        ("errors passed on (default)", None, False),
        ("and biases made right", None, True),
        *((f"and inputs made smooth by {strength}", strength, False) for strength in STRENGTHS),
    ):
        model = onnx.load(path)
        products = [product for product in matrix_products(model.graph) if product.layer]
        moments: Mapping[str, Array] = config.moments
        if strength is not None:
            moments = smoothed(model, products, moments, quantizer.batches, strength)
        RowRanges(model, config.weight_bits, moments).rewrite({one.node: one.layer for one in products})
        if right:
            biases_made_right(model, onnx.load(path), products, quantizer.batches)
        target = scratch / name.replace(" ", "-") / GRAPH
        target.parent.mkdir()
        onnx.save(model, target)
        yield name, target


def main() -> None:
    """Print a row for each attempt."""
    parser = model_parser(__doc__)
    parser.add_argument("--bits", type=int, choices=(7, 8), help="Of weights; those of this processor unless told.")
    options = parser.parse_args()
    workspace = Workspace(options.workspace)
    splits = {split: list(read_sentences(workspace / f"{split}.txt")) for split in ("dev", "test")}
    fp32 = load_tagger(workspace / "model", device="cpu", as_stored=True, decoding="argmax")
    windows = default_windows(workspace, fp32)
    with TemporaryDirectory() as scratch:
        settings = settings_here()
        settings = replace(settings, weight_bits=options.bits or settings.weight_bits)
        quantizer = Quantizer(fp32, settings, windows, Path(scratch))
        taggers = {name: with_model(fp32, OnnxModel(path)) for name, path in graphs(quantizer, Path(scratch))}
        exact = tag(taggers["FP32 graph"], [*splits["dev"], *splits["test"]])
        seconds = seconds_of(taggers, splits["dev"], options.rounds)
        rows = []
        for name, tagger in taggers.items():
            rows.append({"work": name, **figures(tagger, exact, splits)})
            rows[-1]["speed"] = seconds["FP32 graph"] / seconds[name]
            print(rows[-1], flush=True)
    write_json(options.json, [{**row, "words": len(exact.ids)} for row in rows])


if __name__ == "__main__":
    main()
