"""Running text cut into words: share of the sentences of treebanks that are cut as their annotators did.

    python benchmarks/words.py --source DIR

Reads every CoNLL-U file of the folder: the text of a sentence (`# text =`) and its tokens, multiword ones whole.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from timing import add_json_option, write_json

from nertool.corpus.running_text import cut_words


def sentences(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The text of each sentence and its tokens."""
    text, tokens, inside = "", [], 0
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if line.startswith("# text ="):
            text, tokens, inside = line.partition("=")[2].strip(), [], 0
        elif not line and text:
            yield text, tokens
            text = ""
        elif fields[0].replace("-", "").isdigit():
            first, _, last = fields[0].partition("-")
            if int(first) > inside:
                tokens.append(fields[1])
                inside = int(last or first)


def main() -> None:
    """Print a line a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    add_json_option(parser)
    options = parser.parse_args()
    figures: list[dict[str, object]] = []
    for path in sorted(options.source.glob("*.conllu")):
        found = list(sentences(path))
        started = time.perf_counter()
        cut = [cut_words(text).tokens for text, _ in found]
        seconds = time.perf_counter() - started
        same = sum(ours == tokens for ours, (_, tokens) in zip(cut, found, strict=True))
        speed = sum(map(len, cut)) / seconds
        figures.append(
            {"file": path.name, "sentences": len(found), "same": same / len(found), "tokens_per_second": speed}
        )
        print(f"{path.name}: {same / len(found):.1%} of {len(found):,} sentences, {speed:,.0f} tokens/s")
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
