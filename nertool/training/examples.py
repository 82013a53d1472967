"""train.txt as training examples: tokenized once, kept on disk, found again by what they were made of."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nertool.arrays import Array
from nertool.corpus.column_files import Sentence, read_sentences
from nertool.errors import InvalidData, NertoolError, command
from nertool.models.encode import NO_WORD, Encoder, LabelledWindow, labelled_windows
from nertool.progress import amount, logger
from nertool.training import processes
from nertool.training.batches import EMPTY, Example
from nertool.training.facts import ExampleCounts
from nertool.training.steps import Slot
from nertool.workspace.atomic import remove
from nertool.workspace.digests import digest, write_json
from nertool.workspace.names import LABELS
from nertool.workspace.orphans import worker_processes
from nertool.workspace.seals import is_sealed, is_whole_here, seal_here

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from nertool.training.distillation import Teaching

SENTENCES_AHEAD = 1000
COUNTS = "counts.json"
FORMAT = 3
"""To be raised whenever the same inputs give other examples."""
APART = ("unlabelled", "teachers")
"""Folders of a cache that other examples, and the probabilities of teachers, are kept in."""
Tagged = tuple[Sequence[str], "Sequence[str] | None"]
"""The words of a sentence and their tags; None for a sentence without."""


@dataclass(frozen=True)
class Source:
    """What examples are made of.

    Attributes:
        path: file of `token, space, tag` lines.
        labels: the label of each id.
        max_length: sub-words of an example at most, special tokens included; longer sentences are cut into windows.
        all_subwords: label every sub-word (B- becomes I- after the first); otherwise only the first of a word.
        limit: number of its first sentences to take; None for all.
        workers: processes that tokenize.
        taught: teachers label the words too: keep which word a sub-word belongs to.
    """

    path: Path
    labels: tuple[str, ...]
    max_length: int
    all_subwords: bool = False
    limit: int | None = None
    workers: int = 1
    taught: bool = False

    def key(self, tokenizer: PreTrainedTokenizerBase) -> str:
        """Name of the examples in the cache: a hash of file, labels, tokenizer and lengths."""
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_pretrained(folder)
            files = {}
            for path in sorted(Path(folder).iterdir()):
                if path.is_file():
                    files[path.name] = digest(path)["sha256"]
        content = self.content()
        parts = [FORMAT, content[0], self.labels, self.max_length, self.all_subwords, *content[1:], files]
        if self.taught:
            parts.append("taught")
        return hashlib.sha256(json.dumps(parts, allow_nan=False).encode()).hexdigest()[:16]

    def content(self) -> list[Any]:
        """What the sentences follow from, as JSON; the first is the digest of the file."""
        return [digest(self.path), self.limit]

    def sentences(self) -> Iterator[Sentence]:
        """The sentences to train on."""
        return islice(read_sentences(self.path), self.limit)

    def tagged(self) -> Iterator[Tagged]:
        """The words of each sentence, and their tags."""
        for sentence in self.sentences():
            yield sentence.tokens, sentence.tags

    def totals(self) -> Totals:
        """Count sentences and words.

        Raises:
            InvalidData: a tag has no id (names file and line), or there is no sentence.
        """
        return _check_tags(self)


class Examples:
    """Training examples on disk, as a dataset for a DataLoader that is asked by slots.

    Attributes:
        lengths: sub-words of each example; shape (examples,).
        counts: what they were made of.
        max_length: sub-words of an example at most.
        teaching: what teachers say of their words; None without teachers.
        unlabelled: examples that only teachers label; their numbers come behind the others'.
    """

    teaching: Teaching | None = None
    unlabelled: Examples | None = None

    def __init__(self, rows: Dataset, counts: ExampleCounts, max_length: int) -> None:
        self._rows = rows
        self.counts = counts
        self.max_length = max_length
        self.lengths = np.asarray(rows.with_format("numpy")["length"][:], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def teach(self) -> None:
        """Let teachers label what is to be learnt; there are none."""

    def take(self, slots: Sequence[Slot]) -> list[Example]:
        """The examples of these slots, without their tags where a slot does not count."""
        columns = self._rows[[slot.number for slot in slots]]
        examples: list[Example] = []
        for at, slot in enumerate(slots):
            example = {name: columns[name][at] for name in ("input_ids", *EMPTY) if name in columns}
            examples.append(example if slot.counts else _without_tags(example))
        return examples

    __getitems__ = take
    """What a DataLoader calls."""

    def part(self, sentences: Array, words: int) -> Examples:
        """The examples of some sentences alone.

        Args:
            sentences: their numbers, from 0; shape (sentences,).
            words: how many they have.
        """
        numbers = np.asarray(self._rows.with_format("numpy")["sentence"][:])
        rows = self._rows.select(np.flatnonzero(np.isin(numbers, sentences)))
        return Examples(rows, _count(rows, Totals(len(sentences), words)), self.max_length)


def _without_tags(example: Example) -> Example:
    """The example with nothing to learn from."""
    return {name: [EMPTY[name]] * len(values) if name in EMPTY else values for name, values in example.items()}


def load_examples(source: Source, tokenizer: PreTrainedTokenizerBase, cache: Path, anew: bool = False) -> Examples:
    """Make the examples of a file, or take them from the cache; of several processes the first one makes them.

    Args:
        source: what they are made of.
        tokenizer: splits words into sub-words.
        cache: a directory for these examples, and those of folders named APART; those of another source, and damaged
            or copied ones, are removed from it.
        anew: make them, even if they are there.

    Raises:
        InvalidData: a tag is no label (names file and line), or there is no sentence.
    """
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    folder = cache / source.key(tokenizer)
    if processes.rank() == 0 and (anew or not is_whole_here(folder)):
        if is_sealed(folder) and not anew:
            logger.warning("%s is damaged, or a copy: the examples are made anew", cache)
        totals = source.totals()
        remove_others(cache)
        folder.mkdir(parents=True)
        _make(source, tokenizer, folder, totals)
    processes.wait_for_first()
    rows = Dataset.load_from_disk(str(folder / "rows"))
    counts = json.loads((folder / COUNTS).read_text(encoding="utf-8"))
    return Examples(rows, counts, source.max_length)


def remove_others(cache: Path) -> None:
    """Remove all but the folders APART."""
    for path in cache.iterdir() if cache.is_dir() and not cache.is_symlink() else [cache]:
        if path.name not in APART or not path.is_dir():
            remove(path)


def _make(source: Source, tokenizer: PreTrainedTokenizerBase, folder: Path, totals: Totals) -> None:
    """Write the examples and their counts, and at last the seal, which says that all is there.

    Raises:
        InvalidData: the tokenizer reads no word.
        NertoolError: it fails on a word, or a process that tokenizes is killed.
    """
    from datasets import Dataset, concatenate_datasets

    building = folder / "building"
    files = _build(source, tokenizer, totals.sentences, building)
    if not files:
        raise InvalidData(
            f"{source.path}: the tokenizer reads none of its words", "Take another --model, or other data."
        )
    rows = concatenate_datasets([Dataset.from_file(str(file)) for file in files])
    rows.save_to_disk(str(folder / "rows"))
    counts = _count(rows, totals)
    del rows
    shutil.rmtree(building, ignore_errors=True)
    write_json(folder / COUNTS, counts)
    seal_here(folder)


def _build(source: Source, tokenizer: PreTrainedTokenizerBase, sentences: int, building: Path) -> list[str]:
    """Let each worker write the rows of its share of the sentences; gives the files in the order of the rows.

    Raises:
        NertoolError: as `_make`.
    """
    from concurrent.futures.process import BrokenProcessPool

    per_worker = -(-sentences // source.workers)
    shares = [(start, start + per_worker) for start in range(0, sentences, per_worker)]
    folders = [building / str(number) for number in range(len(shares))]
    build_share = partial(_build_share, source, tokenizer)
    if len(shares) == 1:
        return build_share(shares[0], folders[0])
    try:
        with worker_processes(len(shares)) as workers:
            return list(chain.from_iterable(workers.map(build_share, shares, folders)))
    except BrokenProcessPool as error:
        raise NertoolError(
            "a process that tokenizes was killed",
            "As a rule memory ran out: make room, or take fewer processes: --preprocessing-num-workers 1",
        ) from error


def _build_share(
    source: Source, tokenizer: PreTrainedTokenizerBase, share: tuple[int, int], building: Path
) -> list[str]:
    """Write the rows of a share of the sentences; gives the names of the files, none where there is no row."""
    from datasets import Dataset
    from datasets.arrow_writer import SchemaInferenceError
    from datasets.exceptions import DatasetGenerationError

    made_of = {"source": source, "tokenizer": tokenizer, "share": share}
    try:
        rows = Dataset.from_generator(_rows, cache_dir=str(building), gen_kwargs=made_of)
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, SchemaInferenceError):
            return []
        raise error.__cause__ or error from None
    return [file["filename"] for file in rows.cache_files]


def _count(rows: Dataset, totals: Totals) -> ExampleCounts:
    """Count what rows were made of."""
    columns = rows.with_format("numpy")
    return {
        "sentences": totals.sentences,
        "words": totals.words,
        "windowed": int((np.asarray(columns["windows"][:]) > 1).sum()),
        "without_subwords": totals.words - int(np.asarray(columns["words"][:]).sum()),
    }


def _rows(source: Source, tokenizer: PreTrainedTokenizerBase, share: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Windows with at least one tag, of the sentences whose numbers lie in `share`.

    Args:
        source: what the examples are made of.
        tokenizer: splits words into sub-words.
        share: half-open range of sentence numbers.

    Yields:
        `input_ids` and `labels`; `length`: sub-words; `words`: words that are read in this window; `windows`: windows
        of the sentence in its first row, 0 in the others; `sentence`: its number, from 0.
    """
    encoder = Encoder(tokenizer, source.max_length)
    label_ids = {label: number for number, label in enumerate(source.labels)}
    stream = islice(_numbered(source.tagged()), *share)
    while block := list(islice(stream, SENTENCES_AHEAD)):
        numbers, firsts, tokens, tags = zip(*block, strict=True)
        examples = labelled_windows(encoder, tokens, tags, label_ids, source.all_subwords)
        for number, first, windows in zip(numbers, firsts, examples, strict=True):
            yield from _as_rows(windows, number, first if source.taught else None)


