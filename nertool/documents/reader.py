"""Read documents to be tagged from files of any form or a stream; each has one or more sentences."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from nertool.corpus.column_files import (
    CONLLU_COLUMNS,
    CONLLU_ID,
    TAG_NAMES,
    ends_sentence,
    group_rows,
    is_entity_tag,
    marks_document,
    names_columns,
)
from nertool.corpus.files import MOST_BYTES, PACKED
from nertool.corpus.records import BadRecord, parse_json
from nertool.corpus.running_text import Cut, Words, cut_text, line_offsets
from nertool.documents.byte_source import ByteSource, Lines, open_source
from nertool.documents.json_list import is_json_list, read_json_list
from nertool.documents.line_forms import LineForm, ends_with_tag, form_of, is_comment, is_line_of_prose
from nertool.documents.table_rows import UTF8_HELP, bad_record, csv_table, parquet_table
from nertool.documents.task_records import fields_of_task, is_task, text_field, way_out
from nertool.documents.ways import Unreadable, Ways
from nertool.errors import InvalidData, InvalidOption
from nertool.progress import logger

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts, Tagging

FORMS = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
"""Forms that the end of a name tells; `json` is one list, or JSON Lines."""
LINES_HELP = "Write each record in a line of its own, as jq -c . FILE does; or"
PEEK = 100
"""Lines looked at, at the most, to tell a form from its lines."""
LEAST_PAIRS, MOST_TAGS = 3, 1000
"""Lines of two words that may be tokens with tags, and different second words that are too many for tags."""
MOST_COLUMNS = 10_000
"""Columns of a table: a row has a value for each, however few it names."""
TAGGED_FIELDS = ("tokens", "tags", "entities")
"""Fields that tagging fills in."""
Decode = Callable[[str, int, bytes], str]
"""File, number and bytes of a line -> what is read of it."""
TokenOf = Callable[["str | InvalidData"], "str | InvalidData | None"]
"""What is read of a line, or what is wrong with it -> its token; None for a blank line."""


@dataclass(frozen=True)
class Document:
    """A record, a line, or a sentence of tokens.

    Attributes:
        number: 1-based number of its line, its row, its place in a list or its first token's line.
        sentences: what is tagged; their offsets are places in `text`.
        text: the text as it was read; None where the input was tokens already.
        record: the other fields of the input.
        broken: the record could not be read; null stands in its place in the output.
        is_record: it is an object, an element of a list or a row of a table, and no line, sentence or file.
    """

    number: int
    sentences: list[Words] = field(default_factory=list)
    text: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False
    is_record: bool = False


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
        ways: what hints offer.
        tells_form: log the form that lines tell.
        broken: number of records so far that could not be read.
        replaced: number of records so far with fields that tagging overwrites.
        comments: number of lines so far that were comments before sentences of tokens.
        tasks: number of records so far that were tasks of Label Studio, of which annotations are not passed on.
        endless: number of values so far that JSON does not have (NaN, Infinity); they are passed on as null.
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
    ways: Ways = Ways()
    tells_form: bool = True
    broken: int = 0
    replaced: int = 0
    comments: int = 0
    tasks: int = 0
    endless: int = 0

    def read(self, name: str) -> Iterator[Document]:
        """Read the documents of a file, `-` for standard input.

        Raises:
            InvalidData: a record cannot be read (names file and line) and `on_error` is `stop`.
            InvalidOption: standard input cannot have this form, or a column is not there.
        """
        try:
            yield from self._read(name)
        except Unreadable as error:
            raise InvalidData(error.message, error.hint_for(self.ways)) from error

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
            lines = _without_names(lines) if has_names else lines
            lines = self._without_comments(lines) if has_comments else lines
            lines = _with_sentence_ends(lines) if has_names else lines
            lines = self._without_prose(label, lines) if form == "tokens" else lines
            lines = self._tell_pairs(label, lines) if form == "text" else lines
        if form not in ("json", "jsonl"):
            self._log_unused_columns(label)
        if form in ("json", "jsonl"):
            yield from self._read_json_lines(label, lines)
        elif form == "tokens":
            decode = _decode_numbered_line if token_at else _decode_token_line
            yield from self._read_token_lines(label, _parted(lines), decode, _first_token)
        elif form == "conllu":
            yield from self._read_token_lines(label, _conllu_lines(lines), _decode_conllu_line, _whole_token)
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
            logger.info("read as %s (%s)", form.shown, self.ways.recognised)
        return form, chain(first, lines)

    def _without_comments(self, lines: Lines) -> Lines:
        """Leave out the comments before sentences of tokens, and count them."""
        inside = False
        labels = {*self.labels}
        for number, line in lines:
            if inside or not is_comment(line.decode("utf-8", "replace"), labels):
                inside = bool(line.strip())
                yield number, line
            else:
                self.comments += 1

    def _without_prose(self, label: str, lines: Lines) -> Lines:
        """Give lines of tokens on.

        Raises:
            Unreadable: a line holds several words, or a tag without a token in front of it.
        """
        width = 0
        labels = {*self.labels}
        for number, line in lines:
            count = len(line.split())
            width = width or count
            if line[:1] in (b" ", b"\t") and count == 1 < width:
                tag = line.decode("utf-8", "replace").strip()
                if ends_with_tag(["", tag], labels):
                    what = f"{label}:{number}: a tag without a token in front of it: {tag[:60]!r}"
                    raise Unreadable(what, "Mend it; or", "form")
            elif count not in (0, width) and b"\t" not in line:
                fields = line.decode("utf-8", "replace").split()
                if is_line_of_prose(fields, width, labels):
                    what = f"several words in a line, where others hold a token: {' '.join(fields)[:60]!r}"
                    raise Unreadable(f"{label}:{number}: {what}", "If lines hold text:", "form")
            yield number, line

    def _tell_pairs(self, label: str, lines: Lines) -> Lines:
        """Give lines of text on; tell it behind them where each holds two words and second ones repeat, as tags."""
        seconds: set[bytes] = set()
        pairs = 0
        for number, line in lines:
            fields = line.split()
            if fields and pairs >= 0:
                pairs = pairs + 1 if len(fields) == 2 and len(seconds) < MOST_TAGS else -1
                seconds.update(fields[1:2])
            yield number, line
        if len(seconds) < pairs and pairs >= LEAST_PAIRS:
            shown = f"each of {pairs:,} lines holds two words, and is read as a text"
            logger.warning("%s: %s; if these are a token and its tag, %s", label, shown, self.ways.form)

    # -- lines of text -----------------------------------------------------------------------------

    def _read_token_lines(self, label: str, lines: Lines, decode: Decode, token_of: TokenOf) -> Iterator[Document]:
        lines_read = self._decode(label, lines, decode)
        tokens_read: Iterator[tuple[int, str | InvalidData | None]]
        tokens_read = ((number, token_of(line)) for number, line in lines_read)
        for number, tokens in group_rows(
            tokens_read, label, _length, f"A blank line ends a sentence; or {self.ways.form}"
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
            if size > MOST_BYTES:
                raise Unreadable(f"{label}: a document of more than {MOST_BYTES >> 20} MiB", "Split it; or", "form")
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
            hint = f"It has {', '.join(columns[:100])}: {self.ways.column}"
            if names_columns(columns):
                hint = f"download reads a token a row: {self.ways.convert}; or a text a row: {self.ways.column}"
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
        tokens, text = record.get(self.tokens_column), record.get(self.text_column)
        if isinstance(tokens, list) and all(isinstance(token, str) and token.strip() for token in tokens):
            others = self._other_fields(record, self.tokens_column, TAGGED_FIELDS)
            return Document(number, [Words(tokens)], None, others, is_record=True)
        if isinstance(text, str):
            _refuse_parts(place, record, text)
            others = self._other_fields(record, self.text_column, (*TAGGED_FIELDS, "text"))
            return self._cut_document(number, text, others)
        if is_task(record) and (name := text_field(record["data"], self.text_column)):
            self.tasks += 1
            fields = fields_of_task(record)
            others = self._other_fields(fields, name, (*TAGGED_FIELDS, "text"))
            return self._cut_document(number, fields[name], others)
        what = f"{place}: neither a text {self.text_column!r} nor a list of tokens {self.tokens_column!r}"
        for name, wanted in ((self.tokens_column, "list of tokens"), (self.text_column, "text")):
            if record.get(name) is not None:
                what = f"{place}: {name!r} holds no {wanted}: {_first_wrong(record[name])[:60]}"
        raise Unreadable(what, f"{way_out(record, self.ways.column)}; or", "skip")

    def _other_fields(self, record: Mapping[str, Any], read: str, overwritten: Sequence[str]) -> dict[str, Any]:
        """Give the fields that are passed on: all but the one that is read and those that tagging overwrites."""
        others = {}
        for name, value in record.items():
            if name != read and name not in overwritten:
                others[name] = self._without_nan(value)
        self.replaced += len(others) < len(record) - 1
        return others

    def _without_nan(self, value: Any) -> Any:
        """Put null in place of numbers that JSON does not have, and count them."""
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self.endless += 1
            return None
        if isinstance(value, dict):
            return {name: self._without_nan(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._without_nan(element) for element in value]
        return value

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
        self.broken += 1
        if self.on_error == "null":
            yield Document(number, broken=True, is_record=is_record)


def _refuse_parts(place: str, record: Mapping[str, Any], text: str) -> None:
    """Refuse a record whose text is a single token with its tag, or the list of its tokens.

    Raises:
        Unreadable: it is one.
    """
    if text.startswith(("['", '["')) and text.endswith("]"):
        raise Unreadable(f"{place}: a list in place of a text: {text[:60]!r}", "Write JSON Lines of tokens; or", "skip")
    tags = [record[name] for name in (*TAG_NAMES, "ner_tags") if isinstance(record.get(name), str)]
    if tags and len(text.split()) == 1 and all(map(is_entity_tag, tags)):
        what = f"{place}: a token a record, {text[:60]!r} with {tags[0]}, which download alone reads"
        raise Unreadable(what, "Convert it first:", "convert")


def _first_wrong(value: Any) -> str:
    """What is shown of a value that is no text, or of the first element of a list that is none, or a blank one."""
    for element in value if isinstance(value, list) else ():
        if not (isinstance(element, str) and element.strip()):
            return f"a token is {element!r}"
    return repr(value)


def form_of_name(path: Path) -> str:
    """Tell a form from the end of a file's name; `auto` if the name does not tell."""
    return FORMS.get(Path(path.stem if path.suffix in PACKED else path.name).suffix.lower(), "auto")


