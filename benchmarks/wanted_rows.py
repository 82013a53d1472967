"""What a graph saves that computes logits only for the sub-words whose tags are read.

    OMP_NUM_THREADS=1 python benchmarks/wanted_rows.py --model quantized --file FILE

The same graph is asked for the first sub-word of each word, as `predict` asks, and for all sub-words. Processor time,
by turns. The file holds a token a line, in its first column; a blank line ends a sentence.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from decoding import sentences
from timing import add_json_option, write_json

from nertool.models.load_tagger import load_tagger


def main() -> None:
    """Print the ratio of each run, and whether logits are the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=7)
    add_json_option(parser)
    options = parser.parse_args()
    tagger = load_tagger(options.model)
    words = list(sentences(options.file))
    ratios, logits = [], {}
    for _ in range(options.runs + 1):
        seconds = {}
        for alone in (True, False):
            tagger.model.takes_wanted = alone
            started = time.process_time()
            logits[alone] = np.concatenate(list(tagger.word_logits(words)))
            seconds[alone] = time.process_time() - started
        ratios.append(seconds[False] / seconds[True])
    ratio = statistics.median(ratios[1:])  # the first run warms up
    same = np.array_equal(logits[True], logits[False], equal_nan=True)
    print(f"{ratio:.3f} times as fast ({min(ratios[1:]):.3f} to {max(ratios[1:]):.3f}), same logits: {same}")
    write_json(options.json, {"ratio": ratio, "same": same})


if __name__ == "__main__":
    main()
