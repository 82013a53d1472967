"""brat's standoff annotation: a text, and beside it an .ann file with its entities; one pair, or a folder of them.

Source: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.corpus.files import open_text, translate_read_errors
from nertool.corpus.records import BYTE_ORDER_MARK
from nertool.errors import InvalidData
from nertool.sources.readers.char_spans import AnnotatedText, tag_texts
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.span_offsets import CharSpan
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines

ENTITY = re.compile(r"T\S*\t(\S+) (\d{1,18} \d{1,18}(?:;\d{1,18} \d{1,18})*)(?:\t(.*))?")
"""Line of an entity: T1, its type, its pieces, its text."""
FIRST_ENTITY = re.compile(r"T\d+[ \t].*\b\d+ \d+\b")
"""First line of an entity, even a malformed one, which no column file has."""
OTHERS = {
    **{"R": "relations", "*": "relations", "E": "events", "A": "attributes", "M": "attributes"},
    **{"N": "normalizations", "#": "notes"},
}
"""How lines that mark no text begin, and what they hold."""
OTHER_LINE = re.compile(r"(?:[REAMN]\d+|#\d*|\*)\t")
"""How such a line begins in a file that holds nothing else."""
LONGEST_TEXT = 1 << 27
"""Characters of a text beyond which it is refused."""
HELP = "A line of an entity is: T1, a tab, TYPE START END, a tab, and its text."


def is_brat(path: Path) -> bool:
    """Whether a file's first entity has the form of brat's, or it holds none and has a text beside it."""
    only_others = True
    with open_text(path, errors="replace") as file, translate_read_errors(path):
        for line in file:
            line = line.lstrip(BYTE_ORDER_MARK)
            if line.startswith("T"):
                return FIRST_ENTITY.match(line) is not None
            if line.strip():
                only_others = only_others and OTHER_LINE.match(line) is not None
                if line[0] not in OTHERS:
                    return False
    return only_others and beside(path, ".txt").is_file()


def beside(path: Path, end: str) -> Path:
    """The file of a pair whose name ends so, in capitals where only that one is there."""
    usual, in_capitals = path.with_suffix(end), path.with_suffix(end.upper())
    return in_capitals if in_capitals.is_file() and not usual.is_file() else usual


def _in_folder(folder: Path, end: str) -> list[Path]:
    """Files in a folder and the folders in it whose names end so, in capitals too, in order of their names."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() == end)


def files_of(path: Path) -> list[Path]:
    """Files that belong to a pair of which one is named, or to a folder of pairs, in order of their names.

    Raises:
        InvalidData: a text is missing; or the folder holds no pair.
    """
    annotations = _in_folder(path, ".ann") if path.is_dir() else [beside(path, ".ann")]
    if not annotations:
        raise InvalidData(
            f"{path} is a directory without .ann files",
            "Name a file, or a folder of brat's .ann and .txt files; --dataset names a data set's.",
        )
    files: list[Path] = []
    for annotation in annotations:
        text = beside(annotation, ".txt")
        if not text.is_file():
            raise InvalidData(
                f"{annotation}: no {text.name} beside it", "brat's .ann needs the text that it annotates."
            )
        files += [annotation, text]
    return files


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a pair, or of all pairs in a folder and the folders in it.

    An entity of several pieces is left out and counted, unless only white space lies between them.

    Raises:
        InvalidData: a line is none of brat's, or a text is missing (names file and line).
    """
    if path.is_dir():
        lonely = {text.with_suffix("") for text in _in_folder(path, ".txt")}
        lonely -= {annotation.with_suffix("") for annotation in _in_folder(path, ".ann")}
        for _ in lonely:
            tally.add("texts without an .ann file left out")
    tally.form = "brat's annotations"
    files = files_of(path)
    pairs = zip(files[::2], files[1::2], strict=True)
    yield from tag_texts((_read_pair(*pair, layout, tally) for pair in pairs), layout, tally)


def _read_pair(annotation: Path, source: Path, layout: Layout, tally: Tally) -> AnnotatedText:
    encoding = layout.encoding
    with open_text(source, newline="", encoding=encoding) as file, translate_read_errors(source, encoding):
        text = file.read(LONGEST_TEXT + 1)
    if len(text) > LONGEST_TEXT:
        raise InvalidData(f"{source}: over {LONGEST_TEXT:,} characters", "Split the text, and its .ann file.")
    if "\0" in text:
        raise InvalidData(f"{source}: a NUL byte: this is no text", "Name a file of text in UTF-8.")
    spans: list[CharSpan] = []
    for number, line in text_lines(annotation, tally, encoding=encoding):
        if not line.strip():
            continue
        if line[0] in OTHERS:
            tally.add(f"{OTHERS[line[0]]} left out")
            continue
        entity = ENTITY.fullmatch(line)
        if entity is None:
            raise InvalidData(f"{annotation}:{number}: no line of brat's: {line[:80]!r}", HELP)
        span = _span(entity, text, f"{annotation}:{number}", tally)
        spans += [span] if span else []
    return AnnotatedText(text.lstrip(BYTE_ORDER_MARK), spans, str(annotation), 1)


def _span(entity: re.Match[str], text: str, place: str, tally: Tally) -> CharSpan | None:
    """The span of an entity; None for one of several pieces."""
    pieces: list[tuple[int, int]] = []
    for piece in entity[2].split(";"):
        start, end = map(int, piece.split())
        pieces.append((start, end))
    for before, after in zip(pieces, pieces[1:], strict=False):
        if text[before[1] : after[0]].strip() or before[1] > after[0]:
            detail = f"{entity[1]} of {len(pieces)} pieces {(entity[3] or '')[:60]!r}: left out"
            tally.add("discontinuous spans left out", place, detail)
            return None
    start, end = pieces[0][0], pieces[-1][1]
    if start >= end:
        raise InvalidData(f"{place}: span {start} to {end} {entity[1]} holds no character of the text", HELP)
    return CharSpan(start, end, entity[1], entity[3] or "")
