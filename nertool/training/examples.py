"""train.txt as training examples: tokenized once, kept on disk, found again by what they were made of."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nertool.corpus.column_files import Sentence, read_sentences
from nertool.errors import InvalidData, command
from nertool.models.encode import IGNORE, Encoder, LabelledWindow, labelled_windows
from nertool.progress import logger
from nertool.training import processes
from nertool.training.batches import Example
from nertool.training.facts import ExampleCounts
from nertool.workspace.digests import digest, write_json
from nertool.workspace.names import LABELS

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

SENTENCES_AHEAD = 1000
COUNTS = "counts.json"
FORMAT = 1
"""To be raised whenever the same inputs give other examples."""


@dataclass(frozen=True)
class Source:
    """What examples are made of.

    Attributes:
        path: `token, space, tag` lines.
        labels: the label of each id.
        max_length: sub-words of an example, special tokens included; longer sentences go through windows.
        all_subwords: a word's tag stands on all its sub-words (I- behind the first, for a B- tag), not on the first.
        limit: the first sentences alone; None for all.
        workers: processes that tokenize.
    """

    path: Path
    labels: tuple[str, ...]
    max_length: int
    all_subwords: bool = False
    limit: int | None = None
    workers: int = 1

    def key(self, tokenizer: PreTrainedTokenizerBase) -> str:
        """Equal for equal examples: made of the file's content, the labels, the tokenizer's files and the lengths."""
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_pretrained(folder)
            files = {path.name: digest(path)["sha256"] for path in sorted(Path(folder).iterdir()) if path.is_file()}
        parts = [FORMAT, digest(self.path), self.labels, self.max_length, self.all_subwords, self.limit, files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def sentences(self) -> Iterator[Sentence]:
        """The sentences that are learnt from."""
        return islice(read_sentences(self.path), self.limit)


class Examples:
    """Training examples on disk, as a map-style dataset; `~number` gives an example without its tags.

    Attributes:
        lengths: sub-words of each example; shape (examples,).
        counts: sentences and words, and how many of them needed windows or have no sub-words.
    """

    def __init__(self, rows: Dataset, counts: ExampleCounts) -> None:
        self._rows = rows
        self.counts = counts
        self.lengths = np.asarray(rows.with_format("numpy")["length"][:], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> Example:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[Example]:
        """Examples by their numbers; what a DataLoader asks for."""
        columns = self._rows[[number if number >= 0 else ~number for number in numbers]]
        found = zip(numbers, columns["input_ids"], columns["labels"], strict=True)
        return [
            {"input_ids": ids, "labels": labels if number >= 0 else [IGNORE] * len(labels)}
            for number, ids, labels in found
        ]


def load_examples(source: Source, tokenizer: PreTrainedTokenizerBase, cache: Path) -> Examples:
    """The examples of a file, from the cache where they are there already; of several processes the first makes them.

    Args:
        cache: a directory that holds nothing else; what was made of something else is removed from it.

    Raises:
        InvalidData: a tag that is no label (names file and line), or no sentence.
    """
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    place = cache / source.key(tokenizer)
    if processes.rank() == 0 and not (place / COUNTS).exists():
        words = _check_tags(source)
        shutil.rmtree(cache, ignore_errors=True)
        place.mkdir(parents=True)
        _make(source, tokenizer, place, words)
    processes.from_first(None)
    rows = Dataset.load_from_disk(str(place / "rows"))
    return Examples(rows, json.loads((place / COUNTS).read_text(encoding="utf-8")))


def _make(source: Source, tokenizer: PreTrainedTokenizerBase, place: Path, total: Mapping[str, int]) -> None:
    from datasets import Dataset

    per_worker = -(-total["sentences"] // source.workers)
    shares = [(start, start + per_worker) for start in range(0, total["sentences"], per_worker)]
    made = Dataset.from_generator(
        _rows,
        cache_dir=str(place / "building"),
        gen_kwargs={"shares": shares, "source": source, "tokenizer": tokenizer},
        num_proc=len(shares) if len(shares) > 1 else None,
    )
    made.save_to_disk(str(place / "rows"))
    windows = np.asarray(made.with_format("numpy")["windows"][:])
    counts = {
        **total,
        "windowed": int((windows > 1).sum()),
        "without_subwords": total["words"] - int(np.asarray(made.with_format("numpy")["words"][:]).sum()),
    }
    del made
    shutil.rmtree(place / "building", ignore_errors=True)
    write_json(place / COUNTS, counts)


def _rows(
    shares: Sequence[tuple[int, int]], source: Source, tokenizer: PreTrainedTokenizerBase
) -> Iterator[dict[str, Any]]:
    """Windows with at least one tag, of the sentences whose numbers lie in one of `shares`.

    `length` is their sub-words, `words` the words that they read, `windows` the windows of the sentence in its first
    row and 0 in the others.
    """
    encoder = Encoder(tokenizer, source.max_length)
    label_ids = {label: number for number, label in enumerate(source.labels)}
    for start, end in shares:
        stream = islice(source.sentences(), start, end)
        while block := list(islice(stream, SENTENCES_AHEAD)):
            tokens, tags = [sentence.tokens for sentence in block], [sentence.tags for sentence in block]
            for windows in labelled_windows(encoder, tokens, tags, label_ids, source.all_subwords):
                yield from _as_rows(windows)


def _as_rows(windows: Sequence[LabelledWindow]) -> Iterator[dict[str, Any]]:
    for number, window in enumerate([window for window in windows if window.words]):
        yield {
            "input_ids": window.input_ids,
            "labels": window.labels,
            "length": len(window.input_ids),
            "words": window.words,
            "windows": 0 if number else len(windows),
        }


def warn_of_losses(counts: ExampleCounts, max_length: int) -> None:
    """Warn of sentences that are cut into windows, and of words that are not trained on."""
    if counts["windowed"]:
        logger.warning(
            "%s sentences of train pass %s sub-words: trained on in overlapping windows", counts["windowed"], max_length
        )
    if counts["without_subwords"]:
        logger.warning("%s words of train have no sub-words: nothing is learnt from them", counts["without_subwords"])


def _check_tags(source: Source) -> dict[str, int]:
    """Every tag of train must have an id, and there must be one sentence at least; how many sentences and words."""
    known, sentences, words = set(source.labels), 0, 0
    for sentence in source.sentences():
        sentences += 1
        words += len(sentence.tokens)
        if known.issuperset(sentence.tags):
            continue
        line, tag = next(at for at in enumerate(sentence.tags, start=sentence.line) if at[1] not in known)
        raise InvalidData(
            f"{source.path}:{line}: the tag {tag!r} is not in {LABELS}",
            f"Collect the tags anew: {command(source.path.parent, 'labels')}",
        )
    if not sentences:
        raise InvalidData(f"{source.path} holds no sentence", "Train on a file with at least one.")
    return {"sentences": sentences, "words": words}
