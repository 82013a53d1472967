"""What each step of INT8 by ONNX Runtime changes: tags, divergence from FP32, scores, size, speed.

    python benchmarks/int8.py -w WORKSPACE

The workspace holds a trained model, and dev and test. Tags are the most probable ones of each token (argmax). All
models take turns, so that the ratios of speed are of one run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from timing import model_parser, write_json

from nertool.corpus.column_files import Sentence, read_sentences
from nertool.int8.calibration_sample import calibration_windows
from nertool.int8.centred_norms import centre_norms
from nertool.int8.choice import Attempt
from nertool.int8.config import QuantizationConfig
from nertool.int8.onnx_runtime import matrix_products
from nertool.int8.quantizer import Quantizer, Settings
from nertool.int8.row_ranges import RowRanges
from nertool.int8.watched_graph import WatchedGraph
from nertool.models import cpu
from nertool.models.load_tagger import load_tagger
from nertool.models.onnx_model import GRAPH, OnnxModel
from nertool.models.tagger import Tagger
from nertool.scoring.scorer import Scorer
from nertool.stages.quantize import Options
from nertool.workspace.workspace import Workspace

ALONE = 300
"""Sentences that are also tagged one by one."""


class Tagged(NamedTuple):
    """The words of dev and test as a model tags them: label ids and log-probabilities."""

    ids: np.ndarray
    log_probabilities: np.ndarray


def with_model(fp32: Tagger, model: Any) -> Tagger:
    """The tagger with another model."""
    tagger = copy(fp32)
    tagger.model = model
    return tagger


def settings_here() -> Settings:
    """Those of `quantize --backend onnx` on this processor."""
    return Settings(
        backend="onnx",
        row_ranges=True,
        weight_bits=8 if cpu.has_vnni() else 7,
        observer="mse",
        percentile=99.99,
        training=list,
        learning_rate=0.0,
        step=lambda loss: None,
        seed=1,
    )


def default_windows(workspace: Workspace, fp32: Tagger) -> list[list[int]]:
    """The sentences that `quantize` calibrates on unless told otherwise, as sub-word ids."""
    defaults = Options()
    train = read_sentences(workspace / "train.txt")
    return calibration_windows(train, defaults.calibration_samples, defaults.seed, fp32)


def graphs(workspace: Workspace, fp32: Tagger, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Each step's name and graph."""
    quantizer = Quantizer(fp32, settings_here(), default_windows(workspace, fp32), scratch)
    default = quantizer.config_of(Attempt("dynamic", 0))
    yield "FP32 graph", quantizer.exported.path
    yield "a range for a batch", quantized(quantizer, replace(default, row_ranges=False), scratch / "batch")
    yield from steps_by_rows(quantizer, scratch)
    yield "and biases made right (default)", quantized(quantizer, default, scratch / "default")
    yield "static", quantized(quantizer, quantizer.config_of(Attempt("static", 0)), scratch / "static")


def quantized(quantizer: Quantizer, config: QuantizationConfig, directory: Path) -> Path:
    """The graph that a way of quantizing gives."""
    directory.mkdir()
    quantizer.exported.quantize(directory, config)
    return directory / GRAPH


def steps_by_rows(quantizer: Quantizer, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Ranges by rows, by each of the steps of `quantize_rows` more."""
    import onnx

    for step, name in enumerate(
        ("a range for each sub-word", "and errors passed on, and zero points", "and norms centred")
    ):
        model = onnx.load(quantizer.exported.path)
        products = [product for product in matrix_products(model.graph) if product.layer]
        tensors = list(dict.fromkeys(product.tensor for product in products))
        watched = WatchedGraph(model, tensors, scratch / "watched.onnx")
        means = watched.means(quantizer.batches)
        centred = centre_norms(model.graph, means) if step == 2 else []
        centres = {name: means[name] for name in centred}
        statistics = watched.statistics(quantizer.batches, centres) if step else {}
        RowRanges(model, quantizer.settings.weight_bits, statistics).rewrite({product.node for product in products})
        path = scratch / f"step-{step}" / GRAPH
        path.parent.mkdir()
        onnx.save(model, path)
        yield name, path


def tag(tagger: Tagger, sentences: Iterable[Sentence]) -> Tagged:
    """Tag sentences; words without sub-words are left out."""
    logits = np.concatenate([tagging.logits for tagging in tagger.tag_scored(one.tokens for one in sentences)])
    logits = logits[~np.isnan(logits[:, 0])].astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return Tagged(logits.argmax(-1), logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def f1(tagger: Tagger, sentences: Sequence[Sentence]) -> float:
    """F1 of the entities."""
    scorer = Scorer()
    for sentence, tags in zip(sentences, tagger.tag(one.tokens for one in sentences), strict=True):
        scorer.add(sentence.tags, tags)
    return scorer.headline


def changed_alone(tagger: Tagger, sentences: Sequence[Sentence]) -> int:
    """Tags that change if the sentences are tagged one by one."""
    together = tagger.tag(one.tokens for one in sentences)
    changed = 0
    for sentence, tags in zip(sentences, together, strict=True):
        changed += sum(alone != tag for alone, tag in zip(next(tagger.tag([sentence.tokens])), tags, strict=True))
    return changed


def seconds_of(taggers: dict[str, Tagger], sentences: Sequence[Sentence], rounds: int) -> dict[str, float]:
    """The least seconds of processor time that each takes, taking turns."""
    least = dict.fromkeys(taggers, float("inf"))
    for _ in range(rounds):
        for name, tagger in taggers.items():
            started = time.process_time()
            list(tagger.tag(one.tokens for one in sentences))
            least[name] = min(least[name], time.process_time() - started)
    return least


def main() -> None:
    """Print a row for each step."""
    options = model_parser(__doc__).parse_args()
    workspace = Workspace(options.workspace)
    splits = {split: list(read_sentences(workspace / f"{split}.txt")) for split in ("dev", "test")}
    both = [*splits["dev"], *splits["test"]]
    fp32 = load_tagger(workspace / "model", device="cpu", as_stored=True, decoding="argmax")
    with TemporaryDirectory() as scratch:
        paths = dict(graphs(workspace, fp32, Path(scratch)))
        taggers = {name: with_model(fp32, OnnxModel(path)) for name, path in paths.items()}
        exact = tag(taggers["FP32 graph"], both)
        seconds = seconds_of(taggers, splits["dev"], options.rounds)
        rows = []
        for name, tagger in taggers.items():
            rows.append({"work": name, **figures(tagger, exact, splits), "bytes": paths[name].stat().st_size})
            rows[-1]["speed"] = seconds["FP32 graph"] / seconds[name]
            print(rows[-1], flush=True)
    write_json(options.json, [{**row, "words": len(exact.ids)} for row in rows])


def figures(tagger: Tagger, exact: Tagged, splits: dict[str, list[Sentence]]) -> dict[str, Any]:
    """What a model does otherwise than FP32, and its scores."""
    tagged = tag(tagger, [*splits["dev"], *splits["test"]])
    lost = np.exp(exact.log_probabilities) * (exact.log_probabilities - tagged.log_probabilities)
    return {
        "differ": int((tagged.ids != exact.ids).sum()),
        "divergence": float(lost.sum(-1).mean()),
        "changed_alone": changed_alone(tagger, splits["dev"][:ALONE]),
        **{f"{split}_f1": f1(tagger, sentences) for split, sentences in splits.items()},
    }


if __name__ == "__main__":
    main()
