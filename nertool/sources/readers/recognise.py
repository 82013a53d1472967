"""Which form a file has, by its name, and by its beginning where the name says too little."""

from __future__ import annotations

import re
from pathlib import Path

from nertool.corpus.files import PACKED, open_bytes, translate_read_errors
from nertool.errors import InvalidData
from nertool.sources.readers import brat, conll2012, webanno
from nertool.sources.readers.char_spans import SPANS_WAY
from nertool.sources.readers.layout import Layout

BEGINNING = 1 << 16
"""Bytes of a file that are looked at."""
FIRST_LINES = 50
TAG = re.compile(r"O|[BIESLU]-\S+")
TAGGED_WORDS = re.compile(r"<([A-Za-z][\w.-]*)(?: [^<>]*)?>[^<>\n]+</\1>|\[[^\[\]\n]+\]\([A-Za-z][\w-]*\)")
"""Words with a tag around or behind them, such as <PER>Anna Keller</PER> and [Anna Keller](PER)."""
OTHER_FORMS = {
    "XML": re.compile(r"\s*<(\?xml|!DOCTYPE|!--|[A-Za-z][\w:.-]*(\s[^<>]*)?>\s*<)"),
    "PubTator": re.compile(r"\s*\d+\|[ta]\|"),
    "i2b2's list of concepts": re.compile(r'\s*c="[^"\n]*" \d+:\d+ \d+:\d+\|\|t="'),
    "WebAnno TSV 1 or 2": re.compile(r"#\s*(webanno\.custom|de\.tudarmstadt\.ukp)\."),
}
"""Forms that are not read, and how their files begin."""


def form(path: Path) -> str:
    """The form of a file: the end of a name such as `.csv`, `.ann` for brat; empty for what only its text can tell.

    Raises:
        InvalidData: brat's file is packed.
    """
    suffix = suffix_of(path)
    if path.is_dir():
        return ".ann"
    annotation = path.with_suffix(".ann") if path.suffix == ".txt" else path
    if suffix_of(annotation) != ".ann":
        return suffix
    if not annotation.is_file() or not brat.is_brat(annotation):
        return ""
    if path.suffix in PACKED:
        raise InvalidData(f"{path}: a packed file of brat's", "Unpack it, and the text beside it.")
    return ".ann"


def suffix_of(path: Path) -> str:
    """The end of a file's name, before that of the packing."""
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix.lower()


def form_of_text(path: Path, layout: Layout) -> str:
    """The form of a file of text, as its beginning tells: `WebAnno`, `CoNLL-2012`, or empty for column text.

    Columns that the layout names make it column text.

    Raises:
        InvalidData: it has a form of annotated text that is not read.
    """
    with translate_read_errors(path), open_bytes(path) as file:
        head = file.read(BEGINNING).decode("utf-8", "replace").removeprefix("\ufeff")
    if webanno.FORMAT.match(head):
        return "WebAnno"
    if layout.delimiter:
        return ""
    if conll2012.BEGINNING.match(head) and not (layout.token_column or layout.tag_column):
        return "CoNLL-2012"
    _refuse_other_forms(path, head)
    return ""


def _refuse_other_forms(path: Path, head: str) -> None:
    for name, beginning in OTHER_FORMS.items():
        if beginning.match(head):
            raise InvalidData(f"{path}:1: this looks like {name}, which is not read", SPANS_WAY)
    tagged: list[int] = []
    lines = [line for line in head.split("\n")[:FIRST_LINES] if line.strip()]
    for line in lines:
        fields = line.split()
        if "\t" not in line and not TAG.fullmatch(fields[-1]) and TAGGED_WORDS.search(line):
            tagged.append(len(fields))
    if max(tagged, default=0) > 3 or 2 * len(tagged) > len(lines):
        raise InvalidData(f"{path}:1: this looks like text with tags in it, which is not read", SPANS_WAY)