def _without_names(lines: Lines) -> Lines:
    """Leave out the first line that is not blank, which names the columns."""
    is_named = False
    for number, line in lines:
        if is_named or not line.strip():
            yield number, line
        else:
            is_named = True


def _peek(lines: Lines, peeked: list[tuple[int, bytes]]) -> Iterator[str]:
    """Give the first lines as text, as many as are asked for, and keep them in `peeked`."""
    for number, line in islice(lines, PEEK):
        peeked.append((number, line))
        yield line.decode("utf-8", "replace")


def decode_line(label: str, number: int, line: bytes) -> str:
    """Decode a line.

    Raises:
        InvalidData: it is not UTF-8, or holds a NUL (names file and line).
    """
    if b"\0" in line:
        raise bad_record(f"{label}:{number}", "a NUL byte: this is no text in UTF-8")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"{label}:{number}: not UTF-8: {error.reason}"
        raise Unreadable(what, UTF8_HELP, "skip") from error


def _decode_token_line(label: str, number: int, line: bytes) -> str:
    text = decode_line(label, number, line)
    if "\r" in text.rstrip("\r\n"):
        what = f"{label}:{number}: a carriage return inside a line of one token"
        raise Unreadable(what, "Convert the ends of lines first: tr '\\r' '\\n'; or", "skip")
    return text


