"""Sentences without tags, which only teachers label: files of any form, read as they stream by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nertool.corpus.running_text import CHARACTERS, cutter
from nertool.documents.hints import Hints
from nertool.documents.log_counts import log_counts
from nertool.documents.reader import Reader, form_of_name
from nertool.errors import InvalidData
from nertool.training.examples import Source, Tagged, Totals
from nertool.workspace.digests import digest

HINTS = Hints(
    skip="go on without it: --unlabelled-on-error skip",
    form="write it as text, a sentence a line, or as JSON Lines with a field text or tokens",
    column="name the one to read text or tokens",
    convert="write it as text, a sentence a line, or as JSON Lines with a field text or tokens",
    recognised="JSON Lines with a field text say that it is text",
)
"""What `train` offers where a file of `--unlabelled` cannot be read."""


@dataclass(frozen=True)
class UnlabelledSource(Source):
    """What examples without tags are made of; `path` is the first file.

    Attributes:
        more: the other files.
        cut: how running text is cut into words, as `running_text.cutter` names it.
        on_error: `stop` at what cannot be read, or `skip` it.
    """

    more: tuple[Path, ...] = ()
    cut: str = CHARACTERS
    on_error: Literal["stop", "skip"] = "stop"

    def content(self) -> list[Any]:
        """What the sentences follow from, as JSON; the same bytes may be of another form under another name."""
        paths = (self.path, *self.more)
        return [*map(digest, paths), *map(form_of_name, paths), self.cut, self.on_error]

    def tagged(self) -> Iterator[Tagged]:
        """The words of each sentence, without tags."""
        return self._read(self._reader(tells_form=False))

    def totals(self) -> Totals:
        """Count sentences and words; the first time, tell how the files are read and how much cannot be read.

        Raises:
            InvalidData: something cannot be read, and `on_error` is `stop`; or there is no sentence.
        """
        return self._totals

    @cached_property
    def _totals(self) -> Totals:
        reader = self._reader(tells_form=True)
        sentences = words = 0
        for tokens, _ in self._read(reader):
            sentences += 1
            words += len(tokens)
        log_counts({"broken": reader.counts.broken}, self.on_error)
        if not sentences:
            raise InvalidData(f"{self.path}: no sentence in the files of --unlabelled", "Name files with text.")
        return Totals(sentences, words)

    def _reader(self, tells_form: bool) -> Reader:
        cut = cutter(self.cut)
        return Reader(labels=self.labels, on_error=self.on_error, cut=cut, hints=HINTS, tells_form=tells_form)

    def _read(self, reader: Reader) -> Iterator[Tagged]:
        for path in (self.path, *self.more):
            for document in reader.read(str(path)):
                for words in document.sentences:
                    if words.tokens:
                        yield words.tokens, None
