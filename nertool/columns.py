"""Column files: one token a line, a blank line ends a sentence.

The published files are turned into `{split}.txt.tmp` by the same three filters as in the README
(`grep -v "^#"`, `cut -f`, `tr '\\t' ' '`), on bytes and in one pass; everything later reads and writes
`token, space, tag` lines in UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from nertool.errors import InvalidData, command


class Sentence(NamedTuple):
    """Tokens with their tags, and the 1-based number of the first token's line in its file."""

    tokens: list[str]
    tags: list[str]
    line: int


@dataclass(frozen=True)
class Filters:
    """How a published tab-separated file becomes `token, space, tag` lines.

    Attributes:
        drop_comments: leave out lines that begin with `#`, as `grep -v "^#"` does.
        fields: 1-based fields to keep, as `cut -f`; None keeps all.
        delimiter: what separates the published fields.
        drop_docstart: leave out CoNLL-2003's `-DOCSTART-` lines and the blank line behind each.
    """

    drop_comments: bool = False
    fields: tuple[int, ...] | None = None
    delimiter: bytes = b"\t"
    drop_docstart: bool = False

    def apply(self, source: BinaryIO, target: BinaryIO) -> dict[str, int]:
        """Filter `source` into `target`; returns counts of sentences, tokens and dropped lines.

        As `cut` does, a line without the delimiter passes whole, and a line with too few fields gives those it
        has. As `grep` and `cut` do, a last line without a line feed gets one; `tr` alone adds none.
        """
        sentences = tokens = dropped = 0
        inside = after_docstart = False
        for line in source:
            docstart = self.drop_docstart and line.startswith(b"-DOCSTART-")
            blank_after = after_docstart and not line.strip()
            after_docstart = docstart
            if docstart or blank_after or (self.drop_comments and line.startswith(b"#")):
                dropped += not blank_after
                continue
            line = self._cut(line).replace(b"\t", b" ")
            target.write(line)
            token = not line.isspace()
            tokens += token
            sentences += token and not inside
            inside = token
        return {"sentences": sentences, "tokens": tokens, "dropped lines": dropped}

    def _cut(self, line: bytes) -> bytes:
        complete = self.drop_comments or self.fields is not None
        body = line[:-1] if line.endswith(b"\n") else line
        if self.fields is not None and self.delimiter in body:
            columns = body.split(self.delimiter)
            body = b"\t".join(columns[number - 1] for number in self.fields if number <= len(columns))
        return body + b"\n" if complete or line.endswith(b"\n") else body


def read_sentences(path: Path) -> Iterator[Sentence]:
    """Sentences of a `token, space, tag` file, one at a time.

    The token is what stands before the first space, the tag what stands behind the last one, as in the README's
    `run_ner.py`; white space at the end of a line does not count.

    Raises:
        InvalidData: a line has no tag, or is not UTF-8 (names file and line).
    """
    tokens: list[str] = []
    tags: list[str] = []
    first = 0
    for number, line in numbered_lines(path):
        line = line.rstrip()
        if line:
            token, _, rest = line.partition(" ")
            if not token or not rest:
                raise InvalidData(
                    f"{path}:{number}: no tag behind the token: {line!r}", "A line holds a token, one space and a tag."
                )
            first = first or number
            tokens.append(token)
            tags.append(rest.rpartition(" ")[2])
        elif tokens:
            yield Sentence(tokens, tags, first)
            tokens, tags, first = [], [], 0
    if tokens:
        yield Sentence(tokens, tags, first)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a UTF-8 file with their 1-based numbers, line ends as Python's text mode sees them.

    Raises:
        InvalidData: bytes that are not UTF-8 (names file and line).
    """
    with path.open(encoding="utf-8") as file:
        try:
            yield from enumerate(file, start=1)
        except UnicodeDecodeError as error:
            raise InvalidData(
                f"{path}: not UTF-8 in line {_bad_line(path)}: {error.reason}",
                "Convert it first: iconv -f ISO-8859-1 -t UTF-8 FILE",
            ) from error


def _bad_line(path: Path) -> int:
    """1-based number of the first line that is not UTF-8, lines ending as in Python's text mode."""
    number = 1
    with path.open("rb") as file:
        for line in file:
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number + line[: error.start].count(b"\r")
            number += line.count(b"\n") + line.count(b"\r") - line.count(b"\r\n")
    raise AssertionError(f"every line of {path} is UTF-8")


def write_columns(target: TextIO, columns: Iterable[Iterable[str]]) -> None:
    """Write one sentence: a line for each row of `zip(*columns)`, then a blank line."""
    for row in zip(*columns, strict=True):
        target.write(" ".join(row) + "\n")
    target.write("\n")


def read_labels(path: Path) -> list[str]:
    """The labels of `labels.txt`, in its order; the position is the label's id.

    Raises:
        InvalidData: a blank line between labels, or a label twice (names file and line).
    """
    labels: dict[str, int] = {}
    anew = command(path.parent, "labels", "--force")
    for number, line in numbered_lines(path):
        label = line.rstrip()
        if not label or label in labels:
            what = f"{label!r} stands there twice" if label else "a blank line"
            raise InvalidData(f"{path}:{number}: {what}", f"Every line holds one label; write it anew: {anew}")
        labels[label] = number
    if not labels:
        raise InvalidData(f"{path} is empty", f"Write it anew: {anew}")
    return list(labels)
