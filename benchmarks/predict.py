"""`nertool`'s tagger against transformers' token-classification pipeline, on a split of a workspace: words per second.

    python benchmarks/predict.py -w WORKSPACE --split test

Both get the same sentences and threads, in one process, turn by turn; a model is loaded before the clock starts. The
pipeline takes running text (tokens with a space between), aggregates by first sub-words and is tried at several batch
sizes. `equal` is the share of words with the tags of nertool's FP32 model. INT8 is timed where the workspace has it.
The last lines say how much of the processor's speed in FP32 matrix products the FP32 model gets.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nertool.columns import read_sentences
from nertool.tagger import load_tagger
from nertool.tags import convert
from nertool.workspace import QUANTIZED, Workspace

Tags = list[list[str]]


def by_pipeline(pipeline: Any, sentences: Sequence[Sequence[str]], size: int) -> Tags:
    """IOB2 tags out of the entities that the pipeline finds in running text."""
    texts = [" ".join(words) for words in sentences]
    found: Tags = []
    for words, entities in zip(sentences, pipeline(texts, batch_size=size), strict=True):
        tags, place, starts = ["O"] * len(words), 0, {}
        for number, word in enumerate(words):
            starts[place] = number
            place += len(word) + 1
        for entity in entities:
            inside = [number for start, number in starts.items() if entity["start"] <= start < entity["end"]]
            for number in inside:
                tags[number] = f"{'B' if number == inside[0] else 'I'}-{entity['entity_group']}"
        found.append(tags)
    return found


def timed(make: Callable[[], Tags], rounds: int, words: int) -> tuple[float, Tags]:
    """Words per second in the best of several rounds."""
    best, tags = 0.0, []
    for _ in range(rounds):
        started = time.perf_counter()
        tags = make()
        best = max(best, words / (time.perf_counter() - started))
    return best, tags


def equal(tags: Tags, others: Tags) -> float:
    """Share of words with the same tag."""
    pairs = [
        (one, other) for left, right in zip(tags, others, strict=True) for one, other in zip(left, right, strict=True)
    ]
    return sum(one == other for one, other in pairs) / len(pairs)


def matrix_speed() -> float:
    """FLOP/s of matrix products of the model's kind."""
    import torch

    left, right = torch.randn(1024, 384), torch.randn(384, 1536)
    rounds, best = 50, 0.0
    for _ in range(8):
        started = time.perf_counter()
        for _ in range(rounds):
            left @ right
        best = max(best, rounds * 2 * 1024 * 384 * 1536 / (time.perf_counter() - started))
    return best


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-w", "--workspace", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32, 64])
    options = parser.parse_args()
    import torch
    from transformers import pipeline

    workspace = Workspace(options.workspace)
    directory = workspace / workspace.model_directory()
    sentences = [sentence.tokens for sentence in read_sentences(workspace / f"{options.split}.txt")]
    words = sum(map(len, sentences))
    print(f"{len(sentences):,} sentences, {words:,} words, {torch.get_num_threads()} threads")
    tagger = load_tagger(directory, device="cpu")
    fp32, ours = timed(lambda: list(tagger.tag(sentences)), options.rounds, words)
    ours = [convert(tags, "iob2") for tags in ours]
    theirs = pipeline("token-classification", str(directory), aggregation_strategy="first", device="cpu")
    speeds = []
    for size in options.batch_sizes:
        speed, tags = timed(lambda size=size: by_pipeline(theirs, sentences, size), 1, words)
        speeds.append(speed)
        print(f"pipeline, batch {size:2}: {speed:9,.0f} words/s, equal {equal(tags, ours):.4f}")
    print(f"nertool FP32:       {fp32:9,.0f} words/s, {fp32 / max(speeds):.2f} times the pipeline's best")
    if (Path(workspace.path) / QUANTIZED / "config.json").exists():
        small = load_tagger(workspace / QUANTIZED)
        speed, tags = timed(lambda: list(small.tag(sentences)), options.rounds, words)
        share = equal([convert(one, "iob2") for one in tags], ours)
        print(
            f"nertool INT8:       {speed:9,.0f} words/s, {speed / max(speeds):.2f} times the pipeline's best, "
            f"{speed / fp32:.2f} times FP32, equal {share:.4f}"
        )
    encoded = tagger.encoder.encode(sentences)
    subwords = sum(len(one.ids) + 2 for one in encoded)
    weights = sum(module.weight.numel() for module in tagger.model.modules() if isinstance(module, torch.nn.Linear))
    needed, limit = 2 * weights * subwords / words * fp32, matrix_speed()
    print(f"FP32 matrix products: {needed / 1e9:.0f} of {limit / 1e9:.0f} GFLOP/s ({needed / limit:.0%})")


if __name__ == "__main__":
    main()
