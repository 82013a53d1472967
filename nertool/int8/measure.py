"""What a model costs to use: time to load, memory, words per second, latency; and the tags that it gives.

Each model is measured in a process of its own, as a user meets it: nothing is warm, and the peak of memory is the
model's own.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import NertoolError
from nertool.workspace.disk_errors import translate_disk_errors
from nertool.workspace.orphans import end_with

if TYPE_CHECKING:
    from nertool.int8.facts import Cost, Latency
    from nertool.models.tagger import Tagger

WORDS = 10_000
"""Words that speed is measured on."""
SINGLE = 200
"""Sentences that are tagged one by one."""
BUDGETS = (256, 512, 1024, 2048)
"""Padded sub-words of a batch that are tried; beyond, the tagger would share so many words out to smaller ones."""
OWN_PROCESS = (
    "import sys; sys.path = [place for place in sys.path if place]; from nertool.int8.measure import main; main()"
)
"""What the process runs: without the current directory, as a module there may be a stranger's."""
CONSENT = {"--trust-remote-code": "trust_remote_code", "--allow-missing-weights": "allow_missing_weights"}
"""Arguments of the process -> what they consent to in `load_tagger`."""
REFUSED = 3
"""Exit status of the process after an error that the user can mend, which it prints."""
SUBWORDS_PER_WORD = 1.5
"""Padded sub-words of a word, roughly: how many sentences fill a batch."""


def measure(directory: Path, files: Mapping[str, Path], tags: Path, **consent: Any) -> Cost:
    """Measure a model in a process of its own, with as many threads as this one; see `measure_here`.

    Raises:
        NertoolError: as that does, or the process was ended by a signal.
    """
    import torch

    command = [sys.executable, "-c", OWN_PROCESS, str(os.getpid()), str(directory), str(tags)]
    for split, path in files.items():
        command.append(f"{split}={path}")
    command += [argument for argument, name in CONSENT.items() if consent.get(name)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # it imports what this process does
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment)
    if done.returncode < 0:
        raise NertoolError(
            f"the process that measures {directory.name} was ended by signal {-done.returncode}",
            "As a rule memory ran out: make room, or take a smaller model.",
        )
    if done.returncode == REFUSED:
        raise NertoolError(*json.loads(done.stdout))
    done.check_returncode()
    cost: Cost = json.loads(done.stdout)
    return cost


def measure_here(directory: Path, files: Mapping[str, Path], tags: Path, **consent: Any) -> Cost:
    """Load a model, tag every split, and measure speed and latency, in this process.

    Args:
        files: columns of tokens and tags by split; speed is measured on the first.
        tags: a directory, where `{split}.json` will hold the tags of each sentence, and `{split}.npy` the logits of
            all words; shape (words, labels).
        consent: `trust_remote_code` and `allow_missing_weights` of `load_tagger`.
    """
    from nertool.corpus.column_files import read_sentences
    from nertool.models.load_tagger import load_tagger

    started = time.perf_counter()
    tagger = load_tagger(directory, device="cpu", **consent)
    loaded = time.perf_counter() - started
    splits: list[list[list[str]]] = []
    for split, path in files.items():
        sentences = [sentence.tokens for sentence in read_sentences(path)]
        _write_tags(tagger, sentences, tags, split)
        splits.append(sentences)
    sample = _first_words(splits[0], WORDS)
    speed, best = _fastest_batches(tagger, sample)
    return {
        "load_seconds": loaded,
        "peak_mib": _peak_mib(),
        "words_per_second": round(speed),
        "best_batch_subwords": best,
        "latency_ms": {
            "single_sentence": _latency(tagger.with_batches_of(1), _groups(sample[:SINGLE], 1)),
            "best_batch": _latency(tagger.with_batches_of(best), _groups(sample, _sentences_of(best, sample))),
        },
    }


def _write_tags(tagger: Tagger, sentences: Sequence[Sequence[str]], directory: Path, split: str) -> None:
    import numpy as np

    tags, logits = [], [np.empty((0, len(tagger.labels)), np.float32)]
    for tagging in tagger.tag_scored(sentences):
        assert tagging.logits is not None
        tags.append(tagging.tags)
        logits.append(tagging.logits)
    (directory / f"{split}.json").write_text(json.dumps(tags, allow_nan=False), encoding="utf-8")
    np.save(directory / f"{split}.npy", np.concatenate(logits))


def _peak_mib() -> float:
    """Peak of resident memory; from /proc where there is one, as getrusage counts what the parent had, too."""
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _first_words(sentences: Sequence[Sequence[str]], words: int) -> list[Sequence[str]]:
    """The first sentences, as many as hold that many words."""
    sample: list[Sequence[str]] = []
    for sentence in sentences:
        if words <= 0:
            break
        sample.append(sentence)
        words -= len(sentence)
    return sample


def _fastest_batches(tagger: Tagger, sentences: Sequence[Sequence[str]]) -> tuple[float, int]:
    """The best throughput in words per second, and the padded sub-words of the batches that give it."""
    best_speed, best_budget = 0.0, BUDGETS[0]
    for budget in BUDGETS:
        speed = _speed(tagger.with_batches_of(budget), sentences)
        if speed > best_speed:
            best_speed, best_budget = speed, budget
    return best_speed, best_budget


def _speed(tagger: Tagger, sentences: Sequence[Sequence[str]]) -> float:
    """Words per second."""
    started = time.perf_counter()
    words = 0
    for tags in tagger.tag(sentences):
        words += len(tags)
    return words / (time.perf_counter() - started)


def _sentences_of(budget: int, sentences: Sequence[Sequence[str]]) -> int:
    """How many sentences of average length fill a batch of so many padded sub-words; at least one."""
    mean_words = sum(map(len, sentences)) / len(sentences)
    return max(1, round(budget / (mean_words * SUBWORDS_PER_WORD)))


def _groups(sentences: Sequence[Sequence[str]], size: int) -> list[Sequence[Sequence[str]]]:
    """The sentences in groups of that size, in order."""
    return [sentences[start : start + size] for start in range(0, len(sentences), size)]


def _latency(tagger: Tagger, calls: Sequence[Sequence[Sequence[str]]]) -> Latency:
    """How long calls of the tagger take, with the sentences of each call."""
    import numpy as np

    milliseconds = []
    for sentences in calls:
        started = time.perf_counter()
        list(tagger.tag(sentences))
        milliseconds.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(milliseconds, [50, 95]).tolist()
    return {"p50": p50, "p95": p95}


def main() -> None:
    """Measure a model.

    Arguments: number of the process to end with, the model's directory, a directory for its tags, `SPLIT=FILE` each,
    and any of `CONSENT`.
    """
    parent, directory, tags, *arguments = sys.argv[1:]
    end_with(int(parent))
    files: dict[str, Path] = {}
    consent = {name: argument in arguments for argument, name in CONSENT.items()}
    for argument in arguments:
        if argument not in CONSENT:
            split, _, path = argument.partition("=")
            files[split] = Path(path)
    try:
        with translate_disk_errors(Path(tags)):
            cost = measure_here(Path(directory), files, Path(tags), **consent)
    except NertoolError as error:
        json.dump([error.message, error.hint], sys.stdout, allow_nan=False)
        sys.exit(REFUSED)
    json.dump(cost, sys.stdout, allow_nan=False)