def _decode_numbered_line(label: str, number: int, line: bytes) -> str:
    """Read what stands behind the number that counts a token; a blank line as it is."""
    text = _decode_token_line(label, number, line).strip(" \t\r\n")
    fields = text.replace("\t", " ").split(" ", 1)
    if text and len(fields) == 1:
        what = f"{label}:{number}: no token behind its number: {text[:80]!r}"
        raise Unreadable(what, "Mend it; or", "form")
    return fields[-1]


def _with_sentence_ends(lines: Lines) -> Lines:
    """Put a blank line behind a line whose last column says that a sentence ends, as in HIPE's files."""
    for number, line in lines:
        yield number, line
        if ends_sentence(line.rpartition(b"\t")[2].strip().decode("utf-8", "replace")):
            yield number, b"\n"


def _parted(lines: Lines) -> Lines:
    """Put a blank line behind one that stands between documents, as Label Studio leaves it out."""
    for number, line in lines:
        yield number, line
        if line[:1] == b"-" and marks_document(line.split(maxsplit=1)[0].decode("utf-8", "replace")):
            yield number, b"\n"


def _length(token: object) -> int:
    return len(token) if isinstance(token, str) else 0


def _first_token(line: str | InvalidData) -> str | InvalidData | None:
    """Give the token of a line; None for a blank line.

    It ends at the first tab, or without one at the first blank. Other white space, as in `10\u00a0000`, is part of it.
    """
    if isinstance(line, InvalidData):
        return line
    if not line.strip():
        return None
    text = line.strip(" \t\r\n")
    return text.partition("\t" if "\t" in text else " ")[0].rstrip(" ")


