"""What a person decides on gold tags that are perhaps wrong: `check --labels` writes the places, `download` reads them.

A file holds a place a line, in columns with tabs between. Its decision is `keep` until somebody writes another one.
A spreadsheet may have saved it: with quotation marks, other separators and line ends.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nertool.corpus.files import open_bytes, open_text, translate_read_errors
from nertool.corpus.records import LONGEST_FIELD, QUOTE_HELP
from nertool.errors import InvalidData
from nertool.workspace.names import SPLITS

KEEP, APPLY, DROP = DECISIONS = ("keep", "apply", "drop")
"""Leave gold as it is, give it the new tags, or remove the sentence."""
COLUMNS = ("decision", "file", "line", "tokens", "gold", "new", "score", "sentence")
"""First line of a file. The last two are for people, and may be missing."""
NEEDED = COLUMNS.index("score")
SUFFIX = ".txt.tmp"
"""Of the files that decisions are about."""
FILES = tuple(split + SUFFIX for split in SPLITS)
LARGEST_LINE = 2**31 - 1
SEPARATORS = ("\t", ";", ",")
"""What stands between columns; spreadsheets take the last two."""
FORMULA = re.compile(r"'*[=+@\-\t\r]")
"""Beginning of a cell that a spreadsheet would compute, or that stands behind `'` in the file, since it would."""


class Decision(NamedTuple):
    """A place, and what is decided on it.

    Attributes:
        decision: one of DECISIONS.
        file: name of the file.
        line: 1-based line of the first token.
        tokens, gold, new: the tokens with their tags, and the tags proposed for them; equal lengths.
        place: where the decision itself stands, as `FILE:LINE`.
    """

    decision: str
    file: str
    line: int
    tokens: Sequence[str]
    gold: Sequence[str]
    new: Sequence[str]
    place: str = ""

    @property
    def split(self) -> str:
        """The split whose file this is."""
        return self.file.removesuffix(SUFFIX)


def write_decisions(path: Path, places: Iterable[tuple[Decision, float, str]]) -> None:
    """Write places to decide on, so that spreadsheets and `read_decisions` read the same cells.

    Args:
        places: each with its score and its sentence.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for one, score, sentence in places:
            words = (" ".join(part) for part in (one.tokens, one.gold, one.new))
            cells = (one.decision, one.file, str(one.line), *words, f"{score:.4f}", sentence)
            table.writerow(map(_as_text, cells))


def _as_text(cell: str) -> str:
    """The cell as a spreadsheet leaves it alone: what begins as a formula does stands behind `'`.

    >>> _as_text("@anna"), _as_text("'-"), _as_text("'twas")
    ("'@anna", "''-", "'twas")
    """
    return f"'{cell}" if FORMULA.match(cell) else cell


def _from_text(cell: str) -> str:
    """The cell that `_as_text` got."""
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def read_decisions(path: Path) -> Iterator[Decision]:
    """Read the places of a file with what is decided on them; columns behind the needed ones may hold anything.

    Raises:
        InvalidData: a line is not as `write_decisions` or a spreadsheet writes it (names file and line).
    """
    separator = ""
    for number, line in _lines(path):
        place = f"{path}:{number}"
        separator = separator or _separator(line)
        fields = _cells(line, separator or SEPARATORS[0], place)
        if any(fields) and not _is_head(fields):
            yield _read_line(fields, place)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines without their ends, with 1-based numbers, in UTF-8 or, as spreadsheets save Unicode text, in UTF-16."""
    with translate_read_errors(path), open_bytes(path) as head:
        encoding = "utf-16" if head.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    with open_text(path, encoding=encoding) as file, translate_read_errors(path, encoding, is_data=False):
        for number, line in enumerate(file, start=1):
            yield number, line.removeprefix("\ufeff").rstrip("\n")


def _separator(line: str) -> str:
    """What stands between the columns of a line that begins as one of such a file; empty for any other line."""
    for separator in SEPARATORS:
        first, second, *_ = [field.strip('"') for field in (*line.split(separator), "")]
        if (first, second) == COLUMNS[:2] or (_decision(first) in DECISIONS and second in FILES):
            return separator
    return ""


def _is_head(fields: Sequence[str]) -> bool:
    return fields[:NEEDED] == list(COLUMNS[:NEEDED])


def _cells(line: str, separator: str, place: str) -> list[str]:
    """The cells of a line.

    Raises:
        InvalidData: a quotation mark is not closed, or is closed inside a cell.
    """
    csv.field_size_limit(LONGEST_FIELD)
    try:
        return [_from_text(cell) for row in csv.reader([line], delimiter=separator, strict=True) for cell in row]
    except csv.Error as error:
        raise InvalidData(f"{place}: {error}", QUOTE_HELP) from error


def _decision(cell: str) -> str:
    """A decision as it is meant: spreadsheets begin words in upper case."""
    return cell.strip().lower()


def _read_line(fields: Sequence[str], place: str) -> Decision:
    if len(fields) < NEEDED:
        raise InvalidData(f"{place}: {len(fields)} columns", f"With tabs between: {', '.join(COLUMNS[:NEEDED])}.")
    decision, file, line = _decision(fields[0]), *fields[1:3]
    tokens, gold, new = (field.split(" ") for field in fields[3:NEEDED])
    if decision not in DECISIONS:
        raise InvalidData(f"{place}: no decision: {decision!r}", f"The first column holds {', '.join(DECISIONS)}.")
    if file not in FILES:
        raise InvalidData(f"{place}: no file of download: {file!r}", f"Such as {FILES[0]}.")
    if not line.isascii() or not line.isdecimal() or len(line) > len(str(LARGEST_LINE)):
        raise InvalidData(f"{place}: {line!r} is no number of a line", "Write the line of the first token.")
    if not len(tokens) == len(gold) == len(new) or not all((*tokens, *gold, *new)):
        counts = f"{len(tokens)} tokens, {len(gold)} gold tags, {len(new)} new ones"
        raise InvalidData(f"{place}: {counts}", "Write as many tags as tokens, with one space between.")
    return Decision(decision, file, int(line), tokens, gold, new, place)
