"""What is to be tagged, out of files of any form or a stream: documents of one or more sentences, one at a time."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from nertool.corpus.files import open_bytes, translate_read_errors
from nertool.corpus.running_text import Words, cut_text, form_of, line_offsets, token_sentences
from nertool.documents.table_rows import bad, csv_rows, first_line, parquet_rows
from nertool.errors import InvalidData, InvalidOption
from nertool.progress import logger

if TYPE_CHECKING:
    from nertool.models.tagger import TagCounts, Tagger, Tagging

FORMS = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
"""Forms that the end of a name tells."""
PEEK = 100
"""Lines looked at, at the most, to tell a form from its lines."""
OURS = ("tokens", "tags", "entities")
"""Fields that tagging fills in."""
DEEPEST = 200
"""Lists and objects inside each other that a record may hold: far from where Python's JSON gives up."""
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON spells surrogates, which are characters in pairs alone."""


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
        form: `tokens`, `conllu`, `text` (a line a document), `document` (a file a document), `jsonl`, `csv`, `parquet`,
            or `auto`.
        labels: of the model; they tell tagged lines from running text.
        text_column, tokens_column: names of the field or column that holds the text, or the tokens.
        split: text -> (start, end) of its sentences; None: each line of a text is one.
        on_error: what a record that cannot be read does: `stop`, `skip`, or `null` (it stands as a gap).
        stdin: the bytes of standard input, which is read for the name `-`.
        broken: how many there were.
        replaced: records with fields of the names that tagging fills in, whose values are not passed on.
        endless: numbers that JSON does not have (NaN, Infinity), passed on as null.
    """

    form: str = "auto"
    labels: Sequence[str] = ()
    text_column: str = "text"
    tokens_column: str = "tokens"
    split: Callable[[str], Iterable[tuple[int, int]]] | None = None
    on_error: Literal["stop", "skip", "null"] = "stop"
    stdin: IO[bytes] | None = None
    broken: int = 0
    replaced: int = 0
    endless: int = 0

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
            if path is None or not path.is_file():
                what = "standard input has no columns" if path is None else f"{name} is no regular file"
                raise InvalidOption(f"--input {form}: {what}", "Name a file, or send JSON Lines.")
            yield from self._rows(path, form)
            return
        lines = _lines(path, self.stdin)
        if form == "auto":
            ahead: list[tuple[int, bytes]] = []
            form = self._form(islice(_remembered(lines, ahead), PEEK))
            lines = chain(ahead, lines)
            if form in ("tokens", "conllu") and ahead:
                shown = "CoNLL-U" if form == "conllu" else "one token a line"
                logger.info("read as %s (--input text reads one sentence a line)", shown)
        label = str(path or "standard input")
        if form == "jsonl":
            yield from self._records(label, lines)
        elif form == "tokens":
            yield from self._tokens(label, lines)
        elif form == "conllu":
            yield from self._tokens(label, _conllu_words(lines))
        elif form == "document":
            yield from self._tried(partial(self._whole, label, lines), 1)
        else:
            yield from self._texts(label, lines)

    def _form(self, lines: Iterator[tuple[int, bytes]]) -> str:
        first = (line.decode("utf-8", "replace") for _, line in lines)
        return form_of(first, set(self.labels))

    def _tokens(self, label: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[Document]:
        for number, words in token_sentences(self._decoded(label, lines, _token_line)):
            if "" in words.tokens:  # lines that cannot be read: a sentence without them would be another one
                self.broken -= words.tokens.count("") - 1
                yield from self._gap(number)
            else:
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
        place = f"{label}:{number}"
        try:
            record = json.loads(text)
            if HALF_CHARACTER.search(text):
                json.dumps(record, ensure_ascii=False).encode("utf-8")
        except RecursionError as error:
            raise bad(place, f"lists or objects more than {DEEPEST} deep") from error
        except UnicodeEncodeError as error:
            raise bad(place, f"half a character (a lone surrogate): {ascii(error.object[error.start])}") from error
        except ValueError as error:
            raise bad(place, f"not JSON: {str(error).partition(';')[0]}") from error
        if not isinstance(record, dict):
            raise bad(place, "not a JSON object")
        if text.count("[") + text.count("{") > DEEPEST and _depth(record) > DEEPEST:
            raise bad(place, f"lists or objects more than {DEEPEST} deep")
        return self._from_record(place, number, record)

    def _from_record(self, place: str, number: int, record: dict[str, Any]) -> Document:
        tokens, text = record.get(self.tokens_column), record.get(self.text_column)
        if isinstance(tokens, list) and all(isinstance(token, str) and token.strip() for token in tokens):
            return Document(number, [Words(tokens)], None, self._others(record, self.tokens_column, OURS))
        if isinstance(text, str):
            return self._document(number, text, self._others(record, self.text_column, (*OURS, "text")))
        raise bad(place, f"neither a text {self.text_column!r} nor a list of tokens {self.tokens_column!r}")

    def _others(self, record: Mapping[str, Any], but: str, filled_in: Sequence[str]) -> dict[str, Any]:
        """The fields that are passed on."""
        others = {key: self._finite(value) for key, value in record.items() if key != but and key not in filled_in}
        self.replaced += len(others) < len(record) - 1
        return others

    def _finite(self, value: Any) -> Any:
        """A value with null in place of numbers that JSON does not have."""
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self.endless += 1
            return None
        if isinstance(value, dict):
            return {key: self._finite(one) for key, one in value.items()}
        return [self._finite(one) for one in value] if isinstance(value, (list, tuple)) else value

    def _whole(self, label: str, lines: Iterable[tuple[int, bytes]]) -> Document:
        return self._document(1, "".join(_text(label, number, line) for number, line in lines), {})

    def _document(self, number: int, text: str, record: Mapping[str, Any]) -> Document:
        places = self.split(text) if self.split else line_offsets(text)
        sentences = [cut_text(text, start, end) for start, end in places]
        return Document(number, [words for words in sentences if words.tokens], text, record)

    def _rows(self, path: Path, form: str) -> Iterator[Document]:
        columns, rows = (csv_rows if form == "csv" else parquet_rows)(path)
        if columns and not {self.text_column, self.tokens_column} & {*columns}:
            wanted = f"a column {self.text_column!r} or {self.tokens_column!r}"
            raise InvalidOption(f"{path} lacks {wanted}", f"It has {', '.join(columns)}: --text-column NAME")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            logger.warning("%s: more than one column %s: the last is passed on", path, ", ".join(twice))
        for number, row in enumerate(rows, start=1):
            yield from self._tried(partial(self._row, f"{path}: row {number}", number, row), number)

    def _row(self, place: str, number: int, row: dict[str, Any] | str) -> Document:
        if isinstance(row, str):
            raise bad(place, row)
        return self._from_record(place, number, row)

    def _decoded(
        self, label: str, lines: Iterable[tuple[int, bytes]], decode: Callable[[str, int, bytes], str] | None = None
    ) -> Iterator[tuple[int, str]]:
        """Lines as text; one that is no text is a record that cannot be read, and comes without even a line end."""
        decode = decode or _text
        for number, line in lines:
            try:
                yield number, decode(label, number, line)
            except InvalidData as error:
                self._count(error)
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


def _text(label: str, number: int, line: bytes) -> str:
    """A line as text.

    Raises:
        InvalidData: it is none (names file and line).
    """
    if b"\0" in line:
        raise bad(f"{label}:{number}", "a NUL byte: this is no text in UTF-8")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"{label}:{number}: not UTF-8: {error.reason}"
        raise InvalidData(what, "Convert it first: iconv -f ISO-8859-1 -t UTF-8; or --on-error skip") from error


def _token_line(label: str, number: int, line: bytes) -> str:
    text = _text(label, number, line)
    if "\r" in text.rstrip("\r\n"):
        what = f"{label}:{number}: a carriage return inside a line of one token"
        raise InvalidData(what, "Convert the ends of lines first: tr '\\r' '\\n'; or --on-error skip")
    return text


def _conllu_words(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """The words of CoNLL-U, one a line, without comments, multiword ranges and empty nodes."""
    for number, line in lines:
        fields = line.split(b"\t")
        if len(fields) == 1 and not line.startswith(b"#"):
            yield number, line
        elif fields[0].isdigit():
            yield number, fields[1] + b"\n"


def _depth(value: Any) -> int:
    """How many lists and objects are inside each other."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return depth


def _lines(path: Path | None, stdin: IO[bytes] | None) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; standard input (no path) is read no further than it must be."""
    label = path or Path("standard input")
    if path is None and stdin is None:
        raise InvalidOption("standard input is closed", "Name files that exist; - is standard input.")
    with translate_read_errors(label), open_bytes(path) if path else nullcontext(stdin) as source:
        assert source is not None
        for number, line in enumerate(source, start=1):
            yield number, line if number > 1 else first_line(str(label), line)


def _remembered(lines: Iterator[tuple[int, bytes]], ahead: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        ahead.append(line)
        yield line


def tag_documents(
    tagger: Tagger, documents: Iterable[Document], counts: TagCounts | None = None
) -> Iterator[tuple[Document, list[Tagging]]]:
    """Each document with the tags of its sentences, in order."""
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
    """Say what was not passed on, or not as it was, in so many records, sentences and tokens."""
    shown = {
        "broken": f"records could not be read: {'left out' if on_error == 'skip' else 'they stand as gaps'}",
        "replaced": f"records had fields named {', '.join((*OURS, 'text'))}: their values are not passed on",
        "endless": "numbers are none in JSON (NaN, Infinity): passed on as null",
        "windowed": "sentences pass the model's length: tagged in overlapping windows",
        "without_subwords": "tokens have no sub-words: tagged O",
        "blanks": "tokens hold a blank, tab or line end: written as _",
    }
    for name, what in shown.items():
        if counts.get(name):
            logger.warning("%s %s", counts[name], what)
