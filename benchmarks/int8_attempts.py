"""What inputs made smooth (SmoothQuant) would add to INT8 by rows.

    python benchmarks/int8_attempts.py -w WORKSPACE

nertool does not do so; the figures say why. A layer norm of BERT also feeds the sum behind the next layers, so that the
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
from nertool.int8.onnx_runtime import Product, matrix_products
from nertool.int8.quantizer import Quantizer
from nertool.int8.row_ranges import quantize_rows
from nertool.int8.watched_graph import WatchedGraph
from nertool.models.load_tagger import load_tagger
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.workspace.workspace import Workspace

STRENGTHS = (0.5, 0.7)
"""Shares of the difficulty that move from the inputs to the weights (SmoothQuant's alpha)."""


def make_smooth(
    model: Any, products: Sequence[Product], batches: Sequence[Mapping[str, Any]], strength: float, path: Path
) -> None:
    """Divide the inputs of layers by factors, and multiply their weights by them."""
    from onnx import helper, numpy_helper

    tensors = list(dict.fromkeys(product.tensor for product in products))
    greatest = {name: np.zeros(1) for name in tensors}
    watched = WatchedGraph(model, tensors, path)
    for batch in batches:
        found = watched.rows(batch)
        greatest = {name: np.maximum(top, np.abs(found[name]).max(axis=0)) for name, top in greatest.items()}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
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
        model.graph.initializer.append(numpy_helper.from_array(1 / factors, f"{name}_factors"))
        place = min(number for number, node in enumerate(model.graph.node) if f"{name}_smooth" in node.input)
        model.graph.node.insert(place, helper.make_node("Mul", [name, f"{name}_factors"], [f"{name}_smooth"]))


def graphs(quantizer: Quantizer, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Each attempt's name and graph."""
    import onnx

    path, watched = quantizer.exported.path, scratch / "watched.onnx"
    yield "FP32 graph", path
    for strength in (None, *STRENGTHS):
        model = onnx.load(path)
        products = [product for product in matrix_products(model.graph) if product.layer]
        if strength is not None:
            make_smooth(model, products, quantizer.batches, strength, watched)
        names = {one.node for one in products}
        target = scratch / f"{strength}" / GRAPH
        target.parent.mkdir()
        onnx.save(model, target)
        onnx.save(quantize_rows(target, names, quantizer.settings.weight_bits, quantizer.batches, watched), target)
        yield "nothing (default)" if strength is None else f"inputs made smooth by {strength}", target


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
