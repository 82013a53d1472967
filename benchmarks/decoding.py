"""Share of the time of tagging that decoding and probabilities take.

    python benchmarks/decoding.py --model DIR --file FILE

The file holds a token a line, in its first column; a blank line ends a sentence.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from timing import add_json_option, write_json

from nertool.models.load_tagger import load_tagger


def sentences(path: Path) -> Iterator[list[str]]:
    """The tokens of each sentence."""
    with path.open(encoding="utf-8") as file:
        for filled, lines in groupby(file, key=lambda line: bool(line.strip())):
            if filled:
                yield [line.split()[0] for line in lines]


class Timed:
    """A function that adds up the seconds it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        started = time.perf_counter()
        result = self.function(*arguments)
        self.seconds += time.perf_counter() - started
        return result


def main() -> None:
    """Print seconds and shares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--file", type=Path, required=True)
    add_json_option(parser)
    options = parser.parse_args()
    tagger = load_tagger(options.model, device="cpu", decoding="viterbi")
    words = list(sentences(options.file))
    list(tagger.tag(words[:200]))
    decode, probabilities = Timed(tagger.decoder.decode), Timed(tagger.decoder.probabilities)
    tagger.decoder.decode, tagger.decoder.probabilities = decode, probabilities  # type: ignore[method-assign]
    started = time.perf_counter()
    list(tagger.tag_scored(words))
    seconds = time.perf_counter() - started
    figures = {
        "seconds": seconds,
        "decoding": decode.seconds / seconds,
        "probabilities": probabilities.seconds / seconds,
    }
    print(f"{seconds:.2f} s, decoding {figures['decoding']:.2%}, probabilities {figures['probabilities']:.2%}")
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