def _numbered(sentences: Iterable[Tagged]) -> Iterator[tuple[int, int, Sequence[str], Sequence[str] | None]]:
    """Give the number of each sentence and of its first word, both from 0, and the sentence."""
    first = 0
    for number, (tokens, tags) in enumerate(sentences):
        yield number, first, tokens, tags
        first += len(tokens)


def _as_rows(windows: Sequence[LabelledWindow], sentence: int, first_word: int | None) -> Iterator[dict[str, Any]]:
    """The rows of a sentence, with `targets`, the numbers of words, where that of its first word is given."""
    window_count = len(windows)
    for window in windows:
        if not window.words:
            continue
        row = {
            "input_ids": window.input_ids,
            "labels": window.labels,
            "length": len(window.input_ids),
            "words": window.words,
            "windows": window_count,
            "sentence": sentence,
        }
        if first_word is not None:
            row["targets"] = [word if word == NO_WORD else first_word + word for word in window.owners]
        yield row
        window_count = 0


def warn_of_losses(counts: ExampleCounts, max_length: int) -> None:
    """Warn of sentences that are cut into windows, and of words that are not trained on."""
    if counts["windowed"]:
        sentences = amount(counts["windowed"], "sentences of train")
        logger.warning("%s over %s sub-words: trained on in overlapping windows", sentences, max_length)
    if counts["without_subwords"]:
        words = amount(counts["without_subwords"], "words of train")
        logger.warning("%s without sub-words: nothing is learnt there", words)


