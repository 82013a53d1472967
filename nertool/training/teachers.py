"""Teachers: models whose probabilities of the tags of words another model learns.

Their probabilities are computed once, word by word, and kept in a file that is mapped into memory. So teachers may
have other tokenizers and maximum lengths than the model, and other labels; see `teacher_labels`. The file holds
logarithms, as small probabilities would be 0 in half precision.
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

from nertool.arrays import Array, softmax
from nertool.progress import logger, track
from nertool.training import processes
from nertool.training.examples import Source
from nertool.training.fine_tuned import model_files
from nertool.training.teacher_labels import Match, check_scheme, match_labels
from nertool.workspace.atomic import remove
from nertool.workspace.digests import digest
from nertool.workspace.seals import is_sealed, is_whole, seal

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger

FORMAT = 2
"""To be raised whenever the same teachers and words give other probabilities."""
SENTENCES_AHEAD = 2048
LOGARITHMS = "logarithms.npy"


@dataclass(frozen=True)
class Teachers:
    """Models that label words together: the mean of their probabilities.

    Attributes:
        directories: that hold them.
        labels: of the model that learns.
        scheme: of its tags; empty where it is not known.
        weight, temperature: with which it learns from them; as `Teaching` has them.
    """

    directories: tuple[Path, ...]
    labels: tuple[str, ...]
    scheme: str
    weight: float
    temperature: float

    def matches(self) -> list[Match]:
        """How the labels of each are those of the model.

        Raises:
            NertoolError: one is no model for token classification, has none of our labels, or means others by them.
        """
        from nertool.models.model_directory import stored_labels

        found = []
        for path in self.directories:
            found.append(match_labels(str(path), stored_labels(path), self.labels))
            check_scheme(path, self.scheme)
        return found

    def probabilities(self, source: Source, cache: Path, matches: Sequence[Match]) -> Array:
        """What they say of the words of a source, computed or taken from the cache; the first process computes it.

        Args:
            source: of the words.
            cache: a directory for this file alone.
            matches: as `matches` gives them.

        Returns:
            logarithms of their mean probabilities; shape (words, labels), half precision, mapped into memory.
        """
        folder = cache / self._key(source)
        if processes.rank() == 0 and not is_whole(folder):
            if is_sealed(folder):
                logger.warning("%s is damaged: the teachers label anew", folder)
            remove(cache)
            folder.mkdir(parents=True)
            self._compute(source, folder, matches)
            seal(folder)
        processes.wait_for_first()
        return np.asarray(np.load(folder / LOGARITHMS, mmap_mode="r"))

    def _key(self, source: Source) -> str:
        """Name of the file in the cache: a hash of the teachers' files, the words and the labels."""
        files = []
        for directory in self.directories:
            files.append(sorted((path.name, digest(path)["sha256"]) for path in model_files(directory)))
        parts = [FORMAT, files, source.content(), self.labels]
        return hashlib.sha256(json.dumps(parts, allow_nan=False).encode()).hexdigest()[:16]

    def _compute(self, source: Source, folder: Path, matches: Sequence[Match]) -> None:
        """Write the logarithms, a block of sentences at a time."""
        from nertool.models.load_tagger import load_tagger

        taggers = [load_tagger(directory) for directory in self.directories]
        totals = source.totals()
        shape = (totals.words, len(self.labels))
        file: Any = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            folder / LOGARITHMS, mode="w+", dtype=np.float16, shape=shape
        )
        first = 0
        for block in _blocks(source, totals.sentences):
            rows = mean_probabilities(taggers, matches, block)
            with np.errstate(divide="ignore"):
                file[first : first + len(rows)] = np.log(rows)
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
        logits = np.concatenate(list(tagger.word_logits(sentences))).astype(np.float64)
        read = ~np.isnan(logits[:, :1])
        total = total + np.where(read, softmax(logits), 0) @ match.moves
        votes = votes + read * match.known
    mean = total / np.maximum(votes, 1)
    return np.asarray(mean / np.maximum(mean.sum(-1, keepdims=True), np.finfo(np.float64).tiny))
