"""Tagging on a GPU: tokens per second by batch size, in FP32 and bf16, beside transformers' pipeline.

    python benchmarks/gpu.py -w WORKSPACE --split test --tokens 400000

The split is repeated until it has so many tokens; the pipeline gets it once. A model is loaded and warm before the
clock starts; each figure is the best of `--rounds`. Batches are of at most so many padded sub-words.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch
from timing import add_json_option, write_json

from nertool.corpus.column_files import read_sentences
from nertool.models.load_tagger import load_tagger
from nertool.models.tagger import Tagger
from nertool.workspace.workspace import Workspace

PIPELINE_BATCHES = (8, 32, 128)
Sentences = Sequence[Sequence[str]]


def tokens_per_second(tagger: Tagger, sentences: Sentences, rounds: int) -> float:
    """Speed in the best of several rounds."""
    list(tagger.tag(sentences[:500]))
    best = 0.0
    for _ in range(rounds):
        started = time.perf_counter()
        tokens = sum(len(tags) for tags in tagger.tag(sentences))
        best = max(best, tokens / (time.perf_counter() - started))
    return best


def pipeline_speed(directory: str, sentences: Sentences, batch: int) -> float:
    """Tokens per second of transformers' pipeline."""
    from transformers import pipeline

    tag = pipeline("token-classification", directory, aggregation_strategy="first", device="cuda")
    texts = [" ".join(tokens) for tokens in sentences]
    started = time.perf_counter()
    for _ in tag(texts, batch_size=batch):
        pass
    return sum(map(len, sentences)) / (time.perf_counter() - started)


def main() -> None:
    """Run the benchmark and print a line a figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-w", "--workspace", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[512, 2048, 4096, 8192, 16384, 32768, 65536])
    add_json_option(parser)
    options = parser.parse_args()
    workspace = Workspace(options.workspace)
    directory = workspace.model(allow_stale=True).path
    sentences = [sentence.tokens for sentence in read_sentences(workspace / f"{options.split}.txt")]
    repeated = sentences * max(1, options.tokens // sum(map(len, sentences)))
    print(torch.cuda.get_device_name())
    tagger = load_tagger(directory, device="cuda")
    figures: list[dict[str, object]] = []
    for size in options.batches:
        speed = tokens_per_second(tagger.with_batches_of(size), repeated, options.rounds)
        figures.append({"model": "FP32", "batch": size, "tokens_per_second": round(speed)})
        print(f"FP32, {size:6,} padded sub-words: {speed:9,.0f} tokens/s", flush=True)
    in_fp32 = list(tagger.tag(sentences))
    tagger.model.bfloat16()
    speed = tokens_per_second(tagger, repeated, options.rounds)
    others = sum(a != b for x, y in zip(in_fp32, tagger.tag(sentences), strict=True) for a, b in zip(x, y, strict=True))
    figures.append({"model": "bf16", "tokens_per_second": round(speed), "other_tags": others})
    print(f"bf16: {speed:9,.0f} tokens/s, {others} tags other than in FP32", flush=True)
    for batch in PIPELINE_BATCHES:
        speed = pipeline_speed(str(directory), sentences, batch)
        figures.append({"model": "pipeline", "batch": batch, "tokens_per_second": round(speed)})
        print(f"pipeline, batch {batch}: {speed:9,.0f} tokens/s", flush=True)
    write_json(options.json, [{"gpu": torch.cuda.get_device_name(), **row} for row in figures])


if __name__ == "__main__":
    main()
