"""Tagged documents in the order in which a person should annotate them: what the model doubts most comes first."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple
from zlib import crc32

import numpy as np

from nertool.documents.document import Document
from nertool.documents.output_file import translate_write_errors
from nertool.documents.writers import entities
from nertool.models.tagging import Tagging

FLAGS = 1 << 24
"""Flags of what was written so far, a byte each. Text of millions of different pairs of words fills them."""


class Candidate(NamedTuple):
    """A tagged document that waits for its place.

    Attributes:
        text: what is written for it.
        doubt: how little the model is sure of it, from 0 to 1.
        traits: numbers below FLAGS for what near-duplicates have in common.
    """

    text: str
    doubt: float
    traits: Sequence[int] = ()


def doubt_of(taggings: Iterable[Tagging], temperature: float) -> float:
    """The greatest entropy of a word's labels, as a fraction of the greatest possible one.

    The greatest, not the mean: a person is asked about the one doubtful name of a sentence, which a mean over many
    words that are certainly O would hide.

    Args:
        taggings: of the sentences of a document.
        temperature: of the model's calibration.
    """
    greatest = 0.0
    for tagging in taggings:
        logits = tagging.logits
        assert logits is not None
        read = logits[~np.isnan(logits[:, 0])].astype(np.float64) / temperature
        if not len(read) or read.shape[1] < 2:
            continue
        read -= read.max(-1, keepdims=True)
        sums = np.exp(read).sum(-1)
        entropies = np.log(sums) - (np.exp(read) * read).sum(-1) / sums
        greatest = max(greatest, float(entropies.max()) / np.log(read.shape[1]))
    return greatest


def traits_of(document: Document, taggings: Sequence[Tagging]) -> list[int]:
    """A number for each pair of neighbouring words, and for each entity, whatever its case."""
    traits = set()
    for words in document.sentences:
        for pair in pairwise(["", *words.tokens, ""]):
            traits.add(_number("\n".join(pair)))
    for entity in entities(document, taggings):
        traits.add(_number(f"{entity.label}\n\n{entity.text}"))
    return sorted(traits)


def _number(trait: str) -> int:
    return crc32(trait.casefold().encode("utf-8")) % FLAGS


class Selection:
    """Gives documents back in another order; they wait on the disk.

    Memory holds at most 200 bytes a document, and the flags. The file has no name, and is gone when the process is,
    however it ends.

    Args:
        folder: where the file is; None: where the system keeps temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.doubts, self.ends, self.trait_counts = array("d"), array("q"), array("l")

    def most_doubtful_first(
        self, candidates: Iterable[Candidate], first: int | None = None, diverse: bool = False
    ) -> Iterator[str]:
        """Give the texts of documents, the most doubtful first; equals keep their order.

        Args:
            candidates: the documents.
            first: give so many; None: all.
            diverse: count a document's doubt only by the share of its traits that nothing before it has.

        Raises:
            Unwritable: the disk is full, or the like.
        """
        label = f"a temporary file in {self.folder or 'the directory for them (TMPDIR)'}"
        with ExitStack() as stack:
            with translate_write_errors(label):
                file = stack.enter_context(TemporaryFile(dir=self.folder))
            for candidate in candidates:
                with translate_write_errors(label):
                    self._add(candidate, file)
            with translate_write_errors(label):
                file.flush()
            numbers = self._spread(file) if diverse else self._by_doubt()
            for number in islice(numbers, first):
                yield self._read(number, file)[0]

    def _add(self, candidate: Candidate, file: BinaryIO) -> None:
        """Append the text of a document, and its traits behind it."""
        traits = array("I", candidate.traits)
        end = self.ends[-1] if self.ends else 0
        end += file.write(candidate.text.encode("utf-8")) + file.write(traits.tobytes())
        self.doubts.append(candidate.doubt)
        self.ends.append(end)
        self.trait_counts.append(len(traits))

    def _read(self, number: int, file: BinaryIO) -> tuple[str, array[int]]:
        """The text of a document, and its traits."""
        begin = self.ends[number - 1] if number else 0
        traits = array("I")
        file.seek(begin)
        content = file.read(self.ends[number] - begin)
        border = len(content) - self.trait_counts[number] * traits.itemsize
        traits.frombytes(content[border:])
        return content[:border].decode("utf-8"), traits

    def _by_doubt(self) -> Iterator[int]:
        return iter(sorted(range(len(self.doubts)), key=lambda number: -self.doubts[number]))

    def _spread(self, file: BinaryIO) -> Iterator[int]:
        """Give at each step the document with the greatest product of doubt and new traits.

        That product only shrinks while documents are given. So the one with the greatest product so far is looked at
        again, and given if it still has the greatest one.
        """
        seen = bytearray(FLAGS)
        heap = [(-doubt, -doubt, number) for number, doubt in enumerate(self.doubts)]
        heapq.heapify(heap)
        while heap:
            before, doubt, number = heap[0]
            traits = self._read(number, file)[1]
            new = sum(1 for trait in traits if not seen[trait])
            now = doubt * (new / len(traits)) if traits else doubt
            if now > before:
                heapq.heapreplace(heap, (now, doubt, number))
                continue
            heapq.heappop(heap)
            for trait in traits:
                seen[trait] = 1
            yield number