class Totals(NamedTuple):
    """How much there is to train on."""

    sentences: int
    words: int


def _check_tags(source: Source) -> Totals:
    """Count sentences and words; refuse a tag without an id, and a file without a sentence."""
    labels = set(source.labels)
    sentences = words = 0
    for sentence in source.sentences():
        sentences += 1
        words += len(sentence.tokens)
        if not labels.issuperset(sentence.tags):
            raise _unknown_tag(source.path, sentence, labels)
    if not sentences:
        raise InvalidData(f"{source.path} holds no sentence", "Train on a file with at least one.")
    return Totals(sentences, words)


def check_tags(path: Path, labels: Iterable[str]) -> None:
    """Check a file that is scored with these labels.

    Raises:
        InvalidData: a tag is none of them (names file and line).
    """
    known = set(labels)
    for sentence in read_sentences(path):
        if not known.issuperset(sentence.tags):
            raise _unknown_tag(path, sentence, known)


def _unknown_tag(path: Path, sentence: Sentence, labels: set[str]) -> InvalidData:
    unknown = next(tag for tag in sentence.tags if tag not in labels)
    line = sentence.line + sentence.tags.index(unknown)
    return InvalidData(
        f"{path}:{line}: the tag {unknown!r} is not in {LABELS}",
        f"Collect the tags anew: {command(path.parent, 'labels', '--force')}",
    )
