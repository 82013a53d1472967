"""`nertool`'s tagger against transformers' token-classification pipeline, on a split of a workspace: words per second.

    python benchmarks/predict.py -w WORKSPACE --split test

Both get the same sentences and threads, in one process, turn by turn; a model is loaded before the clock starts. The
pipeline takes running text (tokens with a space between), aggregates by first sub-words and is tried at several batch
sizes. `equal` is the share of words with the tags of nertool's FP32 model. INT8 is timed where the workspace has it.
The last lines say how much of the processor's speed in FP32 matrix products the FP32 model gets: its linear layers need
two operations a weight and sub-word, padding included.

    python benchmarks/predict.py -w WORKSPACE --split test --processes

compares one process of two threads with two processes of one thread and half of the sentences each, FP32 and INT8. All
are loaded and warm before they start together; the slowest one's time counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from timing import add_json_option, seconds_of, write_json

from nertool.corpus.column_files import read_sentences
from nertool.models.load_tagger import load_tagger
from nertool.models.tagger import Tagger
from nertool.tags import convert
from nertool.workspace.names import QUANTIZED
from nertool.workspace.workspace import Workspace

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
    made: list[Tags] = []
    seconds = [seconds_of(lambda: made.append(make())) for _ in range(rounds)]
    return words / min(seconds), made[-1]


def equal(tags: Tags, others: Tags) -> float:
    """Share of words with the same tag."""
    pairs = [
        (one, other) for left, right in zip(tags, others, strict=True) for one, other in zip(left, right, strict=True)
    ]
    return sum(one == other for one, other in pairs) / len(pairs)


def matrix_speed(rows: int, inner: int, columns: int) -> float:
    """FLOP/s of FP32 matrix products of a size, by the library that the tagger takes, in the best of several rounds."""
    import torch

    from nertool.models.onednn import use_fastest

    left, layer = torch.randn(rows, inner), torch.nn.Sequential(torch.nn.Linear(inner, columns, bias=False)).eval()
    layer = use_fastest(layer)
    flops, best = 2 * rows * inner * columns, 0.0
    rounds = max(1, 50_000_000_000 // flops)
    for _ in range(5):
        started = time.perf_counter()
        with torch.inference_mode():
            for _ in range(rounds):
                layer(left)
        best = max(best, rounds * flops / (time.perf_counter() - started))
    return best


def flops_of(tagger: Tagger, sentences: Sequence[Sequence[str]]) -> float:
    """FLOP in the linear layers of a model that tags these sentences, padding included."""
    import torch

    padded = 0

    def count(_: Any, __: Any, inputs: dict[str, Any]) -> None:
        nonlocal padded
        padded += inputs["input_ids"].numel()

    hook = tagger.model.register_forward_pre_hook(count, with_kwargs=True)
    for _ in tagger.tag(sentences):
        pass
    hook.remove()
    weights = sum(module.weight.numel() for module in tagger.model.modules() if isinstance(module, torch.nn.Linear))
    return 2.0 * weights * padded


def tag_share(directory: Path, sentences: Sequence[Sequence[str]], rounds: int) -> None:
    """Load a model, say so, and tag at each line of standard input; prints seconds."""
    tagger = load_tagger(directory, device="cpu")
    list(tagger.tag(sentences[:100]))
    print("ready", flush=True)
    for _ in range(rounds):
        sys.stdin.readline()
        started = time.perf_counter()
        for _ in tagger.tag(sentences):
            pass
        print(time.perf_counter() - started, flush=True)


def by_processes(options: argparse.Namespace, directory: Path, processes: int, threads: int, words: int) -> float:
    """Words per second of processes that share the sentences, in the best of several rounds."""
    command = [sys.executable, __file__, "-w", options.workspace, "--split", options.split]
    workers = [
        subprocess.Popen(
            [*command, "--rounds", str(options.rounds), "--share", str(number), str(processes), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        for number in range(processes)
    ]
    streams = [(worker.stdin, worker.stdout) for worker in workers if worker.stdin and worker.stdout]
    for _, answers in streams:
        assert answers.readline() == "ready\n", "a worker ended before it was ready"
    best = 0.0
    for _ in range(options.rounds):
        for starts, _ in streams:
            starts.write("\n")
            starts.flush()
        best = max(best, words / max(float(answers.readline()) for _, answers in streams))
    for worker in workers:
        worker.communicate()
    return best


def compare_processes(options: argparse.Namespace, directories: dict[str, Path], words: int) -> None:
    """Print words per second of one process of two threads, and of two of one."""
    for name, directory in directories.items():
        one, two = (by_processes(options, directory, *shape, words) for shape in ((1, 2), (2, 1)))
        print(
            f"nertool {name}: one process of two threads {one:9,.0f} words/s, "
            f"two of one thread {two:9,.0f} ({two / one:.2f} times)",
            flush=True,
        )


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-w", "--workspace", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--processes", action="store_true", help="compare two threads with two processes")
    parser.add_argument("--share", nargs=3, help=argparse.SUPPRESS)
    add_json_option(parser)
    options = parser.parse_args()
    workspace = Workspace(options.workspace)
    directory = workspace.model(allow_stale=True).path
    sentences = [sentence.tokens for sentence in read_sentences(workspace / f"{options.split}.txt")]
    if options.share:
        number, processes, name = options.share
        tag_share(Path(name), sentences[int(number) :: int(processes)], options.rounds)
        return
    if options.processes:
        words = sum(map(len, sentences))
        print(f"{len(sentences):,} sentences, {words:,} words", flush=True)
        quantized = {"INT8": workspace / QUANTIZED} if (workspace / QUANTIZED / "config.json").exists() else {}
        compare_processes(options, {"FP32": directory, **quantized}, words)
        return
    fp32, rows = compare_with_pipeline(options, workspace, directory, sentences)
    write_json(options.json, rows)
    print_matrix_products(directory, sentences, fp32)


def compare_with_pipeline(
    options: argparse.Namespace, workspace: Workspace, directory: Path, sentences: list[list[str]]
) -> tuple[float, list[dict[str, Any]]]:
    """Print the speed of the pipeline and of nertool; gives words per second of nertool in FP32, and all rows."""
    import torch
    from transformers import pipeline

    words = sum(map(len, sentences))
    print(f"{len(sentences):,} sentences, {words:,} words, {torch.get_num_threads()} threads")
    tagger = load_tagger(directory, device="cpu")
    fp32, ours = timed(lambda: list(tagger.tag(sentences)), options.rounds, words)
    ours = [convert(tags, "iob2") for tags in ours]
    theirs = pipeline("token-classification", str(directory), aggregation_strategy="first", device="cpu")
    speeds: list[float] = []
    rows: list[dict[str, Any]] = []
    for size in options.batch_sizes:
        speed, tags = timed(lambda size=size: by_pipeline(theirs, sentences, size), 1, words)
        speeds.append(speed)
        rows.append({"work": f"pipeline, batch {size}", "words_per_second": speed, "equal": equal(tags, ours)})
        print(f"pipeline, batch {size:2}: {speed:9,.0f} words/s, equal {equal(tags, ours):.4f}")
    print(f"nertool FP32:       {fp32:9,.0f} words/s, {fp32 / max(speeds):.2f} times the pipeline's best")
    rows.append({"work": "nertool, FP32", "words_per_second": fp32, "equal": 1.0})
    if (Path(workspace.path) / QUANTIZED / "config.json").exists():
        small = load_tagger(workspace / QUANTIZED)
        speed, tags = timed(lambda: list(small.tag(sentences)), options.rounds, words)
        share = equal([convert(one, "iob2") for one in tags], ours)
        rows.append({"work": "nertool, INT8", "words_per_second": speed, "equal": share})
        print(
            f"nertool INT8:       {speed:9,.0f} words/s, {speed / max(speeds):.2f} times the pipeline's best, "
            f"{speed / fp32:.2f} times FP32, equal {share:.4f}"
        )
    return fp32, rows


def print_matrix_products(directory: Path, sentences: list[list[str]], fp32: float) -> None:
    """Print how near the products of a model come to the speed of large ones, at `fp32` words per second."""
    words = sum(map(len, sentences))
    flops = flops_of(load_tagger(directory, device="cpu", as_stored=True), sentences) / words
    print(f"FP32 matrix products: {flops / 1e6:.0f} MFLOP a word, {flops * fp32 / 1e9:.0f} GFLOP/s")
    for what, size in {"of one large size": (2048, 2048, 2048), "of the model's size": (1024, 384, 1536)}.items():
        limit = matrix_speed(*size)
        print(f"  that is {flops * fp32 / limit:.0%} of the {limit / 1e9:.0f} GFLOP/s of products {what}")


if __name__ == "__main__":
    main()
