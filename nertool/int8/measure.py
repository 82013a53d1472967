"""What a model costs to use: time to load, memory, words per second, latency; and the tags that it gives.

Run as `python -m nertool.int8.measure`, so that each model is measured in a process of its own, as a user meets it:
nothing is warm, and the peak of memory is the model's own.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger

WORDS = 10_000
"""Words that speed is measured on."""
SINGLE = 200
"""Sentences that are tagged one by one."""
BUDGETS = (256, 512, 1024, 2048)
"""Padded sub-words of a batch that are tried; beyond, the tagger would share so many words out to smaller ones."""


def measure(directory: Path, splits: Mapping[str, Path], tags: Path) -> dict[str, Any]:
    """Measure a model in a process of its own, with as many threads as this one.

    Args:
        splits: files of sentences by name; speed is measured on the first.
        tags: a directory, where `{split}.json` will hold the tags of each sentence.

    Returns:
        load_seconds; peak_mib, of resident memory; words_per_second, in the best batches, and their sub-words;
        latency_ms at batch 1 and in those, each {p50, p95}.
    """
    import torch

    files = [f"{split}={path}" for split, path in splits.items()]
    command = [
        sys.executable,
        "-m",
        "nertool.int8.measure",
        str(directory),
        str(tags),
        str(torch.get_num_threads()),
        *files,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measured(directory: Path, files: Mapping[str, Path], tags: Path) -> dict[str, Any]:
    from nertool.corpus.column_files import read_sentences
    from nertool.models.tagger import load_tagger

    started = time.perf_counter()
    tagger = load_tagger(directory, device="cpu")
    loaded = time.perf_counter() - started
    splits = {split: [sentence.tokens for sentence in read_sentences(path)] for split, path in files.items()}
    for split, sentences in splits.items():
        (tags / f"{split}.json").write_text(json.dumps(list(tagger.tag(sentences))), encoding="utf-8")
    sample = _of_words(next(iter(splits.values())), WORDS)
    speeds = {budget: _speed(tagger, sample, budget) for budget in BUDGETS}
    best = max(speeds, key=lambda budget: speeds[budget])
    return {
        "load_seconds": loaded,
        "peak_mib": _peak_mib(),
        "words_per_second": round(speeds[best]),
        "best_batch_subwords": best,
        "latency_ms": {"batch 1": _latency(tagger, sample, 1), "best batch": _latency(tagger, sample, best)},
    }


def _peak_mib() -> float:
    """Peak of resident memory; from /proc where there is one, as getrusage counts what the parent had, too."""
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _of_words(sentences: Sequence[Sequence[str]], words: int) -> list[Sequence[str]]:
    """So many sentences that they hold that many words."""
    sample: list[Sequence[str]] = []
    for sentence in sentences:
        if words <= 0:
            break
        sample.append(sentence)
        words -= len(sentence)
    return sample


def _speed(tagger: Tagger, sentences: Sequence[Sequence[str]], budget: int) -> float:
    tagger = tagger.with_batches_of(budget)
    started = time.perf_counter()
    words = sum(len(tags) for tags in tagger.tag(sentences))
    return words / (time.perf_counter() - started)


def _latency(tagger: Tagger, sentences: Sequence[Sequence[str]], budget: int) -> dict[str, float]:
    """Milliseconds of a call: a sentence each, or as many as fill a batch of the budget."""
    import numpy as np

    tagger = tagger.with_batches_of(budget)
    calls = [[sentence] for sentence in islice(sentences, SINGLE)]
    if budget > 1:
        size = max(1, round(budget / (sum(map(len, sentences)) / len(sentences) * 1.5)))
        calls = [list(sentences[start : start + size]) for start in range(0, len(sentences), size)]
    times = []
    for call in calls:
        started = time.perf_counter()
        list(tagger.tag(call))
        times.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(times, [50, 95]).tolist()
    return {"p50": p50, "p95": p95}


def _main() -> None:
    directory, tags, threads, *files = sys.argv[1:]
    from nertool.models.names import quiet_transformers

    quiet_transformers()
    import torch

    torch.set_num_threads(int(threads))
    splits = {split: Path(path) for split, _, path in (file.partition("=") for file in files)}
    json.dump(_measured(Path(directory), splits, Path(tags)), sys.stdout)


if __name__ == "__main__":
    _main()
