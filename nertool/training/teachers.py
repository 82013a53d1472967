"""Teachers: models whose probabilities of the tags of words another model learns.

What they say is computed once, word by word, and kept in half precision as a file that is mapped into memory. So
teachers may have other tokenizers and lengths than the model, and other labels: these are matched by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nertool.errors import InvalidOption
from nertool.progress import logger, track
from nertool.spelling import spelling_of_labels
from nertool.tags import OUTSIDE
from nertool.training import processes
from nertool.training.examples import Source
from nertool.training.fine_tuned import model_files
from nertool.workspace.atomic import remove
from nertool.workspace.digests import digest
from nertool.workspace.seals import is_whole, seal

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger

Array = npt.NDArray[Any]
FORMAT = 1
"""To be raised whenever the same teachers and words give other probabilities."""
SENTENCES_AHEAD = 2048
PROBABILITIES = "probabilities.npy"


# -- labels ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Match:
    """How the labels of a teacher are those of the model.

    Attributes:
        moves: 1 where what the teacher gives its label counts for ours; shape (its labels, our labels).
        known: whether it has our label; shape (our labels,).
    """

    moves: Array
    known: Array


def match_labels(name: str, theirs: Sequence[str], ours: Sequence[str]) -> Match:
    """Match labels by name, in whatever spelling; labels that we lack count for O, where we have O.

    >>> match_labels("it", ["O", "B-LOC", "B-MISC"], ["B-LOC", "B-PER", "O"]).moves.tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Args:
        name: of the teacher.

    Raises:
        InvalidOption: it has none of our labels, apart from O.
    """
    known_names = list(spelling_of_labels(ours).read(ours))
    given_names = list(spelling_of_labels(theirs).read(theirs))
    if not {*known_names} & {*given_names} - {OUTSIDE}:
        raise InvalidOption(
            f"--teacher {name} has none of our labels: it has {_shown(theirs)}, and we have {_shown(ours)}",
            "Take a teacher that was trained on data with the same labels.",
        )
    moves = np.zeros((len(theirs), len(ours)), np.float32)
    for row, label in enumerate(given_names):
        target = label if label in known_names else OUTSIDE
        if target in known_names:
            moves[row, known_names.index(target)] = 1
    known = np.array([label in given_names for label in known_names])
    _tell_differences(name, {*known_names}, {*given_names})
    return Match(moves, known)


def _shown(labels: Sequence[str]) -> str:
    return ", ".join([*labels[:6], *(["..."] if len(labels) > 6 else [])])


def _tell_differences(name: str, ours: set[str], theirs: set[str]) -> None:
    if lacking := sorted(ours - theirs):
        logger.warning("--teacher %s lacks the labels %s: it teaches nothing about them", name, _shown(lacking))
    if extra := sorted(theirs - ours):
        meaning = "they count for O" if OUTSIDE in ours else "they are left out"
        logger.warning("--teacher %s has the labels %s beside ours: %s", name, _shown(extra), meaning)


# -- probabilities ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Teachers:
    """Models that label words together: the mean of their probabilities.

    Attributes:
        directories: that hold them.
        labels: of the model that learns.
    """

    directories: tuple[Path, ...]
    labels: tuple[str, ...]

    def matches(self) -> list[Match]:
        """How the labels of each are those of the model.

        Raises:
            NertoolError: one is no model for token classification, or has none of our labels.
        """
        from nertool.models.tagger import stored_labels

        return [match_labels(str(path), stored_labels(path), self.labels) for path in self.directories]

    def probabilities(self, source: Source, cache: Path, matches: Sequence[Match]) -> Array:
        """What they say of the words of a source, computed or taken from the cache; the first process computes it.

        Args:
            source: of the words.
            cache: a directory for this file alone.
            matches: as `matches` gives them.

        Returns:
            probabilities of shape (words, labels), half precision, mapped into memory.
        """
        folder = cache / self._key(source)
        if processes.rank() == 0 and not is_whole(folder):
            remove(cache)
            folder.mkdir(parents=True)
            self._compute(source, folder, matches)
            seal(folder)
        processes.from_first(None)
        return np.asarray(np.load(folder / PROBABILITIES, mmap_mode="r"))

    def _key(self, source: Source) -> str:
        """Name of the file in the cache: a hash of the teachers' files, the words and the labels."""
        files = []
        for directory in self.directories:
            files.append(sorted((path.name, digest(path)["sha256"]) for path in model_files(directory)))
        parts = [FORMAT, files, source.content(), self.labels]
        return hashlib.sha256(json.dumps(parts, allow_nan=False).encode()).hexdigest()[:16]

    def _compute(self, source: Source, folder: Path, matches: Sequence[Match]) -> None:
        """Write the probabilities, a block of sentences at a time."""
        from nertool.models.tagger import load_tagger

        taggers = [load_tagger(directory) for directory in self.directories]
        totals = source.totals()
        shape = (totals.words, len(self.labels))
        file: Any = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            folder / PROBABILITIES, mode="w+", dtype=np.float16, shape=shape
        )
        first = 0
        for block in _blocks(source, totals.sentences):
            rows = mean_probabilities(taggers, matches, block)
            file[first : first + len(rows)] = rows
            first += len(rows)
        file.flush()


def _blocks(source: Source, sentences: int) -> Iterator[list[Sequence[str]]]:
    words = (tokens for tokens, _ in source.tagged())
    stream = track(words, "teachers", sentences, "sentences")
    while block := list(islice(stream, SENTENCES_AHEAD)):
        yield block


def mean_probabilities(
    taggers: Sequence[Tagger], matches: Sequence[Match], sentences: Sequence[Sequence[str]]
) -> Array:
    """Mean of the probabilities of several models; of each label over those that have it and read the word.

    Returns:
        an array of shape (words, labels), whose rows sum to 1; or to 0, where no model reads the word.
    """
    total: Array = np.zeros(())
    votes: Array = np.zeros(())
    for tagger, match in zip(taggers, matches, strict=True):
        logits = np.concatenate(list(tagger.word_logits(sentences))).astype(np.float32)
        read = ~np.isnan(logits[:, :1])
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        probabilities = odds / odds.sum(-1, keepdims=True)
        total = total + np.where(read, probabilities, 0) @ match.moves
        votes = votes + read * match.known
    mean = total / np.maximum(votes, 1)
    return np.asarray(mean / np.maximum(mean.sum(-1, keepdims=True), 1e-9))
