"""What is to be tagged, out of files of any form or a stream: documents of one or more sentences, one at a time."""

from __future__ import annotations

import csv
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nertool.columns import open_bytes, open_text, told
from nertool.errors import InvalidData, InvalidOption, NertoolError
from nertool.progress import note
from nertool.text import Words, cut_text, form_of, token_sentences

if TYPE_CHECKING:
    from nertool.tagger import Tagger, Tagging

FORMS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet"}
"""Forms that the end of a name tells."""
PEEK = 100
"""Lines looked at, at the most, to tell a form from its lines."""
OURS = ("tokens", "tags", "entities")
"""Fields that tagging fills in."""


@dataclass(frozen=True)
class Document:
    """A record, a line, or a sentence of tokens.

    Attributes:
        number: of its line, row or first token's line, from 1.
        sentences: what is tagged; their offsets are places in `text`.
        text: as it was; None where the input was tokens already.
        record: the other fields that it had.
        broken: it could not be read, and stands for a gap in the output.
    """

    number: int
    sentences: list[Words] = field(default_factory=list)
    text: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False


@dataclass
class Reader:
    """Reads documents.

    Attributes:
        form: `tokens`, `text` (a line a document), `document` (a file a document), `jsonl`, `csv`, `parquet`, `auto`.
        labels: of the model; they tell tagged lines from running text.
        text_column, tokens_column: names of the field or column that holds the text, or the tokens.
        split: text -> (start, end) of its sentences; None: each line of a text is one.
        on_error: what a record that cannot be read does: `stop`, `skip`, or `null` (it stands as a gap).
        broken: how many there were.
        replaced: records with fields of the names that tagging fills in, whose values are not passed on.
    """

    form: str = "auto"
    labels: Sequence[str] = ()
    text_column: str = "text"
    tokens_column: str = "tokens"
    split: Callable[[str], Iterable[tuple[int, int]]] | None = None
    on_error: Literal["stop", "skip", "null"] = "stop"
    broken: int = 0
    replaced: int = 0

    def read(self, name: str) -> Iterator[Document]:
        """The documents of a file, `-` for standard input.

        Raises:
            InvalidData: a record that cannot be read (names file and line), unless `on_error` says otherwise.
            InvalidOption: a form that standard input cannot have, a column that is not there.
        """
        path = None if name == "-" else Path(name)
        form = self.form
        if form == "auto" and path:
            form = FORMS.get(Path(path.stem if path.suffix in (".gz", ".bz2", ".xz") else path.name).suffix, "auto")
        if form in ("parquet", "csv"):
            if path is None:
                raise InvalidOption(
                    f"--input {form}: standard input has no columns", "Name a file, or send JSON Lines."
                )
            yield from self._rows(path, form)
            return
        lines = _lines(path)
        if form == "auto":
            ahead: list[tuple[int, bytes]] = []
            form = self._form(islice(_remembered(lines, ahead), PEEK))
            lines = chain(ahead, lines)
            if form == "tokens" and ahead:
                note.info("read as one token a line (--input text reads one sentence a line)")
        label = str(path or "standard input")
        if form == "jsonl":
            yield from self._records(label, lines)
        elif form == "tokens":
            yield from self._tokens(label, lines)
        elif form == "document":
            yield self._document(1, "".join(text for _, text in self._decoded(label, lines)), {})
        else:
            yield from self._texts(label, lines)

    def _form(self, lines: Iterator[tuple[int, bytes]]) -> str:
        first = (line.decode("utf-8", "replace") for _, line in lines)
        return form_of(first, set(self.labels))

    def _tokens(self, label: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[Document]:
        for number, words in token_sentences(self._decoded(label, lines)):
            yield Document(number, [words])

    def _texts(self, label: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[Document]:
        for number, text in self._decoded(label, lines):
            if not text:
                yield from self._gap(number)
            elif text.strip():
                yield self._document(number, text.strip(), {})

    def _records(self, label: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[Document]:
        for number, text in self._decoded(label, lines):
            if not text:
                yield from self._gap(number)
            elif text.strip():
                yield from self._tried(partial(self._record, label, number, text), number)

    def _record(self, label: str, number: int, text: str) -> Document:
        try:
            record = json.loads(text)
        except ValueError as error:
            raise _bad(label, number, f"not JSON: {error}") from error
        if not isinstance(record, dict):
            raise _bad(label, number, "not a JSON object")
        return self._from_record(label, number, record)

    def _from_record(self, label: str, number: int, record: dict[str, Any]) -> Document:
        tokens, text = record.get(self.tokens_column), record.get(self.text_column)
        if isinstance(tokens, list) and all(isinstance(token, str) and token.strip() for token in tokens):
            return Document(number, [Words(tokens)], None, self._others(record, self.tokens_column))
        if isinstance(text, str):
            return self._document(number, text, self._others(record, self.text_column))
        raise _bad(label, number, f"neither a text {self.text_column!r} nor a list of tokens {self.tokens_column!r}")

    def _others(self, record: Mapping[str, Any], but: str) -> dict[str, Any]:
        """The fields that are passed on."""
        others = {key: value for key, value in record.items() if key != but and key not in OURS}
        self.replaced += len(others) < len(record) - 1
        return others

    def _document(self, number: int, text: str, record: Mapping[str, Any]) -> Document:
        places = self.split(text) if self.split else _line_places(text)
        sentences = [cut_text(text, start, end) for start, end in places]
        return Document(number, [words for words in sentences if words.tokens], text, record)

    def _rows(self, path: Path, form: str) -> Iterator[Document]:
        rows = _csv_rows(path) if form == "csv" else _parquet_rows(path)
        for number, row in rows:
            if number == 1 and not {self.text_column, self.tokens_column} & row.keys():
                wanted = f"a column {self.text_column!r} or {self.tokens_column!r}"
                raise InvalidOption(f"{path} lacks {wanted}", f"It has {', '.join(row)}: --text-column NAME")
            yield from self._tried(partial(self._from_record, str(path), number, row), number)

    def _decoded(self, label: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
        """Lines as text; one that is not UTF-8 is a record that cannot be read, and comes without even a line end."""
        for number, line in lines:
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                what = f"{label}:{number}: not UTF-8: {error.reason}"
                self._count(InvalidData(what, "Convert it first: iconv -f ISO-8859-1 -t UTF-8; or --on-error skip"))
                yield number, ""

    def _tried(self, make: Callable[[], Document], number: int) -> Iterator[Document]:
        try:
            yield make()
        except InvalidData as error:
            self._count(error)
            yield from self._gap(number)

    def _gap(self, number: int) -> Iterator[Document]:
        if self.on_error == "null":
            yield Document(number, broken=True)

    def _count(self, error: InvalidData) -> None:
        if self.on_error == "stop":
            raise error
        self.broken += 1


def _bad(label: str, number: int, what: str) -> InvalidData:
    return InvalidData(f"{label}:{number}: {what}", "Mend it, or go on without it: --on-error skip (or null)")


def _line_places(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each line of a text."""
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, start + len(line)
        start += len(line)


def _lines(path: Path | None) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; standard input is read no further than it must be."""
    if path is None:
        yield from enumerate(sys.stdin.buffer, start=1)
        return
    with told(path), open_bytes(path) as file:
        yield from enumerate(file, start=1)


def _remembered(lines: Iterator[tuple[int, bytes]], ahead: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        ahead.append(line)
        yield line


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(1 << 30)
    with told(path), open_text(path, newline="") as file:
        try:
            yield from enumerate(csv.DictReader(file), start=1)
        except csv.Error as error:
            raise InvalidData(f"{path}: not CSV: {error}", "Quote fields with commas or line breaks.") from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        batches = parquet.ParquetFile(path).iter_batches(batch_size=1000)
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except (OSError, pyarrow.ArrowException) as error:
        raise InvalidData(f"{path} is no Parquet file: {error}", "Name the form that it has: --input FORM") from error


def sentence_splitter(language: str) -> Callable[[str], Iterator[tuple[int, int]]]:
    """Text -> (start, end) of its sentences, by pySBD's rules for a language.

    Raises:
        NertoolError: it is not installed.
        InvalidOption: it does not know the language.
    """
    try:
        from pysbd import Segmenter
    except ImportError as error:
        raise NertoolError(
            "--split-sentences: pySBD is not installed", "Install it: pip install 'nertool[sentences]'"
        ) from error
    try:
        segmenter = Segmenter(language=language, clean=False, char_span=True)
    except ValueError as error:
        raise InvalidOption(
            f"--language {language}: pySBD has no rules for it", "Codes are such as en, de, fr."
        ) from error

    def split(text: str) -> Iterator[tuple[int, int]]:
        end = 0
        for span in segmenter.segment(text):
            yield end, span.end  # nothing between sentences is lost
            end = span.end
        yield end, len(text)

    return split


def tag_documents(tagger: Tagger, documents: Iterable[Document]) -> Iterator[tuple[Document, list[Tagging]]]:
    """Each document with the tags of its sentences, in order."""
    waiting: deque[Document] = deque()

    def sentences() -> Iterator[Sequence[str]]:
        for document in documents:
            waiting.append(document)
            for words in document.sentences:
                yield words.tokens

    ready: list[Tagging] = []
    for one in tagger.tag_scored(sentences()):
        ready.append(one)
        while waiting and len(waiting[0].sentences) <= len(ready):
            yield waiting[0], ready[: len(waiting[0].sentences)]
            del ready[: len(waiting.popleft().sentences)]
    yield from ((document, []) for document in waiting)
