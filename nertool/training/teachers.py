"""Teachers: models whose probabilities of the tags of words another model learns.

What they say is computed once, word by word, and kept as a file that is mapped into memory: logarithms in half
precision, which would take small probabilities for 0. So teachers may have other tokenizers and lengths than the model,
and other labels: these are matched by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nertool.arrays import Array, softmax
from nertool.errors import InvalidOption
from nertool.models.settings import read_settings
from nertool.progress import logger, track
from nertool.spelling import spelling_of_labels
from nertool.tags import AS_IOBES, OUTSIDE, split_tag
from nertool.training import processes
from nertool.training.examples import Source
from nertool.training.fine_tuned import model_files
from nertool.workspace.atomic import remove
from nertool.workspace.digests import digest
from nertool.workspace.seals import is_sealed, is_whole, seal

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger

FORMAT = 2
"""To be raised whenever the same teachers and words give other probabilities."""
SENTENCES_AHEAD = 2048
LOGARITHMS = "logarithms.npy"


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


OTHER_PREFIXES = {"S": "BEI", "B": "ISE", "I": "E", "E": "I"}
"""Prefix that our scheme lacks -> those that it has for such a word, the first one that there is."""

OF_OTHER_MEANING = {"iob1": ("iob2", "iobes", "bilou", "bmewo"), "ioe1": ("ioe2", "iobes", "bilou", "bmewo")}
"""Schemes with labels of these names: IOB1 begins most entities with I-, IOE1 ends them with it."""


def match_labels(name: str, theirs: Sequence[str], ours: Sequence[str]) -> Match:
    """Match labels by name, in whatever spelling; labels that we lack count for O, where we have O.

    A label of another scheme counts for that of ours: `S-PER` for `B-PER` of IOB2.

    >>> match_labels("it", ["O", "S-LOC", "B-MISC"], ["B-LOC", "B-PER", "O"]).moves.tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Args:
        name: of the teacher.

    Raises:
        InvalidOption: it has none of our labels, apart from O.
    """
    known_names = list(spelling_of_labels(ours).read(ours))
    given_names = list(spelling_of_labels(theirs).read(theirs))
    targets = [_counterpart(label, known_names) for label in given_names]
    if not {*known_names} & {*targets} - {OUTSIDE}:
        raise InvalidOption(
            f"--teacher {name} has none of our labels: it has {_shown(theirs)}, and we have {_shown(ours)}",
            "Take a teacher that was trained on data with the same labels.",
        )
    moves = np.zeros((len(theirs), len(ours)), np.float32)
    for row, target in enumerate(targets):
        if (target or OUTSIDE) in known_names:
            moves[row, known_names.index(target or OUTSIDE)] = 1
    known = np.array([label in targets for label in known_names])
    _tell_differences(name, known_names, dict(zip(given_names, targets, strict=True)))
    return Match(moves, known)


def _counterpart(label: str, ours: Sequence[str]) -> str:
    """Our label for one of a teacher; that of its type with a prefix of ours where schemes differ; empty for none."""
    if label in ours:
        return label
    prefix, of_type = split_tag(label)
    prefix = AS_IOBES.get(prefix, prefix)
    for other in (prefix, *OTHER_PREFIXES.get(prefix, "")):
        for own in ours:
            letter, own_type = split_tag(own)
            if of_type and own_type == of_type and AS_IOBES.get(letter, letter) == other:
                return own
    return ""


def _shown(labels: Sequence[str]) -> str:
    return ", ".join([*labels[:6], *(["..."] if len(labels) > 6 else [])])


def _tell_differences(name: str, ours: Sequence[str], targets: Mapping[str, str]) -> None:
    """Warn of labels that one side lacks, and of those that other labels stand for.

    Args:
        targets: our label for each of the teacher, empty for none.
    """
    if lacking := sorted({*ours} - {*targets.values()}):
        logger.warning("--teacher %s lacks the labels %s: it teaches nothing about them", name, _shown(lacking))
    if extra := sorted(label for label, target in targets.items() if not target):
        meaning = "they count for O" if OUTSIDE in ours else "they are left out"
        logger.warning("--teacher %s has the labels %s beside ours: %s", name, _shown(extra), meaning)
    if moved := {label: target for label, target in sorted(targets.items()) if target not in ("", label)}:
        pairs = _shown([f"{label} for {target}" for label, target in moved.items()])
        logger.warning("--teacher %s has labels of another scheme, which count for ours: %s", name, pairs)


def _check_scheme(teacher: Path, ours: str) -> None:
    """Refuse a teacher whose labels are ours by name but not by meaning.

    Raises:
        InvalidOption: they are.
    """
    theirs = read_settings(teacher).scheme
    if ours in OF_OTHER_MEANING.get(theirs, ()) or theirs in OF_OTHER_MEANING.get(ours, ()):
        raise InvalidOption(
            f"--teacher {teacher} tags in {theirs}, and the data are in {ours}: the same labels mean other words",
            f"Convert the data first: nertool download with --scheme {theirs}; or take another teacher.",
        )


# -- probabilities ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Teachers:
    """Models that label words together: the mean of their probabilities.

    Attributes:
        directories: that hold them.
        labels: of the model that learns.
        scheme: of its tags; empty where it is not known.
    """

    directories: tuple[Path, ...]
    labels: tuple[str, ...]
    scheme: str = ""

    def matches(self) -> list[Match]:
        """How the labels of each are those of the model.

        Raises:
            NertoolError: one is no model for token classification, has none of our labels, or means others by them.
        """
        from nertool.models.model_directory import stored_labels

        found = []
        for path in self.directories:
            found.append(match_labels(str(path), stored_labels(path), self.labels))
            _check_scheme(path, self.scheme)
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
        processes.from_first(None)
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
        from nertool.models.tagger import load_tagger

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
