"""Read documents to be tagged from files of any form or a stream; each has one or more sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Literal

from nertool.corpus.column_files import group_rows, names_columns
from nertool.corpus.files import LINE_LIMIT, PACKED
from nertool.corpus.records import BadRecord, parse_json
from nertool.corpus.running_text import Cut, Words, cut_text, line_offsets
from nertool.documents.byte_source import ByteSource, Lines, decode_line, open_source
from nertool.documents.document import Document, ReadCounts
from nertool.documents.hints import Hints, Unreadable
from nertool.documents.json_list import is_json_list, read_json_list
from nertool.documents.line_forms import LINES_HELP, LineForm, form_of
from nertool.documents.record_fields import RecordFields
from nertool.documents.table_rows import bad_record, csv_table, parquet_table
from nertool.documents.token_lines import (
    decode_numbered_line,
    decode_token_line,
    decode_word_of_conllu,
    first_token,
    token_length,
    whole_token,
    with_document_ends,
    with_sentence_ends,
    without_comments,
    without_names,
    without_prose,
    words_of_conllu,
)
from nertool.errors import InvalidData, InvalidOption
from nertool.progress import logger

FORMS = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
"""Forms that the end of a name tells; `json` is one list, or JSON Lines."""
PEEK = 100
"""Lines looked at, at the most, to tell a form from its lines."""
LEAST_PAIRS, MOST_TAGS = 3, 1000
"""Lines of two words that may be tokens with tags, and different second words that are too many for tags."""
MOST_COLUMNS = 10_000
"""Columns of a table: a row has a value for each, however few it names."""
Decode = Callable[[str, int, bytes], str]
"""File, number and bytes of a line -> what is read of it."""
TokenOf = Callable[["str | InvalidData"], "str | InvalidData | None"]
"""What is read of a line, or what is wrong with it -> its token; None for a blank line."""


@dataclass
class Reader:
    """Reads documents from files or from standard input.

    Attributes:
        form: `tokens`, `conllu`, `text` (a line is a document), `document` (a file is a document), `jsonl`, `csv`,
            `parquet`, or `auto`.
        labels: labels of the model; a line whose last field is one of them holds a token.
        text_column, tokens_column: field or column that holds the text, or the tokens.
        split: text -> (start, end) of its sentences in characters; None: each line of a text is a sentence.
        on_error: `stop` at a record that cannot be read, `skip` it, or put `null` in its place.
        stdin: the bytes of standard input, which is read for the name `-`.
        cut: how texts are cut into tokens.
        whole_lines: the text of a line has its blanks at both ends, and blank lines are documents too.
        hints: how hints end.
        tells_form: log the form that lines tell.
        counts: what has been left out or changed so far.
    """

    form: str = "auto"
    labels: Sequence[str] = ()
    text_column: str = "text"
    tokens_column: str = "tokens"
    split: Callable[[str], Iterable[tuple[int, int]]] | None = None
    on_error: Literal["stop", "skip", "null"] = "stop"
    stdin: IO[bytes] | None = None
    cut: Cut = cut_text
    whole_lines: bool = False
    hints: Hints = Hints()
    tells_form: bool = True
    counts: ReadCounts = field(default_factory=ReadCounts, init=False)

    @cached_property
    def _fields(self) -> RecordFields:
        return RecordFields(self.text_column, self.tokens_column, self.hints, self.counts)

    def read(self, name: str) -> Iterator[Document]:
        """Read the documents of a file, `-` for standard input.

        Raises:
            InvalidData: a record cannot be read (names file and line) and `on_error` is `stop`.
            InvalidOption: standard input cannot have this form, or a column is not there.
        """
        try:
            yield from self._read(name)
        except Unreadable as error:
            raise InvalidData(error.message, error.hint_for(self.hints)) from error

    def _read(self, name: str) -> Iterator[Document]:
        path = None if name == "-" else Path(name)
        form = form_of_name(path) if self.form == "auto" and path else self.form
        if form in ("parquet", "csv"):
            if path is None or not path.is_file():
                what = "standard input has no columns" if path is None else f"{name} is no regular file"
                raise InvalidOption(f"--input {form}: {what}", "Name a file, or send JSON Lines.")
            yield from self._read_table(path, form)
            return
        with open_source(path, self.stdin) as source:
            if form in ("auto", "json", "jsonl") and is_json_list(source.beginning(), form == "json"):
                if form == "auto":
                    logger.info("%s: read as a JSON list, a text or object an element", source.label)
                yield from self._read_json_list(source)
            else:
                yield from self._read_lines(form, source.label, source.lines())

    def _read_lines(self, form: str, label: str, lines: Lines) -> Iterator[Document]:
        token_at = 0
        if form == "auto":
            (form, token_at, has_comments, has_names), lines = self._recognise(label, lines)
            lines = without_names(lines) if has_names else lines
            lines = without_comments(lines, {*self.labels}, self.counts) if has_comments else lines
            lines = with_sentence_ends(lines) if has_names else lines
            lines = without_prose(label, lines, {*self.labels}) if form == "tokens" else lines
            lines = self._tell_pairs(label, lines) if form == "text" else lines
        if form not in ("json", "jsonl"):
            self._log_unused_columns(label)
        if form in ("json", "jsonl"):
            yield from self._read_json_lines(label, lines)
        elif form == "tokens":
            decode = decode_numbered_line if token_at else decode_token_line
            yield from self._read_token_lines(label, with_document_ends(lines), decode, first_token)
        elif form == "conllu":
            yield from self._read_token_lines(label, words_of_conllu(lines), decode_word_of_conllu, whole_token)
        elif form == "document":
            yield from self._document_or_null(1, lambda: self._whole_file(label, lines), is_record=False)
        else:
            yield from self._read_text_lines(label, lines)

    def _log_unused_columns(self, label: str) -> None:
        """Say so where options name fields of records, and there are none."""
        for option, column, default in (
            ("--text-column", self.text_column, "text"),
            ("--tokens-column", self.tokens_column, "tokens"),
        ):
            if column != default:
                logger.warning("%s: lines of tokens or text have no field %s (%s)", label, column, option)

    def _recognise(self, label: str, lines: Lines) -> tuple[LineForm, Lines]:
        """Tell the form from the first lines; gives all lines again."""
        first: list[tuple[int, bytes]] = []
        form = form_of(label, _peek(lines, first), set(self.labels))
        if form.shown and first and self.tells_form:
            logger.info("read as %s (%s)", form.shown, self.hints.recognised)
        return form, chain(first, lines)

    def _tell_pairs(self, label: str, lines: Lines) -> Lines:
        """Give lines of text on; tell it behind them where they seem to hold tokens with tags.

        That is where each holds two words and second ones repeat, or as many words and one of them is always a tag.
        """
        seconds: set[bytes] = set()
        tags_at: set[int] | None = None
        labels = {label.encode() for label in self.labels}
        rows = width = 0
        for number, line in lines:
            fields = line.split()
            if fields and rows >= 0:
                width = width or len(fields)
                rows = rows + 1 if len(fields) == width and len(seconds) < MOST_TAGS else -1
                if width > 2:
                    here = {at for at, field in enumerate(fields) if at and field in labels}
                    tags_at = here if tags_at is None else tags_at & here
                seconds.update(fields[1:2] if width == 2 else ())
            yield number, line
        if rows >= LEAST_PAIRS and (tags_at or (width == 2 and len(seconds) < rows)):
            shown = "two words" if width == 2 else f"{width} words, one of them always a tag"
            told = f"each of {rows:,} lines holds {shown}, and is read as a text"
            logger.warning("%s: %s; if these are a token and its tag, %s", label, told, self.hints.form)

    # -- lines of text -----------------------------------------------------------------------------

    def _read_token_lines(self, label: str, lines: Lines, decode: Decode, token_of: TokenOf) -> Iterator[Document]:
        lines_read = self._decode(label, lines, decode)
        tokens_read: Iterator[tuple[int, str | InvalidData | None]]
        tokens_read = ((number, token_of(line)) for number, line in lines_read)
        for number, tokens in group_rows(
            tokens_read, label, token_length, f"A blank line ends a sentence; or {self.hints.form}"
        ):
            readable = [token for token in tokens if isinstance(token, str)]
            if len(readable) == len(tokens):
                yield Document(number, [Words(readable)])
            else:  # a sentence without one of its lines would be another sentence
                yield from self._left_out(number)

    def _read_text_lines(self, label: str, lines: Lines) -> Iterator[Document]:
        for number, line in self._decode(label, lines, decode_line):
            if isinstance(line, InvalidData):
                yield from self._left_out(number)
            elif self.whole_lines or line.strip():
                yield self._cut_document(number, line.removesuffix("\n") if self.whole_lines else line.strip())

    def _whole_file(self, label: str, lines: Lines) -> Document:
        pieces: list[str] = []
        size = 0
        for number, line in lines:
            size += len(line)
            if size > LINE_LIMIT:
                raise Unreadable(f"{label}: a document of more than {LINE_LIMIT >> 20} MiB", "Split it; or", "form")
            pieces.append(decode_line(label, number, line))
        return self._cut_document(1, "".join(pieces))

    def _decode(self, label: str, lines: Lines, decode: Decode) -> Iterator[tuple[int, str | InvalidData]]:
        """Decode lines; unless `on_error` is `stop`, an error stands for a line that is no text."""
        for number, line in lines:
            text: str | InvalidData
            try:
                text = decode(label, number, line)
            except InvalidData as error:
                if self.on_error == "stop":
                    raise
                text = error
            yield number, text

    # -- records -----------------------------------------------------------------------------------

    def _read_json_lines(self, label: str, lines: Lines) -> Iterator[Document]:
        for number, line in self._decode(label, lines, decode_line):
            if isinstance(line, InvalidData):
                yield from self._left_out(number, is_record=True)
            elif line.strip():
                yield from self._document_or_null(
                    number, partial(self._parse_record, f"{label}:{number}", number, line)
                )

    def _read_json_list(self, source: ByteSource) -> Iterator[Document]:
        for number, (line, value) in enumerate(read_json_list(source), start=1):
            place = f"{source.label}:{line}: record {number}"
            yield from self._document_or_null(number, partial(self._from_element, place, number, value))

    def _from_element(self, place: str, number: int, value: Any) -> Document:
        if isinstance(value, str):
            return self._cut_document(number, value, {})
        if not isinstance(value, (dict, BadRecord)):
            raise bad_record(place, "neither a JSON object nor a text")
        return self._from_row(place, number, value)

    def _parse_record(self, place: str, number: int, line: str) -> Document:
        try:
            record = parse_json(line)
        except ValueError as error:
            raise Unreadable(f"{place}: {error}", LINES_HELP, "skip") from error
        if not isinstance(record, dict):
            raise bad_record(place, "not a JSON object")
        return self._from_record(place, number, record)

    def _read_table(self, path: Path, form: str) -> Iterator[Document]:
        columns, rows = (csv_table if form == "csv" else parquet_table)(path)
        if columns and not {self.text_column, self.tokens_column} & {*columns}:
            wanted = f"a column {self.text_column!r} or {self.tokens_column!r}"
            hint = f"It has {', '.join(columns[:100])}: {self.hints.column}"
            if names_columns(columns):
                hint = f"download reads a token a row: {self.hints.convert}; or a text a row: {self.hints.column}"
            raise InvalidOption(f"{path} lacks {wanted}", hint)
        if len(columns) > MOST_COLUMNS:
            raise InvalidData(f"{path} has {len(columns):,} columns", "Write the text and what goes with it alone.")
        repeated = sorted(name for name, count in Counter(columns).items() if count > 1)
        if repeated:
            logger.warning("%s: more than one column %s: the last is passed on", path, ", ".join(repeated))
        for number, row in enumerate(rows, start=1):
            yield from self._document_or_null(number, partial(self._from_row, f"{path}: row {number}", number, row))

    def _from_row(self, place: str, number: int, row: dict[str, Any] | BadRecord) -> Document:
        if isinstance(row, BadRecord):
            raise bad_record(place, row.reason)
        return self._from_record(place, number, row)

    def _from_record(self, place: str, number: int, record: dict[str, Any]) -> Document:
        content, others = self._fields.read(place, record)
        if isinstance(content, str):
            return self._cut_document(number, content, others)
        return Document(number, [Words(content)], None, others, is_record=True)

    # -- documents ---------------------------------------------------------------------------------

    def _cut_document(self, number: int, text: str, record: Mapping[str, Any] | None = None) -> Document:
        """Cut a text, that of a record where there is one, into sentences and tokens."""
        sentences = []
        for start, end in self.split(text) if self.split else line_offsets(text):
            words = self.cut(text, start, end)
            if words.tokens:
                sentences.append(words)
        return Document(number, sentences, text, record or {}, is_record=record is not None)

    def _document_or_null(
        self, number: int, make: Callable[[], Document], is_record: bool = True
    ) -> Iterator[Document]:
        """Give the document that is made, or what `on_error` puts in its place.

        Raises:
            InvalidData: it cannot be read, and `on_error` is `stop`.
        """
        try:
            document = make()
        except InvalidData:
            if self.on_error == "stop":
                raise
            yield from self._left_out(number, is_record)
            return
        yield document

    def _left_out(self, number: int, is_record: bool = False) -> Iterator[Document]:
        """Count a record that cannot be read; gives a null document if `on_error` wants one."""
        self.counts.broken += 1
        if self.on_error == "null":
            yield Document(number, broken=True, is_record=is_record)


def form_of_name(path: Path) -> str:
    """Tell a form from the end of a file's name; `auto` if the name does not tell."""
    return FORMS.get(Path(path.stem if path.suffix in PACKED else path.name).suffix.lower(), "auto")


def _peek(lines: Lines, peeked: list[tuple[int, bytes]]) -> Iterator[str]:
    """Give the first lines as text, as many as are asked for, and keep them in `peeked`."""
    for number, line in islice(lines, PEEK):
        peeked.append((number, line))
        yield line.decode("utf-8", "replace")
