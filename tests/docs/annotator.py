"""Stands for the person of docs/active-learning.md: exports the texts in the current folder as Label Studio does.

Run as `python tests/docs/annotator.py`: the gold tags are those of sample/train.txt.tmp.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import read_sentences
from nertool.tags import spans


def gold_tags() -> dict[str, list[str]]:
    """The tags of each text; tokens are joined by blanks."""
    sentences = read_sentences(Path("sample/train.txt.tmp"))
    return {" ".join(sentence.tokens): sentence.tags for sentence in sentences}


def task(text: str, tags: list[str]) -> dict[str, Any]:
    """A text as Label Studio exports it once somebody has annotated it."""
    result = []
    tokens = text.split(" ")
    for label, begin, end in spans(tags):
        start = len(" ".join([*tokens[:begin], ""]))
        value = {"start": start, "end": start + len(" ".join(tokens[begin:end])), "labels": [label]}
        result.append({"type": "labels", "from_name": "label", "to_name": "text", "value": value})
    return {"data": {"text": text}, "annotations": [{"result": result, "was_cancelled": False}]}


def export(name: str, texts: Iterable[str]) -> None:
    """Write a project."""
    gold = gold_tags()
    Path(name).write_text(json.dumps([task(text, gold[text]) for text in texts]))


if __name__ == "__main__":
    if Path("test-texts.txt").exists():
        export("test.json", Path("test-texts.txt").read_text().splitlines())
        labelled = Path("start-texts.txt").read_text().splitlines()
        for path in sorted(Path().glob("tasks-*.json")):
            labelled += [row["data"]["text"] for row in json.loads(path.read_text())]
        export("labelled.json", labelled)
