"""Try an export in a process of its own, before it is published: it must tag as the model that it was made from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import NertoolError

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import Tagging

TRIED = 200
"""Sentences that an export is tried on."""


def check_tags_alike(directory: Path, tagger: Tagger, sentences: Iterable[Sequence[str]]) -> int:
    """Compare tags and scores of the first sentences, as `tag.py` and the model give them.

    Args:
        directory: of the export.
        tagger: the model.
        sentences: of tokens; those with a blank inside a token are left out, as a line could not hold them.

    Returns:
        the number of sentences.

    Raises:
        NertoolError: the script fails, or gives anything else.
    """
    tried = list(islice((list(tokens) for tokens in sentences if " ".join(tokens).split() == list(tokens)), TRIED))
    text = "".join(" ".join(tokens) + "\n" for tokens in tried)
    command = [sys.executable, "-B", str(directory / "tag.py"), "--json"]
    done = subprocess.run(command, input=text.encode(), capture_output=True)
    what = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode:
        raise _otherwise(what[-1] if what else f"it ends with {done.returncode}")
    rows = map(json.loads, done.stdout.splitlines())
    for tokens, row, tagging in zip(tried, rows, tagger.tag_scored(tried), strict=True):
        if (row["tokens"], *_answer_of(row)) != (tokens, tagging.tags, _scores(tagging)):
            raise _otherwise(f"{' '.join(tokens)[:80]!r} gets other tags or scores")
    return len(tried)


def _answer_of(row: dict[str, Any]) -> tuple[list[str], list[float]]:
    return row["tags"], [entity["score"] for entity in row["entities"]]


def _scores(tagging: Tagging) -> list[float]:
    return [round(score, 4) for score in tagging.span_scores]


def _otherwise(reason: str) -> NertoolError:
    return NertoolError(
        f"the export does not tag as the model does: {reason}",
        "Nothing was written. Tag with nertool predict --quantized, and report this with the model's configuration.",
    )
