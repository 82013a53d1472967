"""Files of many forms -> sentences: a module a form, chosen by the name of the file.

| name ends in | form | module |
|---|---|---|
| `.conllu` | CoNLL-U | `conllu` |
| `.jsonl .ndjson .json` | rows of tokens and tags, or texts with spans | `json_rows`, `span_records`, `token_spans` |
| `.parquet .arrow .feather` | rows of tokens and tags | `rows` |
| `.csv` | one token a row, with a sentence id | `csv_rows` |
| `.ann`, or a folder of them | brat | `brat` |
| `.spacy` | spaCy 3's documents | `spacy_docs` |
| anything else | WebAnno TSV 3, CoNLL-2012 or CoNLL-U by its first line | `webanno`, `conll2012`, `conllu` |
| | else column text | `column_text` |

Text may be packed: `.gz`, `.bz2` or `.xz` behind the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.sources.readers import (
    brat,
    column_text,
    conll2012,
    conllu,
    csv_rows,
    json_rows,
    recognise,
    rows,
    spacy_docs,
    webanno,
)
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally

READERS = {
    ".conllu": conllu.read,
    ".conllup": conllu.read,
    ".json": json_rows.read,
    ".jsonl": json_rows.read,
    ".ndjson": json_rows.read,
    ".parquet": rows.read_parquet,
    ".arrow": rows.read_arrow,
    ".feather": rows.read_arrow,
    ".csv": csv_rows.read,
    ".ann": brat.read,
    ".spacy": spacy_docs.read,
}
NAMED_TEXT = (".conllu", ".conllup", ".json", ".jsonl", ".ndjson", ".csv")
"""Ends of names of text files that have a reader of their own."""
TEXT_READERS = {"WebAnno": webanno.read, "CoNLL-2012": conll2012.read, "CoNLL-U": conllu.read}
__all__ = ["Layout", "Tally", "read"]


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a file (or a folder of brat's), one at a time.

    Args:
        layout: which columns hold tokens and tags.
        tally: told of all that is left out or changed.

    Raises:
        InvalidData: the file is not what its name says (names file and line), or has a form that is not read.
        InvalidOption: it has no such column.
    """
    found = form(path)
    reader = READERS.get(found)
    if found in NAMED_TEXT:
        recognise.refuse_no_data(path)
    if reader is None:
        reader = TEXT_READERS.get(recognise.form_of_text(path, layout), column_text.read)
    return reader(path, layout, tally)


def form(path: Path) -> str:
    """The end of the name that tells the form; empty for what the first line tells."""
    found = recognise.form(path)
    return found if found in READERS else ""


def files_of(path: Path) -> dict[str, Path]:
    """All files that belong to one that is named, by what follows the split in their names in a record.

    Raises:
        InvalidData: a file of brat's is missing.
    """
    found = form(path)
    if found != ".ann":
        return {found: path}
    files: dict[str, Path] = {}
    for file in brat.files_of(path):
        files[f"/{file.relative_to(path).as_posix()}" if path.is_dir() else file.suffix] = file
    return files
