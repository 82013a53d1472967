"""Knows which documents are labelled already, so that nobody is asked for them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from nertool.corpus.column_files import read_sentences
from nertool.documents.document import Document


class Labelled:
    """Knows the sentences of files of `token tag` lines by their characters, wherever these are cut into tokens.

    Memory holds at most 200 bytes a sentence.

    Raises:
        InvalidData: a line has no tag (names file and line).
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.marks: set[bytes] = set()
        for path in paths:
            for sentence in read_sentences(path):
                self.marks.add(_mark(sentence.tokens).digest())

    def holds(self, document: Document) -> bool:
        """Whether every sentence of a document is among them, alone or with those behind it; no for one without any.

        What was tagged sentence by sentence is annotated as a text, of which a line is then a sentence.
        """
        is_known, mark = False, _mark(())
        for words in document.sentences:
            mark.update("".join(words.tokens).encode("utf-8"))
            is_known = mark.digest() in self.marks
            mark = _mark(()) if is_known else mark
        return is_known


def _mark(tokens: Sequence[str]) -> blake2b:
    return blake2b("".join(tokens).encode("utf-8"), digest_size=16)
