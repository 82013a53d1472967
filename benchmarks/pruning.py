"""What magnitude pruning of linear layers saves on a processor: bytes, bytes when packed, speed, in FP32 and INT8.

    python benchmarks/pruning.py -w WORKSPACE

nertool has no pruning; the figures say why. The weights of least magnitude of each linear layer of the encoder are set
to 0, as torch's `prune.l1_unstructured` does, without training on. Bytes and speed hang on how many weights are 0, not
on how the others were trained, so F1 is only what is there before any training on.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from int8 import default_windows, f1, seconds_of, settings_here, with_model
from timing import model_parser, write_json

from nertool.corpus.column_files import read_sentences
from nertool.int8.onnx_runtime import matrix_products
from nertool.int8.quantizer import Quantizer
from nertool.int8.row_ranges import RowRanges
from nertool.models.load_tagger import load_tagger
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.workspace.workspace import Workspace

SPARSITIES = (0.0, 0.5, 0.8, 0.9)
"""Shares of the weights that are set to 0."""


def prune(model: Any, sparsity: float) -> None:
    """Set the weights of least magnitude of each linear layer to 0."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    for product in matrix_products(model.graph):
        if product.layer:
            name = nodes[product.node].input[1]
            weight = numpy_helper.to_array(constants[name]).copy()
            weight[np.abs(weight) < np.quantile(np.abs(weight), sparsity)] = 0
            constants[name].CopyFrom(numpy_helper.from_array(weight, name))


def graphs(quantizer: Quantizer, scratch: Path) -> Iterator[tuple[str, float, Path]]:
    """The name, the sparsity and the path of each graph."""
    import onnx

    for sparsity in SPARSITIES:
        model = onnx.load(quantizer.exported.path)
        products = {one.node for one in matrix_products(model.graph) if one.layer}
        prune(model, sparsity)
        for name in ("FP32", "INT8"):
            if name == "INT8":  # without passing errors on, which would give zeros a value
                RowRanges(model, quantizer.settings.weight_bits, {}).rewrite(products)
            target = scratch / f"{name}-{sparsity}" / GRAPH
            target.parent.mkdir()
            onnx.save(model, target)
            yield name, sparsity, target


def main() -> None:
    """Print a row for each graph."""
    options = model_parser(__doc__).parse_args()
    workspace = Workspace(options.workspace)
    dev = list(read_sentences(workspace / "dev.txt"))
    fp32 = load_tagger(workspace / "model", device="cpu", as_stored=True, decoding="argmax")
    windows = default_windows(workspace, fp32)
    with TemporaryDirectory() as scratch:
        found = list(graphs(Quantizer(fp32, settings_here(), windows, Path(scratch)), Path(scratch)))
        taggers = {f"{name} {sparsity}": with_model(fp32, OnnxModel(path)) for name, sparsity, path in found}
        seconds = seconds_of(taggers, dev, options.rounds)
        rows = []
        for name, sparsity, path in found:
            rows.append({"graph": name, "zeros": sparsity, "bytes": path.stat().st_size})
            rows[-1]["packed"] = len(gzip.compress(path.read_bytes(), 6))
            rows[-1]["speed"] = seconds[f"{name} 0.0"] / seconds[f"{name} {sparsity}"]
            rows[-1]["dev_f1"] = f1(taggers[f"{name} {sparsity}"], dev)
            print(rows[-1], flush=True)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
