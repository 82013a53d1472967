"""Files of many forms -> sentences: a module a form, chosen by the name of the file.

| name ends in | form | module |
|---|---|---|
| `.conllu` | CoNLL-U | `conllu` |
| `.jsonl .ndjson .json` | rows of tokens and tags, or texts with character spans | `json_rows`, `char_spans` |
| `.parquet .arrow .feather` | rows of tokens and tags | `rows` |
| `.csv` | one token a row, with a sentence id | `csv_rows` |
| anything else | column text | `column_text` |

Text may be packed: `.gz`, `.bz2` or `.xz` behind the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.corpus.files import PACKED
from nertool.sources.readers import column_text, conllu, csv_rows, json_rows, rows
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
}
__all__ = ["Layout", "Tally", "read"]


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a file, one at a time.

    Args:
        layout: which columns hold tokens and tags.
        tally: told of all that is left out or changed.

    Raises:
        InvalidData: the file is not what its name says (names file and line).
        InvalidOption: it has no such column.
    """
    return READERS.get(form(path), column_text.read)(path, layout, tally)


def form(path: Path) -> str:
    """The end of the name that tells the form; empty for column text."""
    suffix = (path.with_suffix("") if path.suffix in PACKED else path).suffix.lower()
    return suffix if suffix in READERS else ""
