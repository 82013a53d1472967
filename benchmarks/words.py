"""Running text cut into words: share of the sentences of treebanks that are cut as their annotators did.

    python benchmarks/words.py --source DIR

Reads every CoNLL-U file of the folder: the text of a sentence (`# text =`) and its tokens, multiword ones whole, or its
syntactic words. The first half of a file stands for the data of a model, which tell how tokens were cut. The second
half is cut in the default way, and in that way.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from timing import add_json_option, write_json

from nertool.corpus.running_text import CHARACTERS, cut_of_tokens, cutter


class Sentence(NamedTuple):
    """A sentence of a treebank.

    Attributes:
        text: as it was written.
        tokens: with multiword ones whole.
        words: with the syntactic words of these in their place.
    """

    text: str
    tokens: list[str]
    words: list[str]


def sentences(path: Path) -> Iterator[Sentence]:
    """The sentences that come with their text."""
    sentence, inside = Sentence("", [], []), 0
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if line.startswith("# text ="):
            sentence, inside = Sentence(line.partition("=")[2].strip(), [], []), 0
        elif not line and sentence.text:
            yield sentence
            sentence = Sentence("", [], [])
        elif fields[0].replace("-", "").isdigit():
            first, multiword, last = fields[0].partition("-")
            if not multiword:
                sentence.words.append(fields[1])
            if int(first) > inside:
                sentence.tokens.append(fields[1])
                inside = int(last or first)


def same(tokenizer: str, texts: Sequence[str], expected: Sequence[list[str]]) -> tuple[float, float]:
    """Share of the texts that are cut into the expected tokens, and tokens per second."""
    cut = cutter(tokenizer)
    started = time.perf_counter()
    found = [cut(text, 0, len(text)).tokens for text in texts]
    seconds = time.perf_counter() - started
    equal = sum(ours == theirs for ours, theirs in zip(found, expected, strict=True))
    return equal / len(texts), sum(map(len, found)) / seconds


def main() -> None:
    """Print a line for each file and kind of token."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    add_json_option(parser)
    options = parser.parse_args()
    figures: list[dict[str, object]] = []
    for path in sorted(options.source.glob("*.conllu")):
        found = list(sentences(path))
        half = len(found) // 2
        texts = [one.text for one in found[half:]]
        for kind in ("tokens", "words"):
            expected = [getattr(one, kind) for one in found]
            tokenizer = cut_of_tokens(expected[:half])
            by_default, _ = same(CHARACTERS, texts, expected[half:])
            as_data, speed = same(tokenizer, texts, expected[half:])
            row = {"file": path.name, "kind": kind, "sentences": len(texts), "tokenizer": tokenizer}
            figures.append({**row, "default": by_default, "as_data": as_data, "tokens_per_second": speed})
            print(
                f"{path.name}, {kind}: {by_default:.1%} of {len(texts):,} sentences by default, "
                f"{as_data:.1%} by {tokenizer}, {speed:,.0f} tokens/s"
            )
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
