"""OpenVINO beside ONNX Runtime: throughput of one model's FP32 graph, and of its INT8 graphs.

    pip install openvino nncf
    python benchmarks/with_openvino.py -w WORKSPACE

The workspace holds a trained model, train and dev. Each model tags dev with one thread, by nertool's own tagger, and
all take turns. Words per second are by processor time, of the fastest round. Tags are by argmax.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nncf
import numpy as np
import openvino
import torch
from int8 import default_windows, f1, seconds_of, settings_here, tag, with_model
from timing import model_parser, write_json

from nertool.corpus.column_files import read_sentences
from nertool.int8.choice import Attempt
from nertool.int8.quantizer import Quantizer
from nertool.models.load_tagger import load_tagger
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.models.tagger import Tagger
from nertool.workspace.workspace import Workspace

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""Without it OpenVINO computes in bfloat16 where the processor can."""


class OpenVinoModel:
    """A graph, called as the model it was made from."""

    def __init__(self, model: Any, **settings: str) -> None:
        settings = {"INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1", **settings}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        self.inputs = [one.get_any_name() for one in compiled.inputs]
        self.request = compiled.create_infer_request()

    def parameters(self) -> Iterator[torch.Tensor]:
        """None: it runs on the CPU."""
        return iter(())

    def __call__(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """The logits, of shape (batch, subwords, labels)."""
        outputs = self.request.infer({name: inputs[name].numpy() for name in self.inputs})
        return {"logits": torch.from_numpy(np.array(outputs[0]))}


def with_runtime(quantizer: Quantizer, scratch: Path) -> Iterator[tuple[str, Tagger]]:
    """ONNX Runtime's models."""
    fp32, graph = quantizer.fp32, quantizer.exported
    yield "ONNX Runtime, FP32", with_model(fp32, OnnxModel(graph.path))
    for approach in ("dynamic", "static"):
        directory = scratch / approach
        directory.mkdir()
        graph.quantize(directory, quantizer.config_of(Attempt(approach, 0)))
        yield f"ONNX Runtime, INT8 of nertool, {approach}", with_model(fp32, OnnxModel(directory / GRAPH))


def with_openvino(quantizer: Quantizer) -> Iterator[tuple[str, Tagger]]:
    """OpenVINO's models, of the same FP32 graph."""
    model = openvino.Core().read_model(quantizer.exported.path)
    names = [one.get_any_name() for one in model.inputs]
    batches = [{name: batch[name].numpy() for name in names} for batch in quantizer.batches]
    made = {
        "FP32": model,
        "weights in INT8 (NNCF)": nncf.compress_weights(model.clone(), mode=nncf.CompressWeightsMode.INT8_ASYM),
        "INT8, static (NNCF)": nncf.quantize(
            model.clone(),
            nncf.Dataset(batches),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(batches),
        ),
    }
    for name, one in made.items():
        yield f"OpenVINO, {name}", with_model(quantizer.fp32, OpenVinoModel(one, **EXACT))
    yield "OpenVINO, INT8, static (NNCF), rest in bfloat16", with_model(quantizer.fp32, OpenVinoModel(one))


def rows_of(taggers: dict[str, Tagger], sentences: Sequence[Any], rounds: int) -> list[dict[str, Any]]:
    """Figures of each model; what they tag first also warms them."""
    tagged = {name: tag(tagger, sentences) for name, tagger in taggers.items()}
    exact = next(iter(tagged.values()))
    seconds = seconds_of(taggers, sentences, rounds)
    rows = []
    for name, tagger in taggers.items():
        rows.append(
            {
                "work": name,
                "words_per_second": round(len(exact.ids) / seconds[name]),
                "differ": int((tagged[name].ids != exact.ids).sum()),
                "dev_f1": f1(tagger, sentences),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Print a row for each model."""
    options = model_parser(__doc__).parse_args()
    torch.set_num_threads(1)
    workspace = Workspace(options.workspace)
    sentences = list(read_sentences(workspace / "dev.txt"))
    fp32 = load_tagger(workspace / "model", device="cpu", as_stored=True, decoding="argmax")
    with TemporaryDirectory() as scratch:
        graph = Path(scratch, "graph")
        graph.mkdir()
        quantizer = Quantizer(fp32, settings_here(), default_windows(workspace, fp32), graph)
        taggers = {**dict(with_runtime(quantizer, Path(scratch))), **dict(with_openvino(quantizer))}
        rows = rows_of(taggers, sentences, options.rounds)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