def _conllu_lines(lines: Lines) -> Lines:
    """Give the lines of words and those between sentences: no comments, multiword ranges and empty nodes."""
    for number, line in lines:
        word_id = line.partition(b"\t")[0]
        skipped = b"-" in word_id or b"." in word_id
        if not line.startswith(b"#") and not (skipped and CONLLU_ID.fullmatch(word_id.decode("utf-8", "replace"))):
            yield number, line


def _decode_conllu_line(label: str, number: int, line: bytes) -> str:
    """Read the form of a word, which may hold blanks; a blank line as it is."""
    text = decode_line(label, number, line).rstrip("\r\n")
    if not text.strip():
        return ""
    fields = text.split("\t")
    if len(fields) != len(CONLLU_COLUMNS) or not CONLLU_ID.fullmatch(fields[0]) or not fields[1].strip():
        what = f"{label}:{number}: no word of CoNLL-U: {text[:80]!r}"
        raise Unreadable(what, "A word has ten columns, an id and a form among them; or", "skip")
    return fields[1]


def _whole_token(form: str | InvalidData) -> str | InvalidData | None:
    return form or None if isinstance(form, str) else form


def tag_documents(
    tagger: Tagger, documents: Iterable[Document], counts: TagCounts | None = None
) -> Iterator[tuple[Document, list[Tagging]]]:
    """Tag documents; gives each with the tags of its sentences, in order."""
    waiting: deque[Document] = deque()

    def sentences() -> Iterator[Sequence[str]]:
        for document in documents:
            waiting.append(document)
            for words in document.sentences:
                yield words.tokens

    ready: list[Tagging] = []
    for one in tagger.tag_scored(sentences(), counts):
        ready.append(one)
        while waiting and len(waiting[0].sentences) <= len(ready):
            yield waiting[0], ready[: len(waiting[0].sentences)]
            del ready[: len(waiting.popleft().sentences)]
    yield from ((document, []) for document in waiting)


def tell(counts: Mapping[str, int], on_error: str = "") -> None:
    """Log how many records, sentences and tokens were left out, changed or cut."""
    shown = {
        "broken": f"records could not be read: {'left out' if on_error == 'skip' else 'they stand as gaps'}",
        "replaced": f"records had fields named {', '.join((*TAGGED_FIELDS, 'text'))}: their values are not passed on",
        "tasks": "records were tasks of Label Studio: their data and ids are passed on, their annotations are not",
        "comments": "lines were comments before sentences: left out",
        "endless": "numbers are none in JSON (NaN, Infinity): passed on as null",
        "windowed": "sentences pass the model's length: tagged in overlapping windows",
        "without_subwords": "tokens have no sub-words: tagged O",
        "below": "entities are below their least probability: tagged O",
        "empty": "texts hold no token: left out",
        "labelled": "documents are in train, dev or test already: left out",
        "blanks": "tokens hold a blank, tab or line end: written as _",
    }
    for name, what in shown.items():
        if counts.get(name):
            logger.warning("%s %s", counts[name], what)
