"""Options that say how data are read: which of them each form has a use for; what nothing would use is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

from nertool.corpus.column_files import Sentence
from nertool.errors import InvalidOption
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally

COLUMNS = frozenset({"token_column", "tag_column", "tag_names"})
TABLE = COLUMNS | {"sentence_column", "sentence_end"}
USES: Mapping[str, frozenset[str]] = {
    "column text": TABLE | {"delimiter", "comment"},
    "a token a row": TABLE,
    "a sentence a row": COLUMNS,
    "texts with spans": frozenset(
        {"text_column", "spans_column", "tag_column", "tag_names", "annotator", "alignment", "tokenizer"}
    ),
    "tokens with spans": frozenset(),
    "spaCy's training documents": frozenset({"token_column", "tag_column"}),
    "spaCy's documents": frozenset(),
    "spaCy's parts of speech": frozenset({"tag_column"}),
    "CoNLL-U": COLUMNS,
    "CoNLL-2012": frozenset(),
    "WebAnno TSV": frozenset({"tag_column", "spans_column"}),
    "brat's annotations": frozenset({"alignment", "tokenizer"}),
}
"""Fields of `Layout` that each form of data has a use for, besides those that its files' packaging has."""
OPTIONS = (
    *("token_column", "tag_column", "sentence_column", "delimiter", "comment", "encoding", "sentence_end"),
    *("tag_names", "text_column", "spans_column", "annotator", "alignment", "tokenizer"),
)
BINARY = (".parquet", ".arrow", ".feather", ".spacy")
ReadFile = Callable[[Tally], Iterable[Sentence]]


def of_file(suffix: str) -> frozenset[str]:
    """Options that a file has a use for whatever it holds, by the end of its name."""
    if suffix in BINARY:
        return frozenset()
    return frozenset({"encoding", "delimiter"} if suffix == ".csv" else {"encoding"})


def refuse_unused(layout: Layout, files: Iterable[tuple[Path | str, frozenset[str], ReadFile]]) -> None:
    """Refuse options that none of some files has a use for, once the first sentence of each has told its form.

    Args:
        files: the name of each, the options that it has a use for whatever it holds, and what reads it.

    Raises:
        InvalidOption: there is such an option.
        NertoolError: a file cannot be read.
    """
    default = Layout()
    given = [name for name in OPTIONS if getattr(layout, name) != getattr(default, name)]
    forms: dict[str, None] = {}
    for _, used, read in files if given else ():
        tally = Tally(silent=True)
        for _ in islice(read(tally), 1):
            pass
        if not tally.form:
            return  # an empty file, which is told of later
        forms[tally.form] = None
        uses = used | USES[tally.form]
        given = [name for name in given if name not in uses]
        if not given:
            return
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        there = sorted({name for form in forms for name in USES[form]})
        hint = ", ".join(f"--{name.replace('_', '-')}" for name in there)
        raise InvalidOption(
            f"{flag}: the data are {' and '.join(forms)}, which have no use for it",
            f"Leave it out. Such data take {hint}." if hint else "Leave it out.",
        )
