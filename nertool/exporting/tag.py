"""Tag sentences with the model in this directory: one a line on standard input, its tokens between blanks.

python tag.py < sentences             a token and its tag a line, and a blank line behind each sentence
python tag.py --json < sentences      a JSON object a line, with the entities, their places and scores
python tag.py --text < sentences      running text, which is cut into tokens first; needs the package regex too
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import tee
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
BLANKS = re.compile(r"\S+")


def read_lines(pattern_of: Any) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """The lines of standard input that are not blank, each with the places of its tokens in characters."""
    if sys.stdin is None:
        raise ValueError("standard input is closed")
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"line {number} is not UTF-8: {error.reason}") from error
        if "\0" in text or "\r" in text:
            raise ValueError(f"line {number} holds a NUL or a carriage return inside: a line is one sentence")
        if text:
            yield text, [token.span() for token in pattern_of(text).finditer(text)]


def row_of(text: str, places: list[tuple[int, int]], tags: list[str], entities: list[Any]) -> dict[str, Any]:
    """A sentence as `--json` writes it."""
    rows = []
    for label, first, behind, score in entities:
        start, end = places[first][0], places[behind - 1][1]
        rows.append({"label": label, "start": start, "end": end, "text": text[start:end], "score": round(score, 4)})
    return {"text": text, "tokens": [text[start:end] for start, end in places], "tags": tags, "entities": rows}


def main() -> None:
    """Tag standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="write JSON Lines")
    parser.add_argument("--text", action="store_true", help="cut running text into tokens, as nertool does")
    parser.add_argument("--thresholds", action="store_true", help="leave out entities below the exported thresholds")
    options = parser.parse_args()
    from tagger import Tagger

    tagger = Tagger()
    at_blanks = not options.text or tagger.settings["tokenizer"] == "white"
    lines, ahead = tee(read_lines((lambda text: BLANKS) if at_blanks else tagger.pattern_of))
    sentences = ([text[start:end] for start, end in places] for text, places in ahead)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    for (text, places), (tags, entities) in zip(lines, tagger.tag(sentences, options.thresholds), strict=True):
        row = row_of(text, places, tags, entities)
        columns = "".join(f"{token} {tag}\n" for token, tag in zip(row["tokens"], tags, strict=True))
        shown = json.dumps(row, ensure_ascii=False, allow_nan=False) if options.json else columns
        sys.stdout.write(f"{shown}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)  # nobody reads on
    except ImportError as error:
        sys.exit(f"error: {error}; README.md says what to install")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
